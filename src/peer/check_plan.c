/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/check_plan.h"

#include <errno.h>
#include <stdlib.h>

int plan_init(struct plan *p, size_t room)
{
	p->rows = calloc(room ? room : 1, sizeof(*p->rows));
	p->count = 0;
	p->room = p->rows ? room : 0;
	return p->rows ? 0 : -ENOMEM;
}

void plan_fini(struct plan *p)
{
	if (!p)
		return;
	free(p->rows);
	*p = (struct plan) { 0 };
}

static void swap(struct plan *p, size_t a, size_t b)
{
	struct plan_row row = p->rows[a];

	p->rows[a] = p->rows[b];
	p->rows[b] = row;
}

void plan_put(struct plan *p, uint32_t number, uint64_t due_ns)
{
	size_t at = p->count;

	if (at == p->room)
		return;
	p->rows[p->count++] = (struct plan_row) { due_ns, number };
	for (; at && p->rows[(at - 1) / 2].due_ns > p->rows[at].due_ns; at = (at - 1) / 2)
		swap(p, at, (at - 1) / 2);
}

uint64_t plan_next(const struct plan *p)
{
	return p->count ? p->rows[0].due_ns : PLAN_NEVER;
}

static void sink(struct plan *p)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < p->count) {
		if (child + 1 < p->count && p->rows[child + 1].due_ns < p->rows[child].due_ns)
			child++;
		if (p->rows[at].due_ns <= p->rows[child].due_ns)
			return;
		swap(p, at, child);
		at = child;
	}
}

int64_t plan_take(struct plan *p, uint64_t now_ns, uint64_t *ret_due_ns)
{
	uint32_t number;

	if (!p->count || p->rows[0].due_ns > now_ns)
		return -1;
	number = p->rows[0].number;
	*ret_due_ns = p->rows[0].due_ns;
	p->rows[0] = p->rows[--p->count];
	sink(p);
	return number;
}

uint64_t plan_first(uint64_t hash, uint64_t interval_ns, uint64_t now_ns)
{
	/* the upper half of the product: interval x hash / 2^64 */
	return now_ns + (uint64_t)(((unsigned __int128)interval_ns * hash) >> 64);
}

uint64_t plan_after(uint64_t due_ns, uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t gone = now_ns > due_ns ? (now_ns - due_ns) / interval_ns : 0;

	return due_ns + (gone + 1) * interval_ns;
}
