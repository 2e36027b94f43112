/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_UNIX_H
#define SAKER_PROBE_UNIX_H
/*
 * AF_UNIX: the kernel has no offsets there, so Saker counts, also for threads that are not selected; only from a
 * socket's first byte on, as what waits in a queue at the start is not known.
 *
 * Which socket a datagram went to shows when that is told that it has data, in the sender's call; which one
 * it came from when the receiver copies it.
 */
static __always_inline int unix_reached(struct sock *sk)
{
	struct call_info *ci;

	if (sk->__sk_common.skc_family != AF_UNIX_NR || sk->sk_type == SOCK_STREAM_NR || !current_selected())
		return 0;
	ci = call_get(bpf_get_current_task_btf());
	if (ci)
		ci->unix_other = bpf_get_socket_cookie(sk);
	return 0;
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(unix_arrived, struct sock *sk)
{
	return unix_reached(sk);
}

SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(unix_copied, struct sk_buff *skb)
{
	struct sock *from = skb->sk;
	struct call_info *ci;

	if (!from || from->__sk_common.skc_family != AF_UNIX_NR || from->sk_type == SOCK_STREAM_NR ||
	    !current_selected())
		return 0;
	ci = call_get(bpf_get_current_task_btf());
	if (ci)
		ci->unix_other = from->__sk_common.skc_cookie.counter; /* 0 until the sender's first call has ended */
	return 0;
}

/* The other end of a datagram: as it was seen, else to whom the socket is connected. */
static __always_inline __u64 unix_other(struct sock *sk, struct task_struct *me)
{
	struct call_info *ci = call_find(me);
	__u64 cookie = ci ? ci->unix_other : 0;

	if (ci)
		ci->unix_other = 0;
	return cookie ? cookie : unix_peer_cookie(sk);
}

static __always_inline void unix_dgram_emit(struct sock *sk, struct task_struct *me, struct sock_info *si, __u16 type,
					    __u64 number, int ret)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	struct sock *peer = BPF_CORE_READ(u, peer), *back = NULL;
	__u64 other = unix_other(sk, me);
	struct event_dgram_send *e;

	if (peer)
		back = BPF_CORE_READ((struct unix_sock *)peer, peer);
	e = event_begin(type, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	__builtin_memset((char *)e + sizeof(e->h), 0, sizeof(*e) - sizeof(e->h));
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	e->peer = other;
	e->bytes = ret;
	e->family = AF_UNIX_NR;
	if (back == sk && (si->flags & SOCK_COUNTED)) {
		e->hash = number;
		e->flags = MSGFLAGS_COUNTED;
	}
	event_end(e);
}

static __always_inline void unix_return(struct sock *sk, struct task_struct *me, int ret, bool sent, bool wanted)
{
	struct sock_info *si = wanted ? sock_used(sk) : sock_find(sk);
	bool stream = sk->sk_type == SOCK_STREAM_NR;
	struct call_info ci = {};
	__u32 flags = MSGFLAGS_OFFSET_UNKNOWN;
	__u64 number;

	if (!si || ret < 0 || (!ret && stream))
		return;
	if (sent)
		number = __sync_fetch_and_add(&si->unix_tx, stream ? ret : 1);
	else
		number = __sync_fetch_and_add(&si->unix_rx, stream ? ret : 1);
	if (!wanted)
		return;
	if (si->flags & SOCK_GAP)
		flags = MSGFLAGS_OFFSET_UNKNOWN | MSGFLAGS_AFTER_LOSS;
	if (!stream)
		dgram_wanted();
	if (!stream && sent && observed(OBSERVE_LOG)) {
		struct log_sent message = { .sk = sk, .bytes = ret };

		log_message(&message);
	}
	if (kind_shed(KIND_UNIX))
		return;
	if (si->flags & SOCK_COUNTED)
		flags = MSGFLAGS_COUNTED;
	if (!stream)
		unix_dgram_emit(sk, me, si, sent ? EVENT_DGRAM_SEND : EVENT_DGRAM_RECV, number, ret);
	else if (sent) {
		ci.start = number;
		ci.cookie = si->cookie;
		send_emit(sk, me, &ci, ret, flags);
	} else {
		recv_emit(me, si, number, ret, flags);
		if (!stream_shed(si->share) && payload_wanted(si, false))
			payload_received(sk, si, me, number, ret, 0);
	}
}

#endif
