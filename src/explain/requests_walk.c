/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over all acts: what activates each unit, and what it sends because of that. */
#include "event/event.h"
#include "explain/requests_flow.h"

uint32_t flow_owner(const struct flow *f, uint32_t node)
{
	return node == NONE ? NONE : flow_is_server(f, node) ? node : f->nodes[node].whose;
}

uint64_t flow_object(const struct flow *f, const struct act *wake)
{
	uint64_t process = (uint64_t)wake->host << 32 | f->r->units.rows[wake->thread].tgid;

	return map_hash(wake->offset) ^ map_hash(process + 1);
}

bool flow_opens(const struct flow *f, uint32_t act)
{
	const struct act *a = &f->r->acts.rows[act];
	const struct conn *c = a->other == NONE ? NULL : &f->r->conns.rows[a->other];

	return c && c->connect != NONE && c->first == act && f->r->acts.rows[c->connect].unit == a->unit;
}

static bool is_done(const struct flow *f, uint32_t node)
{
	uint32_t owner = flow_owner(f, node);

	return owner == NONE || f->nodes[owner].done;
}

static uint8_t least(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static void set_cause(struct flow *f, uint32_t node, uint32_t cause, uint8_t fit, bool only)
{
	struct node *n = &f->nodes[node];

	n->cause = cause;
	n->forward = n->whose = flow_owner(f, cause);
	if (n->whose != NONE)
		f->nodes[n->whose].tail = node;
	n->cause_fit = fit;
	n->forward_fit = cause < f->nspans && flow_is_server(f, cause) ? fit : least(fit, f->nodes[cause].forward_fit);
	n->handed = f->nodes[cause].handed ||
		    (cause >= f->nspans && f->r->acts.rows[f->nodes[cause].act].kind != ACT_CONNECT);
	if (!flow_is_server(f, cause) && (only || f->nodes[cause].effect == NONE)) {
		f->nodes[cause].effect = node;
		f->nodes[cause].effect_fit = fit;
	}
}

/* What the unit did last, if nothing has activated it since. */
static uint32_t without_entry(struct flow_unit *u, const struct flow *f, struct node *n, uint8_t *fit)
{
	if (u->hand != NONE && !is_done(f, u->hand)) {
		n->single = 1;
		*fit = 2;
		return u->hand;
	}
	n->weak = 1;
	*fit = u->open == 1 ? 3 : 1;
	n->single = u->open == 1;
	if (u->last != NONE && !is_done(f, u->last))
		return u->last;
	return u->hand; /* whose request is not known: the effects may tell */
}

/* What made the unit send this node just now; an entry is used up, unless the unit may well go on with it. */
static void caused(struct flow *f, uint32_t unit, uint32_t node, bool goes_on)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t e = flow_pick(f, unit, node), cause;
	struct node *n = &f->nodes[node];
	uint8_t fit = 1;

	n->unit = unit;
	if (e == NONE) {
		cause = without_entry(u, f, n, &fit);
	} else {
		cause = f->entries.rows[e].node;
		fit = flow_fit(f, e);
		n->single = u->count == 1;
		n->pending = u->count < UINT8_MAX ? (uint8_t)u->count : UINT8_MAX;
		if (u->count == 1)
			f->nodes[cause].single |= 2;
		if (!goes_on)
			flow_remove(f, e);
	}
	if (cause != NONE)
		set_cause(f, node, cause, fit, e != NONE && !goes_on);
	if (goes_on)
		return;
	u->last = cause != NONE ? cause : u->last;
	u->sent = 1;
}

/* The unit sends the first byte of a response. */
static void answered(struct flow *f, uint32_t unit, uint32_t server)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t e = flow_own_entry(f, unit, server), node, hand;

	if (e == NONE)
		e = flow_pick(f, unit, server);
	u->sent = 1;
	u->last = server;
	hand = u->hand;
	u->hand = NONE;
	if (e == NONE) {
		if (hand != NONE && !is_done(f, hand)) {
			f->nodes[hand].effect = server;
			f->nodes[hand].effect_fit = 3;
			f->nodes[hand].single |= 2;
		}
		return;
	}
	node = f->entries.rows[e].node;
	f->nodes[server].after = node;
	f->nodes[server].unit = unit;
	f->nodes[server].pending = u->count < UINT8_MAX ? (uint8_t)u->count : UINT8_MAX;
	if (u->mode == MODE_STEPS)
		flow_swap_tails(f, server, node);
	if (!flow_is_server(f, node)) {
		f->nodes[node].effect = server;
		f->nodes[node].effect_fit = flow_fit(f, e);
		if (u->count == 1)
			f->nodes[node].single |= 2;
	}
	flow_remove(f, e);
}

static void server_done(struct flow *f, uint32_t server)
{
	uint32_t first = f->r->more.rows[server].request[0];
	struct flow_unit *u = first == NONE ? NULL : &f->units[f->r->acts.rows[first].unit];

	if (f->nodes[server].done)
		return;
	f->nodes[server].done = 1;
	if (f->nodes[server].entry != NONE)
		flow_remove(f, f->nodes[server].entry);
	if (!u)
		return;
	u->open -= u->open > 0;
	if (u->self == server)
		u->self = NONE;
}

static void received(struct flow *f, uint32_t i)
{
	const struct act *a = &f->r->acts.rows[i];
	struct flow_unit *u = &f->units[a->unit];
	bool begins = false;
	uint32_t s, k;

	for (s = f->begins[i]; s != NONE; s = f->next_begin[s]) {
		if (f->extents[s].kind != SPAN_SERVER)
			continue;
		begins = true;
		u->self = s;
		u->open++;
		u->hand = NONE;
		flow_activate(f, a->unit, s);
	}
	for (s = f->answers[i]; s != NONE; s = f->next_answer[s]) {
		begins |= f->extents[s].kind == SPAN_CLIENT;
		if (f->extents[s].kind == SPAN_CLIENT)
			flow_activate(f, a->unit, s);
	}
	if (!begins && a->span != NONE && !f->nodes[a->span].done) {
		flow_activate(f, a->unit, a->span);
		if (flow_is_server(f, a->span))
			u->self = a->span;
	}
	if (a->span != NONE)
		return;
	for (k = a->peer; k != NONE; k = f->r->acts.rows[k].also)
		if (f->node_of[k] != NONE)
			flow_activate(f, a->unit, f->node_of[k]);
}

/* The first request on a connection is because of what the connection was made for, if that is known. */
static bool opened(struct flow *f, uint32_t i, uint32_t span)
{
	const struct act *a = &f->r->acts.rows[i];
	uint32_t node = flow_opens(f, i) ? f->node_of[f->r->conns.rows[a->other].connect] : NONE;

	if (node == NONE || f->nodes[node].cause == NONE)
		return false;
	f->nodes[span].unit = a->unit;
	f->nodes[span].single = f->nodes[node].single & 1;
	set_cause(f, span, node, 3, true);
	f->units[a->unit].last = span;
	return true;
}

static void sent(struct flow *f, uint32_t i)
{
	const struct act *a = &f->r->acts.rows[i];
	uint32_t s;

	for (s = f->begins[i]; s != NONE; s = f->next_begin[s]) {
		if (f->extents[s].kind == SPAN_CLIENT && !opened(f, i, s))
			caused(f, a->unit, s, false);
	}
	for (s = f->answers[i]; s != NONE; s = f->next_answer[s]) {
		if (f->extents[s].kind != SPAN_SERVER)
			continue;
		answered(f, a->unit, s);
		if (f->r->more.rows[s].response[1] == i)
			server_done(f, s);
	}
	if (a->span != NONE && flow_is_server(f, a->span) && f->r->more.rows[a->span].response[1] == i)
		server_done(f, a->span);
	if (a->span != NONE || f->node_of[i] == NONE)
		return;
	caused(f, a->unit, f->node_of[i], false);
	f->units[a->unit].hand = NONE; /* it has told its result */
}

/* A thread or goroutine with nothing of its own takes what it was woken with. */
static void handed(struct flow *f, uint32_t i)
{
	const struct act *a = &f->r->acts.rows[i];
	struct flow_unit *v = &f->units[a->other];
	uint32_t node = f->node_of[i];

	if (node == NONE || a->other == a->unit || (a->kind == ACT_WAKE && map_get(&f->bad, flow_object(f, a))))
		return;
	if (a->kind == ACT_WAKE && a->bytes != WAITKIND_FUTEX) {
		caused(f, a->unit, node, false);
		flow_activate(f, a->other, node);
		f->units[a->unit].hand = NONE;
		return;
	}
	if (v->count || (v->self != NONE && !f->nodes[v->self].done))
		return;
	caused(f, a->unit, node, true);
	v->hand = node;
}

void flow_walk(struct flow *f)
{
	uint32_t k, i;

	for (k = 0; k < f->nwalked; k++) {
		const struct act *a = &f->r->acts.rows[i = f->walked[k]];

		f->units[a->unit].idle |= f->idle[i];
		f->units[a->unit].left = f->left[i];
		switch (a->kind) {
		case ACT_RECV:
		case ACT_READ:
			received(f, i);
			break;
		case ACT_SEND:
		case ACT_WRITE:
			sent(f, i);
			break;
		case ACT_CONNECT:
			caused(f, a->unit, f->node_of[i], false);
			break;
		case ACT_WAKE:
		case ACT_READY:
		case ACT_FORK:
			handed(f, i);
			break;
		default:
			break;
		}
	}
}
