/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_ENDPOINT_H
#define SAKER_NET_LB_ENDPOINT_H
/*
 * endpoint - a backend's address as a number: its order and its places in a ring come from it alone, so that balancers
 * which never spoke to each other build the same ring.
 *
 * It is the number that Katran uses (folly's hash of an IP address), so that both kinds may stand beside each other.
 * Threads: any.  Memory: none.
 */
#include <stdint.h>

#include "net/lb/shared.bpf.h"

uint64_t endpoint_hash(const struct lb_addr *addr);
/* The first half of MurmurHash3_x64_128 over two words. */
uint64_t endpoint_mix(uint64_t a, uint64_t b, uint32_t seed);

#endif
