/* SPDX-License-Identifier: Apache-2.0 */
/* The events themselves, in the order of time, of cause, or thread by thread. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/show.h"

static bool in_window(const struct show *s, const struct event *ev)
{
	uint64_t since;

	if (!s->args->from_ns && s->args->to_ns == UINT64_MAX)
		return true;
	since = show_since_ns(s, ev);
	return since >= s->args->from_ns && since < s->args->to_ns;
}

static bool wanted(struct show *s, const struct event *ev)
{
	return in_window(s, ev) && query_match(s->query, ev, &s->scope);
}

static bool put_event(struct show *s, const struct event *ev, uint32_t clock)
{
	buf_reset(&s->line);
	if (s->args->json)
		show_event_json(s, ev, clock);
	else
		show_event(s, ev, clock);
	return show_put(s);
}

/* Whatever needs names has to see the events before the window, too; else the indexes leave blocks out. */
static struct store_read_opts read_opts(const struct show *s, bool names)
{
	const struct show_args *a = s->args;
	uint64_t first = s->first_unix_ns - store_host_epoch(s->reader, 0);
	struct store_read_opts ro = { .damage = cli_complain };

	if (names)
		return ro;
	ro.tgid = query_pid(s->query);
	ro.from_boot_ns = a->from_ns ? first + a->from_ns : 0;
	ro.to_boot_ns = a->to_ns == UINT64_MAX ? 0 : first + a->to_ns;
	return ro;
}

static int by_time(struct show *s)
{
	bool names = !s->args->json || query_needs_scope(s->query);
	struct store_read_opts ro = read_opts(s, names);
	struct event_source *source;
	const struct event *ev;
	uint64_t n = 0;
	int r = store_read(s->reader, &ro, &source, s->err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, s->err)) > 0) {
		if (++n % SHOW_PROGRESS_EVERY == 0 && !s->terminal)
			show_progress(s, n); /* not among the lines */
		if (names)
			who_learn(s->who, ev);
		if (wanted(s, ev) && !put_event(s, ev, 0))
			break;
	}
	show_progress_end(s);
	event_source_close(source);
	return r < 0 ? r : 0;
}

static bool causal_step(void *arg, struct order_ref ref, uint32_t clock)
{
	struct show *s = arg;
	struct event ev;

	s->res = show_fetch(s, ref, &ev);
	if (s->res < 0)
		return false;
	who_learn(s->who, &ev);
	return !wanted(s, &ev) || put_event(s, &ev, clock);
}

/* --- thread by thread --- */

struct line_of {
	uint32_t host, tid;
	uint64_t start_ns, id;
	uint64_t first; /* when the thread was seen first: its place among the threads */
};

struct lines {
	struct line_of *rows;
	size_t count, cap;
};

static int lines_add(struct lines *l, const struct event *ev)
{
	struct line_of *grown;

	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 4096;

		grown = realloc(l->rows, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->rows = grown;
		l->cap = cap;
	}
	l->rows[l->count++] = (struct line_of) { ev->host, ev->h->tid, ev->h->start_ns, ev->id, 0 };
	return 0;
}

static int by_thread_compare(const void *pa, const void *pb)
{
	const struct line_of *a = pa, *b = pb;

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

/* Sorts by thread, then the threads by their first event. */
static void lines_sort(struct lines *l)
{
	size_t i, first = 0;

	if (!l->count)
		return;
	qsort(l->rows, l->count, sizeof(*l->rows), by_thread_compare);
	for (i = 0; i < l->count; i++) {
		const struct line_of *a = &l->rows[first], *b = &l->rows[i];

		if (a->host != b->host || a->tid != b->tid || a->start_ns != b->start_ns)
			first = i;
		l->rows[i].first = l->rows[first].id;
	}
	qsort(l->rows, l->count, sizeof(*l->rows), by_thread_compare);
}

/* First who belongs to which thread, then each thread's events from the store. */
static int by_thread(struct show *s)
{
	struct store_read_opts ro = { .damage = cli_complain };
	struct lines l = { 0 };
	struct event_source *source;
	const struct event *ev;
	struct event one;
	uint64_t n = 0;
	size_t i;
	int r = store_read(s->reader, &ro, &source, s->err);

	if (r < 0)
		return r;
	while (r >= 0 && (r = event_source_next(source, &ev, s->err)) > 0) {
		if (++n % SHOW_PROGRESS_EVERY == 0)
			show_progress(s, n);
		who_learn(s->who, ev);
		if (wanted(s, ev) && lines_add(&l, ev) < 0)
			r = err_set(s->err, ENOMEM, "out of memory for the order of threads");
	}
	show_progress_end(s);
	event_source_close(source);
	if (r >= 0)
		lines_sort(&l);
	for (i = 0; i < l.count && r >= 0; i++) {
		r = show_fetch(s, (struct order_ref) { l.rows[i].host, l.rows[i].id }, &one);
		if (r >= 0 && !put_event(s, &one, 0))
			break;
	}
	free(l.rows);
	return r;
}

int show_events(struct show *s)
{
	if (!s->args->limit)
		return 0;
	if (s->args->order == SHOW_THREAD)
		return by_thread(s);
	if (s->args->order == SHOW_TIME)
		return by_time(s);
	order_causal(s->order, causal_step, s);
	return s->res;
}
