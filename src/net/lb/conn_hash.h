/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_CONN_HASH_H
#define SAKER_NET_LB_CONN_HASH_H
/* conn_hash - where a connection lies in its table: for the programs (conns.bpf.h), and for user space that reads it (conns.c). */
#include "net/lb/shared.bpf.h"
#include "packet/cursor.h"

PACKET_INLINE __u64 lb_mixed(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* Of a flow, for a bucket (upper half) and a tag (lower half); never 0 in the lower half. */
PACKET_INLINE __u64 lb_conn_hash(const struct packet_flow *f, __u64 seed)
{
	__u64 h = lb_mixed(seed, (__u64)f->sport << 48 | (__u64)f->dport << 32 | f->proto << 8 | f->family);

	h = lb_mixed(h, (__u64)f->src[0] << 32 | f->dst[0]);
	if (f->family == 6) {
		h = lb_mixed(h, (__u64)f->src[1] << 32 | f->dst[1]);
		h = lb_mixed(h, (__u64)f->src[2] << 32 | f->dst[2]);
		h = lb_mixed(h, (__u64)f->src[3] << 32 | f->dst[3]);
	}
	h = lb_mixed(h, seed >> 32);
	return h | 1;
}

PACKET_INLINE __u32 lb_bucket_at(__u64 hash, const struct lb_shape *shape)
{
	return (__u32)((hash >> 32) * shape->buckets >> 32);
}

PACKET_INLINE int lb_same_flow(const struct packet_flow *a, const struct packet_flow *b)
{
#ifdef __BPF__
	const __u64 *x = (const void *)a, *y = (const void *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
#else
	return !__builtin_memcmp(a, b, sizeof(*a));
#endif
}

/* The way of a flow in its bucket, or LB_WAYS. */
PACKET_INLINE __u32 lb_way_of(const struct lb_bucket *b, const struct packet_flow *key, __u32 tag)
{
	__u32 i;

#ifdef __BPF__
#pragma unroll
#endif
	for (i = 0; i < LB_WAYS; i++) {
		if (b->tag[i] == tag && lb_same_flow(&b->place[i].key, key))
			return i;
	}
	return LB_WAYS;
}

/* The way that is free, or was used longest ago. */
PACKET_INLINE __u32 lb_way_oldest(const struct lb_bucket *b, __u32 stamp)
{
	__u32 i, age, most = 0, way = 0;

#ifdef __BPF__
#pragma unroll
#endif
	for (i = 0; i < LB_WAYS; i++) {
		age = b->tag[i] ? stamp - b->stamp[i] : ~0U;
		if (age >= most) {
			most = age;
			way = i;
		}
	}
	return way;
}

#endif
