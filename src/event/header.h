/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_EVENT_HEADER_H
#define SAKER_EVENT_HEADER_H
/*
 * The first 40 bytes of every event, in the ring, in memory and on disk alike.
 * Little endian; the event's length is a multiple of 8.
 */
#include <linux/types.h>

enum event_context {
	CONTEXT_TASK = 0, /* the only one that takes part in program order */
	CONTEXT_SOFTIRQ = 1,
	CONTEXT_HARDIRQ = 2,
	CONTEXT_NMI = 3,
	CONTEXT_RECORDER = 4, /* made by Saker itself: no thread of the recorded system did it */
};

enum event_header_flags {
	EVENT_F_IMPORTED = 1, /* others recorded it */
	EVENT_F_LATE = 2,     /* read back from a `late` pair: boot_ns is its own time */
};

struct event_header {
	__u64 boot_ns;
	__u16 type;
	__u16 length; /* whole event, header and padding included */
	__u16 cpu;
	__u8 context;
	__u8 flags;
	__u64 seq;	/* per CPU; counts every event produced, recorded or lost */
	__u64 start_ns; /* start of the thread, CLOCK_BOOTTIME */
	__u32 tgid;
	__u32 tid;
};

#define EVENT_LENGTH_MAX 8192
#define EVENT_AGENT_MIN 100 /* from here to the run-time types: what agents say; the kernel emits none */
#define EVENT_DYNAMIC_MIN 1024
#define EVIDENCE_MAX 4 /* events that one of an agent names: hostN, nsN, seqN, cpuN, N from 1 on */

_Static_assert(sizeof(struct event_header) == 40, "event header");

#endif
