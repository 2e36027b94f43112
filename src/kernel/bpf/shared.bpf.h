/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_SHARED_H
#define SAKER_KERNEL_SHARED_H
/* What the BPF programs and user space agree on besides the events: configuration, counters, map shapes. */
#include <linux/types.h>

#define RINGS_MAX 64
#define SELECTED_WORDS 65536 /* 64 process ids each, up to the kernel's PID_MAX_LIMIT (4 Mi) */
#define LOSS_SLOTS 128	     /* static types by id; run-time types from LOSS_DYNAMIC on */
#define LOSS_DYNAMIC 96
#define SCRATCH_BYTES 2048
#define ARGS_MAX 1024
#define PATH_MAX_SEEN 256

/* Load-time constants: the `cfg` variable in each object's .rodata. */
struct kernel_cfg {
	__u64 hrtimer_wakeup; /* address of the kernel function, 0: unknown */
	__u64 cgroup;	      /* select tasks of this cgroup (v2 id), 0: off */
	__u64 netns;	      /* select tasks of this network namespace (cookie), 0: off */
	__u32 own_tgid;	      /* Saker itself: never recorded */
	__u32 nrings;
	__u16 port; /* select processes that use this port, 0: off */
	__u8 select_all;
	__u8 pad[5];
};

/* Run-time knobs: one element of the mmapable array `control`. */
struct kernel_control {
	__u64 shed;	    /* bit per kind (enum kernel_kind) that is left out now */
	__u64 want_dgram;   /* set by the kernel: a selected process uses datagrams */
	__u64 dgram_live;   /* set by user space: the payload hooks are attached */
	__u64 stream_share; /* of 256: connections whose messages are kept; whole ones, both ends alike */
};

/* What can be shed, least valuable first. */
enum kernel_kind {
	KIND_TIMER,
	KIND_DGRAM,
	KIND_UNIX,
	KIND_STREAM,
	KIND_PROCESS, /* never shed */
};

/* Per CPU */
struct cpu_state {
	__u64 seq;	     /* events produced, recorded or lost */
	__u64 pending[2];    /* bit per loss slot that has not been told yet */
	__u64 helper_failed; /* a helper or map refused (no memory, table full) */
};

struct loss_cell {
	__u64 count, first_seq, last_seq, from_ns, to_ns;
};

static __inline __attribute__((always_inline)) __u32 loss_slot(__u32 type)
{
	if (type < LOSS_DYNAMIC)
		return type;
	return LOSS_DYNAMIC + (type - 1024) % (LOSS_SLOTS - LOSS_DYNAMIC);
}

#endif
