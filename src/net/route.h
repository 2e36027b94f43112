/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_ROUTE_H
#define SAKER_NET_ROUTE_H
/*
 * route - what the kernel's routes and neighbours say, by rtnetlink (RFC 3549), as much as is wanted here.
 *
 * Threads: any.  Memory: the stack.  Failure: -errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/shared.bpf.h"

struct nlmsghdr;

struct route_way {
	struct lb_addr gateway; /* family 0: none is needed */
	unsigned ifindex;
};
int route_to(const struct lb_addr *to, struct route_way *ret);

struct route_neighbour {
	struct lb_addr addr;
	unsigned ifindex;
	uint8_t mac[6];
	bool known;    /* it has a link address, now or until it is asked for again */
	bool sure;     /* and that was confirmed a short while ago, or a person set it */
	bool fixed;    /* a person set it */
	uint8_t flags; /* NTF_ROUTER */
	bool ours;     /* the kernel keeps it for us: route_neighbour_keep() */
};
/* Of addr and ifindex.  -ENOENT: the kernel has no entry. */
int route_neighbour_look(struct route_neighbour *n);
/* A message RTM_NEWNEIGH or RTM_DELNEIGH; false: it is of nothing that we follow. */
bool route_neighbour_said(const struct nlmsghdr *m, struct route_neighbour *ret);

/*
 * Asks for its link address: the neighbour itself where it is thought to be, or everybody; what is known meanwhile holds in the
 * first case, and is forgotten in the second.
 */
int route_neighbour_ask(const struct route_neighbour *n, bool everybody);
/*
 * From now on the kernel asks by itself, so that packets which no socket of this host sends find an address that holds (NTF_EXT_MANAGED,
 * kernel commit 7482e3841d52, Linux 5.16; before, it is asked once).  An entry that a person set stays what it is.
 */
int route_neighbour_keep(const struct route_neighbour *n);
/* Takes that back for all that are kept for us on an interface. */
void route_neighbours_leave(unsigned ifindex);

/* A socket that hears of changes of neighbours, routes, links and addresses; -errno. */
int route_listen(void);

#endif
