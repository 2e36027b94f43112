/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_CRITICAL_H
#define SAKER_EXPLAIN_CRITICAL_H
/*
 * critical - the critical path of a trace: the spans, and the stretches of them, without which it would have ended earlier.
 *
 * The rule is that of CRISP (Zhang et al., USENIX ATC 2022), and its answers to its own cases are met (critical_test.c):
 *  1. Children are cut to their parent; one that lies outside of it, or sticks out at both ends, is left out with all
 *     below it.  The only child of a client span that is a server span, or runs on another host, may be longer by
 *     1 % (clocks differ): it is not cut.
 *  2. From a span go to the child that ends last, then to the latest that ends before the one just taken began, and so on.
 *     It may end after that by less than 1 % of the parent if nothing else begins or ends in between.
 *  3. What no child on the path covers is the span's own.
 *
 * A pure function: threads any number, each with its own struct.  Time: O(n log n) in the spans of the trace.  Memory:
 * about 120 bytes a span.  No recursion; rows of any content end in an answer or an error.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct err;
struct buf;

/* A stretch [from, to) of the path.  Those of one span never overlap; those of siblings may, by the 1 % of rule 2. */
struct critical_segment {
	uint64_t from_ns, to_ns;
	uint32_t row;
};

/* A span on the path, as it was cut. */
struct critical_span {
	uint32_t row, parent; /* index in the spans; parent: SPAN_NONE for the root */
	uint64_t begin_ns, end_ns;
	uint64_t
		exclusive_ns; /* its duration less those of its children on the path; 0 where that is less than nothing */
	uint32_t segment, segments; /* its own in critical.segments, by time */
};

/* Where a span stands.  A slack says how much later it could have ended, and the trace not. */
struct critical_place {
	uint32_t row;
	uint32_t at;	   /* index in the path; SPAN_NONE: beside it */
	uint64_t slack_ns; /* 0 on the path */
};

/* All spans that were called by the same callers: a node in the tree of calls. */
struct critical_call {
	uint32_t parent;	     /* index of the caller's, SPAN_NONE: the root; always less than its own */
	uint32_t service, operation; /* spans_text() */
	uint32_t count;		     /* spans on the path */
	uint64_t exclusive_ns;	     /* on the path */
	uint64_t without_ns;	     /* on the path that remains without failed work, see critical.saved_path_ns */
	uint64_t failed_ns;	     /* exclusive, of spans that failed */
	uint64_t failed_all_ns;	     /* whole duration of spans that failed, else of what failed below them */
	uint32_t self, propagated,
		stopped; /* errors: its own; of a failed child too; of a child, and the span is well */
	/* the same of spans beside the path, which failed and all of whose callers did, up to one on it */
	uint64_t beside_failed_ns;
	uint32_t beside_self, beside_propagated, beside_stopped;
};

struct critical {
	struct critical_span *path; /* last first: a span, then its last child with all below, then the child before */
	size_t npath;
	struct critical_segment *segments;
	size_t nsegments;
	struct critical_place *places; /* by row: all spans but those left out */
	size_t nplaces;
	uint64_t left_out; /* spans that lie outside of their parents: neither on the path nor off it */

	struct critical_call *calls;
	size_t ncalls;
	uint64_t work_ns;	/* durations of all spans */
	uint64_t saved_work_ns; /* of those that failed */
	uint64_t saved_path_ns; /* how much earlier the trace ended if failed spans took no time, and what followed them
				 * kept its distances */
};

/*
 * The path of the tree below row `root`.  Only first_child, next, parent, kind, host, flags, service, operation and the
 * times are read.  -ELOOP: the lists of children run in a circle; -EINVAL: no such row.
 */
int critical_find(const struct spans *s, uint32_t root, struct critical *ret, struct err *err);
void critical_fini(struct critical *c); /* zeroed ok */

/* NULL: left out, or of another trace. */
const struct critical_place *critical_place(const struct critical *c, uint32_t row);
/* `[service] operation->[service] operation`, at most 64 KiB. */
void critical_call_text(struct buf *b, const struct spans *s, const struct critical *c, uint32_t call);

#endif
