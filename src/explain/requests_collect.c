/* SPDX-License-Identifier: Apache-2.0 */
/* What requests keeps of each event. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "event/event.h"
#include "explain/requests_in.h"

#define DATAGRAM_NEAR_NS 5000000
#define FILE_SLOW_NS 100000

/* --- threads and goroutines --- */

static uint32_t unit_of(struct requests *r, uint64_t key, const struct unit *like)
{
	const uint64_t *at = map_get(&r->unit_of, key);
	uint32_t i = (uint32_t)r->units.count;
	struct unit *u;

	if (at)
		return (uint32_t)*at;
	u = PUSH(r, r->units);
	if (!u)
		return NONE;
	*u = *like;
	u->now = i;
	u->ran = NONE;
	if (map_set(&r->unit_of, key, i) < 0)
		r->failed = true;
	return i;
}

static uint32_t thread_of(struct requests *r, uint32_t host, uint32_t tgid, uint32_t tid, uint64_t start_ns)
{
	struct unit u = { .host = host, .tgid = tgid, .tid = tid, .start_ns = start_ns };

	return unit_of(r, map_hash(map_hash((uint64_t)host << 32 | tid) ^ start_ns), &u);
}

static uint32_t goroutine_of(struct requests *r, uint32_t host, uint32_t tgid, uint64_t program, uint64_t goid)
{
	struct unit u = { .host = host, .tgid = tgid, .goid = goid, .program = program };

	return unit_of(r, map_hash(map_hash(map_hash((uint64_t)host << 32 | tgid) + program) + goid + 1), &u);
}

/* --- connections --- */

static uint32_t conn_get(struct requests *r, uint64_t key, uint32_t host, uint64_t cookie)
{
	const uint64_t *at = map_get(&r->conn_of, key);
	uint32_t i = (uint32_t)r->conns.count;
	struct conn *c;

	if (at)
		return (uint32_t)*at;
	c = cookie ? PUSH(r, r->conns) : NULL;
	if (!c)
		return NONE;
	*c = (struct conn) { .cookie = cookie, .host = host, .client = -1 };
	c->first = c->last = c->mate = c->connect = c->latest[0] = c->latest[1] = NONE;
	if (map_set(&r->conn_of, key, i) < 0)
		r->failed = true;
	return i;
}

static uint32_t conn_of(struct requests *r, uint32_t host, uint64_t cookie)
{
	return conn_get(r, map_hash(cookie ^ (uint64_t)host << 48), host, cookie);
}

uint32_t requests_conn_find(const struct requests *r, uint32_t host, uint64_t cookie)
{
	const uint64_t *at = cookie ? map_get(&r->conn_of, map_hash(cookie ^ (uint64_t)host << 48)) : NULL;

	return at ? (uint32_t)*at : NONE;
}

/* What a socket says to one other end by datagrams. */
static uint32_t conn_of_dgram(struct requests *r, const struct event *ev)
{
	const struct event_dgram_send *e = EVENT_AS(dgram_send, ev);
	uint32_t base = conn_of(r, ev->host, e->sock), i;
	uint64_t half[2], key = map_hash(e->sock ^ (uint64_t)ev->host << 48);
	struct conn *c;

	memcpy(half, e->remote, sizeof(half));
	key = map_hash(map_hash(map_hash(key + half[0]) + half[1]) + e->peer + e->remote_port + 1);
	i = base == NONE ? NONE : conn_get(r, key, ev->host, e->sock);
	if (i == NONE)
		return NONE;
	c = &r->conns.rows[i];
	memcpy(c->local, e->local, sizeof(c->local));
	memcpy(c->remote, e->remote, sizeof(c->remote));
	c->local_port = e->local_port;
	c->remote_port = e->remote_port;
	c->netns = e->netns;
	c->family = e->family;
	c->protocol = e->protocol;
	c->socktype = SOCKTYPE_DGRAM;
	return i;
}

#define LEARN_ENDS(c, e)                                                       \
	do {                                                                   \
		memcpy((c)->local, (e)->local, 16);                            \
		memcpy((c)->remote, (e)->remote, 16);                          \
		(c)->local_port = (e)->local_port;                             \
		(c)->remote_port = (e)->remote_port;                           \
		(c)->isn = (e)->isn ? (e)->isn : (c)->isn;                     \
		(c)->peer_isn = (e)->peer_isn ? (e)->peer_isn : (c)->peer_isn; \
		(c)->family = (e)->family;                                     \
		(c)->protocol = (e)->protocol;                                 \
		(c)->netns = (e)->netns;                                       \
	} while (0)

static void learn_socket(struct requests *r, const struct event *ev)
{
	const struct event_socket *e = EVENT_AS(socket, ev);
	uint32_t i = conn_of(r, ev->host, e->sock);
	struct conn *c = i == NONE ? NULL : &r->conns.rows[i];

	if (!c)
		return;
	LEARN_ENDS(c, e);
	c->socktype = e->socktype;
	c->peer = e->peer ? e->peer : c->peer;
	if (e->flags & SOCKFLAGS_PASSIVE)
		c->client = 0;
}

static void learn_connect(struct requests *r, const struct event *ev)
{
	const struct event_connect *e = EVENT_AS(connect, ev);
	uint32_t i = conn_of(r, ev->host, e->sock);

	if (i == NONE)
		return;
	r->conns.rows[i].client = 1;
	if (!r->conns.rows[i].remote_port) {
		memcpy(r->conns.rows[i].remote, e->remote, 16);
		r->conns.rows[i].remote_port = e->remote_port;
	}
}

static void learn_connected(struct requests *r, const struct event *ev)
{
	const struct event_connected *e = EVENT_AS(connected, ev);
	uint32_t i = conn_of(r, ev->host, e->sock);

	if (i == NONE || e->error)
		return;
	LEARN_ENDS(&r->conns.rows[i], e);
	r->conns.rows[i].client = 1;
}

static void learn_accept(struct requests *r, const struct event *ev)
{
	const struct event_accept *e = EVENT_AS(accept, ev);
	uint32_t i = conn_of(r, ev->host, e->sock);

	if (i == NONE)
		return;
	LEARN_ENDS(&r->conns.rows[i], e);
	r->conns.rows[i].client = 0;
	r->conns.rows[i].listener = e->listener;
}

/* --- acts --- */

static struct act *act_new(struct requests *r, const struct event *ev, enum act_kind kind)
{
	uint32_t thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns);
	struct act *a = thread == NONE ? NULL : PUSH(r, r->acts);

	if (!a)
		return NULL;
	a->boot_ns = a->begin_ns = ev->boot_ns;
	a->id = ev->id;
	a->host = (uint16_t)ev->host;
	a->kind = (uint8_t)kind;
	a->thread = thread;
	a->unit = r->units.rows[thread].now;
	a->switches = r->units.rows[thread].switches;
	a->other = a->next = a->span = a->peer = a->also = NONE;
	return a;
}

static void conn_append(struct requests *r, uint32_t conn, uint32_t act)
{
	struct conn *c = &r->conns.rows[conn];

	if (c->first == NONE)
		c->first = act;
	else
		r->acts.rows[c->last].next = act;
	c->last = act;
	c->tgid = r->units.rows[r->acts.rows[act].thread].tgid;
}

static void add_stream(struct requests *r, const struct event *ev)
{
	const struct event_send *s = EVENT_AS(send, ev);
	const struct event_recv *e = EVENT_AS(recv, ev);
	bool sent = ev->type->id == EVENT_SEND;
	uint32_t bytes = sent ? s->bytes : e->bytes, conn;
	struct act *a;

	if (!bytes) /* the end of a stream is no message */
		return;
	conn = conn_of(r, ev->host, e->sock);
	a = conn == NONE ? NULL : act_new(r, ev, sent ? ACT_SEND : ACT_RECV);
	if (!a)
		return;
	a->offset = e->offset;
	a->bytes = bytes;
	a->other = conn;
	if (sent && s->begin_ns && s->begin_ns < ev->boot_ns)
		a->begin_ns = s->begin_ns;
	if (((sent ? s->flags : e->flags) & MSGFLAGS_OFFSET_UNKNOWN) && r->conns.rows[conn].latest[sent] != NONE) {
		const struct act *before = &r->acts.rows[r->conns.rows[conn].latest[sent]];

		a->offset = before->offset + before->bytes;
	}
	r->conns.rows[conn].latest[sent] = (uint32_t)(a - r->acts.rows);
	conn_append(r, conn, (uint32_t)(a - r->acts.rows));
}

/* Does that payload belong to that datagram? */
static bool fits(const struct requests *r, uint32_t kept, const struct act *a)
{
	const struct kept *k = requests_kept(r, kept);

	return k && !a->data && k->bytes == a->bytes && k->offset + DATAGRAM_NEAR_NS >= a->boot_ns &&
	       k->offset <= a->boot_ns + DATAGRAM_NEAR_NS;
}

static void add_dgram(struct requests *r, const struct event *ev)
{
	const struct event_dgram_send *e = EVENT_AS(dgram_send, ev);
	bool sent = ev->type->id == EVENT_DGRAM_SEND;
	uint32_t base = conn_of(r, ev->host, e->sock), conn = e->bytes ? conn_of_dgram(r, ev) : NONE;
	struct act *a = conn == NONE ? NULL : act_new(r, ev, sent ? ACT_SEND : ACT_RECV);

	if (!a)
		return;
	a->bytes = e->bytes;
	a->other = conn;
	if (fits(r, r->conns.rows[base].kept[sent], a)) {
		a->data = r->conns.rows[base].kept[sent];
		r->conns.rows[base].kept[sent] = 0;
	}
	r->conns.rows[base].latest[sent] = (uint32_t)(a - r->acts.rows);
	conn_append(r, conn, (uint32_t)(a - r->acts.rows));
}

/* --- payload --- */

/* A NUL is written \0, a backslash \\. */
static uint32_t unescape(uint8_t *out, const char *text)
{
	uint8_t *at = out;

	for (; *text; text++) {
		if (*text == '\\' && text[1]) {
			text++;
			*at++ = *text == '0' ? 0 : (uint8_t)*text;
		} else {
			*at++ = (uint8_t)*text;
		}
	}
	return (uint32_t)(at - out);
}

static bool arena_room(struct requests *r, size_t more)
{
	size_t cap = r->arena_cap ? r->arena_cap : 4096;
	uint8_t *grown;

	while (cap < r->arena_len + more)
		cap *= 2;
	if (cap == r->arena_cap)
		return true;
	if (cap / 8 >= NONE) {
		r->left_out++;
		return false;
	}
	grown = realloc(r->arena, cap);
	r->failed |= !grown;
	if (!grown)
		return false;
	r->arena = grown;
	r->arena_cap = cap;
	return true;
}

static uint32_t keep(struct requests *r, const struct event *ev)
{
	const struct event_payload *e = EVENT_AS(payload, ev);
	const char *text = event_string(ev, 0);
	struct kept *k;
	uint32_t at;

	if (!arena_room(r, sizeof(*k) + strlen(text) + 8))
		return 0;
	at = (uint32_t)(r->arena_len / 8);
	k = (struct kept *)(void *)(r->arena + r->arena_len);
	*k = (struct kept) { .offset = e->offset, .bytes = e->bytes, .flags = e->flags };
	k->have = unescape((uint8_t *)(k + 1), text);
	if (k->have > k->bytes) /* masks are no longer than what they hide, but who knows */
		k->have = k->bytes;
	r->arena_len += (sizeof(*k) + k->have + 7) / 8 * 8;
	return at;
}

/*
 * What TLS carries has offsets of its own, and no events of messages besides: the payload is the message.  It is a
 * connection beside that of the records, under the complement of its number.
 */
static void add_plain(struct requests *r, const struct event *ev)
{
	const struct event_payload *e = EVENT_AS(payload, ev);
	uint32_t base = conn_of(r, ev->host, e->sock), conn = conn_of(r, ev->host, ~e->sock);
	uint32_t data = base == NONE || conn == NONE ? 0 : keep(r, ev);
	struct act *a = data ? act_new(r, ev, e->flags & PAYLOADFLAGS_SENT ? ACT_SEND : ACT_RECV) : NULL;

	if (!a)
		return;
	r->conns.rows[base].plain = conn + 1;
	a->offset = e->offset;
	a->bytes = e->bytes;
	a->other = conn;
	a->data = data;
	conn_append(r, conn, (uint32_t)(a - r->acts.rows));
}

static void add_payload(struct requests *r, const struct event *ev)
{
	const struct event_payload *e = EVENT_AS(payload, ev);
	bool sent = e->flags & PAYLOADFLAGS_SENT;
	uint32_t conn = conn_of(r, ev->host, e->sock), at = conn == NONE ? 0 : keep(r, ev);
	struct conn *c;
	struct kept *k;

	if (!at)
		return;
	c = &r->conns.rows[conn];
	k = (struct kept *)(void *)(r->arena + (size_t)at * 8);
	if (e->flags & PAYLOADFLAGS_DATAGRAM) {
		struct act *last = c->latest[sent] == NONE ? NULL : &r->acts.rows[c->latest[sent]];

		k->offset = ev->boot_ns;
		if (last && fits(r, at, last))
			last->data = at;
		else
			c->kept[sent] = at;
		return;
	}
	if (!c->kept[sent])
		c->kept[sent] = at;
	else
		((struct kept *)(void *)(r->arena + (size_t)c->kept_last[sent] * 8))->next = at;
	c->kept_last[sent] = at;
}

/* --- hand-overs and the rest --- */

static void add_wake(struct requests *r, const struct event *ev)
{
	const struct event_wake *e = EVENT_AS(wake, ev);
	uint32_t target = thread_of(r, ev->host, e->target_tgid, e->target_tid, e->target_start_ns);
	struct act *a = target == NONE ? NULL : act_new(r, ev, ACT_WAKE);

	if (!a)
		return;
	a->other = target;
	a->what = (uint8_t)e->what;
	a->bytes = e->by;
	a->offset = e->object;
}

static void add_goroutine(struct requests *r, const struct event *ev)
{
	const struct event_goroutine *e = EVENT_AS(goroutine, ev);
	uint32_t thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns);
	uint32_t now =
		thread == NONE || !e->goid ? thread : goroutine_of(r, ev->host, ev->h->tgid, e->program, e->goid);

	if (now == NONE)
		return;
	r->units.rows[thread].now = now;
	r->units.rows[thread].switches++;
}

static void add_ready(struct requests *r, const struct event *ev)
{
	const struct event_go_ready *e = EVENT_AS(go_ready, ev);
	uint32_t by, target;
	struct act *a;

	if (!e->by) /* the scheduler's doing */
		return;
	by = goroutine_of(r, ev->host, ev->h->tgid, e->program, e->by);
	target = goroutine_of(r, ev->host, ev->h->tgid, e->program, e->goid);
	a = by == NONE || target == NONE ? NULL : act_new(r, ev, ACT_READY);
	if (!a)
		return;
	a->unit = by;
	a->other = target;
}

static void add_fork(struct requests *r, const struct event *ev)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	uint32_t target = thread_of(r, ev->host, e->child_tgid, e->child_tid, e->child_start_ns);
	struct act *a = target == NONE ? NULL : act_new(r, ev, ACT_FORK);

	if (a)
		a->other = target;
}

static void add_connect(struct requests *r, const struct event *ev)
{
	uint32_t conn = conn_of(r, ev->host, EVENT_AS(connect, ev)->sock);
	bool task = ev->h->context == CONTEXT_TASK && ev->h->tgid;
	struct act *a = conn == NONE || !task ? NULL : act_new(r, ev, ACT_CONNECT);

	if (!a)
		return;
	a->other = conn;
	r->conns.rows[conn].connect = (uint32_t)(a - r->acts.rows);
}

static void add_pipe(struct requests *r, const struct event *ev)
{
	const struct event_pipe_write *e = EVENT_AS(pipe_write, ev);
	struct act *a;

	r->pipes = true;
	if (!e->bytes)
		return;
	a = act_new(r, ev, ev->type->id == EVENT_PIPE_WRITE ? ACT_WRITE : ACT_READ);
	if (a)
		a->bytes = e->bytes;
}

static void add_note(struct requests *r, const struct event *ev)
{
	const struct event_note *e = EVENT_AS(note, ev);
	struct act *a = act_new(r, ev, ACT_NOTE);
	struct note_row *n = a ? PUSH(r, r->notes) : NULL;

	if (!n)
		return;
	a->data = (uint32_t)r->notes.count;
	*n = (struct note_row) { .number = e->span,
				 .value = e->number,
				 .act = (uint32_t)(a - r->acts.rows),
				 .owner = NONE,
				 .next = NONE,
				 .what = (uint8_t)e->what };
	if (e->what != NOTEKIND_END)
		n->name = requests_text(r, event_string(ev, 0));
	if (e->what == NOTEKIND_TEXT)
		n->text = requests_text(r, event_string(ev, 1));
}

static void add_exit(struct requests *r, const struct event *ev)
{
	uint32_t thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns);

	if (thread != NONE)
		r->units.rows[thread].gone_ns = ev->boot_ns;
}

static void add_timer(struct requests *r, const struct event *ev)
{
	const struct event_timer *e = EVENT_AS(timer, ev);
	uint32_t thread = thread_of(r, ev->host, e->target_tgid, e->target_tid, e->target_start_ns);

	if (thread != NONE)
		r->units.rows[thread].timer_ns = ev->boot_ns;
}

static void add_ran(struct requests *r, const struct event *ev)
{
	const struct event_ran *e = EVENT_AS(ran, ev);
	uint32_t thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns);
	struct ran_row *row = thread == NONE ? NULL : PUSH(r, r->ran);
	uint64_t timer_ns;

	if (!row)
		return;
	timer_ns = r->units.rows[thread].timer_ns;
	*row = (struct ran_row) { .since_ns = e->since_ns,
				  .off_ns = e->off_ns,
				  .wake_ns = e->wake_ns,
				  .end_ns = ev->boot_ns,
				  .preempted_ns = e->preempted_ns,
				  .short_ns = e->short_ns,
				  .object = e->object,
				  .thread = thread,
				  .what = e->what,
				  .timer = timer_ns >= e->off_ns && timer_ns <= e->wake_ns };
}

static void add_held(struct requests *r, const struct event *ev)
{
	const struct event_held *e = EVENT_AS(held, ev);
	uint32_t thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns), holder;
	struct held_row *row;
	char name[64];

	if (thread == NONE || e->since_ns >= ev->boot_ns)
		return;
	(void)snprintf(name, sizeof(name), "%.32s[%u]", event_string(ev, 0), e->holder_tgid);
	holder = requests_text(r, name);
	row = PUSH(r, r->held);
	if (row)
		*row = (struct held_row) { e->since_ns, ev->boot_ns, e->ran_ns, thread, holder };
}

/* A call on a file that the thread may have waited in. */
static void add_file(struct requests *r, const struct event *ev)
{
	const struct event_file_sync *e = EVENT_AS(file_sync, ev);
	struct file_row *row;
	uint32_t thread, path;

	if (e->duration_ns < FILE_SLOW_NS || !*event_string(ev, 0))
		return;
	thread = thread_of(r, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns);
	path = requests_text(r, event_string(ev, 0));
	row = thread == NONE ? NULL : PUSH(r, r->files);
	if (row)
		*row = (struct file_row) { ev->boot_ns - e->duration_ns, ev->boot_ns, thread, path };
}

static void add_trouble(struct requests *r, const struct event *ev, uint64_t cookie)
{
	uint32_t conn = conn_of(r, ev->host, cookie);
	struct trouble *t = conn == NONE ? NULL : PUSH(r, r->troubles);

	if (t)
		*t = (struct trouble) { ev->boot_ns, conn, ev->type->id };
}

static void add_loss(struct requests *r, const struct event *ev)
{
	const struct event_loss *e = EVENT_AS(loss, ev);
	struct lost *l = PUSH(r, r->losses);

	if (l)
		*l = (struct lost) { e->from_ns, e->to_ns, ev->host };
}

/* A kind that was left out, until it was taken up again or the recording ended: what lasted then may lack it. */
static void add_shed(struct requests *r, const struct event *ev)
{
	size_t i = r->losses.count;
	struct lost *l;

	if (EVENT_AS(shed, ev)->on) {
		l = PUSH(r, r->losses);
		if (l)
			*l = (struct lost) { ev->boot_ns, UINT64_MAX, ev->host };
		return;
	}
	while (i-- > 0)
		if (r->losses.rows[i].host == ev->host && r->losses.rows[i].to_ns == UINT64_MAX) {
			r->losses.rows[i].to_ns = ev->boot_ns;
			break;
		}
}

static void add_clock(struct requests *r, const struct event *ev)
{
	if (!r->epoch_ns[ev->host])
		r->epoch_ns[ev->host] = (int64_t)(EVENT_AS(clock, ev)->real_ns - ev->boot_ns);
}

/* Of what happened in a thread; false: it is none of these. */
static bool add_of_thread(struct requests *r, const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_SEND:
	case EVENT_RECV:
		add_stream(r, ev);
		return true;
	case EVENT_DGRAM_SEND:
	case EVENT_DGRAM_RECV:
		add_dgram(r, ev);
		return true;
	case EVENT_WAKE:
		add_wake(r, ev);
		return true;
	case EVENT_GOROUTINE:
		add_goroutine(r, ev);
		return true;
	case EVENT_GO_READY:
		add_ready(r, ev);
		return true;
	case EVENT_FORK:
		add_fork(r, ev);
		return true;
	case EVENT_PIPE_WRITE:
	case EVENT_PIPE_READ:
		add_pipe(r, ev);
		return true;
	case EVENT_LOG:
		(void)act_new(r, ev, ACT_LOG);
		return true;
	case EVENT_NOTE:
		add_note(r, ev);
		return true;
	case EVENT_EXIT:
		add_exit(r, ev);
		return true;
	default:
		return false;
	}
}

static void add_any(struct requests *r, const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_SOCKET:
		learn_socket(r, ev);
		break;
	case EVENT_CONNECT:
		learn_connect(r, ev);
		add_connect(r, ev);
		break;
	case EVENT_CONNECTED:
		learn_connected(r, ev);
		break;
	case EVENT_ACCEPT:
		learn_accept(r, ev);
		break;
	case EVENT_PAYLOAD:
		if (EVENT_AS(payload, ev)->flags & PAYLOADFLAGS_DECRYPTED)
			add_plain(r, ev);
		else
			add_payload(r, ev);
		break;
	case EVENT_TIMER:
		add_timer(r, ev);
		break;
	case EVENT_RAN:
		add_ran(r, ev);
		break;
	case EVENT_HELD:
		add_held(r, ev);
		break;
	case EVENT_FILE_READ:
	case EVENT_FILE_WRITE:
	case EVENT_FILE_SYNC:
		add_file(r, ev);
		break;
	case EVENT_RETRANSMIT:
		add_trouble(r, ev, EVENT_AS(retransmit, ev)->sock);
		break;
	case EVENT_RESET:
		add_trouble(r, ev, EVENT_AS(reset, ev)->sock);
		break;
	case EVENT_LOSS:
		add_loss(r, ev);
		break;
	case EVENT_SHED:
		add_shed(r, ev);
		break;
	case EVENT_CLOCK:
		add_clock(r, ev);
		break;
	default:
		break;
	}
}

int requests_add(struct requests *r, const struct event *ev, struct err *err)
{
	if (ev->host >= REQUESTS_HOSTS) {
		r->left_out++;
		return 0;
	}
	if (ev->host >= r->nhosts)
		r->nhosts = ev->host + 1;
	if (ev->boot_ns > r->last_ns[ev->host])
		r->last_ns[ev->host] = ev->boot_ns;
	who_learn(r->who, ev);
	if (!(ev->h->context == CONTEXT_TASK && ev->h->tgid && add_of_thread(r, ev)))
		add_any(r, ev);
	return r->failed ? err_set(err, ENOMEM, "out of memory for the requests") : 0;
}
