/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_TRACES_H
#define SAKER_AGENT_TRACES_H
/*
 * traces - the spans of recordings, or of a file of traces that Jaeger wrote: a path that is no folder is such a file.  Those of
 * recordings are taken from what was stored when they were derived before (stored.h).
 *
 * Threads: one.  Memory: that of the analysis, or of the spans.
 */
#include <stdint.h>

#include "agent/analyse.h"
#include "explain/path.h"
#include "explain/span.h"
#include "explain/spans_db.h"

struct err;

struct traces {
	const struct spans *s;
	struct spans own;      /* of a file, or stored */
	struct span_logs logs; /* of those that were stored */
	struct analysis a;     /* of recordings; a.reader NULL: none; a.requests NULL: they were stored */
	uint64_t left_out;     /* what could not be read of a file, or had no room */
	uint64_t orphans;      /* spans of a file whose parents are not in it */
};

int traces_open(const struct analysis_opts *opts, struct traces *ret, struct err *err);
/* One trace only, where that can be told without all: whose id begins so, NULL: the slowest.  Else all, as traces_open(). */
int traces_open_one(const struct analysis_opts *opts, const char *id, struct traces *ret, struct err *err);
void traces_close(struct traces *t); /* zeroed ok */

/* Says what is missing: what could not be read must not look as if it were not there. */
void traces_complain(const struct traces *t, void (*say)(void *arg, const char *sentence), void *arg);

/* Each segment that was sent again, from the recordings themselves; files have none. */
int traces_retransmits(struct traces *t, void (*each)(void *arg, uint32_t host, uint64_t sock), void *arg,
		       struct err *err);

/* The events of a span's log lines; how many.  Borrowed. */
size_t traces_logs(const struct traces *t, uint32_t row, const struct order_ref **ret);
/* Fills in what the view needs to know of hosts and log lines; it borrows t. */
void traces_view(struct traces *t, struct path_view *v);

#endif
