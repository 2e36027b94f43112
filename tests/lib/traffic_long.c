/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorder attaches to or drowns in: big, midstream, storm. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* big: 4 GiB and more; small questions and answers every 256 MiB and around byte 2^32 */
#define BIG_STEP ((uint64_t)256 << 20)
#define BIG_BLOCK ((uint64_t)1 << 20)
#define WRAP ((uint64_t)1 << 32)

static size_t small_size(unsigned i)
{
	return 64 + mix(i, 1, 21) % 900;
}

/* Both sides walk the same way: bulk up to a point, then small messages in turn */
static void big_walk(struct ep *ep, bool client)
{
	const struct tx *tx = tx_find("send");
	const struct rx *rx = rx_find("waitall");
	uint64_t pos = 0, end = WRAP + (uint64_t)64 * (1 << 20), stop;

	for (unsigned step = 1; pos < end; step++) {
		stop = step * BIG_STEP - 8192;
		if (stop > end)
			stop = end;
		while (pos < stop) {
			uint64_t n = stop - pos < BIG_BLOCK ? stop - pos : BIG_BLOCK;

			if (client)
				tx_all(ep, tx, n);
			else
				rx_all(ep, rx, n, n);
			pos += n;
		}
		for (unsigned i = 0; i < 32; i++) {
			size_t n = small_size(i);

			if (client) {
				tx_all(ep, tx, n);
				rx_all(ep, rx, n, 0);
			} else {
				rx_all(ep, rx, n, 0);
				tx_all(ep, tx, n);
			}
			pos += n;
		}
	}
}

static void big_client(void *arg)
{
	struct ep *ep = arg;

	ep_close(&ep[1]);
	big_walk(&ep[0], true);
	shutdown(ep[0].fd, SHUT_WR);
}

static void big_server(void *arg)
{
	struct ep *ep = arg;

	ep_close(&ep[0]);
	big_walk(&ep[1], false);
	rx_eof(&ep[1]);
}

static void run_big(const struct scenario *sc)
{
	struct conn *c = conn_new(KIND_TCP, 0, "%s/0", sc->name);
	struct addr a = addr_ip(AF_INET, NULL, 0);
	struct ep ep[2];

	c->way[0].sparse = true;
	ep_pair(&a, c, ep);
	spawn(big_server, ep);
	spawn(big_client, ep);
	ep_close(&ep[0]);
	ep_close(&ep[1]);
	reap();
}

/* midstream: half of the messages, "ready PID...", a line from stdin, the other half */
static void run_midstream(const struct scenario *sc)
{
	struct addr a = addr_ip(AF_INET, NULL, 0), u;
	struct plan tcp, un;
	char path[64];

	plan_init(&tcp, sc, &a);
	tcp.name = "midstream/tcp";
	snprintf(path, sizeof(path), "@traffic.%d.mid", getpid());
	u = addr_unix(path);
	plan_init(&un, sc, &u);
	un.name = "midstream/unix";
	un.kind = KIND_UNIX_STREAM;
	tcp.middle = un.middle = true;
	tcp.concurrency = tcp.connections;
	un.concurrency = un.connections;
	if (tcp.messages < 2)
		die("--messages must be 2 or more, to have a middle");
	plan_start(&tcp);
	plan_start(&un);
	meet_announce(tcp.connections + un.connections);
	reap();
}

/* storm: trees of processes, some with a thread, some that outlive their parent */
#define STORM_NS 2500000000ull /* then no new ones; a fork takes 0.5-1 ms here */
#define STORM_TRUNKS 3

/* The slot is taken before the fork: what has none does not happen */
static struct fork_rec *storm_slot(void)
{
	uint32_t i;

	if (now_ns() > world->storm_end_ns)
		return NULL;
	i = atomic_fetch_add(&world->n_forks, 1);
	return i < world->max_forks ? &world->forks[i] : NULL;
}

static void storm_note(struct fork_rec *r, pid_t parent, bool thread)
{
	*r = (struct fork_rec) {
		.pid = getpid(), .tid = gettid(), .parent = parent, .thread = thread, .begin = now_ns()
	};
}

static void tiny_thing(unsigned what)
{
	int fd, fds[2];
	char c = 0;

	if (what % 3 == 0) {
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		check(write(fd, &c, 1) == 1, "cannot write");
		close(fd);
	} else if (what % 3 == 1) {
		check(!pipe(fds), "cannot make a pipe");
		check(write(fds[1], &c, 1) == 1 && read(fds[0], &c, 1) == 1, "a pipe");
		close(fds[0]);
		close(fds[1]);
	} else {
		sched_yield();
	}
}

static void *storm_thread(void *arg)
{
	struct fork_rec *r = arg;

	storm_note(r, getpid(), true);
	tiny_thing(gettid());
	r->end = now_ns();
	return NULL;
}

static void storm_children(unsigned depth);

static _Noreturn void storm_node(struct fork_rec *r, pid_t parent, unsigned depth)
{
	struct fork_rec *thread = NULL;
	pthread_t t;

	storm_note(r, parent, false);
	tiny_thing(getpid());
	if (mix(getpid(), depth, 33) % 4 == 0)
		thread = storm_slot();
	if (thread) {
		if (pthread_create(&t, NULL, storm_thread, thread))
			die("cannot make a thread");
		pthread_join(t, NULL);
	}
	if (depth < 6)
		storm_children(depth);
	r->end = now_ns();
	_exit(0);
}

static pid_t storm_fork(unsigned depth)
{
	struct fork_rec *r = storm_slot();
	pid_t me = getpid(), pid;

	if (!r)
		return 0;
	pid = fork();
	check(pid >= 0, "cannot fork");
	if (!pid)
		storm_node(r, me, depth);
	return pid;
}

/* Some children are not waited for and outlive their parent */
static void storm_children(unsigned depth)
{
	unsigned n = 1 + mix(getpid(), depth, 31) % 3;

	for (unsigned i = 0; i < n; i++) {
		pid_t pid = storm_fork(depth + 1);

		if (pid && mix(pid, i, 32) % 4)
			waitpid(pid, NULL, 0);
	}
}

static void storm_write(void)
{
	uint32_t n = world->n_forks < world->max_forks ? world->n_forks : world->max_forks;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/forks.jsonl", world->o.truth);
	f = fopen(path, "we");
	check(f, "cannot write forks.jsonl");
	for (uint32_t i = 0; i < n; i++) {
		struct fork_rec *r = &world->forks[i];

		if (!r->end)
			die("process %d of the storm did not come to its end", r->pid);
		fprintf(f,
			"{\"kind\":\"%s\",\"pid\":%d,\"tid\":%d,\"parent\":%d,\"begin_ns\":%llu,"
			"\"end_ns\":%llu}\n",
			r->thread ? "thread" : "fork", r->pid, r->tid, r->parent, (unsigned long long)r->begin,
			(unsigned long long)r->end);
	}
	check(!fclose(f), "cannot write forks.jsonl");
}

static void run_storm(const struct scenario *sc)
{
	unsigned trunks = 0;

	world->max_forks = given(world->o.messages, sc->messages);
	world->forks = arena_alloc(world->max_forks * sizeof(*world->forks));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	meet_announce(0);
	world->storm_end_ns = now_ns() + STORM_NS;
	while (storm_fork(0)) {
		trunks++;
		while (trunks >= STORM_TRUNKS && wait(NULL) > 0)
			trunks--;
	}
	while (wait(NULL) > 0)
		;
	storm_write();
}

const struct scenario long_scenarios[] = {
	{ .name = "big",
	  .run = run_big,
	  .alone = true,
	  .about = "more than 4 GiB on one connection, small messages around byte 2^32" },
	{ .name = "midstream",
	  .run = run_midstream,
	  .connections = 4,
	  .messages = 20,
	  .size = 20000,
	  .concurrency = 4,
	  .about = "half of the messages, 'ready PID...', a line, the other half" },
	{ .name = "storm",
	  .run = run_storm,
	  .messages = 3000,
	  .alone = true,
	  .about = "'ready PID', a line, then thousands of short-lived processes and threads" },
	{ 0 }
};
