/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_HOOK_XDP_H
#define SAKER_NET_HOOK_XDP_H
/*
 * hook_xdp - the chain as XDP programs.  hook_tc.bpf.h has the same names for traffic control; everything else is one source.
 *
 * A frame lies in one piece, is as long as on the wire, and its checksums are all there.
 */
#include "net/shared.bpf.h"
#include "packet/parse.h"

#define chain_ctx xdp_md
#define CHAIN_SEC SEC("xdp")
#define CHAIN_PASS XDP_PASS
#define CHAIN_DROP XDP_DROP
#define CHAIN_BACK(ctx) XDP_TX /* by the interface where it came in */

#define HOOK_UNFILLED 0 /* are there checksums that are yet to be filled? */

/* A verdict, as XDP says it. */
PACKET_INLINE __u32 hook_action(int action)
{
	return (__u32)action;
}

/* The interface where the packet came in. */
PACKET_INLINE __u32 hook_in(const struct xdp_md *ctx)
{
	return ctx->ingress_ifindex;
}

/* Bytes of the frame on the wire. */
PACKET_INLINE __u32 hook_bytes(const struct xdp_md *ctx)
{
	return (__u32)((const char *)FRAME_END(ctx) - (const char *)FRAME_DATA(ctx));
}

/* Bytes of payload of each frame that it will be cut into; 0: it is one. */
PACKET_INLINE __u16 hook_cut_by(const struct xdp_md *ctx)
{
	return 0;
}

/* Are headers missing that hook_pull() can bring? */
PACKET_INLINE int hook_split(const struct xdp_md *ctx, const struct chain_meta *m)
{
	return 0;
}

PACKET_INLINE void hook_pull(struct xdp_md *ctx)
{
}

/* Does the frame have a VLAN tag? */
PACKET_INLINE int hook_tagged(const struct xdp_md *ctx, const struct chain_meta *m)
{
	return m->packet.vlans;
}

/* Is the frame too big for a tunnel? */
PACKET_INLINE int hook_over(const struct xdp_md *ctx, const struct chain_meta *m, __u32 frame_max)
{
	return m->packet.frame > frame_max;
}

/* Bytes of the IP packet when `more` were put before it. */
PACKET_INLINE __u32 hook_ip_bytes(const struct xdp_md *ctx, const struct chain_meta *m, __u32 more)
{
	return m->packet.bytes + more;
}

/* The length in the header of a packet in which `bytes` are. */
PACKET_INLINE __u32 hook_length(__u32 bytes)
{
	return bytes;
}

/* Can the checksum of what is put before the packet cover the packet? */
PACKET_INLINE int hook_sums(const struct xdp_md *ctx)
{
	return 1;
}

/* Room for a tunnel's headers before the packet; the link's are the caller's to write again, as after the next three. */
PACKET_INLINE int hook_tunnel(struct xdp_md *ctx, const struct chain_meta *m, __u32 more, int family, int udp)
{
	return bpf_xdp_adjust_head(ctx, -(int)more) ? -1 : 0;
}

/* A tunnel's headers go; what was in it is of this family. */
PACKET_INLINE int hook_untunnel(struct xdp_md *ctx, const struct chain_meta *m, __u32 less, int family)
{
	return bpf_xdp_adjust_head(ctx, (int)less) ? -1 : 0;
}

/* The frame ends after `bytes`, and will be quoted. */
PACKET_INLINE int hook_cut(struct xdp_md *ctx, const struct chain_meta *m, __u32 bytes)
{
	return bpf_xdp_adjust_tail(ctx, (int)bytes - (int)m->packet.frame) ? -1 : 0;
}

/* Room for headers of an answer. */
PACKET_INLINE int hook_longer(struct xdp_md *ctx, __u32 more)
{
	return bpf_xdp_adjust_head(ctx, -(int)more) ? -1 : 0;
}

/* The transport's checksum when addresses and ports were changed by so much; where HOOK_UNFILLED. */
PACKET_INLINE int hook_transport(struct xdp_md *ctx, const struct packet_meta *p, __u64 addresses, __u64 ports)
{
	return -1;
}

/* One word of the packet was changed that no checksum in it makes up for. */
PACKET_INLINE void hook_changed(struct xdp_md *ctx, __u16 from, __u16 to)
{
}

#endif
