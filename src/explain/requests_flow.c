/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/requests_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

#define HINTED_WALKS 2
#define LEARNING_WALKS 4
#define NEAR_LEARNING 0.5 /* struct flow: what is learnt first shall become plainer */
#define NEAR_LEARNED 0.25
#define CROWDED_MIN 8
#define ANSWERS_MIN 16 /* so many must a unit have sent for their share to say something */
#define TOLD_MIN 8     /* so often must an object have been seen to be judged */

/* --- what the walk needs --- */

static bool by_id(const struct requests *r, uint64_t id, const uint32_t *rows, size_t n, uint32_t *ret)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->acts.rows[rows[mid]].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == n || r->acts.rows[rows[low]].id != id)
		return false;
	*ret = rows[low];
	return true;
}

struct by_host {
	uint32_t *rows[REQUESTS_HOSTS];
	size_t count[REQUESTS_HOSTS];
	struct requests *r;
};

/* Two ends of a connection: of what TLS carries on it, too, where both are seen. */
static void mate_plain(struct requests *r, uint32_t a, uint32_t b)
{
	uint32_t one = r->conns.rows[a].plain, other = r->conns.rows[b].plain;

	if (!one || !other)
		return;
	r->conns.rows[one - 1].mate = other - 1;
	r->conns.rows[other - 1].mate = one - 1;
}

static void peers(struct requests *r, uint32_t from, uint32_t to)
{
	struct act *a = &r->acts.rows[from], *b = &r->acts.rows[to];
	uint32_t *at;

	if (a->other != NONE && b->other != NONE && r->conns.rows[a->other].mate == NONE) {
		r->conns.rows[a->other].mate = b->other;
		r->conns.rows[b->other].mate = a->other;
		mate_plain(r, a->other, b->other);
	}
	if ((a->other != NONE && r->conns.rows[a->other].plain) || (b->other != NONE && r->conns.rows[b->other].plain))
		return; /* records of TLS: what they carry counts */
	if (a->span != NONE && b->span != NONE) {
		struct more *m = &r->more.rows[a->span], *n = &r->more.rows[b->span];

		if (m->request[0] == from && n->request[0] == to && m->mate == NONE && n->mate == NONE &&
		    r->spans.rows[a->span].kind == SPAN_CLIENT && r->spans.rows[b->span].kind == SPAN_SERVER) {
			m->mate = b->span;
			n->mate = a->span;
		}
		return;
	}
	if (a->peer != NONE || a->host != b->host || a->span != NONE)
		return;
	a->peer = to;
	for (at = &b->peer; *at != NONE && *at < from; at = &r->acts.rows[*at].also)
		;
	a->also = *at;
	*at = from;
}

static bool on_edge(void *arg, const struct order_edge *e)
{
	struct by_host *h = arg;
	uint32_t from, to;

	if (e->kind != ORDER_MESSAGE || e->ambiguous || e->from.host >= REQUESTS_HOSTS || e->to.host >= REQUESTS_HOSTS)
		return true;
	if (by_id(h->r, e->from.id, h->rows[e->from.host], h->count[e->from.host], &from) &&
	    by_id(h->r, e->to.id, h->rows[e->to.host], h->count[e->to.host], &to) &&
	    act_is_message(&h->r->acts.rows[from]) && act_is_message(&h->r->acts.rows[to]))
		peers(h->r, from, to);
	return true;
}

/*
 * Between AF_UNIX sockets of one host, by place in the stream: order/ leaves those apart whose places were counted after
 * the call and may be off by one, but who is told what of several that tell the same matters little here.
 */
static void unix_peers(struct requests *r)
{
	uint32_t i, from, to;

	for (i = 0; i < r->conns.count; i++) {
		const struct conn *c = &r->conns.rows[i];
		uint32_t mate = requests_conn_find(r, c->host, c->peer);

		if (mate == NONE || c->family != SOCKFAMILY_UNIX || c->socktype == SOCKTYPE_DGRAM)
			continue;
		from = r->conns.rows[mate].first;
		for (to = c->first; to != NONE && from != NONE; to = r->acts.rows[to].next) {
			const struct act *b = &r->acts.rows[to];

			if (b->kind != ACT_RECV || b->span != NONE)
				continue;
			for (; from != NONE; from = r->acts.rows[from].next) {
				const struct act *a = &r->acts.rows[from];

				if (a->kind == ACT_SEND && a->offset >= b->offset + b->bytes)
					break;
				if (a->kind == ACT_SEND && a->offset + a->bytes > b->offset)
					peers(r, from, to);
			}
		}
	}
}

static int by_act_id(const void *pa, const void *pb, void *arg)
{
	const struct act *acts = arg, *a = &acts[*(const uint32_t *)pa], *b = &acts[*(const uint32_t *)pb];

	return (a->id > b->id) - (a->id < b->id);
}

/* The two ends of messages: of connections, of spans, and of what threads tell one another. */
static int find_peers(struct requests *r)
{
	struct by_host h = { .r = r };
	uint32_t i, host;
	int n = 0;

	for (i = 0; i < r->acts.count; i++)
		h.count[r->acts.rows[i].host]++;
	for (host = 0; host < REQUESTS_HOSTS && n >= 0; host++) {
		h.rows[host] = h.count[host] ? malloc(h.count[host] * sizeof(uint32_t)) : NULL;
		n = h.count[host] && !h.rows[host] ? -ENOMEM : 0;
		h.count[host] = 0;
	}
	for (i = 0; i < r->acts.count && n >= 0; i++) {
		host = r->acts.rows[i].host;
		h.rows[host][h.count[host]++] = i;
	}
	for (host = 0; host < REQUESTS_HOSTS && n >= 0; host++) {
		for (i = 1; i < h.count[host]; i++)
			if (r->acts.rows[h.rows[host][i]].id < r->acts.rows[h.rows[host][i - 1]].id)
				break;
		if (i < h.count[host])
			qsort_r(h.rows[host], h.count[host], sizeof(uint32_t), by_act_id, r->acts.rows);
	}
	if (n >= 0)
		n = order_edges(r->order, false, on_edge, &h);
	unix_peers(r);
	for (host = 0; host < REQUESTS_HOSTS; host++)
		free(h.rows[host]);
	return n < 0 ? -ENOMEM : 0;
}

/* A wake by a pipe is told better by the pipe's own events, if they were recorded; one by a socket always is. */
static bool hands_over(const struct requests *r, const struct act *a)
{
	if (a->kind == ACT_WAKE)
		return a->what != WAITKIND_KERNEL_LOCK && (a->bytes == WAITKIND_FUTEX || a->bytes == WAITKIND_EVENTFD ||
							   (a->bytes == WAITKIND_PIPE && !r->pipes));
	if (a->kind == ACT_SEND || a->kind == ACT_WRITE)
		return a->span == NONE && a->peer != NONE;
	return a->kind == ACT_READY || a->kind == ACT_FORK || a->kind == ACT_CONNECT;
}

/* Spans that begin, and are answered, with each act; lists in the order of the spans. */
static void chain_spans(struct flow *f)
{
	const struct more *m = f->r->more.rows;
	uint32_t s;

	memset(f->begins, 0xff, (f->r->acts.count + 1) * sizeof(*f->begins));
	memset(f->answers, 0xff, (f->r->acts.count + 1) * sizeof(*f->answers));
	for (s = f->nspans; s-- > 0;) {
		f->next_begin[s] = f->next_answer[s] = NONE;
		if (m[s].request[0] != NONE) {
			f->next_begin[s] = f->begins[m[s].request[0]];
			f->begins[m[s].request[0]] = s;
		}
		if (m[s].response[0] != NONE) {
			f->next_answer[s] = f->answers[m[s].response[0]];
			f->answers[m[s].response[0]] = s;
		}
	}
}

static int count_left(struct flow *f)
{
	uint32_t *count = calloc(f->r->units.count + 1, sizeof(*count)), i;

	f->left = calloc(f->r->acts.count + 1, sizeof(*f->left));
	for (i = (uint32_t)f->r->acts.count; count && f->left && i-- > 0;) {
		const struct act *a = &f->r->acts.rows[i];

		if (a->kind == ACT_RECV || a->kind == ACT_READ)
			count[a->unit] = 0;
		else if (a->kind == ACT_CONNECT)
			f->left[i] = ++count[a->unit];
		else if (a->kind == ACT_SEND && a->span != NONE && !flow_opens(f, i))
			f->left[i] = count[a->unit] += f->begins[i] != NONE || f->answers[i] != NONE;
	}
	free(count);
	return count && f->left ? 0 : -ENOMEM;
}

/* Of a span: that sent it; server: that received it. */
static void extend(struct flow *f)
{
	const struct act *a = f->r->acts.rows;
	uint32_t i;

	for (i = 0; i < f->nspans; i++) {
		const struct more *m = &f->r->more.rows[i];
		uint32_t act = m->request[0] != NONE ? m->request[0] : m->response[0];

		if (act == NONE) { /* within nothing */
			f->extents[i] =
				(struct extent) { .act = NONE, .host = UINT16_MAX, .kind = f->r->spans.rows[i].kind };
			continue;
		}
		f->extents[i] = (struct extent) { .at_ns = a[act].boot_ns,
						  .end_ns = m->raw_end_ns,
						  .begin_ns = m->raw_begin_ns,
						  .last_ns = m->response[0] == NONE ? UINT64_MAX : m->raw_end_ns,
						  .act = act,
						  .host = a[act].host,
						  .kind = f->r->spans.rows[i].kind };
	}
	for (i = 0; i < f->r->acts.count; i++)
		if (f->node_of[i] != NONE && f->node_of[i] >= f->nspans)
			f->extents[f->node_of[i]] = (struct extent) { .at_ns = a[i].boot_ns,
								      .end_ns = a[i].boot_ns,
								      .act = i,
								      .host = a[i].host,
								      .kind = SPAN_KINDS };
}

/* Most wakes, lines and messages of nobody's requests change nothing. */
static int choose_acts(struct flow *f)
{
	uint32_t i;

	f->walked = malloc((f->r->acts.count + 1) * sizeof(*f->walked));
	for (i = 0; f->walked && i < f->r->acts.count; i++) {
		const struct act *a = &f->r->acts.rows[i];

		if (f->idle[i] || f->node_of[i] != NONE || f->begins[i] != NONE || f->answers[i] != NONE ||
		    (act_is_message(a) && (a->span != NONE || a->peer != NONE)) || a->kind == ACT_CONNECT)
			f->walked[f->nwalked++] = i;
	}
	return f->walked ? 0 : -ENOMEM;
}

static int flow_init(struct flow *f, struct requests *r)
{
	size_t n = r->acts.count + 1, s = r->spans.count + 1;
	uint32_t i;

	f->r = r;
	f->nspans = f->nnodes = (uint32_t)r->spans.count;
	f->node_of = malloc(n * sizeof(uint32_t));
	f->begins = malloc(n * sizeof(uint32_t));
	f->answers = malloc(n * sizeof(uint32_t));
	f->next_begin = malloc(s * sizeof(uint32_t));
	f->next_answer = malloc(s * sizeof(uint32_t));
	f->units = calloc(r->units.count + 1, sizeof(*f->units));
	if (!f->node_of || !f->begins || !f->answers || !f->next_begin || !f->next_answer || !f->units)
		return -ENOMEM;
	for (i = 0; i < r->acts.count; i++)
		f->node_of[i] = hands_over(r, &r->acts.rows[i]) ? f->nnodes++ : r->acts.rows[i].span;
	requests_index_ran(r);
	f->idle = requests_idle(r);
	f->nodes = malloc((f->nnodes + 1ULL) * sizeof(*f->nodes));
	f->extents = malloc((f->nnodes + 1ULL) * sizeof(*f->extents));
	chain_spans(f);
	if (!f->nodes || !f->extents || !f->idle || flow_kinds(f) < 0)
		return -ENOMEM;
	extend(f);
	return count_left(f) < 0 ? -ENOMEM : choose_acts(f);
}

static void flow_fini(struct flow *f)
{
	free(f->node_of);
	free(f->idle);
	free(f->left);
	free(f->begins);
	free(f->answers);
	free(f->next_begin);
	free(f->next_answer);
	free(f->units);
	free(f->nodes);
	free(f->extents);
	free(f->walked);
	free(f->entries.rows);
	free(f->hints);
	free(f->kinds);
	free(f->likely);
	map_fini(&f->steps);
	map_fini(&f->objects);
	map_fini(&f->bad);
}

/* All as before the walk but for what was learnt. */
static void reset(struct flow *f)
{
	uint32_t i;

	for (i = 0; i < f->nnodes; i++) {
		uint32_t owner = flow_is_server(f, i) ? i : NONE;

		f->nodes[i] = (struct node) { .cause = NONE,
					      .effect = NONE,
					      .forward = owner,
					      .backward = owner,
					      .entry = NONE,
					      .unit = NONE,
					      .woke = NONE,
					      .act = f->extents[i].act,
					      .whose = NONE,
					      .tail = NONE,
					      .after = NONE,
					      .latest = NONE };
	}
	for (i = 0; i < f->r->units.count; i++) {
		struct flow_unit *u = &f->units[i];

		u->head = u->tail = u->batch = u->last = u->hand = u->self = NONE;
		u->answers = u->crowded = u->kept[u->mode] = 0;
		u->count = u->open = u->sent = u->idle = 0;
	}
	f->entries.count = 0;
	f->free_entry = NONE;
}

/* --- the two witnesses --- */

static void backward(struct flow *f, uint32_t i)
{
	struct node *n = &f->nodes[i];
	const struct node *e = n->effect == NONE ? NULL : &f->nodes[n->effect];

	if (!e || flow_is_server(f, i))
		return;
	n->backward = e->backward;
	n->backward_fit = n->effect_fit;
	if (!flow_is_server(f, n->effect) && e->backward_fit < n->backward_fit)
		n->backward_fit = e->backward_fit;
}

/* Effects were sent later than what caused them: the later ones first. */
static void resolve_backward(struct flow *f)
{
	uint32_t k, i, s;

	for (k = f->nwalked; k-- > 0;) {
		i = f->walked[k];
		for (s = f->begins[i]; s != NONE; s = f->next_begin[s])
			backward(f, s);
		s = f->node_of[i];
		if (s != NONE && s >= f->nspans)
			backward(f, s);
	}
}

/* Was the node's whole time within that of the server span? */
bool flow_within(const struct flow *f, uint32_t node, uint32_t server)
{
	const struct extent *s = &f->extents[server], *e = &f->extents[node];

	return s->host == e->host && s->begin_ns <= e->at_ns && e->end_ns <= s->last_ns;
}

/* Did the server span still last when the node was sent? */
bool flow_open_then(const struct flow *f, uint32_t node, uint32_t server)
{
	const struct more *s = &f->r->more.rows[server];
	const struct act *a = &f->r->acts.rows[f->nodes[node].act];

	return f->r->acts.rows[f->nodes[server].act].host == a->host && s->raw_begin_ns <= a->boot_ns &&
	       (s->response[0] == NONE || a->begin_ns <= s->raw_end_ns);
}

/* How well did this walk's mode explain each unit, and the objects that threads waited on? */
static void judge(struct flow *f, enum flow_mode mode)
{
	uint32_t i;

	for (i = 0; i < f->nnodes; i++) {
		const struct node *n = &f->nodes[i];
		bool agree = n->forward == n->backward;
		const struct act *a;
		uint64_t key, *seen;

		if (flow_is_server(f, i) || n->unit == NONE)
			continue;
		agree &= n->forward != NONE && flow_within(f, i, n->forward);
		f->units[n->unit].score[mode] += agree ? 1 : -1;
		if (n->woke != NONE && n->woke != n->unit)
			f->units[n->woke].score[mode] += agree ? 1 : -1;
		if (n->forward == NONE || n->backward == NONE)
			continue;
		a = &f->r->acts.rows[n->act];
		if (i < f->nspans || a->kind != ACT_WAKE)
			continue;
		key = flow_object(f, a);
		seen = map_get(&f->objects, key);
		if (map_set(&f->objects, key, (seen ? *seen : 0) + (agree ? 1ULL << 32 : 1)) < 0)
			f->r->failed = true;
	}
}

static void judge_objects(struct flow *f)
{
	const struct map_slot *slot;
	size_t at = 0;

	while ((slot = map_each(&f->objects, &at)) != NULL) {
		uint64_t good = slot->value >> 32, bad = slot->value & UINT32_MAX;

		if (good + bad >= TOLD_MIN && good < 2 * bad && map_set(&f->bad, slot->key, 1) < 0)
			f->r->failed = true;
	}
}

static void walk_in(struct flow *f, int mode)
{
	uint32_t i;

	for (i = 0; i < f->r->units.count; i++) {
		struct flow_unit *u = &f->units[i];
		int m, best = MODE_BATCH;

		for (m = 0; m < MODE_STEPS; m++)
			best = u->score[m] > u->score[best] ? m : best;
		u->mode = (uint8_t)(mode >= 0 ? mode : u->steps ? MODE_STEPS : best);
	}
	reset(f);
	flow_walk(f);
	resolve_backward(f);
}

/* --- the verdict --- */

static void verdict(struct more *m, uint32_t owner, enum span_evidence how, uint8_t sure, bool doubt)
{
	m->owner = owner;
	m->how = (uint8_t)how;
	m->sure = sure;
	m->doubt = doubt;
}

static enum span_evidence how_forward(const struct node *n)
{
	return n->handed ? EVIDENCE_HANDOFF : EVIDENCE_THREAD;
}

static void contradiction(struct flow *f, uint32_t i, struct more *m)
{
	const struct node *n = &f->nodes[i];
	bool fw = flow_within(f, i, n->forward), bw = flow_within(f, i, n->backward);
	bool back = bw && (!fw || n->backward_fit > n->forward_fit);
	uint8_t apart = (uint8_t)(n->backward_fit > n->forward_fit ? n->backward_fit - n->forward_fit
								   : n->forward_fit - n->backward_fit);

	if (back)
		verdict(m, n->backward, EVIDENCE_ANSWER, (uint8_t)(n->handed ? 95 : fw ? 30 + 10 * apart : 60), true);
	else
		verdict(m, n->forward, how_forward(n), (uint8_t)(bw ? 15 + 10 * apart : fw ? 60 : 30), true);
}

/* Does the unit that sent it often have several requests at a time? */
static bool is_crowded(const struct flow *f, uint32_t i)
{
	const struct flow_unit *u = f->nodes[i].unit == NONE ? NULL : &f->units[f->nodes[i].unit];

	return u && u->crowded >= CROWDED_MIN && u->crowded >= u->answers / 4;
}

/*
 * In a thread that has several requests at a time a pair is as trustworthy as the others of the thread: of how many answers does
 * their chain end where they were sent?  Of random loops (requests_loop_test.c) 0.95 of the links were right where 0.95 of the answers
 * were, 0.7 where 0.8 were, 0.3 where 0.5 were.
 */
static uint8_t trust(const struct flow *f, uint32_t i, uint32_t owner, uint8_t sure)
{
	const struct node *n = &f->nodes[i];
	const struct flow_unit *u = n->unit == NONE || n->handed ? NULL : &f->units[n->unit];
	double wrong;

	if (!u || u->answers < ANSWERS_MIN || !is_crowded(f, i) || f->r->acts.rows[f->nodes[owner].act].unit != n->unit)
		return sure;
	wrong = 1 - (double)u->kept[u->mode] / u->answers;
	if (wrong <= 0.05)
		return sure;
	return wrong < 0.4 ? (uint8_t)(sure * (1 - 2 * (wrong - 0.05))) : sure < 30 ? sure : 30;
}

/*
 * The figures are the shares that were right in recordings of demo/shop.sh and tests/lib/tiers.py, whose messages carry ids
 * (bench/stitch_bench.py prints them): both witnesses 0.93 to 1; one that was handed over alone 0.1 to 0.45, since a wake may be
 * for another reason; the answer alone 0.8 to 0.99, in a thread with nothing else to do 1.
 */
static void decide(struct flow *f, uint32_t i, struct more *m)
{
	const struct node *n = &f->nodes[i];
	uint32_t fw = n->forward, bw = n->backward;

	if (fw != NONE && !flow_open_then(f, i, fw))
		fw = NONE;
	if (bw != NONE && !flow_open_then(f, i, bw))
		bw = NONE;
	verdict(m, NONE, EVIDENCE_ROOT, 0, false);
	if (fw != NONE && fw == bw)
		verdict(m, fw, how_forward(n), n->weak ? 95 : n->single & 1 ? 99 : 97, false);
	else if (fw != NONE && bw != NONE)
		contradiction(f, i, m);
	else if (fw != NONE)
		verdict(m, fw, how_forward(n), n->handed ? 30 : (n->single & 1 ? 90 : 40) - (n->weak ? 20 : 0),
			!(n->single & 1));
	else if (bw != NONE)
		verdict(m, bw, EVIDENCE_ANSWER, !flow_within(f, i, bw) ? 50 : is_crowded(f, i) ? 85 : 98, false);
	if (m->owner != NONE)
		m->sure = trust(f, i, m->owner, m->sure);
}

/* What the next walk may take for certain. */
static uint32_t guess(const struct flow *f, uint32_t i)
{
	const struct node *n = &f->nodes[i];
	bool fw = n->forward != NONE && n->forward_fit >= 2 && flow_within(f, i, n->forward);
	bool bw = n->backward != NONE && n->backward_fit >= 2 && flow_within(f, i, n->backward);

	if (flow_is_server(f, i))
		return NONE;
	if (n->forward == n->backward || (fw && bw && n->forward_fit > n->backward_fit))
		return n->forward;
	return bw ? n->backward : NONE;
}

/* What a walk found helps the next to tell apart what it could not. */
static int take_hints(struct flow *f)
{
	uint32_t *h = f->hints ? f->hints : malloc((f->nnodes + 1ULL) * sizeof(*h)), i;

	if (!h)
		return -ENOMEM;
	for (i = 0; i < f->nnodes; i++)
		h[i] = guess(f, i);
	f->hints = h;
	return 0;
}

static void drop_hints(struct flow *f)
{
	free(f->hints);
	f->hints = NULL;
}

/* Once more, with what the walk before has found. */
static int walk_hinted(struct flow *f, int mode)
{
	int n, e = 0;

	for (n = 0; f->several && n < 2 && e == 0; n++) {
		e = take_hints(f);
		if (e == 0)
			walk_in(f, mode);
	}
	return e;
}

/* The steps that each unit takes: from pairs that were found without knowing them, now again and again with them. */
static int learn_steps(struct flow *f)
{
	int n, e = 0;

	f->near = NEAR_LEARNING;
	for (n = 0; n < LEARNING_WALKS; n++) {
		walk_in(f, MODE_STEPS);
		flow_learn(f, true);
	}
	flow_keep_plain(f);
	f->near = NEAR_LEARNED;
	for (n = 0; n < HINTED_WALKS && e == 0; n++) {
		e = take_hints(f);
		if (e == 0) {
			walk_in(f, MODE_STEPS);
			flow_learn(f, true);
		}
	}
	return e;
}

/* Each mode by itself: what it explains, and what there is to learn from it.  1: that was all. */
static int walk_modes(struct flow *f)
{
	int mode, n = 0;

	for (mode = 0; mode < MODE_STEPS && n >= 0; mode++) {
		drop_hints(f);
		walk_in(f, mode);
		if (f->several) {
			flow_keep_plain(f);
			flow_learn(f, false);
		}
		n = walk_hinted(f, mode);
		judge(f, (enum flow_mode)mode);
		if (n >= 0 && !f->several && !f->objects.count)
			return 1; /* with one thing at a time all modes are the same */
	}
	drop_hints(f);
	return n;
}

static int work(struct flow *f)
{
	int n = walk_modes(f);

	if (n)
		return n < 0 ? n : 0;
	if (f->several)
		n = learn_steps(f);
	flow_choose_steps(f);
	judge_objects(f);
	drop_hints(f);
	if (n >= 0)
		walk_in(f, -1);
	if (n >= 0)
		n = walk_hinted(f, -1);
	return f->r->failed ? -ENOMEM : n;
}

int requests_flow(struct requests *r)
{
	struct flow f = { 0 };
	uint32_t i;
	int n = find_peers(r);

	if (n >= 0)
		n = flow_init(&f, r);
	if (n >= 0)
		n = work(&f);
	for (i = 0; n >= 0 && i < f.nspans; i++)
		if (!flow_is_server(&f, i))
			decide(&f, i, &r->more.rows[i]);
	if (n >= 0)
		n = flow_segments(&f);
	flow_fini(&f);
	return n;
}
