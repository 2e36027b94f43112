/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_OLDER_H
#define SAKER_PROBE_OLDER_H
/*
 * Hooks for kernels that lack the tracepoints tcp_sendmsg_locked (6.13), sock_send_length, sock_recv_length and
 * sk_data_ready (6.3).  All are fentry and fexit: kprobes see no trusted struct sock, and without one there is no
 * storage of the socket (bpf_sk_storage_get() is for BPF_PROG_TYPE_TRACING only).
 */

/* --- TCP send ranges, socket lock held ---
 *
 * tcp_sendmsg_locked() and, until 6.4 (dc97391e6610 removed it), do_tcp_sendpages() give up the lock only
 * in sk_stream_wait_connect(), before the first byte, and in sk_stream_wait_memory().  So what write_seq
 * moved from the call's beginning, or the end of a wait, to the next wait, or the call's end, is the caller's.
 * The end counts again: if it does not fit, a hook was skipped (recursion), and the range has no offset.
 */
#define RANGE_NONE (~0ULL)

static __always_inline bool tcp_writable(struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state == STATE_ESTABLISHED || state == STATE_CLOSE_WAIT;
}

/* The lock is (again) the caller's: the range goes on, or a new one starts. */
static __always_inline int range_goes_on(struct sock *sk, struct task_struct *me, struct call_info *ci)
{
	struct tcp_sock *tp = tcp_of(sk);
	struct sock_info *si;
	__u64 offset;

	if (!tp || !tcp_writable(sk) || tcp_layered(tp))
		return 0;
	si = sock_used(sk);
	if (!si)
		return 0;
	offset = tcp_tx_offset(tp, si);
	if (ci->start != RANGE_NONE && offset == ci->start + ci->bytes)
		return 0;
	send_emit(sk, me, ci, ci->bytes, MSGFLAGS_MORE);
	ci->told += ci->bytes;
	range_start(me, si, ci, offset);
	return 0;
}

static __always_inline int range_begin(struct sock *sk)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call_info *ci = sock_selected(sk, me) ? call_get(me) : NULL;

	if (!ci)
		return 0;
	ci->sk = (__u64)sk;
	ci->start = RANGE_NONE;
	ci->told = 0;
	ci->bytes = 0;
	return range_goes_on(sk, me, ci);
}

static __always_inline struct call_info *range_of(struct sock *sk, struct task_struct *me)
{
	struct call_info *ci = call_find(me);

	return ci && ci->sk == (__u64)sk ? ci : NULL;
}

static __always_inline int range_pause(struct sock *sk)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call_info *ci = range_of(sk, me);
	struct sock_info *si = ci ? sock_find(sk) : NULL;
	struct tcp_sock *tp = si ? tcp_of(sk) : NULL;

	if (tp && ci->start != RANGE_NONE)
		ci->bytes = tcp_tx_offset(tp, si) - ci->start;
	return 0;
}

static __always_inline int range_resume(struct sock *sk)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call_info *ci = range_of(sk, me);

	return ci ? range_goes_on(sk, me, ci) : 0;
}

static __always_inline int range_end(struct sock *sk, long ret)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call_info *ci = range_of(sk, me);
	struct sock_info *si = ci ? sock_find(sk) : NULL;
	struct tcp_sock *tp = si ? tcp_of(sk) : NULL;
	__u64 last;

	if (!tp)
		return 0;
	ci->sk = 0;
	if (ret <= 0 || ci->start == RANGE_NONE)
		return 0;
	ci->ended = (__u64)sk;
	if ((__u64)ret <= ci->told)
		return 0;
	last = ret - ci->told;
	send_emit(sk, me, ci, last,
		  last == ci->bytes || tcp_tx_offset(tp, si) == ci->start + last ? 0 : MSGFLAGS_OFFSET_UNKNOWN);
	return 0;
}

SEC("fentry/tcp_sendmsg_locked")
int BPF_PROG(older_send_begin, struct sock *sk)
{
	return range_begin(sk);
}

SEC("fexit/tcp_sendmsg_locked")
int BPF_PROG(older_send_end, struct sock *sk, struct msghdr *msg, __u64 size, int ret)
{
	return range_end(sk, ret);
}

SEC("fentry/do_tcp_sendpages")
int BPF_PROG(older_pages_begin, struct sock *sk)
{
	return range_begin(sk);
}

SEC("fexit/do_tcp_sendpages")
int BPF_PROG(older_pages_end, struct sock *sk, void *page, int offset, __u64 size, int flags, long ret)
{
	return range_end(sk, ret);
}

SEC("fentry/sk_stream_wait_memory")
int BPF_PROG(older_wait_begin, struct sock *sk)
{
	return range_pause(sk);
}

SEC("fexit/sk_stream_wait_memory")
int BPF_PROG(older_wait_end, struct sock *sk)
{
	return range_resume(sk);
}

SEC("fexit/sk_stream_wait_connect")
int BPF_PROG(older_connect_end, struct sock *sk)
{
	return range_resume(sk);
}

/* sk->sk_data_ready of every AF_UNIX socket (sock_init_data_uid()); the tracepoint is younger (6.3) */
SEC("fentry/sock_def_readable")
int BPF_PROG(older_unix_arrived, struct sock *sk)
{
	return unix_reached(sk);
}

/* --- the call's return --- */

SEC("fexit/inet_sendmsg")
int BPF_PROG(older_inet_sent, struct socket *sock, struct msghdr *msg, __u64 size, int ret)
{
	return call_sent(sock->sk, ret);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(older_inet6_sent, struct socket *sock, struct msghdr *msg, __u64 size, int ret)
{
	return call_sent(sock->sk, ret);
}

SEC("fexit/inet_sendpage")
int BPF_PROG(older_inet_page, struct socket *sock, void *page, int offset, __u64 size, int flags, long ret)
{
	return call_sent(sock->sk, ret);
}

SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(older_unix_sent, struct socket *sock, struct msghdr *msg, __u64 size, int ret)
{
	return call_sent(sock->sk, ret);
}

SEC("fexit/unix_stream_sendpage")
int BPF_PROG(older_unix_page, struct socket *sock, void *page, int offset, __u64 size, int flags, long ret)
{
	return call_sent(sock->sk, ret);
}

/* SOCK_SEQPACKET too: unix_seqpacket_sendmsg() calls it */
SEC("fexit/unix_dgram_sendmsg")
int BPF_PROG(older_dgram_sent, struct socket *sock, struct msghdr *msg, __u64 size, int ret)
{
	return call_sent(sock->sk, ret);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(older_inet_got, struct socket *sock, struct msghdr *msg, __u64 size, int flags, int ret)
{
	return call_received(sock->sk, ret, flags);
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(older_inet6_got, struct socket *sock, struct msghdr *msg, __u64 size, int flags, int ret)
{
	return call_received(sock->sk, ret, flags);
}

SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(older_unix_got, struct socket *sock, struct msghdr *msg, __u64 size, int flags, int ret)
{
	return call_received(sock->sk, ret, flags);
}

SEC("fexit/__unix_dgram_recvmsg")
int BPF_PROG(older_dgram_got, struct sock *sk, struct msghdr *msg, __u64 size, int flags, int ret)
{
	return call_received(sk, ret, flags);
}

#endif
