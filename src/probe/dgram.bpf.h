/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_DGRAM_H
#define SAKER_PROBE_DGRAM_H
/*
 * UDP payloads on their way: what net_dev_queue sees in a sender's call and skb_consume_udp() in a receiver's.
 * The first runs for every packet of the host, so they are attached only once a selected process uses datagrams
 * (control.want_dgram); before that a datagram has hash 0.  Where functions cannot be hooked a receiver's payload is
 * not seen (consume_skb is silent for UDP since 6.18: 6471658dc66c).  The addresses that a call names or asks for
 * come from the hooks of the root control group; they run for such calls only.
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

static __always_inline int dgram_seen(struct sock *sk, struct sk_buff *skb, bool sending)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u16 transport = BPF_CORE_READ(skb, transport_header), network = BPF_CORE_READ(skb, network_header);
	struct udp_header udp = {};
	struct call_info *ci;

	if (transport == 0xffff || !network || transport <= network)
		return 0;
	ci = call_get(bpf_get_current_task_btf());
	if (!ci || (sending && ci->dgram_bytes && ci->dgram_sk == (__u64)sk))
		return 0;
	ci->dgram_bytes = 0;
	ci->dgram_sk = (__u64)sk;
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
	return dgram_seen(sk, skb, true);
}

SEC("fentry/skb_consume_udp")
int BPF_PROG(dgram_consumed, struct sock *sk, struct sk_buff *skb)
{
	return current_selected() ? dgram_seen(sk, skb, false) : 0;
}

/* The other address of the current call's datagram, by thread id: no storage of a task in these programs. */
struct dgram_other {
	__u8 addr[16];
	__u64 port;
};

/* key: thread id, with DGRAM_TO while it sends; owner: this program, gone with the call; full: the oldest go */
#define DGRAM_TO 0x80000000U
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct dgram_other);
} dgram_others SEC(".maps");

static __always_inline int dgram_other4(struct bpf_sock_addr *ctx, __u32 direction)
{
	struct task_struct *me =
		bpf_get_current_task_btf(); /* bpf_get_current_pid_tgid() is not for these before 6.10 */
	__u32 key = me->pid | direction;
	struct dgram_other other = { .port = be16_to_host(ctx->user_port) };

	addr_v4(other.addr, ctx->user_ip4);
	if (tgid_selected(me->tgid))
		bpf_map_update_elem(&dgram_others, &key, &other, BPF_ANY);
	return 1;
}

static __always_inline int dgram_other6(struct bpf_sock_addr *ctx, __u32 direction)
{
	struct task_struct *me = bpf_get_current_task_btf();
	__u32 key = me->pid | direction;
	struct dgram_other other = { .port = be16_to_host(ctx->user_port) };
	__u32 *words = (__u32 *)other.addr;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	if (tgid_selected(me->tgid))
		bpf_map_update_elem(&dgram_others, &key, &other, BPF_ANY);
	return 1;
}

SEC("cgroup/recvmsg4")
int dgram_from4(struct bpf_sock_addr *ctx)
{
	return dgram_other4(ctx, 0);
}

SEC("cgroup/recvmsg6")
int dgram_from6(struct bpf_sock_addr *ctx)
{
	return dgram_other6(ctx, 0);
}

SEC("cgroup/sendmsg4")
int dgram_to4(struct bpf_sock_addr *ctx)
{
	return dgram_other4(ctx, DGRAM_TO);
}

SEC("cgroup/sendmsg6")
int dgram_to6(struct bpf_sock_addr *ctx)
{
	return dgram_other6(ctx, DGRAM_TO);
}

/* What was seen of a datagram that a call only looked at is not the next one's. */
static __always_inline void dgram_forget(struct task_struct *me)
{
	struct call_info *ci = call_find(me);
	__u32 tid = me->pid;

	if (ci) {
		ci->dgram_bytes = 0;
		ci->unix_other = 0;
		ci->many_at = 0;
	}
	bpf_map_delete_elem(&dgram_others, &tid);
}

static __always_inline void dgram_wanted(void)
{
	struct kernel_control *c = control_get();

	if (c && !c->want_dgram)
		c->want_dgram = 1;
}

/* The addresses of one datagram, as far as they were seen. */
static __always_inline void udp_addrs(struct event_dgram_send *e, struct sock *sk, struct task_struct *me, __u16 type)
{
	struct call_info *ci = call_find(me);
	__u32 key = me->pid | (type == EVENT_DGRAM_SEND ? DGRAM_TO : 0);
	struct dgram_other *other = bpf_map_lookup_elem(&dgram_others, &key);

	e->local_port = sk->__sk_common.skc_num;
	e->remote_port = be16_to_host(sk->__sk_common.skc_dport);
	sock_addrs(sk, e->local, e->remote);
	if (other) {
		__builtin_memcpy(e->remote, other->addr, 16);
		e->remote_port = other->port;
		bpf_map_delete_elem(&dgram_others, &key);
	}
	if (!ci || !ci->dgram_bytes)
		return;
	if (ci->dgram_sk == (__u64)sk && ci->dgram_bytes == e->bytes + 8 && ci->local_port == e->local_port) {
		e->hash = ci->hash;
		__builtin_memcpy(e->local, ci->local, 16);
		__builtin_memcpy(e->remote, ci->remote, 16);
		e->remote_port = ci->remote_port;
	}
	ci->dgram_bytes = 0;
}

static __always_inline void udp_emit(struct sock *sk, struct task_struct *me, __u16 type, int ret)
{
	struct sock_info *si = sock_used(sk);
	struct event_dgram_send *e;
	__u64 now;

	dgram_wanted();
	if (!si || ret < 0 || kind_shed(KIND_DGRAM)) {
		dgram_forget(me);
		return;
	}
	e = event_begin(type, sizeof(*e), CONTEXT_TASK);
	if (!e) {
		dgram_forget(me);
		return;
	}
	e->sock = si->cookie;
	e->netns = sock_netns(sk);
	e->peer = 0;
	e->hash = 0;
	e->bytes = ret;
	e->family = sk->__sk_common.skc_family;
	e->protocol = IPPROTO_UDP_NR;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	e->flags = 0;
	udp_addrs(e, sk, me, type);
	now = e->h.boot_ns;
	event_end(e);
	if (cfg.payload)
		payload_datagram(sk, si, type, ret, now);
}

#endif
