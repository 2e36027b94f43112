/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_LEAVE_H
#define SAKER_NET_LB_LEAVE_H
/*
 * leave - by which interface a packet leaves, and to which link address.
 *
 * Without LB_BY_ROUTE it goes back where it came from, to the router (a balancer on a stick) or, with LB_TO_SENDER, to whom it came from.  With it the kernel is asked
 * (bpf_fib_lookup), as it would forward the packet itself: so forwarding must be on for the interface where packets come
 * in, and a tunnel's source need not be an address of this host.  Frames with VLAN tags always go back, by routes to the sender's link
 * address: the kernel does not say which tag they need elsewhere.  A next hop whose link address the host does not know yet is left to the host.
 *
 * What the kernel says holds for LB_ASKED_STAMPS on its CPU: to ask it takes more time than all else that is done with a packet of a known
 * connection (measured: 160 ns).
 */
#include "net/lb/answer.bpf.h"
#include "net/lb/maps.bpf.h"

#define LB_AF_INET 2
#define LB_AF_INET6 10

struct lb_hop {
	__u16 dst[3], src[3];
	__u32 ifindex; /* 0: where it came from */
	__u32 reason;  /* lb_hop_find() failed, or (LB_NO_NEIGHBOUR) the host must send it */
	__u32 mtu;     /* of LB_TOO_BIG */
	__u32 more;    /* bytes that will be put before the packet */
	__u32 family;  /* of the address that is looked for */
};

PACKET_INLINE struct lb_asked *lb_asked_at(const __be32 *addr)
{
	__u32 at = (addr[0] ^ addr[1] ^ addr[2] ^ addr[3]) * 0x9e3779b1U >> 22;

	_Static_assert(LB_ASKED == 1 << 10, "the shift gives places");
	return bpf_map_lookup_elem(&lb_asked, &at);
}

/* Did the kernel say just now where packets of so many bytes to an address go? */
PACKET_INLINE int lb_asked_holds(const struct lb_asked *asked, const __be32 *addr, __u32 family, __u32 bytes,
				 __u32 stamp)
{
	return asked->family == family && stamp - asked->stamp < LB_ASKED_STAMPS && bytes <= asked->mtu &&
	       asked->addr[0] == addr[0] && asked->addr[1] == addr[1] && asked->addr[2] == addr[2] &&
	       asked->addr[3] == addr[3];
}

PACKET_INLINE int lb_hop_said(struct lb_hop *hop, const struct bpf_fib_lookup *fib, long said)
{
	lb_mac_copy(hop->dst, fib->dmac);
	lb_mac_copy(hop->src, fib->smac);
	hop->ifindex = fib->ifindex;
	switch (said) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		return 0;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		hop->reason = CHAIN_LB_NO_NEIGHBOUR;
		return 0;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		hop->reason = CHAIN_LB_TOO_BIG;
		hop->mtu = fib->mtu_result;
		return -1;
	default:
		hop->reason = CHAIN_LB_NO_ROUTE;
		return -1;
	}
}

/* The kernel's way to an address. */
NOINLINE int lb_hop_ask(struct chain_ctx *ctx, const struct chain_meta *m, const __be32 *addr, struct lb_hop *hop)
{
	__u32 bytes = hook_ip_bytes(ctx, m, hop->more), stamp = (__u32)(bpf_ktime_get_coarse_ns() >> LB_STAMP_SHIFT);
	struct lb_asked *asked = lb_asked_at(addr);
	struct bpf_fib_lookup fib = { .family = hop->family == 4 ? LB_AF_INET : LB_AF_INET6,
				      .tot_len = (__u16)bytes,
				      .ifindex = hook_in(ctx) };
	long said;

	if (asked && lb_asked_holds(asked, addr, hop->family, bytes, stamp)) {
		lb_mac_copy(hop->dst, asked->dst);
		lb_mac_copy(hop->src, asked->src);
		hop->ifindex = asked->ifindex;
		return 0;
	}
	if (hop->family == 4)
		fib.ipv4_dst = addr[0];
	else
		__builtin_memcpy(fib.ipv6_dst, addr, 16);
	said = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (asked && said == BPF_FIB_LKUP_RET_SUCCESS) {
		__builtin_memcpy(asked->addr, addr, 16);
		asked->stamp = stamp;
		asked->ifindex = fib.ifindex;
		asked->family = (__u16)hop->family;
		asked->mtu = fib.mtu_result; /* where the kernel does not say it: this packet's length */
		lb_mac_copy(asked->dst, fib.dmac);
		lb_mac_copy(asked->src, fib.smac);
	}
	if (said < 0)
		said = BPF_FIB_LKUP_RET_NOT_FWDED;
	return lb_hop_said(hop, &fib, said);
}

/* The way to an address.  Returns 0 with *hop filled, or -1: lb_hop_failed() has the verdict. */
PACKET_INLINE int lb_hop_find(struct chain_ctx *ctx, const struct chain_meta *m, const struct lb_config *config,
			      int family, const __be32 *addr, __u32 more, struct lb_hop *hop)
{
	const struct wire_ether *ether;

	hop->reason = hop->mtu = hop->ifindex = 0;
	hop->family = (__u32)family;
	hop->more = more;
	if (unlikely(config->flags & LB_BY_ROUTE && !hook_tagged(ctx, m)))
		return lb_hop_ask(ctx, m, addr, hop);
	ether = chain_at(ctx, 0, sizeof(*ether));
	if (!ether)
		return -1;
	/* by routes there is no router, and a frame with a tag goes back to who sent it, too */
	if (unlikely(config->flags & (LB_BY_ROUTE | LB_TO_SENDER)))
		lb_mac_copy(hop->dst, ether->src);
	else
		lb_mac_copy(hop->dst, config->router_mac);
	lb_mac_copy(hop->src, ether->dst);
	return 0;
}

/* Too big for where it must go: its sender is told if that is wished.  mtu: what would fit. */
NOINLINE int lb_oversize(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config, __u32 mtu)
{
	/* RFC 1122 section 3.2.2: no errors about errors */
	if (!(config->flags & LB_TELL_TOO_BIG) || m->packet.flags & PACKET_ICMP_ERROR)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_TOO_BIG);
	if (lb_too_big(ctx, m, mtu) < 0)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_ROOM);
	return chain_verdict(m, CHAIN_BACK(ctx), CHAIN_LB_TOO_BIG_TOLD);
}

/* The verdict where lb_hop_find() found no way. */
PACKET_INLINE int lb_hop_failed(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
				const struct lb_hop *hop)
{
	if (hop->reason == CHAIN_LB_TOO_BIG)
		return lb_oversize(ctx, m, config, hop->mtu);
	return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_ROUTE);
}

/* The packet is complete but for its link addresses. */
PACKET_INLINE int lb_leave(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_hop *hop, __u32 reason)
{
	struct wire_ether *ether = chain_at(ctx, 0, sizeof(*ether));

	if (!ether)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN);
	if (unlikely(hop->reason == CHAIN_LB_NO_NEIGHBOUR))
		return chain_verdict(m, CHAIN_PASS, CHAIN_LB_NO_NEIGHBOUR);
	lb_mac_copy(ether->dst, hop->dst);
	lb_mac_copy(ether->src, hop->src);
	if (likely(!hop->ifindex || hop->ifindex == hook_in(ctx)))
		return chain_verdict(m, CHAIN_BACK(ctx), reason);
	return chain_verdict(m, (int)bpf_redirect(hop->ifindex, 0), reason);
}

/* L2: the packet stays as it is, but for its link addresses. */
NOINLINE int lb_l2_send(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
			const struct lb_real *real, __u32 reason)
{
	const struct wire_ether *ether = chain_at(ctx, 0, sizeof(*ether));
	struct lb_hop hop = { .ifindex = real->ifindex, .family = real->family };

	if (!ether)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN);
	if (real->mac[0] | real->mac[1] | real->mac[2] | real->mac[3] | real->mac[4] | real->mac[5]) {
		lb_mac_copy(hop.dst, real->mac);
		if (real->ifindex)
			lb_mac_copy(hop.src, config->own_mac);
		else
			lb_mac_copy(hop.src, ether->dst);
		return lb_leave(ctx, m, &hop, reason);
	}
	hop.ifindex = 0;
	if (lb_hop_ask(ctx, m, real->addr, &hop) < 0)
		return lb_hop_failed(ctx, m, config, &hop);
	/* the host would take it for its own: it cannot be left to it */
	if (hop.reason)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_MAC);
	return lb_leave(ctx, m, &hop, reason);
}

#endif
