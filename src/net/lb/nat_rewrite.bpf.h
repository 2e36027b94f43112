/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_NAT_REWRITE_H
#define SAKER_NET_LB_NAT_REWRITE_H
/*
 * nat_rewrite - one end of a packet becomes another, and the port of the other end may, too; also inside of ICMP errors.
 *
 * Checksums are changed by what changed (RFC 1624), so a broken one stays broken.  ICMP errors: RFC 5508 section 4.2; what
 * they quote becomes again what the receiver once sent.
 */
#include "net/lb/leave.bpf.h"
#include "packet/sum.h"

/* Which end of a packet is another one's. */
#define NAT_SRC 0
#define NAT_DST 1

/* What must be added to a sum over what was changed. */
struct nat_sums {
	__u64 address; /* an address, which is part of pseudo headers, too */
	__u64 header;  /* the checksum of the IPv4 header */
};

PACKET_INLINE int nat_address4(struct chain_ctx *ctx, __u32 l3, int which, const struct lb_end *to, struct nat_sums *s)
{
	struct wire_ipv4 *ip = chain_at(ctx, l3, sizeof(*ip));
	__be32 *at;
	__u16 was;

	if (!ip)
		return -1;
	at = which == NAT_SRC ? &ip->src : &ip->dst;
	s->address = sum_minus(sum_of(at, 4)) + sum_of(to->addr, 4);
	*at = to->addr[0];
	was = ip->sum;
	ip->sum = (__u16)~sum_fold((__u64)(__u16)~was + s->address);
	s->header = (__u64)(__u16)~was + ip->sum;
	return 0;
}

PACKET_INLINE int nat_address6(struct chain_ctx *ctx, __u32 l3, int which, const struct lb_end *to, struct nat_sums *s)
{
	struct wire_ipv6 *ip = chain_at(ctx, l3, sizeof(*ip));
	__be32 *at;

	if (!ip)
		return -1;
	at = which == NAT_SRC ? ip->src : ip->dst;
	s->address = sum_minus(sum_of(at, 16)) + sum_of(to->addr, 16);
	s->header = 0;
	__builtin_memcpy(at, to->addr, 16);
	return 0;
}

PACKET_INLINE int nat_address(struct chain_ctx *ctx, __u32 l3, int family, int which, const struct lb_end *to,
			      struct nat_sums *s)
{
	return family == 4 ? nat_address4(ctx, l3, which, to, s) : nat_address6(ctx, l3, which, to, s);
}

/* The ports' part of the sum, or -1. */
PACKET_INLINE long nat_ports(struct chain_ctx *ctx, __u32 l4, int which, const struct lb_end *to)
{
	struct wire_udp *ports = chain_at(ctx, l4, 4); /* TCP's lie in the same place */
	__be16 *at, *other;
	long sum;

	if (!ports)
		return -1;
	at = which == NAT_SRC ? &ports->sport : &ports->dport;
	other = which == NAT_SRC ? &ports->dport : &ports->sport;
	sum = (__u16) ~*at + to->port;
	*at = to->port;
	if (unlikely(to->other)) {
		sum += (__u16) ~*other + to->other;
		*other = to->other;
	}
	return sum;
}

/* The transport's checksum; *ret_more is by what a sum over it changes.  UDP without one stays without. */
PACKET_INLINE int nat_transport(struct chain_ctx *ctx, __u32 l4, __u8 proto, __u64 more, __u64 *ret_more)
{
	__u16 *at = chain_at(ctx, l4 + (proto == PROTO_TCP ? 16 : 6), 2), was, is;

	if (!at)
		return -1;
	was = *at;
	*ret_more = 0;
	if (proto == PROTO_UDP && !was)
		return 0;
	is = (__u16)~sum_fold((__u64)(__u16)~was + more);
	if (proto == PROTO_UDP && !is)
		is = 0xffff;
	*at = is;
	*ret_more = (__u64)(__u16)~was + is;
	return 0;
}

/* Where the transport header of the packet in an ICMP error lies; 0: nowhere. */
PACKET_INLINE __u32 nat_quoted_l4(struct chain_ctx *ctx, const struct packet_meta *p)
{
	const __u8 *ip = chain_at(ctx, p->inner, 1);

	if (!ip)
		return 0;
	return p->inner + (p->family == 4 ? (*ip & 15U) * 4 : (__u32)sizeof(struct wire_ipv6));
}

/* An ICMP error: the packet in it has the other end at the place of `which`. */
PACKET_INLINE int nat_quoted(struct chain_ctx *ctx, const struct packet_meta *p, int which, const struct lb_end *to,
			     const struct nat_sums *outer)
{
	int other = which == NAT_SRC ? NAT_DST : NAT_SRC;
	__u32 l4 = nat_quoted_l4(ctx, p);
	struct wire_icmp *icmp;
	struct nat_sums inner;
	__u64 more = 0, sum;
	long ports;

	if (!l4 || nat_address(ctx, p->inner, p->family, other, to, &inner) < 0)
		return -1;
	ports = nat_ports(ctx, l4, other, to);
	if (ports < 0)
		return -1;
	/* errors quote 8 bytes of it at least: TCP's checksum may not be among them */
	if (l4 + (p->flow.proto == PROTO_TCP ? 18U : 8U) <= (__u32)p->l3 + p->bytes &&
	    nat_transport(ctx, l4, p->flow.proto, inner.address + (__u64)ports, &more) < 0)
		return -1;
	icmp = chain_at(ctx, p->l4, sizeof(*icmp));
	if (!icmp)
		return -1;
	sum = inner.address + inner.header + (__u64)ports + more;
	if (p->family == 6)
		sum += outer->address;
	icmp->sum = (__u16)~sum_fold((__u64)(__u16)~icmp->sum + sum);
	return 0;
}

PACKET_INLINE int nat_rewrite(struct chain_ctx *ctx, const struct packet_meta *p, int which, const struct lb_end *to)
{
	struct nat_sums outer;
	__u64 more;
	long ports;

	if (nat_address(ctx, p->l3, p->family, which, to, &outer) < 0)
		return -1;
	if (p->flags & PACKET_ICMP_ERROR)
		return nat_quoted(ctx, p, which, to, &outer);
	ports = nat_ports(ctx, p->l4, which, to);
	if (ports < 0)
		return -1;
	if (HOOK_UNFILLED)
		return hook_transport(ctx, p, outer.address, (__u64)ports);
	return nat_transport(ctx, p->l4, p->proto, outer.address + (__u64)ports, &more);
}

NOINLINE int nat_to_backend(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_end *to)
{
	return nat_rewrite(ctx, &m->packet, NAT_DST, to);
}

NOINLINE int nat_from_backend(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_end *to)
{
	return nat_rewrite(ctx, &m->packet, NAT_SRC, to);
}

#endif
