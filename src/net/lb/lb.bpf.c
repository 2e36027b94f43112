/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lb - the stage that sends what comes to a VIP to one of its backends.
 *
 * What is not for a VIP goes to the next stage untouched, however odd it is; only at an address of a VIP are fragments,
 * IPv4 options and broken headers refused.
 */
#include "net/lb/choose.bpf.h"
#include "net/lb/encap.bpf.h"
#include "net/lb/nat.bpf.h"

PACKET_INLINE const struct lb_vip *lb_vip_at(const struct chain_meta *m, __be16 port, __u8 proto)
{
	struct lb_vip_key key = { .port = port, .proto = proto, .family = m->packet.family };
	void *vips = LB_TABLE(lb_vips, m);

	__builtin_memcpy(key.addr, m->packet.flow.dst, 16);
	return vips ? bpf_map_lookup_elem(vips, &key) : NULL;
}

PACKET_INLINE const struct lb_vip *lb_prefix_at(const struct chain_meta *m, __be16 port, __u8 proto)
{
	struct lb_prefix_key key = { .bits = 32, .port = port, .proto = proto, .family = m->packet.family };
	void *prefixes = LB_TABLE(lb_prefixes, m);

	__builtin_memcpy(key.addr, m->packet.flow.dst, 16);
	key.bits += key.family == 4 ? 32 : 128;
	return prefixes ? bpf_map_lookup_elem(prefixes, &key) : NULL;
}

/* Is there any VIP at the packet's destination? */
NOINLINE int lb_is_vip(const struct chain_meta *m, const struct lb_config *config)
{
	if (lb_vip_at(m, 0, 0))
		return 1;
	return config->flags & LB_PREFIXES && lb_prefix_at(m, 0, 0);
}

NOINLINE const struct lb_vip *lb_find_anew(const struct chain_meta *m, const struct lb_config *config, __u32 *any)
{
	const struct packet_flow *flow = &m->packet.flow;
	const struct lb_vip *vip = lb_vip_at(m, flow->dport, flow->proto);

	*any = 0;
	if (vip)
		return vip;
	*any = 1;
	if (config->flags & LB_ANY_PORT)
		vip = lb_vip_at(m, 0, flow->proto);
	if (vip || !(config->flags & LB_PREFIXES))
		return vip;
	vip = lb_prefix_at(m, flow->dport, flow->proto);
	return vip ? vip : lb_prefix_at(m, 0, flow->proto);
}

PACKET_INLINE int lb_known_holds(const struct lb_vip_known *known, const struct chain_meta *m)
{
	const struct packet_flow *flow = &m->packet.flow;

	return known->vip.number && known->generation == m->generation && known->key.port == flow->dport &&
	       known->key.proto == flow->proto && known->key.family == m->packet.family &&
	       known->key.addr[0] == flow->dst[0] && known->key.addr[1] == flow->dst[1] &&
	       known->key.addr[2] == flow->dst[2] && known->key.addr[3] == flow->dst[3];
}

/*
 * The packet's VIP; *any: a port is not part of it (of networks it never is part of the hash, as in Katran).  What is found
 * is kept for this CPU's next packets of the generation: the kernel's hash of a key takes longer.
 */
PACKET_INLINE const struct lb_vip *lb_find(const struct chain_meta *m, const struct lb_config *config, __u32 *any)
{
	const struct packet_flow *flow = &m->packet.flow;
	__u32 at = (flow->dst[0] ^ flow->dst[1] ^ flow->dst[2] ^ flow->dst[3] ^ flow->dport) * 0x9e3779b1U >> 24;
	struct lb_vip_known *known = bpf_map_lookup_elem(&lb_vips_known, &at);
	const struct lb_vip *vip;

	_Static_assert(LB_VIPS_KNOWN == 1 << 8, "the shift gives places");
	if (known && lb_known_holds(known, m)) {
		*any = known->any;
		return &known->vip;
	}
	vip = lb_find_anew(m, config, any);
	if (!vip || !known)
		return vip;
	__builtin_memcpy(known->key.addr, flow->dst, 16);
	known->key.port = flow->dport;
	known->key.proto = flow->proto;
	known->key.family = m->packet.family;
	known->generation = m->generation;
	known->any = *any;
	known->vip = *vip;
	return vip;
}

/* Fragments, options, broken headers: refused at a VIP; of replies, fragments: the later ones do not say whose they are. */
PACKET_INLINE int lb_odd(struct chain_meta *m, const struct lb_config *config)
{
	if (!lb_is_vip(m, config)) {
		if (m->packet.flags & PACKET_FRAGMENT && config->flags & LB_NAT && nat_is_reply(m))
			return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NAT_FRAGMENT);
		return LB_NOT_OURS;
	}
	if (m->packet.flags & PACKET_FRAGMENT)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_FRAGMENT);
	if (m->packet.flags & PACKET_OPTIONS)
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_OPTIONS);
	return chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN);
}

PACKET_INLINE void lb_count(void *counts, __u32 key, const struct chain_meta *m)
{
	struct chain_count *count = bpf_map_lookup_elem(counts, &key);

	if (count) {
		count->packets++;
		count->bytes += m->packet.bytes;
	}
}

NOINLINE int lb_send(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config,
		     const struct lb_vip *vip, const struct lb_choice *c)
{
	const struct lb_real *real = c->to;

	m->backend = c->real;
	lb_count(&lb_vip_counts, vip->number, m);
	lb_count(&lb_real_counts, c->real, m);
	if (vip->flags & LB_VIP_LOCAL && real->flags & LB_REAL_LOCAL)
		return chain_verdict(m, CHAIN_PASS, CHAIN_LB_LOCAL);
	if (vip->flags & LB_VIP_NAT)
		return nat_send(ctx, m, config, real, c);
	if (vip->flags & LB_VIP_L2)
		return lb_l2_send(ctx, m, config, real, c->reason);
	return lb_tunnel_send(ctx, m, config, vip, real, c->reason);
}

/* TCP or UDP, or an ICMP error about these. */
PACKET_INLINE int lb_flow(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config)
{
	const struct packet_flow *flow = &m->packet.flow;
	struct lb_choice c = {};
	const struct lb_vip *vip;
	__u32 any;

	vip = lb_find(m, config, &any);
	if (!vip)
		return config->flags & LB_NAT ? nat_reply(ctx, m, config) : LB_NOT_OURS;
	m->rule = vip->number;
	if (hook_over(ctx, m, config->frame_max) && !(vip->flags & (LB_VIP_NAT | LB_VIP_L2)))
		return lb_oversize(ctx, m, config, config->frame_max - m->packet.l3);
	if (m->packet.flags & PACKET_ICMP_ERROR)
		chain_note(m, CHAIN_LB_ICMP_ERROR);
	c.key = *flow;
	c.nat_port = vip->nat_port;
	if (any && !(vip->flags & (LB_VIP_DPORT_HASH | LB_VIP_BOTH_PORTS)))
		c.key.dport = 0;
	if (vip->flags & LB_VIP_NO_SRC_PORT)
		c.key.sport = 0;
	if (!lb_choose(ctx, m, config, vip, &c))
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_BACKEND);
	c.to = lb_real_at(m, c.real);
	if (unlikely(!c.to) && c.reason == CHAIN_LB_TABLE) {
		chain_note(m, CHAIN_LB_GONE);
		if (!lb_fresh(m, config, vip, &c))
			return chain_verdict(m, CHAIN_DROP, CHAIN_LB_NO_BACKEND);
		c.to = lb_real_at(m, c.real);
	}
	if (unlikely(!c.to))
		return chain_verdict(m, CHAIN_DROP, CHAIN_LB_LOST_BACKEND);
	return lb_send(ctx, m, config, vip, &c);
}

PACKET_INLINE int lb_packet(struct chain_ctx *ctx, struct chain_meta *m)
{
	const struct packet_meta *p = &m->packet;
	const struct lb_config *config = lb_configured(m);

	if (!config || !p->family)
		return LB_NOT_OURS;
	if (unlikely(p->fault || p->flags & (PACKET_FRAGMENT | PACKET_OPTIONS | PACKET_CUT)))
		return lb_odd(m, config);
	if (p->flags & PACKET_ECHO) {
		if (!lb_is_vip(m, config))
			return LB_NOT_OURS;
		return lb_echo(ctx, m) < 0 ? chain_verdict(m, CHAIN_DROP, CHAIN_LB_BROKEN)
					   : chain_verdict(m, CHAIN_BACK(ctx), CHAIN_LB_ECHO);
	}
	if (!p->flow.family || (p->flow.proto != PROTO_TCP && p->flow.proto != PROTO_UDP))
		return LB_NOT_OURS;
	return lb_flow(ctx, m, config);
}

CHAIN_SEC
int lb_stage(struct chain_ctx *ctx)
{
	struct chain_meta *m = chain_packet();
	int verdict;

	if (!m)
		return CHAIN_PASS;
	verdict = lb_packet(ctx, m);
	return verdict == LB_NOT_OURS ? chain_next(ctx, m) : verdict;
}
