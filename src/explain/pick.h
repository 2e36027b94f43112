/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_PICK_H
#define SAKER_EXPLAIN_PICK_H
/*
 * pick - which trace somebody means.  Answers are indexes of spans.traces.  Threads: any.
 */
#include <stdint.h>

#include "explain/span.h"

struct err;

/*
 * By the first digits of its id (a dash is passed over); of several trees with that id the longest.  -EINVAL: no id;
 * -ENOENT; -EEXIST: several traces begin with it.
 */
int pick_trace(const struct spans *s, const char *id, uint32_t *ret, struct err *err);
int pick_slowest(const struct spans *s, uint32_t *ret, struct err *err); /* -ENOENT: there is none */
/* The one in the middle of those whose root has the service and operation of this one's, by duration; -ENOENT: it is alone. */
int pick_normal(const struct spans *s, uint32_t trace, uint32_t *ret, struct err *err);

static inline uint64_t pick_duration(const struct spans *s, uint32_t trace)
{
	const struct span *root = &s->rows[s->traces[trace].root];

	return root->end_ns > root->begin_ns ? root->end_ns - root->begin_ns : 0;
}

#endif
