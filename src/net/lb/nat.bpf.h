/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_NAT_H
#define SAKER_NET_LB_NAT_H
/*
 * nat - the backend's address in packets to it, the VIP's in its replies, and both inside of ICMP errors.
 */
#include "net/lb/nat_rewrite.bpf.h"
#include "net/lb/nat_table.bpf.h"

/* To the backend, with `reason`. */
NOINLINE int nat_send(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
		      const struct lb_real *real, const struct lb_choice *c)
{
	__be16 port = c->nat_port ? c->nat_port : m->packet.flow.dport;
	struct packet_flow key;
	struct lb_end to = { .port = port };
	struct lb_hop hop;
	__u32 tracked;

	if (real->family != m->packet.family)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NAT_FAMILY);
	nat_key(&m->packet.flow, real, port, &key);
	tracked = nat_track(m, config, &key, c->flood);
	if (tracked >> 16)
		return chain_verdict(m, CHAIN_DROP, tracked >> 16);
	to.other = (__be16)tracked;
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
