/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_RECOGNISE_HEAD_H
#define SAKER_PROBE_RECOGNISE_HEAD_H
/* The bytes that recognise.h looks at, and how it reads them. */
#include <linux/types.h>

#define RECOGNISE_BYTES 32
#define RECOGNISE_INLINE static inline __attribute__((always_inline))

enum recognised {
	RECOGNISED_NOTHING,
	RECOGNISED_HTTP,
	RECOGNISED_HTTP2,
	RECOGNISED_REDIS,
	RECOGNISED_POSTGRESQL,
	RECOGNISED_MYSQL,
	RECOGNISED_MEMCACHED,
	RECOGNISED_MEMCACHED_BINARY,
	RECOGNISED_DNS,
	RECOGNISED_TLS,
};

/* The first bytes, with zeros behind the message's end */
struct recognise_head {
	union {
		__u8 b[RECOGNISE_BYTES];
		__u64 words[RECOGNISE_BYTES / 8];
	};
};

#define RECOGNISE4(a, b, c, d) ((__u32)(a) | (__u32)(b) << 8 | (__u32)(c) << 16 | (__u32)(d) << 24)

RECOGNISE_INLINE __u32 recognise_le32(const __u8 *b)
{
	return RECOGNISE4(b[0], b[1], b[2], b[3]);
}

RECOGNISE_INLINE __u32 recognise_be32(const __u8 *b)
{
	return RECOGNISE4(b[3], b[2], b[1], b[0]);
}

RECOGNISE_INLINE __u32 recognise_be16(const __u8 *b)
{
	return (__u32)b[0] << 8 | b[1];
}

RECOGNISE_INLINE int recognise_digit(__u8 c)
{
	return c >= '0' && c <= '9';
}

RECOGNISE_INLINE int recognise_print(__u8 c)
{
	return c > ' ' && c < 127;
}

RECOGNISE_INLINE int recognise_letter(__u8 c)
{
	return (__u8)((c | 0x20) - 'a') < 26;
}

#endif
