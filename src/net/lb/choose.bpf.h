/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_CHOOSE_H
#define SAKER_NET_LB_CHOOSE_H
/*
 * choose - which backend a packet goes to: the one that it names itself, the one that its connection has, the one for its
 * network, the one at its place in the ring; in this order.
 */
#include "net/lb/again.bpf.h"
#include "net/lb/flood.bpf.h"
#include "net/lb/server_id.bpf.h"
#include "packet/hash.h"

#define LB_NOT_OURS (-2) /* no verdict of any hook */

struct lb_choice {
	struct packet_flow key; /* of the connection table */
	const struct lb_real *to;
	__u64 now; /* ns of CLOCK_MONOTONIC */
	__u32 real;
	__u32 reason;
	__u32 now_s; /* UDP only */
	int flood;   /* there are too many new connections */
	__be16 nat_port;
};

PACKET_INLINE int lb_is_udp(const struct lb_choice *c)
{
	return c->key.proto == PROTO_UDP;
}

PACKET_INLINE int lb_is_down(const struct chain_meta *m, __u32 vip, __u32 real)
{
	struct lb_down_key key = { vip, real };
	void *downs = LB_TABLE(lb_downs, m);

	return downs && bpf_map_lookup_elem(downs, &key);
}

/* Of a UDP flow: does it leave its backend? */
PACKET_INLINE int lb_must_leave(const struct chain_meta *m, const struct lb_vip *vip, __u32 real)
{
	if (!(vip->flags & LB_VIP_MIGRATE) || !lb_is_down(m, vip->number, real))
		return 0;
	chain_note(m, CHAIN_LB_MIGRATED);
	return 1;
}

NOINLINE void lb_remember(const struct chain_meta *m, struct lb_choice *c)
{
	struct lb_conn conn = { c->real, c->now_s };
	int r = lb_conn_put(&c->key, c->now, &conn);

	if (!lb_is_udp(c))
		lb_conn_share(&c->key, &conn);
	if (unlikely(r > 0))
		chain_note(m, CHAIN_LB_SPARE_TABLE);
	if (unlikely(r < 0))
		chain_note(m, CHAIN_LB_NOT_REMEMBERED);
}

/* A connection whose packets came to another CPU before; this one's table takes it over.  In a flood nobody is asked. */
NOINLINE int lb_elsewhere(const struct chain_meta *m, const struct lb_config *config, const struct lb_vip *vip,
			  struct lb_choice *c)
{
	c->real = lb_flooded(config, c->now) ? 0 : lb_conn_elsewhere((__u32)c->key.sport << 16 | c->key.dport);
	if (!c->real)
		return 0;
	if (lb_is_udp(c) && lb_must_leave(m, vip, c->real))
		return 0;
	chain_note(m, CHAIN_LB_OTHER_CPU);
	if (!(m->packet.tcp_flags & TCP_RST))
		lb_remember(m, c);
	c->reason = CHAIN_LB_TABLE;
	return 1;
}

/*
 * Is it worth to ask other CPUs for what this one has not?  TCP's connections have begun somewhere; UDP flows that are new cannot be told from
 * those that changed their CPU, but a ring that is the first one says the same to all CPUs.
 */
PACKET_INLINE int lb_asks(const struct lb_vip *vip, int udp)
{
	return !udp || vip->flags & (LB_VIP_MOVED | LB_VIP_ROUTES | LB_VIP_QUIC | LB_VIP_UDP_STABLE);
}

NOINLINE int lb_recall(const struct chain_meta *m, const struct lb_config *config, const struct lb_vip *vip,
		       struct lb_choice *c)
{
	struct lb_conn *conn = lb_conn_find(&c->key, c->now);
	int udp = lb_is_udp(c), aged = conn && udp && c->now_s - conn->seen_s > config->udp_idle_s;

	if (!conn || aged) {
		if (lb_asks(vip, udp) && lb_elsewhere(m, config, vip, c))
			return 1;
		chain_note(m, aged ? CHAIN_LB_AGED : udp ? CHAIN_LB_MISS_UDP : CHAIN_LB_MISS);
		return 0;
	}
	if (udp && lb_must_leave(m, vip, conn->real))
		return 0;
	if (udp && conn->seen_s != c->now_s)
		conn->seen_s = c->now_s;
	c->real = conn->real;
	c->reason = CHAIN_LB_TABLE;
	return 1;
}

PACKET_INLINE int lb_routed(const struct chain_meta *m, struct lb_choice *c)
{
	struct lb_route_key key = { .bits = 32, .family = m->packet.flow.family };
	void *routes = LB_TABLE(lb_routes, m);
	const __u32 *real;

	__builtin_memcpy(key.addr, m->packet.flow.src, 16);
	key.bits += key.family == 4 ? 32 : 128;
	real = routes ? bpf_map_lookup_elem(routes, &key) : NULL;
	if (!real) {
		chain_note(m, CHAIN_LB_ROUTE_MISS);
		return 0;
	}
	c->real = *real;
	c->reason = CHAIN_LB_ROUTE;
	return 1;
}

PACKET_INLINE int lb_hashed(const struct lb_config *config, const struct lb_vip *vip, struct lb_choice *c)
{
	struct packet_flow flow = c->key;
	const struct lb_ring *ring;
	__u32 place, which = vip->ring;

	if (vip->flags & LB_VIP_DPORT_HASH) {
		flow.sport = flow.dport;
		__builtin_memset(flow.src, 0, sizeof(flow.src));
	}
	ring = bpf_map_lookup_elem(&lb_rings, &which);
	if (!ring || !config->ring)
		return 0;
	place = hash_flow(&flow) % config->ring;
	if (place >= LB_RING)
		return 0;
	c->real = ring->real[place];
	c->reason = CHAIN_LB_HASH;
	return c->real != 0;
}

/* A backend for what has none yet; it is remembered, unless by rule or in a flood. */
NOINLINE int lb_fresh(struct chain_meta *m, const struct lb_config *config, const struct lb_vip *vip,
		      struct lb_choice *c)
{
	int flood = c->flood = lb_flood(config, c->now);
	int remember = !flood && !(vip->flags & LB_VIP_STATELESS) && !(m->packet.tcp_flags & TCP_RST);

	if (remember)
		lb_conn_expect(&c->key);
	if (flood)
		chain_note(m, CHAIN_LB_FLOOD);
	if (!(vip->flags & LB_VIP_ROUTES) || flood || !lb_routed(m, c)) {
		if (!lb_hashed(config, vip, c))
			return 0;
	}
	if (remember)
		lb_remember(m, c);
	return 1;
}

/* The backend that the packet names; an ICMP error names none. */
PACKET_INLINE int lb_named(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_vip *vip, struct lb_choice *c)
{
	if (m->packet.flags & PACKET_ICMP_ERROR)
		return 0;
	if (lb_is_udp(c)) {
		if (vip->flags & LB_VIP_QUIC) {
			c->real = lb_quic_real(ctx, m);
			c->reason = CHAIN_LB_QUIC;
		} else if (vip->flags & LB_VIP_UDP_STABLE) {
			c->real = lb_udp_real(ctx, m);
			c->reason = CHAIN_LB_STABLE;
		}
	} else if (vip->flags & LB_VIP_SERVER_ID && !(m->packet.tcp_flags & TCP_SYN)) {
		c->real = lb_tcp_real(ctx, m);
		c->reason = CHAIN_LB_SERVER_ID;
	}
	return c->real != 0;
}

/* The table follows what packets name: later ones of the flow may name nothing, and QUIC's may come from elsewhere. */
NOINLINE void lb_follow(struct chain_meta *m, const struct lb_vip *vip, struct lb_choice *c)
{
	struct lb_conn *conn;

	if (vip->flags & LB_VIP_STATELESS)
		return;
	conn = lb_conn_find(&c->key, c->now);
	if (conn && conn->real == c->real) {
		conn->seen_s = c->now_s;
		return;
	}
	if (conn)
		chain_note(m, CHAIN_LB_MOVED);
	lb_remember(m, c);
}

PACKET_INLINE const struct lb_real *lb_real_at(const struct chain_meta *m, __u32 number)
{
	void *reals = LB_TABLE(lb_reals, m);
	const struct lb_real *real = reals ? bpf_map_lookup_elem(reals, &number) : NULL;

	return real && real->family ? real : NULL;
}

/* Returns 1 with c->real filled, or 0: there is no backend. */
PACKET_INLINE int lb_choose(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
			    const struct lb_vip *vip, struct lb_choice *c)
{
	c->now = lb_now();
	if (lb_is_udp(c))
		c->now_s = (__u32)(c->now / 1000000000);
	if (vip->flags & (LB_VIP_QUIC | LB_VIP_UDP_STABLE | LB_VIP_SERVER_ID) && lb_named(ctx, m, vip, c)) {
		lb_follow(m, vip, c);
		return 1;
	}
	if (m->packet.tcp_flags & TCP_SYN)
		chain_note(m, CHAIN_LB_MISS_SYN);
	else if (!(vip->flags & LB_VIP_STATELESS) && lb_recall(m, config, vip, c))
		return 1;
	if (!lb_fresh(m, config, vip, c))
		return 0;
	if ((m->packet.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !c->flood)
		(void)lb_syn_seen(ctx, c->now, c->real);
	return 1;
}

#endif
