/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs: one arena of shared memory, mapped before the first fork, so that pointers mean the
 * same in every process. A thread takes blocks of it and writes only into its own; nothing is
 * shared between threads but the arena's fill level. Kernel workers of a process share one log
 * under a lock.
 */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)1 << 30)
#define THR_BLOCK ((size_t)32 << 10)

struct world *world;
const char *const kind_names[KINDS] = {
	[KIND_TCP] = "tcp",
	[KIND_UDP] = "udp",
	[KIND_UNIX_STREAM] = "unix_stream",
	[KIND_UNIX_DGRAM] = "unix_dgram",
};

static _Thread_local struct thr *self;
static struct thr *worker;
static pthread_mutex_t worker_lock = PTHREAD_MUTEX_INITIALIZER;

static void after_fork(void)
{
	self = NULL;
	worker = NULL;
	pthread_mutex_init(&worker_lock, NULL);
}

void world_open(void)
{
	world = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(world != MAP_FAILED, "cannot map the shared arena");
	world->used = (sizeof(*world) + 63) & ~(size_t)63;
	sem_init(&world->reached, 1, 0);
	sem_init(&world->go, 1, 0);
	sem_init(&world->ctl, 1, 0);
	pthread_atfork(NULL, NULL, after_fork);
}

void *arena_alloc(size_t n)
{
	size_t at;

	n = (n + 63) & ~(size_t)63;
	at = atomic_fetch_add(&world->used, n);
	if (at + n > ARENA_BYTES)
		die("the logs are full (%zu MB): fewer or smaller messages please", ARENA_BYTES >> 20);
	return (char *)world + at;
}

static struct thr *thr_new(pid_t tid)
{
	struct thr *t = arena_alloc(sizeof(*t));

	t->pid = getpid();
	t->tid = tid;
	t->next = atomic_load(&world->thrs);
	while (!atomic_compare_exchange_weak(&world->thrs, &t->next, t))
		;
	return t;
}

struct thr *thr_self(void)
{
	if (!self)
		self = thr_new(gettid());
	return self;
}

struct thr *thr_worker(void)
{
	pthread_mutex_lock(&worker_lock);
	if (!worker)
		worker = thr_new(0);
	pthread_mutex_unlock(&worker_lock);
	return worker;
}

static void *thr_alloc(struct thr *t, size_t n)
{
	void *p;

	n = (n + 7) & ~(size_t)7;
	if (t->left < n) {
		t->block = arena_alloc(THR_BLOCK);
		t->left = THR_BLOCK;
	}
	p = t->block;
	t->block += n;
	t->left -= n;
	return p;
}

uint64_t call_begin(struct thr *t)
{
	t->sys++;
	return now_ns();
}

ssize_t call_result(ssize_t ret)
{
	return ret < 0 ? -errno : ret;
}

struct call *log_call(struct thr *t, struct ep *ep, bool recv, const char *how, uint64_t begin, uint64_t len)
{
	uint64_t end = now_ns();
	struct call *c;

	if (!t->tid)
		pthread_mutex_lock(&worker_lock);
	c = thr_alloc(t, sizeof(*c));
	*c = (struct call) {
		.thr = t,
		.st = recv ? ep_in(ep) : ep_out(ep),
		.how = how,
		.len = len,
		.begin = begin,
		.end = end,
		.call = ++t->calls,
		.sys = t->sys,
		.fd = ep->fd,
		.recv = recv,
	};
	if (t->last)
		t->last->next = c;
	else
		t->first = c;
	t->last = c;
	if (!t->tid)
		pthread_mutex_unlock(&worker_lock);
	return c;
}

struct run *log_run(struct call *c, const struct run *run)
{
	struct run **at = &c->runs;

	for (; *at; at = &(*at)->next) {
		struct run *r = *at;

		if (r->w == run->w && r->k + r->len == run->k && r->off + r->len == run->off && !r->raw && !run->raw) {
			r->len += run->len;
			return r;
		}
	}
	if (!c->thr->tid)
		pthread_mutex_lock(&worker_lock);
	*at = thr_alloc(c->thr, sizeof(**at));
	if (!c->thr->tid)
		pthread_mutex_unlock(&worker_lock);
	**at = *run;
	(*at)->next = NULL;
	return *at;
}

void log_other(struct ep *ep, bool recv, const char *what, int error, int64_t len)
{
	struct thr *t = thr_self();
	struct other *o = thr_alloc(t, sizeof(*o));

	*o = (struct other) {
		.st = !ep->conn ? NULL
		      : recv	? ep_in(ep)
				: ep_out(ep),
		.what = what,
		.ns = now_ns(),
		.fd = ep->fd,
		.error = error,
		.after = t->calls,
		.len = len,
	};
	if (t->other_last)
		t->other_last->next = o;
	else
		t->other_first = o;
	t->other_last = o;
}

static void stream_init(struct stream *st, struct conn *c, unsigned way)
{
	uint32_t id = atomic_fetch_add(&world->n_streams, 1);

	if (id >= MAX_STREAMS)
		die("too many connections in one run (%u)", MAX_STREAMS / 2);
	st->conn = c;
	st->way = way;
	st->id = id;
	world->streams[id] = st;
}

struct conn *conn_new(enum kind kind, uint32_t no, const char *fmt, ...)
{
	struct conn *c = arena_alloc(sizeof(*c));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->name, sizeof(c->name), fmt, ap);
	va_end(ap);
	c->kind = kind;
	c->no = no;
	stream_init(&c->way[0], c, 0);
	stream_init(&c->way[1], c, 1);
	c->next = atomic_load(&world->conns);
	while (!atomic_compare_exchange_weak(&world->conns, &c->next, c))
		;
	return c;
}

struct stream *ep_out(struct ep *ep)
{
	return &ep->conn->way[ep->end];
}
struct stream *ep_in(struct ep *ep)
{
	return &ep->conn->way[!ep->end];
}

static void end_cookies(struct end *e, int fd)
{
	socklen_t n = sizeof(e->cookie);
	struct stat st;

	check(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &e->cookie, &n), "cannot read the socket cookie");
	n = sizeof(e->netns);
	check(!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &e->netns, &n), "cannot read the namespace cookie");
	check(!fstat(fd, &st), "cannot stat the socket");
	e->ino = st.st_ino;
}

struct ep ep_open(struct conn *c, int end, int fd)
{
	struct end *e = &c->end[end];
	struct addr a = { .len = sizeof(a.ss) };

	if (e->set)
		return (struct ep) { .fd = fd, .conn = c, .end = end };
	end_cookies(e, fd);
	if (!getsockname(fd, (struct sockaddr *)&a.ss, &a.len))
		addr_format(&a, e->local, sizeof(e->local));
	a = (struct addr) { .len = sizeof(a.ss) };
	if (!getpeername(fd, (struct sockaddr *)&a.ss, &a.len))
		addr_format(&a, e->peer, sizeof(e->peer));
	e->set = true;
	return (struct ep) { .fd = fd, .conn = c, .end = end };
}

unsigned stream_writer(struct stream *st, struct thr *t)
{
	unsigned n = atomic_load(&st->writers), w;

	for (w = 0; w < n && w < MAX_WRITERS; w++)
		if (st->writer[w].thr == t)
			return w;
	w = atomic_fetch_add(&st->writers, 1);
	if (w >= MAX_WRITERS)
		die("more than %d writers on one stream", MAX_WRITERS);
	st->writer[w].thr = t;
	return w;
}
