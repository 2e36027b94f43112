/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_SHADOW_H
#define SAKER_AGENT_BALANCER_SHADOW_H
/*
 * balancer_shadow - counts what another wish would do with the packets of an interface whose chain runs (net/shadow.h).
 *
 * While it is open, packets are drawn at its own rate, and it is the one reader of what is drawn (agent/verdicts.h); at its end the
 * rate is the wish's again.  What the agent has laid over the wish that runs is laid over the other one, too, as an apply would.
 *
 * Threads: one.  Memory: that of net/shadow, and a row for each VIP.  Failure: complete sentences.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/shadow.h"
#include "net/wish.h"

struct err;
struct balancer_shadow;

struct shadow_count {
	uint64_t drawn;	  /* packets */
	uint64_t packets; /* for which they stand: each says 1 in how many it is */
	uint64_t syns;	  /* of those drawn, first packets of TCP connections */
};

struct shadow_vip {
	char vip[WISH_VIP_TEXT]; /* "": of no VIP */
	struct shadow_count counts[SHADOW_KINDS];
};

struct shadow_example {
	struct packet_flow flow;
	char vip[WISH_VIP_TEXT];
	struct lb_addr from, to;
	int from_action, to_action;	 /* XDP_*; to_action -1: cannot tell */
	uint32_t from_reason, to_reason; /* to_reason 0: cannot tell */
};

#define SHADOW_EXAMPLES 3 /* of each kind, and of different flows */

struct shadow_report {
	struct shadow_count counts[SHADOW_KINDS];
	const struct shadow_vip *vips; /* borrowed */
	size_t nvips;
	struct shadow_example examples[SHADOW_KINDS][SHADOW_EXAMPLES];
	size_t nexamples[SHADOW_KINDS];
	uint64_t lost;	  /* verdicts that found no room */
	uint64_t changes; /* of the running wish, meanwhile */
	uint64_t began_ns, now_ns;
};

/* -ENOENT: nothing runs on the interface; -EBUSY: somebody else reads. */
int balancer_shadow_open(const struct wish_if *f, uint32_t one_in, struct balancer_shadow **ret, struct err *err);
struct balancer_shadow *balancer_shadow_close(struct balancer_shadow *s); /* NULL ok; returns NULL */
/* Takes what was drawn; waits so long at most. */
int balancer_shadow_turn(struct balancer_shadow *s, int timeout_ms, struct err *err);
const struct shadow_report *balancer_shadow_report(struct balancer_shadow *s); /* borrowed, until the next turn */

#endif
