/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_PARTS_H
#define SAKER_EXPLAIN_PARTS_H
/*
 * parts - the time of a trace's critical path by service, operation and kind of time.
 *
 * A span's stretches on the path are dealt out in the proportion of its own kinds of time (all but TIME_CHILD), to the
 * nanosecond; of a span of which nothing is known they are TIME_UNKNOWN.  Threads: any.
 */
#include <stddef.h>
#include <stdint.h>

#include "explain/critical.h"
#include "explain/span.h"

struct part {
	uint32_t service, operation; /* spans_text() */
	uint8_t kind;		     /* enum span_time */
	uint32_t spans;		     /* on the path */
	uint64_t ns;
};

/* Those of one span, c->path[at], into out[TIME_KINDS]; how many. */
size_t parts_of_span(const struct spans *s, const struct critical *c, size_t at, struct part *out);
/* Sorted by service, operation, kind, each once; the caller frees *ret.  -ENOMEM. */
int parts_of(const struct spans *s, const struct critical *c, struct part **ret, size_t *ret_count);
/* -1, 0, 1, by service, operation, kind. */
int parts_compare(const struct part *a, const struct part *b);

#endif
