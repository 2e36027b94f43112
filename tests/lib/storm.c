/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm - processes and threads that begin and end all the time, until a line comes on stdin; many leave children
 * behind, whose parent is then a process outside of the storm.
 *
 * usage: storm OUT
 *
 * Prints `ready PID` of the process from which all descend.  OUT gets a line of JSON for each process and thread: pid, tid, parent (the process that made it),
 * made_ns (before it was made), begin_ns, end_ns (both within its life), all CLOCK_BOOTTIME.
 */
#define _GNU_SOURCE 1
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPINES 2     /* these live as long as the storm, so there is always something to begin from */
#define DEPTH_MAX 8  /* of what begins at a spine */
#define ALIVE_MAX 60 /* with so many the spines take a rest */
#define SLOTS_MAX (1U << 20)

struct life {
	uint64_t made_ns, begin_ns, end_ns;
	int32_t pid, tid, parent;
};

static struct {
	atomic_uint used, alive;
	atomic_bool stop;
	struct life lives[SLOTS_MAX];
} * world;

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void life_end(struct life *l)
{
	l->end_ns = now_ns();
	atomic_fetch_sub(&world->alive, 1);
}

/* Taken before a process or thread is made; NULL: no more. */
static struct life *life_new(void)
{
	unsigned int i;

	if (atomic_load(&world->stop))
		return NULL;
	i = atomic_fetch_add(&world->used, 1);
	if (i >= SLOTS_MAX)
		return NULL;
	atomic_fetch_add(&world->alive, 1);
	world->lives[i].made_ns = now_ns();
	return &world->lives[i];
}

static void life_begin(struct life *l, pid_t parent)
{
	l->pid = getpid();
	l->tid = gettid();
	l->parent = parent;
	l->begin_ns = now_ns();
}

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352dU;
	x = (x ^ x >> 15) * 0x846ca68bU;
	return x ^ x >> 16;
}

static void *thread_main(void *arg)
{
	life_begin(arg, getpid());
	life_end(arg);
	return NULL;
}

static void one_thread(void)
{
	struct life *l = life_new();
	pthread_t t;

	if (!l)
		return;
	if (pthread_create(&t, NULL, thread_main, l))
		life_end(l);
	else
		(void)pthread_join(t, NULL);
}

static void branch(unsigned int depth, bool wait_for_it);

/* One or two children, waited for or left behind */
static void branch_main(struct life *l, pid_t parent, unsigned int depth)
{
	static const struct timespec rest = { .tv_nsec = 600000000 };
	uint32_t dice;

	life_begin(l, parent);
	dice = mix((uint32_t)l->pid + depth);
	if (dice % 8 == 0)
		one_thread();
	if ((dice >> 12 & 7) == 0) /* long enough to be left behind, and met by whoever attaches meanwhile */
		(void)nanosleep(&rest, NULL);
	if (depth < DEPTH_MAX) {
		branch(depth + 1, dice >> 8 & 1);
		if (dice >> 9 & 1)
			branch(depth + 2, dice >> 10 & 1);
	}
	life_end(l);
	_exit(0);
}

static void branch(unsigned int depth, bool wait_for_it)
{
	struct life *l = life_new();
	pid_t parent = getpid(), pid;

	if (!l)
		return;
	pid = fork();
	if (!pid)
		branch_main(l, parent, depth);
	if (pid < 0)
		life_end(l);
	else if (wait_for_it)
		(void)waitpid(pid, NULL, 0);
}

/* What a spine leaves behind is its no longer, but must not fill the table of processes */
static void spine(pid_t parent)
{
	const struct timespec moment = { .tv_nsec = 500000 };
	struct life *l = life_new();
	unsigned int i;

	if (!l || fork())
		return;
	life_begin(l, parent);
	for (i = 0; !atomic_load(&world->stop) && atomic_load(&world->used) < SLOTS_MAX; i++) {
		branch(0, i % 3 == 0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (atomic_load(&world->alive) > ALIVE_MAX)
			(void)nanosleep(&moment, NULL);
	}
	while (wait(NULL) > 0)
		;
	life_end(l);
	_exit(0);
}

static void lives_write(const char *path)
{
	FILE *f = fopen(path, "we");
	unsigned int i, n = atomic_load(&world->used);

	if (!f)
		err(1, "%s", path);
	for (i = 0; i < n && i < SLOTS_MAX; i++) {
		const struct life *l = &world->lives[i];

		if (l->pid)
			(void)fprintf(f,
				      "{\"pid\":%d,\"tid\":%d,\"parent\":%d,\"made_ns\":%llu,\"begin_ns\":%llu,"
				      "\"end_ns\":%llu}\n",
				      l->pid, l->tid, l->parent, (unsigned long long)l->made_ns,
				      (unsigned long long)l->begin_ns, (unsigned long long)l->end_ns);
	}
	if (fclose(f))
		err(1, "%s", path);
}

static void root(void)
{
	unsigned int i;
	char line[8];

	for (i = 0; i < SPINES; i++)
		spine(getpid());
	(void)printf("ready %d\n", getpid());
	(void)fflush(stdout);
	(void)!read(STDIN_FILENO, line, sizeof(line));
	atomic_store(&world->stop, true);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: storm OUT");
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		err(1, "mmap");
	/* whoever is left behind becomes a child of this process, which does not belong to the storm */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!fork())
		root();
	while (wait(NULL) > 0)
		;
	lives_write(argv[1]);
	return 0;
}
