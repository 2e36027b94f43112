/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_MAKE_H
#define SAKER_EXPLAIN_SPANS_MAKE_H
/*
 * spans_make - spans put together from rows that know their parents: sorted, linked, cut into traces.
 *
 * Parents may be anything: one that does not exist is none, and a circle of parents is opened at one of its spans,
 * which is marked SPAN_INCOMPLETE.
 *
 * Threads: one.  Memory: that of struct spans, a slot of a map for each string, 12 bytes a row while linking.
 */
#include "base/map.h"
#include "explain/span.h"

struct spans_make {
	struct spans s;
	struct map texts;
	bool failed; /* out of memory, or of numbers: sticky */
};

void spans_make_fini(struct spans_make *m); /* zeroed ok */
/* Each string once; control bytes and all are kept, a NUL ends it.  0: "", or there was no room. */
uint32_t spans_make_text(struct spans_make *m, const char *text, size_t len);
/* A row of zeroes with no parent; valid until the next.  NULL: no room. */
struct span *spans_make_row(struct spans_make *m);
/* The rows' parents are indexes in the order in which they were made.  Moves all to *ret.  -ENOMEM. */
int spans_make_link(struct spans_make *m, struct spans *ret);

#endif
