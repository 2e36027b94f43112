/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_SHARED_H
#define SAKER_KERNEL_SHARED_H
/* What the BPF programs and user space agree on besides the events: configuration, counters, map shapes. */
#include <linux/types.h>

#define RINGS_MAX 64
#define SELECTED_WORDS 65536 /* 64 process ids each, up to the kernel's PID_MAX_LIMIT (4 Mi) */
#define LOSS_SLOTS 128	     /* static types by id; run-time types from LOSS_DYNAMIC on */
#define LOSS_DYNAMIC 96
#define SCRATCH_BYTES 4096
#define SCRATCHES 4 /* tasks that were preempted, softirq, hardirq, nmi */
#define ARGS_MAX 1024
#define PATH_MAX_SEEN 256
#define PAYLOAD_MAX 1024
#define CGROUPS_MAX 16
#define PLACES_MAX 32
#define CGROUP_NAME_BYTES 64
#define NAME_SEEN 128	       /* of a cgroup's name */
#define CGROUP_DEPTH 16	       /* so far up a task's cgroup is looked at */
#define CGROUP_V1 (1ULL << 63) /* in an id: of a version 1 hierarchy (each numbers its own) */
#define ENDED_MAX 65536	       /* processes with children, at a time */
#define ENDED_SLOTS 8
#define BLOCK_REQUESTS_MAX 16384 /* of recorded threads, on the way at a time */
#define GO_PROGRAMS_MAX 1024
#define GO_M 48 /* offset of m in runtime.g: all versions since 1.5 (src/runtime/runtime2.go) */

/* Kinds of observation that a person chooses among: bits of kernel_cfg.observe and kernel_ladder.kinds. */
#define OBSERVE_PROCESS 1U
#define OBSERVE_SOCKET 2U
#define OBSERVE_WAKE 4U
#define OBSERVE_LOG 8U
#define OBSERVE_PIPE 16U
#define OBSERVE_FILE 32U
#define OBSERVE_BLOCK 64U
#define OBSERVE_SCHED 128U
#define OBSERVE_TLS 256U
#define OBSERVE_NOTE 512U
#define OBSERVE_ALL 1023U
#define OBSERVE_KINDS 10

struct kernel_place {
	__u64 id;	 /* of a control group's directory */
	__u32 hierarchy; /* 0: version 2 */
	__u32 pad;
};

/* Files that are logs: the last part of a pattern, before its first and behind its last wildcard. */
#define LOG_GLOBS_MAX 16
#define LOG_NAME_WORDS 4
struct log_glob {
	__u64 prefix[LOG_NAME_WORDS], suffix[LOG_NAME_WORDS];
	__u32 prefix_len, suffix_len;
};

struct log_file {
	__u64 inode;
	__u32 device, generation;
};

enum log_choice {
	LOG_CHOSEN = 1,
	LOG_REFUSED,
	LOG_UNDECIDED, /* the recorder has the path and will decide */
};

/* Whether lines written to files are told by hooks of the file system: see probe/log_file.bpf.h. */
enum file_hooks {
	FILE_HOOKS_OFF,
	FILE_HOOKS_TRIED, /* set by user space, which writes to a file then */
	FILE_HOOKS_SEEN,  /* set by the kernel: that was seen */
};

/* Load-time constants: the `cfg` variable in each object's .rodata. */
struct kernel_cfg {
	/* addresses in the kernel, 0: unknown */
	__u64 hrtimer_wakeup, timerfd_tmrproc, pollwake, ep_poll_callback;
	__u64 eventfd_release, timerfd_release, signalfd_release, inotify_release; /* tell kinds of files */
	__u64 netns;				  /* select tasks of this network namespace (cookie), 0: off */
	struct kernel_place cgroups[CGROUPS_MAX]; /* select tasks of these and of what lies below them */
	char cgroup_name[CGROUP_NAME_BYTES];	  /* so called: a unit; empty: off */
	__u64 cgroup_part[256], cgroup_part_end;  /* with this in its name: see place.bpf.h; end 0: off */
	char cgroup_again[NAME_SEEN]; /* so called: the group of a container that may be started again; empty: off */
	struct log_glob logs[LOG_GLOBS_MAX];
	__u32 nlogs;
	__u32 log_window_bytes; /* of log lines, on one CPU within LOG_WINDOW_SHIFT; more is lost */
	__u32 ncgroups;
	__u32 own_tgid; /* Saker itself: never recorded */
	__u32 nrings;
	__u32 observe; /* bits OBSERVE_*: what is wanted; for hooks that serve several kinds */
	__u16 port;    /* select processes that use this port, 0: off */
	__u8 select_all;
	__u8 by_place;	      /* any of netns, cgroups, cgroup_* is set */
	__u32 page_tgid;      /* Saker's process that serves the recording, 0: none; never recorded either */
	__u32 by_container;   /* one of cgroup_part, cgroup_again, and kernel_control.places */
	__u32 payload;	      /* so many of the first bytes of messages are kept, 0: none */
	__u32 sched_short_ns; /* waits below that are told as a sum */
	__u32 pad;
};

/* Run-time knobs: one element of the mmapable array `control`. */
struct kernel_control {
	__u64 shed;	       /* bit per kind (enum kernel_kind) that is left out now */
	__u64 want_dgram;      /* set by the kernel: a selected process uses datagrams */
	__u64 dgram_live;      /* set by user space: the payload hooks are attached */
	__u64 generation;      /* how often messages were left out altogether and taken up again */
	__u64 settled;	       /* set by user space: what was open at the start has been described */
	__u64 stream_share;    /* of 256: connections whose messages are kept; whole ones, both ends alike */
	__u64 attaching;       /* set by user space: not all processes that are to be selected are known yet */
	__u64 found;	       /* counts whom the hooks selected while attaching */
	__u64 starting;	       /* the recorder's own child, until it is the command: its calls are none of that */
	__u64 call_generation; /* how often calls were not watched for a while, and are again */
	__u64 call_found; /* set by the kernel: a selected process has a descriptor whose calls are to be watched */
	__u64 pipes;	  /* kept by the kernel: how many were met */
	__u64 nplaces;	  /* set by user space: how many there have been in places */
	struct kernel_place places[PLACES_MAX]; /* the same: who comes there is selected as well; the oldest goes */
	__u64 unjoined;	  /* kept by the kernel: children that ended and whose parent has not yet taken note */
	__u64 go;	  /* set by user space: counts the changes of go_programs; 0: it is empty */
	__u64 tls;	  /* set by user space: a TLS library is hooked */
	__u64 file_hooks; /* enum file_hooks */
	__u64 sched_ns;	  /* set by user space: what threads did before is not known, it was left out */
};

/*
 * Key of go_programs: an executable file.  Not its device: what stat(2) says of that is not what the inode says on
 * overlayfs and btrfs, its number and size are.
 */
struct go_file {
	__u64 inode, size;
};

/* Where a Go program keeps the id of the goroutine that runs. */
struct go_layout {
	__s32 tls;  /* of the pointer to runtime.g, from the thread pointer */
	__u16 goid; /* of goid in runtime.g; the word before it is the status */
	__u16 curg; /* of curg in runtime.m */
};

/* Per thread of a recorded process, while there are Go programs */
struct go_thread {
	__u64 generation; /* kernel_control.go when layout was looked up */
	__u64 exec_id;	  /* task_struct.self_exec_id, likewise */
	__u64 g;	  /* the runtime.g for which goid was told */
	__u64 goid;	  /* told last; 0: none */
	struct go_layout layout;
	__u32 known; /* layout is set */
	__u32 pad;
};

/* What a thread has done since it was told last, but for running. */
struct sched_part {
	__u64 since_ns;
	__u64 preempted_ns, short_ns;
	__u32 short_waits, preemptions;
	__u64 faults; /* as the kernel had counted them at since_ns */
};

enum sched_state {
	SCHED_UNKNOWN, /* since it was met, nothing has been seen of it: its next move tells what it was doing */
	SCHED_ON,
	SCHED_BORN,	 /* it has not run yet */
	SCHED_PREEMPTED, /* off the CPU, though it could run */
	SCHED_WAITS,
	SCHED_GONE, /* its end has been told */
};

/*
 * Per thread of a recorded process.  It is written where the thread leaves or gets a CPU, with that CPU's run queue locked,
 * and by the thread itself, which may be put off the CPU in the middle: turn decides which of the parts counts.
 */
struct sched_thread {
	struct sched_part part[2];
	__u64 turn;	 /* bit 0: the part that counts; above: how often it got or left a CPU */
	__u64 on_ns;	 /* when it got its CPU */
	__u64 off_ns;	 /* when it left it */
	__u64 woken_ns;	 /* when it was woken last, 0: not since it got its CPU; written by who wakes it */
	__u64 cpu_ns;	 /* task_struct.se.sum_exec_runtime when it left */
	__u64 clock_ns;	 /* off_ns less the run queue's clock then */
	__u64 switches;	 /* how often the kernel had counted it leaving, then */
	__u64 start_ns;	 /* in whose name it is told: exec gives a thread the name of its process's first one */
	__u32 tgid, tid; /* likewise */
	__u32 asleep;	 /* task_struct.__state as it left the CPU */
	__u8 state;	 /* enum sched_state */
	__u8 for_io;	 /* task_struct.in_iowait, likewise */
	__u8 flags;	 /* RANFLAGS_* of the next event */
	__u8 pad;
};

#define TLS_HANDSHAKE 2 /* in tls_thread.way, besides the directions: 0 received, 1 sent */

/* Per thread of a recorded process, while TLS libraries are hooked */
struct tls_thread {
	__u64 conn;  /* the call in which it is: SSL *; 0: in none */
	__u64 buf;   /* its arguments */
	__u64 done;  /* address of a size_t that says how many bytes, 0: the return value does */
	__u64 sock;  /* the socket that was used within it, 0: none */
	__u64 fresh; /* from which it received records itself, and called the library not yet; 0: none */
	__u32 way, pad;
};

/* A child that ended, as its parent may wait for it. */
struct ended_child {
	__u64 leader;	/* address of its task, only to look at, with start_ns */
	__u64 start_ns; /* of the leader */
	__u64 last_start_ns;
	__u32 tgid;	/* 0: free */
	__u32 last_tid; /* the thread that ended last */
};

/* Per process that has or had children */
struct ended_children {
	__u32 at;      /* next slot; the oldest is given up when there are too many */
	__u32 waiter;  /* thread that waited for any child */
	__u32 waiters; /* 2: several did */
	__u32 pad;
	struct ended_child child[ENDED_SLOTS];
};

/* What can be shed, least valuable first. */
enum kernel_kind {
	KIND_SCHED,
	KIND_TIMER,
	KIND_PAYLOAD, /* first bytes of messages */
	KIND_LOG,
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
