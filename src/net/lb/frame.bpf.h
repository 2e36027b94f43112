/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_FRAME_H
#define SAKER_NET_LB_FRAME_H
/* frame - the link layer of a frame that becomes longer or shorter; VLAN tags stay. */
#include "net/chain.bpf.h"
#include "packet/sum.h"

struct lb_link {
	__u16 dst[3], src[3];
	__u32 tags[2]; /* each: the type before, and the tag */
	__u32 length;
};

/* A link address, by words: a copy of bytes would be one byte after another. */
PACKET_INLINE void lb_mac_copy(void *to, const void *from)
{
	const __u16 *f = from;
	__u16 *t = to;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
}

PACKET_INLINE int lb_link_read(struct chain_ctx *ctx, const struct chain_meta *m, struct lb_link *link)
{
	const struct wire_ether *ether = chain_at(ctx, 0, sizeof(*ether));
	const __u32 *tags;

	if (!ether)
		return -1;
	lb_mac_copy(link->dst, ether->dst);
	lb_mac_copy(link->src, ether->src);
	link->length = ETHER_BYTES + m->packet.vlans * 4U;
	if (m->packet.vlans) {
		/* a frame with a tag has 4 bytes more, and then IP's 20 */
		tags = chain_at(ctx, 12, 8);
		if (!tags)
			return -1;
		__builtin_memcpy(link->tags, tags, 8);
	}
	return 0;
}

PACKET_INLINE int lb_link_write(struct chain_ctx *ctx, const struct lb_link *link, const __u16 *dst, const __u16 *src,
				__be16 ethertype)
{
	struct wire_ether *ether = chain_at(ctx, 0, sizeof(*ether));
	__u8 *tags;

	if (!ether)
		return -1;
	lb_mac_copy(ether->dst, dst);
	lb_mac_copy(ether->src, src);
	if (likely(link->length == ETHER_BYTES)) {
		ether->type = ethertype;
		return 0;
	}
	tags = chain_at(ctx, 12, 10);
	if (!tags)
		return -1;
	__builtin_memcpy(tags, &link->tags[0], 4);
	if (link->length == ETHER_BYTES + 4) {
		__builtin_memcpy(tags + 4, &ethertype, 2);
		return 0;
	}
	__builtin_memcpy(tags + 4, &link->tags[1], 4);
	__builtin_memcpy(tags + 8, &ethertype, 2);
	return 0;
}

/* One hop less; 0: that was the last one. */
PACKET_INLINE int lb_ttl_less(struct chain_ctx *ctx, __u32 l3, int family)
{
	struct wire_ipv4 *ip4;
	struct wire_ipv6 *ip6;
	__u16 before;

	if (family == 6) {
		ip6 = chain_at(ctx, l3, sizeof(*ip6));
		if (!ip6 || ip6->hops <= 1)
			return 0;
		ip6->hops--;
		hook_changed(ctx, WIRE16(1), 0);
		return 1;
	}
	ip4 = chain_at(ctx, l3, sizeof(*ip4));
	if (!ip4 || ip4->ttl <= 1)
		return 0;
	before = WIRE16(ip4->ttl << 8 | ip4->proto);
	ip4->ttl--;
	ip4->sum = sum_changed(ip4->sum, before, WIRE16(ip4->ttl << 8 | ip4->proto));
	return 1;
}

/* Sender and receiver change places. */
PACKET_INLINE void lb_link_turn(struct wire_ether *ether)
{
	__u16 was[3];

	lb_mac_copy(was, ether->dst);
	lb_mac_copy(ether->dst, ether->src);
	lb_mac_copy(ether->src, was);
}

#endif
