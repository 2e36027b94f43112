/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_PATH_H
#define SAKER_EXPLAIN_PATH_H
/*
 * path - one trace for reading: its spans as a waterfall, its critical path as stretches with their reasons; as text, as
 * JSON, and beside another trace.
 *
 * Text is safe for a terminal: control bytes are escaped.  Threads: any.  Memory: some hundred bytes a span into b;
 * b->failed says when there was none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/critical.h"
#include "explain/span.h"

struct buf;

#define PATH_SPANS_SHOWN 200 /* of more, only those on the path, unless all are asked for */

/* Lines that were written in a span; the function calls it for each of them, in order of time. */
typedef void path_log_fn(void *arg, struct order_ref event, uint64_t at_ns, const char *text, size_t len);

struct path_view {
	const struct spans *s;
	const struct critical *c; /* of the tree below root */
	uint32_t root;
	size_t width; /* columns; 0: 100 */
	bool verbose; /* evidence of each parent, and all spans */
	bool colour;
	uint64_t first_ns;				    /* when the recording began */
	const char *(*host_name)(void *arg, uint32_t host); /* NULL: there is one, and it needs no name */
	void (*logs)(void *arg, uint32_t row, path_log_fn *each, void *each_arg); /* NULL: not known */
	/* adds members to the JSON of a span, each with a comma before it; NULL: nothing */
	void (*more)(void *arg, struct buf *b, uint32_t row);
	void *arg;
	size_t most; /* of spans in JSON: where there are more, those on the path, and no more than that; 0: all */
};

void path_text(struct buf *b, const struct path_view *v);
void path_json(struct buf *b, const struct path_view *v); /* one object, without newline */

/* What two traces spent their time on, by service, operation and kind of time: the largest differences first. */
void path_compare_text(struct buf *b, const struct path_view *one, const struct path_view *other);
void path_compare_json(struct buf *b, const struct path_view *one, const struct path_view *other);

/* The tree below root, parents first; *at: SPAN_NONE to begin with, and at the end; *depth likewise 0.  Bounded by count. */
uint32_t path_next(const struct spans *s, uint32_t root, uint32_t at, unsigned int *depth);
void path_duration(struct buf *b, uint64_t ns); /* `12.4 ms`, three digits or more */
void path_trace_id(struct buf *b, const struct span *row);
size_t path_columns(const char *text, size_t len); /* of UTF-8, one each */

/*
 * Why the span's own time passed, largest part first: `running 3.1 ms (62 %), waiting for a lock 1.2 ms (24 %): BLAME`;
 * what other spans did is left out.  "" where nothing is known.
 */
void path_reason(struct buf *b, const struct spans *s, const struct span *row);

#endif
