/* SPDX-License-Identifier: Apache-2.0 */
/* Bursts of refused connections, resets and retransmissions, and log lines at level error: one line a kind and process. */
#include <stdio.h>

#include "event/event.h"
#include "explain/facts.h"

#define BURST_GAP_NS (2 * NS_PER_S)
#define BURST 3 /* fewer are not told */
#define NEAR_NS NS_PER_S
#define WEIGHT_FAR 10
#define WEIGHT_REFUSED 300
#define WEIGHT_RESET 200
#define WEIGHT_RETRANSMIT 250
#define WEIGHT_LOG 350

struct burst {
	const struct fact *first, *last;
	size_t count;
};

/* The facts of one kind of one actor around `like`, none further than BURST_GAP_NS from the next. */
static struct burst burst_of(const struct facts *facts, const struct fact *like)
{
	struct burst b = { 0 };
	size_t i;

	for (i = 0; i < facts->count; i++) {
		const struct fact *f = &facts->rows[i];

		if (f->type != like->type || f->actor != like->actor || f->number != like->number)
			continue;
		if (b.first && f->boot_ns > b.last->boot_ns + BURST_GAP_NS) {
			if (f > like)
				break;
			b.first = NULL;
			b.count = 0;
		}
		b.first = b.first ? b.first : f;
		b.last = f;
		b.count++;
	}
	return b;
}

static void tell_burst(struct story *s, const struct burst *b)
{
	const char *who = actor_text(s, b->first->actor);
	double span = (double)(b->last->boot_ns - b->first->boot_ns) / 1e9;
	struct story_line *l;
	uint32_t weight = b->first->type == EVENT_CONNECTED ? WEIGHT_REFUSED
			  : b->first->type == EVENT_RESET   ? WEIGHT_RESET
							    : WEIGHT_RETRANSMIT;

	/* before a cause, or long after it, it is likely another matter */
	if (s->victim != CAST_NONE &&
	    (b->first->boot_ns + NEAR_NS < s->cause_ns || b->first->boot_ns > s->cause_ns + 4 * NEAR_NS))
		weight = WEIGHT_FAR;
	l = line_add(s, b->first->boot_ns, b->first->host, weight + (b->count > 50 ? 50 : (uint32_t)b->count));
	if (!l)
		return;
	line_cite(l, b->first->host, b->first->id);
	line_cite(l, b->last->host, b->last->id);
	if (b->first->type == EVENT_CONNECTED)
		(void)snprintf(
			l->text, sizeof(l->text), "%zu connects of %s failed with %s within %.3f s", b->count, who,
			event_errno_name((int)b->first->number) ? event_errno_name((int)b->first->number) : "an error",
			span);
	else if (b->first->type == EVENT_RESET)
		(void)snprintf(l->text, sizeof(l->text), "%zu connections of %s were reset (%s) within %.3f s",
			       b->count, who, b->first->number == DIRECTION_SENT ? "by itself" : "by the other end",
			       span);
	else
		(void)snprintf(l->text, sizeof(l->text), "%s sent %zu segments again within %.3f s", who, b->count,
			       span);
}

void tell_troubles(struct story *s)
{
	size_t i;

	for (i = 0; i < s->troubles.count; i++) {
		const struct fact *f = &s->troubles.rows[i];
		struct burst b = burst_of(&s->troubles, f);

		/* told once, at its first fact */
		if (b.first == f && b.count >= BURST && f->actor != CAST_NONE)
			tell_burst(s, &b);
		if (i > 2000)
			break;
	}
	if (s->logs.count) {
		const struct fact *f = &s->logs.rows[0];
		struct story_line *l = line_add(s, f->boot_ns, f->host, WEIGHT_LOG);

		if (!l)
			return;
		line_cite(l, f->host, f->id);
		(void)snprintf(l->text, sizeof(l->text), "%zu log lines at level error, the first by %s", s->logs.count,
			       actor_text(s, f->actor));
	}
}
