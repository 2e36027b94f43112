/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The algorithms, all in the public domain: FNV (isthe.com/chongo/tech/comp/fnv), SpookyHash V2 (burtleburtle.net/bob/hash/
 * spooky.html) for exactly 16 bytes, MurmurHash3 (github.com/aappleby/smhasher) for exactly 16 bytes; the step from 128 to 64
 * bits is CityHash's.  Known values: endpoint_test.
 */
#include "net/lb/endpoint.h"

#include <string.h>

#define SPOOKY 0xdeadbeefdeadbeefULL

static uint64_t turn(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t from_128(uint64_t upper, uint64_t lower)
{
	const uint64_t k = 0x9ddfea08eb382d69ULL;
	uint64_t a = (lower ^ upper) * k, b;

	a ^= a >> 47;
	b = (upper ^ a) * k;
	b ^= b >> 47;
	return b * k;
}

/* FNV-1 of bytes taken as signed: what lies over 0x7f fills the upper bits, too. */
static uint32_t fnv_signed(const uint8_t *bytes, size_t n)
{
	uint32_t h = 2166136261U;
	size_t i;

	for (i = 0; i < n; i++)
		h = h * 16777619U ^ (uint32_t)(int32_t)(int8_t)bytes[i];
	return h;
}

/* Twelve steps; step i turns word i+2, adds word i+3 and puts it into word i (all modulo 4). */
static void spooky_mix(uint64_t h[4])
{
	static const uint8_t turns[12] = { 50, 52, 30, 41, 54, 48, 38, 37, 62, 34, 5, 36 };
	unsigned i;

	for (i = 0; i < 12; i++) {
		uint64_t *turned = &h[(i + 2) & 3];

		*turned = turn(*turned, turns[i]) + h[(i + 3) & 3];
		h[i & 3] ^= *turned;
	}
}

/* Eleven steps; step i folds word i+2 into word i+3, turns the former and adds it to the latter. */
static void spooky_end(uint64_t h[4])
{
	static const uint8_t turns[11] = { 15, 52, 26, 51, 28, 9, 47, 54, 32, 25, 63 };
	unsigned i;

	for (i = 0; i < 11; i++) {
		uint64_t *to = &h[(i + 3) & 3], *from = &h[(i + 2) & 3];

		*to ^= *from;
		*from = turn(*from, turns[i]);
		*to += *from;
	}
}

/* SpookyHash V2 of 16 bytes with seeds 0: both words. */
static void spooky_16(const uint8_t bytes[16], uint64_t out[2])
{
	uint64_t h[4] = { 0, 0, SPOOKY, SPOOKY }, words[2];

	memcpy(words, bytes, sizeof(words));
	h[2] += words[0];
	h[3] += words[1];
	spooky_mix(h);
	h[3] += 16ULL << 56;
	h[2] += SPOOKY;
	h[3] += SPOOKY;
	spooky_end(h);
	out[0] = h[0];
	out[1] = h[1];
}

uint64_t endpoint_hash(const struct lb_addr *addr)
{
	uint8_t bytes[16];
	uint64_t words[2];

	memcpy(bytes, addr->addr, sizeof(bytes));
	if (addr->family == 4)
		return from_128(2, fnv_signed(bytes, 4));
	spooky_16(bytes, words);
	return from_128(10, from_128(words[0], words[1]));
}

static uint64_t murmur_end(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

uint64_t endpoint_mix(uint64_t a, uint64_t b, uint32_t seed)
{
	const uint64_t c1 = 0x87c37b91114253d5ULL, c2 = 0x4cf5ad432745937fULL;
	uint64_t h1 = seed, h2 = seed;

	h1 ^= turn(a * c1, 31) * c2;
	h1 = (turn(h1, 27) + h2) * 5 + 0x52dce729;
	h2 ^= turn(b * c2, 33) * c1;
	h2 = (turn(h2, 31) + h1) * 5 + 0x38495ab5;
	h1 ^= 16;
	h2 ^= 16;
	h1 += h2;
	h2 += h1;
	return murmur_end(h1) + murmur_end(h2);
}
