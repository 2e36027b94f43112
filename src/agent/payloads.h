/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_PAYLOADS_H
#define SAKER_AGENT_PAYLOADS_H
/*
 * payloads - from the kernel's pieces of messages to `payload` events, secrets masked.
 *
 * A piece whose place in its stream is the next one is masked and given on at once; another waits, for what belongs before it
 * may still come through the ring of another CPU, until all of its time are there.  So a secret that goes on from one piece
 * to the next is masked in both.
 *
 * Threads: one.  Memory: PAYLOADS_STREAMS_MAX directions of connections, the ones that were silent for longest go first, and
 * PAYLOADS_QUEUE_MAX bytes of pieces that wait; beyond that they no longer do.
 * Failure: what the store says ends the recording; a piece that finds no memory is given without its bytes.
 */
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel.h"

struct err;
struct payloads;

#define PAYLOADS_STREAMS_MAX 32768
#define PAYLOADS_QUEUE_MAX (8U << 20)

/* emit gets the events.  words: names of secrets besides those that are known; borrowed. */
int payloads_new(const char *const *words, size_t nwords, kernel_event_fn *emit, void *arg, struct payloads **ret,
		 struct err *err);
struct payloads *payloads_free(struct payloads *p); /* NULL ok; returns NULL */

/* A piece, or the close of a socket; copied. */
int payloads_take(struct payloads *p, const struct event_header *h);
/* All events before `settled` have been given. */
int payloads_tick(struct payloads *p, uint64_t settled);

#endif
