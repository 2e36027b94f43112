/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_JAEGER_H
#define SAKER_EXPLAIN_JAEGER_H
/*
 * jaeger - spans of the JSON that Jaeger's API answers and its page saves ({"data": [{"traceID", "processes", "spans"}]}),
 * of which one trace alone is taken, too.
 *
 * A span failed if its tags or logs say so: error, http.status_code >= 400, grpc.status other than OK, a status of
 * OpenTelemetry.  Its parent is that of the last CHILD_OF reference to a span of the same trace.  Spans without a name, a
 * time or a process are left out and counted.  Where their time went is not known (TIME_UNKNOWN).
 *
 * Threads: any.  Memory: that of the parsed text and of the spans.  Failure: -EINVAL with the place in the text.
 */
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct err;

struct jaeger_stats {
	uint64_t left_out; /* spans that cannot be understood */
	uint64_t orphans;  /* spans whose parent is named and is not there: roots, SPAN_INCOMPLETE */
};

/* *ret: the caller has spans_fini() it.  stats NULL ok. */
int jaeger_read(const char *text, size_t len, struct spans *ret, struct jaeger_stats *stats, struct err *err);
/* Of a span's id, which most often is hexadecimal, and else is any text; never 0. */
uint64_t jaeger_id(const char *text);

#endif
