/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_block_data[];
extern const size_t bpf_block_size;

static const struct kernel_ladder block_ladders[] = {
	{ .observation = "disk requests",
	  .about = "what recorded threads ask disks for, with the time in the queue and in the disk",
	  .without = "disks; in any case what is written back later belongs to the kernel's own threads",
	  .rungs = { { "block_started block_issued block_completed", "tp_btf:block_io_start, rq_issue, rq_complete",
		       "6.5" },
		     { "older_inserted older_issued block_completed", "tp_btf:block_rq_insert, rq_issue, rq_complete",
		       "5.17" } } },
	{ .observation = "disk wakes",
	  .about = "whose wait the end of a request ended",
	  .without = "who waited for which request",
	  .rungs = { { "block_waking block_ended", "tp_btf:sched_waking, block_io_done", "6.5" },
		     { "block_waking older_ended", "fexit:blk_update_request, tp_btf:sched_waking", "5.17" } } },
};

const struct kernel_object probe_block = {
	.name = "block",
	.data = bpf_block_data,
	.size = &bpf_block_size,
	.kinds = OBSERVE_BLOCK,
	.ladders = block_ladders,
	.nladders = ARRAY_LEN(block_ladders),
};
