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

PACKET_INLINE void watch_head(struct xdp_md *ctx, struct chain_sample *s)
{
	const __u8 *from = packet_at(FRAME_DATA(ctx), FRAME_END(ctx), 0, CHAIN_HEAD);
	__u32 i;

	s->bytes = CHAIN_HEAD;
	if (from) {
		__builtin_memcpy(s->head, from, CHAIN_HEAD);
		return;
	}
	s->bytes = 0;
	for (i = 0; i < CHAIN_HEAD; i++) {
		from = packet_at(FRAME_DATA(ctx), FRAME_END(ctx), i, 1);
		if (from)
			s->bytes = i + 1;
		((volatile __u8 *)s->head)[i] = from ? *from : 0;
	}
}

/* Somebody watches: is it this packet's turn?  What it was as it came is kept for the verdict. */
NOINLINE void watch_packet(struct xdp_md *ctx, struct chain_meta *m, const struct chain_control *control)
{
	__u32 zero = 0;
	struct chain_watch *w = bpf_map_lookup_elem(&chain_watching, &zero);

	if (!w)
		return;
	if (control->sample && ++w->turn >= control->sample) {
		w->turn = 0;
		m->watched |= CHAIN_WATCH_PACKET;
	}
	if (control->sample_drops)
		m->watched |= CHAIN_WATCH_DROP;
	if (!m->watched)
		return;
	w->sample.boot_ns = bpf_ktime_get_boot_ns();
	w->sample.frame = (__u32)(ctx->data_end - ctx->data);
	w->sample.ifindex = ctx->ingress_ifindex;
	w->sample.cpu = (__u16)bpf_get_smp_processor_id();
	watch_head(ctx, &w->sample);
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
	m->backend = 0;
	m->watched = 0;
	if (unlikely(*(const volatile __u32 *)&control->watch))
		watch_packet(ctx, m, control);
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
