/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_WAY_H
#define SAKER_NET_LB_WAY_H
/*
 * way - what the configuration that runs says of the link layer: it follows the host's neighbours and links without a new wish.
 *
 * Threads: one.  Memory: none.  Failure: a sentence; what runs is then as it was, or partly new.
 */
#include <stdbool.h>

struct chain;
struct err;
struct lb_config;

bool lb_way_equal(const struct lb_config *a, const struct lb_config *b);
/*
 * Writes link addresses, the longest frame and GUE's sources of `from`, on both sides and in place: packets see it at once.  One that is on
 * its way just then may see a half of each address, and be lost as those before it were.
 */
int lb_way_set(struct chain *c, const struct lb_config *from, struct err *err);

#endif
