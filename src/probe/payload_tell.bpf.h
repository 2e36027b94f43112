/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PAYLOAD_TELL_H
#define SAKER_PROBE_PAYLOAD_TELL_H
/* From where payloads are told: ranges of sends, receives, datagrams. */
#include "probe/payload.bpf.h"

#define MSG_UNREAD 0x2022 /* MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE: nothing comes from the stream into the buffer */

/* The first bytes of a range of a send, and its own event with them; false: it is to be told without. */
static __always_inline bool payload_sent(struct sock *sk, struct sock_info *si, const struct call_info *ci, __u32 bytes,
					 __u32 flags, __u64 now)
{
	struct payload_range r = {};

	if (!si || !payload_wanted(si, true))
		return false;
	r.sk = (__u64)sk;
	r.offset = ci->start;
	r.now = now;
	r.bytes = bytes;
	r.at = ci->told;
	r.flags = PAYLOADFLAGS_SENT;
	r.begin_ns = ci->begin_ns;
	r.send = 1;
	r.send_flags = flags;
	return payload_take(si, &r);
}

/* With the time stamp of the range's own event, unless the thread was off its CPU since. */
static __always_inline void payload_received(struct sock *sk, struct sock_info *si, struct task_struct *me,
					     __u64 offset, __u32 bytes, __u32 flags)
{
	struct payload_range r = {};

	r.sk = (__u64)sk;
	r.offset = offset;
	r.now = si->rx_ns && si->rx_away == times_away(me) ? si->rx_ns : bpf_ktime_get_boot_ns();
	r.bytes = bytes;
	r.flags = PAYLOADFLAGS_RECEIVED | flags;
	payload_take(si, &r);
}

/* Who moved the stream, and from where on it alone did. */
static __always_inline void payload_moved(struct sock_info *si, struct task_struct *me, __u64 start)
{
	if (!cfg.payload || si->rx_tid == me->pid)
		return;
	si->rx_tid = me->pid;
	si->rx_run = start;
}

/* A receive of TCP has returned: its bytes are the last that it moved, unless another thread did so as well. */
static __always_inline void payload_tcp_returned(struct sock *sk, struct sock_info *si, struct task_struct *me,
						 __u32 bytes, __u32 flags)
{
	if (flags & MSG_UNREAD || !payload_wanted(si, false))
		return;
	if (!(si->flags & SOCK_RX_KNOWN) || si->rx_tid != me->pid || si->rx_next - bytes < si->rx_run ||
	    si->rx_next < bytes)
		return;
	payload_received(sk, si, me, si->rx_next - bytes, bytes, 0);
}

/*
 * Which message of a sendmmsg or recvmmsg this is: those of a thread are counted, from each vector's first on, and anew
 * after an error, which is how a call ends early.
 */
static __always_inline __u32 payload_which(struct task_struct *me)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(me);
	struct call_info *ci;
	__u32 which;

	if (regs->orig_ax != __NR_sendmmsg && regs->orig_ax != __NR_recvmmsg)
		return 0;
	ci = call_get(me);
	if (!ci)
		return 0;
	if (ci->many_at != regs->si)
		ci->many = 0;
	which = ci->many++;
	ci->many_at = ci->many < (__u32)regs->dx ? regs->si : 0;
	return which;
}

/* The datagram's first bytes, with the time stamp of its own event. */
static __always_inline void payload_datagram(struct sock *sk, struct sock_info *si, __u16 type, __u32 bytes, __u64 now)
{
	struct payload_range r = {};
	bool sent = type == EVENT_DGRAM_SEND;

	r.which = payload_which(bpf_get_current_task_btf());
	if (!bytes || !payload_wanted(si, sent))
		return;
	r.sk = (__u64)sk;
	r.now = now;
	r.bytes = bytes;
	r.flags = PAYLOADFLAGS_DATAGRAM | (sent ? PAYLOADFLAGS_SENT : PAYLOADFLAGS_RECEIVED);
	payload_take(si, &r);
}

#endif
