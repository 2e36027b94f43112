/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_HOP_H
#define SAKER_NET_HOP_H
/*
 * hop - where an interface's packets go next: addresses of the link layer, as this host's routes and neighbours say.
 *
 * Threads: one.  Memory: this struct.  Failure: a sentence that says what to write instead.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/shared.bpf.h"

struct err;
struct route_neighbour;

struct hop {
	bool by_route;	       /* the host's routes say for each packet */
	bool to_sender;	       /* packets go back to whom they came from; the rest is for what this host sends itself */
	struct lb_addr router; /* whose link address the next one is; family 0: it was said, or there is none */
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
 * Asks for link addresses, for at most a second: first those that the kernel knows, whether they hold, then everybody.  From then on
 * the kernel keeps them.  Returns how many have none; rows say which.
 */
size_t hop_ask(struct route_neighbour *rows, size_t n);
/* What the kernel knows of it now, and is to keep from now on. */
void hop_keep(struct route_neighbour *n);

/* Whether only what the kernel knows is taken; also kept by it from now on; or asked for before (hop_ask). */
enum hop_how { HOP_LOOK, HOP_KEEP, HOP_ASK };

/*
 * router: a MAC, an address, or "": the next hop of the route to `to` (family 0: the default route's), which must be one for
 * all, so not `to` itself; `routes`: none, by_route is set; `sender`: as "", but without an
 * error where there is none.  -EHOSTUNREACH: the address has no link
 * address, and *ret is filled but for that.
 */
int hop_find(const char *interface, unsigned ifindex, const char *router, const struct lb_addr *to, enum hop_how how,
	     struct hop *ret, struct err *err);

#endif
