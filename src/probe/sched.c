/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_sched_data[];
extern const size_t bpf_sched_size;

static const struct kernel_ladder sched_ladders[] = {
	{ .observation = "scheduling",
	  .about = "when recorded threads leave and get a CPU, and when their waits end",
	  .without = "what the time of threads went to",
	  .rungs = { { "sched_switched sched_woken_up sched_begun sched_forked",
		       "tp_btf:sched_switch, sched_waking, sched_wakeup_new, sched_process_fork", "5.15" } } },
	{ .observation = "threads",
	  .about = "snapshot of the threads that already run",
	  .iterator = true,
	  .without = "what threads do that ran before the recording, until they send or receive",
	  .rungs = { { "sched_snapshot", "iter:task", "5.8" } } },
	{ .observation = "waits at the end",
	  .about = "what threads do when the recording ends",
	  .iterator = true,
	  .without = "waits that the end of the recording cuts off",
	  .rungs = { { "sched_rest", "iter:task", "5.8" } } },
};

const struct kernel_object probe_sched = {
	.name = "sched",
	.data = bpf_sched_data,
	.size = &bpf_sched_size,
	.kinds = OBSERVE_SCHED,
	.ladders = sched_ladders,
	.nladders = ARRAY_LEN(sched_ladders),
};
