/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_ENCAP_H
#define SAKER_NET_LB_ENCAP_H
/*
 * encap - the outer headers on the way to a backend: IPIP (RFC 2003, 2473, 4213) or GUE variant 1, over IPv4 or IPv6.
 *
 * A receiver's card spreads packets over its queues by the outer addresses or ports; all of ours would be the same.  So the
 * source (IPIP) or the source port (GUE) is made of the client's address and port, byte by byte as Katran makes it.
 *
 * Checksums are made of values, not of what was just written: a load of bytes that several stores wrote waits for all stores
 * before it, those into the connection table among them (measured: 90 ns of a new flow's 450).
 */
#include "net/lb/leave.bpf.h"
#include "net/lb/maps.bpf.h"
#include "packet/sum.h"

#define LB_TTL 64

/* What of the packet the outer headers are made of, taken before the frame is changed. */
struct lb_outer {
	__be32 src; /* the client's address: IPv6's last word */
	__be16 sport;
	__u16 bytes;	/* of the inner packet */
	__u32 l3, more; /* more: bytes of these headers */
	__u8 tos, next; /* next: the protocol number of the inner IP */
	__u8 client;	/* its family; 0: its address does not count */
	__u8 no_sum;
	__u64 sum; /* GUE: of the inner packet */
};

/* The sum over a packet with a valid checksum is known from its headers: what the checksum makes 0xffff counts as 0. */
NOINLINE int lb_inner_sum(struct chain_ctx *ctx, const struct chain_meta *m, const struct lb_config *config,
			  struct lb_outer *o)
{
	const struct packet_meta *p = &m->packet;
	const struct wire_ipv4 *ip4;
	const struct wire_ipv6 *ip6;
	const struct wire_udp *udp;

	if (p->proto == PROTO_UDP) {
		udp = chain_at(ctx, p->l4, sizeof(*udp));
		if (!udp)
			return -1;
		o->no_sum = !udp->sum;
	}
	if (p->flags & PACKET_EXTENSIONS || !hook_sums(ctx))
		o->no_sum = 1;
	if (o->no_sum)
		return 0;
	if (p->family == 6) {
		ip6 = chain_at(ctx, p->l3, sizeof(*ip6));
		if (!ip6)
			return -1;
		o->sum = sum_of(ip6, sizeof(*ip6)) +
			 sum_minus(sum_of(ip6->src, 32) + sum_pseudo(p->proto, (__u16)(p->bytes - sizeof(*ip6))));
		return 0;
	}
	ip4 = chain_at(ctx, p->l3, sizeof(*ip4));
	if (!ip4)
		return -1;
	if (p->proto == PROTO_ICMP && !(config->flags & LB_KATRAN_SUMS))
		return 0; /* its checksum has no pseudo header */
	o->sum = sum_minus(sum_of(&ip4->src, 8) + sum_pseudo(p->proto, (__u16)(p->bytes - sizeof(*ip4))));
	return 0;
}

PACKET_INLINE __be16 lb_gue_sport(const struct lb_outer *o, __u8 family)
{
	const __u8 *src = (const __u8 *)&o->src;
	__be16 client = 0;

	if (o->client == 6 && family == 6) {
		__builtin_memcpy(&client, src, 2);
		return o->sport ^ client;
	}
	if (o->client)
		__builtin_memcpy(&client, src + 2, 2);
	return family == 6 ? (__be16)(o->sport ^ client) : (__be16)(__builtin_bswap16(o->sport) ^ client);
}

PACKET_INLINE void lb_write_udp(struct wire_udp *udp, const struct lb_config *config, const struct lb_outer *o,
				__u8 family, __u64 addresses)
{
	__u16 bytes = (__u16)(o->bytes + sizeof(*udp));
	__u64 sum;

	udp->sport = lb_gue_sport(o, family);
	udp->dport = config->gue_port;
	udp->bytes = WIRE16(bytes);
	udp->sum = 0;
	if (o->no_sum)
		return;
	sum = addresses + sum_pseudo(PROTO_UDP, bytes) + udp->sport + udp->dport + udp->bytes + o->sum;
	udp->sum = (__u16)~sum_fold(sum);
	if (!udp->sum)
		udp->sum = 0xffff;
}

/* Two bytes as configured, and two of the client's address and port. */
PACKET_INLINE __be32 lb_ipip_src(const struct lb_config *config, const struct lb_outer *o)
{
	__u32 first = (__u32)config->ipip_src4[0] << 8 | config->ipip_src4[1];

	return WIRE32(first << 16 | ((WIRE32(o->src) ^ __builtin_bswap16(WIRE16(o->sport))) & 0xffff));
}

PACKET_INLINE int lb_write4(struct chain_ctx *ctx, const struct lb_config *config, const struct lb_real *real,
			    const struct lb_outer *o)
{
	int gue = real->flags & LB_REAL_GUE;
	struct wire_ipv4 *ip = chain_at(ctx, o->l3, sizeof(*ip));
	struct wire_udp *udp;
	__u32 bytes = hook_length(o->bytes + sizeof(*ip) + (gue ? sizeof(*udp) : 0));
	__u8 proto = gue ? PROTO_UDP : o->next;
	__be32 src = gue ? config->gue_src4 : lb_ipip_src(config, o), dst = real->addr[0];
	__u64 addresses = (__u64)(src & 0xffff) + (src >> 16) + (dst & 0xffff) + (dst >> 16);

	if (!ip)
		return -1;
	ip->version_ihl = 0x45;
	ip->tos = o->tos;
	ip->bytes = WIRE16(bytes);
	ip->id = 0;
	ip->fragment = 0;
	ip->ttl = LB_TTL;
	ip->proto = proto;
	ip->src = src;
	ip->dst = dst;
	ip->sum = (__u16)~sum_fold(addresses + WIRE16(0x4500U | o->tos) + WIRE16(bytes) + WIRE16(LB_TTL << 8 | proto));
	if (!gue)
		return 0;
	udp = chain_at(ctx, o->l3 + sizeof(*ip), sizeof(*udp));
	if (!udp)
		return -1;
	lb_write_udp(udp, config, o, 4, addresses);
	return 0;
}

PACKET_INLINE int lb_write6(struct chain_ctx *ctx, const struct lb_config *config, const struct lb_real *real,
			    const struct lb_outer *o)
{
	int gue = real->flags & LB_REAL_GUE;
	struct wire_ipv6 *ip = chain_at(ctx, o->l3, sizeof(*ip));
	struct wire_udp *udp;

	if (!ip)
		return -1;
	ip->version_flow = WIRE32(0x60000000U | (__u32)o->tos << 20);
	ip->bytes = WIRE16(o->bytes + (gue ? sizeof(*udp) : 0));
	ip->next = gue ? PROTO_UDP : o->next;
	ip->hops = LB_TTL;
	if (gue) {
		__builtin_memcpy(ip->src, config->gue_src6, 16);
	} else {
		__builtin_memcpy(ip->src, config->ipip_src6, 12);
		ip->src[3] = o->src ^ WIRE32((__u32)WIRE16(o->sport) << 16);
	}
	__builtin_memcpy(ip->dst, real->addr, 16);
	if (!gue)
		return 0;
	udp = chain_at(ctx, o->l3 + sizeof(*ip), sizeof(*udp));
	ip = chain_at(ctx, o->l3, sizeof(*ip));
	if (!udp || !ip)
		return -1;
	lb_write_udp(udp, config, o, 6, sum_of(ip->src, 32));
	return 0;
}

/* Did only the port at the VIP decide, now or when the connection began?  Then the client's address does not count, as in Katran. */
PACKET_INLINE int lb_by_port(const struct lb_vip *vip, __u32 reason)
{
	return vip->flags & LB_VIP_DPORT_HASH && (reason == CHAIN_LB_HASH || reason == CHAIN_LB_TABLE);
}

PACKET_INLINE void lb_outer_init(const struct chain_meta *m, const struct lb_vip *vip, __u32 reason, struct lb_outer *o)
{
	const struct packet_meta *p = &m->packet;

	__builtin_memset(o, 0, sizeof(*o));
	o->sport = p->flow.sport;
	o->bytes = p->bytes;
	o->tos = p->tos;
	o->next = p->family == 4 ? PROTO_IPIP : PROTO_IPV6;
	if (vip->flags & LB_VIP_NO_SRC_PORT)
		o->sport = 0;
	if (lb_by_port(vip, reason))
		return;
	o->client = p->family;
	o->src = p->family == 4 ? p->flow.src[0] : p->flow.src[3];
}

/* Puts the headers before the packet.  Returns 0, or -1: it may have been changed. */
NOINLINE int lb_encap(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
		      const struct lb_real *real, struct lb_outer *o)
{
	struct lb_link link;

	if (lb_link_read(ctx, m, &link) < 0)
		return -1;
	if (real->flags & LB_REAL_GUE && lb_inner_sum(ctx, m, config, o) < 0)
		return -1;
	o->l3 = link.length;
	if (hook_tunnel(ctx, m, o->more, real->family, real->flags & LB_REAL_GUE) < 0)
		return -1;
	if (lb_link_write(ctx, &link, link.dst, link.src, real->family == 4 ? WIRE16(ETHER_IPV4) : WIRE16(ETHER_IPV6)) <
	    0)
		return -1;
	return real->family == 4 ? lb_write4(ctx, config, real, o) : lb_write6(ctx, config, real, o);
}

/* Into a tunnel to the backend. */
PACKET_INLINE int lb_tunnel_send(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
				 const struct lb_vip *vip, const struct lb_real *real, __u32 reason)
{
	__u32 more = real->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	struct lb_outer outer;
	struct lb_hop hop;

	if (real->flags & LB_REAL_GUE)
		more += sizeof(struct wire_udp);
	if (lb_hop_find(ctx, m, config, real->family, real->addr, more, &hop) < 0) {
		hop.mtu -= more;
		return lb_hop_failed(ctx, m, config, &hop);
	}
	lb_outer_init(m, vip, reason, &outer);
	outer.more = more;
	if (lb_encap(ctx, m, config, real, &outer) < 0)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_ROOM);
	return lb_leave(ctx, m, &hop, reason);
}

#endif
