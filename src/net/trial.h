/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_TRIAL_H
#define SAKER_NET_TRIAL_H
/*
 * trial - one frame through a chain's programs, by BPF_PROG_TEST_RUN: nothing leaves, only the chain's own maps change.
 *
 * Threads: one; it stays on one CPU between trial_begin() and trial_end(), so that what is counted per CPU is found.
 * Memory: none.  Failure: complete sentences.
 */
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/shared.bpf.h"

struct chain;
struct err;

#define TRIAL_SENT 5 /* traffic control does not tell by which interface */

struct trial {
	unsigned ifindex; /* where the frames came in */
	int cpu, cpus;
	cpu_set_t was;
	bool moved;
};

int trial_begin(struct trial *t, unsigned ifindex, struct err *err);
void trial_end(struct trial *t); /* also of one that is all 0 */

/* Returns XDP_*, also of traffic control, or TRIAL_SENT; or -errno.  *out_len: room of out, then bytes of the frame as it would leave. */
int trial_run(const struct trial *t, const struct chain *c, const void *frame, size_t len, void *out, uint32_t *out_len,
	      struct err *err);
/* What the chain knows of the frame that was run last. */
int trial_meta(const struct trial *t, const struct chain *c, struct chain_meta *ret, struct err *err);

#endif
