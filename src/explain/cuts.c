/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was cut off.
 *
 * Evidence is what TCP sent again in vain: around a retransmission the two processes of the connection exchanged
 * no message for CUT_MIN_NS while both lived and neither was stopped.  If one of them had no message from or to
 * anybody elsewhere in that time while the other had, that one was cut off; else the way between the two was.
 */
#include <errno.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/facts.h"

#define CUT_MIN_NS (NS_PER_S * 4 / 10)
#define AGAIN_NS (NS_PER_S / 5) /* so long nothing passes after the first retransmission */
#define CUT_RETRANSMITS 2
#define STRANGER_NS (2 * NS_PER_S) /* so long before the cut its maker may have begun */
#define STRANGER_LATE_NS (20 * NS_PER_MS)
#define STRANGERS_MAX 2 /* with more of them at the place, none is named */
#define PAIRS_MAX 10000
#define ELSEWHERE CAST_NONE /* in the place of a process: anybody at another place */
#define ANYBODY (CAST_NONE - 1)

struct gap {
	uint64_t from_ns, to_ns; /* to: the end of the recording where nothing follows */
	uint64_t from_id;
	bool ends;
};

struct gaps {
	struct map by_pair;
	size_t count;
	struct gap rows[PAIRS_MAX];
};

static bool is_with(const struct story *s, const struct actor *a, const struct contact *c, uint32_t other)
{
	const struct actor *peer = story_actor(s, c->other);

	if (other == ELSEWHERE)
		return peer->netns != a->netns || peer->host != a->host;
	return other == ANYBODY || c->other == other;
}

/* The gap around t in i's messages with other; false: no message before. */
static bool gap_around(const struct story *s, uint32_t i, uint32_t other, uint64_t t, struct gap *ret)
{
	const struct actor *a = story_actor(s, i);
	size_t at = cast_contact_at(a, t), k;

	*ret = (struct gap) { .to_ns = s->last_ns };
	for (k = at; k < a->ncontacts && !ret->ends; k++) {
		if (!is_with(s, a, &a->contacts[k], other))
			continue;
		ret->to_ns = a->contacts[k].boot_ns;
		ret->ends = true;
	}
	for (k = at; k-- > 0;) {
		if (!is_with(s, a, &a->contacts[k], other))
			continue;
		ret->from_ns = a->contacts[k].boot_ns;
		ret->from_id = a->contacts[k].id;
		return true;
	}
	return false;
}

/* A gap ends with the life of its actor, or when all is shut down. */
static void gap_cut(const struct story *s, uint32_t i, struct gap *g)
{
	const struct actor *a = story_actor(s, i);
	uint64_t end = a->died_ns && a->died_ns < s->shutdown_ns ? a->died_ns : s->shutdown_ns;

	if (g->to_ns > end) {
		g->to_ns = end;
		g->ends = false;
	}
}

/* Who was stopped could not answer. */
static bool ran_through(const struct story *s, uint32_t i, const struct gap *g)
{
	size_t k;

	for (k = 0; k < s->stops.count; k++) {
		const struct fact *f = &s->stops.rows[k];

		if (f->target == i && f->boot_ns < g->to_ns && (!f->until_ns || f->until_ns > g->from_ns))
			return false;
	}
	return true;
}

/* The gap of f's pair; the last one of each pair is remembered, for TCP tries more than once. */
static bool pair_gap(const struct story *s, struct gaps *known, const struct fact *f, struct gap *ret)
{
	uint64_t key = (uint64_t)f->actor << 32 | f->target, *at = map_get(&known->by_pair, key);

	if (at && known->rows[*at].from_ns <= f->boot_ns && f->boot_ns < known->rows[*at].to_ns) {
		*ret = known->rows[*at];
		return true;
	}
	if (!gap_around(s, f->actor, f->target, f->boot_ns, ret))
		return false;
	if (at) {
		known->rows[*at] = *ret;
	} else if (known->count < PAIRS_MAX && map_set(&known->by_pair, key, known->count) == 0) {
		known->rows[known->count++] = *ret;
	}
	return true;
}

static bool is_cut(const struct story *s, struct gaps *known, const struct fact *f, struct gap *ret)
{
	if (f->type != EVENT_RETRANSMIT || f->target == CAST_NONE || f->boot_ns >= s->shutdown_ns)
		return false;
	if (!pair_gap(s, known, f, ret))
		return false;
	gap_cut(s, f->actor, ret);
	gap_cut(s, f->target, ret);
	return ret->to_ns >= ret->from_ns + CUT_MIN_NS && ret->to_ns >= f->boot_ns + AGAIN_NS &&
	       ran_through(s, f->actor, ret) && ran_through(s, f->target, ret);
}

/* How long i was alone around t, 0: not worth a word. */
static uint64_t isolated(const struct story *s, uint32_t i, uint64_t t, struct gap *ret)
{
	uint64_t span;

	if (!gap_around(s, i, ELSEWHERE, t, ret) && !gap_around(s, i, ANYBODY, t, ret))
		return 0;
	gap_cut(s, i, ret);
	span = ret->to_ns > ret->from_ns ? ret->to_ns - ret->from_ns : 0;
	return span >= CUT_MIN_NS ? span : 0;
}

/* Fills in victim and time: one of the two alone, or the way between both. */
static struct incident cut_of(const struct story *s, const struct fact *f, const struct gap *g)
{
	struct incident inc = {
		.kind = INCIDENT_CUT, .cause = true, .by = CAST_NONE, .times = 1, .until_by = CAST_NONE
	};
	struct gap mine = { 0 }, theirs = { 0 }, use = *g;
	uint64_t one = isolated(s, f->actor, f->boot_ns, &mine), two = isolated(s, f->target, f->boot_ns, &theirs);
	/* who was alone clearly longer than the other */
	bool own = one > two + two / 4, other = two > one + one / 4;

	inc.victim = f->target;
	inc.other = f->actor;
	inc.both = own == other;
	if (own && !other) {
		inc.victim = f->actor;
		inc.other = f->target;
	}
	if (!inc.both)
		use = own ? mine : theirs;
	else if (s->socks.rows[f->sock].passive) {
		inc.victim = f->actor;
		inc.other = f->target;
	}
	inc.at_ns = use.from_ns;
	/* gaps of f's own process cite its events */
	inc.id = inc.victim == f->actor || inc.both ? use.from_id : theirs.from_id;
	inc.until_ns = use.ends ? use.to_ns : 0;
	inc.lasted_ns = use.to_ns - use.from_ns;
	return inc;
}

/* The incident that tells this cut already, else a new one. */
static struct incident *cut_incident(struct story *s, const struct incident *like)
{
	size_t i;

	for (i = 0; i < s->nincidents; i++) {
		struct incident *inc = &s->incidents[i];

		if (inc->kind == INCIDENT_CUT && inc->victim == like->victim && inc->both == like->both &&
		    (!inc->both || inc->other == like->other) && inc->at_ns == like->at_ns)
			return inc;
	}
	return incident_add(s, like);
}

static void add_cut(struct story *s, struct fact *f, const struct gap *g)
{
	struct incident like = cut_of(s, f, g), *inc = cut_incident(s, &like);

	if (!inc)
		return;
	f->told = true;
	inc->missed_ns = inc->missed_ns && inc->missed_ns < f->boot_ns ? inc->missed_ns : f->boot_ns;
	if (f->actor == inc->victim) {
		inc->own++;
		inc->by_id = inc->by_id ? inc->by_id : f->id;
	} else {
		inc->theirs++;
		inc->theirs_host = inc->until_by_id ? inc->theirs_host : f->host;
		inc->until_by_id = inc->until_by_id ? inc->until_by_id : f->id;
	}
}

/* --- several cuts at once --- */

static bool overlap(const struct incident *a, const struct incident *b)
{
	return a->at_ns < b->at_ns + b->lasted_ns && b->at_ns < a->at_ns + a->lasted_ns;
}

/* b is told with a, around a's victim. */
static void fold(struct incident *a, const struct incident *b)
{
	bool swapped = b->victim != a->victim; /* then b's own are others' to a's victim */

	a->own += swapped ? b->theirs : b->own;
	a->theirs += swapped ? b->own : b->theirs;
	a->missed_ns = b->missed_ns < a->missed_ns ? b->missed_ns : a->missed_ns;
}

static void turn_round(const struct story *s, struct incident *inc)
{
	struct incident was = *inc;

	inc->victim = was.other;
	inc->other = was.victim;
	inc->own = was.theirs;
	inc->theirs = was.own;
	inc->by_id = was.until_by_id;
	inc->until_by_id = was.by_id;
	inc->theirs_host = story_actor(s, was.victim)->host;
}

/* The process that two cuts between pairs share was cut off itself. */
static void cut_around(const struct story *s, struct incident *inc, uint32_t who)
{
	struct gap g;

	inc->both = false;
	if (inc->victim != who)
		turn_round(s, inc);
	if (!isolated(s, who, inc->missed_ns, &g))
		return;
	inc->at_ns = g.from_ns;
	inc->id = g.from_id;
	inc->until_ns = g.ends ? g.to_ns : 0;
	inc->lasted_ns = g.to_ns - g.from_ns;
}

static bool takes_part(const struct incident *inc, uint32_t who)
{
	return inc->victim == who || inc->other == who;
}

/* May b be told with a? Then a is made so that it covers b. */
static bool joins(const struct story *s, struct incident *a, const struct incident *b)
{
	if (!b->both || !overlap(a, b))
		return false;
	if (!a->both)
		return takes_part(b, a->victim);
	if (takes_part(b, a->victim) == takes_part(b, a->other))
		return false;
	cut_around(s, a, takes_part(b, a->victim) ? a->victim : a->other);
	return true;
}

/* Two of the incidents from first on become one; false: none can. */
static bool join_two(struct story *s, size_t first)
{
	size_t i, k;

	for (i = first; i < s->nincidents; i++)
		for (k = first; k < s->nincidents; k++)
			if (k != i && joins(s, &s->incidents[i], &s->incidents[k])) {
				fold(&s->incidents[i], &s->incidents[k]);
				s->incidents[k] = s->incidents[--s->nincidents];
				return true;
			}
	return false;
}

/*
 * Who ran a program in i's namespace and spoke with nobody: begun not long before from, and at most at to; with `alive`
 * not ended long before from.  What cuts a way lives about when the last message passes (one that is under way may still
 * arrive when it has ended), and before the first is missed.
 */
static uint32_t find_stranger(const struct story *s, uint32_t i, uint64_t from, uint64_t to, bool alive)
{
	const struct actor *v = story_actor(s, i);
	uint32_t k, best = CAST_NONE, count = 0;

	for (k = 0; k < s->cast.count; k++) {
		const struct actor *a = &s->cast.actors[k];

		if (k == i || a->host != v->host || a->netns != v->netns || a->messages || !a->exec_ns ||
		    a->exec_ns > to || a->exec_ns + STRANGER_NS < from ||
		    (alive && a->died_ns && a->died_ns + STRANGER_LATE_NS < from))
			continue;
		count++;
		if (best == CAST_NONE || a->exec_ns > s->cast.actors[best].exec_ns)
			best = k;
	}
	return count <= STRANGERS_MAX ? best : CAST_NONE;
}

static void find_strangers(const struct story *s, struct incident *inc)
{
	uint64_t from = inc->at_ns, to = inc->missed_ns, end = inc->until_ns;

	inc->healer = CAST_NONE;
	inc->stranger = find_stranger(s, inc->victim, from, to, true);
	if (inc->stranger == CAST_NONE && inc->both)
		inc->stranger = find_stranger(s, inc->other, from, to, true);
	if (!end)
		return;
	inc->healer = find_stranger(s, inc->victim, end, end, false);
	if (inc->healer == CAST_NONE && inc->both)
		inc->healer = find_stranger(s, inc->other, end, end, false);
	if (inc->healer == inc->stranger)
		inc->healer = CAST_NONE;
}

int find_cuts(struct story *s)
{
	struct gaps *known = calloc(1, sizeof(*known));
	size_t i, kept, first = s->nincidents;
	struct gap g;

	if (!known)
		return -ENOMEM;
	for (i = 0; i < s->troubles.count; i++)
		if (is_cut(s, known, &s->troubles.rows[i], &g))
			add_cut(s, &s->troubles.rows[i], &g);
	map_fini(&known->by_pair);
	free(known);
	while (join_two(s, first))
		;
	/* one retransmission may be luck */
	for (i = kept = first; i < s->nincidents; i++) {
		if (s->incidents[i].own + s->incidents[i].theirs < CUT_RETRANSMITS)
			continue;
		s->incidents[kept] = s->incidents[i];
		find_strangers(s, &s->incidents[kept++]);
	}
	s->nincidents = kept;
	return 0;
}
