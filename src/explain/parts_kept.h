/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_PARTS_KEPT_H
#define SAKER_EXPLAIN_PARTS_KEPT_H
/*
 * parts_kept - the parts (parts.h) of requests that were worked out before: whoever asks about one group of requests after another
 * need not find the critical paths of all of them each time.  Service, operation and kind are told by a number, the key.
 *
 * Threads: any.  Memory: 16 bytes a part, up to a limit; those of further requests are worked out whenever they are asked for.
 * Besides 8 bytes a request, and 40 a key.
 */
#include <stddef.h>
#include <stdint.h>

#include "explain/parts.h"

struct err;
struct parts_kept;

struct part_ns {
	uint64_t ns;
	uint32_t key;
};

/* s must not change, and is borrowed.  most_bytes 0: nothing is kept but keys. */
int parts_kept_new(const struct spans *s, size_t most_bytes, struct parts_kept **ret, struct err *err);
struct parts_kept *parts_kept_free(struct parts_kept *k); /* NULL ok; returns NULL */

/* Appends the parts of a trace (index of s->traces) to *rows, which grows and is the caller's, as are *count and *cap. */
struct parts_rows {
	struct part_ns *rows;
	size_t count, cap;
};
int parts_kept_get(struct parts_kept *k, uint32_t trace, struct parts_rows *to, struct err *err);

/* By key; of each service, operation and kind are told.  All keys that were handed out so far; the caller frees *ret.  -ENOMEM. */
int parts_kept_keys(struct parts_kept *k, struct part **ret, size_t *ret_count);
size_t parts_kept_requests(struct parts_kept *k); /* whose parts are kept */

#endif
