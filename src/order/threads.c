/* SPDX-License-Identifier: Apache-2.0 */
/* threads - who did what: the threads, and the slots that their events get. */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOSE_TID UINT32_MAX

uint32_t order_thread_find(const struct order *o, uint32_t host, uint32_t tid, uint64_t start_ns)
{
	return table_get(&o->thread_table, host, tid, start_ns);
}

uint32_t order_thread_last(const struct order *o, uint32_t host, uint32_t tid)
{
	const uint64_t *last = map_get(&o->tid_map, (uint64_t)host << 32 | tid);

	return last ? (uint32_t)*last : NONE;
}

struct order_thread *order_thread_get(struct order *o, uint32_t host, uint32_t tid, uint64_t start_ns)
{
	uint32_t i = table_get(&o->thread_table, host, tid, start_ns);
	struct order_thread *t;

	if (i != NONE)
		return &THREADS(o)[i];
	i = NTHREADS(o);
	t = i < MESSAGE_THREAD ? BIG_PUSH(&o->memory, &o->threads, struct order_thread) : NULL;
	if (!t) {
		o->memory.failed = o->memory.failed ? o->memory.failed : EOVERFLOW;
		return NULL;
	}
	*t = (struct order_thread) { .host = host, .tid = tid, .start_ns = start_ns, .exit = NONE, .column = NONE };
	t->same_tid = order_thread_last(o, host, tid);
	if (table_set(&o->thread_table, host, tid, start_ns, i) < 0 ||
	    map_set(&o->tid_map, (uint64_t)host << 32 | tid, i) < 0) {
		o->memory.failed = ENOMEM;
		return NULL;
	}
	return t;
}

uint32_t order_loose(struct order *o, uint32_t host)
{
	struct order_thread *t;

	if (HOSTS(o)[host].loose != NONE)
		return HOSTS(o)[host].loose;
	t = order_thread_get(o, host, LOOSE_TID, UINT64_MAX);
	if (!t)
		return NONE;
	t->flags |= THREAD_LOOSE;
	return HOSTS(o)[host].loose = (uint32_t)(t - THREADS(o));
}

static bool row_before(const struct order_row *a, const struct order_row *b)
{
	return a->boot_ns != b->boot_ns ? a->boot_ns < b->boot_ns : a->n < b->n;
}

static int row_compare(const void *pa, const void *pb)
{
	return row_before(pb, pa) - row_before(pa, pb);
}

static uint32_t row_key(const struct order_row *r, bool by_unit)
{
	return by_unit ? r->unit : r->thread;
}

/* Rows with one key came nearly always in the order of time. */
static void rows_sort(struct order_row *rows, size_t count)
{
	size_t i;

	for (i = 1; i < count; i++) {
		if (row_before(&rows[i], &rows[i - 1])) {
			qsort(rows, count, sizeof(*rows), row_compare);
			return;
		}
	}
}

bool order_rows_group(struct order *o, struct order_row *rows, size_t count, bool by_unit)
{
	struct big room = { 0 }, firsts = { 0 };
	struct order_row *copy = big_sized(&o->memory, &room, count * sizeof(*rows));
	uint32_t *first = big_zeroed(&o->memory, &firsts, ((size_t)NTHREADS(o) + 1) * sizeof(*first)), k, at = 0;
	size_t i;

	if (copy && first) {
		memcpy(copy, rows, count * sizeof(*rows));
		for (i = 0; i < count; i++)
			first[row_key(&rows[i], by_unit) + 1]++;
		for (k = 0; k < NTHREADS(o); k++)
			first[k + 1] += first[k];
		for (i = 0; i < count; i++)
			rows[first[row_key(&copy[i], by_unit)]++] = copy[i];
		for (k = 0; k < NTHREADS(o); at = first[k++])
			rows_sort(rows + at, first[k] - at);
	}
	big_fini(&o->memory, &room);
	big_fini(&o->memory, &firsts);
	return !o->memory.failed;
}

static bool in_rows(const struct order_thread *t)
{
	return !(t->flags & THREAD_LOOSE) && t->flags & (THREAD_UNSORTED | THREAD_GO | THREAD_GO_PROCESS);
}

/* The rows by arrival; each thread's places begin at its remap. */
static void collect_rows(struct order *o, struct big *rows)
{
	const struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	struct order_thread *all = THREADS(o);
	uint32_t n, at = 0;

	for (n = 0; n < NTHREADS(o); n++) {
		if (!in_rows(&all[n]))
			continue;
		all[n].remap = at;
		at += all[n].count;
		all[n].count = 0;
	}
	for (n = 0; at && n < o->count; n++) {
		struct order_thread *t = &all[a[n].thread];
		struct order_row *r = in_rows(t) ? BIG_PUSH(&o->memory, rows, struct order_row) : NULL;

		if (r)
			*r = (struct order_row) { a[n].boot_ns, n, a[n].thread, t->count++, a[n].thread, 0, 0 };
	}
}

static void assign_bases(struct order *o)
{
	struct order_thread *all = THREADS(o);
	uint32_t base = 0, i;

	for (i = 0; i < NTHREADS(o); i++) {
		all[i].base = base;
		base += all[i].count;
		all[i].count = 0;
	}
}

/* rows by unit and time */
static void assign_rows(struct order *o, struct order_row *rows, size_t count)
{
	uint32_t *remap = big_sized(&o->memory, &o->remap, count * sizeof(*remap)), *slot_of = SLOT_OF(o);
	struct order_thread *all = THREADS(o);
	size_t i;

	for (i = 0; remap && i < count; i++) {
		struct order_thread *unit = &all[rows[i].unit];

		/* outside program order: by arrival, they have their slots already */
		rows[i].slot = unit->flags & THREAD_LOOSE ? slot_of[rows[i].n] : unit->base + unit->count++;
		slot_of[rows[i].n] = rows[i].slot;
		remap[all[rows[i].thread].remap + rows[i].place] = rows[i].slot;
	}
}

static void assign_slots(struct order *o)
{
	const struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	uint32_t n, *slot_of = SLOT_OF(o);
	struct big rows = { 0 };
	size_t count;

	if (o->goroutines.len)
		order_goroutines_begin(o);
	collect_rows(o, &rows);
	count = BIG_COUNT(&rows, struct order_row);
	if (o->goroutines.len && !o->memory.failed)
		order_goroutines_deal(o, BIG_AT(&rows, struct order_row), count);
	assign_bases(o);
	for (n = 0; n < o->count; n++) {
		struct order_thread *t = &THREADS(o)[a[n].thread];

		if (!in_rows(t) && !(t->flags & THREAD_GOROUTINE))
			slot_of[n] = t->base + t->count++;
	}
	if (count && !o->memory.failed && order_rows_group(o, rows.data, count, true)) {
		assign_rows(o, rows.data, count);
		if (o->goroutines.len)
			order_goroutines_stays(o, rows.data, count);
	}
	big_fini(&o->memory, &rows);
}

uint32_t order_after(const struct order *o, uint32_t thread, uint64_t ns)
{
	const struct order_thread *t = &THREADS(o)[thread];
	uint32_t low = t->base, high = t->base + t->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (TIME(o)[middle] < ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->base + t->count ? low : NONE;
}

uint32_t order_place(const struct order *o, uint32_t thread, uint32_t place)
{
	const struct order_thread *t = &THREADS(o)[thread];

	return in_rows(t) ? BIG_AT(&o->remap, uint32_t)[t->remap + place] : t->base + place;
}

static void fill_starts(struct order *o)
{
	uint64_t *starts = BIG_AT(&o->starts, uint64_t);
	uint32_t i, k;

	for (i = 0; i < NTHREADS(o); i++) {
		const struct order_thread *t = &THREADS(o)[i];

		for (k = 0; k < (t->flags & THREAD_LOOSE ? t->count : t->count ? 1 : 0); k++)
			starts[(t->base + k) / 64] |= 1ULL << ((t->base + k) % 64);
	}
}

static void fill_hints(struct order *o)
{
	uint32_t *hint = BIG_AT(&o->hint, uint32_t), t = 0, i;
	const struct order_thread *all = THREADS(o);

	for (i = 0; i < BIG_COUNT(&o->hint, uint32_t); i++) {
		while (t + 1 < NTHREADS(o) && all[t + 1].base <= i << SLOT_HINT_SHIFT)
			t++;
		hint[i] = t;
	}
}

uint32_t order_thread_of(const struct order *o, uint32_t slot)
{
	const uint32_t *hint = &BIG_AT(&o->hint, uint32_t)[slot >> SLOT_HINT_SHIFT];
	const struct order_thread *all = THREADS(o);
	uint32_t low = hint[0], high = hint[1], middle;

	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (all[middle].base <= slot)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static int id_compare(const void *pa, const void *pb, void *arg)
{
	const uint32_t *id = BIG_AT(&((struct order *)arg)->id, uint32_t);
	uint32_t a = id[*(const uint32_t *)pa], b = id[*(const uint32_t *)pb];

	return (a > b) - (a < b);
}

/* Ids are nearly dense in a whole recording: then an array; a filtered one gets a sorted list. */
static bool make_ids(struct order *o, struct order_host *h)
{
	uint64_t span = h->count ? h->id_max - h->id_min + 1 : 0;

	h->sparse = span > 2 * h->count + 4096;
	if (!big_zeroed(&o->memory, &h->ids, (h->sparse ? h->count : span) * sizeof(uint32_t)))
		return false;
	if (h->sparse)
		h->ids.len = 0;
	return true;
}

/* The arrays by slot, and the way from ids to slots. */
static void fill_slots(struct order *o)
{
	const struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	uint64_t *time = TIME(o);
	uint32_t *id = BIG_AT(&o->id, uint32_t), n, i;

	for (n = 0; n < o->count; n++) {
		struct order_host *h = &HOSTS(o)[THREADS(o)[a[n].thread].host];
		uint32_t slot = SLOT_OF(o)[n];

		time[slot] = a[n].boot_ns;
		id[slot] = a[n].id;
		if (h->sparse)
			*BIG_PUSH(&o->memory, &h->ids, uint32_t) = slot;
		else
			BIG_AT(&h->ids, uint32_t)[a[n].id + h->id_base - h->id_min] = slot + 1;
	}
	for (i = 0; i < NHOSTS(o); i++) {
		struct order_host *h = &HOSTS(o)[i];

		if (h->sparse)
			qsort_r(h->ids.data, h->count, sizeof(uint32_t), id_compare, o);
	}
}

static uint32_t find_sparse(const struct order *o, const struct order_host *h, uint64_t id)
{
	const uint32_t *slots = BIG_AT(&h->ids, uint32_t), *ids = BIG_AT(&o->id, uint32_t);
	uint64_t low = 0, high = h->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (ids[slots[middle]] + h->id_base < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < h->count && ids[slots[low]] + h->id_base == id ? slots[low] : NONE;
}

uint32_t order_slot(const struct order *o, struct order_ref a)
{
	const struct order_host *h;

	if (a.host >= NHOSTS(o))
		return NONE;
	h = &HOSTS(o)[a.host];
	if (a.id < h->id_min || a.id > h->id_max)
		return NONE;
	if (h->sparse)
		return find_sparse(o, h, a.id);
	return BIG_AT(&h->ids, uint32_t)[a.id - h->id_min] - 1;
}

struct order_ref order_slot_ref(const struct order *o, uint32_t slot)
{
	uint32_t host = order_slot_host(o, slot);

	return (struct order_ref) { host, HOSTS(o)[host].id_base + BIG_AT(&o->id, uint32_t)[slot] };
}

int order_number(struct order *o)
{
	size_t n = o->count, i;

	if (!big_sized(&o->memory, &o->slot_of, n * sizeof(uint32_t)) ||
	    !big_sized(&o->memory, &o->time, n * sizeof(uint64_t)) ||
	    !big_sized(&o->memory, &o->id, n * sizeof(uint32_t)) ||
	    !big_zeroed(&o->memory, &o->starts, (n / 64 + 1) * sizeof(uint64_t)) ||
	    !big_zeroed(&o->memory, &o->hint, ((n >> SLOT_HINT_SHIFT) + 2) * sizeof(uint32_t)))
		return -o->memory.failed;
	assign_slots(o);
	if (o->memory.failed)
		return -o->memory.failed;
	for (i = 0; i < NHOSTS(o); i++) {
		if (!make_ids(o, &HOSTS(o)[i]))
			return -o->memory.failed;
	}
	fill_slots(o);
	for (i = 0; i < NTHREADS(o); i++) {
		if (THREADS(o)[i].exit != NONE)
			THREADS(o)[i].exit = SLOT_OF(o)[THREADS(o)[i].exit];
	}
	fill_hints(o);
	fill_starts(o);
	big_fini(&o->memory, &o->arrival);
	return 0;
}
