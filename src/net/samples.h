/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_SAMPLES_H
#define SAKER_NET_SAMPLES_H
/*
 * samples - verdicts of packets that were drawn (chain_plan.sample), as they come out of the chain's ring.
 *
 * A ring has one reader: who opens it sees to that (agent/verdicts.h).  What finds no room in it is lost and counted
 * (CHAIN_SAMPLE_LOST), also while nobody reads.  Threads: one.  Memory: the ring's mapping.
 */
#include <stdint.h>

#include "net/shared.bpf.h"

struct chain;
struct err;
struct samples;

typedef int (*samples_fn)(void *arg, const struct chain_sample *s); /* other than 0 ends the turn, and is returned */

/* What lies in the ring from before is left out. */
int samples_open(const struct chain *c, samples_fn each, void *arg, struct samples **ret, struct err *err);
struct samples *samples_close(struct samples *s); /* NULL ok; returns NULL */

/* Waits so long at most; 0: does not wait.  What each() returned if that was below 0, else how many came, or -errno. */
int samples_turn(struct samples *s, int timeout_ms);

#endif
