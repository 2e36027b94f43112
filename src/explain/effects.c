/* SPDX-License-Identifier: Apache-2.0 */
/* What followed for others: the last word before it, what ended a wait, who was heard again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "event/event.h"
#include "explain/facts.h"

#define NEAR_NS (NS_PER_S / 20)	     /* what was sent before may arrive so much later */
#define SPOKE_MIN 3		     /* fewer messages leave no silence */
#define PARTNER_MIN 20		     /* whom others know by more than a question */
#define QUIET_NS (NS_PER_S * 3 / 10) /* so long nothing was sent on the connection before a wait ended */
#define TIMER_TO_SEND_NS (NS_PER_S / 20)
#define ANSWER_NS (NS_PER_S / 10)
#define LOOK_BACK 4000
#define WEIGHT_LAST 600
#define WEIGHT_WAIT_END 580
#define WEIGHT_BACK 560

const struct timer *timer_before(const struct story *s, uint32_t actor, uint64_t t, uint64_t within_ns)
{
	size_t low = 0, high = s->timers.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->timers.rows[mid].boot_ns <= t)
			low = mid + 1;
		else
			high = mid;
	}
	while (low-- > 0 && s->timers.rows[low].boot_ns + within_ns > t)
		if (s->timers.rows[low].actor == actor)
			return &s->timers.rows[low];
	return NULL;
}

/* --- the last word --- */

/* To anybody with at least so many messages. */
static const struct contact *last_word(const struct story *s, const struct actor *a, uint64_t at, size_t messages)
{
	size_t k;

	for (k = cast_contact_at(a, at + NEAR_NS); k-- > 0;)
		if (a->contacts[k].sent && a->contacts[k].said_ns <= at &&
		    story_actor(s, a->contacts[k].other)->ncontacts >= messages)
			return &a->contacts[k];
	return NULL;
}

static void tell_last_word(struct story *s, const struct incident *inc)
{
	const struct actor *a = story_actor(s, inc->victim);
	const struct contact *c = last_word(s, a, inc->at_ns, PARTNER_MIN);
	struct story_line *l;

	/* rather than whoever had just asked for its health */
	if (!c)
		c = last_word(s, a, inc->at_ns, 0);
	if (!c || a->ncontacts < SPOKE_MIN)
		return;
	l = line_add(s, c->said_ns, a->host, WEIGHT_LAST);
	if (!l)
		return;
	line_cite(l, a->host, c->id);
	(void)snprintf(l->text, sizeof(l->text), "%s's last message to %s", place_text(s, inc->victim),
		       place_text(s, c->other));
}

/* --- heard again --- */

/* The first message of i from t on to or from one that the victim knew. */
static const struct contact *first_after(const struct story *s, uint32_t i, uint32_t victim, uint64_t t)
{
	const struct actor *a = story_actor(s, i), *v = story_actor(s, victim);
	size_t k;

	for (k = cast_contact_at(a, t); k < a->ncontacts; k++)
		if (cast_spoke(v, v->ncontacts, a->contacts[k].other))
			return &a->contacts[k];
	return NULL;
}

static void tell_back(struct story *s, const struct incident *inc)
{
	const struct actor *v = story_actor(s, inc->victim);
	bool dead = inc->kind != INCIDENT_STOP && inc->kind != INCIDENT_CUT;
	uint32_t who = dead ? inc->until_by : inc->victim;
	const struct contact *last = last_word(s, v, inc->at_ns, 0), *c;
	struct story_line *l;
	int len;

	if (!inc->until_ns || inc->until_ns >= s->shutdown_ns || !last)
		return;
	c = first_after(s, who, inc->victim, inc->until_ns);
	if (!c || c->boot_ns >= s->shutdown_ns)
		return;
	l = line_add(s, c->boot_ns, v->host, WEIGHT_BACK);
	if (!l)
		return;
	line_cite(l, v->host, last->id);
	line_cite(l, story_actor(s, who)->host, c->id);
	len = snprintf(l->text, sizeof(l->text), "%s %s %s again, %.3f s after its last message", place_text(s, who),
		       c->sent ? "was heard by" : "heard from", place_text(s, c->other),
		       (double)(c->boot_ns - last->said_ns) / 1e9);
	if (inc->kind == INCIDENT_CUT && inc->healer != CAST_NONE)
		(void)snprintf(l->text + len, sizeof(l->text) - (size_t)len, "; %s had just run there",
			       doer_text(s, inc->healer));
}

/* --- what ended a wait --- */

/* The last moment before t at which i heard from other; 0: never. */
static uint64_t last_heard(const struct actor *a, uint32_t other, uint64_t t)
{
	size_t k;

	for (k = cast_contact_at(a, t); k-- > 0;)
		if (a->contacts[k].other == other && !a->contacts[k].sent)
			return a->contacts[k].boot_ns;
	return 0;
}

/* Was nothing sent on the connection of contact k for QUIET_NS before it, though it was in use already at `at`? */
static bool broke_quiet(const struct story *s, const struct actor *a, size_t k, uint64_t at)
{
	const struct contact *c = &a->contacts[k];
	size_t i, back = 0;

	if (c->sock >= s->socks.count || s->socks.rows[c->sock].first_ns >= at)
		return false;
	for (i = k; i-- > 0 && back++ < LOOK_BACK;)
		if (a->contacts[i].sock == c->sock && a->contacts[i].sent)
			return a->contacts[i].said_ns + QUIET_NS <= c->said_ns;
	return true;
}

/* The answer to contact k: a message back from the same process. */
static const struct contact *answer_to(const struct actor *a, size_t k)
{
	const struct contact *c = &a->contacts[k];
	size_t i;

	for (i = k + 1; i < a->ncontacts && a->contacts[i].boot_ns < c->boot_ns + ANSWER_NS; i++)
		if (!a->contacts[i].sent && a->contacts[i].other == c->other)
			return &a->contacts[i];
	return NULL;
}

struct wait_end {
	uint32_t who;
	const struct contact *asked, *answered;
	const struct timer *timer;
	uint64_t heard_ns;
};

/* Of one process: the first message, right after a timer, to a third to whom it had fallen quiet, that was answered. */
static void wait_end_of(const struct story *s, const struct incident *inc, uint32_t i, struct wait_end *best)
{
	const struct actor *a = story_actor(s, i);
	uint64_t end = inc->until_ns ? inc->until_ns : s->last_ns;
	size_t k;

	for (k = cast_contact_at(a, inc->at_ns + QUIET_NS); k < a->ncontacts && a->contacts[k].boot_ns < end; k++) {
		const struct contact *c = &a->contacts[k], *answer;
		const struct timer *t;

		if (best->asked && best->asked->said_ns <= c->said_ns)
			return;
		if (!c->sent || c->other == inc->victim || !broke_quiet(s, a, k, inc->at_ns))
			continue;
		answer = answer_to(a, k);
		t = timer_before(s, i, c->said_ns, TIMER_TO_SEND_NS);
		if (!answer || !t)
			continue;
		*best = (struct wait_end) { i, c, answer, t, last_heard(a, inc->victim, c->said_ns) };
		return;
	}
}

static void tell_wait_end(struct story *s, const struct incident *inc)
{
	const struct actor *v = story_actor(s, inc->victim);
	size_t before = cast_contact_at(v, inc->at_ns + NEAR_NS);
	struct wait_end w = { 0 };
	struct story_line *l;
	uint32_t i;

	for (i = 0; i < s->cast.count; i++)
		if (i != inc->victim && s->cast.actors[i].ncontacts && cast_spoke(v, before, i))
			wait_end_of(s, inc, i, &w);
	if (!w.asked || !w.heard_ns)
		return;
	l = line_add(s, w.asked->said_ns, story_actor(s, w.who)->host, WEIGHT_WAIT_END);
	if (!l)
		return;
	line_cite(l, w.timer->host, w.timer->id);
	line_cite(l, story_actor(s, w.who)->host, w.asked->id);
	line_cite(l, story_actor(s, w.who)->host, w.answered->id);
	l->leads = order_happens_before(s->order, l->refs[0], l->refs[1]) == 1;
	l->inferred = !l->leads;
	(void)snprintf(l->text, sizeof(l->text),
		       "%s had heard nothing from %s for %.3f s, a timer fired, it spoke to %s, which answered",
		       place_text(s, w.who), place_text(s, inc->victim), (double)(w.asked->said_ns - w.heard_ns) / 1e9,
		       place_text(s, w.asked->other));
}

int tell_effects(struct story *s, const struct incident *inc)
{
	tell_last_word(s, inc);
	tell_wait_end(s, inc);
	tell_back(s, inc);
	return tell_wait(s, inc);
}
