/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* chain - the program on the interface: parses a frame once, then the stages in their order. */
#include "net/chain.bpf.h"

PACKET_INLINE int chain_parse(struct chain_ctx *ctx, struct chain_meta *m)
{
	__u32 side = chain_side(m);
	const struct chain_config *config = bpf_map_lookup_elem(&chain_config, &side);

	return packet_parse_part(FRAME_DATA(ctx), FRAME_END(ctx), hook_bytes(ctx), config ? config->gue_port : 0,
				 &m->packet);
}

/* The next bytes, if there are so many. */
#define HEAD_PART(n)                                                        \
	do {                                                                \
		from = packet_at(FRAME_DATA(ctx), FRAME_END(ctx), at, (n)); \
		if (from) {                                                 \
			__builtin_memcpy(s->head + at, from, (n));          \
			at += (n);                                          \
		}                                                           \
	} while (0)

/* A shorter frame is taken in parts that halve: byte by byte the kernel would think 128 loops through. */
PACKET_INLINE void watch_head(struct chain_ctx *ctx, struct chain_sample *s)
{
	const __u8 *from = packet_at(FRAME_DATA(ctx), FRAME_END(ctx), 0, CHAIN_HEAD);
	__u32 at = 0;

	s->bytes = CHAIN_HEAD;
	if (from) {
		__builtin_memcpy(s->head, from, CHAIN_HEAD);
		return;
	}
	__builtin_memset(s->head, 0, CHAIN_HEAD);
	HEAD_PART(64);
	HEAD_PART(32);
	HEAD_PART(16);
	HEAD_PART(8);
	HEAD_PART(4);
	HEAD_PART(2);
	HEAD_PART(1);
	s->bytes = (__u16)at;
}

_Static_assert(CHAIN_HEAD == 128, "watch_head() takes the halves");

/* Somebody watches: is it this packet's turn?  What it was as it came is kept for the verdict. */
NOINLINE void watch_packet(struct chain_ctx *ctx, struct chain_meta *m, const struct chain_control *control)
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
	w->sample.frame = hook_bytes(ctx);
	w->sample.segment = hook_cut_by(ctx);
	w->sample.ifindex = hook_in(ctx);
	w->sample.cpu = (__u16)bpf_get_smp_processor_id();
	watch_head(ctx, &w->sample);
}

PACKET_INLINE int chain_parsed(struct chain_ctx *ctx, struct chain_meta *m, int parsed)
{
	if (parsed < 0)
		chain_note(m, CHAIN_FAULTY);
	return chain_next(ctx, m);
}

CHAIN_SEC
int chain_entry(struct chain_ctx *ctx)
{
	struct chain_meta *m = chain_packet();
	const struct chain_control *control;
	__u32 zero = 0;
	int parsed;

	control = bpf_map_lookup_elem(&chain_control, &zero);
	if (!m || !control)
		return CHAIN_PASS;
	m->generation = *(const volatile __u32 *)&control->generation;
	m->next = 0;
	m->rounds = 0;
	m->rule = 0;
	m->backend = 0;
	m->watched = 0;
	if (unlikely(*(const volatile __u32 *)&control->watch))
		watch_packet(ctx, m, control);
	parsed = chain_parse(ctx, m);
	if (hook_split(ctx, m))
		bpf_tail_call_static(ctx, &chain_stages, CHAIN_AGAIN);
	return chain_parsed(ctx, m, parsed);
}

/* chain_stages[CHAIN_AGAIN] */
CHAIN_SEC
int chain_reenter(struct chain_ctx *ctx)
{
	struct chain_meta *m = chain_packet();

	if (!m)
		return CHAIN_PASS;
	hook_pull(ctx);
	return chain_parsed(ctx, m, chain_parse(ctx, m));
}
