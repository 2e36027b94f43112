/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_JSON_H
#define SAKER_EXPLAIN_REQUESTS_JSON_H
/* requests_json - spans as JSON, for the command line and the page; and in a few words why one took its time. */
#include <stddef.h>
#include <stdint.h>

struct buf;
struct order_ref;
struct span;
struct spans;

/* One object without a newline.  logs: events of its log lines.  host_name: NULL, one host. */
void span_json(struct buf *b, const struct spans *s, uint32_t span, const struct order_ref *logs, size_t nlogs,
	       const char *(*host_name)(void *arg, uint32_t host), void *arg);

/* `,"attributes":{...}`: what its program said of it; nothing where it said nothing. */
void span_attributes_json(struct buf *b, const struct spans *s, const struct span *row);

/*
 * What took the most of a span: from it down to the child that was waited for longest, as long as that is
 * most of the time.  Returns the span in which the time went, and the class.
 */
uint32_t span_reason(const struct spans *s, uint32_t span, uint32_t *ret_time);
/* `redis:6379 GET 3.1 ms: waiting for a lock (...)`; the span's own reason without the head. */
void span_reason_text(struct buf *b, const struct spans *s, uint32_t span);
void span_duration_text(struct buf *b, uint64_t ns); /* `3.1 ms` */

#endif
