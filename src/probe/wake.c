/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_wake_data[];
extern const size_t bpf_wake_size;

static const struct kernel_ladder wake_ladders[] = {
	{ .observation = "wake",
	  .about = "which thread woke which, and what it had waited for",
	  .without = "hand-offs of locks, conditions, events between threads",
	  .rungs = { { "wake_waking", "tp_btf:sched_waking", "5.15" } } },
};

const struct kernel_object probe_wake = {
	.name = "wake",
	.data = bpf_wake_data,
	.size = &bpf_wake_size,
	.kinds = OBSERVE_WAKE,
	.ladders = wake_ladders,
	.nladders = ARRAY_LEN(wake_ladders),
};
