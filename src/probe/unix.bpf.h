/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_UNIX_H
#define SAKER_PROBE_UNIX_H
/* AF_UNIX: the kernel has no offsets there, so Saker counts, also for threads that are not selected. */
static __always_inline void unix_dgram_emit(struct sock *sk, struct sock_info *si, __u16 type, __u64 number, int ret)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	struct sock *peer = BPF_CORE_READ(u, peer), *back = NULL;
	struct event_dgram_send *e;

	if (peer)
		back = BPF_CORE_READ((struct unix_sock *)peer, peer);
	e = event_begin(type, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	__builtin_memset((char *)e + sizeof(e->h), 0, sizeof(*e) - sizeof(e->h));
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	e->peer = unix_peer_cookie(sk);
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
	__u32 flags = MSGFLAGS_COUNTED;
	__u64 number;

	if (!si || ret < 0 || (!ret && stream))
		return;
	if (sent)
		number = __sync_fetch_and_add(&si->unix_tx, stream ? ret : 1);
	else
		number = __sync_fetch_and_add(&si->unix_rx, stream ? ret : 1);
	if (!wanted || kind_shed(KIND_UNIX))
		return;
	if (si->flags & SOCK_GAP)
		flags = MSGFLAGS_OFFSET_UNKNOWN | MSGFLAGS_AFTER_LOSS;
	if (!stream)
		unix_dgram_emit(sk, si, sent ? EVENT_DGRAM_SEND : EVENT_DGRAM_RECV, number, ret);
	else if (sent) {
		ci.start = number;
		ci.cookie = si->cookie;
		send_emit(me, &ci, ret, flags);
	} else
		recv_emit(me, si, number, ret, flags);
}

#endif
