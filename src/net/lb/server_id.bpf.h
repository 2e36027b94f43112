/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_SERVER_ID_H
#define SAKER_NET_LB_SERVER_ID_H
/*
 * server_id - backends that packets name themselves, by an id that the server once gave its client.
 *
 * QUIC: in the destination connection id (RFC 9000 section 5.1); the first two bits say how long the id is (1, 2, 3: 16,
 * 24, 32 bits), as Katran and its servers write it.  TCP: an option of kind 0xb7.  UDP: a first byte of 0x52.
 */
#include "net/lb/maps.bpf.h"

#define QUIC_LONG 0x80
#define QUIC_TYPE 0x30
#define QUIC_INITIAL 0x00
#define QUIC_0RTT 0x10
#define QUIC_ID_MIN 8 /* shorter connection ids are no server's */
#define TCP_OPTIONS_MAX 15
#define TCP_SERVER_ID 0xb7
#define UDP_STABLE 0x52

/* The backend with this id, or 0. */
PACKET_INLINE __u32 lb_id_real(const struct chain_meta *m, __u32 id)
{
	void *ids = LB_TABLE(lb_ids, m);
	const __u32 *real = ids ? bpf_map_lookup_elem(ids, &id) : NULL;

	if (real && *real)
		return *real;
	chain_note(m, CHAIN_LB_ID_UNKNOWN);
	return 0;
}

PACKET_INLINE __u32 lb_quic_id(const __u8 *cid)
{
	switch (cid[0] >> 6) {
	case 1:
		return (cid[0] & 0x3fU) << 10 | (__u32)cid[1] << 2 | cid[2] >> 6;
	case 2:
		return (__u32)cid[1] << 16 | (__u32)cid[2] << 8 | cid[3];
	case 3:
		return (__u32)cid[1] << 24 | (__u32)cid[2] << 16 | (__u32)cid[3] << 8 | cid[4];
	default:
		return 0;
	}
}

/* The backend that a QUIC packet names, or 0. */
NOINLINE __u32 lb_quic_real(struct chain_ctx *ctx, struct chain_meta *m)
{
	__u32 at = m->packet.payload;
	const __u8 *head = chain_at(ctx, at, 1 + QUIC_ID_MIN);
	const __u8 *cid;
	__u32 id;

	if (!head)
		goto unread;
	if (head[0] & QUIC_LONG) {
		if ((head[0] & QUIC_TYPE) == QUIC_INITIAL || (head[0] & QUIC_TYPE) == QUIC_0RTT) {
			chain_note(m, CHAIN_LB_QUIC_INITIAL);
			return 0;
		}
		/* flags, version, length, id */
		if (head[5] < QUIC_ID_MIN)
			goto unread;
		cid = chain_at(ctx, at + 6, QUIC_ID_MIN);
	} else {
		cid = chain_at(ctx, at + 1, QUIC_ID_MIN);
	}
	if (!cid)
		goto unread;
	id = lb_quic_id(cid);
	if (id)
		return lb_id_real(m, id);
unread:
	chain_note(m, CHAIN_LB_QUIC_UNREAD);
	return 0;
}

/* Looks at the option at *at; 1: it is the server's id, 0: go on, -1: there is none. */
PACKET_INLINE int lb_tcp_option(struct chain_ctx *ctx, __u32 *at, __u32 end, __u32 *id)
{
	const __u8 *option;

	if (*at >= end)
		return -1;
	option = chain_at(ctx, *at, 1);
	if (!option || option[0] == 0)
		return -1;
	if (option[0] == 1) {
		(*at)++;
		return 0;
	}
	option = chain_at(ctx, *at, 2);
	if (!option || option[1] < 2 || *at + option[1] > end)
		return -1;
	if (option[0] != TCP_SERVER_ID) {
		*at += option[1];
		return 0;
	}
	/* of another length it is not ours, and none comes after it, as in Katran */
	if (option[1] != 6)
		return -1;
	option = chain_at(ctx, *at, 6);
	if (!option)
		return -1;
	*id = (__u32)option[2] | (__u32)option[3] << 8 | (__u32)option[4] << 16 | (__u32)option[5] << 24;
	return 1;
}

NOINLINE __u32 lb_tcp_real(struct chain_ctx *ctx, struct chain_meta *m)
{
	__u32 at = m->packet.l4 + (__u32)sizeof(struct wire_tcp), end = m->packet.payload, id = 0;
	int i, found = 0;

	for (i = 0; i < TCP_OPTIONS_MAX && !found; i++)
		found = lb_tcp_option(ctx, &at, end, &id);
	return found > 0 && id ? lb_id_real(m, id) : 0;
}

/* 8 bytes before the payload: 0x52, the id in 24 bits, and four bytes that others use */
NOINLINE __u32 lb_udp_real(struct chain_ctx *ctx, struct chain_meta *m)
{
	const __u8 *head = chain_at(ctx, m->packet.payload, 8);
	__u32 id;

	if (!head || head[0] != UDP_STABLE)
		return 0;
	id = (__u32)head[1] << 16 | (__u32)head[2] << 8 | head[3];
	return id ? lb_id_real(m, id) : 0;
}

#endif
