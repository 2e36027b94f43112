/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_KEEPER_INTERNAL_H
#define SAKER_AGENT_KEEPER_INTERNAL_H
/* keeper_internal - what the files of the keeper share. */
#include <stdbool.h>

#include "agent/balancer.h"
#include "agent/keeper.h"
#include "base/map.h"
#include "peer/action.h"
#include "peer/health.h"

#define KEEPER_PARTS 16

/* A VIP and its backends' health. */
struct group {
	struct lb_wish_vip vip;
	char text[WISH_VIP_TEXT];
	struct health *health;
	struct tally_of *counts; /* of each backend, in health's order */
	uint32_t number;	 /* of lb_vip_syns; 0: none */
	uint64_t fresh;		 /* what that said last */
	bool off, seen, fresh_known;
};

/* What the balancer's counters said last of a backend. */
struct tally_of {
	uint32_t number; /* 0: none */
	uint64_t packets, again;
	bool known, again_known;
	uint64_t busy_ns; /* when packets went to it last, as far as is known */
	bool drained;	  /* it drains, and no packet went to it for the wish's udp-idle, which was said */
};

struct pending { /* a live change that is still to be made */
	struct group *group;
	struct health_change c;
	bool gone; /* a person changed the backend meanwhile */
};

struct kept {
	struct keeper *keeper;
	char name[16];
	struct wish wish;  /* one interface, or none */
	struct balancer b; /* only reads; open while .open */
	bool open, seen, begun;
	const uint64_t *again; /* SYNs again by number of backend; NULL */
	struct group **groups;
	size_t ngroups;
	struct pending *pending;
	size_t npending;
	uint64_t retry_ns, sampled_ns, filled_ns;
	bool filling;		/* a table is to be full soon, which was said */
	bool failed, unwritten; /* which was said */
	uint64_t write_ns;	/* when what is known is written next (health_doc_due()) */
	char way_said[256];	/* of the next hop, last (keeper_way.c) */
	struct actions actions;
};

struct keeper {
	const struct keeper_opts *opts;
	struct loop *loop;
	struct diary *diary;
	int watch, lock; /* of the folder of wishes; held as long as this agent runs */
	struct kept **kept;
	size_t nkept;
	void *parts[KEEPER_PARTS];
	struct map checks; /* what each check said last: the hash of its end, and 1 passed, 2 failed */
	bool failing;	   /* the diary cannot be written, which was said */
	uint64_t written_ns;
};

/* keeper_health.c */
void kept_wished(struct kept *i, uint64_t now_ns); /* its wish is another one, or may be */
void kept_sign(struct kept *i, const struct sign *s, uint64_t now_ns);
void kept_turn(struct kept *i, uint64_t now_ns);
void kept_end(struct kept *i); /* frees groups, pending, actions */

/* keeper_act.c */
void kept_shadow(struct kept *i, struct group *g, const struct health_change *c, uint64_t now_ns);
void kept_act(struct kept *i, uint64_t now_ns); /* makes what is pending, if nobody else changes the balancer */
void kept_judge(struct kept *i, uint64_t now_ns);
void kept_effect(struct kept *i, struct action *a, enum healthstate state);
void kept_check(struct keeper *k,
		struct sign *s); /* writes that a check says something else, and makes that its evidence */
void kept_change(void *arg, const struct health_change *c); /* a health_fn; arg is a struct kept_at */
struct kept_at {
	struct kept *kept;
	struct group *group;
	uint64_t now_ns;
};

/* keeper_begin.c: what an agent before this one left. */
void kept_begin(struct kept *i, uint64_t now_ns);

struct sign_addr sign_addr_of(const struct lb_addr *addr);
struct lb_addr lb_addr_of(const struct sign_addr *addr);

#endif
