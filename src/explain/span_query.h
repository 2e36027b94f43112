/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPAN_QUERY_H
#define SAKER_EXPLAIN_SPAN_QUERY_H
/*
 * span_query - the query language over spans: `service=shop* and duration>50ms`, `lock>10ms`, `failed`.
 *
 * For the language a span is an event of a type `span`, whose fields are service, operation, resource, error, peer,
 * blame, protocol, kind, trace, evidence, status, duration, the time classes by their keys (running, cpu_wait, lock, ...),
 * failed, incomplete, ambiguous, confidence, request_bytes and response_bytes; host, time, pid and tid are as for events.
 *
 * Threads: a query is used by one at a time.  Memory: one event, 8 KiB.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct span_query; /* opaque */
struct spans;

/* host_name may be NULL.  -EINVAL: err says what was expected, and where. */
int span_query_new(const char *text, const char *(*host_name)(void *arg, uint32_t host), void *arg,
		   struct span_query **ret, struct err *err);
struct span_query *span_query_free(struct span_query *q); /* NULL ok; returns NULL */
/* first_ns: when the recording began, for `time`.  A NULL query matches everything. */
bool span_query_match(struct span_query *q, const struct spans *s, uint32_t span, uint64_t first_ns);

#endif
