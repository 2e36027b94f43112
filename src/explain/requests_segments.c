/* SPDX-License-Identifier: Apache-2.0 */
/* The stretches in which each unit worked for a request, and the log lines and notes that were written in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain/requests_flow.h"

/* For whom a unit works, as this second walk goes. */
struct working {
	uint64_t last_ns;
	uint32_t owner, after; /* after: whom it has just answered */
	uint32_t thread, switches;
	uint32_t segment; /* its latest, NONE */
	uint32_t note;	  /* the latest whose owner is not decided, NONE */
};

static uint32_t owner_of(const struct flow *f, uint32_t node)
{
	const struct node *n = node == NONE ? NULL : &f->nodes[node];

	if (!n)
		return NONE;
	if (flow_is_server(f, node))
		return node;
	if (node < f->nspans)
		return f->r->more.rows[node].owner;
	return n->backward != NONE ? n->backward : n->forward;
}

static void segment(struct requests *r, struct working *w, uint32_t owner, const struct act *a, uint64_t to_ns)
{
	bool same = w->thread == a->thread && w->switches == a->switches;
	uint32_t thread = same ? a->thread : NONE;
	struct segment *s = w->segment != NONE ? &r->segments.rows[w->segment] : NULL;

	if (owner == NONE || w->last_ns >= to_ns)
		return;
	if (s && s->span == owner && s->thread == thread && s->to_ns == w->last_ns) {
		s->to_ns = to_ns;
		return;
	}
	s = PUSH(r, r->segments);
	if (!s)
		return;
	*s = (struct segment) {
		.span = owner, .thread = thread, .unit = a->unit, .from_ns = w->last_ns, .to_ns = to_ns
	};
	w->segment = (uint32_t)(r->segments.count - 1);
}

/* Whom the act is for, by what it begins or answers. */
static uint32_t act_owner(const struct flow *f, uint32_t i)
{
	uint32_t s, found = NONE;

	for (s = f->begins[i]; s != NONE; s = f->next_begin[s])
		found = s;
	for (s = f->answers[i]; s != NONE && found == NONE; s = f->next_answer[s])
		found = s;
	if (found == NONE)
		found = f->node_of[i];
	return owner_of(f, found);
}

static bool ends_it(const struct flow *f, uint32_t i, uint32_t owner)
{
	return owner != NONE && f->r->more.rows[owner].response[1] == i;
}

static bool is_sending(const struct act *a)
{
	return a->kind == ACT_SEND || a->kind == ACT_WRITE || a->kind == ACT_WAKE || a->kind == ACT_READY ||
	       a->kind == ACT_FORK || a->kind == ACT_CONNECT;
}

static void log_line(struct requests *r, const struct working *w, uint32_t i)
{
	uint32_t owner = w->owner != NONE ? w->owner : w->after;
	struct log_row *l = owner == NONE ? NULL : PUSH(r, r->logs);

	if (l)
		*l = (struct log_row) { i, owner };
}

/* What was said since the unit's last act: for whom it worked is known by the next one. */
static void decide_notes(struct requests *r, struct working *w, uint32_t owner)
{
	for (; w->note != NONE; w->note = r->notes.rows[w->note].next)
		r->notes.rows[w->note].owner = owner;
}

/* A hand-over that was taken: from now on the other one works. */
static void hand(const struct flow *f, struct working *w, uint32_t i)
{
	const struct act *a = &f->r->acts.rows[i];
	struct working *v = &w[a->other];
	uint32_t owner = owner_of(f, f->node_of[i]);

	if (owner == NONE || v->owner != NONE || f->nodes[f->node_of[i]].unit == NONE)
		return;
	decide_notes(f->r, v, NONE);
	v->owner = owner;
	v->after = NONE;
	v->last_ns = a->boot_ns;
	v->thread = f->r->units.rows[a->other].goid ? NONE : a->other;
	v->switches = f->r->units.rows[a->other].switches;
}

static void step(struct flow *f, struct working *all, uint32_t i)
{
	const struct act *a = &f->r->acts.rows[i];
	struct working *w = &all[a->unit];
	uint32_t owner = a->kind == ACT_LOG ? NONE : act_owner(f, i);

	if (a->kind == ACT_NOTE) {
		f->r->notes.rows[a->data - 1].next = w->note;
		w->note = a->data - 1;
		return;
	}
	if (is_sending(a) && owner != NONE && owner != w->owner) {
		uint64_t begin = f->r->more.rows[owner].raw_begin_ns;

		decide_notes(f->r, w, owner);
		w->last_ns = w->last_ns > begin ? w->last_ns : begin;
		segment(f->r, w, owner, a, a->boot_ns);
	} else {
		if (a->kind != ACT_LOG)
			decide_notes(f->r, w, w->owner);
		segment(f->r, w, w->owner, a, a->boot_ns);
	}
	if (a->kind == ACT_LOG)
		log_line(f->r, w, i);
	if (a->kind == ACT_WAKE)
		f->r->acts.rows[i].span = w->owner;
	if (owner != NONE) {
		bool over = ends_it(f, i, owner);

		w->owner = over ? NONE : owner;
		w->after = over ? owner : NONE;
	}
	w->last_ns = a->boot_ns;
	w->thread = a->thread;
	w->switches = a->switches;
	if (a->kind == ACT_WAKE || a->kind == ACT_READY || a->kind == ACT_FORK)
		hand(f, all, i);
}

static int by_span(const void *pa, const void *pb)
{
	const struct segment *a = pa, *b = pb;

	if (a->span != b->span)
		return a->span < b->span ? -1 : 1;
	return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

int flow_segments(struct flow *f)
{
	struct working *w = calloc(f->r->units.count + 1, sizeof(*w));
	uint32_t i;

	if (!w)
		return -ENOMEM;
	for (i = 0; i < f->r->units.count; i++)
		w[i] = (struct working) { .owner = NONE, .after = NONE, .thread = NONE, .segment = NONE, .note = NONE };
	for (i = 0; i < f->r->acts.count; i++)
		step(f, w, i);
	for (i = 0; i < f->r->units.count; i++)
		decide_notes(f->r, &w[i], w[i].owner);
	free(w);
	if (f->r->segments.count)
		qsort(f->r->segments.rows, f->r->segments.count, sizeof(struct segment), by_span);
	return f->r->failed ? -ENOMEM : 0;
}
