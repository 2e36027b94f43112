/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who fell silent, for how long, what ended the others' wait, and whose answer waited for it.
 *
 * A process is out of touch in the longest gap between its matched messages, if that is far longer than its other
 * gaps and those it speaks with went on among themselves.  Out of touch though neither stopped nor dead, with
 * both sides trying: cut off.
 */
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/facts.h"

#define SILENCE_MIN_NS (NS_PER_S * 4 / 10)
#define SILENCE_TIMES 4 /* longer than the usual longest gap, so many times */
#define CONTACTS_MIN 20
#define OTHERS_MIN 5 /* messages among the others in the gap */
#define WAIT_MIN_NS (NS_PER_S / 5)
#define TIMER_TO_SEND_NS (NS_PER_S / 20)
#define WEIGHT_CUT 1000
#define WEIGHT_SILENCE 600
#define WEIGHT_ELECTION 580
#define WEIGHT_WAIT 570
#define WEIGHT_BACK 400

struct gap {
	uint32_t actor;
	size_t before; /* index of the last contact before it */
	uint64_t from_ns, to_ns;
	bool ends;	   /* there is a contact after it */
	uint64_t usual_ns; /* 95th percentile of the other gaps */
};

static int u64_cmp(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* Finds the longest gap; false: too few messages or nothing unusual. */
static bool gap_find(const struct story *s, uint32_t actor, struct gap *ret)
{
	const struct actor *a = story_actor(s, actor);
	uint64_t end = a->died_ns ? a->died_ns : s->last_ns;
	uint64_t *gaps;
	size_t i;

	if (a->ncontacts < CONTACTS_MIN)
		return false;
	gaps = malloc(a->ncontacts * sizeof(*gaps));
	if (!gaps)
		return false;
	*ret = (struct gap) { .actor = actor };
	for (i = 0; i < a->ncontacts; i++) {
		uint64_t from = a->contacts[i].boot_ns, to = i + 1 < a->ncontacts ? a->contacts[i + 1].boot_ns : end;

		gaps[i] = to > from ? to - from : 0;
		if (gaps[i] <= ret->to_ns - ret->from_ns)
			continue;
		ret->from_ns = from;
		ret->to_ns = to;
		ret->before = i;
		ret->ends = i + 1 < a->ncontacts;
	}
	qsort(gaps, a->ncontacts, sizeof(*gaps), u64_cmp);
	ret->usual_ns = gaps[(a->ncontacts - 1) * 95 / 100];
	free(gaps);
	return ret->to_ns - ret->from_ns >= SILENCE_MIN_NS && ret->to_ns - ret->from_ns > SILENCE_TIMES * ret->usual_ns;
}

/* First contact of a at or after t. */
static size_t contact_at(const struct actor *a, uint64_t t)
{
	size_t low = 0, high = a->ncontacts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->contacts[mid].boot_ns < t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool spoke_before(const struct actor *a, size_t before, uint32_t other)
{
	size_t i, n = before + 1 > 2000 ? 2000 : before + 1;

	for (i = 0; i < n; i++)
		if (a->contacts[before - i].other == other)
			return true;
	return false;
}

/* Messages in the gap between those with whom the silent one spoke: they went on without it. */
static size_t others_went_on(const struct story *s, const struct gap *g)
{
	const struct actor *a = story_actor(s, g->actor);
	size_t i, n = 0, k;

	for (i = 0; i < s->cast.count && n < OTHERS_MIN; i++) {
		const struct actor *peer = story_actor(s, (uint32_t)i);

		if (i == g->actor || !peer->ncontacts || !spoke_before(a, g->before, (uint32_t)i))
			continue;
		for (k = contact_at(peer, g->from_ns + SILENCE_MIN_NS / 2); k < peer->ncontacts && n < OTHERS_MIN;
		     k++) {
			if (peer->contacts[k].boot_ns >= g->to_ns)
				break;
			n += peer->contacts[k].other != g->actor;
		}
	}
	return n;
}

static bool died_by(const struct actor *a, uint64_t t)
{
	return a->died_ns && a->died_ns <= t;
}

static bool was_stopped(const struct story *s, const struct gap *g)
{
	size_t i;

	for (i = 0; i < s->stops.count; i++) {
		const struct fact *f = &s->stops.rows[i];

		if (f->target == g->actor && f->boot_ns < g->to_ns && (!f->until_ns || f->until_ns > g->from_ns))
			return true;
	}
	return false;
}

static const struct fact *first_trouble(const struct story *s, uint32_t actor, uint64_t from, uint64_t to,
					size_t *ret_count)
{
	const struct fact *first = NULL;
	size_t i;

	*ret_count = 0;
	for (i = 0; i < s->troubles.count; i++) {
		const struct fact *f = &s->troubles.rows[i];

		if (f->type != EVENT_RETRANSMIT || f->actor != actor || f->boot_ns < from || f->boot_ns > to)
			continue;
		first = first ? first : f;
		(*ret_count)++;
	}
	return first;
}

/* Cut off: it lived and ran, and it or the others kept sending into the void. */
static void tell_cut(struct story *s, const struct gap *g)
{
	size_t own, n, i, theirs = 0;
	const struct fact *mine = first_trouble(s, g->actor, g->from_ns, g->to_ns, &own), *other = NULL;
	const struct actor *a = story_actor(s, g->actor);
	struct story_line *l;

	for (i = 0; i < s->cast.count; i++) {
		const struct fact *f;

		if (i == g->actor || !spoke_before(a, g->before, (uint32_t)i))
			continue;
		f = first_trouble(s, (uint32_t)i, g->from_ns, g->to_ns, &n);
		other = other ? other : f;
		theirs += n;
	}
	if (!own && !theirs)
		return;
	l = line_add(s, g->from_ns + 1, a->host, WEIGHT_CUT);
	if (!l)
		return;
	l->cause = true;
	story_victim(s, g->actor, g->from_ns);
	l->inferred = true;
	line_cite(l, a->host, a->contacts[g->before].id);
	if (mine)
		line_cite(l, mine->host, mine->id);
	if (other)
		line_cite(l, other->host, other->id);
	(void)snprintf(l->text, sizeof(l->text),
		       "%s was cut off: it ran on, but for %.3f s nothing passed to or from it (%zu segments sent "
		       "again by it, %zu to it)",
		       actor_text(s, g->actor), (double)(g->to_ns - g->from_ns) / 1e9, own, theirs);
}

static void tell_last_word(struct story *s, const struct gap *g)
{
	const struct actor *a = story_actor(s, g->actor);
	const struct contact *c = NULL;
	struct story_line *l;
	size_t i;

	for (i = g->before + 1; i-- > 0 && !c;)
		if (a->contacts[i].sent)
			c = &a->contacts[i];
	if (!c)
		return;
	l = line_add(s, c->said_ns, a->host, WEIGHT_SILENCE);
	if (!l)
		return;
	line_cite(l, a->host, c->id);
	(void)snprintf(l->text, sizeof(l->text), "%s's last message to %s", place_text(s, g->actor),
		       place_text(s, c->other));
}

static void tell_back(struct story *s, const struct gap *g)
{
	const struct actor *a = story_actor(s, g->actor);
	const struct contact *c = &a->contacts[g->before + 1];
	struct story_line *l;

	if (!g->ends)
		return;
	l = line_add(s, c->boot_ns, a->host, WEIGHT_BACK);
	if (!l)
		return;
	line_cite(l, a->host, c->id);
	(void)snprintf(l->text, sizeof(l->text), "%s %s %s: the first message after %.3f s", place_text(s, g->actor),
		       c->sent ? "spoke again to" : "heard again from", place_text(s, c->other),
		       (double)(g->to_ns - g->from_ns) / 1e9);
}

/* The last timer that ended a wait of the actor at most TIMER_TO_SEND_NS before t. */
static const struct fact *timer_before(const struct story *s, uint32_t actor, uint64_t t)
{
	size_t low = 0, high = s->timers.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->timers.rows[mid].boot_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	while (low-- > 0 && s->timers.rows[low].boot_ns + TIMER_TO_SEND_NS > t)
		if (s->timers.rows[low].target == actor)
			return &s->timers.rows[low];
	return NULL;
}

/* The last time before t at which a heard from other. */
static uint64_t last_heard(const struct actor *a, uint32_t other, uint64_t t)
{
	size_t i;

	for (i = contact_at(a, t); i-- > 0;)
		if (a->contacts[i].other == other && !a->contacts[i].sent)
			return a->contacts[i].boot_ns;
	return 0;
}

/*
 * What ended the wait: the first of those who had heard from the silent one that, after a while and right
 * after a timer, spoke to a third to whom it had not spoken since before the silence.
 */
static void tell_wait_end(struct story *s, const struct gap *g)
{
	const struct actor *a = story_actor(s, g->actor);
	const struct contact *best = NULL;
	const struct fact *timer = NULL;
	uint32_t who = CAST_NONE;
	struct story_line *l;
	size_t i, k;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *p = story_actor(s, (uint32_t)i);

		if (i == g->actor || !p->ncontacts || !spoke_before(a, g->before, (uint32_t)i))
			continue;
		for (k = contact_at(p, g->from_ns + SILENCE_MIN_NS);
		     k < p->ncontacts && p->contacts[k].boot_ns < g->to_ns; k++) {
			const struct contact *c = &p->contacts[k];
			const struct fact *t;

			if (!c->sent || c->other == g->actor || (best && best->boot_ns <= c->boot_ns) ||
			    !spoke_before(a, g->before, c->other))
				continue;
			t = timer_before(s, (uint32_t)i, c->said_ns);
			if (!t)
				continue;
			best = c;
			timer = t;
			who = (uint32_t)i;
			break;
		}
	}
	if (!best)
		return;
	l = line_add(s, best->boot_ns, story_actor(s, who)->host, WEIGHT_ELECTION);
	if (!l)
		return;
	l->inferred = true;
	line_cite(l, timer->host, timer->id);
	line_cite(l, story_actor(s, who)->host, best->id);
	i = last_heard(story_actor(s, who), g->actor, best->boot_ns);
	(void)snprintf(l->text, sizeof(l->text), "%s had waited %.3f s for %s, a timer fired, it spoke to %s",
		       place_text(s, who), (double)(best->boot_ns - (i ? i : g->from_ns)) / 1e9,
		       place_text(s, g->actor), place_text(s, best->other));
}

/* The longest wait of anybody for an answer (sent to, then heard from) that overlaps the gap and ends after it began. */
static void tell_long_wait(struct story *s, const struct gap *g)
{
	const struct contact *asked = NULL, *answered = NULL;
	uint32_t who = CAST_NONE;
	struct story_line *l;
	size_t i, k;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *p = story_actor(s, (uint32_t)i);
		size_t from = contact_at(p, g->from_ns > NS_PER_S ? g->from_ns - NS_PER_S : 0);

		if (i == g->actor)
			continue;
		for (k = from; k + 1 < p->ncontacts && p->contacts[k].boot_ns < g->to_ns; k++) {
			const struct contact *c = &p->contacts[k], *n = &p->contacts[k + 1];

			if (!c->sent || n->sent || n->boot_ns < g->from_ns || n->boot_ns < c->said_ns + WAIT_MIN_NS ||
			    n->other == g->actor ||
			    (asked && n->boot_ns - c->said_ns <= answered->boot_ns - asked->said_ns))
				continue;
			asked = c;
			answered = n;
			who = (uint32_t)i;
		}
	}
	if (!asked)
		return;
	l = line_add(s, answered->boot_ns, story_actor(s, who)->host, WEIGHT_WAIT);
	if (!l)
		return;
	l->inferred = true;
	line_cite(l, story_actor(s, who)->host, asked->id);
	line_cite(l, story_actor(s, who)->host, answered->id);
	(void)snprintf(l->text, sizeof(l->text), "%s answered; %s had waited %.3f s for an answer",
		       place_text(s, answered->other), actor_text(s, who),
		       (double)(answered->boot_ns - asked->said_ns) / 1e9);
}

/* The silence of somebody of whom a cause is known: after it, or from the last word of the dead on. */
static bool gap_of_victim(const struct story *s, struct gap *ret)
{
	const struct actor *a = story_actor(s, s->victim);
	size_t at;

	if (s->victim == CAST_NONE || a->ncontacts < CONTACTS_MIN)
		return false;
	at = contact_at(a, s->cause_ns);
	/* the last word may still be under way when the cause strikes: take the longest gap near it */
	if (!died_by(a, s->cause_ns + NS_PER_S) && gap_find(s, s->victim, ret))
		return true;
	if (!at)
		return false;
	*ret = (struct gap) {
		.actor = s->victim, .before = at - 1, .from_ns = a->contacts[at - 1].boot_ns, .to_ns = s->last_ns
	};
	return true;
}

/* Without a known cause: whoever was out of touch the longest while the others went on. */
static bool gap_longest(const struct story *s, struct gap *ret)
{
	struct gap g;
	bool found = false;
	size_t i;

	for (i = 0; i < s->cast.count; i++) {
		if (!gap_find(s, (uint32_t)i, &g) || others_went_on(s, &g) < OTHERS_MIN)
			continue;
		if (!found || g.to_ns - g.from_ns > ret->to_ns - ret->from_ns)
			*ret = g;
		found = true;
	}
	return found;
}

void tell_silence(struct story *s)
{
	struct gap g = { 0 };

	if (!gap_of_victim(s, &g) && !gap_longest(s, &g))
		return;
	if (!was_stopped(s, &g) && !died_by(story_actor(s, g.actor), g.to_ns))
		tell_cut(s, &g);
	tell_last_word(s, &g);
	tell_wait_end(s, &g);
	tell_long_wait(s, &g);
	tell_back(s, &g);
}
