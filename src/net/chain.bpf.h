/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_CHAIN_BPF_H
#define SAKER_NET_CHAIN_BPF_H
/*
 * chain - maps and verbs of every stage.  Each object declares the maps; net/chain.c gives all of them those of the first.
 *
 * A stage is an XDP program that ends with `return chain_next(ctx, m)` (it does not care) or with
 * `return chain_verdict(m, action, reason)` (it decides).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "net/shared.bpf.h"
#include "packet/parse.h"

#define FRAME_DATA(c) ((void *)(long)(c)->data)
#define FRAME_END(c) ((void *)(long)(c)->data_end)
#ifdef CHAIN_TC
#include "net/hook_tc.bpf.h"
#else
#include "net/hook_xdp.bpf.h"
#endif

char saker_license[] SEC("license") = "Dual BSD/GPL";

#define NOINLINE static __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* the generation; written by net/chain.c through a mapping */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_control);
} chain_control SEC(".maps");

/* key: lowest bit of the generation */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct chain_config);
} chain_config SEC(".maps");

/* the packet at hand */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_meta);
} chain_meta SEC(".maps");

/* key: lowest bit of the generation times CHAIN_STAGES, and the place; CHAIN_AGAIN */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CHAIN_PLACES);
	__uint(key_size, 4);
	__uint(value_size, 4);
} chain_stages SEC(".maps");

/* key: enum chain_reason */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CHAIN_REASONS);
	__type(key, __u32);
	__type(value, struct chain_count);
} chain_reasons SEC(".maps");

/* verdicts that are told; read by one at a time (net/samples.h) */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CHAIN_SAMPLES);
} chain_samples SEC(".maps");

/* what is drawn, and the sample of the packet at hand */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_watch);
} chain_watching SEC(".maps");

PACKET_INLINE struct chain_meta *chain_packet(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&chain_meta, &zero);
}

/* Which of two generations a packet looks things up in. */
PACKET_INLINE __u32 chain_side(const struct chain_meta *m)
{
	return m->generation & 1;
}

PACKET_INLINE void chain_note(const struct chain_meta *m, enum chain_reason reason)
{
	__u32 key = reason;
	struct chain_count *count = bpf_map_lookup_elem(&chain_reasons, &key);

	if (count) {
		count->packets++;
		count->bytes += m->packet.frame;
	}
}

/*
 * A watched packet's verdict goes into the ring, if it was drawn.  Not static, and weak, so that its argument stays one: the kernel
 * thinks it through once, and not wherever there is a verdict.
 */
__attribute__((noinline, weak)) int chain_tell(int action)
{
	__u32 zero = 0;
	const struct chain_meta *m = chain_packet();
	const struct chain_control *control = bpf_map_lookup_elem(&chain_control, &zero);
	struct chain_watch *w = bpf_map_lookup_elem(&chain_watching, &zero);

	if (!m || !w || !control)
		return 0;
	if (m->watched & CHAIN_WATCH_DROP && hook_action(action) <= XDP_DROP) {
		w->sample.one_in = control->sample_drops;
		if (++w->turn_drops < w->sample.one_in)
			return 0;
		w->turn_drops = 0;
	} else if (m->watched & CHAIN_WATCH_PACKET) {
		w->sample.one_in = control->sample;
	} else {
		return 0;
	}
	w->sample.flow = m->packet.flow;
	w->sample.rule = m->rule;
	w->sample.backend = m->backend;
	w->sample.reason = m->reason;
	w->sample.action = hook_action(action);
	if (bpf_ringbuf_output(&chain_samples, &w->sample, sizeof(w->sample), 0))
		chain_note(m, CHAIN_SAMPLE_LOST);
	return 0;
}

PACKET_INLINE int chain_verdict(struct chain_meta *m, int action, __u32 reason)
{
	m->reason = (__u16)reason;
	chain_note(m, reason);
	if (unlikely(m->watched))
		(void)chain_tell(action);
	return action;
}

/*
 * To a place of chain_stages.  A call with a number that the kernel knows becomes a jump, patched whenever the place changes; one
 * with a variable is an indirect branch, which today's mitigations make 15 ns long.
 */
#define CHAIN_CASE(n)                                        \
	case n:                                              \
		bpf_tail_call_static(ctx, &chain_stages, n); \
		break;
#define CHAIN_CASES(n) CHAIN_CASE(n) CHAIN_CASE((n) + 1) CHAIN_CASE((n) + 2) CHAIN_CASE((n) + 3)

PACKET_INLINE void chain_jump(struct chain_ctx *ctx, __u32 place)
{
	switch (place) {
		CHAIN_CASES(0)
		CHAIN_CASES(4)
		CHAIN_CASES(8)
		CHAIN_CASES(12)
		CHAIN_CASES(16)
		CHAIN_CASES(20)
		CHAIN_CASES(24)
		CHAIN_CASES(28)
	default:
		break;
	}
}

_Static_assert(CHAIN_AGAIN == 32, "chain_jump() knows all places");

/* To the next stage; if there is none, to the host. */
PACKET_INLINE int chain_next(struct chain_ctx *ctx, struct chain_meta *m)
{
	__u32 next = m->next;

	if (next < CHAIN_STAGES) {
		m->next = (__u8)(next + 1);
		chain_jump(ctx, chain_side(m) * CHAIN_STAGES + next);
	}
	return chain_verdict(m, CHAIN_PASS, CHAIN_PASSED);
}

/* The packet was changed: parses it anew, then the next stage. */
PACKET_INLINE int chain_again(struct chain_ctx *ctx, struct chain_meta *m)
{
	if (m->rounds < CHAIN_ROUNDS) {
		m->rounds++;
		bpf_tail_call_static(ctx, &chain_stages, CHAIN_AGAIN);
	}
	return chain_verdict(m, CHAIN_PASS, CHAIN_PASSED);
}

/* A place in the frame to read and write, or NULL. */
PACKET_INLINE void *chain_at(struct chain_ctx *ctx, __u32 offset, __u32 bytes)
{
	return (void *)packet_at(FRAME_DATA(ctx), FRAME_END(ctx), offset, bytes);
}

#endif
