/* SPDX-License-Identifier: Apache-2.0 */
/* Whose doing the largest wait of a span was, as a sentence's end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "explain/requests_time.h"

#define HOLDERS_SHOWN 3
#define HOLDER_MIN_NS 100000
#define NEAR_NS 1000000 /* the wake and what `ran` says of it are two readings of the clock */

static int by_target(const void *pa, const void *pb, void *arg)
{
	const struct act *acts = arg, *a = &acts[*(const uint32_t *)pa], *b = &acts[*(const uint32_t *)pb];

	if (a->other != b->other)
		return a->other < b->other ? -1 : 1;
	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

int requests_blame_init(struct times *t)
{
	const struct requests *r = t->r;
	uint32_t i;

	t->awaited_ns = calloc(r->spans.count + 1, sizeof(*t->awaited_ns));
	if (!t->awaited_ns)
		return -ENOMEM;
	if (!r->ran.count)
		return 0;
	t->wakes = malloc((r->acts.count + 1) * sizeof(*t->wakes));
	if (!t->wakes)
		return -ENOMEM;
	for (i = 0; i < r->acts.count; i++)
		if (r->acts.rows[i].kind == ACT_WAKE)
			t->wakes[t->nwakes++] = i;
	if (t->nwakes)
		qsort_r(t->wakes, t->nwakes, sizeof(*t->wakes), by_target, r->acts.rows);
	return 0;
}

/* The last wake of the thread that lies in the wait. */
static const struct act *who_woke(const struct times *t, const struct ran_row *row)
{
	const struct act *acts = t->r->acts.rows;
	uint64_t until = (row->wake_ns ? row->wake_ns : row->end_ns) + NEAR_NS;
	size_t low = 0, high = t->nwakes;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct act *a = &acts[t->wakes[mid]];

		if (a->other < row->thread || (a->other == row->thread && a->boot_ns <= until))
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	return acts[t->wakes[low - 1]].other == row->thread && acts[t->wakes[low - 1]].boot_ns >= row->off_ns
		       ? &acts[t->wakes[low - 1]]
		       : NULL;
}

static const char *process_of(const struct requests *r, const struct unit *u, uint64_t boot_ns)
{
	struct event_header h = { .boot_ns = boot_ns, .tgid = u->tgid, .tid = u->tid };
	struct event ev = { .boot_ns = boot_ns, .host = u->host, .type = event_static_type(EVENT_EXIT), .h = &h };
	const char *name = who_title(r->who, &ev);

	return *name ? name : "?";
}

static void blame_lock(struct times *t, char *text, size_t cap)
{
	const struct requests *r = t->r;
	const struct act *a = t->lock ? who_woke(t, t->lock) : NULL;
	const struct unit *u = a ? &r->units.rows[a->thread] : NULL;
	const struct span *s = a && a->span != NONE ? &r->spans.rows[a->span] : NULL;

	if (!a)
		return;
	if (s && a->span != t->span && t->lock_ns > t->awaited_ns[a->span])
		t->awaited_ns[a->span] = t->lock_ns;
	(void)snprintf(text, cap, "%s[%u], thread %u, let go%s%s%s%s", process_of(r, u, a->boot_ns), u->tgid, u->tid,
		       s ? "; it worked for " : "", s ? spans_text(&r->spans, s->operation) : "",
		       s && s->resource ? " " : "", s ? spans_text(&r->spans, s->resource) : "");
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The call on a file that overlaps the span most. */
static void blame_disk(const struct times *t, char *text, size_t cap)
{
	const struct requests *r = t->r;
	uint64_t most = 0;
	uint32_t path = 0, i;
	size_t k;

	for (i = t->first_segment[t->worker]; i < t->first_segment[t->worker + 1]; i++) {
		const struct segment *s = &r->segments.rows[i];

		for (k = 0; k < r->files.count; k++) {
			const struct file_row *f = &r->files.rows[k];
			uint64_t from = later(later(f->begin_ns, s->from_ns), t->begin);
			uint64_t to = earlier(earlier(f->end_ns, s->to_ns), t->end);

			if (f->thread != s->thread || from >= to || to - from <= most)
				continue;
			most = to - from;
			path = f->path;
		}
	}
	if (most)
		(void)snprintf(text, cap, "%s", spans_text(&r->spans, path));
}

static int by_share(const void *pa, const void *pb)
{
	const struct holder *a = pa, *b = pb;

	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

/* Who had the CPU, longest first. */
static void blame_cpu(struct times *t, char *text, size_t cap)
{
	size_t i, n = 0;

	if (t->nholders)
		qsort(t->holders, t->nholders, sizeof(*t->holders), by_share);
	for (i = 0; i < t->nholders && i < HOLDERS_SHOWN && n < cap; i++) {
		const struct holder *h = &t->holders[i];

		if (h->ns < HOLDER_MIN_NS || h->ns < t->holders[0].ns / 10)
			break;
		n += (size_t)snprintf(text + n, cap - n, i ? ", %s for %.1f ms" : "%s had that CPU for %.1f ms of it",
				      spans_text(&t->r->spans, h->name), (double)h->ns / 1e6);
	}
}

/* What it waited for longest, except for other spans; TIME_CHILD: nothing. */
static enum span_time largest_wait(const struct span *s)
{
	unsigned int k, best = TIME_CHILD;

	for (k = TIME_CPU_WAIT; k < TIME_UNKNOWN; k++)
		if (k != TIME_CHILD && s->time_ns[k] && (best == TIME_CHILD || s->time_ns[k] > s->time_ns[best]))
			best = k;
	return best;
}

/* Who sleeps with a lock that others wait for. */
void requests_blame_awaited(struct times *t)
{
	struct requests *r = t->r;
	uint32_t i;

	for (i = 0; i < r->spans.count; i++) {
		struct span *s = &r->spans.rows[i];
		struct unit u = { .host = s->host, .tgid = s->tgid, .tid = s->tid };
		char text[256];

		if (!t->awaited_ns[i] || largest_wait(s) != TIME_SLEEP)
			continue;
		(void)snprintf(
			text, sizeof(text), "%s[%u], thread %u, had a lock that others waited for, up to %.1f ms",
			process_of(r, &u, r->more.rows[i].raw_end_ns), s->tgid, s->tid, (double)t->awaited_ns[i] / 1e6);
		s->blame = requests_text(r, text);
	}
}

void requests_blame(struct times *t, uint32_t span)
{
	struct span *s = &t->r->spans.rows[span];
	enum span_time best = largest_wait(s);
	char text[256] = "";

	if (best == TIME_CPU_WAIT)
		blame_cpu(t, text, sizeof(text));
	else if (best == TIME_LOCK)
		blame_lock(t, text, sizeof(text));
	else if (best == TIME_DISK)
		blame_disk(t, text, sizeof(text));
	else if (best == TIME_RETRANSMIT)
		(void)snprintf(text, sizeof(text), "%u %s sent again", t->again,
			       t->again == 1 ? "segment was" : "segments were");
	else if (s->kind == SPAN_CLIENT && t->r->more.rows[span].mate == NONE && s->time_ns[TIME_UNKNOWN])
		(void)snprintf(text, sizeof(text), "the other end was not recorded");
	s->blame = requests_text(t->r, text);
}
