/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach - does a happen before b?  Exactly, and without following all of b's past.
 *
 * From b backwards; per thread only the latest event that is known to be in b's past matters, for all before it
 * are too.  A checkpoint at or before that event knows whether a is in its past: if so, done; if not, nothing
 * behind the checkpoint can lead to a, and only the edges since have to be followed.  Nothing with a clock not
 * above a's need be followed either: of two events that are close together this leaves little.
 *
 * A checkpoint that does not know a says the same of all that it knows itself.  So the first few that lie
 * right before what is followed are read whole: what they know of other threads need not be followed there.
 *
 * An a whose thread has no column in the index is replaced by the first events in threads with one that it leads to.
 */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>

struct target {
	uint32_t column;
	int32_t pos; /* + 1 */
};

struct slots {
	uint32_t *slots;
	size_t count, cap;
};

#define LEARN_MAX 8   /* checkpoints that are read whole */
#define LEARN_NEAR 16 /* those among them that have at most that part of the spacing behind them */

/* What is known of a thread. */
struct mark {
	uint32_t entry;	  /* from this slot on, a leads there */
	uint32_t want;	  /* latest slot in b's past + 1 */
	uint32_t scanned; /* edges below this place were followed */
	uint32_t known;	  /* slots below do not come after a */
	bool queued;
};

struct reach {
	const struct order *o;
	const struct order_thread *threads;
	uint32_t floor;	    /* clock of a: nothing at or below need be followed */
	struct mark *marks; /* by thread */
	uint32_t *queue;    /* threads with want beyond scanned, a ring */
	uint32_t head, waiting, nthreads;
	uint32_t learned; /* checkpoints that were read whole */
	struct target *targets;
	size_t ntargets, cap;
	struct slots loose; /* events outside program order, to be followed */
	struct map loose_seen;
	bool found, failed;
};

static void slots_push(struct reach *r, struct slots *f, uint32_t slot)
{
	if (f->count == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		uint32_t *more = realloc(f->slots, cap * sizeof(*more));

		r->failed = r->failed || !more;
		if (!more)
			return;
		f->slots = more;
		f->cap = cap;
	}
	f->slots[f->count++] = slot;
}

/* An event outside program order, the first time that it is met. */
static void loose_push(struct reach *r, struct slots *f, struct map *seen, uint32_t slot)
{
	if (map_get(seen, slot))
		return;
	r->failed = r->failed || map_set(seen, slot, 1) < 0;
	slots_push(r, f, slot);
}

/* slot is in b's past. */
static void meet(struct reach *r, uint32_t slot)
{
	uint32_t thread = order_thread_of(r->o, slot);
	struct mark *m = &r->marks[thread];

	if (r->threads[thread].flags & THREAD_LOOSE) {
		if (CLOCK(r->o)[slot] > r->floor)
			loose_push(r, &r->loose, &r->loose_seen, slot);
		return;
	}
	if (slot >= m->entry) {
		r->found = true;
		return;
	}
	if (slot < m->want || slot < m->known)
		return;
	m->want = slot + 1;
	if (m->queued || CLOCK(r->o)[slot] <= r->floor)
		return;
	m->queued = true;
	r->queue[(r->head + r->waiting++) % r->nthreads] = thread;
}

static void follow_loose(struct reach *r)
{
	const struct order *o = r->o;
	uint32_t slot = r->loose.slots[--r->loose.count], i;

	for (i = IN_FIRST(o)[slot]; i < IN_FIRST(o)[slot + 1] && !r->found; i++)
		meet(r, FROM(o)[i]);
}

static const int32_t *checkpoint_row(const struct reach *r, const struct order_thread *t, uint32_t k)
{
	return BIG_AT(&r->o->rows, int32_t) + (size_t)(t->cp_first + k - 1) * r->o->columns;
}

/* Is a in the past of the checkpoint? */
static bool row_knows(const struct reach *r, const int32_t *row)
{
	size_t i;

	for (i = 0; i < r->ntargets; i++) {
		if (row[r->targets[i].column] >= r->targets[i].pos)
			return true;
	}
	return false;
}

/* The checkpoint does not know a: nor does anything that it knows. */
static void learn(struct reach *r, const int32_t *row)
{
	uint32_t i;

	r->learned++;
	for (i = 0; i < r->nthreads; i++) {
		const struct order_thread *t = &r->threads[i];
		uint32_t known = t->column == NONE ? 0 : t->base + (uint32_t)row[t->column];

		if (known > r->marks[i].known)
			r->marks[i].known = known;
	}
}

/* Follows the edges from place low on into the slots before end, latest first; none into a slot with a clock too low. */
static void follow_edges(struct reach *r, uint32_t low, uint32_t end)
{
	const uint32_t *first = IN_FIRST(r->o), *clock = CLOCK(r->o), *from = FROM(r->o);
	uint32_t slot, i;

	for (slot = end; slot-- > 0 && first[slot + 1] > low && clock[slot] > r->floor;) {
		uint32_t last = first[slot] > low ? first[slot] : low;

		for (i = first[slot + 1]; i-- > last && !r->found;)
			meet(r, from[i]);
	}
}

/* Follows the edges into the thread up to want, down to the checkpoint or what was followed before. */
static void follow(struct reach *r, uint32_t thread)
{
	const struct order *o = r->o;
	const struct order_thread *t = &r->threads[thread];
	struct mark *m = &r->marks[thread];
	uint32_t first = IN_FIRST(o)[t->base], end = IN_FIRST(o)[m->want], low = first, known;
	uint32_t k = o->rows.len ? (end - first) / o->spacing : 0;

	if (k) {
		const int32_t *row = checkpoint_row(r, t, k);

		low = first + k * o->spacing;
		r->found = row_knows(r, row);
		if (r->found)
			return;
		if (r->learned < LEARN_MAX && (end - low) * LEARN_NEAR <= o->spacing)
			learn(r, row);
	}
	known = m->known > t->base ? IN_FIRST(o)[m->known] : 0;
	low = low > known ? low : known;
	low = low > m->scanned ? low : m->scanned;
	m->scanned = end > m->scanned ? end : m->scanned;
	follow_edges(r, low, m->want);
}

static void search(struct reach *r, uint32_t b)
{
	uint32_t thread;

	meet(r, b);
	while ((r->waiting || r->loose.count) && !r->found && !r->failed) {
		if (r->loose.count) {
			follow_loose(r);
			continue;
		}
		thread = r->queue[r->head];
		r->head = (r->head + 1) % r->nthreads;
		r->waiting--;
		r->marks[thread].queued = false;
		follow(r, thread);
	}
}

/* a leads to slot and all after it in its thread; returns whether its effects are to be followed too. */
static bool enter(struct reach *r, uint32_t slot, uint32_t ceiling)
{
	uint32_t thread = order_thread_of(r->o, slot);
	const struct order_thread *t = &r->threads[thread];

	if (r->marks[thread].entry <= slot || CLOCK(r->o)[slot] > ceiling)
		return false;
	r->marks[thread].entry = slot;
	if (t->column == NONE)
		return true;
	if (r->ntargets == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 8;
		struct target *more = realloc(r->targets, cap * sizeof(*more));

		r->failed = !more;
		if (!more)
			return false;
		r->targets = more;
		r->cap = cap;
	}
	r->targets[r->ntargets++] = (struct target) { t->column, (int32_t)(slot - t->base + 1) };
	return false;
}

static uint32_t edge_to(const struct order *o, uint32_t place)
{
	const uint32_t *first = IN_FIRST(o);
	uint32_t low = 0, high = o->count, middle;

	while (low + 1 < high) {
		middle = low + (high - low) / 2;
		if (first[middle] <= place)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The effects of slot and, in program order, of what comes after it in its thread. */
static void spread(struct reach *r, struct slots *f, struct map *seen, uint32_t slot, uint32_t ceiling)
{
	const struct order *o = r->o;
	const struct order_thread *t = &r->threads[order_thread_of(o, slot)];
	uint32_t last = t->flags & THREAD_LOOSE ? slot + 1 : t->base + t->count, i, to;

	for (i = OUT_FIRST(o)[slot]; i < OUT_FIRST(o)[last]; i++) {
		to = edge_to(o, BIG_AT(&o->out, uint32_t)[i]);
		if (CLOCK(o)[to] > ceiling)
			continue;
		if (r->threads[order_thread_of(o, to)].flags & THREAD_LOOSE)
			loose_push(r, f, seen, to);
		else if (enter(r, to, ceiling))
			slots_push(r, f, to);
	}
}

static void expand(struct reach *r, uint32_t a, uint32_t b)
{
	uint32_t ceiling = CLOCK(r->o)[b];
	struct map seen = MAP_INIT;
	struct slots f = { 0 };

	if (r->threads[order_thread_of(r->o, a)].flags & THREAD_LOOSE || enter(r, a, ceiling))
		slots_push(r, &f, a);
	while (f.count && !r->failed) {
		uint32_t slot = f.slots[--f.count];

		/* b may be an event outside program order, which no entry stands for */
		r->found = r->found || (slot == b && slot != a);
		spread(r, &f, &seen, slot, ceiling);
	}
	free(f.slots);
	map_fini(&seen);
}

static int ask(struct reach *r, uint32_t a, uint32_t b)
{
	const struct order *o = r->o;
	size_t n = NTHREADS(o), i;

	r->marks = malloc(n * (sizeof(*r->marks) + sizeof(*r->queue)));
	if (!r->marks)
		return -ENOMEM;
	r->queue = (uint32_t *)(r->marks + n);
	r->nthreads = (uint32_t)n;
	for (i = 0; i < n; i++)
		r->marks[i] = (struct mark) { .entry = NONE };
	expand(r, a, b);
	if (!r->found && !r->failed)
		search(r, b);
	free(r->marks);
	free(r->targets);
	free(r->loose.slots);
	map_fini(&r->loose_seen);
	return r->failed ? -ENOMEM : r->found;
}

int order_happens_before(const struct order *o, struct order_ref a, struct order_ref b)
{
	struct reach r = { .o = o, .threads = THREADS(o) };
	uint32_t from = order_slot(o, a), to = order_slot(o, b), thread;

	if (from == NONE || to == NONE)
		return -ENOENT;
	if (CLOCK(o)[from] >= CLOCK(o)[to])
		return 0;
	thread = order_thread_of(o, from);
	if (thread == order_thread_of(o, to) && !(r.threads[thread].flags & THREAD_LOOSE))
		return from < to;
	r.floor = CLOCK(o)[from];
	return ask(&r, from, to);
}
