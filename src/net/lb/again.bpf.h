/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_AGAIN_H
#define SAKER_NET_LB_AGAIN_H
/*
 * again - SYNs that come again: their backend did not answer the first, or its answer was lost.
 *
 * A SYN is not looked up in the connection table, and one that comes again may come to another CPU.  So SYNs have a table of their
 * own for all CPUs: a word (tag, backend, time) at the place that the hash of flow and sequence number names.  A client sends
 * its SYN again with the number that it had (RFC 9293 section 3.8.1); a new connection from the same port has another one (RFC 6528).
 * A word is read and written at once, so no lock is needed; where two SYNs have one place the later is known, and the other
 * counts as its first when it comes again: too few are counted, not too many.  It costs a cache line for a SYN, nothing for others.
 */
#include "net/lb/conns.bpf.h"

PACKET_INLINE void lb_syn_count(const struct chain_meta *m, __u32 real)
{
	__u64 *again = bpf_map_lookup_elem(&lb_syns_again, &real);

	if (again)
		__sync_fetch_and_add(again, 1);
	chain_note(m, CHAIN_LB_SYN_AGAIN);
}

/* m->rule: the VIP's number */
PACKET_INLINE void lb_syn_new(const struct chain_meta *m)
{
	__u32 vip = m->rule;
	struct chain_count *count = bpf_map_lookup_elem(&lb_vip_syns, &vip);

	if (count)
		count->packets++;
}

/*
 * A SYN goes to a backend.  One that comes too soon was doubled on its way, and changes nothing.  Weak, as lb_conn_elsewhere() is.
 */
__attribute__((noinline, weak)) int lb_syn_seen(struct chain_ctx *ctx, __u64 now, __u32 real)
{
	const struct chain_meta *m = chain_packet();
	const struct wire_tcp *tcp = m ? chain_at(ctx, m->packet.l4, sizeof(*tcp)) : NULL;
	__u64 hash, was, is, *word;
	__u16 stamp = (__u16)(now >> LB_STAMP_SHIFT);
	const struct lb_shape *shape;
	__u32 zero = 0, at;

	shape = bpf_map_lookup_elem(&lb_conn_shape, &zero);
	if (!tcp || !shape)
		return 0;
	hash = lb_conn_hash(&m->packet.flow, shape->seed ^ (__u64)tcp->seq << 16);
	at = (__u32)(hash >> 48);
	word = bpf_map_lookup_elem(&lb_syns, &at);
	if (!word)
		return 0;
	was = *(volatile __u64 *)word;
	is = hash << 32 | (__u64)(__u16)real << 16;
	if ((was & ~0xffffULL) == is) {
		if ((__u16)(stamp - (__u16)was) < LB_SYN_SOONEST)
			return 0;
		lb_syn_count(m, real);
	} else {
		lb_syn_new(m);
	}
	*(volatile __u64 *)word = is | stamp;
	return 0;
}

#endif
