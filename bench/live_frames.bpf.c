/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* live_frames - what live_frames.c runs: a program that makes frames and sends them, and one that counts what comes back. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet/wire.h"

char live_license[] SEC("license") = "Dual BSD/GPL";

/* What becomes of a frame that was made: it goes to a program, into the network stack, or just back. */
enum { LIVE_CHAIN, LIVE_STACK, LIVE_BOUNCE };

#define HEAD (sizeof(struct wire_ether) + sizeof(struct wire_ipv4) + sizeof(struct wire_udp))

/* key 0: the headers of all frames; written before */
struct live {
	__u8 head[HEAD];
	__u16 pad;
	__u32 how;   /* LIVE_* */
	__u32 flows; /* source ports 1 to flows in turn */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct live);
} live_what SEC(".maps");

/* 0: frames made; 1: frames that came back */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} live_counts SEC(".maps");

/* 0: what is measured */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} live_next SEC(".maps");

/* A frame that comes from the pool again is as it was left: its headers are made anew. */
SEC("xdp")
int live_send(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	const struct live *what = bpf_map_lookup_elem(&live_what, &zero);
	__u64 *made = bpf_map_lookup_elem(&live_counts, &zero);
	struct wire_udp *udp = (void *)(data + HEAD - sizeof(*udp));

	if (!what || !made || data + HEAD > end)
		return XDP_DROP;
	__builtin_memcpy(data, what->head, HEAD);
	udp->sport = WIRE16(1 + (*made & (what->flows - 1)));
	++*made;
	if (what->how == LIVE_CHAIN)
		bpf_tail_call(ctx, &live_next, 0);
	return what->how == LIVE_BOUNCE ? XDP_TX : what->how == LIVE_STACK ? XDP_PASS : XDP_ABORTED;
}

/* What came back; but not what hosts ask each other before they send. */
SEC("xdp")
int live_sink(struct xdp_md *ctx)
{
	const struct wire_ether *ether = (void *)(long)ctx->data;
	__u32 one = 1;
	__u64 *back = bpf_map_lookup_elem(&live_counts, &one);

	if ((void *)(ether + 1) > (void *)(long)ctx->data_end || ether->type != WIRE16(ETHER_IPV4))
		return XDP_PASS;
	if (back)
		++*back;
	return XDP_DROP;
}
