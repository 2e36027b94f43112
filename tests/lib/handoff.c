/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and processes that hand over to each other in known ways, and log what they did.
 *
 * usage: handoff SCENE thread|process ROUNDS TRUTH
 *
 * Each actor marks where it is by a byte that it writes into a socket pair of its own and reads again: its n-th `send` in a
 * recording is its n-th mark.  A giver waits until the taker sleeps in the system call that the scene is about
 * (/proc/PID/task/TID/syscall), so that each hand-off needs a wake.  TRUTH gets lines of
 *
 *	actor TID
 *	give ROUND TID MARK		between this mark and its next the actor handed over
 *	take ROUND TID MARK		between this mark and its next it got what it slept for
 *	hold ORDER TID MARK		it had the lock as the ORDER-th; that was between these marks
 *
 * with the number of marks that the actor had made until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ACTORS_MAX 6
#define TRUTH_MAX (1 << 20)
#define DEADLINE_S 200 /* an emulated machine takes its time */

/* In memory that is shared also between processes */
struct shared {
	atomic_int tids[ACTORS_MAX], here, turn, asleep, done, order;
	atomic_uint futex[2];
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	sem_t sems[2];
	int pipes[2][2], events[2], epolls[2], sockets[2][2];
};

struct actor {
	const struct scene *scene;
	int me, rounds, marks, mark_fds[2], truth_fd;
	char *truth;
	size_t truth_len;
	pthread_t thread;
	pid_t pid;
};

struct scene {
	const char *name;
	int actors;
	int calls[3]; /* in one of which a taker sleeps; 0: of none (read is 0: -1 stands for it) */
	void (*setup)(bool processes);
	void (*run)(struct actor *a); /* NULL: one gives, the other takes, in turn */
	void (*give)(struct actor *a, int to);
	void (*take)(struct actor *a);
};

static struct shared *S;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void check(bool right, const char *what)
{
	if (!right)
		die(what);
}

__attribute__((format(printf, 2, 3))) static void say(struct actor *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	a->truth_len += (size_t)vsnprintf(a->truth + a->truth_len, TRUTH_MAX - a->truth_len, fmt, ap);
	va_end(ap);
	check(a->truth_len < TRUTH_MAX, "truth");
}

static void mark(struct actor *a)
{
	char byte = 'm';

	check(write(a->mark_fds[0], &byte, 1) == 1 && read(a->mark_fds[1], &byte, 1) == 1, "mark");
	a->marks++;
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What comes before may happen while this spins: it neither sleeps nor wakes anybody. */
static void until_between(const atomic_int *what, int low, int high)
{
	double end = now() + DEADLINE_S;

	while (atomic_load(what) < low || atomic_load(what) > high) {
		if (now() > end) {
			(void)fprintf(stderr, "waited in vain for %d\n", low);
			exit(1);
		}
		(void)sched_yield();
	}
}

static void until(const atomic_int *what, int value)
{
	until_between(what, value, value);
}

static void proc_read(int tid, const char *name, char text[256])
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	fd = open(path, O_RDONLY);
	check(fd >= 0, path);
	n = read(fd, text, 255);
	(void)close(fd);
	text[n < 0 ? 0 : n] = 0;
}

/*
 * By its state first: who is being woken, or waits for a lock of the kernel on its way into the call, is not running
 * either, and `syscall` tells the same of him.
 */
static bool sleeps_in(int tid, const int calls[3])
{
	char text[256], *end;
	int call, i;

	proc_read(tid, "stat", text);
	end = strrchr(text, ')');
	if (!end || strncmp(end, ") S", 3))
		return false;
	proc_read(tid, "syscall", text);
	if (sscanf(text, "%d", &call) != 1)
		return false;
	for (i = 0; i < 3; i++)
		if (calls[i] && call == (calls[i] == -1 ? 0 : calls[i]))
			return true;
	return false;
}

static void until_asleep(struct actor *a, int who)
{
	double end = now() + DEADLINE_S;

	while (!sleeps_in(atomic_load(&S->tids[who]), a->scene->calls)) {
		if (now() > end) {
			(void)fprintf(stderr, "actor %d does not sleep in %s\n", who, a->scene->name);
			exit(1);
		}
		(void)sched_yield();
	}
}

/* --- one gives, the other takes, in turn --- */

static void do_give(struct actor *a, int round, int to)
{
	until_asleep(a, to);
	mark(a);
	say(a, "give %d %d %d\n", round, (int)gettid(), a->marks);
	a->scene->give(a, to);
	mark(a);
}

static void do_take(struct actor *a, int round)
{
	mark(a);
	say(a, "take %d %d %d\n", round, (int)gettid(), a->marks);
	a->scene->take(a);
	mark(a);
}

static void run_turns(struct actor *a)
{
	int i;

	for (i = 0; i < a->rounds; i++) {
		if (i % 2 == a->me)
			do_give(a, i, 1 - a->me);
		else
			do_take(a, i);
	}
}

/* The lock goes to and fro: who gave it wants it back only once the other has it. */
static void mutex_give(struct actor *a, int to)
{
	(void)a;
	(void)to;
	check(!pthread_mutex_unlock(&S->mutex), "unlock");
}

static void mutex_take(struct actor *a)
{
	if (atomic_load(&S->turn) == a->me)
		until(&S->turn, 1 - a->me);
	check(!pthread_mutex_lock(&S->mutex), "lock");
	atomic_store(&S->turn, a->me);
}

static void mutex_run(struct actor *a)
{
	if (a->me == 0)
		check(!pthread_mutex_lock(&S->mutex), "lock");
	else
		until(&S->asleep, 1);
	atomic_store(&S->asleep, 1);
	run_turns(a);
	if (atomic_load(&S->turn) == a->me)
		(void)pthread_mutex_unlock(&S->mutex);
}

/* Until the other is out of the mutex again: else the giver, who takes next, might have to wait for it. */
static void cond_give(struct actor *a, int to)
{
	int done = atomic_load(&S->done);

	(void)a;
	(void)pthread_mutex_lock(&S->mutex);
	atomic_store(&S->turn, to);
	(void)pthread_mutex_unlock(&S->mutex);
	check(!pthread_cond_signal(&S->cond), "signal");
	until(&S->done, done + 1);
}

static void cond_take(struct actor *a)
{
	(void)pthread_mutex_lock(&S->mutex);
	while (atomic_load(&S->turn) != a->me)
		check(!pthread_cond_wait(&S->cond, &S->mutex), "wait");
	(void)pthread_mutex_unlock(&S->mutex);
	(void)atomic_fetch_add(&S->done, 1);
}

static void sem_give(struct actor *a, int to)
{
	(void)a;
	check(!sem_post(&S->sems[to]), "sem_post");
}

static void sem_take(struct actor *a)
{
	check(!sem_wait(&S->sems[a->me]), "sem_wait");
}

static void eventfd_give(struct actor *a, int to)
{
	uint64_t one = 1;

	(void)a;
	check(write(S->events[to], &one, sizeof(one)) == sizeof(one), "eventfd");
}

static void eventfd_take(struct actor *a)
{
	uint64_t value;

	check(read(S->events[a->me], &value, sizeof(value)) == sizeof(value), "eventfd");
}

static void epoll_take(struct actor *a)
{
	struct epoll_event e;

	check(epoll_wait(S->epolls[a->me], &e, 1, -1) == 1, "epoll");
	eventfd_take(a);
}

static void pipe_give(struct actor *a, int to)
{
	(void)a;
	check(write(S->pipes[to][1], "x", 1) == 1, "pipe");
}

static void pipe_take(struct actor *a)
{
	char byte;

	check(read(S->pipes[a->me][0], &byte, 1) == 1, "pipe");
}

static void poll_take(struct actor *a)
{
	struct pollfd p = { .fd = S->pipes[a->me][0], .events = POLLIN };

	check(poll(&p, 1, -1) == 1, "poll");
	pipe_take(a);
}

static void socket_give(struct actor *a, int to)
{
	(void)to;
	check(write(S->sockets[0][a->me], "x", 1) == 1, "socket");
}

static void socket_take(struct actor *a)
{
	char byte;

	check(read(S->sockets[0][a->me], &byte, 1) == 1, "socket");
}

static void signal_give(struct actor *a, int to)
{
	(void)a;
	check(!syscall(SYS_tgkill, S->pipes[to][0], S->tids[to], SIGUSR1), "kill");
}

static void on_signal(int sig)
{
	(void)sig;
}

static void signal_take(struct actor *a)
{
	sigset_t none;

	(void)a;
	(void)sigemptyset(&none);
	(void)sigsuspend(&none);
}

static void signal_run(struct actor *a)
{
	S->pipes[a->me][0] = getpid();
	(void)atomic_fetch_add(&S->asleep, 1);
	until(&S->asleep, 2);
	run_turns(a);
}

/* --- several --- */

/* One wakes all that wait on the condition; they take the mutex one after the other. */
static void broadcast_run(struct actor *a)
{
	int i, k;

	for (i = 0; i < a->rounds; i++) {
		if (a->me) {
			mark(a);
			say(a, "take %d %d %d\n", i, (int)gettid(), a->marks);
			(void)pthread_mutex_lock(&S->mutex);
			while (atomic_load(&S->turn) <= i)
				(void)pthread_cond_wait(&S->cond, &S->mutex);
			(void)pthread_mutex_unlock(&S->mutex);
			mark(a);
			(void)atomic_fetch_add(&S->done, 1);
			continue;
		}
		for (k = 1; k < a->scene->actors; k++)
			until_asleep(a, k);
		mark(a);
		(void)pthread_mutex_lock(&S->mutex);
		atomic_store(&S->turn, i + 1);
		(void)pthread_mutex_unlock(&S->mutex);
		say(a, "give %d %d %d\n", i, (int)gettid(), a->marks);
		(void)pthread_cond_broadcast(&S->cond);
		mark(a);
		until(&S->done, (i + 1) * (a->scene->actors - 1));
	}
}

static long futex(atomic_uint *addr, int op, unsigned int value, unsigned long more, atomic_uint *addr2,
		  unsigned int value3)
{
	return syscall(SYS_futex, addr, op, value, more, addr2, value3);
}

/*
 * One is woken, the others are moved to a second futex (as the C libraries did for pthread_cond_broadcast); who was woken
 * wakes the next.  Round I, step 0 is the one that moves, each later one the next of the woken.
 */
static void requeue_take(struct actor *a, int round)
{
	int step;

	mark(a);
	say(a, "take %d %d %d\n", round, (int)gettid(), a->marks);
	(void)futex(&S->futex[0], FUTEX_WAIT, (unsigned int)round, 0, NULL, 0);
	mark(a);
	step = atomic_fetch_add(&S->done, 1) + 1;
	if (step % (a->scene->actors - 1) == 0)
		return;
	say(a, "give %d %d %d\n", round, (int)gettid(), a->marks);
	check(futex(&S->futex[1], FUTEX_WAKE, 1, 0, NULL, 0) == 1, "FUTEX_WAKE");
	mark(a);
}

static void requeue_run(struct actor *a)
{
	int i, k, others = a->scene->actors - 1;

	for (i = 0; i < a->rounds; i++) {
		if (a->me) {
			until(&S->order, i);
			requeue_take(a, i);
			continue;
		}
		for (k = 1; k <= others; k++)
			until_asleep(a, k);
		mark(a);
		say(a, "give %d %d %d\n", i, (int)gettid(), a->marks);
		check(futex(&S->futex[0], FUTEX_CMP_REQUEUE, 1, (unsigned long)others, &S->futex[1], (unsigned int)i) ==
			      others,
		      "FUTEX_CMP_REQUEUE");
		mark(a);
		until(&S->done, (i + 1) * others);
		atomic_store(&S->futex[0], (unsigned int)i + 1);
		atomic_store(&S->order, i + 1);
	}
}

/* All want the lock all the time: who sleeps, and whom an unlock wakes, is chance. */
static void free_run(struct actor *a)
{
	int i;

	(void)atomic_fetch_add(&S->asleep, 1);
	until(&S->asleep, a->scene->actors);
	for (i = 0; i < a->rounds; i++) {
		(void)pthread_mutex_lock(&S->mutex);
		mark(a);
		say(a, "hold %d %d %d\n", atomic_fetch_add(&S->order, 1), (int)gettid(), a->marks);
		(void)sched_yield();
		(void)pthread_mutex_unlock(&S->mutex);
		mark(a);
	}
}

/* --- what is no hand-off by a wake of a thread --- */

static void spin_run(struct actor *a)
{
	int i;

	for (i = 0; i < a->rounds; i++) {
		mark(a);
		if (i % 2 == a->me)
			atomic_store(&S->turn, i + 1);
		else
			until_between(&S->turn, i + 1, INT_MAX);
		mark(a);
		(void)atomic_fetch_add(&S->done, 1);
		until_between(&S->done, 2 * (i + 1), INT_MAX);
	}
}

/* A lock that both want and for which nobody sleeps. */
static void trylock_run(struct actor *a)
{
	int i;

	for (i = 0; i < a->rounds; i++) {
		while (pthread_mutex_trylock(&S->mutex) == EBUSY)
			;
		mark(a);
		(void)pthread_mutex_unlock(&S->mutex);
	}
}

static void one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* A timer ends the sleep of the one while the other works on the same CPU, in user code or in the kernel. */
static void timer_sleep(struct actor *a)
{
	struct itimerspec soon = { .it_value = { .tv_nsec = 1000000 } };
	struct timespec ms = { .tv_nsec = 1000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0), i;
	uint64_t times;

	for (i = 0; i < a->rounds; i++) {
		mark(a);
		if (i % 2) {
			(void)nanosleep(&ms, NULL);
		} else {
			(void)timerfd_settime(fd, 0, &soon, NULL);
			check(read(fd, &times, sizeof(times)) == sizeof(times), "timerfd");
		}
		mark(a);
		(void)atomic_fetch_add(&S->order, 1);
	}
	(void)close(fd);
	atomic_store(&S->done, 1);
}

static void timer_run(struct actor *a)
{
	static char zeros[1 << 20];
	int fd = open("/dev/zero", O_RDONLY), seen = -1;

	one_cpu();
	if (a->me == 0) {
		timer_sleep(a);
		return;
	}
	while (!atomic_load(&S->done)) {
		int order = atomic_load(&S->order);

		if (order != seen) /* often enough to be found, not all the time */
			mark(a);
		seen = order;
		if (order % 4 < 2)
			check(read(fd, zeros, sizeof(zeros)) == sizeof(zeros), "/dev/zero");
	}
	(void)close(fd);
}

/* --- what they share --- */

static void setup_sync(bool processes, int protocol)
{
	pthread_mutexattr_t m;
	pthread_condattr_t c;
	int i;

	(void)pthread_mutexattr_init(&m);
	(void)pthread_condattr_init(&c);
	(void)pthread_mutexattr_setpshared(&m, processes ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	(void)pthread_condattr_setpshared(&c, processes ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
	(void)pthread_mutexattr_setprotocol(&m, protocol);
	check(!pthread_mutex_init(&S->mutex, &m) && !pthread_cond_init(&S->cond, &c), "mutex");
	for (i = 0; i < 2; i++)
		check(!sem_init(&S->sems[i], processes, 0), "sem_init");
}

static void setup_plain(bool processes)
{
	setup_sync(processes, PTHREAD_PRIO_NONE);
}

static void setup_inherit(bool processes)
{
	setup_sync(processes, PTHREAD_PRIO_INHERIT);
}

static void setup_files(bool processes)
{
	struct epoll_event e = { .events = EPOLLIN };
	int i;

	(void)processes;
	for (i = 0; i < 2; i++) {
		S->events[i] = eventfd(0, 0);
		S->epolls[i] = epoll_create1(0);
		check(S->events[i] >= 0 && S->epolls[i] >= 0 && !pipe(S->pipes[i]), "files");
		check(!epoll_ctl(S->epolls[i], EPOLL_CTL_ADD, S->events[i], &e), "epoll_ctl");
	}
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, S->sockets[0]), "socketpair");
}

/* Two sockets connected over loopback */
static void setup_inet(int type)
{
	struct sockaddr_in at[2] = { 0 };
	socklen_t len = sizeof(at[0]);
	int i, fds[2];

	for (i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, type, 0);
		at[i].sin_family = AF_INET;
		at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		check(!bind(fds[i], (struct sockaddr *)&at[i], len), "bind");
		check(!getsockname(fds[i], (struct sockaddr *)&at[i], &len), "getsockname");
	}
	if (type == SOCK_STREAM)
		check(!listen(fds[1], 1), "listen");
	else
		check(!connect(fds[1], (struct sockaddr *)&at[0], len), "connect");
	check(!connect(fds[0], (struct sockaddr *)&at[1], len), "connect");
	S->sockets[0][0] = fds[0];
	S->sockets[0][1] = type == SOCK_STREAM ? accept(fds[1], NULL, NULL) : fds[1];
}

static void setup_tcp(bool processes)
{
	(void)processes;
	setup_inet(SOCK_STREAM);
}

static void setup_udp(bool processes)
{
	(void)processes;
	setup_inet(SOCK_DGRAM);
}

static void setup_signal(bool processes)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t usr1;

	(void)processes;
	(void)sigemptyset(&usr1);
	(void)sigaddset(&usr1, SIGUSR1);
	(void)sigaction(SIGUSR1, &sa, NULL);
	(void)sigprocmask(SIG_BLOCK, &usr1, NULL); /* until the taker sleeps for it */
}

#define READ -1
#define FUTEX_CALLS       \
	{                 \
		SYS_futex \
	}

static const struct scene scenes[] = {
	{ "mutex", 2, FUTEX_CALLS, setup_plain, mutex_run, mutex_give, mutex_take },
	{ "pi_mutex", 2, FUTEX_CALLS, setup_inherit, mutex_run, mutex_give, mutex_take },
	{ "condition", 2, FUTEX_CALLS, setup_plain, NULL, cond_give, cond_take },
	{ "semaphore", 2, FUTEX_CALLS, setup_plain, NULL, sem_give, sem_take },
	{ "eventfd", 2, { READ }, setup_files, NULL, eventfd_give, eventfd_take },
	{ "epoll", 2, { SYS_epoll_wait, SYS_epoll_pwait }, setup_files, NULL, eventfd_give, epoll_take },
	{ "pipe", 2, { READ }, setup_files, NULL, pipe_give, pipe_take },
	{ "poll", 2, { SYS_poll, SYS_ppoll }, setup_files, NULL, pipe_give, poll_take },
	{ "unix", 2, { READ }, setup_files, NULL, socket_give, socket_take },
	{ "broadcast", 5, FUTEX_CALLS, setup_plain, broadcast_run, NULL, NULL },
	{ "requeue", 5, FUTEX_CALLS, setup_plain, requeue_run, NULL, NULL },
	{ "free", 4, { 0 }, setup_plain, free_run, NULL, NULL },
	{ "signal", 2, { SYS_rt_sigsuspend }, setup_signal, signal_run, signal_give, signal_take },
	{ "tcp", 2, { READ }, setup_tcp, NULL, socket_give, socket_take },
	{ "udp", 2, { READ }, setup_udp, NULL, socket_give, socket_take },
	{ "timer", 2, { 0 }, setup_plain, timer_run, NULL, NULL },
	{ "spin", 2, { 0 }, setup_plain, spin_run, NULL, NULL },
	{ "trylock", 2, { 0 }, setup_plain, trylock_run, NULL, NULL },
};

static const struct scene *scene_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (!strcmp(scenes[i].name, name))
			return &scenes[i];
	return NULL;
}

static void *actor_main(void *arg)
{
	struct actor *a = arg;

	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, a->mark_fds), "actor");
	atomic_store(&S->tids[a->me], (int)gettid());
	say(a, "actor %d\n", (int)gettid());
	(void)atomic_fetch_add(&S->here, 1);
	until(&S->here, a->scene->actors);
	if (a->scene->run)
		a->scene->run(a);
	else
		run_turns(a);
	check(write(a->truth_fd, a->truth, a->truth_len) == (ssize_t)a->truth_len, "truth");
	return NULL;
}

/* Memory comes from here: threads that ask for their first at the same time may wait for a lock of malloc()'s arenas. */
static void actor_start(struct actor *a, bool process)
{
	a->truth = malloc(TRUTH_MAX);
	check(a->truth, "memory");
	if (!process) {
		check(!pthread_create(&a->thread, NULL, actor_main, a), "pthread_create");
		return;
	}
	a->pid = fork();
	check(a->pid >= 0, "fork");
	if (!a->pid) {
		(void)actor_main(a);
		_exit(0);
	}
}

static int actor_end(struct actor *a)
{
	int status = 0;

	if (!a->pid)
		status = pthread_join(a->thread, NULL);
	else
		(void)waitpid(a->pid, &status, 0);
	free(a->truth);
	return status;
}

int main(int argc, char **argv)
{
	const struct scene *scene = argc == 5 ? scene_find(argv[1]) : NULL;
	bool process = argc == 5 && !strcmp(argv[2], "process");
	struct actor actors[ACTORS_MAX] = { 0 };
	int fd, i, failed = 0;

	if (!scene) {
		(void)fprintf(stderr, "usage: handoff SCENE thread|process ROUNDS TRUTH\n");
		return 2;
	}
	fd = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	check(fd >= 0, argv[4]);
	S = mmap(NULL, sizeof(*S), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(S != MAP_FAILED, "mmap");
	scene->setup(process);
	for (i = 0; i < scene->actors; i++) {
		actors[i] = (struct actor) { .scene = scene, .me = i, .rounds = atoi(argv[3]), .truth_fd = fd };
		actor_start(&actors[i], process);
	}
	for (i = 0; i < scene->actors; i++)
		failed |= actor_end(&actors[i]);
	return failed ? 1 : 0;
}
