/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_WALK_H
#define SAKER_SERVE_WALK_H
/*
 * walk - all events of the recordings, in order of time, one after another: for the model, for the story, for the requests.
 *
 * Threads: as many as there are readers.  Memory: none of its own.  Failure: of the recording, or of who is told.
 */
#include "serve/model.h"
#include "store/store.h"

/* ev is borrowed until it returns; < 0 ends the walk, which then returns that. */
typedef int walk_fn(void *arg, const struct event *ev, struct err *err);

/* opts: to whom damage is told; NULL: nobody, it was told before. */
static inline int walk(struct store_reader *reader, const struct model_opts *opts, walk_fn *each, void *arg,
		       struct err *err)
{
	struct store_read_opts ro = { .damage = opts ? opts->damage : NULL, .arg = opts ? opts->arg : NULL };
	struct event_source *source;
	const struct event *ev;
	int r = store_read(reader, &ro, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0 && (r = each(arg, ev, err)) >= 0)
		;
	event_source_close(source);
	return r < 0 ? r : 0;
}

#endif
