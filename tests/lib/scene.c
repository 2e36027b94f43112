/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scene - writes a recording of a made-up distributed system: N events of processes on hosts (named network namespaces) that
 * talk over TCP, log, are woken by timers, start short commands, and one of which is stopped for a while.
 *
 * usage: scene DIR EVENTS [HOSTS [PROCESSES [THREADS]]] [--hostile] [--steps]	(4 hosts of 4 processes of 4 threads)
 *
 * Prints what is true of it as one line of JSON: events of each type, edges of each kind.  --hostile: names and log lines
 * with markup, control bytes and bytes that are no UTF-8.  --steps: after each third of the events the recording is flushed, a line
 * `step` is printed, and it waits for a line from the standard input; a recording that grows, without a recorder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "store/store.h"

#define TYPES_MAX 128
#define BEGIN_NS 5000000000ULL
#define STEP_NS 7000 /* between events, in the mean: what one busy server does */
#define PENDING 64   /* sends of a connection that were not received in full */
#define STOP_NS 1500000000ULL
#define START_NS 1000000000ULL
#define EPOCH_NS 1700000000000000000ULL

struct thread {
	uint32_t tgid, tid;
	uint64_t start_ns;
};

struct conn {
	uint32_t from, to; /* threads */
	uint64_t written, read;
	uint64_t ends[PENDING]; /* of sends, a ring */
	uint32_t head, count;
};

struct scene {
	struct store_writer *store;
	struct event_types *types;
	struct thread *threads;
	struct conn *conns;
	uint32_t nhosts, nprocesses, nthreads, nconns, next_pid;
	uint64_t now, random, seq, events, wanted;
	uint64_t by_type[TYPES_MAX], messages, creates, signals, lost;
	uint64_t stopped_ns, stop_at;
	bool hostile;
};

static uint32_t pick(struct scene *s, uint32_t n)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((s->random >> 33) % n);
}

static void fail(const struct err *err)
{
	(void)fprintf(stderr, "scene: %s\n", err->text);
	exit(1);
}

/* --- one event --- */

static struct event_header header(struct scene *s, uint16_t type, const struct thread *t)
{
	struct event_header h = { .type = type, .boot_ns = s->now, .seq = s->seq++ };

	s->now += STEP_NS / 2 + pick(s, STEP_NS);
	h.length = event_static_type(type)->size;
	h.context = t ? CONTEXT_TASK : CONTEXT_RECORDER;
	if (t) {
		h.tgid = t->tgid;
		h.tid = t->tid;
		h.start_ns = t->start_ns;
	}
	return h;
}

static void put(struct scene *s, const void *fixed, const char *const *strings)
{
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;
	struct err err = ERR_INIT;

	if (event_build(&room, sizeof(room), fixed, strings) < 0 || store_append(s->store, &room.h, &err) < 0)
		fail(&err);
	s->events++;
	s->by_type[room.h.type]++;
}

#define PUT(s, e) put(s, &(e), (const char *const[]) { NULL })

/* --- who is there --- */

static void put_process(struct scene *s, const struct thread *t, uint32_t host, uint32_t n)
{
	static const char *const names[] = { "server", "worker", "cache", "client" };
	struct event_process e = {
		.h = header(s, EVENT_PROCESS, t), .netns = 100 + host, .ppid = 1, .flags = PROCFLAGS_SNAPSHOT
	};
	char args[64];
	const char *comm = s->hostile ? "<script>x()" : names[n % ARRAY_LEN(names)];
	const char *strings[] = { comm, "/usr/bin/scene", args, NULL };

	(void)snprintf(args, sizeof(args),
		       s->hostile ? "\"><img src=x onerror=alert(%u)>\xff\x1b[2J" : "scene --number %u", n);
	put(s, &e, strings);
}

static void put_host(struct scene *s, uint32_t host)
{
	struct event_netns e = { .h = header(s, EVENT_NETNS, NULL), .netns = 100 + host, .inode = 4000 + host };
	char name[32];
	const char *strings[] = { name, NULL };

	(void)snprintf(name, sizeof(name), s->hostile ? "</script>\"%u" : "node%u", host + 1);
	put(s, &e, strings);
}

static void put_socket(struct scene *s, uint32_t conn, bool to)
{
	const struct conn *k = &s->conns[conn];
	struct event_socket e = { .h = header(s, EVENT_SOCKET, &s->threads[to ? k->to : k->from]) };

	e.sock = 2 * (uint64_t)conn + 1 + to;
	e.family = SOCKFAMILY_INET;
	e.socktype = SOCKTYPE_STREAM;
	e.protocol = PROTOCOL_TCP;
	e.state = TCPSTATE_ESTABLISHED;
	e.isn = 7 + 2 * conn + to;
	e.peer_isn = 7 + 2 * conn + !to;
	e.local[10] = e.local[11] = e.remote[10] = e.remote[11] = 0xff;
	e.local[12] = e.remote[12] = 10;
	e.local[15] = (uint8_t)(1 + to);
	e.remote[15] = (uint8_t)(1 + !to);
	e.local_port = (uint16_t)(to ? 80 : 20000 + conn);
	e.remote_port = (uint16_t)(to ? 20000 + conn : 80);
	put(s, &e, (const char *const[]) { "", NULL });
}

static void put_clock(struct scene *s)
{
	struct event_clock e = { .h = header(s, EVENT_CLOCK, NULL) };

	e.real_ns = EPOCH_NS + e.h.boot_ns;
	PUT(s, e);
}

static void put_all(struct scene *s)
{
	uint32_t i, n = s->nhosts * s->nprocesses, each = s->nthreads / n;

	put_clock(s);
	for (i = 0; i < s->nhosts; i++)
		put_host(s, i);
	for (i = 0; i < s->nthreads; i++)
		s->threads[i] = (struct thread) { 1000 + i / each * each, 1000 + i, 1000 + i };
	for (i = 0; i < n; i++)
		put_process(s, &s->threads[i * each], i / s->nprocesses, i);
	for (i = 0; i < s->nconns; i++) {
		s->conns[i].from = pick(s, s->nthreads);
		s->conns[i].to = pick(s, s->nthreads);
		put_socket(s, i, false);
		put_socket(s, i, true);
	}
	s->next_pid = 1000 + s->nthreads;
}

/* --- what they do --- */

/* Threads of the process that is stopped do nothing. */
static bool is_stopped(const struct scene *s, uint32_t thread)
{
	return s->stopped_ns && s->threads[thread].tgid == s->threads[0].tgid;
}

static void send_some(struct scene *s)
{
	struct conn *k = &s->conns[pick(s, s->nconns)];
	struct event_send e;

	if (k->count == PENDING || is_stopped(s, k->from))
		return;
	e = (struct event_send) { .h = header(s, EVENT_SEND, &s->threads[k->from]) };
	e.sock = 2 * (uint64_t)(k - s->conns) + 1;
	e.offset = k->written;
	e.bytes = 40 + pick(s, 2000);
	e.begin_ns = e.h.boot_ns - 500;
	k->written += e.bytes;
	k->ends[(k->head + k->count++) % PENDING] = k->written;
	PUT(s, e);
}

/* All or half of what is there; each send that has a byte in it is an edge, but those within one thread. */
static void recv_some(struct scene *s)
{
	struct conn *k = &s->conns[pick(s, s->nconns)];
	uint64_t ready = k->written - k->read;
	struct event_recv e;

	if (!ready || is_stopped(s, k->to))
		return;
	e = (struct event_recv) { .h = header(s, EVENT_RECV, &s->threads[k->to]) };
	e.sock = 2 * (uint64_t)(k - s->conns) + 2;
	e.offset = k->read;
	e.bytes = (uint32_t)(pick(s, 8) || ready < 2 ? ready : ready / 2);
	k->read += e.bytes;
	while (k->count) {
		s->messages++;
		if (k->ends[k->head] > k->read)
			break; /* a part of it is still to come */
		k->head = (k->head + 1) % PENDING;
		k->count--;
		if (!k->count || k->ends[(k->head + PENDING - 1) % PENDING] == k->read)
			break;
	}
	PUT(s, e);
}

static void log_line(struct scene *s)
{
	const struct thread *t = &s->threads[pick(s, s->nthreads)];
	struct event_log e;
	char text[128];
	const char *strings[] = { text, NULL };

	if (is_stopped(s, (uint32_t)(t - s->threads)))
		return;
	e = (struct event_log) { .h = header(s, EVENT_LOG, t), .fd = 1 };
	e.level = pick(s, 1000) ? LEVEL_INFO : LEVEL_ERROR;
	(void)snprintf(text, sizeof(text),
		       s->hostile ? "<script>alert(%u)</script>\x01\x1b[31m\xc3(\xff\xed\xa0\x80\"\\\n\r\t"
				  : "request %u done",
		       (uint32_t)s->events);
	put(s, &e, strings);
}

static void timer(struct scene *s)
{
	const struct thread *t = &s->threads[pick(s, s->nthreads)];
	struct event_timer e = { .h = header(s, EVENT_TIMER, NULL) };

	e.h.context = CONTEXT_SOFTIRQ;
	e.target_tgid = t->tgid;
	e.target_tid = t->tid;
	e.target_start_ns = t->start_ns;
	e.kind = TIMERKIND_WAIT_TIMEOUT;
	PUT(s, e);
}

/* fork, exec, exit: a command that somebody ran. */
static void command(struct scene *s)
{
	const struct thread *t = &s->threads[pick(s, s->nthreads)];
	struct thread child = { s->next_pid, s->next_pid, s->now };
	struct event_fork f;
	struct event_exec x;
	struct event_exit end;

	if (is_stopped(s, (uint32_t)(t - s->threads)))
		return;
	s->next_pid++;
	f = (struct event_fork) { .h = header(s, EVENT_FORK, t),
				  .child_start_ns = child.start_ns,
				  .child_tgid = child.tgid,
				  .child_tid = child.tid };
	put(s, &f, (const char *const[]) { "server", NULL });
	x = (struct event_exec) { .h = header(s, EVENT_EXEC, &child), .netns = 100, .ppid = t->tgid };
	put(s, &x, (const char *const[]) { "command", "/bin/command", "command --once", NULL });
	end = (struct event_exit) { .h = header(s, EVENT_EXIT, &child), .flags = EXITFLAGS_LAST_THREAD };
	put(s, &end, (const char *const[]) { "command", NULL });
	s->creates++;
}

static void lose(struct scene *s)
{
	struct event_loss e = { .h = header(s, EVENT_LOSS, NULL) };

	e.count = 100 + pick(s, 100);
	e.first_seq = s->seq;
	e.last_seq = s->seq + e.count - 1;
	e.from_ns = e.h.boot_ns;
	e.to_ns = e.from_ns + 50000000;
	e.lost_type = EVENT_LOG; /* no message: the truth about edges stays */
	s->seq += e.count;
	s->lost += e.count;
	PUT(s, e);
}

/* One stops another, and lets it go on. */
static void stop_or_go(struct scene *s)
{
	bool stop = !s->stopped_ns;
	const struct thread *by = &s->threads[s->nthreads - 1], *t = &s->threads[0];
	struct event_signal e = { .h = header(s, EVENT_SIGNAL, by) };

	e.target_tgid = e.target_tid = t->tgid;
	e.target_start_ns = t->start_ns;
	e.sig = stop ? 19 : 18;
	e.flags = SIGNALFLAGS_GROUP;
	put(s, &e, (const char *const[]) { "server", NULL });
	if (stop) {
		struct event_stop x = { .h = header(s, EVENT_STOP, t), .sig = 19, .sender = by->tgid };

		PUT(s, x);
		s->stopped_ns = x.h.boot_ns;
		s->stop_at = UINT64_MAX;
	} else {
		struct event_cont x = { .h = header(s, EVENT_CONT, t), .sig = 18, .sender = by->tgid };

		PUT(s, x);
		s->stopped_ns = 0;
	}
	s->signals++;
}

static void act(struct scene *s)
{
	uint32_t what = pick(s, 1000);

	if (s->events >= s->stop_at || (s->stopped_ns && s->now > s->stopped_ns + STOP_NS))
		stop_or_go(s);
	else if (!s->lost && s->events > s->wanted / 4 * 3)
		lose(s);
	else if (what < 20)
		log_line(s);
	else if (what < 50)
		timer(s);
	else if (what < 51 && !pick(s, 10))
		command(s);
	else if (what < 52 && !pick(s, 100) && s->events > s->wanted / 2)
		lose(s);
	else if (what < 520)
		send_some(s);
	else
		recv_some(s);
}

/* --- all --- */

static void flush(struct scene *s)
{
	struct err err = ERR_INIT;

	if (store_settle(s->store, s->now, &err) < 0 || store_flush(s->store, &err) < 0)
		fail(&err);
}

static void step(struct scene *s)
{
	char line[16];

	flush(s);
	(void)puts("step");
	(void)fflush(stdout);
	(void)!fgets(line, sizeof(line), stdin);
}

static void run(struct scene *s, bool steps)
{
	uint32_t told = 0;

	put_all(s);
	while (s->events < s->wanted) {
		act(s);
		if (s->events % 4096 == 0 && store_settle(s->store, s->now, NULL) < 0)
			exit(1);
		if (steps && told < 2 && s->events > (told + 1) * s->wanted / 3) {
			told++;
			step(s);
		}
	}
	if (s->stopped_ns)
		stop_or_go(s);
	put_clock(s);
	flush(s);
}

static void print_truth(const struct scene *s)
{
	const char *sep = "";
	int i;

	(void)printf("{\"events\":%llu,\"message\":%llu,\"create\":%llu,\"lost\":%llu,\"hosts\":%u,\"processes\":%llu,"
		     "\"types\":{",
		     (unsigned long long)s->events, (unsigned long long)s->messages, (unsigned long long)s->creates,
		     (unsigned long long)s->lost, s->nhosts,
		     (unsigned long long)s->nhosts * s->nprocesses + s->creates);
	for (i = 0; i < TYPES_MAX; i++) {
		if (!s->by_type[i])
			continue;
		(void)printf("%s\"%s\":%llu", sep, event_static_type((uint16_t)i)->name,
			     (unsigned long long)s->by_type[i]);
		sep = ",";
	}
	(void)puts("}}");
}

static uint32_t number(int argc, char **argv, int i, uint32_t otherwise)
{
	return argc > i ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	struct scene s = { .now = BEGIN_NS, .random = 1 };
	struct store_opts so = { .uid = UINT32_MAX, .gid = UINT32_MAX, .hostname = "scene", .boot_id = "scene" };
	struct err err = ERR_INIT;
	bool steps = false;

	for (; argc > 1 && !strncmp(argv[argc - 1], "--", 2); argc--) {
		s.hostile |= !strcmp(argv[argc - 1], "--hostile");
		steps |= !strcmp(argv[argc - 1], "--steps");
	}
	if (argc < 3) {
		(void)fprintf(stderr, "usage: scene DIR EVENTS [HOSTS [PROCESSES [THREADS]]] [--hostile] [--steps]\n");
		return 2;
	}
	s.wanted = strtoull(argv[2], NULL, 10);
	s.nhosts = number(argc, argv, 3, 4);
	s.nprocesses = number(argc, argv, 4, 4);
	s.nthreads = s.nhosts * s.nprocesses * number(argc, argv, 5, 4);
	s.nconns = 4 * s.nthreads;
	s.stop_at = s.wanted / 2;
	s.threads = calloc(s.nthreads, sizeof(*s.threads));
	s.conns = calloc(s.nconns, sizeof(*s.conns));
	so.dir = argv[1];
	if (!s.threads || !s.conns || event_types_new(&s.types) < 0)
		return 1;
	so.types = s.types;
	if (store_create(&so, &s.store, &err) < 0)
		fail(&err);
	run(&s, steps);
	if (store_close(s.store, &err) < 0)
		fail(&err);
	print_truth(&s);
	event_types_free(s.types);
	free(s.threads);
	free(s.conns);
	return 0;
}
