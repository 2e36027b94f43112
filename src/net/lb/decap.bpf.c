/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decap - the stage that takes packets out of tunnels: on servers, on balancers that stand on one, and on balancers that
 * hand packets on to those of another site.
 */
#include "net/lb/frame.bpf.h"
#include "net/lb/maps.bpf.h"

#define DECAP_NOT_OURS (-2) /* no verdict of any hook */

/* What is to become of the inner packet; 0: the tunnel does not end here. */
PACKET_INLINE __u32 decap_end(const struct chain_meta *m, const struct lb_config *config)
{
	struct lb_addr key = { .family = m->packet.family };
	void *ends = LB_TABLE(lb_decaps, m);
	const __u32 *end;

	if (!(config->flags & LB_DECAP_STRICT))
		return LB_DECAP_TO_HOST;
	__builtin_memcpy(key.addr, m->packet.flow.dst, 16);
	end = ends ? bpf_map_lookup_elem(ends, &key) : NULL;
	return end ? *end : 0;
}

/* The inner packet's family, or 0: it is none. */
PACKET_INLINE int decap_family(struct chain_ctx *ctx, const struct chain_meta *m)
{
	const __u8 *head = chain_at(ctx, m->packet.inner, sizeof(struct wire_ipv4));
	int version = head ? head[0] >> 4 : 0;

	if (version == 6)
		return chain_at(ctx, m->packet.inner, sizeof(struct wire_ipv6)) ? 6 : 0;
	return version == 4 ? 4 : 0;
}

PACKET_INLINE int decap_strip(struct chain_ctx *ctx, const struct chain_meta *m, int family)
{
	struct lb_link link;
	__u32 less;

	if (lb_link_read(ctx, m, &link) < 0 || m->packet.inner <= link.length)
		return -1;
	less = m->packet.inner - link.length;
	if (hook_untunnel(ctx, m, less, family) < 0)
		return -1;
	return lb_link_write(ctx, &link, link.dst, link.src, family == 4 ? WIRE16(ETHER_IPV4) : WIRE16(ETHER_IPV6));
}

PACKET_INLINE int decap_return(struct chain_ctx *ctx, struct chain_meta *m)
{
	struct wire_ether *ether = chain_at(ctx, 0, sizeof(*ether));

	if (!ether)
		return chain_verdict(m, CHAIN_DROP, CHAIN_DECAP_FAILED);
	lb_link_turn(ether);
	return chain_verdict(m, CHAIN_BACK(ctx), CHAIN_DECAP_RETURNED);
}

PACKET_INLINE void decap_count(const struct chain_meta *m)
{
	const struct chain_count first = { .packets = 1, .bytes = m->packet.bytes };
	struct lb_addr key = { .family = m->packet.family };
	struct chain_count *count;

	__builtin_memcpy(key.addr, m->packet.flow.dst, 16);
	count = bpf_map_lookup_elem(&lb_decap_counts, &key);
	if (count) {
		count->packets++;
		count->bytes += m->packet.bytes;
	} else {
		(void)bpf_map_update_elem(&lb_decap_counts, &key, &first, BPF_ANY); /* of this CPU alone */
	}
}

NOINLINE int decap_packet(struct chain_ctx *ctx, struct chain_meta *m, const struct lb_config *config, __u32 end)
{
	int family = decap_family(ctx, m);

	if (!family)
		return chain_verdict(m, CHAIN_DROP, CHAIN_DECAP_BAD_INNER);
	if (decap_strip(ctx, m, family) < 0)
		return chain_verdict(m, CHAIN_DROP, CHAIN_DECAP_FAILED);
	if (config->flags & LB_DECAP_TTL && !lb_ttl_less(ctx, m->packet.l3, family))
		return chain_verdict(m, CHAIN_DROP, CHAIN_DECAP_EXPIRED);
	decap_count(m);
	if (end == LB_DECAP_RETURN)
		return decap_return(ctx, m);
	if (end == LB_DECAP_TO_HOST)
		return chain_verdict(m, CHAIN_PASS, CHAIN_DECAP_TO_HOST);
	chain_note(m, CHAIN_DECAP_AGAIN);
	return DECAP_NOT_OURS;
}

PACKET_INLINE int decap_wanted(const struct chain_meta *m, const struct lb_config *config)
{
	return (m->packet.flags & PACKET_IPIP && config->flags & LB_DECAP_IPIP) ||
	       (m->packet.flags & PACKET_GUE && config->flags & LB_DECAP_GUE);
}

CHAIN_SEC
int decap_stage(struct chain_ctx *ctx)
{
	struct chain_meta *m = chain_packet();
	const struct lb_config *config;
	__u32 end;
	int verdict;

	if (!m)
		return CHAIN_PASS;
	config = lb_configured(m);
	if (!config || !m->packet.family)
		return chain_next(ctx, m);
	if (m->packet.flags & PACKET_FRAGMENT && config->flags & LB_DECAP_WHOLE)
		return chain_verdict(m, CHAIN_DROP, CHAIN_DECAP_FRAGMENT);
	if (m->packet.flags & (PACKET_FRAGMENT | PACKET_CUT) || m->packet.fault || !decap_wanted(m, config))
		return chain_next(ctx, m);
	end = decap_end(m, config);
	if (!end) {
		chain_note(m, CHAIN_DECAP_FOREIGN);
		return chain_next(ctx, m);
	}
	verdict = decap_packet(ctx, m, config, end);
	return verdict == DECAP_NOT_OURS ? chain_again(ctx, m) : verdict;
}
