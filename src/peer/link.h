/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_LINK_H
#define SAKER_PEER_LINK_H
/*
 * link - sessions (peer/session.h) over TCP: the balancer's side listens, a backend's host connects and connects again.
 *
 * Threads: one, the owner's.  link_fd() is an epoll descriptor, readable when link_turn() has something to do; there is a timer in it.
 * Callbacks are called from link_turn() only and may not free the link.
 * Memory: at most LINK_PEERS + LINK_STRANGERS connections of some 12 kB, and LINK_PEERS hosts that are remembered.
 * Failure: of a connection: it is closed and counted.  A link that was opened stays one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "peer/session.h"

struct err;
struct link;

#define LINK_PEERS 256
#define LINK_STRANGERS 32 /* connections on which nobody has shown yet that he has the key */
#define LINK_BEAT_MS 500
#define LINK_SILENCE 3	      /* beats, after which who was not heard is silent */
#define LINK_PATIENCE_MS 2000 /* for a session to be open */

/* What came with a sign. */
struct link_told {
	uint64_t session, sequence; /* sequence 0: nobody said it, it is told here (silent, heard) */
	uint64_t host;		    /* whose agent */
	const char *name;	    /* borrowed */
	struct sign_addr from;
};

struct link_listen_opts {
	const struct secret *secret; /* borrowed, as all pointers here */
	const char *address;	     /* a number; NULL: any */
	uint16_t port;
	uint64_t host; /* own id and name, for the other side to say */
	const char *name;
	uint32_t beat_ms; /* 0: LINK_BEAT_MS */
	/* May who comes from that address speak for the other one?  NULL: only if they are the same. */
	bool (*may)(void *arg, const struct sign_addr *from, const struct sign_addr *backend);
	/* Before the sign is passed on: to be recorded; what it writes into the sign's evidence is passed on.  NULL ok. */
	void (*told)(void *arg, const struct link_told *t, struct sign *s);
	sign_fn sign;
	/* Somebody was refused.  NULL ok. */
	void (*refused)(void *arg, const struct sign_addr *from, enum session_refusal why);
	void *arg;
};

struct link_connect_opts {
	const struct secret *secret;
	const char *address; /* a number */
	uint16_t port;
	struct frame_claim claim;
	/* A session is open: say what is the case.  ended: it is no more, or none could be opened (told once until one is). */
	void (*up)(void *arg, struct link *l, uint64_t session, const struct frame_welcome *w);
	void (*down)(void *arg, struct link *l, const char *why);
	void *arg;
};

/* Life cycle */
int link_listen(const struct link_listen_opts *opts, struct link **ret, struct err *err);
int link_connect(const struct link_connect_opts *opts, struct link **ret, struct err *err);
struct link *link_free(struct link *l); /* NULL ok; returns NULL.  Says bye, without waiting. */

/* Running */
int link_fd(const struct link *l);
void link_turn(struct link *l, uint64_t now_ns); /* CLOCK_BOOTTIME, or what a test says */
/* link_connect(): 0, or -ENOTCONN: no session is open; then nothing was sent. */
int link_sign(struct link *l, const struct sign *s, uint64_t *ret_session, uint64_t *ret_sequence);

/* Reading */
const uint64_t *link_refused(const struct link *l); /* by enum session_refusal, since the beginning */
uint16_t link_port(const struct link *l);	    /* where it listens, or to which it connects */
unsigned int link_open_sessions(const struct link *l);

#endif
