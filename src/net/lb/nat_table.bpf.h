/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_NAT_TABLE_H
#define SAKER_NET_LB_NAT_TABLE_H
/*
 * nat_table - whose a connection to a backend is: lb_nats, for all CPUs, since replies arrive on others than requests do.
 *
 * An entry's key is the flow of the backend's packets.  A client that speaks with one backend by two VIPs from the same port would make
 * two of one key.  So the later one has another source port towards the backend: one of NAT_PORTS, which follow from its flow; its entry
 * says the client's own (lb_end.other).  Nothing else is remembered of it: where the entry of the own port is another's, the flow's is
 * under one of those, or nowhere.  That entry stays as long as it is needed for this, if need be beyond its time: each packet of the later
 * flow asks for it, so it is not among the least recently used.  Who finds its own port free or its own entry there asks once, as ever.
 */
#include "net/lb/choose.bpf.h"

#define NAT_PORTS 8
#define NAT_SEED 0x6e617470U
#define NAT_EXISTS (-17) /* EEXIST */

PACKET_INLINE __u32 nat_limit(const struct lb_config *config, __u8 proto, const struct lb_nat *e)
{
	if (proto == PROTO_UDP)
		return config->nat_udp_idle_s;
	if (!e->server || (e->client | e->server) & LB_NAT_RST || (e->client & e->server) & LB_NAT_FIN)
		return config->nat_short_s;
	return config->nat_idle_s;
}

PACKET_INLINE int nat_aged(const struct lb_config *config, __u8 proto, const struct lb_nat *e, __u32 now_s)
{
	/* another CPU may have seen it in the second that began since now_s was read */
	return (__s32)(now_s - e->seen_s) > (__s32)nat_limit(config, proto, e);
}

/* Is it the entry of this flow?  other: the client's own port if it is not the key's, or 0. */
PACKET_INLINE int nat_same(const struct lb_nat *e, const struct packet_flow *flow, __be16 other)
{
	return e->vip.port == flow->dport && e->vip.other == other && e->vip.addr[0] == flow->dst[0] &&
	       e->vip.addr[1] == flow->dst[1] && e->vip.addr[2] == flow->dst[2] && e->vip.addr[3] == flow->dst[3];
}

/* A packet of an entry's own flow.  Returns 0, or why it is dropped. */
PACKET_INLINE __u32 nat_seen(const struct packet_meta *p, const struct lb_config *config, struct lb_nat *e, __u32 now_s)
{
	if (p->flags & PACKET_ICMP_ERROR)
		return nat_aged(config, p->flow.proto, e, now_s) ? CHAIN_LB_NAT_STRANGE : 0;
	if (p->tcp_flags & TCP_SYN)
		e->client = e->server = 0;
	else if (p->tcp_flags & (TCP_FIN | TCP_RST))
		e->client |= p->tcp_flags & (LB_NAT_FIN | LB_NAT_RST);
	if (e->seen_s != now_s)
		e->seen_s = now_s;
	return 0;
}

/* An entry for the packet's flow, if the key is nobody's now.  Returns 0, or why there is none. */
NOINLINE __u32 nat_take(const struct chain_meta *m, const struct lb_config *config, const struct packet_flow *key,
			__be16 other, __u32 now_s)
{
	struct lb_nat *e = bpf_map_lookup_elem(&lb_nats, key), mine = { .number = m->rule, .seen_s = now_s };
	__u32 was;
	long r;

	if (e) {
		was = *(volatile __u32 *)&e->seen_s;
		if (nat_same(e, &m->packet.flow, other))
			return 0; /* another CPU had the flow at the same time */
		if (!nat_aged(config, key->proto, e, now_s))
			return CHAIN_LB_NAT_CLASH;
	}
	if (m->packet.tcp_flags & TCP_RST)
		return 0; /* nothing will come back */
	/* of several CPUs that find one that is good no more, one may have it */
	if (e && __sync_val_compare_and_swap(&e->seen_s, was, now_s) != was)
		return CHAIN_LB_NAT_CLASH;
	__builtin_memcpy(mine.vip.addr, m->packet.flow.dst, 16);
	mine.vip.port = m->packet.flow.dport;
	mine.vip.other = other;
	r = bpf_map_update_elem(&lb_nats, key, &mine, e ? BPF_ANY : BPF_NOEXIST);
	if (r == NAT_EXISTS) {
		e = bpf_map_lookup_elem(&lb_nats, key);
		return e && nat_same(e, &m->packet.flow, other) ? 0 : CHAIN_LB_NAT_CLASH;
	}
	if (r)
		return CHAIN_LB_NAT_FULL;
	chain_note(m, CHAIN_LB_NAT_NEW);
	if (other)
		chain_note(m, CHAIN_LB_NAT_RENAMED);
	if (key->proto == PROTO_TCP && !(m->packet.tcp_flags & TCP_SYN))
		chain_note(m, CHAIN_LB_NAT_MIDDLE);
	return 0;
}

/* ---- another source port ---- */

PACKET_INLINE __u32 nat_hash(const struct packet_flow *flow)
{
	__u32 dst = flow->family == 4 ? flow->dst[0] : hash_4words(flow->dst, HASH_SEED_ADDRESS);

	return hash_2words(hash_flow(flow), dst, NAT_SEED + flow->proto);
}

/* The i-th; a port that only root may use becomes another one of these (as conntrack does). */
PACKET_INLINE __be16 nat_port_at(const struct packet_flow *flow, __u32 hash, __u32 i)
{
	__u32 place = (hash & 0xffff) + i * (hash >> 16 | 1);

	return (__be16)WIRE16(WIRE16(flow->sport) < 1024 ? 600 + place % 424 : 1024 + place % 64512);
}

/*
 * The key of the flow's own port is another's, or was just now: the port that it has in its place, or gets; 0: its own after all.
 * Returns it, or why the packet is dropped in the upper half.  Weak, as lb_conn_elsewhere() is.
 */
__attribute__((noinline, weak)) __u32 nat_another(const struct packet_flow *own, __u32 flood)
{
	const struct chain_meta *m = chain_packet();
	const struct lb_config *config = m ? lb_configured(m) : NULL;
	__u32 now_s = (__u32)(lb_now() / 1000000000), hash, why, i;
	struct packet_flow key;
	struct lb_nat *e;
	__be16 sport;

	if (!own || !config || !m->packet.flow.sport)
		return CHAIN_LB_NAT_CLASH << 16;
	sport = m->packet.flow.sport;
	hash = nat_hash(&m->packet.flow);
	key = *own;
	for (i = 0; i < NAT_PORTS; i++) {
		key.dport = nat_port_at(&m->packet.flow, hash, i);
		e = bpf_map_lookup_elem(&lb_nats, &key);
		if (e && nat_same(e, &m->packet.flow, sport))
			return nat_seen(&m->packet, config, e, now_s) << 16 | key.dport;
	}
	if (m->packet.flags & PACKET_ICMP_ERROR)
		return CHAIN_LB_NAT_STRANGE << 16;
	if (flood && !(m->packet.tcp_flags & TCP_RST))
		return CHAIN_LB_NAT_FLOOD << 16;
	key.dport = sport;
	why = nat_take(m, config, &key, 0, now_s);
	for (i = 0; i < NAT_PORTS && why == CHAIN_LB_NAT_CLASH; i++) {
		key.dport = nat_port_at(&m->packet.flow, hash, i);
		if (key.dport != sport)
			why = nat_take(m, config, &key, sport, now_s);
	}
	return why ? why << 16 : key.dport == sport ? 0 : key.dport;
}

/*
 * The connection to the backend is remembered.  Returns the source port that its packets have there, 0: the client's; or why the packet
 * is dropped in the upper half.
 */
PACKET_INLINE __u32 nat_track(const struct chain_meta *m, const struct lb_config *config, const struct packet_flow *key,
			      int flood)
{
	const struct packet_meta *p = &m->packet;
	struct lb_nat *e = bpf_map_lookup_elem(&lb_nats, key);
	__u32 now_s = (__u32)(lb_now() / 1000000000), why;

	if (likely(e && nat_same(e, &p->flow, 0)))
		return nat_seen(p, config, e, now_s) << 16;
	if (unlikely(e))
		return nat_another(key, flood);
	if (p->flags & PACKET_ICMP_ERROR)
		return CHAIN_LB_NAT_STRANGE << 16;
	if (flood && !(p->tcp_flags & TCP_RST))
		return CHAIN_LB_NAT_FLOOD << 16;
	why = nat_take(m, config, key, 0, now_s);
	return why == CHAIN_LB_NAT_CLASH ? nat_another(key, 0) : why << 16;
}

PACKET_INLINE void nat_key(const struct packet_flow *flow, const struct lb_real *real, __be16 port,
			   struct packet_flow *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->src, real->addr, 16);
	__builtin_memcpy(key->dst, flow->src, 16);
	key->sport = port;
	key->dport = flow->sport;
	key->proto = flow->proto;
	key->family = flow->family;
}

#endif
