/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_SORT_H
#define SAKER_STORE_SORT_H
/*
 * sort - the re-sorting window: events come in by CPU, each CPU nearly in order, and leave merged by time.
 *
 * Each CPU has a lane, the recorder's own events have one of their own.  An event is copied once, into a
 * pool of segments; a lane is an array of references that is kept sorted by insertion (a nested interrupt
 * displaces by a place or two), or sorted when it drains if the disorder is larger.
 *
 * Threads: none shared.  Memory: the pool's size, and 16 bytes for each event that waits.
 * Failure: sorter_add() says when it is full; the caller drains.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct event_header;
struct sorter;

int sorter_new(size_t pool_bytes, struct sorter **ret); /* -ENOMEM */
struct sorter *sorter_free(struct sorter *s);		/* NULL ok; returns NULL */

/* 1: taken; 0: full, drain first; -ENOMEM. */
int sorter_add(struct sorter *s, const struct event_header *h);
size_t sorter_bytes(const struct sorter *s); /* of the events that wait */

/*
 * Hands out, in order of (boot_ns, seq), all events before before_ns, but stops when no more than
 * keep_bytes wait.  The event is borrowed until out() returns; what out() returns below 0 ends the draining.
 */
typedef int sorter_out_fn(void *arg, const struct event_header *h, struct err *err);
int sorter_drain(struct sorter *s, uint64_t before_ns, size_t keep_bytes, sorter_out_fn *out, void *arg,
		 struct err *err);

#endif
