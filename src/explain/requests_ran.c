/* SPDX-License-Identifier: Apache-2.0 */
/* What the time of threads went to, by thread; and before which acts a thread had waited for messages. */
#include <errno.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/requests_in.h"

#define GAP_NS 500000 /* between two acts of a thread of which nothing else is known: it waited */

static int by_thread(const void *pa, const void *pb)
{
	const struct ran_row *a = pa, *b = pb;

	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return (a->end_ns > b->end_ns) - (a->end_ns < b->end_ns);
}

void requests_index_ran(struct requests *r)
{
	uint32_t i;

	if (r->ran.count)
		qsort(r->ran.rows, r->ran.count, sizeof(*r->ran.rows), by_thread);
	for (i = 0; i < r->ran.count; i++) {
		struct unit *u = &r->units.rows[r->ran.rows[i].thread];

		if (u->ran == NONE)
			u->ran = i;
		u->nran++;
	}
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
