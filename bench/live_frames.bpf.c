/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* live_frames - what live_frames.c runs: a program that makes frames and sends them, and one that counts what comes back. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet/wire.h"

char live_license[] SEC("license") = "Dual BSD/GPL";

#define HEAD (sizeof(struct wire_ether) + sizeof(struct wire_ipv4) + sizeof(struct wire_udp))

/* key 0: the headers of all frames; written before */
struct live {
	__u8 head[HEAD];
	__u16 pad;
	__u32 ifindex;
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

/* A frame that comes from the pool again is as it was left: its headers are made anew. */
SEC("xdp")
int live_send(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	const struct live *what = bpf_map_lookup_elem(&live_what, &zero);
	__u64 *made = bpf_map_lookup_elem(&live_counts, &zero);
	struct wire_udp *udp = (void *)(data + HEAD - sizeof(*udp));

	if (!what || !made || !what->flows || data + HEAD > end)
		return XDP_DROP;
	__builtin_memcpy(data, what->head, HEAD);
	udp->sport = WIRE16(1 + *made % what->flows);
	++*made;
	return (int)bpf_redirect(what->ifindex, 0);
}

/* What a balancer is compared with: nothing is done, but that the frame goes back. */
SEC("xdp")
int live_bounce(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

SEC("xdp")
int live_sink(struct xdp_md *ctx)
{
	__u32 one = 1;
	__u64 *back = bpf_map_lookup_elem(&live_counts, &one);

	if (back)
		++*back;
	return XDP_DROP;
}
