/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waited for an answer.  A wait of a process begins with the first message that it sends after the last that it
 * received, on whatever connection, and ends with the next that it receives.  Of those that overlap an incident the
 * longest is told, of pure clients (they connect, nobody connects to them) before others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/facts.h"

#define WAIT_MIN_NS (NS_PER_S / 5)
#define MANY_WAITS 20
#define WAIT_TIMES 4 /* so much longer than its other waits on average */
#define TIMER_TO_CLOSE_NS (NS_PER_S / 20)
#define WEIGHT_WAIT 590

/* Where a process is in its waits, and its longest near the incident. */
struct waiting {
	const struct message *asked; /* NULL: it waits for nothing */
	const struct message *best_asked, *best_answer;
	uint64_t best_ns, all_ns, all;
};

static void wait_ended(struct waiting *w, const struct message *answer, const struct incident *inc, uint64_t end)
{
	uint64_t span = answer->boot_ns - w->asked->begin_ns;

	w->all_ns += span;
	w->all++;
	if (answer->boot_ns >= inc->at_ns && w->asked->begin_ns <= end && span > w->best_ns) {
		w->best_ns = span;
		w->best_asked = w->asked;
		w->best_answer = answer;
	}
	w->asked = NULL;
}

static void pass(const struct story *s, const struct incident *inc, struct waiting *waits)
{
	uint64_t end = inc->until_ns ? inc->until_ns : s->last_ns;
	size_t host, i;

	for (host = 0; host < STORY_HOSTS; host++) {
		const struct messages *m = &s->messages[host];

		for (i = 0; i < m->count; i++) {
			const struct message *row = &m->rows[i];
			struct waiting *w = row->actor == CAST_NONE ? NULL : &waits[row->actor];

			if (!w || row->boot_ns >= s->shutdown_ns)
				continue;
			if (row->sent && !w->asked)
				w->asked = row;
			else if (!row->sent && w->asked)
				wait_ended(w, row, inc, end);
		}
	}
}

static uint32_t peer_of(const struct story *s, const struct message *m)
{
	return m->sock < s->socks.count ? s->socks.rows[m->sock].peer : CAST_NONE;
}

/* Whom the process had asked: the peer, or who listens there. */
static uint32_t asked_of(const struct story *s, const struct message *m)
{
	uint32_t peer = peer_of(s, m);
	const struct service *service = socks_service(&s->socks, m->sock, m->boot_ns);

	return peer != CAST_NONE ? peer : service ? service->actor : CAST_NONE;
}

static bool near_victim(const struct story *s, const struct incident *inc, uint32_t i)
{
	const struct actor *v = story_actor(s, inc->victim);

	return i == inc->victim || cast_spoke(v, v->ncontacts, i);
}

static bool is_client(const struct actor *a)
{
	return a->connected && !a->accepted;
}

/* Far longer than the others on average: all but the longest, which may be this one. */
static bool is_long(const struct waiting *w, uint64_t span)
{
	uint64_t others = w->all > 1 ? (w->all_ns - w->best_ns) / (w->all - 1) : 0;

	return span >= WAIT_MIN_NS && span > WAIT_TIMES * others;
}

/* Who waited longest and got an answer. */
static uint32_t longest(const struct story *s, const struct incident *inc, const struct waiting *waits)
{
	uint32_t i, best = CAST_NONE;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *a = &s->cast.actors[i];
		bool better =
			best == CAST_NONE || is_client(a) > is_client(story_actor(s, best)) ||
			(is_client(a) == is_client(story_actor(s, best)) && waits[i].best_ns > waits[best].best_ns);

		if (i != inc->victim && waits[i].best_asked && is_long(&waits[i], waits[i].best_ns) && better &&
		    peer_of(s, waits[i].best_answer) != CAST_NONE &&
		    near_victim(s, inc, asked_of(s, waits[i].best_asked)))
			best = i;
	}
	return best;
}

static void answered_line(struct story *s, const struct waiting *w, uint32_t who)
{
	uint32_t host = story_actor(s, who)->host, asked = asked_of(s, w->best_asked),
		 peer = peer_of(s, w->best_answer);
	struct story_line *l = line_add(s, w->best_answer->boot_ns, host, WEIGHT_WAIT);

	if (!l)
		return;
	l->inferred = true;
	line_cite(l, host, w->best_asked->id);
	line_cite(l, host, w->best_answer->id);
	if (asked == peer || asked == CAST_NONE)
		(void)snprintf(l->text, sizeof(l->text), "%s answered; %s had waited %.3f s for it",
			       place_text(s, peer), actor_text(s, who), (double)w->best_ns / 1e9);
	else
		(void)snprintf(l->text, sizeof(l->text), "%s answered %s, which had waited %.3f s since it asked %s",
			       place_text(s, peer), actor_text(s, who), (double)w->best_ns / 1e9, place_text(s, asked));
}

/* Who asked, got nothing, and closed its end or died. */
static uint64_t gave_up(const struct story *s, const struct waiting *w, uint32_t who, uint64_t *ret_id)
{
	const struct actor *a = story_actor(s, who);
	const struct sock_row *r = w->asked->sock < s->socks.count ? &s->socks.rows[w->asked->sock] : NULL;

	if (r && r->shut_ns > w->asked->begin_ns) {
		*ret_id = r->shut_id;
		return r->shut_ns;
	}
	*ret_id = a->died_id;
	return a->died_ns;
}

static uint32_t longest_in_vain(const struct story *s, const struct incident *inc, const struct waiting *waits)
{
	uint32_t i, best = CAST_NONE;
	uint64_t best_ns = 0, id;

	for (i = 0; i < s->cast.count; i++) {
		uint64_t end = waits[i].asked && i != inc->victim ? gave_up(s, &waits[i], i, &id) : 0, span;

		if (!end || end < inc->at_ns || end >= s->shutdown_ns || asked_of(s, waits[i].asked) != inc->victim)
			continue;
		span = end - waits[i].asked->begin_ns;
		if (!is_long(&waits[i], span) || span <= best_ns)
			continue;
		best = i;
		best_ns = span;
	}
	return best;
}

static void in_vain_line(struct story *s, const struct incident *inc, const struct waiting *w, uint32_t who)
{
	const struct actor *a = story_actor(s, who);
	uint64_t id, end = gave_up(s, w, who, &id);
	const struct timer *t = timer_before(s, who, end, TIMER_TO_CLOSE_NS);
	struct story_line *l = line_add(s, end, a->host, WEIGHT_WAIT);

	if (!l)
		return;
	line_cite(l, a->host, w->asked->id);
	line_cite(l, a->host, t ? t->id : 0);
	line_cite(l, a->host, id);
	(void)snprintf(l->text, sizeof(l->text), "%s had waited %.3f s for an answer of %s, %s%s", actor_text(s, who),
		       (double)(end - w->asked->begin_ns) / 1e9, actor_text(s, inc->victim), t ? "a timer fired, " : "",
		       id == a->died_id ? "it ended" : "it closed the connection");
}

/* With no incident at all: the client that, of many waits, had one that was out of the ordinary. */
int tell_slow(struct story *s)
{
	struct incident whole = { .at_ns = s->first_ns, .victim = CAST_NONE };
	struct waiting *waits = calloc(s->cast.count + 1, sizeof(*waits));
	uint32_t i, best = CAST_NONE;

	if (!waits)
		return -ENOMEM;
	pass(s, &whole, waits);
	for (i = 0; i < s->cast.count; i++) {
		const struct waiting *w = &waits[i];

		if (is_client(&s->cast.actors[i]) && w->all >= MANY_WAITS && is_long(w, w->best_ns) &&
		    peer_of(s, w->best_answer) != CAST_NONE && (best == CAST_NONE || w->best_ns > waits[best].best_ns))
			best = i;
	}
	if (best != CAST_NONE)
		answered_line(s, &waits[best], best);
	free(waits);
	return 0;
}

int tell_wait(struct story *s, const struct incident *inc)
{
	struct waiting *waits = calloc(s->cast.count + 1, sizeof(*waits));
	uint32_t who;

	if (!waits)
		return -ENOMEM;
	pass(s, inc, waits);
	who = longest_in_vain(s, inc, waits);
	if (who != CAST_NONE)
		in_vain_line(s, inc, &waits[who], who);
	who = longest(s, inc, waits);
	if (who != CAST_NONE)
		answered_line(s, &waits[who], who);
	free(waits);
	return 0;
}
