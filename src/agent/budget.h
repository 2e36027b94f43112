/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BUDGET_H
#define SAKER_AGENT_BUDGET_H
/*
 * budget - what Saker costs, told once a second (`cost` events), and, measured ten times a second, kept below a limit
 * by leaving out whole kinds, then whole connections (`shed` events), never random events.  The last level takes the
 * hooks of messages away, as they cost something even if nothing is recorded.
 *
 * The kernel's share is measured only with a limit: statistics of BPF programs cost time themselves.
 */
#include <stdbool.h>
#include <stdint.h>

#include "kernel/kernel.h"

#define BUDGET_MARKS 11 /* a second of checks */

struct budget_mark {
	uint64_t at_ns, spent_ns;
};

struct budget {
	double percent; /* of one CPU; 0: no limit */
	bool payloads;	/* first bytes of messages are kept, so they can be left out */
	int stats_fd;	/* keeps the kernel's run-time statistics on; -1 */
	uint64_t start_ns, last_ns, last_user_ns, last_run_ns, last_events;
	uint64_t first_user_ns, first_run_ns;
	uint64_t last_told_ns, total_run_ns;
	unsigned int level; /* how much is shed */
	uint64_t checked_ns, calm_ns, eased_ns, patience_ns;
	struct budget_mark marks[BUDGET_MARKS]; /* ring, since the last change of the level */
	size_t nmarks;
};

int budget_start(struct budget *b, double percent, bool payloads, struct err *err);
void budget_stop(struct budget *b);
/* Once a second gives a `cost` event, and `shed` events when the level changes, to emit. */
int budget_tick(struct budget *b, struct kernel *k, kernel_event_fn *emit, void *arg);
int budget_last(struct budget *b, struct kernel *k, kernel_event_fn *emit, void *arg);
void budget_totals(const struct budget *b, uint64_t *span_ns, uint64_t *user_ns, uint64_t *kernel_ns, uint64_t *rss);

#endif
