/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/analyse.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "explain/story.h"
#include "order/order.h"
#include "store/store.h"

#define PROGRESS_EVERY (1U << 20)

static const char *host_name(void *arg, uint32_t host)
{
	const char *name = store_host_name(arg, host);

	return name ? name : "";
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
		r = order_add(a->order, ev, err);
		if (r >= 0 && a->story)
			r = story_add(a->story, ev, err);
		if (r < 0)
			break;
		if (opts->progress && ++n % PROGRESS_EVERY == 0)
			opts->progress(opts->arg, n);
	}
	event_source_close(source);
	return r;
}

int analysis_open(const struct analysis_opts *opts, struct analysis *ret, struct err *err)
{
	struct analysis a = { 0 };
	int r = store_open(opts->paths, opts->npaths, &a.reader, err);

	if (r >= 0)
		r = order_new(NULL, &a.order, err);
	if (r >= 0 && opts->story)
		r = story_new(store_hosts(a.reader) > 1 ? host_name : NULL, a.reader, &a.story, err);
	if (r >= 0)
		r = feed(opts, &a, err);
	if (r >= 0)
		r = order_solve(a.order, err);
	if (r >= 0 && a.story)
		r = story_tell(a.story, a.order, err);
	if (r < 0)
		analysis_close(&a);
	else
		*ret = a;
	return r;
}

void analysis_close(struct analysis *a)
{
	a->story = story_free(a->story);
	a->order = order_free(a->order);
	a->reader = store_reader_free(a->reader);
}
