/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_VERDICTS_H
#define SAKER_AGENT_VERDICTS_H
/*
 * verdicts - what the packet functions of an interface did with packets that were drawn (key `sample`), as `verdict` events.
 *
 * They come from a ring that has one reader at a time: a lock in the balancer's folder sees to that.  Threads: one.
 * Memory: the ring's mapping.  Failure: what finds no room in the ring is lost, which a `loss` event says.
 */
#include <stdint.h>

struct balancer;
struct err;
struct event_header;
struct verdicts;

typedef int (*verdicts_fn)(void *arg, const struct event_header *h); /* below 0 ends the turn, and is returned */

/* -ENOENT: nothing runs on the interface; -EBUSY: somebody else reads. */
int verdicts_open(const char *interface, verdicts_fn each, void *arg, struct verdicts **ret, struct err *err);
struct verdicts *verdicts_close(struct verdicts *v); /* NULL ok; returns NULL */

/* All that are there; waits for some so long at most.  Returns 0, or what each() returned. */
int verdicts_turn(struct verdicts *v, int timeout_ms);
/* The key `sample`, and `sample-drops`. */
void verdicts_rates(const struct verdicts *v, uint32_t *ret_sample, uint32_t *ret_drops);

/*
 * The right to read the ring of an interface, until *ret is closed; who: what others are told that ask for it, too.  -EBUSY: who
 * has it is named.
 */
int verdicts_lock(const struct balancer *b, const char *who, int *ret, struct err *err);

#endif
