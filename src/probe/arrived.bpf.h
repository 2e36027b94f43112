/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_ARRIVED_H
#define SAKER_PROBE_ARRIVED_H
/*
 * Since when bytes had lain in a TCP socket's receive queue when a thread took them.
 *
 * TCP calls sk_data_ready() for each segment that it has put into the queue (net/ipv4/tcp_input.c: tcp_data_ready()).  Kept
 * are the moments of the first that came into an empty queue, and of the last.  While a thread holds the socket, segments
 * wait in its backlog: they arrive here when it lets go.
 */
#include "kernel/bpf/two.bpf.h"

#define ARRIVED_TOLD_NS 20000 /* who waits for bytes has them sooner, and `ran` has the moment of that wake */

static __always_inline int arrived_note(struct sock *sk)
{
	struct sock_info *si;
	__u64 now;

	if (likely(!sock_has_storage(sk)) || !is_tcp(sk) || sk->__sk_common.skc_state == STATE_LISTEN)
		return 0;
	si = bpf_sk_storage_get(&sock_infos, sk, NULL, 0);
	if (!si)
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (!si->arrived_ns)
		si->arrived_ns = now;
	si->arrived_last_ns = now;
	return 0;
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(tcp_arrived, struct sock *sk)
{
	return arrived_note(sk);
}

/* before 6.3 */
SEC("fentry/sock_def_readable")
int BPF_PROG(older_tcp_arrived, struct sock *sk)
{
	return arrived_note(sk);
}

/* Bytes that a thread takes now: have they lain there so long that it is to be told? */
static __always_inline bool arrived_told(const struct sock_info *si, __u64 now)
{
	return cfg.observe & OBSERVE_SCHED && si->arrived_ns && now - si->arrived_ns >= ARRIVED_TOLD_NS &&
	       !kind_shed(KIND_SCHED);
}

/* A range of a receive, and since when it had lain there. */
static __always_inline void arrived_recv_emit(struct task_struct *me, struct sock_info *si, __u64 offset, __u32 bytes,
					      __u64 now)
{
	struct event_arrived *e;

	if (!event_ready(me, EVENT_RECV, &now))
		return;
	e = event_reserve_two(me, EVENT_ARRIVED, sizeof(*e), EVENT_RECV, sizeof(struct event_recv), now);
	if (!e)
		return;
	e->sock = si->cookie;
	e->offset = offset;
	e->arrived_ns = si->arrived_ns;
	e->last_ns = si->arrived_last_ns;
	e->bytes = bytes;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	recv_fill((void *)e + sizeof(*e), me, si, offset, bytes, 0);
	event_end(e);
}

/* Bytes of the queue were taken, by whomever; the socket's lock is held. */
static __always_inline void arrived_taken(struct sock_info *si, struct tcp_sock *tp)
{
	if (si->arrived_ns && tp->rcv_nxt == tp->copied_seq)
		si->arrived_ns = 0;
}

#endif
