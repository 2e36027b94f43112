/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - where each event belongs in its host's stream.
 *
 * Within a thread: by time, and what the files tell first comes first among equals; but a thread that starts once
 * does nothing before that, and one that ends once does nothing after.  An event's place is the latest time in its
 * thread so far: so the stream can be sorted by place without breaking a thread's order, whatever its clock did.
 */
#include <stdlib.h>
#include <string.h>

#include "import/internal.h"

static int thread_compare(const void *pa, const void *pb)
{
	const struct import_entry *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->own_ns != b->own_ns)
		return a->own_ns < b->own_ns ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int place_compare(const void *pa, const void *pb)
{
	const struct import_entry *a = pa, *b = pb;

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	if (a->place_ns != b->place_ns)
		return a->place_ns < b->place_ns ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

/* The one event of that rank among n; n: none or several. */
static size_t only(const struct import_entry *e, size_t n, enum import_rank rank)
{
	size_t i, found = n;

	for (i = 0; i < n; i++) {
		if (e[i].rank != rank)
			continue;
		if (found < n)
			return n;
		found = i;
	}
	return found;
}

static void move(struct import_entry *e, size_t from, size_t to)
{
	struct import_entry one = e[from];

	if (from < to)
		memmove(&e[from], &e[from + 1], (to - from) * sizeof(*e));
	else
		memmove(&e[to + 1], &e[to], (from - to) * sizeof(*e));
	e[to] = one;
}

/* One thread's events, sorted by time. */
static void settle(struct import_entry *e, size_t n)
{
	size_t first = only(e, n, RANK_FIRST), last;

	if (first < n)
		move(e, first, 0);
	last = only(e, n, RANK_LAST);
	if (last < n)
		move(e, last, n - 1);
}

static void find_places(struct import *imp)
{
	struct import_entry *e = imp->entries;
	size_t i;

	for (i = 0; i < imp->nentries; i++) {
		e[i].index = (uint32_t)i;
		e[i].place_ns = e[i].own_ns;
		if (!i || e[i].thread != e[i - 1].thread || e[i].thread == NONE)
			continue;
		if (e[i].place_ns <= e[i - 1].place_ns && e[i].seq < e[i - 1].seq)
			e[i].seq = e[i - 1].seq;
		if (e[i].place_ns < e[i - 1].place_ns) {
			e[i].place_ns = e[i - 1].place_ns;
			imp->counts.moved++;
		}
	}
}

void import_place(struct import *imp)
{
	struct import_entry *e = imp->entries;
	size_t n = imp->nentries, i, j;
	uint64_t min = UINT64_MAX;

	qsort(e, n, sizeof(*e), thread_compare);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && e[j].thread == e[i].thread; j++)
			;
		if (e[i].thread != NONE)
			settle(&e[i], j - i);
	}
	find_places(imp);
	qsort(e, n, sizeof(*e), place_compare);
	for (i = 0; i < n; i++) {
		struct import_host *h = &imp->hosts[e[i].host];

		if (!h->count++)
			h->first = i;
		min = e[i].own_ns < min ? e[i].own_ns : min;
	}
	imp->base_ns = n && min > 1000000000ULL ? min - 1000000000ULL : 0;
}
