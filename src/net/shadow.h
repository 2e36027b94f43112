/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_SHADOW_H
#define SAKER_NET_SHADOW_H
/*
 * shadow - what another wish would do with the packets of a running chain, beside it and without any effect on them.
 *
 * A chain of its own is loaded, with the other wish, and attached to nothing.  A packet that was drawn (net/samples.h) goes through it by
 * BPF_PROG_TEST_RUN: the bytes that were drawn, and zeros up to its length.  What the live chain took from its connection table is put
 * into the copy's first, for after an apply the table would still be there; so a flow is moved only if the new chain would move it.
 * Where the answer hangs on bytes that were not drawn, or on tables and rates that the copy has not, the answer is "cannot tell".
 *
 * The copy is on the hook of the running chain, whatever the other wish says of it: so both see the same.  What traffic control sees may be
 * many segments, which a run cannot be given: it gets one of them, and where a limit of size is near it may be out by a tunnel's headers.
 *
 * The way to a backend (which tunnel, which router) is not compared, nor how long ago a UDP flow was seen: it is taken for seen just now.
 *
 * Threads: one; it stays on one CPU from shadow_new() to shadow_free().  Memory: as a balancer of the wish's size without connection
 * tables: 262 kB for each VIP.  Failure: complete sentences.
 */
#include <stdbool.h>
#include <stdint.h>

#include "net/lb/shared.bpf.h"

struct chain;
struct err;
struct shadow;
struct wish_made;

enum shadow_kind {
	SHADOW_SAME, /* the same verdict and, if it is sent, the same backend */
	SHADOW_KEPT, /* the same, but only since its connection is known: a new one like it would go to another backend */
	SHADOW_OTHER,  /* to another backend; no connection table said where it went */
	SHADOW_BROKEN, /* to another backend, though its connection is known */
	SHADOW_SEND,   /* is not sent now, and would be */
	SHADOW_DROP,   /* is not dropped now, and would be */
	SHADOW_PASS,   /* does not go to the host now, and would */
	SHADOW_REASON, /* the same verdict, for another reason */
	SHADOW_CUT,    /* cannot tell: it hangs on bytes that were not drawn */
	SHADOW_STATE,  /* cannot tell: it hangs on a table or rate of the moment */
	SHADOW_KINDS
};

struct shadow_answer {
	enum shadow_kind kind;
	struct chain_meta meta;	 /* of the copy; not of SHADOW_CUT */
	struct lb_addr from, to; /* backends; family 0: none */
	int action;		 /* XDP_*, of the copy */
};

/* made: may go afterwards.  running must outlive it. */
int shadow_new(const struct chain *running, unsigned ifindex, const struct wish_made *made, struct shadow **ret,
	       struct err *err);
struct shadow *shadow_free(struct shadow *s); /* NULL ok; returns NULL */
int shadow_sample(struct shadow *s, const struct chain_sample *sample, struct shadow_answer *ret, struct err *err);
/* The chain with the other wish. */
const struct chain *shadow_chain(const struct shadow *s);
/* "same", ... for data, and half a sentence. */
const char *shadow_name(enum shadow_kind kind);
const char *shadow_text(enum shadow_kind kind);

/*
 * Do the bytes that were drawn hold all that a stage may read of a frame?  head has `frame` bytes, of which `bytes` are known.
 * Public for its test.
 */
bool shadow_enough(const uint8_t *head, uint32_t bytes, uint32_t frame, __be16 gue_port);
/*
 * The first `bytes` of a frame that is many segments become those of a frame that is one, of `payload` bytes: lengths are written anew,
 * checksums are not, since no stage reads them.  Returns the bytes of that frame.  Public for its test.
 */
uint32_t shadow_segment(uint8_t *head, uint32_t bytes, uint32_t payload, __be16 gue_port);

#endif
