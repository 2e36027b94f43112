/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_DGRAM_H
#define SAKER_PROBE_DGRAM_H
/*
 * UDP payloads on their way: what net_dev_queue sees in a sender's call and consume_skb in a
 * receiver's.  Both run for every packet of the host, so they are attached only once a selected
 * process uses UDP (control.want_dgram); before that a datagram has hash 0.
 */
#define DGRAM_HASHED 64

static __always_inline __u64 payload_hash(unsigned char *data, __u32 bytes)
{
	__u64 words[DGRAM_HASHED / 8] = {}, h = 0x9e3779b97f4a7c15ULL ^ bytes;
	__u32 n = bytes;
	int i;

	barrier_var(n); /* one register for test and use: Linux 6.1 does not see that two are equal */
	if (n > DGRAM_HASHED)
		n = DGRAM_HASHED;
	if (n && bpf_probe_read_kernel(words, n, data) < 0)
		return 0;
	for (i = 0; i < DGRAM_HASHED / 8; i++) {
		h = (h ^ words[i]) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	return h ? h : 1;
}

struct udp_header {
	__be16 source, dest, len, check;
};

/* Fills the addresses from the IP header; false: not UDP, or a later fragment. */
static __always_inline bool dgram_addrs(struct sk_buff *skb, unsigned char *ip, __u8 *source, __u8 *dest)
{
	__u8 head[40] = {};

	if (bpf_probe_read_kernel(head, sizeof(head), ip) < 0)
		return false;
	if (head[0] >> 4 == 4) {
		if (head[9] != IPPROTO_UDP_NR || (head[6] & 0x1f) || head[7])
			return false;
		addr_v4(source, *(__be32 *)&head[12]);
		addr_v4(dest, *(__be32 *)&head[16]);
		return true;
	}
	if (head[0] >> 4 != 6 || (head[6] != IPPROTO_UDP_NR && head[6] != 44))
		return false;
	__builtin_memcpy(source, &head[8], 16);
	__builtin_memcpy(dest, &head[24], 16);
	return true;
}

static __always_inline int dgram_seen(struct sk_buff *skb, bool sending)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u16 transport = BPF_CORE_READ(skb, transport_header), network = BPF_CORE_READ(skb, network_header);
	struct udp_header udp = {};
	struct call_info *ci;

	if (transport == 0xffff || !network || transport <= network)
		return 0;
	ci = call_get(bpf_get_current_task_btf());
	if (!ci || (sending && ci->dgram_bytes))
		return 0;
	if (bpf_probe_read_kernel(&udp, sizeof(udp), head + transport) < 0)
		return 0;
	if (!dgram_addrs(skb, head + network, sending ? ci->local : ci->remote, sending ? ci->remote : ci->local))
		return 0;
	ci->local_port = be16_to_host(sending ? udp.source : udp.dest);
	ci->remote_port = be16_to_host(sending ? udp.dest : udp.source);
	ci->dgram_bytes = be16_to_host(udp.len);
	ci->hash = ci->dgram_bytes >= 8 ? payload_hash(head + transport + 8, ci->dgram_bytes - 8) : 0;
	return 0;
}

SEC("tp_btf/net_dev_queue")
int BPF_PROG(dgram_queued, struct sk_buff *skb)
{
	struct sock *sk;

	if (!current_selected())
		return 0;
	sk = skb->sk;
	if (!sk || sk->sk_protocol != IPPROTO_UDP_NR)
		return 0;
	return dgram_seen(skb, true);
}

SEC("tp_btf/consume_skb")
int BPF_PROG(dgram_consumed, struct sk_buff *skb)
{
	if (!current_selected() || BPF_CORE_READ(skb, sk))
		return 0;
	return dgram_seen(skb, false);
}

static __always_inline void udp_emit(struct sock *sk, struct task_struct *me, __u16 type, int ret)
{
	struct sock_info *si = sock_used(sk);
	struct call_info *ci = call_find(me);
	struct kernel_control *c = control_get();
	struct event_dgram_send *e;

	if (c && !c->want_dgram)
		c->want_dgram = 1;
	if (!si || ret < 0 || kind_shed(KIND_DGRAM))
		return;
	e = event_begin(type, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	e->peer = 0;
	e->hash = 0;
	e->bytes = ret;
	e->family = sk->__sk_common.skc_family;
	e->protocol = IPPROTO_UDP_NR;
	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	e->flags = 0;
	sock_addrs(sk, e->local, e->remote);
	if (ci && ci->dgram_bytes && ci->dgram_bytes == (__u32)ret + 8 && ci->local_port == e->local_port) {
		e->hash = ci->hash;
		__builtin_memcpy(e->local, ci->local, 16);
		__builtin_memcpy(e->remote, ci->remote, 16);
		e->remote_port = ci->remote_port;
	}
	if (ci)
		ci->dgram_bytes = 0;
	event_end(e);
}

#endif
