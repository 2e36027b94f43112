/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_ANSWER_H
#define SAKER_NET_LB_ANSWER_H
/* answer - what the balancer says itself: echo replies, and `packet too big` (RFC 792, RFC 1191, RFC 4443). */
#include "net/lb/frame.bpf.h"
#include "net/lb/maps.bpf.h"
#include "packet/sum.h"

#define TOO_BIG_QUOTE4 84 /* bytes of the packet that are sent back */
#define TOO_BIG_QUOTE6 248
#define ANSWER_TTL 64

PACKET_INLINE int lb_echo4(struct chain_ctx *ctx, const struct chain_meta *m)
{
	struct wire_ipv4 *ip = chain_at(ctx, m->packet.l3, sizeof(*ip));
	struct wire_icmp *icmp;
	__be32 was;
	__u16 before, after;

	if (!ip)
		return -1;
	was = ip->src;
	ip->src = ip->dst;
	ip->dst = was;
	before = WIRE16(ip->ttl << 8 | ip->proto);
	ip->ttl = ANSWER_TTL;
	after = WIRE16(ip->ttl << 8 | ip->proto);
	ip->sum = sum_changed(ip->sum, before, after);
	icmp = chain_at(ctx, m->packet.l4, sizeof(*icmp));
	if (!icmp)
		return -1;
	icmp->type = ICMP4_ECHO_REPLY;
	icmp->sum = sum_lowered(icmp->sum, WIRE16((ICMP4_ECHO - ICMP4_ECHO_REPLY) << 8));
	return 0;
}

PACKET_INLINE int lb_echo6(struct chain_ctx *ctx, const struct chain_meta *m)
{
	struct wire_ipv6 *ip = chain_at(ctx, m->packet.l3, sizeof(*ip));
	struct wire_icmp *icmp;
	__be32 was[4];

	if (!ip)
		return -1;
	__builtin_memcpy(was, ip->src, 16);
	__builtin_memcpy(ip->src, ip->dst, 16);
	__builtin_memcpy(ip->dst, was, 16);
	ip->hops = ANSWER_TTL;
	icmp = chain_at(ctx, m->packet.l4, sizeof(*icmp));
	if (!icmp)
		return -1;
	icmp->type = ICMP6_ECHO_REPLY;
	icmp->sum = sum_changed(icmp->sum, WIRE16(ICMP6_ECHO << 8), WIRE16(ICMP6_ECHO_REPLY << 8));
	return 0;
}

/* Answers an echo request where it stands. */
NOINLINE int lb_echo(struct chain_ctx *ctx, struct chain_meta *m)
{
	struct wire_ether *ether;

	if ((m->packet.family == 4 ? lb_echo4(ctx, m) : lb_echo6(ctx, m)) < 0)
		return -1;
	ether = chain_at(ctx, 0, sizeof(*ether));
	if (!ether)
		return -1;
	lb_link_turn(ether);
	return 0;
}

/* All addresses of the answer are the packet's, turned round: its header lies right behind the new one. */
PACKET_INLINE int lb_too_big4(struct chain_ctx *ctx, const struct chain_meta *m, __u32 l3, __u32 mtu)
{
	struct wire_ipv4 *ip = chain_at(ctx, l3, 2 * sizeof(*ip) + sizeof(struct wire_icmp));
	struct wire_icmp *icmp;
	long sum;

	if (!ip)
		return -1;
	icmp = (void *)(ip + 1);
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->bytes = WIRE16(sizeof(*ip) + sizeof(*icmp) + TOO_BIG_QUOTE4);
	ip->ttl = ANSWER_TTL;
	ip->proto = PROTO_ICMP;
	ip->src = ((struct wire_ipv4 *)(void *)(icmp + 1))->dst;
	ip->dst = ((struct wire_ipv4 *)(void *)(icmp + 1))->src;
	ip->sum = (__u16)~sum_fold(sum_of(ip, sizeof(*ip)));
	icmp->type = ICMP4_UNREACHABLE;
	icmp->code = ICMP4_CODE_FRAG;
	icmp->sum = 0;
	icmp->rest = WIRE32(mtu);
	icmp = chain_at(ctx, l3 + sizeof(*ip), sizeof(*icmp) + TOO_BIG_QUOTE4);
	if (!icmp)
		return -1;
	sum = bpf_csum_diff(NULL, 0, (void *)icmp, sizeof(*icmp) + TOO_BIG_QUOTE4, 0);
	if (sum < 0)
		return -1;
	icmp->sum = (__u16)~sum_fold((__u64)sum);
	return 0;
}

PACKET_INLINE int lb_too_big6(struct chain_ctx *ctx, const struct chain_meta *m, __u32 l3, __u32 mtu)
{
	struct wire_ipv6 *ip = chain_at(ctx, l3, 2 * sizeof(*ip) + sizeof(struct wire_icmp)), *about;
	struct wire_icmp *icmp;
	__u32 bytes = sizeof(*icmp) + TOO_BIG_QUOTE6;
	__u64 addresses;
	long sum;

	if (!ip)
		return -1;
	icmp = (void *)(ip + 1);
	about = (void *)(icmp + 1);
	ip->version_flow = WIRE32(0x60000000U);
	ip->bytes = WIRE16(bytes);
	ip->next = PROTO_ICMPV6;
	ip->hops = ANSWER_TTL;
	__builtin_memcpy(ip->src, about->dst, 16);
	__builtin_memcpy(ip->dst, about->src, 16);
	addresses = sum_of(ip->src, 32);
	icmp->type = ICMP6_TOO_BIG;
	icmp->code = 0;
	icmp->sum = 0;
	icmp->rest = WIRE32(mtu);
	icmp = chain_at(ctx, l3 + sizeof(*ip), sizeof(*icmp) + TOO_BIG_QUOTE6);
	if (!icmp)
		return -1;
	sum = bpf_csum_diff(NULL, 0, (void *)icmp, sizeof(*icmp) + TOO_BIG_QUOTE6, 0);
	if (sum < 0)
		return -1;
	icmp->sum = (__u16)~sum_fold((__u64)sum + addresses + sum_pseudo(PROTO_ICMPV6, (__u16)bytes));
	return 0;
}

/* The packet becomes an answer to its sender, with the size that would have fitted, counted from IP's header on. */
NOINLINE int lb_too_big(struct chain_ctx *ctx, struct chain_meta *m, __u32 mtu)
{
	int four = m->packet.family == 4;
	__u32 more = sizeof(struct wire_icmp) + (four ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6));
	__u32 quote = four ? TOO_BIG_QUOTE4 : TOO_BIG_QUOTE6;
	struct lb_link link;

	if (lb_link_read(ctx, m, &link) < 0)
		return -1;
	if (m->packet.frame <= link.length + quote)
		return -1;
	if (hook_cut(ctx, m, link.length + quote) < 0)
		return -1;
	if (hook_longer(ctx, more) < 0)
		return -1;
	if (lb_link_write(ctx, &link, link.src, link.dst, m->packet.ethertype) < 0)
		return -1;
	return four ? lb_too_big4(ctx, m, link.length, mtu) : lb_too_big6(ctx, m, link.length, mtu);
}

#endif
