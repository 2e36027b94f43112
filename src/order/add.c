/* SPDX-License-Identifier: Apache-2.0 */
/* add - takes from each event what matching will need, one handler a type. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "order/internal.h"

#define HOSTS_MAX 65536
#define CHUNK_MIN 4
#define CHUNK_MAX 128

struct adding {
	const struct event *ev;
	uint32_t n;    /* arrival number */
	uint32_t lead; /* event time - end of the thread's previous event */
	struct order_thread *thread;
};

static bool imported(const struct event *ev)
{
	return ev->h->flags & EVENT_F_IMPORTED;
}

static uint32_t lead_encode(uint64_t ns)
{
	uint64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;

	if (ns < LEAD_MS)
		return (uint32_t)ns;
	return ms < LEAD_MS - 1 ? (uint32_t)ms | LEAD_MS : LEAD_UNKNOWN;
}

/* The event began at begin_ns, but not before its thread's previous event had ended.  Codes sort as times do. */
static uint32_t lead_of(const struct adding *a, uint64_t begin_ns)
{
	uint32_t lead;

	if (!begin_ns || begin_ns > a->ev->boot_ns)
		return a->lead;
	lead = lead_encode(a->ev->boot_ns - begin_ns);
	return lead < a->lead ? lead : a->lead;
}

static struct order_task *task_push(struct order *o, const struct adding *a)
{
	struct order_task *t = BIG_PUSH(&o->memory, &o->tasks, struct order_task);
	static struct order_task nowhere;

	if (!t)
		return &nowhere;
	*t = (struct order_task) { .boot_ns = a->ev->boot_ns,
				   .node = a->n,
				   .host = a->ev->host,
				   .type = a->ev->h->type,
				   .tgid = a->ev->h->tgid,
				   .tid = a->ev->h->tid,
				   .start_ns = a->ev->h->start_ns };
	return t;
}

static void add_loss(struct order *o, const struct adding *a)
{
	const struct event_loss *e = EVENT_AS(loss, a->ev);

	order_loss_add(o, a->ev->host, e->lost_type, e->from_ns, e->to_ns);
}

static void add_shed(struct order *o, const struct adding *a)
{
	struct order_host *h = &HOSTS(o)[a->ev->host];

	if (!strcmp(event_string(a->ev, 0), EVENT_SHED_SCHED) || !strcmp(event_string(a->ev, 0), EVENT_SHED_PAYLOADS))
		return; /* no order follows from it */
	if (EVENT_AS(shed, a->ev)->on) {
		if (!h->shed++)
			h->shed_ns = a->ev->boot_ns;
	} else if (h->shed && !--h->shed) {
		order_loss_add(o, a->ev->host, 0, h->shed_ns, a->ev->boot_ns);
	}
}

static void add_fork(struct order *o, const struct adding *a)
{
	const struct event_fork *e = EVENT_AS(fork, a->ev);
	struct order_task *t = task_push(o, a);

	t->tgid = e->child_tgid;
	t->tid = e->child_tid;
	t->start_ns = e->child_start_ns;
	t->flags = imported(a->ev);
}

static void add_exec(struct order *o, const struct adding *a)
{
	(void)task_push(o, a);
}

/* Which goroutine the thread runs from here on, or which one it made run. */
static void add_goroutine(struct order *o, const struct adding *a)
{
	const struct event_go_ready *ready = a->ev->h->type == EVENT_GO_READY ? EVENT_AS(go_ready, a->ev) : NULL;
	const struct event_goroutine *now = ready ? NULL : EVENT_AS(goroutine, a->ev);
	struct order_goroutine *g;

	if (a->thread->flags & THREAD_LOOSE)
		return;
	g = BIG_PUSH(&o->memory, &o->goroutines, struct order_goroutine);
	if (!g)
		return;
	*g = (struct order_goroutine) { .boot_ns = a->ev->boot_ns, .node = a->n, .type = a->ev->h->type };
	g->goid = ready ? ready->goid : now->goid;
	g->by = ready ? ready->by : now->goid;
	g->program = ready ? ready->program : now->program;
	if (ready || now->goid)
		a->thread->flags |= THREAD_GO;
}

/* Goroutines do not wait where threads do. */
static void add_ran(struct order *o, const struct adding *a)
{
	if (a->thread->flags & THREAD_GO)
		(void)task_push(o, a);
}

static void add_start(struct order *o, const struct adding *a)
{
	(void)task_push(o, a);
}

static void add_exit(struct order *o, const struct adding *a)
{
	const struct event_exit *e = EVENT_AS(exit, a->ev);
	struct order_task *t = task_push(o, a);

	t->sig = (uint8_t)e->sig;
	t->flags = (uint8_t)e->flags;
	a->thread->exit = a->n;
}

static void add_join(struct order *o, const struct adding *a)
{
	const struct event_join *e = EVENT_AS(join, a->ev);
	struct order_task *t = task_push(o, a);

	t->tgid = e->child_tgid;
	t->tid = e->child_tid;
	t->start_ns = e->child_start_ns;
}

static void add_signal(struct order *o, const struct adding *a)
{
	const struct event_signal *e = EVENT_AS(signal, a->ev);
	struct order_task *t = task_push(o, a);

	t->sender = a->ev->h->tgid;
	t->tgid = e->target_tgid;
	t->tid = e->target_tid;
	t->start_ns = e->target_start_ns;
	t->sig = (uint8_t)e->sig;
	t->result = (uint8_t)e->result;
	t->flags = (uint8_t)e->flags;
}

static void add_deliver(struct order *o, const struct adding *a)
{
	const struct event_deliver *e = EVENT_AS(deliver, a->ev);
	struct order_task *t = task_push(o, a);

	t->sig = (uint8_t)e->sig;
	t->sender = e->sender;
}

static void add_timer(struct order *o, const struct adding *a)
{
	const struct event_timer *e = EVENT_AS(timer, a->ev);
	struct order_task *t = task_push(o, a);

	t->tgid = e->target_tgid;
	t->tid = e->target_tid;
	t->start_ns = e->target_start_ns;
}

static void add_wake(struct order *o, const struct adding *a)
{
	const struct event_wake *e = EVENT_AS(wake, a->ev);
	struct order_task *t = task_push(o, a);

	t->tgid = e->target_tgid;
	t->tid = e->target_tid;
	t->start_ns = e->target_start_ns;
	t->what = (uint8_t)e->what;
}

/* Twice: who asked, and when; and of a wake whom it woke. */
static void add_block_done(struct order *o, const struct adding *a)
{
	const struct event_block_done *e = EVENT_AS(block_done, a->ev);
	struct order_task *t = task_push(o, a);

	t->type = EVENT_BLOCK_DONE;
	t->tgid = e->owner_tgid;
	t->tid = e->owner_tid;
	t->start_ns = e->owner_start_ns;
	t->boot_ns = e->started_ns;
}

static void add_block_wake(struct order *o, const struct adding *a)
{
	const struct event_block_wake *e = EVENT_AS(block_wake, a->ev);
	struct order_task *t = task_push(o, a);

	t->tgid = e->target_tgid;
	t->tid = e->target_tid;
	t->start_ns = e->target_start_ns;
	t = task_push(o, a);
	t->type = EVENT_BLOCK_DONE;
	t->tgid = e->owner_tgid;
	t->tid = e->owner_tid;
	t->start_ns = e->owner_start_ns;
	t->boot_ns = e->started_ns;
}

/* The socket of the event; an imported one begins anew with each connect or accept after its first. */
static struct order_sock *sock_of(struct order *o, const struct adding *a, uint64_t cookie, bool opens)
{
	struct order_sock *s = order_sock_get(o, a->ev->host, cookie, a->ev->boot_ns);

	if (!s)
		return NULL;
	if (imported(a->ev)) {
		s->flags |= SOCK_IMPORTED;
		if (opens && (s->flags & SOCK_OPENED || s->tx.count || s->rx.count))
			s = order_sock_again(o, s);
	}
	if (s && opens)
		s->flags |= SOCK_OPENED;
	return s;
}

static bool addr_set(const uint8_t addr[16])
{
	static const uint8_t zero[16];

	return memcmp(addr, zero, sizeof(zero)) != 0;
}

struct tuple {
	const uint8_t *local, *remote;
	uint16_t local_port, remote_port;
	uint32_t isn, peer_isn;
};

static void sock_describe(struct order_sock *s, const struct tuple *t)
{
	s->flags |= SOCK_DESCRIBED;
	if (t->isn || t->peer_isn) {
		s->isn = t->isn;
		s->peer_isn = t->peer_isn;
	}
	if (!addr_set(t->remote) && !t->remote_port)
		return;
	s->flags |= SOCK_TUPLE;
	memcpy(s->local, t->local, sizeof(s->local));
	memcpy(s->remote, t->remote, sizeof(s->remote));
	s->local_port = t->local_port;
	s->remote_port = t->remote_port;
}

static void add_socket(struct order *o, const struct adding *a)
{
	const struct event_socket *e = EVENT_AS(socket, a->ev);
	struct order_sock *s = sock_of(o, a, e->sock, false);

	if (!s)
		return;
	sock_describe(s, &(struct tuple) { e->local, e->remote, e->local_port, e->remote_port, e->isn, e->peer_isn });
	s->netns = e->netns;
	s->peer = e->peer ? e->peer : s->peer;
	s->family = e->family;
	s->socktype = e->socktype;
	s->protocol = e->protocol;
	if (!(s->flags & (SOCK_TX_BASE | SOCK_OPENED)) && !s->tx.count && !s->rx.count) {
		s->flags |= SOCK_TX_BASE;
		s->tx_base = e->tx_offset;
		s->rx_base = e->rx_offset;
	}
	if (!(e->flags & (SOCKFLAGS_SNAPSHOT | SOCKFLAGS_MIDSTREAM)) && e->h.context == CONTEXT_RECORDER)
		s->flags |= SOCK_BORN;
	s->tx_total = s->tx_total > e->tx_offset ? s->tx_total : e->tx_offset;
	s->rx_total = s->rx_total > e->rx_offset ? s->rx_total : e->rx_offset;
}

static void add_connect(struct order *o, const struct adding *a)
{
	const struct event_connect *e = EVENT_AS(connect, a->ev);
	struct order_sock *s = sock_of(o, a, e->sock, true);

	if (!s)
		return;
	s->netns = e->netns;
	s->family = e->family;
	s->protocol = e->protocol;
	/* a second try on the same socket replaces the first, until bytes have gone over it */
	if (s->connect == NONE || (!s->tx.count && !s->rx.count))
		s->connect = a->n;
}

static void add_connected(struct order *o, const struct adding *a)
{
	const struct event_connected *e = EVENT_AS(connected, a->ev);
	struct order_sock *s = sock_of(o, a, e->sock, false);

	if (!s || e->error)
		return;
	s->netns = e->netns;
	s->family = e->family;
	s->protocol = e->protocol;
	s->flags |= SOCK_OPENED;
	sock_describe(s, &(struct tuple) { e->local, e->remote, e->local_port, e->remote_port, e->isn, e->peer_isn });
}

static void add_accept(struct order *o, const struct adding *a)
{
	const struct event_accept *e = EVENT_AS(accept, a->ev);
	struct order_sock *s = sock_of(o, a, e->sock, true);

	if (!s)
		return;
	s->netns = e->netns;
	s->family = e->family;
	s->protocol = e->protocol;
	s->accept = a->n;
	sock_describe(s, &(struct tuple) { e->local, e->remote, e->local_port, e->remote_port, e->isn, e->peer_isn });
}

static void add_shutdown(struct order *o, const struct adding *a)
{
	const struct event_shutdown *e = EVENT_AS(shutdown, a->ev);
	struct order_sock *s = sock_of(o, a, e->sock, false);

	if (!s)
		return;
	s->tx_total = s->tx_total > e->tx_offset ? s->tx_total : e->tx_offset;
	s->rx_total = s->rx_total > e->rx_offset ? s->rx_total : e->rx_offset;
}

/* A chunk more for the list; they double up to CHUNK_MAX. */
static bool chunk_push(struct order *o, struct order_list *l)
{
	uint32_t cap = l->count < CHUNK_MIN ? CHUNK_MIN : l->count < CHUNK_MAX ? l->count : CHUNK_MAX;
	uint32_t row = (uint32_t)BIG_COUNT(&o->messages, struct order_message);
	struct order_chunk *c = big_room(&o->memory, &o->messages, (cap + 1) * sizeof(struct order_message));

	if (!c)
		return false;
	*c = (struct order_chunk) { .next = NONE, .cap = cap };
	if (l->count)
		BIG_AT(&o->messages, struct order_chunk)[l->last].next = row;
	else
		l->first = row;
	l->last = row;
	l->at = row + 1;
	l->left = cap;
	return true;
}

/* The flags of a message: those of the event's that matter, and whether it was imported. */
static uint32_t message_flags(const struct adding *a, uint32_t flags)
{
	return (flags & MSGFLAGS_OFFSET_UNKNOWN ? MESSAGE_UNKNOWN : 0) |
	       (flags & MSGFLAGS_COUNTED ? MESSAGE_COUNTED : 0) |
	       (flags & MSGFLAGS_AFTER_LOSS ? MESSAGE_AFTER_LOSS : 0) | (imported(a->ev) ? MESSAGE_IMPORTED : 0);
}

/* Room for a message, its thread and place filled in. */
static struct order_message *message_push(struct order *o, const struct adding *a, struct order_list *l, uint32_t flags)
{
	struct order_message *m;

	if (!l->left && !chunk_push(o, l))
		return NULL;
	m = &BIG_AT(&o->messages, struct order_message)[l->at++];
	l->left--;
	l->count++;
	m->thread = (uint32_t)(a->thread - THREADS(o)) | message_flags(a, flags);
	m->node = a->thread->count - 1;
	o->stats.messages++;
	return m;
}

static void add_send(struct order *o, const struct adding *a)
{
	const struct event_send *e = EVENT_AS(send, a->ev);
	struct order_sock *s = e->bytes ? sock_of(o, a, e->sock, false) : NULL;
	struct order_message *m = s ? message_push(o, a, &s->tx, e->flags) : NULL;

	if (!m)
		return;
	m->offset = e->offset;
	m->bytes = e->bytes;
	m->lead = lead_of(a, e->begin_ns);
}

static void add_recv(struct order *o, const struct adding *a)
{
	const struct event_recv *e = EVENT_AS(recv, a->ev);
	struct order_sock *s = e->bytes ? sock_of(o, a, e->sock, false) : NULL;
	struct order_message *m = s ? message_push(o, a, &s->rx, e->flags) : NULL;

	if (!m)
		return;
	m->offset = e->offset;
	m->bytes = e->bytes;
	m->lead = a->lead;
}

static void add_pipe(struct order *o, const struct adding *a)
{
	const struct event_pipe *e = EVENT_AS(pipe, a->ev);
	struct order_sock *s = order_pipe_get(o, a->ev->host, e->stream);

	if (s && !(e->flags & PIPEFLAGS_MIDSTREAM))
		s->flags |= SOCK_OPENED;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A write is as many packets as it has pages, a read one (pipe(7), O_DIRECT). */
static uint32_t pipe_units(const struct event_pipe_write *e, bool wrote)
{
	if (!(e->flags & MSGFLAGS_PACKETS))
		return e->bytes;
	return wrote ? (e->bytes + PIPE_PACKET - 1) / PIPE_PACKET : e->bytes > 0;
}

static void add_pipe_call(struct order *o, const struct adding *a)
{
	const struct event_pipe_write *e = EVENT_AS(pipe_write, a->ev);
	bool wrote = a->ev->h->type == EVENT_PIPE_WRITE;
	struct order_sock *s = order_pipe_get(o, a->ev->host, e->stream);
	struct order_pipe_call *c = s ? BIG_PUSH(&o->memory, &o->pipe_calls, struct order_pipe_call) : NULL;

	if (!c)
		return;
	*c = (struct order_pipe_call) { .boot_ns = a->ev->boot_ns,
					.offset = e->offset,
					.other = e->other,
					.sock = (uint32_t)(s - SOCKS(o)),
					.thread = (uint32_t)(a->thread - THREADS(o)),
					.node = a->thread->count - 1,
					.lead = lead_of(a, e->begin_ns),
					.units = pipe_units(e, wrote),
					.bytes = e->bytes,
					.left = e->left };
	c->flags = (wrote ? PIPE_CALL_WROTE : 0) | (e->flags & MSGFLAGS_PACKETS ? PIPE_CALL_PACKETS : 0);
	if (e->flags & MSGFLAGS_MORE)
		a->thread->flags |= THREAD_MORE;
	s->tx_total = larger(s->tx_total, wrote ? e->offset + c->units : e->other);
	s->rx_total = larger(s->rx_total, wrote ? e->other : e->offset + c->units);
	o->stats.messages += e->bytes > 0;
}

static bool loopback(const uint8_t addr[16])
{
	static const uint8_t v6[16] = { [15] = 1 }, mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(addr, v6, sizeof(v6)) || (!memcmp(addr, mapped, sizeof(mapped)) && addr[12] == 127);
}

/* The event's tuple from the sender's side; AF_UNIX: the two cookies in place of addresses. */
static void flow_fill(struct order_flow *f, const struct event *ev, const struct event_dgram_send *e)
{
	bool recv = ev->h->type == EVENT_DGRAM_RECV;

	*f = (struct order_flow) { .host = NONE, .family = e->family, .protocol = e->protocol };
	f->counted = !!(e->flags & MSGFLAGS_COUNTED);
	if (e->family == AF_UNIX) {
		f->host = ev->host;
		memcpy(f->from, recv ? &e->peer : &e->sock, sizeof(e->sock));
		memcpy(f->to, recv ? &e->sock : &e->peer, sizeof(e->sock));
		return;
	}
	f->family = 0; /* an IPv4 socket may talk to an IPv6 one */
	memcpy(f->from, recv ? e->remote : e->local, sizeof(f->from));
	memcpy(f->to, recv ? e->local : e->remote, sizeof(f->to));
	f->from_port = recv ? e->remote_port : e->local_port;
	f->to_port = recv ? e->local_port : e->remote_port;
	/* imports name parts of one machine as hosts: their datagrams have an identity */
	if (imported(ev) && e->hash)
		return;
	if (loopback(f->from) || loopback(f->to)) {
		f->host = ev->host;
		f->netns = e->netns;
	}
}

static void add_dgram(struct order *o, const struct adding *a)
{
	const struct event_dgram_send *e = EVENT_AS(dgram_send, a->ev);
	uint32_t sock = order_sock_find(o, a->ev->host, e->sock);
	struct order_dgram *d;
	struct order_flow f;

	if (!e->bytes)
		return;
	flow_fill(&f, a->ev, e);
	d = BIG_PUSH(&o->memory, &o->dgrams, struct order_dgram);
	if (!d)
		return;
	*d = (struct order_dgram) { e->hash, a->n, 0, e->bytes, a->lead, 0 };
	if (a->ev->h->type == EVENT_DGRAM_RECV)
		d->flags |= DGRAM_RECV;
	if (imported(a->ev) || (sock != NONE && SOCKS(o)[sock].flags & SOCK_BORN))
		d->flags |= DGRAM_WHOLE;
	d->flow = order_flow_get(o, &f);
}

static void (*const handlers[EVENT_STATIC_END])(struct order *, const struct adding *) = {
	[EVENT_LOSS] = add_loss,
	[EVENT_SHED] = add_shed,
	[EVENT_FORK] = add_fork,
	[EVENT_START] = add_start,
	[EVENT_RAN] = add_ran,
	[EVENT_HELD] = add_ran,
	[EVENT_EXIT] = add_exit,
	[EVENT_JOIN] = add_join,
	[EVENT_SIGNAL] = add_signal,
	[EVENT_DELIVER] = add_deliver,
	[EVENT_STOP] = add_deliver,
	[EVENT_CONT] = add_deliver,
	[EVENT_TIMER] = add_timer,
	[EVENT_SOCKET] = add_socket,
	[EVENT_CONNECT] = add_connect,
	[EVENT_CONNECTED] = add_connected,
	[EVENT_ACCEPT] = add_accept,
	[EVENT_SEND] = add_send,
	[EVENT_RECV] = add_recv,
	[EVENT_DGRAM_SEND] = add_dgram,
	[EVENT_DGRAM_RECV] = add_dgram,
	[EVENT_SHUTDOWN] = add_shutdown,
	[EVENT_CLOSE] = add_shutdown,
	[EVENT_PIPE] = add_pipe,
	[EVENT_PIPE_WRITE] = add_pipe_call,
	[EVENT_PIPE_READ] = add_pipe_call,
	[EVENT_WAKE] = add_wake,
	[EVENT_BLOCK_DONE] = add_block_done,
	[EVENT_BLOCK_WAKE] = add_block_wake,
	[EVENT_EXEC] = add_exec,
	[EVENT_GOROUTINE] = add_goroutine,
	[EVENT_GO_READY] = add_goroutine,
};

static struct order_host *host_get(struct order *o, uint32_t host)
{
	while (NHOSTS(o) <= host) {
		struct order_host *h = BIG_PUSH(&o->memory, &o->hosts, struct order_host);

		if (!h)
			return NULL;
		*h = (struct order_host) { .id_min = UINT64_MAX, .loose = NONE };
	}
	return &HOSTS(o)[host];
}

static struct order_thread *thread_of(struct order *o, const struct event *ev)
{
	const struct event_header *e = ev->h;
	struct order_thread *t;
	uint32_t loose;

	if (e->context == CONTEXT_TASK) {
		t = order_thread_get(o, ev->host, e->tid, e->start_ns);
		if (t && !t->tgid)
			t->tgid = e->tgid;
		return t;
	}
	loose = order_loose(o, ev->host);
	return loose == NONE ? NULL : &THREADS(o)[loose];
}

static int host_note(struct order *o, struct order_host *h, const struct event *ev, struct err *err)
{
	(void)o;
	if (!h->count)
		h->id_base = ev->id > UINT32_MAX / 2 ? ev->id - UINT32_MAX / 2 : 0;
	if (ev->id < h->id_base || ev->id - h->id_base > UINT32_MAX)
		return err_set(err, EOVERFLOW, "event %llu of host %u is more than 2^31 ids away from the first",
			       (unsigned long long)ev->id, ev->host);
	h->id_min = ev->id < h->id_min ? ev->id : h->id_min;
	h->id_max = ev->id > h->id_max ? ev->id : h->id_max;
	h->count++;
	return 0;
}

/*
 * Events in the middle of a call, and those that are told late, ahead of the thread's next one: the call of that one
 * may have begun before them.
 */
static bool amid_call(uint16_t type)
{
	switch (type) {
	case EVENT_WAKE:
	case EVENT_SIGNAL:
	case EVENT_BLOCK_START:
	case EVENT_JOIN:
	case EVENT_ACCEPT:
	case EVENT_GOROUTINE:
	case EVENT_GO_READY:
	case EVENT_RAN:
	case EVENT_HELD:
	case EVENT_ARRIVED:
		return true;
	default:
		return false;
	}
}

/* How long before its own time the event may have begun, and the thread's clock moves on. */
static void thread_note(struct adding *a)
{
	struct order_thread *t = a->thread;
	uint64_t now = a->ev->boot_ns, last = t->call_ns ? t->call_ns : t->start_ns;

	if (t->flags & THREAD_MORE)
		last = t->before_ns;
	if (!amid_call(a->ev->h->type)) {
		t->flags &= ~THREAD_MORE;
		t->before_ns = last;
		t->call_ns = larger(now, t->call_ns);
	}
	a->lead = LEAD_UNKNOWN;
	if (last && last <= now && !(t->flags & THREAD_LOOSE))
		a->lead = lead_encode(now - last);
	if (t->count && now < t->last_ns && !imported(a->ev))
		t->flags |= THREAD_UNSORTED;
	if (now > t->last_ns)
		t->last_ns = now;
	if (imported(a->ev))
		t->flags |= THREAD_IMPORTED;
	t->count++;
}

int order_add(struct order *o, const struct event *ev, struct err *err)
{
	struct adding a = { .ev = ev, .n = o->count };
	struct order_arrival *arrival;
	struct order_host *h;
	int r;

	if (o->solved)
		return err_set(err, EINVAL, "event %llu was added after the order was solved",
			       (unsigned long long)ev->id);
	if (ev->host >= HOSTS_MAX || o->count == NONE - 1)
		return err_set(err, EOVERFLOW, "more than %u hosts or 2^32 events to be ordered", HOSTS_MAX);
	h = host_get(o, ev->host);
	if (h) {
		r = host_note(o, h, ev, err);
		if (r < 0)
			return r;
		a.thread = thread_of(o, ev);
	}
	arrival = a.thread ? BIG_PUSH(&o->memory, &o->arrival, struct order_arrival) : NULL;
	if (!arrival)
		return err_errno(err, o->memory.failed, "cannot order more than %u events", o->count);
	*arrival = (struct order_arrival) { ev->boot_ns, (uint32_t)(a.thread - THREADS(o)),
					    (uint32_t)(ev->id - h->id_base) };
	o->count++;
	thread_note(&a);
	if (ev->h->type < EVENT_STATIC_END && handlers[ev->h->type])
		handlers[ev->h->type](o, &a);
	order_evidence_add(o, ev, a.n);
	return o->memory.failed ? err_errno(err, o->memory.failed, "cannot order more than %u events", o->count) : 0;
}
