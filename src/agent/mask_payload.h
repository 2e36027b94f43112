/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MASK_PAYLOAD_H
#define SAKER_AGENT_MASK_PAYLOAD_H
/*
 * mask_payload - secrets in the first bytes of messages become asterisks, in place, length kept.
 *
 * What is a secret is said in mask_text.h for text, and by the protocol otherwise: mask_redis.c, mask_frames.c (PostgreSQL,
 * MySQL, memcached), mask_http2.c.  What a connection speaks is recognised from its bytes.  A value, or a name before it,
 * that a piece cuts is remembered for the next one of the same direction.  Where pieces are missing, or the end of a
 * message was not kept, a parser goes on at the next thing that can only be a beginning; where it cannot be told what
 * something is, it is rather masked than not.
 *
 * Threads: none shared.  Memory: MASK_CONN_BYTES a connection.  Failure: -ENOMEM at the beginning only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mask_conn; /* opaque: one connection, both directions */

#define MASK_CONN_BYTES 2048
#define MASK_PIECE_MAX 1024 /* what is longer is masked whole */
#define MASK_WORDS_MAX 32
#define MASK_WORD_BYTES 40

/* Names of secrets besides those that are known; borrowed, at most MASK_WORDS_MAX of at most MASK_WORD_BYTES each. */
struct mask_words {
	const char *const *words;
	size_t n;
};

int mask_conn_new(const struct mask_words *words, struct mask_conn **ret); /* -ENOMEM */
struct mask_conn *mask_conn_free(struct mask_conn *c);			   /* NULL ok; returns NULL */

/* Is that the place in the direction where the last piece ended, or its beginning? */
bool mask_conn_expects(const struct mask_conn *c, bool sent, uint64_t offset);

/* The first `kept` of `bytes` bytes of one direction. */
struct mask_piece {
	uint64_t offset;
	uint32_t bytes, kept;
	bool sent;
	uint8_t *data;
};

void mask_payload(struct mask_conn *c, const struct mask_piece *p);

#endif
