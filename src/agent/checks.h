/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CHECKS_H
#define SAKER_AGENT_CHECKS_H
/*
 * checks - from wishes to what is checked (peer/check.h): an ask for each VIP with checks, a target for each of its backends.
 *
 *  - Behind a tunnel a check goes to the VIP's address (of a network: its first host), by the interface of the wish, with the mark of the
 *    backend's number.  The program on the way out (net/lb/health.bpf.c) puts it into that backend's tunnel.
 *  - L2: the same, with a mark of the second range: the program writes the backend's link address.
 *  - NAT: to the backend's own address, as routes say, without a mark: what is translated back for clients is not asked.
 *  - A backend that is this host: to the VIP's address, which is local.
 *
 * Threads: one.  Memory: 1 KB a VIP, 80 bytes a backend.  Failure: sentences.
 */
#include <stddef.h>
#include <stdint.h>

#include "net/wish.h"
#include "peer/check.h"

struct chain;
struct err;

struct check_list {
	struct check_ask *asks;
	struct check_target *targets;
	size_t nasks, ntargets, room;
	const struct wish_if **wishes; /* borrowed, as are chains */
	const struct chain **chains;
	size_t nwishes;
};

/* Life cycle: zeroed, or after _fini(). */
void check_list_fini(struct check_list *l); /* NULL ok */
/* What the wish wants checked; chain NULL: nothing runs, and so nothing with a mark can be sent.  Both must outlive the list. */
int check_list_add(struct check_list *l, const struct wish_if *f, const struct chain *chain, struct err *err);

/* Whose a target is. */
const struct wish_if *check_list_wish(const struct check_list *l, const struct check_target *t,
				      const struct wish_vip **ret_vip, const struct wish_backend **ret_backend);
/* struct checks_opts.left */
uint64_t check_list_left(const struct check_list *l, const struct check_target *t);

/* The part of the agent. */
struct keeper_part;
extern const struct keeper_part keeper_checks;

#endif
