/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which incidents are causes, and which of them comes first.
 *
 * A process that ended by itself after another's misfortune, and that had to do with it (they spoke, or one is the
 * other's child), followed from it.  Like misfortunes by the same hand within ALIKE_NS are one.
 */
#include <stdlib.h>

#include "explain/facts.h"

#define ALIKE_NS (2 * NS_PER_S)
#define AFTER_NS (5 * NS_PER_S)
#define SPAN_SCORE_MAX 200

static bool had_to_do(const struct story *s, uint32_t a, uint32_t b)
{
	const struct actor *x = story_actor(s, a), *y = story_actor(s, b);

	return x->parent == b || y->parent == a || cast_spoke(x, x->ncontacts, b) || cast_spoke(y, y->ncontacts, a);
}

static bool followed(const struct story *s, const struct incident *from, const struct incident *to)
{
	uint64_t end = from->until_ns ? from->until_ns : s->last_ns;

	return from != to && from->victim != to->victim && from->cause && from->at_ns <= to->at_ns &&
	       to->at_ns <= end + AFTER_NS && had_to_do(s, from->victim, to->victim);
}

/* Exits that followed from another's misfortune are no causes of their own. */
static void demote(struct story *s)
{
	size_t i, k;

	for (i = 0; i < s->nincidents; i++) {
		struct incident *to = &s->incidents[i];

		if (to->kind != INCIDENT_EXIT)
			continue;
		for (k = 0; k < s->nincidents && to->cause; k++)
			if (s->incidents[k].kind != INCIDENT_EXIT && followed(s, &s->incidents[k], to))
				to->cause = false;
	}
}

/* How much it matters: what it is, how many had to do with it, how long it lasted. */
static uint32_t score(const struct story *s, const struct incident *inc)
{
	static const uint32_t base[] = { [INCIDENT_OOM] = 600,
					 [INCIDENT_SIGNAL] = 500,
					 [INCIDENT_STOP] = 400,
					 [INCIDENT_CUT] = 300,
					 [INCIDENT_EXIT] = 200 };
	const struct actor *a = story_actor(s, inc->victim);
	uint64_t tenths = inc->lasted_ns / (NS_PER_S / 10);

	if (!inc->cause)
		return a->messages ? 2 : 1;
	return base[inc->kind] + (uint32_t)(tenths > SPAN_SCORE_MAX ? SPAN_SCORE_MAX : tenths) +
	       (a->ncontacts ? 1000 : 0) + (actor_missed(s, inc->victim, inc->at_ns) ? 1000 : 0);
}

static int score_cmp(const void *pa, const void *pb)
{
	const struct incident *a = pa, *b = pb;

	if (a->score != b->score)
		return (a->score < b->score) - (a->score > b->score);
	return (a->at_ns > b->at_ns) - (a->at_ns < b->at_ns);
}

static bool is_alike(const struct story *s, const struct incident *a, const struct incident *b)
{
	uint64_t apart = a->at_ns > b->at_ns ? a->at_ns - b->at_ns : b->at_ns - a->at_ns;

	return a->kind == b->kind && a->by == b->by && a->number == b->number && a->kind != INCIDENT_CUT &&
	       apart <= ALIKE_NS && a->cause == b->cause && story_actor(s, a->victim)->exe &&
	       story_actor(s, a->victim)->exe == story_actor(s, b->victim)->exe;
}

static void merge_alike(struct story *s)
{
	size_t i, k, kept = 0;

	for (i = 0; i < s->nincidents; i++) {
		for (k = 0; k < kept && !is_alike(s, &s->incidents[k], &s->incidents[i]); k++)
			;
		if (k < kept)
			s->incidents[k].alike++;
		else
			s->incidents[kept++] = s->incidents[i];
	}
	s->nincidents = kept;
}

void rank_incidents(struct story *s)
{
	size_t i;

	demote(s);
	for (i = 0; i < s->nincidents; i++)
		s->incidents[i].score = score(s, &s->incidents[i]);
	if (s->nincidents)
		qsort(s->incidents, s->nincidents, sizeof(*s->incidents), score_cmp);
	merge_alike(s);
}
