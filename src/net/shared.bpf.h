/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_SHARED_H
#define SAKER_NET_SHARED_H
/*
 * shared - what the chain's programs and user space both know: the metadata of a packet on its way through the stages,
 * the configuration with its two generations, and the reasons.
 *
 * A packet reads chain_control.generation once, when it enters; whatever is configured it looks up by the lowest bit of
 * that number.  So a transaction writes everything of the other bit, where no packet looks, and then changes the number.
 */
#include "packet/meta.h"

#define CHAIN_STAGES 16			    /* of one generation */
#define CHAIN_AGAIN (2 * CHAIN_STAGES)	    /* place in chain_stages: parse anew, then the next stage */
#define CHAIN_PLACES (2 * CHAIN_STAGES + 1) /* of chain_stages */
#define CHAIN_ROUNDS 2			    /* how often a packet may be parsed anew */

/* One per CPU: a packet is on one CPU from its first stage to its last. */
struct chain_meta {
	struct packet_meta packet;
	__u32 generation;
	__u8 next;   /* the place of the next stage, from 0 */
	__u8 rounds; /* how often the packet was parsed anew */
	__u16 reason;
	__u32 rule; /* the entry that decided: a VIP's number; 0: none */
};

struct chain_control {
	__u32 generation;
	__u32 pad;
};

/* One per generation. */
struct chain_config {
	__be16 gue_port; /* 0: none */
	__u8 pad[6];
};

struct chain_count {
	__u64 packets, bytes;
};

/* What became of a packet (a verdict), or of it on its way (a note). */
enum chain_reason {
#define REASON(number, name, stage, kind, text) CHAIN_##name = number,
#include "net/reasons.def"
#undef REASON
	CHAIN_REASONS = 96 /* room to grow without a change of the map */
};

_Static_assert(sizeof(struct chain_meta) == 80, "no padding");

#endif
