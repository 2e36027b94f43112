/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lb_bench - what BPF_PROG_TEST_RUN does not do between its turns: it gives the frame back its first form and its next flow.
 */
#include "net/chain.bpf.h"

#define FRAME 64 /* bytes */
#define OUTER 20 /* IPIP over IPv4 */
#define FRAMES ((void *)(long)ctx->data)
#define END ((void *)(long)ctx->data_end)

/* written through a mapping: flows that take turns, a power of two, and the next one */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[2]);
} bench_flows SEC(".maps");

/* 0: what is measured */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} bench_next SEC(".maps");

SEC("xdp")
int bench_restore(struct xdp_md *ctx)
{
	struct wire_ether *ether;
	struct wire_ipv4 *ip;
	struct wire_tcp *tcp;
	__u32 zero = 0;
	__u64 *flows = bpf_map_lookup_elem(&bench_flows, &zero), at;

	if (ctx->data_end - ctx->data > FRAME && bpf_xdp_adjust_head(ctx, OUTER))
		return XDP_ABORTED;
	ether = FRAMES;
	ip = (void *)(ether + 1);
	tcp = (void *)(ip + 1);
	if (!flows || (void *)(tcp + 1) > END)
		return XDP_ABORTED;
	ether->type = WIRE16(ETHER_IPV4);
	at = flows[1]++ & (flows[0] - 1);
	tcp->sport = (__be16)at;
	ip->src = WIRE32(0xc0a80000) | (__be32)(at >> 16) << 24;
	bpf_tail_call(ctx, &bench_next, 0);
	return XDP_ABORTED;
}

/* One more stage of the chain: it does not care. */
SEC("xdp")
int bench_stage(struct xdp_md *ctx)
{
	struct chain_meta *m = chain_packet();

	return m ? chain_next(ctx, m) : XDP_PASS;
}

/* Instead of the balancer: only makes the room. */
SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, -OUTER) ? XDP_ABORTED : XDP_TX;
}

/* Instead of a chain that lets it pass. */
SEC("xdp")
int bench_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Nothing before it, either: what test_run itself costs. */
SEC("xdp")
int bench_nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}
