/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stretches - a program that knows what its time went to, and writes it down (tests/e2e/sched.sh, sched_check.py).
 *
 * usage: stretches TRUTH [FIFO]
 *
 * It does one known thing after another, each between two short sleeps, which are seen in the recording as well.  TRUTH
 * gets a line of JSON for each: what, by whom, what the kernel had counted around both sleeps, the moments (CLOCK_BOOTTIME)
 * before and after what was done, and those before and after what another thread did that ended a wait.  With FIFO
 * it sleeps there first until somebody writes a byte, while another thread of its own runs all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ULL
#define PAGE 4096
#define PAGES 2048
#define MAJORS 16
#define MESSAGES 30

/* What the kernel had counted for the thread, between two moments. */
struct stamp {
	uint64_t from_ns, cpu_ns, delay_ns, to_ns;
	long minor, major, waits, preemptions;
};

struct phase {
	const char *what;
	struct stamp open[2], close[2];
	uint64_t begin_ns, end_ns;	     /* of what is done */
	uint64_t other_from_ns, other_to_ns; /* of what another one does */
	uint64_t wanted_ns, pages;
	int tid;
};

static FILE *truth;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int held, going, running = 1;
static int ends[2];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t clock_read(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static uint64_t boot_ns(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

static uint64_t cpu_ns(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

static void rest(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000ULL), .tv_nsec = (long)(ns % 1000000000ULL) };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void spin(uint64_t ns)
{
	uint64_t end = cpu_ns() + ns;

	while (cpu_ns() < end)
		;
}

/* How long the thread had waited for a CPU. */
static uint64_t delay_ns(void)
{
	static __thread int fd = -1;
	char text[128] = "";
	uint64_t ran = 0, delay = 0;

	if (fd < 0)
		fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &delay) != 2)
		die("/proc/thread-self/schedstat");
	return delay;
}

static struct stamp stamp(void)
{
	struct stamp s = { .from_ns = boot_ns() };
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	s.minor = u.ru_minflt;
	s.major = u.ru_majflt;
	s.waits = u.ru_nvcsw;
	s.preemptions = u.ru_nivcsw;
	s.delay_ns = delay_ns();
	s.cpu_ns = cpu_ns();
	s.to_ns = boot_ns();
	return s;
}

static void divide(struct stamp both[2])
{
	both[0] = stamp();
	rest(MS / 5);
	both[1] = stamp();
}

static void stamp_write(const char *name, const struct stamp *s)
{
	fprintf(truth,
		",\"%s\":{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"cpu\":%" PRIu64 ",\"delay\":%" PRIu64
		",\"minor\":%ld,\"major\":%ld,\"waits\":%ld,\"preemptions\":%ld}",
		name, s->from_ns, s->to_ns, s->cpu_ns, s->delay_ns, s->minor, s->major, s->waits, s->preemptions);
}

static void phase_write(const struct phase *p)
{
	fprintf(truth, "{\"what\":\"%s\",\"tid\":%d", p->what, p->tid);
	stamp_write("open", &p->open[0]);
	stamp_write("opened", &p->open[1]);
	stamp_write("close", &p->close[0]);
	stamp_write("closed", &p->close[1]);
	fprintf(truth,
		",\"begin\":%" PRIu64 ",\"end\":%" PRIu64 ",\"other_from\":%" PRIu64 ",\"other_to\":%" PRIu64
		",\"wanted\":%" PRIu64 ",\"pages\":%" PRIu64 "}\n",
		p->begin_ns, p->end_ns, p->other_from_ns, p->other_to_ns, p->wanted_ns, p->pages);
}

/* --- the things --- */

static void do_spin(struct phase *p)
{
	p->wanted_ns = 40 * MS;
	spin(p->wanted_ns);
}

static void do_sleep(struct phase *p)
{
	p->wanted_ns = 30 * MS;
	rest(p->wanted_ns);
}

static void do_nothing(struct phase *p)
{
	(void)p;
}

static void *holder(void *arg)
{
	struct phase *p = arg;

	pthread_mutex_lock(&lock);
	held = 1;
	while (!going)
		rest(MS / 10);
	rest(p->wanted_ns);
	p->other_from_ns = boot_ns();
	pthread_mutex_unlock(&lock);
	p->other_to_ns = boot_ns();
	return NULL;
}

static void do_lock(struct phase *p)
{
	(void)p;
	going = 1;
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

static void *writer(void *arg)
{
	struct phase *p = arg;

	held = 1;
	while (!going)
		rest(MS / 10);
	rest(p->wanted_ns);
	p->other_from_ns = boot_ns();
	if (write(ends[1], "x", 1) != 1)
		die("write");
	p->other_to_ns = boot_ns();
	return NULL;
}

static void do_pipe(struct phase *p)
{
	char c;

	(void)p;
	going = 1;
	if (read(ends[0], &c, 1) != 1)
		die("read");
}

static void do_sync(struct phase *p)
{
	static char bytes[256 * 1024];
	int fd = open("synced", O_CREAT | O_RDWR | O_CLOEXEC, 0644);

	(void)p;
	memset(bytes, 1, sizeof(bytes));
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || fsync(fd) < 0)
		die("synced");
	close(fd);
}

static void do_touch(struct phase *p)
{
	char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (at == MAP_FAILED)
		die("mmap");
	madvise(at, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (i = 0; i < PAGES; i++)
		((volatile char *)at)[i * PAGE] = 1;
	munmap(at, PAGES * PAGE);
	p->pages = PAGES;
}

/* Pages of a file that are not in memory. */
static void do_major(struct phase *p)
{
	int fd = open("paged", O_RDONLY | O_CLOEXEC);
	volatile char *at;
	size_t i;

	if (fd < 0 || fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("paged");
	at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		die("mmap");
	madvise((void *)at, PAGES * PAGE, MADV_RANDOM);
	for (i = 0; i < MAJORS; i++)
		(void)at[i * (PAGES / MAJORS) * PAGE];
	munmap((void *)at, PAGES * PAGE);
	close(fd);
	p->pages = MAJORS;
}

static void pin(void)
{
	cpu_set_t all, one;
	int cpu;

	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	for (cpu = CPU_SETSIZE - 1; cpu > 0 && !CPU_ISSET(cpu, &all); cpu--)
		;
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		die("sched_setaffinity");
}

/* A process that wants the same CPU all the time. */
static pid_t hog(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		for (;;)
			;
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void do_share(struct phase *p)
{
	p->wanted_ns = 60 * MS;
	spin(p->wanted_ns);
}

/* Messages to itself, beside the hog: what lies between two of them is to be told exactly. */
static void do_talk(struct phase *p)
{
	struct stamp at[MESSAGES + 1];
	int fds[2], i;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		die("socketpair");
	at[0] = stamp();
	for (i = 1; i <= MESSAGES; i++) {
		spin(MS);
		if (send(fds[0], "x", 1, 0) != 1 || recv(fds[1], &c, 1, 0) != 1)
			die("send");
		at[i] = stamp();
	}
	close(fds[0]);
	close(fds[1]);
	for (i = 0; i <= MESSAGES; i++) {
		fprintf(truth, "{\"what\":\"message\",\"tid\":%d,\"number\":%d", p->tid, i);
		stamp_write("at", &at[i]);
		fprintf(truth, "}\n");
	}
}

static void with_hog(void (*thing)(struct phase *), struct phase *p)
{
	cpu_set_t before;
	pid_t pid;

	sched_getaffinity(0, sizeof(before), &before);
	pin();
	pid = hog();
	divide(p->open);
	p->begin_ns = boot_ns();
	thing(p);
	p->end_ns = boot_ns();
	divide(p->close);
	end(pid);
	sched_setaffinity(0, sizeof(before), &before);
}

static void with_other(void *(*other)(void *), void (*thing)(struct phase *), struct phase *p)
{
	pthread_t thread;

	p->wanted_ns = 25 * MS;
	held = going = 0;
	if (pthread_create(&thread, NULL, other, p))
		die("pthread_create");
	while (!held)
		rest(MS / 10);
	divide(p->open);
	p->begin_ns = boot_ns();
	thing(p);
	p->end_ns = boot_ns();
	divide(p->close);
	pthread_join(thread, NULL);
}

static void alone(void *(*unused)(void *), void (*thing)(struct phase *), struct phase *p)
{
	(void)unused;
	divide(p->open);
	p->begin_ns = boot_ns();
	thing(p);
	p->end_ns = boot_ns();
	divide(p->close);
}

/* A child that is stopped and goes on; the line is about the child. */
static void stopped(void)
{
	struct phase p = { .what = "stopped", .wanted_ns = 20 * MS };
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	while (!pid)
		rest(MS);
	rest(5 * MS);
	p.tid = pid;
	p.begin_ns = boot_ns();
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	rest(p.wanted_ns);
	p.other_from_ns = boot_ns();
	kill(pid, SIGCONT);
	p.other_to_ns = boot_ns();
	rest(5 * MS);
	end(pid);
	phase_write(&p);
}

static void *other_exec(void *arg)
{
	(void)arg;
	rest(3 * MS);
	execl("/bin/true", "true", (char *)NULL);
	die("execl");
	return NULL;
}

/* A thread that is not its process's first calls exec, and gets the first one's name. */
static void exec_by_other(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (!pid) {
		if (pthread_create(&thread, NULL, other_exec, NULL))
			_exit(1);
		for (;;)
			rest(MS);
	}
	waitpid(pid, NULL, 0);
	fprintf(truth, "{\"what\":\"exec\",\"tid\":%d}\n", pid);
}

static void *runs_all_the_time(void *arg)
{
	*(int *)arg = (int)syscall(SYS_gettid);
	held = 1;
	while (running)
		;
	return NULL;
}

static void wait_there(const char *fifo)
{
	int fd = open(fifo, O_RDWR | O_CLOEXEC);
	char c;

	puts("waits");
	fflush(stdout);
	if (fd < 0 || read(fd, &c, 1) != 1)
		die(fifo);
	close(fd);
}

static void prepare(void)
{
	static char bytes[PAGES * PAGE];
	int fd = open("paged", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);

	memset(bytes, 1, sizeof(bytes));
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || fsync(fd) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		die("paged");
	close(fd);
	(void)stamp();
}

static void run(const char *what, void (*frame)(void *(*)(void *), void (*)(struct phase *), struct phase *),
		void *(*other)(void *), void (*thing)(struct phase *))
{
	struct phase p = { .what = what, .tid = (int)syscall(SYS_gettid) };

	if (frame)
		frame(other, thing, &p);
	else
		with_hog(thing, &p);
	phase_write(&p);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int tid;

	if (argc < 2 || !(truth = fopen(argv[1], "we")))
		die("usage: stretches TRUTH [FIFO]");
	setvbuf(truth, NULL, _IOFBF, 1 << 20);
	prepare();
	if (argc > 2) {
		if (pthread_create(&thread, NULL, runs_all_the_time, &tid))
			die("pthread_create");
		while (!held)
			rest(MS);
		wait_there(argv[2]);
		running = 0;
		pthread_join(thread, NULL);
		fprintf(truth, "{\"what\":\"ran before\",\"tid\":%d}\n", tid);
	}
	run("nothing", alone, NULL, do_nothing);
	run("spin", alone, NULL, do_spin);
	run("sleep", alone, NULL, do_sleep);
	run("lock", with_other, holder, do_lock);
	run("pipe", with_other, writer, do_pipe);
	run("sync", alone, NULL, do_sync);
	run("touch", alone, NULL, do_touch);
	run("major", alone, NULL, do_major);
	run("share", NULL, NULL, do_share);
	run("talk", NULL, NULL, do_talk);
	stopped();
	exec_by_other();
	return fclose(truth) ? 1 : 0;
}
