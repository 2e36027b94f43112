/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_HASH_H
#define SAKER_PACKET_HASH_H
/*
 * hash - the hash of a flow by which its place in a ring is found.
 *
 * Bob Jenkins' lookup3 (burtleburtle.net/bob/c/lookup3.c, public domain) over the same words and seeds as Katran's
 * balancer, so that both kinds of balancers beside each other choose the same backend for a flow.
 */
#include "packet/cursor.h"

#define HASH_SEED_ADDRESS 512U
#define HASH_SEED_FLOW (512U * 65537U)
#define HASH_GOLDEN 0xdeadbeefU

PACKET_INLINE __u32 hash_turn(__u32 word, __u32 bits)
{
	return word << bits | word >> (32 - bits);
}

/* lookup3's final(): a, b, c to one word */
PACKET_INLINE __u32 hash_final(__u32 a, __u32 b, __u32 c)
{
	c = (c ^ b) - hash_turn(b, 14);
	a = (a ^ c) - hash_turn(c, 11);
	b = (b ^ a) - hash_turn(a, 25);
	c = (c ^ b) - hash_turn(b, 16);
	a = (a ^ c) - hash_turn(c, 4);
	b = (b ^ a) - hash_turn(a, 14);
	c = (c ^ b) - hash_turn(b, 24);
	return c;
}

PACKET_INLINE __u32 hash_2words(__u32 first, __u32 second, __u32 seed)
{
	__u32 start = seed + HASH_GOLDEN + 8;

	return hash_final(first + start, second + start, start);
}

/* Of four words: three are mixed, the last is added. */
PACKET_INLINE __u32 hash_4words(const __u32 *k, __u32 seed)
{
	__u32 a, b, c;

	a = b = c = HASH_GOLDEN + 16 + seed;
	a += k[0];
	b += k[1];
	c += k[2];
	a = (a - c) ^ hash_turn(c, 4);
	c += b;
	b = (b - a) ^ hash_turn(a, 6);
	a += c;
	c = (c - b) ^ hash_turn(b, 8);
	b += a;
	a = (a - c) ^ hash_turn(c, 16);
	c += b;
	b = (b - a) ^ hash_turn(a, 19);
	a += c;
	c = (c - b) ^ hash_turn(b, 4);
	b += a;
	return hash_final(a + k[3], b, c);
}

/* Ports are taken as the four bytes lie in the packet, read as a little-endian word. */
PACKET_INLINE __u32 hash_flow(const struct packet_flow *flow)
{
	__u32 ports = (__u32)WIRE16(flow->dport) << 16 | WIRE16(flow->sport);

	ports = (ports & 0xff00ff) << 8 | (ports >> 8 & 0xff00ff);
	if (flow->family == 4)
		return hash_2words(flow->src[0], ports, HASH_SEED_FLOW);
	return hash_2words(hash_4words(flow->src, HASH_SEED_ADDRESS), ports, HASH_SEED_FLOW);
}

#endif
