/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_evidence - what an agent was told, and what it did for which reason.
 *
 * An event of an agent names the events that it rests on by {id of the recording, CPU, number on that CPU}; the id stands in the
 * recording's first mark "agent".  A report and what was told of it share session and sequence, which are authenticated and never
 * repeated (docs/formats/peer.md).  So both kinds of edges are certain, and need no clock; a number that stands twice (two
 * copies of one recording) gives ambiguous ones.
 *
 * Only events of recordings with an id can be evidence: others pay nothing for it.
 */
#include "order/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

enum evidence_what { EVIDENCE_EVENT, EVIDENCE_REPORT };

/* What one row offers, another wants. */
struct evidence {
	uint64_t a, b; /* id of the recording and number; session and sequence */
	uint32_t node;
	uint16_t cpu;
	uint8_t what, wants;
};

static void push(struct order *o, struct evidence e)
{
	struct evidence *row = BIG_PUSH(&o->memory, &o->evidence, struct evidence);

	if (row)
		*row = e;
}

/* Types that say something about a backend; of the agent's own (all above the kernel's) each. */
static bool can_be_evidence(uint16_t type)
{
	switch (type) {
	case EVENT_EXIT:
	case EVENT_OOM_KILL:
	case EVENT_LISTEN:
	case EVENT_CLOSE:
	case EVENT_RETRANSMIT:
	case EVENT_RESET:
	case EVENT_SOCKERR:
		return true;
	default:
		return type >= EVENT_AGENT_MIN && type < EVENT_DYNAMIC_MIN;
	}
}

static uint64_t number_of(const struct event *ev, const char *name, int nth)
{
	char text[16];
	struct event_value v;
	int i;

	(void)snprintf(text, sizeof(text), "%s%d", name, nth);
	i = event_field_find(ev->type, text);
	if (i < 0)
		return 0;
	event_field_get(ev, &ev->type->fields[i], &v);
	return v.u64;
}

static void add_wants(struct order *o, const struct event *ev, uint32_t n)
{
	int i;

	for (i = 1; i <= EVIDENCE_MAX; i++) {
		struct evidence e = { .a = number_of(ev, "host", i),
				      .b = number_of(ev, "seq", i),
				      .node = n,
				      .cpu = (uint16_t)number_of(ev, "cpu", i),
				      .what = EVIDENCE_EVENT,
				      .wants = 1 };

		if (e.a && number_of(ev, "ns", i))
			push(o, e);
	}
}

/* report and told */
static void add_report(struct order *o, const struct event *ev, uint32_t n)
{
	const struct event_report *r = EVENT_AS(report, ev);
	struct evidence e = { .a = r->session, .b = r->sequence, .node = n, .what = EVIDENCE_REPORT };

	e.wants = ev->h->type == EVENT_TOLD;
	if (e.b)
		push(o, e);
}

void order_evidence_add(struct order *o, const struct event *ev, uint32_t n)
{
	struct order_host *h = &HOSTS(o)[ev->host];
	uint16_t type = ev->h->type;

	if (type == EVENT_MARK && !h->agent && !strcmp(event_string(ev, 0), "agent"))
		h->agent = EVENT_AS(mark, ev)->value;
	if (h->agent && can_be_evidence(type))
		push(o, (struct evidence) { .a = h->agent, .b = ev->h->seq, .node = n, .cpu = ev->h->cpu });
	if (type < EVENT_AGENT_MIN || type >= EVENT_DYNAMIC_MIN)
		return;
	if (type == EVENT_REPORT || type == EVENT_TOLD)
		add_report(o, ev, n);
	if (type != EVENT_TOLD) /* its evidence is that of the report, in the other host's recording */
		add_wants(o, ev, n);
}

static int key_compare(const struct evidence *a, const struct evidence *b)
{
	if (a->what != b->what)
		return a->what < b->what ? -1 : 1;
	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	if (a->b != b->b)
		return a->b < b->b ? -1 : 1;
	return (a->cpu > b->cpu) - (a->cpu < b->cpu);
}

/* Of one key, those that offer come first. */
static int evidence_compare(const void *pa, const void *pb)
{
	const struct evidence *a = pa, *b = pb;
	int r = key_compare(a, b);

	if (!r)
		r = a->wants - b->wants;
	return r ? r : (a->node > b->node) - (a->node < b->node);
}

static void match_key(struct order *o, const struct evidence *e, size_t offered, size_t count)
{
	size_t i, k;

	for (i = offered; i < count; i++)
		for (k = 0; k < offered && k < ORDER_CANDIDATES_MAX; k++) {
			struct order_raw r = { .from = SLOT_OF(o)[e[k].node], .to = SLOT_OF(o)[e[i].node] };

			r.kind = e[i].what == EVIDENCE_REPORT ? ORDER_REPORT : ORDER_EVIDENCE;
			r.flags = offered > 1 ? EDGE_AMBIGUOUS : 0;
			if (r.from != r.to)
				order_edge_add(o, &r, r.kind == ORDER_REPORT ? TIME(o)[r.from] : 0);
		}
}

void order_match_evidence(struct order *o)
{
	struct evidence *all = BIG_AT(&o->evidence, struct evidence);
	size_t n = BIG_COUNT(&o->evidence, struct evidence), i, k, offered;

	if (!n || o->memory.failed)
		return;
	qsort(all, n, sizeof(*all), evidence_compare);
	for (i = 0; i < n; i = k) {
		offered = 0;
		for (k = i; k < n && !key_compare(&all[i], &all[k]); k++)
			offered += !all[k].wants;
		match_key(o, &all[i], offered, k - i);
	}
}
