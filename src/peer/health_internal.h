/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_HEALTH_INTERNAL_H
#define SAKER_PEER_HEALTH_INTERNAL_H
/* health_internal - what the files of health share. */
#include "base/map.h"
#include "peer/health.h"
#include "peer/roll.h"

struct proof { /* the latest evidence, in a circle */
	struct sign_event rows[HEALTH_EVIDENCE];
	uint64_t at_ns[HEALTH_EVIDENCE];
	unsigned next;
};

enum roll_kind { ROLL_AGAIN, ROLL_RESETS, ROLL_OVERFLOW, ROLL_RTT, ROLL_FAILED, ROLL_PACKETS, ROLL_KINDS };
/* The same, and more, over the stretch by which effects are measured. */
enum figure {
	FIGURE_PACKETS,
	FIGURE_AGAIN,
	FIGURE_RESETS,
	FIGURE_FAILED,
	FIGURE_PASSED,
	FIGURE_TOOK_US,
	FIGURE_TOLD, /* overflows, and rises of the round-trip time */
	FIGURE_RTTS,
	FIGURE_RTT_US,
	FIGURES
};

struct backend {
	struct health_wish wish;
	enum healthstate state;
	enum signkind sign; /* that brought it there */
	uint32_t share;	    /* what is right */
	uint32_t applied;   /* what packets see */
	bool down_applied;
	bool said;     /* the difference between both was said */
	bool shadowed; /* the last that was said was no more than that */
	uint64_t since_ns, until_ns, slow_ns, calm_ns, hands_off_ns, load_ns;
	uint32_t ejections;
	/* what is known */
	bool ended, leaving, silent, host_known, load_known; /* ended: nothing listens any more */
	bool passing, failing, presumed;		     /* presumed: an agent before this one said so */
	uint32_t passes, fails;
	uint64_t took_ns, load, rtt_us;
	struct roll rolls[ROLL_KINDS], figures[FIGURES];
	struct proof bad, good;
	char why[HEALTH_WHY], check_text[120], end_text[120];
};

struct health {
	struct health_rules rules;
	struct backend *rows;
	size_t n;
	struct map by_addr; /* hash of the address: place in rows */
	struct roll fresh;  /* new connections, as figures are */
};

/* health_outlier.c: SIGN_NONE: in nothing; else *why says it. */
enum signkind outlier_kind(const struct health *h, const struct backend *b, uint64_t now_ns, char why[HEALTH_WHY]);
/* The share by measured load; b's own where nothing is to be changed. */
uint32_t load_share(const struct health *h, const struct backend *b);

#endif
