/* SPDX-License-Identifier: Apache-2.0 */
/* threads - who did what: the threads, and the slots that their events get. */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>

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

/* The events of threads that had a late one, to be sorted by time. */
struct late {
	uint64_t boot_ns;
	uint32_t thread, n;
	uint32_t place; /* in its thread as it came */
};

static int late_compare(const void *pa, const void *pb)
{
	const struct late *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns ? -1 : 1;
	return (a->n > b->n) - (a->n < b->n);
}

static void assign_late(struct order *o, struct big *lates, uint32_t *slot_of)
{
	struct late *late = BIG_AT(lates, struct late);
	size_t count = BIG_COUNT(lates, struct late), i;
	uint32_t *remap = big_sized(&o->memory, &o->remap, count * sizeof(*remap)), place = 0;

	if (!count || !remap)
		return;
	qsort(late, count, sizeof(*late), late_compare);
	for (i = 0; i < count; i++) {
		struct order_thread *t = &THREADS(o)[late[i].thread];

		place = i && late[i].thread == late[i - 1].thread ? place + 1 : 0;
		if (!place)
			t->remap = (uint32_t)i;
		slot_of[late[i].n] = t->base + place;
		remap[t->remap + late[i].place] = place;
	}
}

static void assign_slots(struct order *o)
{
	const struct order_arrival *a = BIG_AT(&o->arrival, struct order_arrival);
	struct order_thread *all = THREADS(o);
	uint32_t base = 0, n, *slot_of = SLOT_OF(o);
	struct big lates = { 0 };

	for (n = 0; n < NTHREADS(o); n++) {
		all[n].base = base;
		base += all[n].count;
		all[n].count = 0;
	}
	for (n = 0; n < o->count; n++) {
		struct order_thread *t = &all[a[n].thread];

		if ((t->flags & (THREAD_UNSORTED | THREAD_LOOSE)) == THREAD_UNSORTED) {
			struct late *late = BIG_PUSH(&o->memory, &lates, struct late);

			if (late)
				*late = (struct late) { a[n].boot_ns, a[n].thread, n, t->count++ };
		} else {
			slot_of[n] = t->base + t->count++;
		}
	}
	if (!o->memory.failed && lates.len)
		assign_late(o, &lates, slot_of);
	big_fini(&o->memory, &lates);
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

	if ((t->flags & (THREAD_UNSORTED | THREAD_LOOSE)) == THREAD_UNSORTED)
		place = BIG_AT(&o->remap, uint32_t)[t->remap + place];
	return t->base + place;
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
