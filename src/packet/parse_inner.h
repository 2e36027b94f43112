/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_PARSE_INNER_H
#define SAKER_PACKET_PARSE_INNER_H
/* parse_inner - packets inside of packets: GUE, and what an ICMP error is about; for packet/parse.h.  */
#include "packet/cursor.h"

/*
 * GUE: variant 1 has no header, its first bits are IP's version; variant 0 has 4 bytes and hlen words more
 * (draft-ietf-intarea-gue-09 section 3).  Control messages, and other things than IP, are no tunnel of ours.
 */
PACKET_INLINE void packet_gue(const void *data, const void *end, __u32 offset, struct packet_meta *m)
{
	const __u8 *head = packet_at(data, end, offset, 4);

	if (!head)
		return;
	if (head[0] >> 6 == 1) {
		m->inner = (__u16)offset;
	} else if (head[0] >> 5 == 0 && (head[1] == PROTO_IPIP || head[1] == PROTO_IPV6)) {
		m->inner = (__u16)(offset + 4 + (head[0] & 31) * 4);
	} else {
		return;
	}
	m->flags |= PACKET_GUE;
}

PACKET_INLINE int packet_is_error(const struct packet_meta *m)
{
	if (m->proto == PROTO_ICMPV6)
		return m->icmp_type >= ICMP6_UNREACHABLE && m->icmp_type <= ICMP6_PARAMETER;
	return m->icmp_type == ICMP4_UNREACHABLE || m->icmp_type == ICMP4_TIME_EXCEEDED ||
	       m->icmp_type == ICMP4_PARAMETER;
}

/* The ports of what an error is about, which came from the other side: turned round. */
PACKET_INLINE int packet_inner_ports(const void *data, const void *end, __u32 offset, struct packet_meta *m)
{
	const struct wire_udp *ports = packet_at(data, end, offset, 4);

	if (m->flow.proto != PROTO_TCP && m->flow.proto != PROTO_UDP) {
		m->flow.family = 0;
		return 0;
	}
	if (!ports) {
		m->flow.family = 0;
		return packet_fail(m, PACKET_SHORT_INNER);
	}
	m->flow.sport = ports->dport;
	m->flow.dport = ports->sport;
	return 0;
}

PACKET_INLINE int packet_inner_ipv4(const void *data, const void *end, __u32 offset, struct packet_meta *m)
{
	const struct wire_ipv4 *ip = packet_at(data, end, offset, sizeof(*ip));

	m->flow.family = 0;
	if (!ip)
		return packet_fail(m, PACKET_SHORT_INNER);
	if (ip->version_ihl >> 4 != 4)
		return packet_fail(m, PACKET_BAD_VERSION);
	if ((ip->version_ihl & 15) < 5)
		return packet_fail(m, PACKET_BAD_LENGTH);
	if (ip->fragment & WIRE16(IPV4_OFFSET))
		return 0;
	m->flow.family = 4;
	m->flow.proto = ip->proto;
	m->flow.src[0] = ip->dst;
	m->flow.dst[0] = ip->src;
	return packet_inner_ports(data, end, offset + (ip->version_ihl & 15) * 4U, m);
}

PACKET_INLINE int packet_inner_ipv6(const void *data, const void *end, __u32 offset, struct packet_meta *m)
{
	const struct wire_ipv6 *ip = packet_at(data, end, offset, sizeof(*ip));

	m->flow.family = 0;
	if (!ip)
		return packet_fail(m, PACKET_SHORT_INNER);
	if (WIRE32(ip->version_flow) >> 28 != 6)
		return packet_fail(m, PACKET_BAD_VERSION);
	m->flow.family = 6;
	m->flow.proto = ip->next;
	__builtin_memcpy(m->flow.src, ip->dst, 16);
	__builtin_memcpy(m->flow.dst, ip->src, 16);
	return packet_inner_ports(data, end, offset + sizeof(*ip), m);
}

/* An ICMP message; an error's flow is that of the packet which it is about, seen from the error's sender's side. */
PACKET_INLINE int packet_icmp(const void *data, const void *end, __u32 l4, struct packet_meta *m)
{
	const struct wire_icmp *icmp = packet_at(data, end, l4, sizeof(*icmp));

	if ((m->proto == PROTO_ICMP) != (m->family == 4))
		return 0;
	if (!icmp)
		return packet_fail(m, PACKET_SHORT_TRANSPORT);
	m->icmp_type = icmp->type;
	m->icmp_code = icmp->code;
	m->payload = (__u16)(l4 + sizeof(*icmp));
	if (icmp->type == (m->family == 4 ? ICMP4_ECHO : ICMP6_ECHO))
		m->flags |= PACKET_ECHO;
	if (!packet_is_error(m))
		return 0;
	m->flags |= PACKET_ICMP_ERROR;
	m->inner = m->payload;
	if (m->family == 4)
		return packet_inner_ipv4(data, end, m->payload, m);
	return packet_inner_ipv6(data, end, m->payload, m);
}

#endif
