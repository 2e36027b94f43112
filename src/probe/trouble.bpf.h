/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_TROUBLE_H
#define SAKER_PROBE_TROUBLE_H
/* Retransmissions and resets of sockets that are known. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(socket_retransmit, struct sock *sk, struct sk_buff *skb)
{
	struct sock_info *si = sock_find(sk);
	struct tcp_sock *tp = si ? tcp_of(sk) : NULL;
	struct event_retransmit *e;
	bool syn = sk->__sk_common.skc_state == STATE_SYN_SENT;
	__u32 seq[2] = {};

	if (!si || !tp || !(syn || (si->flags & (SOCK_DESCRIBED | SOCK_PASSIVE))))
		return 0;
	bpf_core_read(seq, sizeof(seq), &skb->cb);
	e = event_reserve(EVENT_RETRANSMIT, sizeof(*e), CONTEXT_SOFTIRQ);
	if (!e)
		return 0;
	header_owner(&e->h, si);
	e->sock = si->cookie;
	/* a SYN lies before the first byte, and is none */
	e->offset = syn ? 0 : tcp_tx_offset(tp, si) - (__u32)(tp->write_seq - seq[0]);
	e->bytes = syn ? 0 : seq[1] - seq[0];
	e->total = tp->total_retrans;
	e->state = sk->__sk_common.skc_state;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
	return 0;
}

static __always_inline int reset_emit(struct sock *sk, __u8 direction)
{
	__u8 state = sk->__sk_common.skc_state;
	struct sock_info *si;
	struct event_reset *e;

	/* these two are not full sockets: no storage there */
	if (state == STATE_TIME_WAIT || state == STATE_NEW_SYN_RECV)
		return 0;
	si = sock_find(sk);
	if (!si || (si->flags & SOCK_LISTENER))
		return 0;
	e = event_reserve(EVENT_RESET, sizeof(*e), CONTEXT_SOFTIRQ);
	if (!e)
		return 0;
	header_owner(&e->h, si);
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	sock_addrs(sk, e->local, e->remote);
	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
	e->family = sk->__sk_common.skc_family;
	e->direction = direction;
	e->state = state;
	e->pad0[0] = 0;
	event_end(e);
	return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(socket_reset_sent, struct sock *sk)
{
	return sk ? reset_emit(sk, DIRECTION_SENT) : 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(socket_reset_received, struct sock *sk)
{
	return reset_emit(sk, DIRECTION_RECEIVED);
}

#endif
