/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_SECRET_H
#define SAKER_PEER_SECRET_H
/*
 * secret - the key that two hosts share, and what is made of it: HMAC-SHA256 (RFC 2104) by libcrypto, loaded when it is first needed.
 *
 * Threads: any.  Memory: the caller's.
 * Failure: secret_read() says what is wrong with the file, and whether the library is there; after it nothing fails.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SECRET_MIN 32 /* bytes: as many as SHA-256 has */
#define SECRET_MAX 1024
#define SECRET_MAC 32

struct secret {
	uint8_t bytes[SECRET_MAX];
	size_t len;
};

/* The library only: for who has a key from elsewhere.  -ELIBACC. */
int secret_prepare(struct err *err);
/* White space at the end of the file is no part of it.  A file that others can read or write is refused: -EPERM. */
int secret_read(const char *path, struct secret *ret, struct err *err);

/* Of the pieces one after the other. */
struct secret_piece {
	const void *data;
	size_t len;
};
void secret_mac(const uint8_t *key, size_t key_len, const struct secret_piece *pieces, size_t n,
		uint8_t ret[SECRET_MAC]);
bool secret_equal(const uint8_t a[SECRET_MAC], const uint8_t b[SECRET_MAC]); /* in the same time, whatever they are */
void secret_random(void *out, size_t len);

#endif
