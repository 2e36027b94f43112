/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_FRAME_H
#define SAKER_PEER_FRAME_H
/*
 * frame - the bytes that agents exchange (docs/formats/peer.md), written and read; no keys, no state.
 *
 * Threads: any.  Memory: the caller's.  Failure: reading returns false for whatever does not fit, and has then written nothing
 * that counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/sign.h"

#define FRAME_MAX 1024
#define FRAME_HEAD 24
#define FRAME_MAC 32
#define FRAME_MIN (FRAME_HEAD + FRAME_MAC)
#define FRAME_PAYLOAD (FRAME_MAX - FRAME_MIN)
#define FRAME_NONCE 32
#define FRAME_VERSION 1
#define FRAME_NAME 64  /* with the NUL */
#define FRAME_ADDRS 48 /* that one host speaks for */

enum frame_type {
	FRAME_NONE,
	FRAME_HELLO,
	FRAME_CHALLENGE,
	FRAME_CLAIM,
	FRAME_WELCOME,
	FRAME_SIGN,
	FRAME_BEAT,
	FRAME_BYE,
	FRAME_TYPES,
};

struct frame_head {
	uint32_t length;
	uint8_t type, version;
	uint16_t zero;
	uint64_t session, sequence;
};

/* Who speaks, and for which addresses. */
struct frame_claim {
	uint64_t host;
	char name[FRAME_NAME];
	struct sign_addr addrs[FRAME_ADDRS];
	size_t naddrs;
};

struct frame_welcome {
	uint64_t host;
	char name[FRAME_NAME];
	uint32_t beat_ms;
};

void frame_head_put(uint8_t out[FRAME_HEAD], const struct frame_head *h);
void frame_head_get(const uint8_t in[FRAME_HEAD], struct frame_head *ret);

/* Payloads: the number of bytes that were written, at most FRAME_PAYLOAD. */
size_t frame_claim_put(uint8_t *out, const struct frame_claim *c);
bool frame_claim_get(const uint8_t *in, size_t len, struct frame_claim *ret);
size_t frame_welcome_put(uint8_t *out, const struct frame_welcome *w);
bool frame_welcome_get(const uint8_t *in, size_t len, struct frame_welcome *ret);
size_t frame_sign_put(uint8_t *out, const struct sign *s);
bool frame_sign_get(const uint8_t *in, size_t len, struct sign *ret); /* .boot_ns is not in it: 0 */

#endif
