/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_AGAIN_H
#define SAKER_NET_LB_AGAIN_H
/*
 * again - SYNs that come again: their backend did not answer the first, or its answer was lost.
 *
 * A SYN is not looked up in the connection table, and the one that comes again may come to another CPU.  So what is known of
 * flows that have sent a SYN and nothing since lies in a table of its own for all CPUs: a word for each flow (tag, backend, time),
 * at the place that the flow's hash names.  A word is read and written at once, so no lock is needed; where two flows have one
 * place the later is known, and a SYN of the other counts as its first: too few are counted, never too many.  It costs a
 * cache line for a SYN, and one for the packet after it, which clears the word.  Flows that share an entry of the connection table
 * (LB_VIP_NO_SRC_PORT, VIPs of any port) are not watched, since the entry does not say whose the next packet is.
 */
#include "net/lb/conns.bpf.h"

/* The word of a flow, or NULL; *tag: upper half of the word. */
PACKET_INLINE __u64 *lb_syn_of(const struct packet_flow *key, __u64 *tag)
{
	const struct lb_shape *shape;
	__u32 zero = 0, at;
	__u64 hash;

	shape = bpf_map_lookup_elem(&lb_conn_shape, &zero);
	if (!shape)
		return NULL;
	hash = lb_conn_hash(key, shape->seed);
	*tag = hash << 32;
	at = (__u32)(hash >> 48);
	return bpf_map_lookup_elem(&lb_syns, &at);
}

PACKET_INLINE void lb_syn_count(const struct chain_meta *m, __u32 real)
{
	__u64 *again = bpf_map_lookup_elem(&lb_syns_again, &real);

	if (again)
		__sync_fetch_and_add(again, 1);
	chain_note(m, CHAIN_LB_SYN_AGAIN);
}

/* A SYN goes to a backend.  One that comes too soon was doubled on its way, and changes nothing. */
NOINLINE void lb_syn_seen(const struct chain_meta *m, const struct packet_flow *key, __u64 now, __u32 real)
{
	__u64 tag, was, *word = lb_syn_of(key, &tag), is;
	__u16 stamp = (__u16)(now >> LB_STAMP_SHIFT);

	if (!word)
		return;
	was = *(volatile __u64 *)word;
	is = tag | (__u64)(__u16)real << 16;
	if ((was & ~0xffffULL) == is) {
		if ((__u16)(stamp - (__u16)was) < LB_SYN_SOONEST)
			return;
		lb_syn_count(m, real);
	}
	*(volatile __u64 *)word = is | stamp;
}

/* Another packet of the flow: its client has heard of the backend. */
NOINLINE void lb_syn_over(const struct packet_flow *key)
{
	__u64 tag, *word = lb_syn_of(key, &tag);

	if (word && (*(volatile __u64 *)word & ~0xffffffffULL) == tag)
		*(volatile __u64 *)word = 0;
}

#endif
