/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_CAUSES_H
#define SAKER_EXPLAIN_CAUSES_H
/*
 * causes - the same time as dominant.h, added up by what a person can do something about: the kind of time, and whose doing it
 * is, whatever the service and operation that suffered it.
 *
 * Whose: of waiting for a CPU the process that had it, of waiting for a lock the process that let it go (both from the blame of the
 * span, where it names one), of what happens on the way the server that was asked, else the service itself.  Who sleeps with a
 * lock that others wait for (its blame says so) counts as a lock that it held.  Processes of one name are one, and so are the
 * ports of a service.
 *
 * Slow and normal requests are those of dominant_sets(), and the tests are the same.
 *
 * Threads: any.  Memory: 40 bytes for each kind of time of each span on a path, and that of one critical path.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct buf;
struct err;

#define CAUSE_WHO 48

struct cause {
	char who[CAUSE_WHO];
	uint8_t kind;		   /* enum span_time */
	bool held;		   /* who held what was waited for; else it is whom it happened to */
	uint32_t slow, normal;	   /* requests that have it */
	double slow_ns, normal_ns; /* means, over all requests of each set */
	double share;		   /* of the difference between the mean durations of the sets */
	double p;		   /* of the test, before the correction */
	bool by_presence;	   /* which was Fisher's */
	uint32_t row;		   /* a span with much of it */
};

struct causes {
	struct cause *list; /* largest first: what slow requests have more of, and the numbers carry */
	size_t count;
	uint32_t slow, normal, tested;
	bool enough;
};

/* Over the traces (indexes of s->traces); NULL: all.  The caller has causes_fini() *ret.  -ENOMEM. */
int causes_of(const struct spans *s, const uint32_t *traces, size_t n, struct causes *ret, struct err *err);
void causes_fini(struct causes *c); /* zeroed ok */

/* `waiting for a CPU held by shop-hog` */
void cause_words(struct buf *b, const struct cause *c);
void causes_text(struct buf *b, const struct spans *s, const struct causes *c);
void causes_json(struct buf *b, const struct spans *s, const struct causes *c); /* a list */

#endif
