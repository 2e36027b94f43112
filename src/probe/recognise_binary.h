/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_RECOGNISE_BINARY_H
#define SAKER_PROBE_RECOGNISE_BINARY_H
/* Protocols of numbers and lengths: a part of recognise.h. */
#include "probe/recognise_head.h"

/* The preface, or a frame of a kind whose header has little freedom */
RECOGNISE_INLINE int recognise_http2(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 len = recognise_be32(b) >> 8, stream = recognise_be32(b + 5);

	if (recognise_le32(b) == RECOGNISE4('P', 'R', 'I', ' ') && b[4] == '*' && b[5] == ' ')
		return 1;
	if (bytes < 9 || len > 16384 || stream >> 31)
		return 0;
	switch (b[3]) {
	case 1: /* HEADERS, whole */
		return stream && stream < 1U << 28 && len && !(b[4] & ~0x2d) && (b[4] & 4) && len + 9 <= bytes;
	case 4: /* SETTINGS */
		return !stream && len % 6 == 0 && len <= 96 && b[4] <= 1 && (!b[4] || !len) &&
		       (!len || (!b[9] && b[10] && b[10] <= 9));
	case 6: /* PING */
		return !stream && len == 8 && b[4] <= 1 && bytes >= 17;
	case 8: /* WINDOW_UPDATE */
		return len == 4 && !b[4] && !(b[9] & 0x80) && recognise_be32(b + 9) && bytes >= 13;
	default:
		return 0;
	}
}

/* What a client says before all else: its length, and a version, or what it asks for */
RECOGNISE_INLINE int recognise_pg_startup(const struct recognise_head *h)
{
	__u32 len = recognise_be32(h->b), code = recognise_be32(h->b + 4);

	if (len == 8)
		return code == 80877103 || code == 80877104; /* SSLRequest, GSSENCRequest */
	if (len == 16)
		if (code == 80877102) /* CancelRequest */
			return 1;
	return len > 8 && len <= 10000 && (code == 0x30000 || code == 0x30002) && recognise_letter(h->b[8]);
}

RECOGNISE_INLINE int recognise_postgresql(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 len = recognise_be32(b + 1);

	if (!b[0])
		return recognise_pg_startup(h);
	if (len < 4 || len > 1U << 24 || bytes < 5)
		return 0;
	switch (b[0]) {
	case 'Q':
		return len > 5 && len + 1 == bytes && b[5] && b[5] < 127;
	case 'P': /* of a client */
		return len + 1 < bytes && (!b[5] || recognise_print(b[5]));
	case 'B':
		return len + 1 < bytes && len >= 12 && (!b[5] || recognise_print(b[5]));
	case 'R': /* authentication, to the codes that are */
		return len <= 4096 && len >= 8 && !b[5] && !b[6] && !b[7] && b[8] <= 12;
	case 'T': /* rows, and the name of their first column */
		return len > 6 && b[5] < 8 && (b[5] || b[6]) && recognise_print(b[7]);
	case 'C':
		return len > 6 && len < 64 && b[5] >= 'A' && b[5] <= 'Z' && b[6] >= 'A' && b[6] <= 'Z';
	case 'Z':
		return len == 5 && (b[5] == 'I' || b[5] == 'T' || b[5] == 'E');
	case '1':
	case '2':
		return len == 4 && (b[5] == '2' || b[5] == 't' || b[5] == 'T' || b[5] == 'D' || b[5] == 'C') && !b[6];
	case 'E':
		return b[5] == 'S' && recognise_letter(b[6]) && recognise_letter(b[7]) && len + 1 <= bytes;
	default:
		return 0;
	}
}

RECOGNISE_INLINE int recognise_mysql(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 len = recognise_le32(b) & 0xffffff;

	if (b[3] || bytes < 5 || len < 1)
		return 0;
	if (b[4] == 10 && recognise_digit(b[5]) && (b[6] == '.' || b[7] == '.')) /* greeting */
		return len > 40 && len < 512;
	if (len + 4 != bytes)
		return 0;
	switch (b[4]) {
	case 3: /* a query; since MySQL 8.0.23 with the number of its attributes before it */
		return recognise_letter(b[5]) || b[5] == '/' || b[5] == '(' ||
		       (!b[5] && b[6] == 1 && recognise_letter(b[7]));
	case 0x16:
		return recognise_letter(b[5]);
	case 0x17:
		return len >= 10 && !b[8] && b[9] <= 8 && b[10] == 1 && !b[11];
	default:
		return 0;
	}
}

RECOGNISE_INLINE int recognise_memcached_binary(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 body = recognise_be32(b + 8);

	if (bytes < 24 || (b[0] & 0xfe) != 0x80 || b[1] > 0x48 || b[5] || b[6])
		return 0;
	return body <= 1U << 21 && recognise_be16(b + 2) + b[4] <= body && (b[4] & 3) == 0 && b[4] <= 20;
}

/* ClientHello and ServerHello */
RECOGNISE_INLINE int recognise_tls(const struct recognise_head *h)
{
	const __u8 *b = h->b;

	return b[0] == 0x16 && b[1] == 3 && b[2] <= 4 && b[3] <= 0x41 && (b[5] == 1 || b[5] == 2) && !b[6] &&
	       b[9] == 3 && b[10] <= 4;
}

/* RFC 1035 section 4.1.1; an answer of multicast DNS repeats no question */
RECOGNISE_INLINE int recognise_dns(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 questions = recognise_be16(b + 4), answers = recognise_be16(b + 6);
	__u32 answer = b[2] & 0x80;

	if (bytes < 17 || (b[2] & 0x78) > 0x28 || (b[3] & 0x40) || (b[3] & 15) > 10)
		return 0;
	if (!answer && ((b[3] & 15) || answers > 16))
		return 0;
	if (questions > 4 || answers > 256 || recognise_be16(b + 8) > 64 || recognise_be16(b + 10) > 64)
		return 0;
	if (!questions && !(answer && answers))
		return 0;
	return b[12] < 64 && (!b[12] || recognise_print(b[13]));
}

#endif
