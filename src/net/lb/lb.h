/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_H
#define SAKER_NET_LB_H
/*
 * lb - the balancer: a wish says all of it, and is applied as a whole or not at all.
 *
 * VIPs and backends get numbers at their first wish and keep them, whatever is wished later: the connection tables and
 * the counters speak of numbers.  A backend's number is given to another only when all are given, and after its connections
 * were taken out of the tables, so old entries never lead to a stranger.  What is wished and what runs can have
 * LB_REALS - 1 different backends together; else a wish is refused.
 *
 * How packets come to a VIP's backends is said by lb_wish_vip.flags: LB_VIP_NAT (the address is translated; backends must have
 * the VIP as their way back to clients, and its family; lb_wish_vip.nat_port is their port), LB_VIP_L2 (the link address is
 * written, lb_wish_backend.mac or that of the neighbour; backends must be on a link of the balancer and have the VIP as an
 * address), neither of both: a tunnel, GUE where the backend's flags have LB_REAL_GUE, else IPIP.  Where packets leave is
 * said by LB_BY_ROUTE in lb_config.flags: not set, back to config.router_mac; set, as the host would forward them.
 *
 * Threads: one.  Memory: rings, two for each VIP (struct lb_ring, 131 kB), of which those of VIPs whose backends did
 * not change serve both generations; the connection tables of lb_opts (of each CPU that is online: 112 bytes a connection; of NAT: 128); 32 bytes a backend.
 * Failure: a wish that is refused changes nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/chain.h"
#include "net/lb/shared.bpf.h"

struct err;
struct lb;

struct lb_opts {
	uint32_t vips;	    /* at most; 0: 512 */
	uint32_t conns;	    /* entries of each CPU's connection table; 0: 65536 */
	uint32_t nats;	    /* connections through NAT; 0: 65536 */
	bool global;	    /* TCP connections of all CPUs also in one table, instead of looking into other CPUs' */
	bool no_cpu_tables; /* all CPUs share the spare table, of `conns` entries: for tests */
};

struct lb_wish_backend {
	struct lb_addr addr;
	uint32_t weight;  /* 0: gets no new connections */
	uint8_t flags;	  /* LB_REAL_*; the same for the same address in all VIPs */
	bool down;	  /* VIPs with LB_VIP_MIGRATE: UDP flows leave it */
	uint8_t mac[6];	  /* LB_VIP_L2: its link address; all 0: the neighbour's with this address */
	uint32_t ifindex; /* LB_VIP_L2, with `mac`: the interface; 0: where packets came from */
};

struct lb_wish_vip {
	struct lb_addr addr;
	uint8_t bits;	   /* of the network; 32, 128: the address alone */
	uint16_t port;	   /* host byte order; 0: any */
	uint8_t proto;	   /* PROTO_TCP, PROTO_UDP */
	uint16_t nat_port; /* LB_VIP_NAT: of the backends, host byte order; 0: that of the packet */
	uint32_t flags;	   /* LB_VIP_* */
	const struct lb_wish_backend *backends;
	size_t nbackends;
};

/* Something that leads to a backend, which need not be one of a VIP. */
struct lb_wish_route {
	struct lb_addr net;
	uint8_t bits;
	struct lb_wish_backend to;
};

struct lb_wish_id { /* a server id, or a mark of health checks */
	uint32_t id;
	struct lb_wish_backend to;
};

struct lb_wish_decap {
	struct lb_addr addr;
	uint32_t what; /* LB_DECAP_TO_HOST, _AGAIN, _RETURN */
};

struct lb_wish {
	struct lb_config
		config; /* ring 0: LB_RING; gue_port in network byte order; nat_idle_s, nat_short_s, nat_udp_idle_s 0: 3600, 60, udp_idle_s */
	const struct lb_wish_vip *vips;
	const struct lb_wish_id *ids, *marks;
	const struct lb_wish_route *routes;
	const struct lb_wish_decap *decaps;
	size_t nvips, nids, nmarks, nroutes, ndecaps;
};

/* The objects that lb_new() loads. */
#define LB_OBJECTS 3
extern const struct chain_object lb_objects[LB_OBJECTS];

/*
 * Life cycle: the chain stays the caller's and must outlive it.  A chain that has the programs already (net/pin.h) keeps them,
 * and what its maps say of numbers, rings and connections is taken over; opts.vips must be what it was made with.
 */
int lb_new(struct chain *chain, const struct lb_opts *opts, struct lb **ret, struct err *err);
struct lb *lb_free(struct lb *lb); /* NULL ok; returns NULL */

/* Writes the wish into the chain's hidden side; chain_commit() makes it run. */
int lb_prepare(struct lb *lb, const struct lb_wish *wish, struct err *err);
/* lb_prepare() and chain_commit() in one. */
int lb_apply(struct lb *lb, const struct lb_wish *wish, const struct chain_plan *plan, struct err *err);

/*
 * After chain_commit(): the side that is hidden now gets tables as large as those that packets see, where its own are smaller.  So the
 * waiting for packets to end that this takes (tables.c) is not the next change's, which may be in a hurry.
 */
int lb_ready(struct lb *lb, struct err *err);

/* The numbers of what was wished once; 0: never was. */
uint32_t lb_backend_number(const struct lb *lb, const struct lb_addr *addr);
uint32_t lb_vip_number(const struct lb *lb, const struct lb_wish_vip *vip);

/* Addresses: text to bytes; -EINVAL: it is none. */
int lb_addr_parse(const char *text, struct lb_addr *ret);
#define LB_ADDR_TEXT 48
const char *lb_addr_text(const struct lb_addr *addr, char out[LB_ADDR_TEXT]);

#endif
