/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_H
#define SAKER_EXPLAIN_REQUESTS_H
/*
 * requests - cuts requests out of the ordered events: messages become exchanges (proto/), exchanges spans, spans traces,
 * and the time of each span is dealt out to what its threads did.
 *
 * Use like story: requests_add() every event, order_solve(), requests_build().
 *
 * Ids: that of a span is a hash of the connection (both addresses, ports and initial sequence numbers), the offset of its
 * request and its kind, so that two hosts that never spoke give the two ends of one connection ids that fit together;
 * a trace has the hash of its root's.  Where the messages carry a traceparent, its trace id is taken.
 *
 * Threads: one.  Memory: about 64 bytes a message and 32 a hand-over, REQUESTS_BYTES_MAX at most; the rest is counted.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct requests;
struct err;
struct event;

struct requests_opts {
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	bool ignore_ids; /* as if the messages carried none: for tests against truth */
	bool timing;	 /* also exchanges that no parser followed */
};

int requests_new(const struct requests_opts *opts, struct requests **ret, struct err *err);
struct requests *requests_free(struct requests *r); /* NULL ok; returns NULL */
int requests_add(struct requests *r, const struct event *ev, struct err *err);
int requests_build(struct requests *r, const struct order *o, struct err *err);
const struct spans *requests_spans(const struct requests *r); /* borrowed */
/* Log lines that a thread wrote while it worked for the span, by time; how many.  Borrowed. */
size_t requests_logs(const struct requests *r, uint32_t span, const struct order_ref **ret);
uint64_t requests_left_out(const struct requests *r); /* facts for which there was no room */

#endif
