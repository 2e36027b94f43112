/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_MAPS_H
#define SAKER_KERNEL_MAPS_H
/* The maps and constants that all of Saker's objects share: made by the first that is loaded. */
#include "kernel.bpf.h"

#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "event/events.gen.h"
#include "kernel/bpf/shared.bpf.h"

#define EINPROGRESS_NR 115

/* the way of most calls lies together in the program: that is what the instruction cache holds */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

char saker_license[] SEC("license") = "Dual BSD/GPL";

const volatile struct kernel_cfg cfg = {};

/* ring buffers; key: CPU modulo cfg.nrings; owner: kernel/ring.c */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RINGS_MAX);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 65536);
		});
} rings SEC(".maps");

/* one element per CPU: sequence and pending losses */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

/* key: loss_slot(type); per CPU: what could not be reserved since the last `loss` event */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_SLOTS);
	__type(key, __u32);
	__type(value, struct loss_cell);
} loss_cells SEC(".maps");

/*
 * bit per tgid that is recorded; key: tgid / 64; owner: fork hook and recorder.  A table of bits because every hook
 * asks it first: a hash look-up costs 25 ns on the way of everyone who is not recorded, this 2 ns.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SELECTED_WORDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} selected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct kernel_control);
} control SEC(".maps");

/* key: tgid of a recorded process; value: its children that ended, until it takes note; goes with the process */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENDED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct ended_children);
} ended SEC(".maps");

/* value: process id that the thread waited for last, 0: any; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} waits SEC(".maps");

/* key: the file of a Go program; owner: agent/goroutines.c */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GO_PROGRAMS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct go_file);
	__type(value, struct go_layout);
} go_programs SEC(".maps");

/* which goroutine was told last of the thread; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct go_thread);
} go_threads SEC(".maps");

/* where the time of a thread goes; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_thread);
} sched_threads SEC(".maps");

/* the call of a TLS library in which the thread is, and its sockets; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_thread);
} tls_threads SEC(".maps");

/*
 * Per CPU: rooms to build events with strings.  One is not enough: an interrupt, or another task while an iterator or a
 * uprobe's program is preempted, may need one in the middle of another's work.
 */
struct scratch {
	__u64 bytes[SCRATCH_BYTES / 8];
	__u32 busy, number; /* number: its key */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

#endif
