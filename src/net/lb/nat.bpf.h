/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_NAT_H
#define SAKER_NET_LB_NAT_H
/*
 * nat - the backend's address in packets to it, the VIP's in its replies, and both inside of ICMP errors.
 *
 * One table says of a backend's packets which VIP they speak for: lb_nats, for all CPUs, since replies arrive on others than
 * requests do.
 */
#include "net/lb/choose.bpf.h"
#include "net/lb/nat_rewrite.bpf.h"

/* ---- the table ---- */

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

PACKET_INLINE int nat_same(const struct lb_nat *e, const struct packet_flow *flow)
{
	return e->vip.port == flow->dport && e->vip.addr[0] == flow->dst[0] && e->vip.addr[1] == flow->dst[1] &&
	       e->vip.addr[2] == flow->dst[2] && e->vip.addr[3] == flow->dst[3];
}

PACKET_INLINE void nat_seen(struct lb_nat *e, const struct packet_meta *p, __u32 now_s)
{
	if (p->tcp_flags & TCP_SYN)
		e->client = e->server = 0;
	else if (p->tcp_flags & (TCP_FIN | TCP_RST))
		e->client |= p->tcp_flags & (LB_NAT_FIN | LB_NAT_RST);
	if (e->seen_s != now_s)
		e->seen_s = now_s;
}

NOINLINE __u32 nat_add(const struct chain_meta *m, const struct packet_flow *key, __u32 now_s)
{
	struct lb_nat e = { .number = m->rule, .seen_s = now_s };

	__builtin_memcpy(e.vip.addr, m->packet.flow.dst, 16);
	e.vip.port = m->packet.flow.dport;
	if (bpf_map_update_elem(&lb_nats, key, &e, BPF_ANY))
		return CHAIN_LB_NAT_FULL;
	chain_note(m, CHAIN_LB_NAT_NEW);
	return 0;
}

/* The connection to the backend is remembered.  Returns 0, or why the packet is dropped. */
NOINLINE __u32 nat_track(const struct chain_meta *m, const struct lb_config *config, const struct packet_flow *key,
			 int flood)
{
	const struct packet_meta *p = &m->packet;
	struct lb_nat *e = bpf_map_lookup_elem(&lb_nats, key);
	__u32 now_s = (__u32)(lb_now() / 1000000000);
	int aged = e ? nat_aged(config, key->proto, e, now_s) : 1, same = e && nat_same(e, &p->flow);

	if (p->flags & PACKET_ICMP_ERROR)
		return same && !aged ? 0 : CHAIN_LB_NAT_STRANGE;
	if (same) {
		nat_seen(e, p, now_s);
		return 0;
	}
	if (!aged)
		return CHAIN_LB_NAT_CLASH;
	if (p->tcp_flags & TCP_RST)
		return 0; /* nothing will come back */
	return flood ? CHAIN_LB_NAT_FLOOD : nat_add(m, key, now_s);
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

/* ---- both ways ---- */

/* To the backend, with `reason`. */
NOINLINE int nat_send(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
		      const struct lb_real *real, const struct lb_choice *c)
{
	__be16 port = c->nat_port ? c->nat_port : m->packet.flow.dport;
	struct packet_flow key;
	struct lb_end to = { .port = port };
	struct lb_hop hop;
	__u32 why;

	if (real->family != m->packet.family)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NAT_FAMILY);
	nat_key(&m->packet.flow, real, port, &key);
	why = nat_track(m, config, &key, c->flood);
	if (why)
		return chain_verdict(m, CHAIN_DROP, why);
	__builtin_memcpy(to.addr, real->addr, 16);
	if (lb_hop_find(ctx, m, config, real->family, real->addr, 0, &hop) < 0)
		return lb_hop_failed(ctx, m, config, &hop);
	if (!lb_ttl_less(ctx, m->packet.l3, m->packet.family))
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_EXPIRED);
	if (nat_to_backend(ctx, m, &to) < 0)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN);
	return lb_leave(ctx, m, &hop, c->reason);
}

PACKET_INLINE int nat_is_reply(const struct chain_meta *m)
{
	return bpf_map_lookup_elem(&lb_nats, &m->packet.flow) != NULL;
}

/* A backend's reply, or an error about what was sent to it: translated back, to the client. */
NOINLINE int nat_reply(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config)
{
	const struct packet_meta *p = &m->packet;
	struct lb_nat *e = bpf_map_lookup_elem(&lb_nats, &m->packet.flow);
	__u32 now_s = (__u32)(lb_now() / 1000000000);
	int error = p->flags & PACKET_ICMP_ERROR;
	struct lb_end to;
	struct lb_hop hop;

	if (!e)
		return LB_NOT_OURS;
	if (nat_aged(config, p->flow.proto, e, now_s)) {
		chain_note(m, CHAIN_LB_NAT_AGED);
		return LB_NOT_OURS;
	}
	m->rule = e->number;
	to = e->vip;
	if (!error) {
		e->server |= LB_NAT_ANSWERED | (p->tcp_flags & (LB_NAT_FIN | LB_NAT_RST));
		e->seen_s = now_s;
	}
	if (lb_hop_find(ctx, m, config, p->family, p->flow.dst, 0, &hop) < 0)
		return lb_hop_failed(ctx, m, config, &hop);
	if (!lb_ttl_less(ctx, p->l3, p->family))
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_EXPIRED);
	if (nat_from_backend(ctx, m, &to) < 0)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN);
	return lb_leave(ctx, m, &hop, error ? CHAIN_LB_REPLY_ERROR : CHAIN_LB_REPLY);
}

#endif
