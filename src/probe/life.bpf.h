/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_LIFE_H
#define SAKER_PROBE_LIFE_H
/* life - how connections begin and end. */

static __always_inline void connect_begin(struct sock *sk)
{
	struct sock_info *si = sock_get(sk);
	struct event_connect *e;

	if (!si)
		return;
	owner_set(si);
	si->connect_ns = bpf_ktime_get_boot_ns();
	si->flags = SOCK_RX_KNOWN;
	si->rx_next = 0;
	e = event_begin(EVENT_CONNECT, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	if (sk->__sk_common.skc_family == AF_INET_NR)
		addr_v4(e->remote, sk->__sk_common.skc_daddr);
	else
		bpf_core_read(e->remote, 16, &sk->__sk_common.skc_v6_daddr);
	e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
	e->family = sk->__sk_common.skc_family;
	e->protocol = IPPROTO_TCP_NR;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

static __always_inline void connect_end(struct sock *sk, int newstate)
{
	struct sock_info *si = sock_find(sk);
	struct tcp_sock *tp = tcp_of(sk);
	struct event_connected *e;
	int error = 0;

	if (!si || !si->connect_ns || !tp)
		return;
	if (newstate == STATE_CLOSE)
		error = sk->sk_err ? sk->sk_err : sk->sk_err_soft ? sk->sk_err_soft : 103;
	e = event_reserve(EVENT_CONNECTED, sizeof(*e), CONTEXT_SOFTIRQ);
	if (e) {
		header_owner(&e->h, si);
		e->sock = si->cookie;
		e->duration_ns = e->h.boot_ns - si->connect_ns;
		e->netns = sock_netns(sk);
		sock_addrs(sk, e->local, e->remote);
		/* copied_seq stands at the first byte; snd_una too, but for what went with the SYN (RFC 7413), which counts 1 */
		e->isn = error ? 0 : tp->snd_una - (__u32)tp->bytes_acked + 1;
		e->peer_isn = error ? 0 : tp->copied_seq;
		e->local_port = sk->__sk_common.skc_num;
		e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
		e->error = error;
		e->family = sk->__sk_common.skc_family;
		e->protocol = IPPROTO_TCP_NR;
		__builtin_memset(e->pad0, 0, sizeof(e->pad0));
		event_end(e);
	}
	si->connect_ns = 0;
	share_set(sk, si);
	if (!error)
		si->flags |= (e ? SOCK_DESCRIBED : 0) | SOCK_ACTIVE | SOCK_ACTIVE_KNOWN;
}

static __always_inline void listen_begin(struct sock *sk)
{
	struct sock_info *si = sock_get(sk);
	struct event_listen *e;

	if (!si)
		return;
	/* not SOCK_DESCRIBED: its children begin with its flags */
	si->flags = (si->flags & ~SOCK_DESCRIBED) | SOCK_LISTENER;
	owner_set(si);
	e = event_begin(EVENT_LISTEN, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	if (sk->__sk_common.skc_family == AF_INET_NR)
		addr_v4(e->local, sk->__sk_common.skc_rcv_saddr);
	else
		bpf_core_read(e->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	e->local_port = sk->__sk_common.skc_num;
	e->family = sk->__sk_common.skc_family;
	e->protocol = IPPROTO_TCP_NR;
	e->backlog = sk->sk_max_ack_backlog;
	event_end(e);
}

/* Before the FIN is queued, which counts as a byte, and before tcp_disconnect() moves write_seq on. */
static __always_inline void tx_end_note(struct sock_info *si, struct tcp_sock *tp)
{
	if (si->flags & SOCK_TX_ENDED)
		return;
	si->tx_end = tcp_tx_offset(tp, si);
	si->flags |= SOCK_TX_ENDED;
}

static __always_inline void closing_tell(struct sock *sk, int newstate)
{
	struct sock_info *si = sock_find(sk);
	struct tcp_sock *tp = tcp_of(sk);
	struct event_shutdown *e;

	if (!si || !tp)
		return;
	passive_begin(sk, si);
	tx_end_note(si, tp);
	if (newstate == STATE_CLOSE || !current_selected())
		return;
	e = event_begin(EVENT_SHUTDOWN, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	e->sock = si->cookie;
	e->tx_offset = si->tx_end;
	e->rx_offset = si->flags & SOCK_RX_KNOWN ? si->rx_next : tcp_rx_offset(tp);
	e->state = newstate;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, struct sock *sk, int oldstate, int newstate)
{
	if (sk->sk_protocol != IPPROTO_TCP_NR)
		return 0;
	if (newstate == STATE_SYN_SENT) {
		if (sock_selected(sk, bpf_get_current_task_btf()))
			connect_begin(sk);
	} else if (oldstate == STATE_SYN_SENT && (newstate == STATE_ESTABLISHED || newstate == STATE_CLOSE)) {
		connect_end(sk, newstate);
	} else if (newstate == STATE_ESTABLISHED) {
		passive_begin(sk, sock_find(sk));
	} else if (newstate == STATE_LISTEN) {
		if (sock_selected(sk, bpf_get_current_task_btf()))
			listen_begin(sk);
	} else if (newstate == STATE_FIN_WAIT1 || newstate == STATE_LAST_ACK || newstate == STATE_CLOSE) {
		closing_tell(sk, newstate);
	}
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket_destroy, struct sock *sk)
{
	struct sock_info *si = sock_find(sk);
	struct event_close *e;
	struct tcp_sock *tp;

	passive_begin(sk, si);
	if (!si || !(si->flags & (SOCK_DESCRIBED | SOCK_LISTENER)))
		return 0;
	tp = tcp_of(sk);
	e = event_reserve(EVENT_CLOSE, sizeof(*e), CONTEXT_SOFTIRQ);
	if (!e)
		return 0;
	header_owner(&e->h, si);
	e->sock = si->cookie;
	e->tx_offset = si->flags & SOCK_TX_ENDED ? si->tx_end : tp ? tcp_tx_offset(tp, si) : 0;
	e->rx_offset = si->flags & SOCK_RX_KNOWN || !tp ? si->rx_next : tcp_rx_offset(tp);
	e->state = sk->__sk_common.skc_state;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
	return 0;
}

#endif
