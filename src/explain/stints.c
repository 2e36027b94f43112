/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/stints.h"

#include <stdbool.h>
#include <stdlib.h>

#include "event/event.h"

#define NONE UINT32_MAX
#define STRIDE 64

void stints_fini(struct stints *s)
{
	map_fini(&s->latest);
	free(s->rows);
}

static uint64_t key_of(const struct event *ev)
{
	return map_hash(ev->h->start_ns ^ (uint64_t)ev->host << 40) + ev->h->tid;
}

static bool room(struct stints *s)
{
	size_t cap = s->cap ? 2 * s->cap : 256;
	struct stint *more;

	if (s->count < s->cap)
		return true;
	if (s->count >= STINTS_MAX)
		return false;
	more = realloc(s->rows, cap * sizeof(*more));
	if (!more)
		return false;
	s->rows = more;
	s->cap = cap;
	return true;
}

static uint32_t latest(const struct stints *s, const struct event *ev)
{
	const uint64_t *at = s->latest.count ? map_get(&s->latest, key_of(ev)) : NULL;

	return at ? (uint32_t)*at : NONE;
}

void stints_learn(struct stints *s, const struct event *ev)
{
	uint32_t before = latest(s, ev);
	struct stint *now;

	if (before != NONE && s->rows[before].from_ns >= ev->boot_ns)
		return; /* learnt already */
	if (!room(s) || map_set(&s->latest, key_of(ev), s->count) < 0) {
		(void)map_set(&s->latest, key_of(ev), NONE);
		return;
	}
	now = &s->rows[s->count++];
	*now = (struct stint) {
		.from_ns = ev->boot_ns, .goid = EVENT_AS(goroutine, ev)->goid, .before = before, .far = NONE
	};
	if (before == NONE)
		return;
	now->count = s->rows[before].count + 1;
	now->far = s->rows[before].count % STRIDE ? s->rows[before].far : before;
}

/* What happens to the thread, whoever runs there. */
static bool of_thread(const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_EXEC:
	case EVENT_EXIT:
	case EVENT_JOIN:
	case EVENT_DELIVER:
	case EVENT_STOP:
	case EVENT_CONT:
		return true;
	case EVENT_FORK:
		return EVENT_AS(fork, ev)->flags & PROCFLAGS_THREAD;
	default:
		return ev->h->context != CONTEXT_TASK;
	}
}

uint64_t stints_of(const struct stints *s, const struct event *ev)
{
	uint32_t at = latest(s, ev), far;

	if (ev->type->id == EVENT_GO_READY)
		return EVENT_AS(go_ready, ev)->by;
	if (of_thread(ev))
		return 0;
	while (at != NONE && s->rows[at].from_ns > ev->boot_ns) {
		far = s->rows[at].far;
		at = far != NONE && s->rows[far].from_ns > ev->boot_ns ? far : s->rows[at].before;
	}
	return at == NONE ? 0 : s->rows[at].goid;
}
