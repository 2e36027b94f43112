/* SPDX-License-Identifier: Apache-2.0 */
/* What the time of threads went to, by thread, and who had their CPUs; and before which acts a thread had waited for messages. */
#include <errno.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/requests_in.h"

#define GAP_NS 500000 /* between two acts of a thread of which nothing else is known: it waited */

/* Rows of one host come in the order of their ends, as events do; of a thread only these are compared. */
static bool in_order(const struct ran_row *rows, uint32_t n)
{
	uint32_t i;

	for (i = 1; i < n; i++)
		if (rows[i].end_ns < rows[i - 1].end_ns)
			return false;
	return true;
}

static int by_end(const void *pa, const void *pb)
{
	const struct ran_row *a = pa, *b = pb;

	return (a->end_ns > b->end_ns) - (a->end_ns < b->end_ns);
}

static int by_thread(const void *pa, const void *pb)
{
	const struct held_row *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return (a->end_ns > b->end_ns) - (a->end_ns < b->end_ns);
}

/* Rows are many and threads few: each row goes to the next place of its thread, one pass instead of a sort. */
void requests_index_ran(struct requests *r)
{
	struct ran_row *sorted = malloc((r->ran.count + 1) * sizeof(*sorted));
	uint32_t i, at = 0;

	r->failed |= !sorted;
	if (!sorted)
		return;
	if (r->held.count)
		qsort(r->held.rows, r->held.count, sizeof(*r->held.rows), by_thread);
	for (i = 0; i < r->ran.count; i++)
		r->units.rows[r->ran.rows[i].thread].nran++;
	for (i = 0; i < r->units.count; i++) {
		struct unit *u = &r->units.rows[i];

		u->ran = u->nran ? at : NONE;
		at += u->nran;
		u->nran = 0;
	}
	for (i = 0; i < r->ran.count; i++) {
		struct unit *u = &r->units.rows[r->ran.rows[i].thread];

		sorted[u->ran + u->nran++] = r->ran.rows[i];
	}
	free(r->ran.rows);
	r->ran.rows = sorted; /* no more are added */
	for (i = 0; i < r->units.count; i++) {
		const struct unit *u = &r->units.rows[i];

		if (u->nran && !in_order(sorted + u->ran, u->nran))
			qsort(sorted + u->ran, u->nran, sizeof(*sorted), by_end);
	}
}

size_t requests_held_from(const struct requests *r, uint32_t thread, uint64_t ns)
{
	size_t low = 0, high = r->held.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct held_row *h = &r->held.rows[mid];

		if (h->thread < thread || (h->thread == thread && h->end_ns <= ns))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool requests_waits_for_message(uint16_t what)
{
	return what == WAITKIND_SOCKET || what == WAITKIND_EPOLL || what == WAITKIND_POLL || what == WAITKIND_UNKNOWN ||
	       what == WAITKIND_IO_URING;
}

/* Did the thread wait for messages between the two moments?  *at goes on from one act to the next. */
static bool waited(const struct requests *r, const struct unit *t, uint32_t *at, uint64_t from_ns, uint64_t to_ns)
{
	bool found = false;

	for (; *at < t->nran; ++*at) {
		const struct ran_row *row = &r->ran.rows[t->ran + *at];

		if (row->off_ns > to_ns || row->since_ns > to_ns)
			break;
		found |= row->off_ns >= from_ns && row->off_ns && requests_waits_for_message(row->what);
		if (row->end_ns > to_ns)
			break;
	}
	return found;
}

uint8_t *requests_idle(const struct requests *r)
{
	struct cursor {
		uint64_t last_ns;
		uint32_t at;
	} *c = calloc(r->units.count + 1, sizeof(*c));
	uint8_t *idle = calloc(r->acts.count + 1, 1);
	uint32_t i;

	for (i = 0; c && idle && i < r->acts.count; i++) {
		const struct act *a = &r->acts.rows[i];
		const struct unit *t = &r->units.rows[a->thread];
		struct cursor *k = &c[a->thread];

		if (!act_is_message(a))
			continue;
		idle[i] = t->ran != NONE
				  ? waited(r, t, &k->at, k->last_ns, a->boot_ns)
				  : a->boot_ns > k->last_ns + GAP_NS && (a->kind == ACT_RECV || a->kind == ACT_READ);
		k->last_ns = a->boot_ns;
	}
	free(c);
	if (!c) {
		free(idle);
		return NULL;
	}
	return idle;
}
