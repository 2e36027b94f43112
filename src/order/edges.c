/* SPDX-License-Identifier: Apache-2.0 */
/* edges - raw edges into arrays sorted by their end, and the questions about them. */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void order_edge_add(struct order *o, const struct order_raw *e, uint64_t begin_ns)
{
	struct order_raw *r;

	if (e->kind == ORDER_MESSAGE && !(e->flags & EDGE_AMBIGUOUS) && TIME(o)[e->from] > TIME(o)[e->to] &&
	    order_slot_host(o, e->from) == order_slot_host(o, e->to)) {
		order_late_add(o, e, begin_ns);
		return;
	}
	r = BIG_PUSH(&o->memory, e->flags & EDGE_AMBIGUOUS ? &o->raw_ambiguous : &o->raw, struct order_raw);
	if (!r)
		return;
	*r = *e;
	if (NHOSTS(o) > 1 && begin_ns && !(e->flags & EDGE_AMBIGUOUS))
		order_offset_point(o, order_slot_host(o, e->from), order_slot_host(o, e->to), begin_ns, TIME(o)[e->to]);
}

void order_unmatched_add(struct order *o, uint32_t slot, uint32_t bytes, enum order_reason reason)
{
	struct order_unmatched *u = BIG_PUSH(&o->memory, &o->unmatched, struct order_unmatched);

	if (u)
		*u = (struct order_unmatched) { slot, bytes, (uint8_t)reason, { 0 } };
	o->stats.unmatched[reason]++;
}

/* Counts per slot become first places: after it first[s] is where the edges of s begin. */
static void sum_counts(uint32_t *first, uint32_t slots)
{
	uint32_t sum = 0, count, i;

	for (i = 0; i <= slots; i++) {
		count = first[i];
		first[i] = sum;
		sum += count;
	}
}

/* Filling moved each place to the next slot's: back. */
static void shift_back(uint32_t *first, uint32_t slots)
{
	memmove(first + 1, first, slots * sizeof(*first));
	first[0] = 0;
}

static bool room_for_edges(struct order *o, size_t count)
{
	struct order_edges *x = &o->exact;
	size_t firsts = ((size_t)o->count + 1) * sizeof(uint32_t);

	x->count = (uint32_t)count;
	return big_zeroed(&o->memory, &x->from, count * sizeof(uint32_t)) &&
	       big_zeroed(&o->memory, &x->offset, count * sizeof(uint64_t)) &&
	       big_zeroed(&o->memory, &x->bytes, count * sizeof(uint32_t)) && big_zeroed(&o->memory, &x->kind, count) &&
	       big_zeroed(&o->memory, &o->in_first, firsts);
}

static void sort_in(struct order *o)
{
	const struct order_raw *r = BIG_AT(&o->raw, struct order_raw);
	uint32_t *first = IN_FIRST(o), *from = FROM(o), *bytes = BIG_AT(&o->exact.bytes, uint32_t), i, at;
	uint64_t *offset = BIG_AT(&o->exact.offset, uint64_t);
	uint8_t *kind = BIG_AT(&o->exact.kind, uint8_t);

	for (i = 0; i < o->exact.count; i++)
		first[r[i].to]++;
	sum_counts(first, o->count);
	for (i = 0; i < o->exact.count; i++) {
		at = first[r[i].to]++;
		from[at] = r[i].from;
		bytes[at] = r[i].bytes;
		offset[at] = r[i].offset;
		kind[at] = (uint8_t)(r[i].kind | r[i].flags << 4);
	}
	shift_back(first, o->count);
}

static bool sort_out(struct order *o)
{
	uint32_t *first, *out, *from = FROM(o), i;

	if (!big_zeroed(&o->memory, &o->out_first, ((size_t)o->count + 1) * sizeof(uint32_t)) ||
	    !big_sized(&o->memory, &o->out, (size_t)o->exact.count * sizeof(uint32_t)))
		return false;
	first = OUT_FIRST(o);
	out = BIG_AT(&o->out, uint32_t);
	for (i = 0; i < o->exact.count; i++)
		first[from[i]]++;
	sum_counts(first, o->count);
	for (i = 0; i < o->exact.count; i++)
		out[first[from[i]]++] = i;
	shift_back(first, o->count);
	return true;
}

static int to_compare(const void *pa, const void *pb)
{
	const struct order_raw *a = pa, *b = pb;

	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	return (a->from > b->from) - (a->from < b->from);
}

static int from_compare(const void *pa, const void *pb, void *arg)
{
	const struct order_raw *r = arg, *a = &r[*(const uint32_t *)pa], *b = &r[*(const uint32_t *)pb];

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a > b) - (a < b);
}

static bool sort_ambiguous(struct order *o)
{
	size_t n = BIG_COUNT(&o->raw_ambiguous, struct order_raw), i;
	struct order_raw *r = BIG_AT(&o->raw_ambiguous, struct order_raw);

	if (!big_sized(&o->memory, &o->ambiguous_out, n * sizeof(uint32_t)))
		return false;
	if (!n)
		return true;
	qsort(r, n, sizeof(*r), to_compare);
	for (i = 0; i < n; i++)
		BIG_AT(&o->ambiguous_out, uint32_t)[i] = (uint32_t)i;
	qsort_r(o->ambiguous_out.data, n, sizeof(uint32_t), from_compare, r);
	return true;
}

int order_edges_sort(struct order *o)
{
	size_t count = BIG_COUNT(&o->raw, struct order_raw);

	if (count >= NONE)
		return -(o->memory.failed = EOVERFLOW);
	if (!room_for_edges(o, count))
		return -o->memory.failed;
	sort_in(o);
	big_fini(&o->memory, &o->raw);
	return sort_out(o) && sort_ambiguous(o) ? 0 : -o->memory.failed;
}

static void raw_of(const struct order *o, uint32_t place, uint32_t to, struct order_raw *ret)
{
	uint8_t kind = BIG_AT(&o->exact.kind, uint8_t)[place];

	*ret = (struct order_raw) { BIG_AT(&o->exact.offset, uint64_t)[place],
				    FROM(o)[place],
				    to,
				    BIG_AT(&o->exact.bytes, uint32_t)[place],
				    kind & 15,
				    kind >> 4,
				    { 0 } };
}

/* Makes the edge at that place ambiguous: it closes a cycle.  All others are sorted again. */
void order_edge_drop(struct order *o, uint32_t place)
{
	uint32_t slot, i;

	for (slot = 0; slot < o->count; slot++) {
		for (i = IN_FIRST(o)[slot]; i < IN_FIRST(o)[slot + 1]; i++) {
			struct order_raw *r;

			r = BIG_PUSH(&o->memory, i == place ? &o->raw_ambiguous : &o->raw, struct order_raw);
			if (!r)
				return;
			raw_of(o, i, slot, r);
			r->flags |= i == place ? EDGE_AMBIGUOUS : 0;
		}
	}
	(void)order_edges_sort(o);
}

/* Reading */
static bool tell(const struct order *o, const struct order_raw *r, order_edge_fn *cb, void *arg)
{
	struct order_edge e = { .from = order_slot_ref(o, r->from),
				.to = order_slot_ref(o, r->to),
				.kind = r->kind,
				.ambiguous = r->flags & EDGE_AMBIGUOUS,
				.after_loss = r->flags & EDGE_AFTER_LOSS,
				.early = r->flags & EDGE_EARLY,
				.offset = r->offset,
				.bytes = r->bytes };

	return r->flags & EDGE_HIDDEN || cb(arg, &e);
}

static bool tell_program(const struct order *o, uint32_t from, uint32_t to, order_edge_fn *cb, void *arg)
{
	struct order_raw r = { 0, from, to, 0, ORDER_PROGRAM, 0, { 0 } };

	return tell(o, &r, cb, arg);
}

/* The first ambiguous edge into slot, or (out) place in ambiguous_out of the first out of it. */
static uint32_t find_ambiguous(const struct order *o, uint32_t slot, bool out)
{
	const struct order_raw *r = BIG_AT(&o->raw_ambiguous, struct order_raw);
	const uint32_t *index = BIG_AT(&o->ambiguous_out, uint32_t);
	uint32_t low = 0, high = (uint32_t)BIG_COUNT(&o->raw_ambiguous, struct order_raw), middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if ((out ? r[index[middle]].from : r[middle].to) < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool causes_of(const struct order *o, uint32_t slot, bool with_program, order_edge_fn *cb, void *arg)
{
	const struct order_raw *r = BIG_AT(&o->raw_ambiguous, struct order_raw);
	uint32_t before = order_before(o, slot), i, n = (uint32_t)BIG_COUNT(&o->raw_ambiguous, struct order_raw);
	struct order_raw e;

	if (with_program && before != NONE && !tell_program(o, before, slot, cb, arg))
		return false;
	for (i = IN_FIRST(o)[slot]; i < IN_FIRST(o)[slot + 1]; i++) {
		raw_of(o, i, slot, &e);
		if (!tell(o, &e, cb, arg))
			return false;
	}
	for (i = n ? find_ambiguous(o, slot, false) : 0; i < n && r[i].to == slot; i++) {
		if (!tell(o, &r[i], cb, arg))
			return false;
	}
	return true;
}

int order_causes(const struct order *o, struct order_ref a, order_edge_fn *cb, void *arg)
{
	uint32_t slot = order_slot(o, a);

	if (slot == NONE)
		return -ENOENT;
	(void)causes_of(o, slot, true, cb, arg);
	return 0;
}

/* The slot into which the edge at that place leads. */
static uint32_t to_of(const struct order *o, uint32_t place)
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

int order_effects(const struct order *o, struct order_ref a, order_edge_fn *cb, void *arg)
{
	const struct order_raw *r = BIG_AT(&o->raw_ambiguous, struct order_raw);
	const uint32_t *index = BIG_AT(&o->ambiguous_out, uint32_t), *out = BIG_AT(&o->out, uint32_t);
	uint32_t slot = order_slot(o, a), i, n = (uint32_t)BIG_COUNT(&o->raw_ambiguous, struct order_raw);
	struct order_raw e;

	if (slot == NONE)
		return -ENOENT;
	if (slot + 1 < o->count && order_before(o, slot + 1) == slot && !tell_program(o, slot, slot + 1, cb, arg))
		return 0;
	for (i = OUT_FIRST(o)[slot]; i < OUT_FIRST(o)[slot + 1]; i++) {
		raw_of(o, out[i], to_of(o, out[i]), &e);
		if (!tell(o, &e, cb, arg))
			return 0;
	}
	for (i = n ? find_ambiguous(o, slot, true) : 0; i < n && r[index[i]].from == slot; i++) {
		if (!tell(o, &r[index[i]], cb, arg))
			return 0;
	}
	return 0;
}

int order_edges(const struct order *o, bool with_program, order_edge_fn *cb, void *arg)
{
	const uint32_t *slot_of = SLOT_OF(o);
	uint32_t i;

	for (i = 0; i < o->count; i++) {
		if (!causes_of(o, slot_of[i], with_program, cb, arg))
			break;
	}
	return 0;
}
