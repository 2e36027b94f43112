/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_ACTION_H
#define SAKER_PEER_ACTION_H
/*
 * action - what was done about backends, or only said, and what became of it.
 *
 * Each action is judged once, ACTION_SETTLE_NS and a window after it: the same figures before and after (health_figures()) decide whether it is
 * kept or taken back.  What is said of its effect is what the balancer sees and is told: new connections and packets; errors, which are SYNs
 * that came again, RSTs that hosts told of and failed checks; latency, which is how long checks took and round trips that hosts told
 * of.  Errors and latency of the VIP's other backends decide, latency where there are ACTION_TOOK_LEAST of both before and
 * after; and the backend's own checks, where it was taken out without having failed any.  Where more connections came after it than before, as many more
 * errors are expected.  A later action about the same backend ends the one before.
 *
 * Threads: one.  Memory: ACTIONS_MAX rows; the oldest that does not hold goes first.  Failure: none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/health.h"

#define ACTIONS_MAX 128
#define ACTION_VIP 80
#define ACTION_SETTLE_NS 1000000000ULL /* a client waits a second for an answer to its first SYN (RFC 6298 section 2) */

#define ACTION_TOOK_LEAST 4

struct action {
	uint64_t number;
	char interface[16], vip[ACTION_VIP];
	struct health_change c;
	uint64_t at_ns, at_unix_ns;
	struct sign_event event; /* of the agent's recording */
	bool running;		 /* it holds */
	uint64_t judge_ns;	 /* when it is judged; 0: it was */
	enum verdict verdict;
	uint32_t decided; /* EFFECTBY_*: by which figures */
	char verdict_why[HEALTH_WHY];
	struct health_figures before, after;
	uint64_t window_ns;
};

struct actions {
	struct action *rows; /* the oldest first */
	size_t count;
	uint64_t next; /* number of the next one, from 1 */
	uint64_t left_out;
};

void actions_fini(struct actions *a); /* NULL ok */

/* One more; what ran for the same backend ends.  A step goes on with what runs.  NULL: out of memory.  Valid until the next one. */
struct action *actions_add(struct actions *a, const struct action *about);
struct action *actions_running(const struct actions *a, const char *interface, const char *vip,
			       const struct sign_addr *addr);
/* One whose time to be judged has come; NULL. */
struct action *actions_due(const struct actions *a, uint64_t now_ns);

/* Sets after, verdict and its reason.  VERDICT_REVERTED: the caller takes it back. */
void action_judge(struct action *a, const struct health_figures *after);
void action_end(struct action *a, enum verdict verdict, const char *why);

#endif
