/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_SHARED_H
#define SAKER_NET_LB_SHARED_H
/* shared - the tables of the balancer, as its programs and user space see them. */
#include "net/shared.bpf.h"

#define LB_RING 65537 /* places in a ring, at most: lb_config.ring says how many are used */
#define LB_REALS 8193 /* backends; 0 is none: 4096 may take the place of 4096 others, which still run meanwhile */
#define LB_CPUS 512
#define LB_ELSEWHERE 16 /* CPUs whose tables are looked at for a connection that this CPU's does not have, at most */
#define LB_DECAPS 1024
#define LB_VIPS_KNOWN 256 /* destinations whose VIP a CPU remembers */
#define LB_ASKED 1024	  /* next hops whose link addresses a CPU remembers */
#define LB_ASKED_STAMPS 16
#define LB_SYNS 65536 /* SYNs that are remembered, at most */
#define LB_SYN_SOONEST \
	128 /* of 2^20 ns: a SYN again before that is no client's, whose first wait is 1 s (RFC 6298 section 2) */
#define LB_MARKS 1024
/* Marks of Saker's own checks, after which comes the backend's number: through its tunnel, or to its link address. */
#define LB_CHECK_MARKS 0x5a6b0000
#define LB_CHECK_MARKS_L2 (LB_CHECK_MARKS + LB_REALS)
#define LB_CHECK_MARKS_END (LB_CHECK_MARKS_L2 + LB_REALS)

/* lb_config.flags */
#define LB_TELL_TOO_BIG 0x01 /* packet too big: its sender is told */
#define LB_PREFIXES 0x02     /* there are VIPs that are networks: the second look-up is worth it */
#define LB_KATRAN_SUMS 0x04  /* GUE: the checksum of an ICMPv4 packet as Katran makes it, which is not valid */
#define LB_DECAP_IPIP 0x08
#define LB_DECAP_GUE 0x10
#define LB_DECAP_STRICT 0x20 /* only tunnels that end at an address of lb_decaps */
#define LB_DECAP_TTL 0x40    /* the inner packet's time to live is one less */
#define LB_DECAP_WHOLE 0x80  /* no fragments past the decap stage */
#define LB_NAT 0x100	     /* there are VIPs with LB_VIP_NAT: replies are looked for */
#define LB_ANY_PORT 0x400    /* there are VIPs of any port, which are no networks */
#define LB_TO_SENDER 0x800 /* where they came from, to the link address that they came from: a router may be replaced */
#define LB_BY_ROUTE 0x200  /* the host's routes and neighbours say where packets leave; else: where they came from */

/* One per generation. */
struct lb_config {
	__be32 gue_src4;
	__be32 gue_src6[4]; /* source addresses of GUE, and of health checks */
	__be32 ipip_src6[3];
	__u8 ipip_src4[2]; /* the source of IPIP: these bits, the rest is made of the flow, so that receivers spread */
	__be16 gue_port;
	__u8 router_mac[6]; /* the next hop, without LB_BY_ROUTE and for frames with VLAN tags */
	__u8 own_mac[6];    /* of health checks, and of what leaves by lb_real.ifindex */
	__u32 frame_max;    /* bytes, before a header is put before it */
	__u32 ring;	    /* places in each ring: a prime */
	__u32 flood_rate;   /* new connections a second and CPU, above which none is remembered */
	__u32 udp_idle_s;
	__u32 flags;
	__u32 nat_idle_s;     /* TCP through NAT: how long an entry without a packet is good */
	__u32 nat_short_s;    /* the same, before the backend's first answer and after the connection's end */
	__u32 nat_udp_idle_s; /* UDP through NAT */
};

/* lb_vip_key of an address, whatever port and protocol: port and proto 0 */
struct lb_vip_key {
	__be32 addr[4];
	__be16 port; /* 0: any */
	__u8 proto;
	__u8 family;
};

/* A VIP that is a network: bits counts the 32 before the address, too. */
struct lb_prefix_key {
	__u32 bits;
	__be16 port;
	__u8 proto;
	__u8 family;
	__be32 addr[4];
};

#define LB_VIP_NO_SRC_PORT 0x0001 /* a client keeps its backend whatever its port */
#define LB_VIP_STATELESS 0x0002	  /* no connection table */
#define LB_VIP_QUIC 0x0004
#define LB_VIP_DPORT_HASH 0x0008 /* only the port at the VIP decides */
#define LB_VIP_ROUTES 0x0010	 /* the client's network decides, if there is a route */
#define LB_VIP_LOCAL 0x0020	 /* a backend may be this host */
#define LB_VIP_BOTH_PORTS 0x0080 /* a VIP of any port: the port is part of the hash */
#define LB_VIP_UDP_STABLE 0x0100
#define LB_VIP_MIGRATE 0x0200	/* UDP flows leave backends that are down */
#define LB_VIP_SERVER_ID 0x0400 /* the TCP option 0xb7 names the backend */
#define LB_VIP_NAT 0x0800	/* the backend's address is written into packets, and the VIP's into its replies */
#define LB_VIP_L2 0x1000	/* only the backend's link address is written; else, and without NAT: a tunnel */
#define LB_VIP_MOVED 0x2000 /* not wished: its ring was another one before, so that does not say where UDP flows went */

struct lb_vip {
	__u32 number; /* 1..; index of lb_vip_counts */
	__u32 ring;   /* index of lb_rings */
	__u32 flags;
	__be16 nat_port; /* at the backends; 0: that of the packet */
	__u16 pad;
};

/* What a destination's VIP was found to be, in a generation. */
struct lb_vip_known {
	struct lb_vip_key key;
	__u32 generation;
	__u32 any; /* lb_find() */
	struct lb_vip vip;
};

#define LB_REAL_GUE 0x01 /* else IPIP */
#define LB_REAL_LOCAL 0x02

struct lb_real {
	__be32 addr[4];
	__u32 ifindex; /* LB_VIP_L2, with a MAC: the interface; 0: where packets came from */
	__u8 family;   /* 0: there is none of this number */
	__u8 flags;
	__u8 mac[6]; /* LB_VIP_L2; all 0: that of the neighbour with this address */
	__u8 pad[4]; /* to 8 bytes: so the kernel lays out the elements of an array, which we map */
};

struct lb_ring {
	__u16 real[LB_RING];
	__u16 pad[3]; /* to 8 bytes: so the kernel lays out the elements of an array, which we map */
};

struct lb_route_key {
	__u32 bits; /* counts the 32 before the address, too */
	__u8 family;
	__u8 pad[3];
	__be32 addr[4];
};

struct lb_down_key {
	__u32 vip, real;
};

struct lb_conn {
	__u32 real;
	__u32 seen_s; /* UDP: when it was seen last, of CLOCK_MONOTONIC */
};

#define LB_WAYS 8	  /* of a bucket */
#define LB_STAMP_SHIFT 20 /* stamps count 2^20 ns, about a millisecond */

/* Connections of one hash (net/lb/conns.bpf.h); the first two fields are one cache line. */
struct lb_bucket {
	__u32 tag[LB_WAYS];   /* of the hash; 0: the place is free */
	__u32 stamp[LB_WAYS]; /* when it was used last, of CLOCK_MONOTONIC in units of 2^20 ns */
	struct {
		struct packet_flow key;
		struct lb_conn conn;
	} place[LB_WAYS];
};

/* Of all CPUs' tables. */
struct lb_shape {
	__u64 seed;
	__u32 buckets;
	__u32 cpus; /* a connection may be in the tables of the CPUs below this one; 0: they are not looked at */
};

/* An address and a port that are written into a packet. */
struct lb_end {
	__be32 addr[4];
	__be16 port;
	__be16 other; /* the port of the packet's other end; 0: it stays as it is */
};

/* lb_nat.client, .server: what was seen from this side */
#define LB_NAT_FIN 0x01 /* as TCP has them */
#define LB_NAT_RST 0x04
#define LB_NAT_ANSWERED 0x80

/* One for each connection through NAT; its key is the flow of the backend's packets. */
struct lb_nat {
	struct lb_end vip; /* what the client knows; other: its own port, if the backend knows it by another one */
	__u32 number;	   /* of the VIP */
	__u32 seen_s;	   /* when a packet of it was seen last, of CLOCK_MONOTONIC */
	__u8 client, server;
	__u8 pad[2];
};

struct lb_rate {
	__u64 second;
	__u64 fresh;
	__u64 ended; /* the second before in which there were any, of which there were `before` */
	__u64 before;
};

struct lb_addr {
	__be32 addr[4];
	__u8 family;
	__u8 pad[3];
};

/* What becomes of what was in the tunnel. */
#define LB_DECAP_TO_HOST 1
#define LB_DECAP_AGAIN 2  /* the next stages see it */
#define LB_DECAP_RETURN 3 /* back to where it came from */

_Static_assert(sizeof(struct lb_config) == 80, "no padding");
_Static_assert(sizeof(struct lb_real) == 32, "no padding");
_Static_assert(sizeof(struct lb_bucket) == 448, "whole cache lines");
_Static_assert(sizeof(struct lb_nat) == 32, "no padding");
_Static_assert(sizeof(struct lb_ring) % 8 == 0, "as the kernel lays it out");

/* Where packets to an address go, as the kernel said. */
struct lb_asked {
	__be32 addr[4];
	__u32 stamp, ifindex;
	__u16 family, mtu; /* mtu: the longest IP packet that fits */
	__u16 dst[3], src[3];
};

#endif
