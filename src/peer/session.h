/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_SESSION_H
#define SAKER_PEER_SESSION_H
/*
 * session - one conversation of two agents: bytes in, bytes out, signs out; no sockets, no clock (docs/formats/peer.md).
 *
 * Whatever comes in is refused at the first byte that does not fit, and then the session is over: close the connection.
 *
 * Threads: one.  Memory: the struct, nothing else.  Failure: session_feed() says which refusal; what was told before it was true.
 */
#include "peer/frame.h"
#include "peer/secret.h"

#define SESSION_OUT 8192 /* bytes that wait for the network: some 30 signs */

enum session_role { SESSION_REPORTS, SESSION_LISTENS };

enum session_refusal {
	SESSION_FINE,
	SESSION_LENGTH,	 /* too short, or too long */
	SESSION_VERSION, /* another protocol, another version */
	SESSION_TYPE,	 /* does not belong there */
	SESSION_NUMBER,	 /* another session's */
	SESSION_ORDER,	 /* sequence: repeated, left out, or reordered */
	SESSION_FORGED,	 /* MAC: another key, another session, or changed */
	SESSION_PAYLOAD, /* signed, and yet it does not fit */
	SESSION_CLAIM,	 /* speaks for an address that is not his */
	SESSION_FULL,	 /* does not read what it is told */
	SESSION_LATE,	 /* counted by who has a clock: not open in time */
	SESSION_CROWD,	 /* counted there, too: there are too many of them */
	SESSION_REFUSALS,
};
const char *session_refusal_text(enum session_refusal r); /* "a wrong MAC", ... */

/* What the session tells its owner.  None may close the session. */
struct session_events {
	bool (*claim)(void *arg, const struct frame_claim *c); /* SESSION_LISTENS: false refuses it */
	void (*up)(void *arg, const struct frame_welcome *w);  /* open; w: only SESSION_REPORTS */
	void (*sign)(void *arg, const struct sign *s, uint64_t sequence);
	void (*bye)(void *arg);
};

enum session_state { SESSION_BEGINS, SESSION_CHALLENGED, SESSION_CLAIMED, SESSION_OPEN, SESSION_OVER };

struct session {
	enum session_role role;
	enum session_state state;
	const struct secret *secret;
	const struct session_events *events;
	void *arg;
	uint64_t number, sent, heard; /* sequences: of the next frame in each direction */
	uint8_t key_out[SECRET_MAC], key_in[SECRET_MAC];
	uint8_t hello[FRAME_MIN + FRAME_NONCE], challenge[FRAME_MIN + FRAME_NONCE];
	struct frame_claim claim;     /* SESSION_REPORTS: own; else the other's */
	struct frame_welcome welcome; /* SESSION_LISTENS: own; else the other's */
	uint8_t in[FRAME_MAX], out[SESSION_OUT];
	size_t in_len, out_len;
};

/*
 * nonce: FRAME_NONCE random bytes, never the same twice.  secret and events are borrowed.  After it the owner of SESSION_REPORTS fills
 * .claim and calls session_hello(); that of SESSION_LISTENS fills .welcome and .number (random, not 0).
 */
void session_init(struct session *s, enum session_role role, const struct secret *secret,
		  const uint8_t nonce[FRAME_NONCE], const struct session_events *events, void *arg);
void session_hello(struct session *s);
enum session_refusal session_feed(struct session *s, const uint8_t *data, size_t len);

/* 0, -ENOTCONN: not open; -ENOBUFS: the other side does not read.  *ret_sequence: of the frame. */
int session_sign(struct session *s, const struct sign *sign, uint64_t *ret_sequence);
int session_beat(struct session *s);
int session_bye(struct session *s);

/* What is to be sent: s->out, s->out_len; len of it was. */
void session_sent(struct session *s, size_t len);

#endif
