/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_HOP_H
#define SAKER_NET_HOP_H
/*
 * hop - where an interface's packets go next: addresses of the link layer, as this host's routes and neighbours say.
 *
 * Threads: one.  Memory: this struct.  Failure: a sentence that says what to write instead.
 */
#include <stdbool.h>
#include <stdint.h>

#include "net/lb/shared.bpf.h"

struct err;

struct hop {
	bool by_route; /* the host's routes say for each packet */
	uint8_t router_mac[6];
	uint8_t own_mac[6];
	uint32_t mtu;		   /* of the interface */
	struct lb_addr own4, own6; /* family 0: the interface has none */
};

/* Does the host forward what comes in on the interface?  family: 4, 6. */
bool hop_forwards(const char *interface, unsigned family);
/* The name by which sysctl(8) knows that setting; returns out. */
#define HOP_SYSCTL 64
const char *hop_sysctl(const char *interface, unsigned family, char out[HOP_SYSCTL]);

/*
 * router: a MAC, an address, or "": the next hop of the route to `to` (family 0: the default route's), which must be one for
 * all, so not `to` itself; `routes`: none, by_route is set.  An address whose MAC
 * is not known yet is asked for, for at most a second.
 */
int hop_find(const char *interface, unsigned ifindex, const char *router, const struct lb_addr *to, struct hop *ret,
	     struct err *err);

#endif
