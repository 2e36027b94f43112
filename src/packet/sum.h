/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_SUM_H
#define SAKER_PACKET_SUM_H
/*
 * sum - the Internet checksum (RFC 1071), for BPF and for user space.
 *
 * Sums are of 16-bit words as they lie in memory, whatever the host's byte order: the sum of swapped words is the swapped
 * sum.  A sum fits 32 bits for up to 65536 words; sum_fold() brings it to 16.
 */
#include "packet/cursor.h"

PACKET_INLINE __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The sum of `bytes`, an even number that the compiler knows. */
PACKET_INLINE __u64 sum_of(const void *at, __u32 bytes)
{
	__u64 sum = 0;
	__u16 word;
	__u32 i;

#ifdef __BPF__
#pragma unroll
#endif
	for (i = 0; i < bytes; i += 2) {
#ifdef __BPF__
		word = *(const __u16 *)((const char *)at + i);
#else
		__builtin_memcpy(&word, (const char *)at + i, 2);
#endif
		sum += word;
	}
	return sum;
}

/* What to add for a sum to be taken away. */
PACKET_INLINE __u64 sum_minus(__u64 sum)
{
	return (__u16)~sum_fold(sum);
}

/* A checksum in which one word was changed from `from` to `to` (RFC 1624, equation 3). */
PACKET_INLINE __u16 sum_changed(__u16 checksum, __u16 from, __u16 to)
{
	return (__u16)~sum_fold((__u64)(__u16)~checksum + (__u16)~from + to);
}

/* A checksum after `less` was taken from what it sums up; never 0, so it serves UDP and a sum over nothing but zeros. */
PACKET_INLINE __u16 sum_lowered(__u16 checksum, __u16 less)
{
	return sum_fold((__u64)checksum + less);
}

/* Of the pseudo headers of TCP, UDP and ICMPv6: the part that is no address. */
PACKET_INLINE __u64 sum_pseudo(__u8 proto, __u16 bytes)
{
	return (__u64)WIRE16(proto) + WIRE16(bytes);
}

#endif
