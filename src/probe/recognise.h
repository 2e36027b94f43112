/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_RECOGNISE_H
#define SAKER_PROBE_RECOGNISE_H
/*
 * recognise - which protocol the first bytes of a message can only be.
 *
 * Used by the programs in the kernel, which keep payloads of known protocols only, and by the recorder, which masks their
 * secrets.  It looks at RECOGNISE_BYTES at most, and at how long the message is.  What begins in the middle of something
 * is nothing that it knows; so a connection is asked about again now and then.
 *
 * Sources: RFC 9112 (HTTP/1.1), 9113 (HTTP/2), 8446 (TLS), 1035 (DNS); redis.io's RESP; PostgreSQL 17, chapter 53; MySQL's
 * "Client/Server Protocol"; memcached's doc/protocol.txt and protocol-binary.
 */
#include "probe/recognise_binary.h"

/* "GET /", "CONNECT host:443", "HTTP/1.1 200" */
RECOGNISE_INLINE int recognise_http(const struct recognise_head *h)
{
	const __u8 *b = h->b;
	__u8 next;

	switch (recognise_le32(b)) {
	case RECOGNISE4('H', 'T', 'T', 'P'):
		return b[4] == '/' && b[5] == '1' && b[6] == '.' && recognise_digit(b[7]) && b[8] == ' ';
	case RECOGNISE4('G', 'E', 'T', ' '):
	case RECOGNISE4('P', 'U', 'T', ' '):
		next = b[4];
		break;
	case RECOGNISE4('P', 'O', 'S', 'T'):
	case RECOGNISE4('H', 'E', 'A', 'D'):
		next = b[4] == ' ' ? b[5] : 0;
		break;
	case RECOGNISE4('P', 'A', 'T', 'C'):
		next = b[4] == 'H' && b[5] == ' ' ? b[6] : 0;
		break;
	case RECOGNISE4('T', 'R', 'A', 'C'):
		next = b[4] == 'E' && b[5] == ' ' ? b[6] : 0;
		break;
	case RECOGNISE4('D', 'E', 'L', 'E'):
		next = b[4] == 'T' && b[5] == 'E' && b[6] == ' ' ? b[7] : 0;
		break;
	case RECOGNISE4('O', 'P', 'T', 'I'):
		next = b[4] == 'O' && b[5] == 'N' && b[6] == 'S' && b[7] == ' ' ? b[8] : 0;
		break;
	case RECOGNISE4('C', 'O', 'N', 'N'):
		return b[4] == 'E' && b[5] == 'C' && b[6] == 'T' && b[7] == ' ' && recognise_print(b[8]);
	default:
		return 0;
	}
	return next == '/' || next == '*' || next == 'h';
}

/* A number and CR LF at b[1]: where it ends, 0: none */
RECOGNISE_INLINE __u32 recognise_count(const struct recognise_head *h)
{
	__u32 i, from = h->b[1] == '-' ? 2 : 1;

	for (i = 1; i < 12; i++) {
		if (i < from || recognise_digit(h->b[i]))
			continue;
		return i > from && h->b[i] == '\r' && h->b[i + 1] == '\n' ? i + 2 : 0;
	}
	return 0;
}

RECOGNISE_INLINE int recognise_redis(const struct recognise_head *h, __u32 bytes)
{
	const __u8 *b = h->b;
	__u32 end;

	switch (b[0]) {
	case '*':
	case '~':
	case '>':
	case '%':
		end = recognise_count(h);
		if (!end || end >= 16)
			return 0;
		return end == bytes || (b[end & 15] && b[end & 15] < 127 && !recognise_letter(b[end & 15]));
	case '$':
	case ':':
		return recognise_count(h) != 0;
	case '+':
		return recognise_le32(b + 1) == RECOGNISE4('O', 'K', '\r', '\n') ||
		       (recognise_le32(b + 1) == RECOGNISE4('P', 'O', 'N', 'G') && b[5] == '\r') ||
		       (recognise_le32(b + 1) == RECOGNISE4('Q', 'U', 'E', 'U') && b[5] == 'E' && b[6] == 'D');
	case '-':
		return (recognise_le32(b + 1) == RECOGNISE4('E', 'R', 'R', ' ')) ||
		       (recognise_le32(b + 1) == RECOGNISE4('W', 'R', 'O', 'N') && b[5] == 'G') ||
		       (recognise_le32(b + 1) == RECOGNISE4('N', 'O', 'A', 'U') && b[5] == 'T') ||
		       (recognise_le32(b + 1) == RECOGNISE4('M', 'O', 'V', 'E') && b[5] == 'D');
	case 'P':
		return recognise_le32(b) == RECOGNISE4('P', 'I', 'N', 'G') && b[4] == '\r' && b[5] == '\n';
	default:
		return 0;
	}
}

RECOGNISE_INLINE int recognise_memcached(const struct recognise_head *h)
{
	const __u8 *b = h->b;

	switch (recognise_le32(b)) {
	case RECOGNISE4('g', 'e', 't', ' '):
	case RECOGNISE4('s', 'e', 't', ' '):
	case RECOGNISE4('a', 'd', 'd', ' '):
	case RECOGNISE4('c', 'a', 's', ' '):
	case RECOGNISE4('g', 'a', 't', ' '):
		return recognise_print(b[4]);
	case RECOGNISE4('g', 'e', 't', 's'):
	case RECOGNISE4('i', 'n', 'c', 'r'):
	case RECOGNISE4('d', 'e', 'c', 'r'):
		return b[4] == ' ' && recognise_print(b[5]);
	case RECOGNISE4('t', 'o', 'u', 'c'):
		return b[4] == 'h' && b[5] == ' ';
	case RECOGNISE4('d', 'e', 'l', 'e'):
		return b[4] == 't' && b[5] == 'e' && b[6] == ' ' && recognise_print(b[7]);
	case RECOGNISE4('r', 'e', 'p', 'l'):
		return b[4] == 'a' && b[5] == 'c' && b[6] == 'e' && b[7] == ' ';
	case RECOGNISE4('a', 'p', 'p', 'e'):
		return b[4] == 'n' && b[5] == 'd' && b[6] == ' ';
	case RECOGNISE4('p', 'r', 'e', 'p'):
		return b[4] == 'e' && b[5] == 'n' && b[6] == 'd' && b[7] == ' ';
	case RECOGNISE4('V', 'A', 'L', 'U'):
		return b[4] == 'E' && b[5] == ' ';
	case RECOGNISE4('S', 'T', 'O', 'R'):
		return b[4] == 'E' && b[5] == 'D' && b[6] == '\r';
	case RECOGNISE4('E', 'N', 'D', '\r'):
		return b[4] == '\n';
	default: /* meta commands */
		return b[0] == 'm' && (b[1] == 'g' || b[1] == 's' || b[1] == 'd') && b[2] == ' ' &&
		       recognise_print(b[3]);
	}
}

/* Of a stream */
RECOGNISE_INLINE int recognise(const struct recognise_head *h, __u32 bytes)
{
	if (recognise_http(h))
		return RECOGNISED_HTTP;
	if (recognise_tls(h))
		return RECOGNISED_TLS;
	if (recognise_redis(h, bytes))
		return RECOGNISED_REDIS;
	if (recognise_memcached(h))
		return RECOGNISED_MEMCACHED;
	if (recognise_http2(h, bytes))
		return RECOGNISED_HTTP2;
	if (recognise_postgresql(h, bytes))
		return RECOGNISED_POSTGRESQL;
	if (recognise_mysql(h, bytes))
		return RECOGNISED_MYSQL;
	if (recognise_memcached_binary(h, bytes))
		return RECOGNISED_MEMCACHED_BINARY;
	return RECOGNISED_NOTHING;
}

#endif
