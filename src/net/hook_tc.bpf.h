/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_HOOK_TC_H
#define SAKER_NET_HOOK_TC_H
/*
 * hook_tc - the chain as programs of traffic control, at ingress (hook_xdp.bpf.h: the same as XDP).
 *
 * What comes here is not a frame but the kernel's idea of it, and differs in four ways:
 * - Only its first part lies in one piece; headers that lie behind are pulled there (hook_split, hook_pull).
 * - The outermost VLAN tag is beside the packet and stays there.
 * - It may be many segments at once (GRO, or a sender on this host): gso_size bytes of payload each, which the kernel cuts
 *   when it leaves.  Limits count for a segment.  TCP's segments are made smaller by the tunnel's headers, so that they fit where they
 *   did; datagrams cannot be.  No outer checksum can cover what will be cut.
 * - The checksum of TCP or UDP may not be there yet (CHECKSUM_PARTIAL): its field has the sum of the pseudo header, and the card
 *   or the kernel fills it when the packet leaves.  So it is changed by helpers only, which know.
 */
#include <linux/pkt_cls.h>

#include "net/shared.bpf.h"
#include "packet/parse.h"
#include "packet/sum.h"

#define chain_ctx __sk_buff
#define CHAIN_SEC SEC("tc")
#define CHAIN_PASS TC_ACT_UNSPEC /* to the next filter, that of others */
#define CHAIN_DROP TC_ACT_SHOT
#define CHAIN_BACK(ctx) ((int)bpf_redirect((ctx)->ifindex, 0))

#define HOOK_UNFILLED 1

#define HOOK_HEAD 512	    /* bytes in one piece are enough for all headers that are read */
#define HOOK_SHRINK_MIN 128 /* segments below that stay as they are */
#define HOOK_MORE_MIN 20    /* the least that a tunnel puts before a packet */
#define HOOK_ALREADY (-114) /* EALREADY */
/* include/uapi/linux/bpf.h from 6.3 on, commit d219df60a70e */
#define HOOK_DECAP_L3_IPV4 (1ULL << 7)
#define HOOK_DECAP_L3_IPV6 (1ULL << 8)

PACKET_INLINE __u32 hook_action(int action)
{
	return action == TC_ACT_SHOT ? XDP_DROP : action == TC_ACT_REDIRECT ? XDP_REDIRECT : XDP_PASS;
}

PACKET_INLINE __u32 hook_in(const struct __sk_buff *skb)
{
	return skb->ifindex;
}

PACKET_INLINE __u32 hook_bytes(const struct __sk_buff *skb)
{
	return skb->len;
}

PACKET_INLINE __u16 hook_cut_by(const struct __sk_buff *skb)
{
	return (__u16)skb->gso_size;
}

PACKET_INLINE __u32 hook_linear(const struct __sk_buff *skb)
{
	return (__u32)((const char *)FRAME_END(skb) - (const char *)FRAME_DATA(skb));
}

/* TCP that is nothing else needs its own header; all else may be looked into. */
PACKET_INLINE int hook_split(const struct __sk_buff *skb, const struct chain_meta *m)
{
	__u32 linear = hook_linear(skb), need = HOOK_HEAD;

	if (!m->packet.fault && m->packet.proto == PROTO_TCP)
		need = m->packet.payload;
	return linear < need && linear < skb->len;
}

PACKET_INLINE void hook_pull(struct __sk_buff *skb)
{
	__u32 bytes = skb->len < HOOK_HEAD ? skb->len : HOOK_HEAD;

	if (hook_linear(skb) < bytes)
		(void)bpf_skb_pull_data(skb, bytes);
}

PACKET_INLINE int hook_tagged(const struct __sk_buff *skb, const struct chain_meta *m)
{
	return m->packet.vlans || skb->vlan_present;
}

PACKET_INLINE int hook_tcp_segments(const struct __sk_buff *skb, const struct chain_meta *m)
{
	return skb->gso_size && m->packet.proto == PROTO_TCP;
}

/* Bytes of the frame, or of each that it will be. */
PACKET_INLINE __u32 hook_segment(const struct __sk_buff *skb, const struct chain_meta *m)
{
	return skb->gso_size && m->packet.payload ? m->packet.payload + skb->gso_size : m->packet.frame;
}

PACKET_INLINE int hook_over(const struct __sk_buff *skb, const struct chain_meta *m, __u32 frame_max)
{
	return hook_segment(skb, m) > frame_max + (hook_tcp_segments(skb, m) ? HOOK_MORE_MIN : 0);
}

PACKET_INLINE __u32 hook_ip_bytes(const struct __sk_buff *skb, const struct chain_meta *m, __u32 more)
{
	if (!skb->gso_size)
		return m->packet.bytes + more;
	return hook_segment(skb, m) - m->packet.l3 + (hook_tcp_segments(skb, m) ? 0 : more);
}

/* Segments together may be longer than a header can say; 0 is then what the kernel understands (commit b1a78b9b9886). */
PACKET_INLINE __u32 hook_length(__u32 bytes)
{
	return bytes > 0xffff ? 0 : bytes;
}

PACKET_INLINE int hook_sums(const struct __sk_buff *skb)
{
	return !skb->gso_size;
}

PACKET_INLINE int hook_tunnel(struct __sk_buff *skb, const struct chain_meta *m, __u32 more, int family, int udp)
{
	__u64 fixed = hook_tcp_segments(skb, m) && skb->gso_size > HOOK_SHRINK_MIN ? 0 : BPF_F_ADJ_ROOM_FIXED_GSO;
	__u64 flags = family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	long said;

	if (udp)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	said = bpf_skb_adjust_room(skb, (int)more, BPF_ADJ_ROOM_MAC, flags | fixed);
	/* segments that came in such a tunnel are still marked so */
	if (said == HOOK_ALREADY)
		said = bpf_skb_adjust_room(skb, (int)more, BPF_ADJ_ROOM_MAC, fixed);
	return said ? -1 : 0;
}

/* Datagrams that were made one (rx-udp-gro-forwarding) have a tunnel's headers each: only the first's would go. */
PACKET_INLINE int hook_one_tunnel(const struct __sk_buff *skb, const struct chain_meta *m, int family)
{
	const struct wire_ipv4 *four;
	const struct wire_ipv6 *six;
	__u32 bytes;

	if (!skb->gso_size || !(m->packet.flags & PACKET_GUE))
		return 1;
	if (family == 4) {
		four = packet_at(FRAME_DATA(skb), FRAME_END(skb), m->packet.inner, sizeof(*four));
		bytes = four ? WIRE16(four->bytes) : 0;
	} else {
		six = packet_at(FRAME_DATA(skb), FRAME_END(skb), m->packet.inner, sizeof(*six));
		bytes = six ? WIRE16(six->bytes) + (__u32)sizeof(*six) : 0;
	}
	return m->packet.inner + bytes == m->packet.frame;
}

PACKET_INLINE int hook_untunnel(struct __sk_buff *skb, const struct chain_meta *m, __u32 less, int family)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	if (!hook_one_tunnel(skb, m, family))
		return -1;
	if (family != m->packet.family)
		flags |= family == 4 ? HOOK_DECAP_L3_IPV4 : HOOK_DECAP_L3_IPV6;
	return bpf_skb_adjust_room(skb, -(int)less, BPF_ADJ_ROOM_MAC, flags) ? -1 : 0;
}

/*
 * A checksum that is to be filled will be filled in what the answer quotes, after the answer's own was made.  It is left to the
 * kernel where a change of something that is not the pseudo header does not change it.  Then it gets the very value that will be
 * filled in: half of the complement of the sum over the rest (halving is a rotation, RFC 1071 arithmetic), since
 * -(rest + -rest/2) is -rest/2.
 */
PACKET_INLINE int hook_settle(struct __sk_buff *skb, const struct chain_meta *m)
{
	__u32 at = m->packet.l4 + (m->packet.proto == PROTO_TCP ? 16U : 6U), sum;
	__u16 *field = (void *)packet_at(FRAME_DATA(skb), FRAME_END(skb), at, 2), was;
	const void *rest;
	long diff;

	if (!field)
		return 0;
	was = *field;
	if (bpf_l4_csum_replace(skb, at, 0, 1, 2))
		return -1;
	field = (void *)packet_at(FRAME_DATA(skb), FRAME_END(skb), at, 2);
	if (!field)
		return -1;
	if (*field != was) {
		*field = was;
		return 0;
	}
	if (m->packet.flags & PACKET_EXTENSIONS)
		return -1;
	*field = 0;
	/* 84 and 248 bytes are quoted (answer.bpf.h) */
	if (m->packet.family == 4) {
		rest = packet_at(FRAME_DATA(skb), FRAME_END(skb), m->packet.l4, 64);
		diff = rest ? bpf_csum_diff(NULL, 0, (void *)rest, 64, 0) : -1;
	} else {
		rest = packet_at(FRAME_DATA(skb), FRAME_END(skb), m->packet.l4, 208);
		diff = rest ? bpf_csum_diff(NULL, 0, (void *)rest, 208, 0) : -1;
	}
	if (diff < 0)
		return -1;
	sum = (__u16)~sum_fold((__u64)diff);
	field = (void *)packet_at(FRAME_DATA(skb), FRAME_END(skb), at, 2);
	if (!field)
		return -1;
	*field = (__u16)(sum >> 1 | sum << 15);
	return 0;
}

PACKET_INLINE int hook_cut(struct __sk_buff *skb, const struct chain_meta *m, __u32 bytes)
{
	if (bpf_skb_change_tail(skb, bytes, 0))
		return -1;
	if (m->packet.proto != PROTO_TCP && m->packet.proto != PROTO_UDP)
		return 0;
	return hook_settle(skb, m);
}

PACKET_INLINE int hook_longer(struct __sk_buff *skb, __u32 more)
{
	return bpf_skb_adjust_room(skb, (int)more, BPF_ADJ_ROOM_MAC, 0) ? -1 : 0;
}

PACKET_INLINE int hook_transport(struct __sk_buff *skb, const struct packet_meta *p, __u64 addresses, __u64 ports)
{
	__u32 at = p->l4 + (p->proto == PROTO_TCP ? 16U : 6U);
	__u64 flags = p->proto == PROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (bpf_l4_csum_replace(skb, at, 0, addresses, flags | BPF_F_PSEUDO_HDR) ||
	    bpf_l4_csum_replace(skb, at, 0, ports, flags))
		return -1;
	return 0;
}

PACKET_INLINE void hook_changed(struct __sk_buff *skb, __u16 from, __u16 to)
{
	(void)bpf_csum_update(skb, (__u32)(__u16)~from + to);
}

#endif
