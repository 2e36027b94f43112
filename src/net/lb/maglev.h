/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_MAGLEV_H
#define SAKER_NET_LB_MAGLEV_H
/*
 * maglev - the ring of a VIP: which backend stands at which place.
 *
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016), section 3.4: every backend has
 * an order of its own over all places, and all take turns to take the next that is free.  With weights a backend takes
 * part in so many of the turns: it saves up its weight and takes a place for each largest weight that it has.
 *
 * The ring follows from the nodes' hashes and weights alone, whatever the order in which they are given.
 * Threads: any.  Memory: 32 bytes a node while it runs.
 */
#include <stddef.h>
#include <stdint.h>

struct maglev_node {
	uint64_t hash;	 /* endpoint_hash() */
	uint32_t weight; /* 0: gets no place */
	uint16_t real;	 /* what is written into the ring; not 0 */
};

/* Fills ring[places]; places is a prime.  -ENOENT: no node has a weight; the ring is full of 0.  -ENOMEM. */
int maglev_fill(uint16_t *ring, uint32_t places, const struct maglev_node *nodes, size_t n);

#endif
