/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_LOG_MESSAGE_H
#define SAKER_PROBE_LOG_MESSAGE_H
/*
 * Datagrams to the journal (its native protocol) and to syslog: known by the address that they go to, when the send has ended.
 * A large entry goes to the journal as a sealed file; its bytes are not there any more, so only its size is told.
 */
#include "probe/call.bpf.h"
#include "probe/log.bpf.h"

#include <asm/unistd_64.h>

#define SOL_SOCKET_NR 1
#define SCM_RIGHTS_NR 1

/* struct msghdr and the head of struct cmsghdr of a 64-bit process (sendmsg(2), cmsg(3)) */
struct log_msghdr {
	__u64 name;
	__u32 namelen, pad;
	__u64 iov, iovlen, control, controllen;
};

struct log_cmsg {
	__u64 len;
	__s32 level, type, fd, pad;
};

union log_address {
	char path[32];
	__u64 words[4];
};

#define LOG_WORD(a, b, c, d, e, f, g, h)                                                                            \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

/* /run/systemd/journal/socket; ../dev-log, where /dev/log leads to; ../syslog; /dev/log itself */
static __always_inline __u16 log_where(const union log_address *a)
{
	if (a->words[0] == LOG_WORD('/', 'd', 'e', 'v', '/', 'l', 'o', 'g') && !a->words[1])
		return LOGWHERE_SYSLOG;
	if (a->words[0] != LOG_WORD('/', 'r', 'u', 'n', '/', 's', 'y', 's') ||
	    a->words[1] != LOG_WORD('t', 'e', 'm', 'd', '/', 'j', 'o', 'u'))
		return LOGWHERE_UNKNOWN;
	if (a->words[2] == LOG_WORD('r', 'n', 'a', 'l', '/', 's', 'o', 'c') &&
	    a->words[3] == LOG_WORD('k', 'e', 't', 0, 0, 0, 0, 0))
		return LOGWHERE_JOURNAL;
	if (a->words[2] == LOG_WORD('r', 'n', 'a', 'l', '/', 'd', 'e', 'v') &&
	    a->words[3] == LOG_WORD('-', 'l', 'o', 'g', 0, 0, 0, 0))
		return LOGWHERE_SYSLOG;
	if (a->words[2] == LOG_WORD('r', 'n', 'a', 'l', '/', 's', 'y', 's') &&
	    a->words[3] == LOG_WORD('l', 'o', 'g', 0, 0, 0, 0, 0))
		return LOGWHERE_SYSLOG;
	return LOGWHERE_UNKNOWN;
}

/* To whom: as the call names it, else to whom the socket is connected. */
static __always_inline __u16 log_receiver(struct sock *sk, const struct log_msghdr *m)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	union log_address a = {};
	struct unix_address *addr;

	if (m->name && m->namelen > 2) {
		bpf_probe_read_user_str(a.path, sizeof(a.path), (void *)(m->name + 2));
		return log_where(&a);
	}
	u = (struct unix_sock *)BPF_CORE_READ(u, peer);
	addr = u ? BPF_CORE_READ(u, addr) : NULL;
	if (addr)
		bpf_probe_read_kernel_str(a.path, sizeof(a.path), (char *)&addr->name[0].sun_path);
	return log_where(&a);
}

/* The file that is handed over in place of an entry. */
static __always_inline void log_memfd(struct task_struct *me, const struct log_msghdr *m, struct log_walk *w)
{
	struct event_log_piece *p;
	struct log_cmsg c = {};
	struct inode *inode;

	if (m->controllen < 20 || bpf_probe_read_user(&c, 20, (void *)m->control) < 0 || c.level != SOL_SOCKET_NR ||
	    c.type != SCM_RIGHTS_NR)
		return;
	inode = file_inode(call_file(c.fd));
	if (!inode)
		return;
	w->written = BPF_CORE_READ(inode, i_size);
	w->flags = PIECEFLAGS_MEMFD | PIECEFLAGS_LAST;
	w->now = bpf_ktime_get_boot_ns();
	p = log_reserve(w->now, 192);
	if (!p)
		return;
	log_fill(p, w, 0);
	event_end(p);
}

struct log_sent {
	struct sock *sk;
	__u32 bytes, pad;
};

/* A datagram went out of an AF_UNIX socket.  Not static: verified once; what it gets are numbers to the verifier. */
__noinline int log_message(struct log_sent *sent)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(me);
	__u64 nr = BPF_CORE_READ(regs, orig_ax), buf = BPF_CORE_READ(regs, si);
	struct log_msghdr m = {};
	struct log_walk w = {};

	if (!sent || kind_shed(KIND_LOG))
		return 0;
	if (nr == __NR_sendmsg) {
		if (bpf_probe_read_user(&m, sizeof(m), (void *)buf) < 0)
			return 0;
		w.buf = m.iov;
		w.count = m.iovlen;
	} else if (nr == __NR_sendto || nr == __NR_write || nr == __NR_writev) {
		w.buf = buf;
		w.count = BPF_CORE_READ(regs, dx);
		if (nr == __NR_sendto) {
			m.name = BPF_CORE_READ(regs, r8);
			m.namelen = BPF_CORE_READ(regs, r9);
		}
	} else {
		return 0;
	}
	w.fd = BPF_CORE_READ(regs, di);
	w.where = log_receiver(sent->sk, &m);
	w.written = sent->bytes;
	if (w.where == LOGWHERE_UNKNOWN)
		return 0;
	if (!sent->bytes) {
		log_memfd(me, &m, &w);
		return 0;
	}
	return log_take(&w, nr == __NR_sendmsg || nr == __NR_writev);
}

#endif
