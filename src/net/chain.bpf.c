/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* chain - the program on the interface: parses a frame once, then the stages in their order. */
#include "net/chain.bpf.h"

PACKET_INLINE void chain_parse(struct xdp_md *ctx, struct chain_meta *m)
{
	__u32 side = chain_side(m);
	const struct chain_config *config = bpf_map_lookup_elem(&chain_config, &side);

	if (packet_parse(FRAME_DATA(ctx), FRAME_END(ctx), config ? config->gue_port : 0, &m->packet) < 0)
		chain_note(m, CHAIN_FAULTY);
}

SEC("xdp")
int chain_entry(struct xdp_md *ctx)
{
	struct chain_meta *m = chain_packet();
	const struct chain_control *control;
	__u32 zero = 0;

	control = bpf_map_lookup_elem(&chain_control, &zero);
	if (!m || !control)
		return XDP_PASS;
	m->generation = *(const volatile __u32 *)&control->generation;
	m->next = 0;
	m->rounds = 0;
	m->rule = 0;
	chain_parse(ctx, m);
	return chain_next(ctx, m);
}

/* chain_stages[CHAIN_AGAIN] */
SEC("xdp")
int chain_reenter(struct xdp_md *ctx)
{
	struct chain_meta *m = chain_packet();

	if (!m)
		return XDP_PASS;
	chain_parse(ctx, m);
	return chain_next(ctx, m);
}
