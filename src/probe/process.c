/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_process_data[];
extern const size_t bpf_process_size;

static const struct kernel_ladder process_ladders[] = {
	{ .observation = "fork",
	  .about = "creation of processes and threads; selection follows it",
	  .without = "children are not followed",
	  .rungs = { { "process_fork", "tp_btf:sched_process_fork", "5.5" } } },
	{ .observation = "exec",
	  .about = "programs that are run, with path and arguments",
	  .without = "names of programs",
	  .rungs = { { "process_exec", "tp_btf:sched_process_exec", "5.5" } } },
	{ .observation = "exit",
	  .about = "ends of threads and processes with status or signal",
	  .without = "ends of processes",
	  .rungs = { { "process_exit", "tp_btf:sched_process_exit", "5.5" } } },
	{ .observation = "wait",
	  .about = "that a process has waited for a child",
	  .without = "what a process did after it had waited for a child",
	  .rungs = { { "process_wait", "tp_btf:sched_process_wait", "5.5" } } },
	{ .observation = "moves",
	  .about = "processes that are moved into a selected cgroup",
	  .without = "processes that enter a selected cgroup from outside",
	  .rungs = { { "process_moved", "tp_btf:cgroup_attach_task", "5.5" } } },
	{ .observation = "signal",
	  .about = "signals, sender to receiver",
	  .without = "who sent a signal",
	  .rungs = { { "process_signal", "tp_btf:signal_generate", "5.5" } } },
	{ .observation = "deliver",
	  .about = "signals that arrive, stop and continue",
	  .without = "stops and continues",
	  .rungs = { { "process_deliver", "tp_btf:signal_deliver", "5.5" } } },
	{ .observation = "oom",
	  .about = "kills because memory ran out",
	  .without = "out-of-memory kills",
	  .rungs = { { "process_oom", "tp_btf:mark_victim", "6.8" },
		     { "process_oom_pid", "tp_btf:mark_victim(pid)", "5.5; the victim's pid only" } } },
	{ .observation = "timer",
	  .about = "timers that end a wait (sleep, poll, epoll, futex)",
	  .without = "time-outs of waits",
	  .rungs = { { "process_timer", "tp_btf:hrtimer_expire_entry", "5.5" } } },
	{ .observation = "tasks",
	  .about = "snapshot of the processes that already run",
	  .iterator = true,
	  .without = "processes that ran before the recording",
	  .rungs = { { "process_snapshot", "iter:task", "5.8" } } },
	{ .observation = "names",
	  .about = "who those processes are",
	  .iterator = true,
	  .without = "names of processes that ran before the recording",
	  .rungs = { { "process_describe", "iter:task", "5.8" } } },
};

const struct kernel_object probe_process = {
	.name = "process",
	.data = bpf_process_data,
	.size = &bpf_process_size,
	.ladders = process_ladders,
	.nladders = ARRAY_LEN(process_ladders),
};
