/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/analyse.h"

#include <stddef.h>

#include "agent/stored.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "explain/requests.h"
#include "explain/spans_db.h"
#include "explain/story.h"
#include "order/order.h"
#include "store/store.h"

#define PROGRESS_EVERY (1U << 20)
#define SAME_CLOCK_NS 10000000

static const char *host_name(void *arg, uint32_t host)
{
	const char *name = store_host_name(arg, host);

	return name ? name : "";
}

/* Clocks of two machines start at other moments; of one machine they are one, however exactly they were read. */
static void set_clocks(struct analysis *a)
{
	uint64_t first = store_host_epoch(a->reader, 0);
	unsigned int i;

	for (i = 1; i < store_hosts(a->reader); i++) {
		int64_t shift = (int64_t)(store_host_epoch(a->reader, i) - first);

		if (first && store_host_epoch(a->reader, i) && (shift > SAME_CLOCK_NS || shift < -SAME_CLOCK_NS))
			story_clock(a->story, i, shift);
	}
}

static int feed(const struct analysis_opts *opts, struct analysis *a, struct err *err)
{
	struct store_read_opts ro = { .damage = opts->damage, .arg = opts->arg };
	struct event_source *source;
	const struct event *ev;
	unsigned long long n = 0;
	int r = store_read(a->reader, &ro, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0) {
		a->payloads |= ev->type->id == EVENT_PAYLOAD;
		r = order_add(a->order, ev, err);
		if (r >= 0 && a->story)
			r = story_add(a->story, ev, err);
		if (r >= 0 && a->requests)
			r = requests_add(a->requests, ev, err);
		if (r < 0)
			break;
		if (opts->progress && ++n % PROGRESS_EVERY == 0)
			opts->progress(opts->arg, n);
	}
	event_source_close(source);
	return r;
}

static int start_requests(const struct analysis_opts *opts, struct analysis *a, struct err *err)
{
	struct requests_opts ro = { .host_name = store_hosts(a->reader) > 1 ? host_name : NULL,
				    .arg = a->reader,
				    .ignore_ids = opts->ignore_ids,
				    .timing = opts->timing };

	return requests_new(&ro, &a->requests, err);
}

/*
 * The story tells of requests, too: of those that were stored, else they are derived in the same pass, and, unless they
 * were asked for besides, given up again.
 */
static int start_story(const struct analysis_opts *opts, struct analysis *a, struct spans_db **ret, struct err *err)
{
	char key[STORED_KEY_MAX];
	int r = story_new(store_hosts(a->reader) > 1 ? host_name : NULL, a->reader, &a->story, err);

	if (r < 0)
		return r;
	set_clocks(a);
	if (opts->requests)
		return 0;
	r = stored_open(a->reader, opts, key, ret, err);
	return r ? r : start_requests(opts, a, err);
}

static int tell_story(const struct analysis_opts *opts, struct analysis *a, struct spans_db *db, struct err *err)
{
	struct spans stored = { 0 };
	struct err why = ERR_INIT;
	int r = 0;

	if (db && spans_db_all(db, &stored, NULL, &why) < 0)
		stored_complain(opts, &why);
	else if (db)
		r = story_requests(a->story, &stored, err);
	else if (a->requests && a->payloads)
		r = story_requests(a->story, requests_spans(a->requests), err);
	spans_fini(&stored);
	return r < 0 ? r : story_tell(a->story, a->order, err);
}

static int solve(const struct analysis_opts *opts, struct analysis *a, struct spans_db *db, struct err *err)
{
	int r = order_solve(a->order, err);

	if (r >= 0 && a->requests && (opts->requests || a->payloads))
		r = requests_build(a->requests, a->order, err);
	if (r >= 0 && a->story)
		r = tell_story(opts, a, db, err);
	if (!opts->requests)
		a->requests = requests_free(a->requests);
	return r;
}

int analysis_open(const struct analysis_opts *opts, struct analysis *ret, struct err *err)
{
	struct analysis a = { 0 };
	struct spans_db *db = NULL;
	int r = store_open(opts->paths, opts->npaths, &a.reader, err);

	if (r >= 0)
		r = order_new(NULL, &a.order, err);
	if (r >= 0 && opts->story)
		r = start_story(opts, &a, &db, err);
	if (r >= 0 && opts->requests)
		r = start_requests(opts, &a, err);
	if (r >= 0)
		r = feed(opts, &a, err);
	if (r >= 0)
		r = solve(opts, &a, db, err);
	spans_db_close(db);
	if (r < 0)
		analysis_close(&a);
	else
		*ret = a;
	return r;
}

void analysis_close(struct analysis *a)
{
	a->requests = requests_free(a->requests);
	a->story = story_free(a->story);
	a->order = order_free(a->order);
	a->reader = store_reader_free(a->reader);
}
