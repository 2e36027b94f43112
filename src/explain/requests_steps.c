/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a program that handles many requests at a time (an event loop), and whose turn it is.
 *
 * Such a program does for each request the same few things one after another: it reads /item/{n}, asks Redis, reads the
 * answer, asks PostgreSQL, ...  Between two of them a request may have to wait: until a connection is made, or until one of
 * a pool is free.  One queue of all that was received and not yet followed by something mixes those that wait with those
 * that have just arrived; what is sent next would be taken for the doing of the oldest, whatever that waits for.  And one
 * wrong pair leaves the entry of another behind, so that the queue stays shifted.
 *
 * 1. Learning.  Each pair (received, sent) of a walk votes for a step: kind of the one, kind of the other, and whether both were
 *    on one connection.  A pair that is part of a chain which begins with the request that it ends with (both witnesses of
 *    requests_flow.h agree) has VOTE_AGREED times the weight, since that happens to few wrong ones.  The first votes come from walks that know
 *    no steps; each later walk has better pairs, and its votes replace those before.
 * 2. Pairing.  Of the entries that are pending, those count whose step is about as likely as the likeliest one's, and the oldest of
 *    them is taken: each step is a queue of its own, first come, first served, as waiters of pools and locks are.
 * 3. Correcting.  Whom an answer is for is known for certain.  If the chain of that request has not got to where an answer
 *    may follow, but a young entry has that belongs to the chain of another, then the two were mixed up before: the other one
 *    goes on with what was taken for this one's (flow_swap_tails()).  So a wrong pair does not outlive the request.  A request
 *    whose chain waits for what was never recorded takes nobody else's.
 * 4. Choosing.  An answer has nothing to wait for: it is sent in the wake-up that read the last thing it needed, or in the
 *    next.  With right pairs nearly all answers come when the chain of their own request has got to an entry that is so young (`kept`);
 *    with wrong ones few do.  Steps are used in the units where this share is KEPT_MIN at least, and larger than with each other
 *    mode; hints (requests_flow.c) make wrong pairs agree, too, so what is kept without them counts as well.
 *
 * Kinds are told finely (the other end's port, protocol, operation, normalised resource) and coarsely (without the resource);
 * a step that was seen too seldom finely is judged coarsely.  No content of a message is compared with that of another.
 *
 * Cost: for each message FLOW_PICK_MAX entries are looked at; memory: five rows a step, and what a node needs.
 */
#include "explain/requests_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COARSE_WEIGHT 8.0 /* so many votes does the coarse kind have against the fine one */
#define UNSEEN 0.01	  /* votes for a step that nobody has voted for */
#define SAME_FACTOR 16.0  /* who goes on with the connection that it has just used: not one of many that are free */
#define DOUBTFUL 0.02	  /* below this the likeliest is none that the program is known to do */
#define KEPT_MIN 0.8

static const uint64_t VOTE = 1, VOTE_AGREED = 4096, ALONE = 64;

static uint32_t mix(uint64_t a, uint64_t b)
{
	return (uint32_t)map_hash(map_hash(a + 1) + b + 1) | 1;
}

static uint64_t place_of(const struct requests *r, uint32_t conn, bool server)
{
	const struct conn *c = conn == NONE ? NULL : &r->conns.rows[conn];
	uint64_t half[2];

	if (!c || server)
		return c ? c->local_port : 0;
	memcpy(half, c->remote, sizeof(half));
	return map_hash(half[0] + map_hash(half[1] + c->remote_port)) ^ map_hash(c->peer);
}

static void kind_of_span(const struct flow *f, uint32_t i, struct node_kind *k)
{
	const struct span *s = &f->r->spans.rows[i];
	bool server = s->kind == SPAN_SERVER;

	k->conn = f->r->more.rows[i].conn;
	k->coarse = mix(place_of(f->r, k->conn, server), (uint64_t)s->protocol << 8 | s->kind);
	k->fine = mix(mix(k->coarse, s->operation), s->resource);
	k->coarse = mix(k->coarse, server ? 0 : s->operation);
}

/* Of hand-overs: what kind, and to whom a connection is made. */
static void kind_of_hand(const struct flow *f, uint32_t act, struct node_kind *k)
{
	const struct act *a = &f->r->acts.rows[act];

	k->conn = NONE;
	k->fine = k->coarse = mix(a->kind, a->kind == ACT_CONNECT ? place_of(f->r, a->other, false) : 0);
}

int flow_kinds(struct flow *f)
{
	uint32_t i;

	f->kinds = calloc(f->nnodes + 1ULL, sizeof(*f->kinds));
	f->likely = calloc(FLOW_STEPS_KEPT, sizeof(*f->likely));
	if (!f->kinds || !f->likely)
		return -ENOMEM;
	for (i = 0; i < f->nspans; i++)
		kind_of_span(f, i, &f->kinds[i]);
	for (i = 0; i < f->r->acts.count; i++)
		if (f->node_of[i] != NONE && f->node_of[i] >= f->nspans)
			kind_of_hand(f, i, &f->kinds[f->node_of[i]]);
	return 0;
}

/* A step; with 0 for what was sent, all steps after that. */
static uint64_t step_key(uint32_t unit, uint32_t from, uint32_t to, bool same)
{
	return map_hash(map_hash((uint64_t)from << 32 | to) + ((uint64_t)unit << 1 | same));
}

/* An answer is another thing than the request that it answers. */
static uint32_t sent_kind(uint32_t kind, bool answer)
{
	return answer ? mix(kind, 7) : kind;
}

static bool same_conn(const struct flow *f, uint32_t node, uint32_t sent)
{
	return f->kinds[node].conn != NONE && f->kinds[node].conn == f->kinds[sent].conn;
}

static void vote(struct flow *f, uint64_t key, uint64_t votes)
{
	const uint64_t *at = map_get(&f->steps, key);

	if (map_set(&f->steps, key, (at ? *at : 0) + votes) < 0)
		f->r->failed = true;
}

/* `sent`, a server span: its answer. */
static void learn_pair(struct flow *f, uint32_t unit, uint32_t node, uint32_t sent, uint64_t votes)
{
	const struct node_kind *a = &f->kinds[node], *b = &f->kinds[sent];
	bool answer = flow_is_server(f, sent), same = same_conn(f, node, sent);

	vote(f, step_key(unit, a->fine, sent_kind(b->fine, answer), same), votes);
	vote(f, step_key(unit, a->fine, 0, false), votes);
	vote(f, step_key(unit, a->coarse, sent_kind(b->coarse, answer), same), votes);
	vote(f, step_key(unit, a->coarse, 0, true), votes);
}

/* Does the chain that the pair is part of begin with the request that it ends with? */
static bool agreed(const struct flow *f, uint32_t cause, uint32_t sent)
{
	const struct node *n = &f->nodes[flow_is_server(f, sent) ? cause : sent];

	return n->forward != NONE && n->forward == n->backward;
}

/* The fewer were pending, the surer the pair. */
static uint64_t votes_for(const struct node *n, bool agrees)
{
	uint64_t alone = ALONE / ((uint64_t)n->pending * n->pending + 1);

	return (agrees ? VOTE_AGREED : VOTE) * (1 + alone);
}

void flow_learn(struct flow *f, bool anew)
{
	uint32_t i;

	if (anew) {
		map_fini(&f->steps);
		f->steps = (struct map)MAP_INIT;
	}
	memset(f->likely, 0, FLOW_STEPS_KEPT * sizeof(*f->likely));
	for (i = 0; i < f->nnodes; i++) {
		const struct node *n = &f->nodes[i];
		uint32_t cause = flow_is_server(f, i) ? n->after : n->cause;

		if (n->unit != NONE && cause != NONE && !n->weak)
			learn_pair(f, n->unit, cause, i, votes_for(n, agreed(f, cause, i)));
	}
}

static double votes_of(const struct flow *f, uint64_t key)
{
	const uint64_t *at = map_get(&f->steps, key);

	return at ? (double)*at : 0;
}

static double likelihood(const struct flow *f, uint32_t unit, uint32_t node, uint32_t sent, uint64_t fine_key)
{
	const struct node_kind *a = &f->kinds[node], *b = &f->kinds[sent];
	bool same = same_conn(f, node, sent);
	uint32_t coarse = sent_kind(b->coarse, flow_is_server(f, sent));
	double p;

	p = (votes_of(f, step_key(unit, a->coarse, coarse, same)) + UNSEEN) /
	    (votes_of(f, step_key(unit, a->coarse, 0, true)) + 1);
	p = (votes_of(f, fine_key) + COARSE_WEIGHT * p) /
	    (votes_of(f, step_key(unit, a->fine, 0, false)) + COARSE_WEIGHT);
	return same ? p * SAME_FACTOR : p;
}

/* How likely the unit sends that because of the entry: to be compared with others that are pending. */
static double step(const struct flow *f, uint32_t entry, uint32_t sent)
{
	uint32_t unit = f->entries.rows[entry].unit, node = f->entries.rows[entry].node;
	uint32_t to = sent_kind(f->kinds[sent].fine, flow_is_server(f, sent));
	uint64_t key = step_key(unit, f->kinds[node].fine, to, same_conn(f, node, sent));
	struct step *s = &f->likely[key % FLOW_STEPS_KEPT];

	if (s->key != key)
		*s = (struct step) { key, likelihood(f, unit, node, sent, key) };
	return s->likelihood;
}

/* Does that which the chain of the request waits for never come, since it was lost? */
static bool lost_place(const struct flow *f, uint32_t server)
{
	uint32_t tail = f->nodes[server].tail;

	if (f->r->more.rows[server].request[0] == NONE)
		return true;
	return tail != NONE && tail < f->nspans && f->r->more.rows[tail].response[0] == NONE;
}

/* An answer whose chain is lost follows something of which nobody knows whose it is, if anything. */
static bool may_follow(const struct flow *f, uint32_t entry, uint32_t sent)
{
	if (flow_is_server(f, sent) && lost_place(f, sent) && flow_owner(f, f->entries.rows[entry].node) != NONE)
		return false;
	return flow_fits(f, entry, sent);
}

/* The likelihood of the likeliest entry, and how many are nearly as likely. */
static double likeliest(const struct flow *f, uint32_t unit, uint32_t sent, uint32_t *ret_near)
{
	uint32_t entry = f->units[unit].head, near = 0;
	unsigned int tried = 0;
	double best = 0;

	for (; entry != NONE && tried < FLOW_PICK_MAX; tried++, entry = f->entries.rows[entry].after) {
		double p = step(f, entry, sent);

		if (p < best * f->near || !may_follow(f, entry, sent))
			continue;
		near = best < p * f->near ? 1 : near + 1;
		best = p > best ? p : best;
	}
	*ret_near = near;
	return best;
}

uint32_t flow_pick_step(struct flow *f, uint32_t unit, uint32_t sent, uint32_t own)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t near, entry = u->head;
	double best = likeliest(f, unit, sent, &near);
	unsigned int tried = 0;

	u->fit = best < DOUBTFUL ? 1 : near > 1 ? 2 : 3;
	if (own != NONE && step(f, own, sent) >= best * f->near * f->near) {
		u->fit = 3;
		return own;
	}
	for (; entry != NONE && tried < FLOW_PICK_MAX; tried++, entry = f->entries.rows[entry].after)
		if (step(f, entry, sent) >= best * f->near && may_follow(f, entry, sent))
			return entry;
	return NONE;
}

/* Was it read in the wake-up of now, or in the one before? */
static bool is_young(const struct flow *f, uint32_t entry)
{
	return f->entries.rows[entry].batch + 1 >= f->units[f->entries.rows[entry].unit].nbatch;
}

/* The entry that the request's own chain has got to, NONE. */
static uint32_t end_of_chain(const struct flow *f, uint32_t unit, uint32_t server)
{
	uint32_t tail = f->nodes[server].tail;
	uint32_t e = tail == NONE ? f->nodes[server].entry : f->nodes[tail].entry;

	if (e == NONE || f->entries.rows[e].unit != unit || flow_owner(f, f->entries.rows[e].node) != server)
		return NONE;
	return e;
}

uint32_t flow_own_entry(struct flow *f, uint32_t unit, uint32_t server)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t own = end_of_chain(f, unit, server), near, e;
	double least;

	u->answers++;
	u->kept[u->mode] += own != NONE && is_young(f, own);
	if (u->mode != MODE_STEPS)
		return NONE;
	least = likeliest(f, unit, server, &near) * f->near;
	u->fit = near > 1 ? 2 : 3;
	if (own != NONE && step(f, own, server) < least)
		own = NONE;
	if (own != NONE && is_young(f, own))
		return own;
	for (e = u->tail; e != NONE && is_young(f, e); e = f->entries.rows[e].before)
		;
	for (e = e == NONE ? u->head : f->entries.rows[e].after; e != NONE; e = f->entries.rows[e].after)
		if (step(f, e, server) >= least && may_follow(f, e, server))
			return e;
	return own;
}

/* The server span was answered after `node`, which was taken for another's. */
void flow_swap_tails(struct flow *f, uint32_t server, uint32_t node)
{
	uint32_t other = flow_owner(f, node), tail = f->nodes[server].tail;

	if (other == NONE || other == server || f->nodes[other].done || tail == NONE || flow_owner(f, tail) != server)
		return;
	f->nodes[tail].whose = other;
	f->nodes[other].tail = tail;
}

void flow_keep_plain(struct flow *f)
{
	uint32_t i;

	for (i = 0; i < f->r->units.count; i++)
		f->units[i].plain[f->units[i].mode] = f->units[i].kept[f->units[i].mode];
}

void flow_choose_steps(struct flow *f)
{
	uint32_t i, mode;

	for (i = 0; i < f->r->units.count; i++) {
		struct flow_unit *u = &f->units[i];

		u->steps = f->steps.count && u->plain[MODE_STEPS] >= u->answers * KEPT_MIN;
		for (mode = 0; mode < MODE_STEPS; mode++)
			u->steps &= u->plain[MODE_STEPS] > u->plain[mode] &&
				    u->plain[MODE_STEPS] + u->kept[MODE_STEPS] > u->plain[mode] + u->kept[mode];
	}
}
