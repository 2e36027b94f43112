/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of each span went.  Stretches of it are told by several sources: what its threads did while they worked
 * for it (`ran`), the spans that it waited for, what is between the two ends of a connection.  At each moment the one
 * that says most counts (rank[]), so the classes add up to the span's duration exactly.
 */
#include "explain/requests_time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

#define GAP_ROWS 256  /* of a thread, that are looked at in one gap */
#define GAP_ACTS 4096 /* of all threads, likewise */

/* Who wins where several say something: a thread that runs is more than one that waits for it. */
static const uint8_t rank[TIME_KINDS] = {
	[TIME_RUNNING] = 14,   [TIME_CPU_WAIT] = 13, [TIME_DISK] = 12, [TIME_FAULT] = 11,     [TIME_SLEEP] = 10,
	[TIME_CHILD] = 9,      [TIME_LOCK] = 8,	     [TIME_OTHER] = 7, [TIME_RETRANSMIT] = 6, [TIME_RECEIVE_QUEUE] = 5,
	[TIME_SEND_QUEUE] = 4, [TIME_FLIGHT] = 3,    [TIME_QUEUE] = 2, [TIME_UNKNOWN] = 1,
};

/* A stretch of the span, on its own host's clock. */
static void stretch(struct times *t, uint64_t from, uint64_t to, enum span_time what)
{
	from = from > t->begin ? from : t->begin;
	to = to < t->end ? to : t->end;
	if (from >= to)
		return;
	if (t->nedges + 2 > t->cap_edges) {
		size_t cap = t->cap_edges ? t->cap_edges * 2 : 256;
		struct edge *grown = realloc(t->edges, cap * sizeof(*grown));

		t->r->failed |= !grown;
		if (!grown)
			return;
		t->edges = grown;
		t->cap_edges = cap;
	}
	t->edges[t->nedges++] = (struct edge) { from, (uint8_t)what, 1 };
	t->edges[t->nedges++] = (struct edge) { to, (uint8_t)what, -1 };
}

static int by_ns(const void *pa, const void *pb)
{
	const struct edge *a = pa, *b = pb;

	return (a->ns > b->ns) - (a->ns < b->ns);
}

/* The classes of the moments from begin to end. */
static void sum_up(struct times *t, uint64_t time_ns[TIME_KINDS])
{
	uint32_t open[TIME_KINDS] = { 0 };
	uint64_t at = t->begin;
	size_t i;

	if (t->nedges)
		qsort(t->edges, t->nedges, sizeof(struct edge), by_ns);
	for (i = 0; i <= t->nedges; i++) {
		uint64_t ns = i < t->nedges ? t->edges[i].ns : t->end;
		unsigned int k, best = TIME_UNKNOWN;

		for (k = 0; k < TIME_KINDS && ns > at; k++)
			best = open[k] && rank[k] > rank[best] ? k : best;
		if (ns > at)
			time_ns[best] += ns - at;
		at = ns > at ? ns : at;
		if (i < t->nedges)
			open[t->edges[i].what] += (uint32_t)t->edges[i].change;
	}
}

/* --- what threads did --- */

static enum span_time wait_class(uint16_t what)
{
	switch (what) {
	case WAITKIND_FUTEX:
	case WAITKIND_KERNEL_LOCK:
	case WAITKIND_SYSV:
		return TIME_LOCK;
	case WAITKIND_DISK:
	case WAITKIND_FILE:
		return TIME_DISK;
	case WAITKIND_FAULT:
		return TIME_FAULT;
	case WAITKIND_SLEEP:
		return TIME_SLEEP;
	default:
		return TIME_OTHER;
	}
}

/* First row of the thread that ends after ns. */
static uint32_t ran_from(const struct requests *r, uint32_t thread, uint64_t ns)
{
	const struct unit *u = &r->units.rows[thread];
	uint32_t low = u->ran, high = u->ran + u->nran;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (r->ran.rows[mid].end_ns <= ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t share(uint64_t part, uint64_t overlap, uint64_t whole)
{
	return whole ? (uint64_t)((double)part * ((double)overlap / (double)whole)) : 0;
}

/* Another span was waited for, as far as is known. */
static bool waits_for_child(const struct times *t, uint64_t from, uint64_t to)
{
	const struct more *more = t->r->more.rows;
	uint32_t c;

	for (c = t->first_child[t->span]; c != NONE; c = t->next_child[c])
		if (more[c].raw_begin_ns < to && more[c].raw_end_ns > from)
			return true;
	return false;
}

/* The thread waits for a CPU in [from, to), by its host's clock; what it is that runs there meanwhile. */
static void held(struct times *t, uint32_t thread, uint64_t from, uint64_t to)
{
	const struct requests *r = t->r;
	size_t i, k;

	for (i = requests_held_from(r, thread, from); i < r->held.count; i++) {
		const struct held_row *h = &r->held.rows[i];
		uint64_t a = h->since_ns > from ? h->since_ns : from, b = h->end_ns < to ? h->end_ns : to;

		if (h->thread != thread || a >= b)
			break;
		for (k = 0; k < t->nholders && t->holders[k].name != h->holder;)
			k++;
		if (k == HOLDERS_MAX)
			break;
		if (k == t->nholders)
			t->holders[t->nholders++] = (struct holder) { .name = h->holder };
		t->holders[k].ns += share(h->ran_ns, b - a, h->end_ns - h->since_ns);
	}
}

static void waits_for_cpu(struct times *t, uint32_t thread, uint64_t from, uint64_t to, int64_t shift)
{
	if (from >= to)
		return;
	stretch(t, from, to, TIME_CPU_WAIT);
	from = from > t->begin ? from : t->begin;
	to = to < t->end ? to : t->end;
	if (from < to)
		held(t, thread, from - (uint64_t)shift, to - (uint64_t)shift);
}

/*
 * In [from, to) of the row the thread ran or could have.  Of a long time in which it could have it is known when that was; of the rest
 * only how much.
 */
static void ran(struct times *t, const struct ran_row *row, uint64_t from, uint64_t to, uint64_t off)
{
	const struct requests *r = t->r;
	uint64_t at = from, known = 0, all = off - row->since_ns;
	size_t i;

	for (i = requests_held_from(r, row->thread, row->since_ns); i < r->held.count; i++) {
		const struct held_row *h = &r->held.rows[i];
		uint64_t a = h->since_ns > at ? h->since_ns : at, b = h->end_ns < to ? h->end_ns : to;

		if (h->thread != row->thread || h->end_ns > off || h->since_ns < row->since_ns)
			break;
		known += h->end_ns - h->since_ns;
		if (a >= b)
			continue;
		stretch(t, at, a, TIME_RUNNING);
		waits_for_cpu(t, row->thread, a, b, 0);
		at = b;
	}
	stretch(t, at, to, TIME_RUNNING);
	if (known >= all)
		return;
	t->preempted += share(row->preempted_ns > known ? row->preempted_ns - known : 0, to - from, all);
	t->brief += share(row->short_ns, to - from, all);
}

/* It waited for the response to another span, which tells of this stretch: see of_arrival(). */
static bool is_of_child(const struct times *t, const struct ran_row *row)
{
	const struct requests *r = t->r;
	const struct unit *u = &r->units.rows[row->thread];
	const struct ran_row *next = row + 1 < &r->ran.rows[u->ran + u->nran] ? row + 1 : NULL;
	uint32_t c;

	for (c = t->first_child[t->span]; c != NONE && requests_waits_for_message(row->what); c = t->next_child[c]) {
		const struct more *m = &r->more.rows[c];

		if (r->spans.rows[c].kind == SPAN_CLIENT && m->mate != NONE && m->response[1] != NONE &&
		    r->acts.rows[m->response[1]].thread == row->thread && m->raw_begin_ns <= row->off_ns &&
		    m->raw_end_ns >= row->end_ns && (!next || next->end_ns > m->raw_end_ns))
			return true;
	}
	return false;
}

static void one_row(struct times *t, const struct ran_row *row, uint64_t from, uint64_t to)
{
	uint64_t off = row->off_ns ? row->off_ns : row->end_ns, wake = row->wake_ns ? row->wake_ns : row->end_ns;
	uint64_t a = row->since_ns > from ? row->since_ns : from, b = off < to ? off : to;

	if (a < b)
		ran(t, row, a, b, off);
	if (!row->off_ns)
		return;
	a = off > from ? off : from;
	b = wake < to ? wake : to;
	if (a < b && !requests_waits_for_message(row->what) /* told by what it waited for */)
		stretch(t, a, b, wait_class(row->what));
	else if (a < b && row->timer && !waits_for_child(t, a, b)) /* for no message, but until a time */
		stretch(t, a, b, TIME_SLEEP);
	if (a < b && wait_class(row->what) == TIME_LOCK && b - a > t->lock_ns) {
		t->lock_ns = b - a;
		t->lock = row;
	}
	a = wake > from ? wake : from;
	b = row->end_ns < to ? row->end_ns : to;
	if (a < b && !is_of_child(t, row))
		waits_for_cpu(t, row->thread, a, b, 0);
}

static void of_work(struct times *t, const struct segment *s, uint64_t from, uint64_t to)
{
	const struct requests *r = t->r;
	uint32_t i, last;

	from = from > t->begin ? from : t->begin;
	to = to < t->end ? to : t->end;
	stretch(t, from, to, TIME_UNKNOWN);
	if (s->thread == NONE || r->units.rows[s->thread].ran == NONE || from >= to)
		return;
	last = r->units.rows[s->thread].ran + r->units.rows[s->thread].nran;
	for (i = ran_from(r, s->thread, from); i < last && r->ran.rows[i].since_ns < to; i++)
		one_row(t, &r->ran.rows[i], from, to);
}

/* What the unit's own notes within it do not tell of. */
static void of_segment(struct times *t, const struct segment *s)
{
	const struct requests *r = t->r;
	uint64_t from = s->from_ns;
	uint32_t c;

	for (c = t->first_child[t->span]; c != NONE; c = t->next_child[c]) {
		const struct more *m = &r->more.rows[c];

		if (r->spans.rows[c].kind != SPAN_INTERNAL || m->unit != s->unit || m->raw_end_ns <= from)
			continue;
		of_work(t, s, from, m->raw_begin_ns < s->to_ns ? m->raw_begin_ns : s->to_ns);
		from = m->raw_end_ns;
	}
	of_work(t, s, from, s->to_ns);
}

/* Between two stretches of work: another thread takes it up, or the same has something else to do first. */
static void of_gap(struct times *t, const struct segment *a, uint64_t from, const struct segment *b)
{
	const struct requests *r = t->r;
	uint32_t i, last, seen = 0;

	if (from >= b->from_ns || a->thread == NONE || b->thread == NONE)
		return;
	if (a->thread != b->thread) {
		stretch(t, from, b->from_ns, TIME_QUEUE);
		return;
	}
	if (r->units.rows[a->thread].ran == NONE)
		return;
	last = r->units.rows[a->thread].ran + r->units.rows[a->thread].nran;
	for (i = ran_from(r, a->thread, from); i < last && seen++ < GAP_ROWS; i++) {
		const struct ran_row *row = &r->ran.rows[i];
		uint64_t off = row->off_ns ? row->off_ns : row->end_ns;

		if (row->since_ns >= b->from_ns)
			break;
		stretch(t, row->since_ns > from ? row->since_ns : from, off < b->from_ns ? off : b->from_ns,
			TIME_QUEUE);
	}
}

/* --- kinds of spans --- */

/* Did the thread receive anything from act a to act b, once it had a CPU again?  Too many acts to look at: perhaps. */
static bool took_something(const struct requests *r, uint32_t a, uint32_t b, uint64_t since_ns)
{
	uint32_t i;

	if (b < a || b - a > GAP_ACTS)
		return true;
	for (i = a + 1; i < b; i++) {
		const struct act *c = &r->acts.rows[i];

		if (c->thread == r->acts.rows[b].thread && c->boot_ns >= since_ns &&
		    (c->kind == ACT_RECV || c->kind == ACT_READ))
			return true;
	}
	return false;
}

/*
 * Two pieces of one message by a thread that waits in between, and not in the call that sends: for room in the socket, if the next that
 * it did after the last of its waits was to send on, no other span was asked, and no timer ended the wait.  (Inferred: that a
 * call took less than it was given is not seen.)
 */
static void between_sends(struct times *t, uint32_t first, uint32_t second)
{
	const struct requests *r = t->r;
	const struct act *a = &r->acts.rows[first], *b = &r->acts.rows[second];
	const struct unit *u = &r->units.rows[b->thread];
	const struct ran_row *row;
	uint32_t i;

	if (a->thread != b->thread || u->ran == NONE || a->boot_ns >= b->begin_ns)
		return;
	i = ran_from(r, b->thread, b->begin_ns);
	do
		row = i > u->ran ? &r->ran.rows[--i] : NULL; /* its last wait before it sent on */
	while (row && !row->off_ns && row->end_ns > a->boot_ns);
	if (!row || !row->off_ns || row->off_ns < a->boot_ns || row->timer || !requests_waits_for_message(row->what) ||
	    waits_for_child(t, a->boot_ns, b->begin_ns) || took_something(r, first, second, row->end_ns))
		return;
	stretch(t, a->boot_ns, row->wake_ns ? row->wake_ns : row->end_ns, TIME_SEND_QUEUE);
}

/*
 * A thread that waited in the call that sent had no room in its socket: what was there before had not left it, whether the
 * other end did not take it or the network was slow.
 */
static void of_sending(struct times *t, const uint32_t message[2])
{
	const struct act *acts = t->r->acts.rows;
	uint32_t i, before = NONE;

	for (i = message[0]; i != NONE; i = i == message[1] ? NONE : acts[i].next) {
		if (acts[i].kind != ACT_SEND)
			continue;
		if (acts[i].begin_ns < acts[i].boot_ns)
			stretch(t, acts[i].begin_ns, acts[i].boot_ns, TIME_SEND_QUEUE);
		if (before != NONE)
			between_sends(t, before, i);
		before = i;
	}
}

static void of_server(struct times *t, uint32_t span)
{
	struct requests *r = t->r;
	bool note = r->spans.rows[span].kind == SPAN_INTERNAL;
	const struct segment *before = NULL;
	uint32_t i, c;
	uint64_t end = 0;

	for (i = t->first_segment[t->worker]; i < t->first_segment[t->worker + 1]; i++) {
		const struct segment *s = &r->segments.rows[i];

		if (note && s->unit != r->more.rows[span].unit)
			continue;
		if (before)
			of_gap(t, before, end, s);
		of_segment(t, s);
		end = s->to_ns > end ? s->to_ns : end;
		before = s;
	}
	if (!note)
		of_sending(t, r->more.rows[span].response);
	for (c = t->first_child[span]; c != NONE; c = t->next_child[c])
		stretch(t, r->more.rows[c].raw_begin_ns, r->more.rows[c].raw_end_ns, TIME_CHILD);
}

/* What was sent again on the connection while its bytes were under way. */
static void of_retransmits(struct times *t, uint32_t conn, uint64_t from, uint64_t to, int64_t shift)
{
	uint32_t i = conn == NONE ? NONE : t->first_trouble[conn];

	for (; i != NONE; i = t->next_trouble[i]) {
		const struct trouble *tr = &t->r->troubles.rows[i];
		uint64_t ns = tr->boot_ns + (uint64_t)shift;

		if (tr->what != EVENT_RETRANSMIT || ns < from || ns > to)
			continue;
		stretch(t, from, ns, TIME_RETRANSMIT);
		t->again++;
	}
}

/*
 * Between the sending of bytes and their being received: what the thread that received them did at the end of it.  It had
 * been woken and waited for a CPU, or it had something else to do first.
 */
static void of_arrival(struct times *t, uint32_t act, uint64_t from, uint64_t to, int64_t shift)
{
	const struct requests *r = t->r;
	uint32_t thread = act == NONE ? NONE : r->acts.rows[act].thread, i;
	const struct ran_row *last, *rows = r->ran.rows;
	const struct unit *u;
	uint64_t woken, came;

	if (thread == NONE || r->units.rows[thread].ran == NONE || from >= to)
		return;
	u = &r->units.rows[thread];
	i = ran_from(r, thread, to - (uint64_t)shift);
	last = i > u->ran ? &rows[i - 1] : NULL;
	if (last && last->end_ns + (uint64_t)shift > from && last->off_ns) {
		came = last->end_ns + (uint64_t)shift;
		woken = last->wake_ns ? last->wake_ns + (uint64_t)shift : came;
		waits_for_cpu(t, thread, woken > from ? woken : from, came, shift);
		stretch(t, came, to, TIME_RECEIVE_QUEUE);
	} else if (i < u->ran + u->nran && rows[i].since_ns + (uint64_t)shift <= from &&
		   (!rows[i].off_ns || rows[i].off_ns + (uint64_t)shift >= to)) {
		stretch(t, from, to, TIME_RECEIVE_QUEUE);
	}
}

static void of_client(struct times *t, uint32_t span)
{
	const struct requests *r = t->r;
	const struct more *m = &r->more.rows[span], *o = m->mate == NONE ? NULL : &r->more.rows[m->mate];
	uint32_t here = r->spans.rows[span].host, there;
	uint64_t begin, end;
	int64_t shift;

	of_sending(t, m->request);
	if (!o)
		return;
	there = r->spans.rows[m->mate].host;
	shift = r->shift_ns[there] - r->shift_ns[here];
	begin = o->raw_begin_ns + (uint64_t)shift;
	end = o->raw_end_ns + (uint64_t)shift;
	begin = begin < t->begin ? t->begin : begin > t->end ? t->end : begin;
	end = end < begin ? begin : end > t->end ? t->end : end;
	stretch(t, begin, end, TIME_CHILD);
	stretch(t, t->begin, begin, TIME_FLIGHT);
	stretch(t, end, t->end, TIME_FLIGHT);
	of_arrival(t, o->request[0], t->begin, begin, shift);
	of_arrival(t, m->response[1], end, t->end, 0);
	of_retransmits(t, m->conn, t->begin, begin, 0);
	of_retransmits(t, o->conn, end, t->end, shift);
}

/* Moves what is known only in sum, but no more than there is. */
static void move(uint64_t time_ns[TIME_KINDS], enum span_time to, uint64_t ns)
{
	ns = ns < time_ns[TIME_RUNNING] ? ns : time_ns[TIME_RUNNING];
	time_ns[TIME_RUNNING] -= ns;
	time_ns[to] += ns;
}

/* The span's own row may begin later than its events say: a host's clock is known to an interval. */
static void fit(struct span *s, uint64_t raw)
{
	uint64_t want = s->end_ns - s->begin_ns, over;
	unsigned int k;

	for (over = raw > want ? raw - want : 0, k = TIME_KINDS; over && k-- > 0;) {
		uint64_t ns = over < s->time_ns[k] ? over : s->time_ns[k];

		s->time_ns[k] -= ns;
		over -= ns;
	}
	if (want > raw)
		s->time_ns[TIME_UNKNOWN] += want - raw;
}

static void of_span(struct times *t, uint32_t i)
{
	struct span *s = &t->r->spans.rows[i];
	const struct more *m = &t->r->more.rows[i];

	t->span = i;
	t->worker = s->kind == SPAN_INTERNAL ? m->owner : i;
	t->begin = m->raw_begin_ns;
	t->end = m->raw_end_ns;
	t->nedges = 0;
	t->preempted = t->brief = t->lock_ns = 0;
	t->lock = NULL;
	t->again = 0;
	t->nholders = 0;
	if (s->kind == SPAN_CLIENT)
		of_client(t, i);
	else
		of_server(t, i);
	sum_up(t, s->time_ns);
	move(s->time_ns, TIME_CPU_WAIT, t->preempted);
	move(s->time_ns, TIME_OTHER, t->brief);
	fit(s, t->end - t->begin);
	requests_blame(t, i);
}

/* --- indexes --- */

static int times_init(struct times *t, struct requests *r)
{
	size_t n = r->spans.count + 2;
	uint32_t i;

	t->r = r;
	t->first_segment = calloc(n, sizeof(uint32_t));
	t->first_child = malloc(n * sizeof(uint32_t));
	t->next_child = malloc(n * sizeof(uint32_t));
	t->first_trouble = malloc((r->conns.count + 1) * sizeof(uint32_t));
	t->next_trouble = malloc((r->troubles.count + 1) * sizeof(uint32_t));
	if (!t->first_segment || !t->first_child || !t->next_child || !t->first_trouble || !t->next_trouble)
		return -ENOMEM;
	for (i = 0; i < r->segments.count; i++)
		t->first_segment[r->segments.rows[i].span + 1]++;
	for (i = 1; i < n; i++)
		t->first_segment[i] += t->first_segment[i - 1];
	memset(t->first_child, 0xff, n * sizeof(uint32_t));
	memset(t->first_trouble, 0xff, (r->conns.count + 1) * sizeof(uint32_t));
	for (i = (uint32_t)r->spans.count; i-- > 0;) {
		uint32_t p = r->spans.rows[i].parent;

		if (p == SPAN_NONE || r->spans.rows[p].host != r->spans.rows[i].host)
			continue;
		t->next_child[i] = t->first_child[p];
		t->first_child[p] = i;
	}
	for (i = (uint32_t)r->troubles.count; i-- > 0;) {
		t->next_trouble[i] = t->first_trouble[r->troubles.rows[i].conn];
		t->first_trouble[r->troubles.rows[i].conn] = i;
	}
	return requests_blame_init(t);
}

int requests_times(struct requests *r)
{
	struct times t = { 0 };
	int e = times_init(&t, r);
	uint32_t i;

	for (i = 0; e >= 0 && i < r->spans.count && !r->failed; i++)
		of_span(&t, i);
	if (e >= 0)
		requests_blame_awaited(&t);
	free(t.first_segment);
	free(t.first_child);
	free(t.next_child);
	free(t.first_trouble);
	free(t.next_trouble);
	free(t.edges);
	free(t.wakes);
	free(t.awaited_ns);
	return e;
}
