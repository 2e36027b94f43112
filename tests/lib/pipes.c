/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipes - traffic through pipes that knows its own truth.
 *
 * usage: pipes SCENE TRUTH [ARGUMENT]
 *
 * Each four bytes that go into a pipe are the number of the call that writes them, so a reader knows whose bytes it
 * got.  All processes keep their calls in shared memory; the first one writes them to TRUTH at the end, a line each:
 *	{"call":N,"pid":P,"tid":T,"dir":"write|read","how":"...","inode":I,"bytes":B,"from":[[N,B],...]}
 */
#define _GNU_SOURCE 1
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 400000
#define RUNS_MAX 2000000
#define BLOCK 400000

struct run {
	uint32_t call, bytes;
};

struct call {
	const char *how;
	uint64_t inode;
	pid_t pid, tid;
	uint32_t bytes, first, runs;
	bool wrote;
};

static struct world {
	_Atomic uint32_t ncalls, nruns;
	struct call calls[CALLS_MAX];
	struct run runs[RUNS_MAX];
} * world;

static const char *argument;

static uint64_t inode_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		err(1, "fstat");
	return st.st_ino;
}

static struct call *call_new(const char *how, int fd, bool wrote)
{
	uint32_t i = atomic_fetch_add(&world->ncalls, 1);

	if (i >= CALLS_MAX)
		errx(1, "too many calls");
	world->calls[i] =
		(struct call) { .how = how, .inode = inode_of(fd), .pid = getpid(), .tid = gettid(), .wrote = wrote };
	return &world->calls[i];
}

static _Thread_local uint32_t room[BLOCK / 4];

static void room_fill(const struct call *c, size_t bytes)
{
	for (size_t i = 0; i < bytes / 4; i++)
		room[i] = (uint32_t)(c - world->calls);
}

/* Writes as many bytes by one call; returns how many went. */
static ssize_t put(int fd, const char *how, size_t bytes)
{
	struct call *c = call_new(how, fd, true);
	struct iovec iov[2] = { { room, bytes / 8 * 4 }, { (char *)room + bytes / 8 * 4, bytes - bytes / 8 * 4 } };
	ssize_t n;

	room_fill(c, bytes);
	if (!strcmp(how, "writev"))
		n = writev(fd, iov, 2);
	else if (!strcmp(how, "vmsplice"))
		n = vmsplice(fd, iov, 2, 0);
	else
		n = write(fd, room, bytes);
	if (n < 0)
		err(1, "%s", how);
	c->bytes = (uint32_t)n;
	return n;
}

static void runs_note(struct call *c, size_t bytes)
{
	for (size_t i = 0; i < bytes / 4; i++) {
		struct run *last = c->runs ? &world->runs[c->first + c->runs - 1] : NULL;
		uint32_t at;

		if (last && last->call == room[i]) {
			last->bytes += 4;
			continue;
		}
		at = atomic_fetch_add(&world->nruns, 1);
		if (at >= RUNS_MAX || (c->runs && at != c->first + c->runs))
			errx(1, "readers that log at the same time");
		if (!c->runs)
			c->first = at;
		c->runs++;
		world->runs[at] = (struct run) { room[i], 4 };
	}
}

static pthread_mutex_t *log_lock;

/* Reads at most so many bytes; 0 at the end. */
static ssize_t get(int fd, const char *how, size_t bytes)
{
	struct call *c = call_new(how, fd, false);
	struct iovec iov[2] = { { room, 4 }, { room + 1, bytes - 4 } };
	ssize_t n = strcmp(how, "readv") ? read(fd, room, bytes) : readv(fd, iov, 2);

	if (n < 0)
		err(1, "%s", how);
	c->bytes = (uint32_t)n;
	(void)pthread_mutex_lock(log_lock);
	runs_note(c, (size_t)n);
	(void)pthread_mutex_unlock(log_lock);
	return n;
}

static void get_all(int fd, const char *how, size_t bytes)
{
	while (get(fd, how, bytes) > 0)
		;
}

static void make_pipe(int fd[2], int flags)
{
	if (pipe2(fd, flags) < 0)
		err(1, "pipe2");
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

static void reap(void)
{
	int status;

	while (wait(&status) > 0)
		if (status)
			errx(1, "a child failed");
}

/* A child that runs fn(fd) with the other end closed, and ends. */
static void run_child(void (*fn)(int fd), int fd, int other)
{
	if (child())
		return;
	if (other >= 0)
		(void)close(other);
	fn(fd);
	_exit(0);
}

/* --- scenes --- */

static void write_sizes(int fd)
{
	static const size_t sizes[] = { 4, 100, 4096, 5000, 65536, 200000, 8, 12 };

	for (int i = 0; i < 160; i++)
		(void)put(fd, i & 1 ? "write" : "writev", sizes[(size_t)i % 8]);
}

static void read_1000(int fd)
{
	get_all(fd, "read", 1000);
}

static void read_large(int fd)
{
	get_all(fd, "readv", 60000);
}

static void between(void (*writer)(int fd), void (*reader)(int fd), int flags)
{
	int fd[2];

	make_pipe(fd, flags);
	run_child(reader, fd[0], fd[1]);
	run_child(writer, fd[1], fd[0]);
	(void)close(fd[0]);
	(void)close(fd[1]);
	reap();
}

static void scene_one(void)
{
	between(write_sizes, read_1000, 0);
	between(write_sizes, read_large, O_CLOEXEC);
}

static void write_small(int fd)
{
	for (int i = 0; i < 300; i++)
		(void)put(fd, "write", 4 + 4 * ((size_t)i % 60));
}

static void write_large(int fd)
{
	for (int i = 0; i < 8; i++)
		(void)put(fd, "write", 300000);
}

static void crowd(int writers, int readers, void (*writer)(int fd), void (*reader)(int fd))
{
	int fd[2];

	make_pipe(fd, 0);
	for (int i = 0; i < writers; i++)
		run_child(writer, fd[1], fd[0]);
	for (int i = 0; i < readers; i++)
		run_child(reader, fd[0], fd[1]);
	(void)close(fd[0]);
	(void)close(fd[1]);
	reap();
}

static void scene_crowd(void)
{
	crowd(4, 1, write_small, read_1000);
	crowd(2, 1, write_large, read_large);
	crowd(1, 3, write_small, read_1000);
}

static int turn[2][2];

static void turn_wait(int which)
{
	char c;

	if (read(turn[which][0], &c, 1) != 1)
		err(1, "turn");
}

static void turn_give(int which)
{
	if (write(turn[which][1], "x", 1) != 1)
		err(1, "turn");
}

static void write_turns(int fd)
{
	bool first = argument != NULL;

	for (int i = 0; i < 100; i++) {
		turn_wait(first);
		(void)put(fd, "write", 40);
		turn_give(!first);
	}
}

/* Two writers that take turns: their bytes are in order, and the recording must know. */
static void scene_turns(void)
{
	int fd[2];

	for (int i = 0; i < 2; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, turn[i]) < 0)
			err(1, "socketpair");
	make_pipe(fd, 0);
	run_child(write_turns, fd[1], fd[0]);
	argument = "second";
	run_child(write_turns, fd[1], fd[0]);
	run_child(read_1000, fd[0], fd[1]);
	turn_give(0);
	(void)close(fd[0]);
	(void)close(fd[1]);
	reap();
}

static void read_short(int fd)
{
	get_all(fd, "read", 60);
}

static void write_packets(int fd)
{
	for (int i = 0; i < 200; i++)
		(void)put(fd, "write", 4 + 4 * ((size_t)i % 40));
	(void)put(fd, "write", 10000);
}

static void scene_packets(void)
{
	between(write_packets, read_short, O_DIRECT);
	between(write_packets, read_1000, O_DIRECT);
}

static void fifo_once(const char *path, size_t bytes, size_t taken)
{
	int fd = open(path, O_RDWR);

	if (fd < 0)
		err(1, "%s", path);
	(void)put(fd, "write", bytes);
	for (size_t got = 0; got < taken;)
		got += (size_t)get(fd, "read", taken - got);
	(void)close(fd);
}

/* What is left in a FIFO when all have closed it is gone; the next opens find it empty. */
static void scene_fifo(void)
{
	char path[] = "/tmp/saker.pipes.XXXXXX/a\nfifo";
	char *slash = strrchr(path, '/');

	*slash = 0;
	if (!mkdtemp(path))
		err(1, "mkdtemp");
	*slash = '/';
	if (mkfifo(path, 0600) < 0)
		err(1, "mkfifo");
	for (int i = 0; i < 20; i++)
		fifo_once(path, 100, i & 1 ? 60 : 100);
	(void)unlink(path);
	*slash = 0;
	(void)rmdir(path);
}

static void *close_others(void *arg)
{
	int spare = open("/dev/null", O_RDWR);

	for (int i = 0; i < 2000; i++) {
		int fd = dup(spare);

		(void)dup2(spare, fd);
		(void)close(fd);
	}
	(void)close(spare);
	return arg;
}

static void pass(int sock, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 }, c = 'f';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	if (sendmsg(sock, &m, 0) < 0)
		err(1, "sendmsg");
}

static int passed(int sock)
{
	char space[CMSG_SPACE(sizeof(int))], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
	int fd;

	if (recvmsg(sock, &m, 0) <= 0 || !CMSG_FIRSTHDR(&m))
		err(1, "recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void read_passed(int sock)
{
	get_all(passed(sock), "read", 1000);
}

/* Descriptors that travel: over a socket, by dup and dup2; other threads close and replace theirs. */
static void scene_passed(void)
{
	int fd[2], sock[2], second;
	pthread_t busy;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock) < 0)
		err(1, "socketpair");
	run_child(read_passed, sock[0], sock[1]);
	make_pipe(fd, O_CLOEXEC);
	pass(sock[1], fd[0]);
	(void)close(fd[0]);
	if (pthread_create(&busy, NULL, close_others, NULL))
		errx(1, "pthread_create");
	second = dup2(fd[1], 700);
	for (int i = 0; i < 200; i++)
		(void)put(i & 1 ? second : fd[1], "write", 40);
	(void)pthread_join(busy, NULL);
	(void)close(second);
	(void)close(fd[1]);
	reap();
}

static void splice_through(int from, int to)
{
	for (;;) {
		struct call *in = call_new("splice", from, false), *out = call_new("splice", to, true);
		ssize_t n = splice(from, NULL, to, NULL, 50000, 0);

		if (n < 0)
			err(1, "splice");
		in->bytes = out->bytes = (uint32_t)n;
		if (!n)
			return;
	}
}

/* vmsplice -> pipe -> splice -> pipe -> read: the reader's bytes name the first writer, so only the ends are compared */
static void scene_splice(void)
{
	int a[2], b[2];

	make_pipe(a, 0);
	make_pipe(b, 0);
	if (!child()) {
		(void)close(a[1]);
		(void)close(b[0]);
		splice_through(a[0], b[1]);
		_exit(0);
	}
	(void)close(a[0]);
	(void)close(b[1]);
	run_child(read_1000, b[0], a[1]);
	(void)close(b[0]);
	for (int i = 0; i < 50; i++)
		(void)put(a[1], i & 1 ? "vmsplice" : "write", 4000);
	(void)close(a[1]);
	reap();
}

static int held(int fd)
{
	int n;

	if (ioctl(fd, FIONREAD, &n) < 0)
		err(1, "FIONREAD");
	return n;
}

/* Lets the stranger put bytes in (SIGUSR1) or take some out (SIGUSR2), and waits until he has. */
static void stranger_acts(int fd, int sig)
{
	const char *who = getenv("STRANGER");
	int before = held(fd), tries = 10000;

	if (!who || kill(atoi(who), sig) < 0)
		errx(1, "no stranger");
	while (held(fd) == before && tries-- > 0)
		(void)usleep(1000);
	if (tries <= 0)
		errx(1, "the stranger does nothing");
}

/* Writes to the FIFO of that name and reads it by turns; a stranger meddles at times. */
static void scene_shared(void)
{
	int fd = open(argument, O_RDWR);

	if (fd < 0)
		err(1, "%s", argument);
	for (int i = 0; i < 200; i++) {
		(void)put(fd, "write", 40);
		if (i % 40 == 10 || i % 40 == 30)
			stranger_acts(fd, i % 40 == 10 ? SIGUSR1 : SIGUSR2);
		(void)get(fd, "read", 40);
	}
	(void)close(fd);
}

/* Pipes that are there already when the recording begins: it does when the file ARGUMENT is there. */
static void write_older(int fd)
{
	while (access(argument, F_OK) < 0) {
		(void)put(fd, "write", 40);
		(void)usleep(1000);
	}
	for (int i = 0; i < 50; i++)
		(void)put(fd, "write", 40);
}

static void scene_older(void)
{
	between(write_older, read_1000, 0);
}

static const struct scene {
	const char *name;
	void (*run)(void);
} scenes[] = {
	{ "one", scene_one },	      { "crowd", scene_crowd },	  { "turns", scene_turns },
	{ "packets", scene_packets }, { "fifo", scene_fifo },	  { "passed", scene_passed },
	{ "splice", scene_splice },   { "shared", scene_shared }, { "older", scene_older },
};

static void truth_write(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		err(1, "%s", path);
	for (uint32_t i = 0; i < world->ncalls; i++) {
		const struct call *c = &world->calls[i];

		fprintf(f,
			"{\"call\":%u,\"pid\":%d,\"tid\":%d,\"dir\":\"%s\",\"how\":\"%s\",\"inode\":%llu,\"bytes\":%u,"
			"\"from\":[",
			i, c->pid, c->tid, c->wrote ? "write" : "read", c->how, (unsigned long long)c->inode, c->bytes);
		for (uint32_t k = 0; k < c->runs; k++)
			fprintf(f, "%s[%u,%u]", k ? "," : "", world->runs[c->first + k].call,
				world->runs[c->first + k].bytes);
		fprintf(f, "]}\n");
	}
	if (fclose(f))
		err(1, "%s", path);
}

static void world_open(void)
{
	pthread_mutexattr_t a;

	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_lock = mmap(NULL, sizeof(*log_lock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED || log_lock == MAP_FAILED)
		err(1, "mmap");
	(void)pthread_mutexattr_init(&a);
	(void)pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutex_init(log_lock, &a);
}

int main(int argc, char **argv)
{
	world_open();
	argument = argc > 3 ? argv[3] : NULL;
	for (size_t i = 0; argc > 2 && i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		if (strcmp(scenes[i].name, argv[1]))
			continue;
		scenes[i].run();
		truth_write(argv[2]);
		return 0;
	}
	errx(2, "usage: pipes SCENE TRUTH [ARGUMENT]");
}
