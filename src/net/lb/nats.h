/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_NATS_H
#define SAKER_NET_LB_NATS_H
/*
 * nats - the table of connections through NAT (net/lb/nat_table.bpf.h), seen from user space.  Threads: one.  Memory: while it runs.
 */
#include <stdint.h>

struct chain;

/* Entries that there is room for; 0: there is no table. */
uint32_t lb_nats_room(const struct chain *c);
/*
 * Copies what one chain's table has into that of another where it has not; returns how many.  VIPs whose numbers are others there are
 * found by their keys, so the other one should have its wish; entries of VIPs that it has not are copied, too, as nobody's.
 */
uint64_t lb_nats_carry(const struct chain *from, const struct chain *to);

#endif
