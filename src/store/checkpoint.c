/* SPDX-License-Identifier: Apache-2.0 */
/* An entry is the checkpoint event itself, ready to be written but for its time. */
#include "store/checkpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "event/event.h"

/* In the order in which they are written. */
enum kind { KIND_HOST, KIND_NETNS, KIND_CGROUP, KIND_CONTAINER, KIND_PROCESS, KIND_INSIDE, KIND_SOCKET, KINDS };

struct entry {
	struct entry *prev, *next; /* of its kind, oldest first */
	uint64_t key;
	size_t len;
	union {
		struct event_header h;
		struct event_process process;
		struct event_socket socket;
	}; /* and more: len bytes in all */
};

struct list {
	struct entry *first, *last;
	struct map by_key;
};

struct checkpoint {
	struct list lists[KINDS];
	size_t bytes, max_bytes;
	uint64_t refused;
	struct event_clock clock; /* the last that was seen; type 0: none */
};

int checkpoint_new(size_t max_bytes, struct checkpoint **ret)
{
	struct checkpoint *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->max_bytes = max_bytes;
	*ret = c;
	return 0;
}

static size_t entry_bytes(size_t len)
{
	return offsetof(struct entry, h) + MAX(len, sizeof(struct event_socket));
}

static struct entry *find(const struct checkpoint *c, enum kind kind, uint64_t key)
{
	uint64_t *value = map_get(&c->lists[kind].by_key, key);

	return value ? (struct entry *)(uintptr_t)*value : NULL;
}

static void forget(struct checkpoint *c, enum kind kind, struct entry *e)
{
	struct list *l = &c->lists[kind];

	if (!e)
		return;
	*(e->prev ? &e->prev->next : &l->first) = e->next;
	*(e->next ? &e->next->prev : &l->last) = e->prev;
	(void)map_del(&l->by_key, e->key);
	c->bytes -= entry_bytes(e->len);
	free(e);
}

struct checkpoint *checkpoint_free(struct checkpoint *c)
{
	int kind;

	if (!c)
		return NULL;
	for (kind = 0; kind < KINDS; kind++) {
		while (c->lists[kind].first)
			forget(c, kind, c->lists[kind].first);
		map_fini(&c->lists[kind].by_key);
	}
	free(c);
	return NULL;
}

/* A new entry in the place of an old one of the same key; NULL: refused.  Its bytes are the caller's to fill. */
static struct entry *make(struct checkpoint *c, enum kind kind, uint64_t key, size_t len)
{
	struct list *l = &c->lists[kind];
	struct entry *e;

	forget(c, kind, find(c, kind, key));
	while (c->bytes + entry_bytes(len) > c->max_bytes && c->lists[KIND_SOCKET].first) {
		forget(c, KIND_SOCKET, c->lists[KIND_SOCKET].first);
		c->refused++;
	}
	e = c->bytes + entry_bytes(len) > c->max_bytes ? NULL : calloc(1, entry_bytes(len));
	if (!e || map_set(&l->by_key, key, (uintptr_t)e) < 0) {
		c->refused++;
		free(e);
		return NULL;
	}
	e->key = key;
	e->len = len;
	e->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = e;
	l->last = e;
	c->bytes += entry_bytes(len);
	return e;
}

/* Keeps the event as it is. */
static struct entry *keep(struct checkpoint *c, enum kind kind, uint64_t key, const struct event_header *h)
{
	struct entry *e = make(c, kind, key, h->length);

	if (e)
		memcpy(&e->h, h, h->length);
	return e;
}

static void see_process(struct checkpoint *c, const struct event_header *h)
{
	const struct event_process *in = (const void *)h;
	struct entry *e;

	if (h->type == EVENT_PROCESS && (in->flags & (PROCFLAGS_THREAD | PROCFLAGS_GONE)))
		return;
	e = keep(c, KIND_PROCESS, h->tgid, h);
	if (!e)
		return;
	e->h.type = EVENT_PROCESS;
	e->h.tid = h->tgid;
	e->process.flags &= ~(uint32_t)PROCFLAGS_SNAPSHOT;
	e->process.flags |= PROCFLAGS_CHECKPOINT;
}

/* The child is what its parent is, until it runs a program of its own. */
static void see_fork(struct checkpoint *c, const struct event_header *h)
{
	const struct event_fork *in = (const void *)h;
	struct entry *parent = find(c, KIND_PROCESS, h->tgid), *e;

	if (in->flags & PROCFLAGS_THREAD || !parent || in->child_tgid == h->tgid)
		return;
	e = make(c, KIND_PROCESS, in->child_tgid, parent->len);
	if (!e)
		return;
	memcpy(&e->h, &parent->h, parent->len);
	e->process.ppid = h->tgid;
	e->h.tgid = e->h.tid = in->child_tgid;
	e->h.start_ns = in->child_start_ns;
}

static void see_exit(struct checkpoint *c, const struct event_header *h)
{
	if (!(((const struct event_exit *)(const void *)h)->flags & EXITFLAGS_LAST_THREAD))
		return;
	forget(c, KIND_PROCESS, find(c, KIND_PROCESS, h->tgid));
	forget(c, KIND_INSIDE, find(c, KIND_INSIDE, h->tgid));
}

/* The entry of a socket, made if need be; its event says the thread that first had to do with it. */
static struct event_socket *socket_entry(struct checkpoint *c, uint64_t sock, const struct event_header *h)
{
	size_t len = sizeof(struct event_socket) + 8; /* an empty path, padded */
	struct entry *e = find(c, KIND_SOCKET, sock);

	if (!e) {
		e = make(c, KIND_SOCKET, sock, len);
		if (!e)
			return NULL;
		e->h.type = EVENT_SOCKET;
		e->h.length = (uint16_t)len;
		e->socket.sock = sock;
		e->socket.flags = SOCKFLAGS_CHECKPOINT;
		e->socket.socktype = SOCKTYPE_STREAM;
	}
	if (h->context == CONTEXT_TASK) {
		e->h.tgid = h->tgid;
		e->h.tid = h->tid;
		e->h.start_ns = h->start_ns;
	}
	return &e->socket;
}

static void see_socket(struct checkpoint *c, const struct event_header *h)
{
	const struct event_socket *in = (const void *)h;
	struct entry *e = keep(c, KIND_SOCKET, in->sock, h);

	if (!e)
		return;
	e->socket.flags &= ~(uint32_t)SOCKFLAGS_SNAPSHOT;
	e->socket.flags |= SOCKFLAGS_CHECKPOINT;
}

static void see_connect(struct checkpoint *c, const struct event_header *h)
{
	const struct event_connect *in = (const void *)h;
	struct event_socket *s = socket_entry(c, in->sock, h);

	if (!s)
		return;
	s->netns = in->netns;
	s->family = in->family;
	s->protocol = in->protocol;
	s->socktype = in->protocol == PROTOCOL_UDP ? SOCKTYPE_DGRAM : SOCKTYPE_STREAM;
	s->state = in->protocol == PROTOCOL_TCP ? TCPSTATE_SYN_SENT : TCPSTATE_ESTABLISHED;
	s->remote_port = in->remote_port;
	memcpy(s->remote, in->remote, sizeof(s->remote));
}

/* connected and accept name the same things, but lay them out each in its way. */
#define COPY_CONNECTION(s, in)                                          \
	do {                                                            \
		(s)->netns = (in)->netns;                               \
		(s)->family = (in)->family;                             \
		(s)->protocol = (in)->protocol;                         \
		(s)->state = TCPSTATE_ESTABLISHED;                      \
		(s)->isn = (in)->isn;                                   \
		(s)->peer_isn = (in)->peer_isn;                         \
		(s)->local_port = (in)->local_port;                     \
		(s)->remote_port = (in)->remote_port;                   \
		memcpy((s)->local, (in)->local, sizeof((s)->local));    \
		memcpy((s)->remote, (in)->remote, sizeof((s)->remote)); \
	} while (0)

static void see_connected(struct checkpoint *c, const struct event_header *h)
{
	const struct event_connected *in = (const void *)h;
	struct event_socket *s;

	if (in->error)
		return;
	s = socket_entry(c, in->sock, h);
	if (s)
		COPY_CONNECTION(s, in);
}

static void see_accept(struct checkpoint *c, const struct event_header *h)
{
	const struct event_accept *in = (const void *)h;
	struct event_socket *s = socket_entry(c, in->sock, h);

	if (!s)
		return;
	COPY_CONNECTION(s, in);
	s->flags |= SOCKFLAGS_PASSIVE;
}

static void see_listen(struct checkpoint *c, const struct event_header *h)
{
	const struct event_listen *in = (const void *)h;
	struct event_socket *s = socket_entry(c, in->sock, h);

	if (!s)
		return;
	s->netns = in->netns;
	s->family = in->family;
	s->protocol = in->protocol;
	s->state = TCPSTATE_LISTEN;
	s->local_port = in->local_port;
	memcpy(s->local, in->local, sizeof(s->local));
}

static void see_send(struct checkpoint *c, const struct event_header *h)
{
	const struct event_send *in = (const void *)h;
	struct entry *e = in->flags & MSGFLAGS_OFFSET_UNKNOWN ? NULL : find(c, KIND_SOCKET, in->sock);

	if (e)
		e->socket.tx_offset = MAX(e->socket.tx_offset, in->offset + in->bytes);
}

static void see_recv(struct checkpoint *c, const struct event_header *h)
{
	const struct event_recv *in = (const void *)h;
	struct entry *e = in->flags & MSGFLAGS_OFFSET_UNKNOWN ? NULL : find(c, KIND_SOCKET, in->sock);

	if (e)
		e->socket.rx_offset = MAX(e->socket.rx_offset, in->offset + in->bytes);
}

static void see_close(struct checkpoint *c, const struct event_header *h)
{
	forget(c, KIND_SOCKET, find(c, KIND_SOCKET, ((const struct event_close *)(const void *)h)->sock));
}

static void see_netns(struct checkpoint *c, const struct event_header *h)
{
	(void)keep(c, KIND_NETNS, ((const struct event_netns *)(const void *)h)->netns, h);
}

static void see_cgroup(struct checkpoint *c, const struct event_header *h)
{
	(void)keep(c, KIND_CGROUP, ((const struct event_cgroup *)(const void *)h)->cgroup, h);
}

static void see_container(struct checkpoint *c, const struct event_header *h)
{
	(void)keep(c, KIND_CONTAINER, ((const struct event_container *)(const void *)h)->cgroup, h);
}

/* Kept as long as the process. */
static void see_inside(struct checkpoint *c, const struct event_header *h)
{
	(void)keep(c, KIND_INSIDE, h->tgid, h);
}

static void see_host(struct checkpoint *c, const struct event_header *h)
{
	(void)keep(c, KIND_HOST, 0, h);
}

static void see_clock(struct checkpoint *c, const struct event_header *h)
{
	memcpy(&c->clock, h, sizeof(c->clock));
}

static void (*const see[EVENT_STATIC_END])(struct checkpoint *c, const struct event_header *h) = {
	[EVENT_PROCESS] = see_process,	   [EVENT_EXEC] = see_process,	[EVENT_FORK] = see_fork,
	[EVENT_EXIT] = see_exit,	   [EVENT_SOCKET] = see_socket, [EVENT_CONNECT] = see_connect,
	[EVENT_ACCEPT] = see_accept,	   [EVENT_LISTEN] = see_listen, [EVENT_CONNECTED] = see_connected,
	[EVENT_SEND] = see_send,	   [EVENT_RECV] = see_recv,	[EVENT_CLOSE] = see_close,
	[EVENT_CONTAINER] = see_container, [EVENT_INSIDE] = see_inside, [EVENT_NETNS] = see_netns,
	[EVENT_CGROUP] = see_cgroup,	   [EVENT_HOST] = see_host,	[EVENT_CLOCK] = see_clock,
};

void checkpoint_see(struct checkpoint *c, const struct event_header *h)
{
	if (h->type < EVENT_STATIC_END && see[h->type])
		see[h->type](c, h);
}

static int write_clock(const struct checkpoint *c, uint64_t boot_ns, int live_clock, checkpoint_out_fn *out, void *arg,
		       struct err *err)
{
	struct event_clock clock = c->clock;
	struct clock_pair now;

	if (live_clock) {
		now = clock_pair_read();
		clock.real_ns = now.real_ns + boot_ns - now.boot_ns;
		clock.error_ns = now.error_ns;
	} else if (clock.h.type) {
		clock.real_ns += boot_ns - clock.h.boot_ns;
	} else {
		return 0;
	}
	clock.h = (struct event_header) {
		.boot_ns = boot_ns, .type = EVENT_CLOCK, .length = sizeof(clock), .context = CONTEXT_RECORDER
	};
	return out(arg, &clock.h, err);
}

/* What the table had no room for: who comes later in the recording and is not named here may be among them. */
static int write_refused(const struct checkpoint *c, uint64_t boot_ns, checkpoint_out_fn *out, void *arg,
			 struct err *err)
{
	const char *text[] = { "processes and sockets that this checkpoint had no room for", NULL };
	struct event_mark mark = { .h = { .boot_ns = boot_ns, .type = EVENT_MARK, .context = CONTEXT_RECORDER },
				   .value = c->refused };
	union {
		struct event_header h;
		char bytes[256];
	} room;

	if (!c->refused || event_build(&room, sizeof(room), &mark, text) < 0)
		return 0;
	return out(arg, &room.h, err);
}

int checkpoint_write(const struct checkpoint *c, uint64_t boot_ns, int live_clock, checkpoint_out_fn *out, void *arg,
		     struct err *err)
{
	int kind, r = write_clock(c, boot_ns, live_clock, out, arg, err);
	struct entry *e;

	for (kind = 0; kind < KINDS; kind++)
		for (e = c->lists[kind].first; e && r >= 0; e = e->next) {
			e->h.boot_ns = boot_ns;
			e->h.context = CONTEXT_RECORDER;
			e->h.flags = 0;
			e->h.cpu = 0;
			e->h.seq = 0;
			r = out(arg, &e->h, err);
		}
	return r < 0 ? r : write_refused(c, boot_ns, out, arg, err);
}
