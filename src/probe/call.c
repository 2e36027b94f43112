/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_call_data[];
extern const size_t bpf_call_size;

static const struct kernel_ladder call_ladders[] = {
	{ .observation = "calls",
	  .about = "ends of calls on pipes, files and terminals",
	  .without = "pipes, files, and what is written to them",
	  .calls = true,
	  .rungs = { { "call_exit", "tp_btf:sys_exit",
		       "5.5; costs other processes some 70 ns a call while attached" } } },
	{ .observation = "begins of calls",
	  .about = "when a call on a file began, and where the file stood",
	  .without = "how long calls on files take",
	  .calls = true,
	  .kinds = OBSERVE_FILE,
	  .rungs = { { "call_enter", "tp_btf:sys_enter", "5.5; costs other processes as much again" } } },
	{ .observation = "log files",
	  .about = "what is written to standard output and standard error, where these are files of ext4",
	  .without = "the hook on the ends of calls serves, which costs each call",
	  .spare = true,
	  .cheaper = true,
	  .kinds = OBSERVE_LOG,
	  .rungs = { { "log_filled_delayed log_filled_direct log_filled_journal log_filled_never",
		       "tp_btf:ext4_da_write_end, ext4_write_end, ext4_journalled_write_end", "5.5, with ext4" } } },
	{ .observation = "descriptors inherited",
	  .about = "whether processes that begin have pipes or terminals, so that calls are watched",
	  .without = "pipes made after the beginning, for up to five seconds",
	  .spare = true,
	  .rungs = { { "call_forked call_execed", "tp_btf:sched_process_fork, sched_process_exec", "5.5" } } },
	{ .observation = "open pipes",
	  .about = "snapshot of the descriptors that are already open",
	  .iterator = true,
	  .without = "pipes that were there before the recording, until they are used",
	  .rungs = { { "call_snapshot", "iter:task_file", "5.11" } } },
};

const struct kernel_object probe_call = {
	.name = "call",
	.module = "ext4",
	.kinds = OBSERVE_LOG | OBSERVE_PIPE | OBSERVE_FILE,
	.data = bpf_call_data,
	.size = &bpf_call_size,
	.ladders = call_ladders,
	.nladders = ARRAY_LEN(call_ladders),
};
