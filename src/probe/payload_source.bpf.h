/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PAYLOAD_SOURCE_H
#define SAKER_PROBE_PAYLOAD_SOURCE_H
/*
 * Where the bytes of a call lie: its arguments stand in the saved registers, and what is in the buffers when a send returns is
 * what it sent, and of a receive what it received.
 */
#include <asm/unistd_64.h>

#include "probe/call.bpf.h"

#define PAYLOAD_ELEMENTS 16 /* of a vector */
#define PF_NO_CALL 0x204010 /* PF_IO_WORKER, PF_USER_WORKER (6.4), PF_KTHREAD */
#define IN_CALL (-38L)	    /* what ax is from the entry of a call until it returns */

#ifndef __NR_sendmmsg
#define __NR_sendmmsg 307
#define __NR_recvmmsg 299
#endif

/* A range of a call that has ended, or a datagram. */
struct payload_range {
	__u64 sk;     /* address, only to compare */
	__u64 offset; /* in the stream */
	__u64 now;    /* time stamp */
	__u32 bytes;
	__u32 at;    /* of the call's bytes, where it begins */
	__u32 which; /* of several messages of one call */
	__u32 flags; /* PAYLOADFLAGS_* */
	/* of a send whose own event is not told yet */
	__u64 begin_ns;
	__u32 send, send_flags; /* send: it is one */
};

/* struct iovec, struct msghdr and struct mmsghdr of a 64-bit process */
struct payload_iovec {
	__u64 base, len;
};

struct payload_vector {
	__u64 at, elements;
};

#define MSGHDR_IOV 16
#define MMSGHDR_SIZE 64

/* Where the bytes are: in `first`, and in what `rest` points to */
struct payload_source {
	struct payload_iovec first;
	struct payload_vector rest;
};

static __always_inline bool payload_next(struct payload_source *s)
{
	if (!s->rest.elements || bpf_probe_read_user(&s->first, sizeof(s->first), (void *)s->rest.at) < 0)
		return false;
	s->rest.at += sizeof(struct payload_iovec);
	s->rest.elements--;
	return true;
}

/* The vector of one message of the call */
static __always_inline bool payload_message(struct payload_source *s, __u64 header)
{
	return bpf_probe_read_user(&s->rest, sizeof(s->rest), (void *)(header + MSGHDR_IOV)) == 0 && payload_next(s);
}

/* What the call's arguments say; false: it is none that has bytes. */
static __always_inline bool payload_find(struct pt_regs *regs, const struct payload_range *r, struct payload_source *s)
{
	s->rest.elements = 0;
	switch (regs->orig_ax) {
	case __NR_read:
	case __NR_write:
	case __NR_recvfrom:
	case __NR_sendto:
		s->first.base = regs->si;
		s->first.len = regs->dx;
		return true;
	case __NR_readv:
	case __NR_writev:
	case __NR_preadv2:
	case __NR_pwritev2:
		s->rest.at = regs->si;
		s->rest.elements = regs->dx;
		return payload_next(s);
	case __NR_recvmsg:
	case __NR_sendmsg:
		return payload_message(s, regs->si);
	case __NR_recvmmsg:
	case __NR_sendmmsg:
		return r->flags & PAYLOADFLAGS_DATAGRAM &&
		       payload_message(s, regs->si + MMSGHDR_SIZE * (__u64)r->which);
	default:
		return false;
	}
}

/* To the range's first byte, behind those of the call that went before, and over elements without bytes. */
static __always_inline bool payload_skip(struct payload_source *s, __u64 at)
{
	__u32 i;

	for (i = 0; i < PAYLOAD_ELEMENTS; i++) {
		if (s->first.len > at) {
			s->first.base += at;
			s->first.len -= at;
			return true;
		}
		at -= s->first.len;
		if (!payload_next(s))
			return false;
	}
	return false;
}

#endif
