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
	__u32 rule;    /* the entry that decided: a VIP's number; 0: none */
	__u32 backend; /* where it was to go; 0: none was chosen */
	__u8 watched;  /* CHAIN_WATCH_*: its verdict may be told */
	__u8 pad[3];
};

#define CHAIN_WATCH_PACKET 1 /* this one was drawn */
#define CHAIN_WATCH_DROP 2   /* it may be drawn if it is dropped */

/* All but the generation may change at any moment. */
struct chain_control {
	__u32 generation;
	__u32 watch;	    /* 0: none of both */
	__u32 sample;	    /* of so many packets the verdict of one is told; 0: none */
	__u32 sample_drops; /* of so many dropped ones; 0: as of the others */
};

#define CHAIN_HEAD 128		   /* first bytes of a frame: IPv6 with two tags and all of TCP's options */
#define CHAIN_SAMPLES (256U << 10) /* bytes of the ring, a power of two */

/* A packet's verdict, in the ring; the flow is that of the packet as it was parsed last. */
struct chain_sample {
	__u64 boot_ns;
	struct packet_flow flow;
	__u32 frame; /* bytes, as it came */
	__u32 ifindex;
	__u32 rule, backend;
	__u32 one_in; /* for so many packets it stands */
	__u32 action; /* XDP_* */
	__u16 reason;
	__u16 cpu;
	__u16 bytes;	       /* of head */
	__u16 segment;	       /* traffic control: of so many bytes each it will be cut; 0: it will not */
	__u8 head[CHAIN_HEAD]; /* as it came */
};

/* One per CPU. */
struct chain_watch {
	struct chain_sample sample; /* of the packet at hand */
	__u32 turn, turn_drops;
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

_Static_assert(sizeof(struct chain_meta) == 88, "no padding");
_Static_assert(sizeof(struct chain_sample) == 208, "no padding");

#endif
