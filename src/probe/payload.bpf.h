/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PAYLOAD_H
#define SAKER_PROBE_PAYLOAD_H
/*
 * payload - the first bytes of messages, of connections whose protocol is known (recognise.h).
 *
 * They are read when the call ends, from where the thread's saved registers say that they are: the arguments of its system
 * call.  So what goes without such a call has none: sendfile, splice, io_uring, 32-bit programs; their ranges are told as
 * ever.  Of a message cfg.payload bytes are kept.  The recorder masks secrets and stores a `payload` event for each piece,
 * with the piece's header; a piece that is lost is told as every other loss.
 *
 * What is not known is asked about with its first messages of each direction, and later now and then: a recording may begin
 * in the middle of a connection.  Until it is known nothing is kept.  Of TLS only the greetings are.
 */
#include "probe/payload_emit.bpf.h"
#include "probe/recognise.h"

#define PAYLOAD_ASKED 4	       /* first messages of a direction that are looked at */
#define PAYLOAD_ASKED_EVERY 64 /* and then each so manieth */
#define PAYLOAD_TURNS 16       /* so long a known connection may turn to TLS */
#define PAYLOAD_SEALED 255     /* struct sock_info.proto: TLS whose greetings have gone by */

/* --- whether --- */

/* Is this message to be looked at?  For most of what is not known a load or two say no. */
static __always_inline bool payload_wanted(struct sock_info *si, bool sent)
{
	__u16 heard;

	if (!cfg.payload || si->proto == PAYLOAD_SEALED || kind_shed(KIND_PAYLOAD))
		return false;
	if (likely(si->proto && si->proto != RECOGNISED_TLS))
		return true;
	heard = si->heard[sent]++;
	if (heard < PAYLOAD_ASKED)
		return true;
	if (si->proto == RECOGNISED_TLS) {
		si->proto = PAYLOAD_SEALED;
		return false;
	}
	return heard % PAYLOAD_ASKED_EVERY == 0;
}

/* A socket of the kernel's own may be used within a thread's call about something else. */
static __always_inline bool payload_call_is_of(struct task_struct *me, __u32 fd, __u64 sk)
{
	struct file *file = call_file(fd);
	struct inode *inode = file_inode(file);
	struct socket *socket;

	if (!inode || inode_kind(inode) != CALL_SOCKET)
		return false;
	socket = (struct socket *)KERNEL_READ(file, struct file, private_data);
	return socket && (__u64)KERNEL_READ(socket, struct socket, sk) == sk;
}

__noinline int payload_recognise(const struct recognise_head *head, __u32 bytes)
{
	return head ? recognise(head, bytes) : RECOGNISED_NOTHING;
}

/* Looks at the first bytes; false: nothing is kept of this message. */
static __always_inline bool payload_ask(struct sock_info *si, struct payload_range *r, const struct payload_source *s)
{
	struct recognise_head head = {};
	__u32 n = RECOGNISE_BYTES, proto;

	if (s->first.len < n)
		n = s->first.len;
	if (r->bytes < n)
		n = r->bytes;
	barrier_var(n);
	if (n > RECOGNISE_BYTES || bpf_probe_read_user(&head, n, (void *)s->first.base) < 0)
		return false;
	if (r->flags & PAYLOADFLAGS_DATAGRAM) {
		if (!recognise_dns(&head, r->bytes))
			return false;
		si->proto = RECOGNISED_DNS;
		return true;
	}
	if (si->proto && !recognise_tls(&head))
		return si->proto != RECOGNISED_TLS;
	proto = payload_recognise(&head, r->bytes);
	if (!proto)
		return false;
	if (proto == RECOGNISED_TLS) {
		r->flags |= PAYLOADFLAGS_TLS;
		if (si->proto != RECOGNISED_TLS)
			si->heard[0] = si->heard[1] = 0;
	}
	si->proto = proto;
	return true;
}

/* Known streams are looked at no more, but for a turn to TLS near their beginning. */
static __always_inline bool payload_settled(struct sock_info *si, const struct payload_range *r)
{
	__u32 sent = r->flags & PAYLOADFLAGS_SENT;

	if (!si->proto || si->proto == RECOGNISED_TLS || r->flags & PAYLOADFLAGS_DATAGRAM)
		return false;
	if (si->heard[sent] >= PAYLOAD_TURNS)
		return true;
	si->heard[sent]++;
	return false;
}

/* --- the piece --- */

/*
 * Not static: verified once, not from each place that calls it and in each state there.  1: the range's first bytes are told, and of a send its own
 * event is, too, or both are counted as lost.
 */
__noinline int payload_take(struct sock_info *si, struct payload_range *r)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(me);
	struct payload_source s;

	if (!si || !r)
		return 0;
	if (me->flags & PF_NO_CALL || me->thread_info.status & TS_COMPAT_BIT || (long)regs->ax != IN_CALL)
		return 0;
	if (!payload_find(regs, r, &s) || !payload_skip(&s, r->at))
		return 0;
	if (!payload_settled(si, r)) {
		if (!si->proto && !payload_call_is_of(me, regs->di, r->sk))
			return 0;
		if (!payload_ask(si, r, &s))
			return 0;
	}
	payload_emit_from(me, si, r, &s);
	return 1;
}

#endif
