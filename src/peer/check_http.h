/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_CHECK_HTTP_H
#define SAKER_PEER_CHECK_HTTP_H
/*
 * check_http - as much of HTTP/1 (RFC 9112) as a check needs: what is asked, and what the answer's head says.
 *
 * The answer comes from others: nothing is read beyond its bytes, and what is no HTTP is said to be none.
 * Threads: any.  Memory: the caller's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_HTTP_BYTES 16384 /* of an answer that are looked at */

struct check_http {
	unsigned status;
	size_t head_bytes;   /* with the empty line */
	uint64_t body_bytes; /* of Content-Length; UINT64_MAX: not said */
};

/* 1 with *ret filled; 0: the head is not whole yet; -EPROTO: this is no HTTP. */
int check_http_head(const char *data, size_t len, struct check_http *ret);
/* The request: HTTP/1.0, so that the answer's body is not in chunks, and the connection's end is the answer's.  Bytes; 0: no room. */
size_t check_http_request(char *out, size_t size, const char *path, const char *host);

#endif
