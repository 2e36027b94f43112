/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - vector clocks at checkpoints, so that reach.c looks back a short way only.
 *
 * A row says for each column (thread) how many of its events happen before or are the checkpoint.  A thread has a
 * checkpoint after every `spacing` edges that lead into it; row cp_first + k - 1 is its k-th.  Spacing is chosen so
 * that all rows together stay within ROW_BYTES an event.  Threads beyond COLUMNS_MAX, the smallest ones, get no column.
 *
 * The rows come from one pass in causal order.  A thread's vector clock changes only where an edge brings news;
 * the version before is kept as long as edges that left during it have not arrived (Fidge 1988, Mattern 1989;
 * an edge whose cause is known already brings no news, because vector clocks are transitive).
 */
#include "order/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 2048
#define COLUMN_CELLS (64U << 20) /* columns * threads */
#define ROW_BYTES 8
#define SPACING_MIN 48

struct version {
	uint32_t pos;  /* from that position in the thread on */
	uint32_t refs; /* edges that left during it and have not arrived */
	uint32_t row;  /* NONE: knows nothing */
};

struct track {
	struct version now; /* refs: edges that left during it and did arrive */
	struct version *old;
	uint32_t nold, cap;
};

struct pass {
	struct order *o;
	struct track *tracks; /* by thread */
	struct big pool;      /* live rows */
	struct big spare;     /* u32: free rows in pool */
	struct map loose;     /* slot -> row */
	uint32_t width;	      /* cells in a row: columns, rounded up */
	void (*merge)(int32_t *to, const int32_t *from, uint32_t width);
};

#define LANES 8
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t))));

/* The larger of each two cells; the compiler makes one instruction of it where there is one. */
#define MERGE(to, from, width)                                         \
	do {                                                           \
		lanes *a_ = (lanes *)(to), more_;                      \
		const lanes *b_ = (const lanes *)(from);               \
		uint32_t i_;                                           \
		for (i_ = 0; i_ < (width) / LANES; i_++) {             \
			more_ = a_[i_] > b_[i_];                       \
			a_[i_] = (a_[i_] & more_) | (b_[i_] & ~more_); \
		}                                                      \
	} while (0)

static void merge_plain(int32_t *to, const int32_t *from, uint32_t width)
{
	MERGE(to, from, width);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void merge_avx2(int32_t *to, const int32_t *from, uint32_t width)
{
	MERGE(to, from, width);
}
#endif

static int32_t *row_at(const struct pass *p, uint32_t row)
{
	return BIG_AT(&p->pool, int32_t) + (size_t)row * p->width;
}

static uint32_t row_new(struct pass *p)
{
	size_t bytes = (size_t)p->width * sizeof(int32_t);

	if (p->spare.len) {
		p->spare.len -= sizeof(uint32_t);
		return *(uint32_t *)((char *)p->spare.data + p->spare.len);
	}
	if (!big_room(&p->o->memory, &p->pool, bytes))
		return 0;
	return (uint32_t)(p->pool.len / bytes - 1);
}

static void row_free(struct pass *p, uint32_t row)
{
	uint32_t *at = row == NONE ? NULL : BIG_PUSH(&p->o->memory, &p->spare, uint32_t);

	if (at)
		*at = row;
}

static bool keep_old(struct pass *p, struct track *k, uint32_t refs)
{
	if (k->nold == k->cap) {
		uint32_t cap = k->cap ? 2 * k->cap : 4;
		struct version *old = realloc(k->old, cap * sizeof(*old));

		if (!old) {
			p->o->memory.failed = ENOMEM;
			return false;
		}
		k->old = old;
		k->cap = cap;
	}
	k->old[k->nold++] = (struct version) { k->now.pos, refs, k->now.row };
	return true;
}

static struct version *find_old(struct track *k, uint32_t pos)
{
	uint32_t low = 0, high = k->nold, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (k->old[middle].pos <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	return &k->old[low - 1];
}

/* Old versions that nobody waits for leave, once they are half of all. */
static void sweep(struct track *k)
{
	uint32_t i, kept = 0;

	for (i = 0; i < k->nold; i++) {
		if (k->old[i].refs)
			k->old[kept++] = k->old[i];
	}
	k->nold = kept;
}

/* Readies the clock of slot's thread to be changed there; returns its row. */
static int32_t *row_to_change(struct pass *p, const struct order_thread *t, struct track *k, uint32_t slot)
{
	const struct order *o = p->o;
	uint32_t left = OUT_FIRST(o)[slot] - OUT_FIRST(o)[t->base + k->now.pos], waited = left - k->now.refs, row;

	if (waited || k->now.row == NONE) {
		row = row_new(p);
		if (o->memory.failed)
			return NULL;
		if (k->now.row == NONE)
			memset(row_at(p, row), 0, (size_t)p->width * sizeof(int32_t));
		else
			memcpy(row_at(p, row), row_at(p, k->now.row), (size_t)p->width * sizeof(int32_t));
		if (waited && k->nold == k->cap && k->nold >= 16)
			sweep(k);
		if (waited && !keep_old(p, k, waited))
			return NULL;
		k->now.row = row;
	}
	k->now.pos = slot - t->base;
	k->now.refs = 0;
	return row_at(p, k->now.row);
}

/* What the cause of an edge knew: the row (NONE: nothing), and that this edge has arrived. */
static uint32_t arrive(struct pass *p, uint32_t from, uint32_t thread, bool *ret_free)
{
	const struct order_thread *t = &THREADS(p->o)[thread];
	struct track *k = &p->tracks[thread];
	struct version *v;
	uint32_t row;

	*ret_free = false;
	if (t->flags & THREAD_LOOSE) {
		const uint64_t *at = map_get(&p->loose, from);

		return at ? (uint32_t)*at : NONE;
	}
	if (from - t->base >= k->now.pos) {
		k->now.refs++;
		return k->now.row;
	}
	v = find_old(k, from - t->base);
	row = v->row;
	*ret_free = --v->refs == 0;
	return row;
}

/* An event outside program order knows what its causes know; kept to the end, there are few. */
static void on_loose(struct pass *p, uint32_t slot)
{
	struct order *o = p->o;
	uint32_t i, row = row_new(p), from;
	bool last;

	if (o->memory.failed)
		return;
	memset(row_at(p, row), 0, (size_t)p->width * sizeof(int32_t));
	for (i = IN_FIRST(o)[slot]; i < IN_FIRST(o)[slot + 1]; i++) {
		uint32_t thread = order_thread_of(o, FROM(o)[i]), column = THREADS(o)[thread].column;
		int32_t pos = (int32_t)(FROM(o)[i] - THREADS(o)[thread].base + 1);

		from = arrive(p, FROM(o)[i], thread, &last);
		if (from != NONE)
			p->merge(row_at(p, row), row_at(p, from), p->width);
		if (column != NONE && row_at(p, row)[column] < pos)
			row_at(p, row)[column] = pos;
		if (last)
			row_free(p, from);
	}
	if (map_set(&p->loose, slot, row) < 0)
		o->memory.failed = ENOMEM;
}

static void on_edge(struct pass *p, uint32_t slot, uint32_t thread, uint32_t cause, bool *changing)
{
	const struct order *o = p->o;
	uint32_t other = order_thread_of(o, cause), column = THREADS(o)[other].column, from;
	struct track *k = &p->tracks[thread];
	int32_t pos = (int32_t)(cause - THREADS(o)[other].base + 1), *row;
	bool last, known;

	from = arrive(p, cause, other, &last);
	known = other == thread || (column != NONE && k->now.row != NONE && row_at(p, k->now.row)[column] >= pos);
	if (!known) {
		row = *changing ? row_at(p, k->now.row) : row_to_change(p, &THREADS(o)[thread], k, slot);
		if (!row)
			return;
		*changing = true;
		if (from != NONE)
			p->merge(row, row_at(p, from), p->width);
		if (column != NONE)
			row[column] = row[column] > pos ? row[column] : pos;
	}
	if (last)
		row_free(p, from);
}

/* The first event with edges into it from the k-th checkpoint on gets the row. */
static void checkpoint(struct pass *p, const struct order_thread *t, const struct track *k, uint32_t slot)
{
	struct order *o = p->o;
	uint32_t first = IN_FIRST(o)[t->base], before = (IN_FIRST(o)[slot] - first) / o->spacing;
	uint32_t after = (IN_FIRST(o)[slot + 1] - first) / o->spacing;
	int32_t *row;

	if (after == before)
		return;
	row = BIG_AT(&o->rows, int32_t) + (size_t)(t->cp_first + after - 1) * o->columns;
	if (k->now.row != NONE)
		memcpy(row, row_at(p, k->now.row), o->columns * sizeof(*row));
	if (t->column != NONE)
		row[t->column] = (int32_t)(slot - t->base + 1);
}

static void on_slot(struct pass *p, uint32_t slot)
{
	const struct order *o = p->o;
	uint32_t i, last = IN_FIRST(o)[slot + 1], thread = order_thread_of(o, slot);
	const struct order_thread *t = &THREADS(o)[thread];
	bool changing = false;

	if (t->flags & THREAD_LOOSE) {
		on_loose(p, slot);
		return;
	}
	for (i = IN_FIRST(o)[slot]; i < last; i++)
		on_edge(p, slot, thread, FROM(o)[i], &changing);
	checkpoint(p, t, &p->tracks[thread], slot);
}

static int count_compare(const void *pa, const void *pb, void *arg)
{
	const struct order_thread *all = arg, *a = &all[*(const uint32_t *)pa], *b = &all[*(const uint32_t *)pb];

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return (a > b) - (a < b);
}

static uint32_t columns_for(uint32_t threads)
{
	uint32_t most = threads ? COLUMN_CELLS / threads : 0;

	most = most < 64 ? 64 : most > COLUMNS_MAX ? COLUMNS_MAX : most;
	return threads < most ? threads : most;
}

static int choose_columns(struct order *o)
{
	struct order_thread *all = THREADS(o);
	uint32_t n = 0, most, i, *list = malloc(((size_t)NTHREADS(o) + 1) * sizeof(*list));

	if (!list)
		return -(o->memory.failed = ENOMEM);
	for (i = 0; i < NTHREADS(o); i++) {
		all[i].column = NONE;
		if (!(all[i].flags & THREAD_LOOSE) && all[i].count < INT32_MAX)
			list[n++] = i;
	}
	most = columns_for(n);
	if (o->tune_columns && o->tune_columns < most)
		most = o->tune_columns;
	if (most < n)
		qsort_r(list, n, sizeof(*list), count_compare, all);
	for (i = 0; i < most; i++)
		all[list[i]].column = i;
	o->columns = most;
	free(list);
	return 0;
}

static int choose_rows(struct order *o)
{
	uint64_t budget = (uint64_t)o->count * ROW_BYTES + (1U << 20);
	uint64_t spacing = (uint64_t)o->exact.count * o->columns * sizeof(int32_t) / budget, rows = 0;
	uint32_t i, edges;

	o->spacing = spacing < SPACING_MIN ? SPACING_MIN : (uint32_t)spacing + 1;
	if (o->tune_spacing)
		o->spacing = o->tune_spacing;
	for (i = 0; i < NTHREADS(o); i++) {
		struct order_thread *t = &THREADS(o)[i];

		if (t->flags & THREAD_LOOSE)
			continue;
		edges = IN_FIRST(o)[t->base + t->count] - IN_FIRST(o)[t->base];
		t->cp_first = (uint32_t)rows;
		rows += edges / o->spacing;
	}
	if (!big_zeroed(&o->memory, &o->rows, rows * o->columns * sizeof(int32_t)))
		return -o->memory.failed;
	return 0;
}

static void pass_fini(struct pass *p)
{
	uint32_t i;

	for (i = 0; p->tracks && i < NTHREADS(p->o); i++)
		free(p->tracks[i].old);
	free(p->tracks);
	map_fini(&p->loose);
	big_fini(&p->o->memory, &p->pool);
	big_fini(&p->o->memory, &p->spare);
}

int order_index(struct order *o)
{
	struct pass p = { .o = o, .loose = MAP_INIT, .merge = merge_plain };
	uint32_t n, i;

	if (choose_columns(o) < 0 || choose_rows(o) < 0)
		return -o->memory.failed;
	if (!o->rows.len)
		return 0;
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		p.merge = merge_avx2;
#endif
	p.width = (o->columns + LANES - 1) / LANES * LANES;
	p.tracks = calloc(NTHREADS(o), sizeof(*p.tracks));
	for (i = 0; p.tracks && i < NTHREADS(o); i++)
		p.tracks[i].now.row = NONE;
	if (!p.tracks)
		o->memory.failed = ENOMEM;
	for (n = 0; n < o->count && !o->memory.failed; n++) {
		uint32_t slot = SLOT_OF(o)[n];

		if (IN_FIRST(o)[slot] != IN_FIRST(o)[slot + 1])
			on_slot(&p, slot);
	}
	pass_fini(&p);
	return -o->memory.failed;
}
