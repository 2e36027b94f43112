/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_PARSE_H
#define SAKER_PACKET_PARSE_H
/*
 * parse - a frame's headers, once: one source for BPF programs and for user space.
 *
 * packet_parse() never reads at or behind `end`, whatever the frame claims; what it cannot read it tells as a fault
 * and leaves at 0.  Threads: any.  Memory: none.
 */
#include "packet/parse_inner.h"

/* Ethernet and its tags; more tags than PACKET_VLANS_MAX are left to others: the packet is then not IP. */
PACKET_INLINE int packet_link(const void *data, const void *end, struct packet_meta *m)
{
	const struct wire_ether *ether = packet_at(data, end, 0, sizeof(*ether));
	__u32 offset = sizeof(*ether);
	int i;

	if (!ether)
		return packet_fail(m, PACKET_SHORT_LINK);
	m->ethertype = ether->type;
#pragma GCC unroll 2
	for (i = 0; i < PACKET_VLANS_MAX; i++) {
		const struct wire_vlan *vlan;

		if (m->ethertype != WIRE16(ETHER_VLAN) && m->ethertype != WIRE16(ETHER_QINQ))
			break;
		vlan = packet_at(data, end, offset, sizeof(*vlan));
		if (!vlan)
			return packet_fail(m, PACKET_SHORT_LINK);
		m->ethertype = vlan->type;
		offset += sizeof(*vlan);
		m->vlans++;
	}
	m->l3 = (__u16)offset;
	return (int)offset;
}

/* Returns where the transport header begins, or -1. */
PACKET_INLINE int packet_ipv4(const void *data, const void *end, __u32 l3, struct packet_meta *m)
{
	const struct wire_ipv4 *ip = packet_at(data, end, l3, sizeof(*ip));
	__u32 header;

	if (!ip)
		return packet_fail(m, PACKET_SHORT_IP);
	if (ip->version_ihl >> 4 != 4)
		return packet_fail(m, PACKET_BAD_VERSION);
	header = (ip->version_ihl & 15) * 4;
	m->family = m->flow.family = 4;
	m->proto = m->flow.proto = ip->proto;
	m->tos = ip->tos;
	m->ttl = ip->ttl;
	m->bytes = WIRE16(ip->bytes);
	m->flow.src[0] = ip->src;
	m->flow.dst[0] = ip->dst;
	if (header < sizeof(*ip) || m->bytes < header)
		return packet_fail(m, PACKET_BAD_LENGTH);
	if (header > sizeof(*ip))
		m->flags |= PACKET_OPTIONS;
	if (ip->fragment & WIRE16(IPV4_MORE | IPV4_OFFSET))
		m->flags |= PACKET_FRAGMENT;
	if (ip->fragment & WIRE16(IPV4_OFFSET))
		m->flags |= PACKET_LATER;
	return (int)(l3 + header);
}

PACKET_INLINE int packet_has_length(__u8 next)
{
	return next == PROTO_HOPOPTS || next == PROTO_ROUTING || next == PROTO_DSTOPTS;
}

/* Steps over extension headers (RFC 8200 section 4); AH and ESP are transports to us. */
PACKET_INLINE int packet_extensions(const void *data, const void *end, __u32 offset, struct packet_meta *m)
{
	int i;

#pragma GCC unroll 6
	for (i = 0; i < PACKET_EXTENSIONS_MAX; i++) {
		const struct wire_option *option;

		if (m->proto != PROTO_FRAGMENT && !packet_has_length(m->proto))
			return (int)offset;
		option = packet_at(data, end, offset, sizeof(*option));
		if (!option)
			return packet_fail(m, PACKET_SHORT_EXTENSION);
		m->flags |= PACKET_EXTENSIONS;
		if (m->proto == PROTO_FRAGMENT) {
			__be16 place = ((const struct wire_fragment *)(const void *)option)->offset;

			if (place & WIRE16(0xfff9))
				m->flags |= PACKET_FRAGMENT;
			if (place & WIRE16(0xfff8))
				m->flags |= PACKET_LATER;
			offset += sizeof(struct wire_fragment);
		} else {
			offset += (option->eights + 1U) * 8;
		}
		m->proto = m->flow.proto = option->next;
		if (m->flags & PACKET_LATER)
			return (int)offset;
	}
	if (m->proto == PROTO_FRAGMENT || packet_has_length(m->proto))
		return packet_fail(m, PACKET_MANY_EXTENSIONS);
	return (int)offset;
}

PACKET_INLINE int packet_ipv6(const void *data, const void *end, __u32 l3, struct packet_meta *m)
{
	const struct wire_ipv6 *ip = packet_at(data, end, l3, sizeof(*ip));
	__u32 first;

	if (!ip)
		return packet_fail(m, PACKET_SHORT_IP);
	first = WIRE32(ip->version_flow);
	if (first >> 28 != 6)
		return packet_fail(m, PACKET_BAD_VERSION);
	m->family = m->flow.family = 6;
	m->proto = m->flow.proto = ip->next;
	m->tos = (__u8)(first >> 20);
	m->ttl = ip->hops;
	m->bytes = WIRE16(ip->bytes);
	__builtin_memcpy(m->flow.src, ip->src, 16);
	__builtin_memcpy(m->flow.dst, ip->dst, 16);
	/* a jumbogram (RFC 2675) says 0, and no interface of ours carries one */
	if (m->bytes > 0xffff - sizeof(*ip))
		return packet_fail(m, PACKET_BAD_LENGTH);
	m->bytes += sizeof(*ip);
	return packet_extensions(data, end, l3 + sizeof(*ip), m);
}

/* The transport header at `l4`. */
PACKET_INLINE int packet_transport(const void *data, const void *end, __u32 l4, __be16 gue_port, struct packet_meta *m)
{
	const struct wire_tcp *tcp;
	const struct wire_udp *udp;

	switch (m->proto) {
	case PROTO_TCP:
		tcp = packet_at(data, end, l4, sizeof(*tcp));
		if (!tcp)
			return packet_fail(m, PACKET_SHORT_TRANSPORT);
		m->flow.sport = tcp->sport;
		m->flow.dport = tcp->dport;
		m->tcp_flags = tcp->flags;
		if (tcp->offset >> 4 < 5)
			return packet_fail(m, PACKET_BAD_LENGTH);
		m->payload = (__u16)(l4 + (tcp->offset >> 4) * 4);
		return 0;
	case PROTO_UDP:
		udp = packet_at(data, end, l4, sizeof(*udp));
		if (!udp)
			return packet_fail(m, PACKET_SHORT_TRANSPORT);
		m->flow.sport = udp->sport;
		m->flow.dport = udp->dport;
		m->payload = (__u16)(l4 + sizeof(*udp));
		if (gue_port && udp->dport == gue_port)
			packet_gue(data, end, l4 + sizeof(*udp), m);
		return 0;
	case PROTO_IPIP:
	case PROTO_IPV6:
		m->flags |= PACKET_IPIP;
		m->inner = (__u16)l4;
		return 0;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		return packet_icmp(data, end, l4, m);
	default:
		return 0;
	}
}

/*
 * Fills all of *m.  gue_port: the UDP port of GUE, network byte order; 0: none.  Returns 0, or -1 with m->fault.
 * A later fragment, and what is not IP, is parsed as far as it goes and is no fault.  Of the frame's bytes those before `end` are at
 * hand; headers behind it count as cut off.
 */
PACKET_INLINE int packet_parse_part(const void *data, const void *end, __u32 bytes, __be16 gue_port,
				    struct packet_meta *m)
{
	int l3, l4;

	__builtin_memset(m, 0, sizeof(*m));
	m->frame = bytes;
	l3 = packet_link(data, end, m);
	if (l3 < 0)
		return -1;
	if (m->ethertype == WIRE16(ETHER_IPV4))
		l4 = packet_ipv4(data, end, (__u32)l3, m);
	else if (m->ethertype == WIRE16(ETHER_IPV6))
		l4 = packet_ipv6(data, end, (__u32)l3, m);
	else
		return 0;
	if (l4 < 0)
		return -1;
	m->l4 = (__u16)l4;
	if (m->frame < (__u32)l3 + m->bytes)
		m->flags |= PACKET_CUT;
	if (m->flags & PACKET_LATER)
		return 0;
	return packet_transport(data, end, (__u32)l4, gue_port, m);
}

/* The same of a frame that is there as a whole. */
PACKET_INLINE int packet_parse(const void *data, const void *end, __be16 gue_port, struct packet_meta *m)
{
	return packet_parse_part(data, end, (__u32)((const char *)end - (const char *)data), gue_port, m);
}

#endif
