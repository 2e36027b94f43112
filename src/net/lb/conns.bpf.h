/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_CONNS_H
#define SAKER_NET_LB_CONNS_H
/*
 * conns - the connection table of a CPU: buckets of LB_WAYS connections, of which the least recently used gives way.
 *
 * The kernel's LRU maps take two to four cache misses for an insertion, since what goes lies elsewhere than what comes.  Here
 * both lie in one bucket, which begins with the tags (bits of the hash) and the stamps (when each was used last) of all in
 * one cache line.  No lock: a table is only used by packets on its CPU, one after another.
 *
 * A bucket may be full while others have room: a table has twice as many places as connections that it is made for, and
 * holds then all but few of them (tests/lib/lb_wish.c measures it).  The hash has a seed of its own, so a client cannot choose its
 * bucket.
 */
#include "net/lb/conn_hash.h"
#include "net/lb/maps.bpf.h"

PACKET_INLINE __u64 lb_now(void)
{
	return bpf_ktime_get_coarse_ns();
}

/* The bucket of a flow on this CPU, or NULL: this CPU has no table. */
PACKET_INLINE struct lb_bucket *lb_bucket_of(const struct packet_flow *key, __u32 *tag)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id(), at;
	const struct lb_shape *shape = bpf_map_lookup_elem(&lb_conn_shape, &zero);
	void *conns = bpf_map_lookup_elem(&lb_conns, &cpu);
	__u64 hash;

	if (unlikely(!conns || !shape))
		return NULL;
	hash = lb_conn_hash(key, shape->seed);
	*tag = (__u32)hash;
	at = lb_bucket_at(hash, shape);
	return bpf_map_lookup_elem(conns, &at);
}

/* What will be put in: its bucket comes from memory while the ring is asked. */
PACKET_INLINE void lb_conn_expect(const struct packet_flow *key)
{
	__u32 tag;
	const struct lb_bucket *b = lb_bucket_of(key, &tag);

	if (b)
		(void)*(const volatile __u32 *)&b->tag[0];
}

/* The connection of a flow, or NULL; it is used now. */
PACKET_INLINE struct lb_conn *lb_conn_find(const struct packet_flow *key, __u64 now)
{
	__u32 tag, way, stamp = (__u32)(now >> LB_STAMP_SHIFT);
	struct lb_bucket *b;

	b = lb_bucket_of(key, &tag);
	if (unlikely(!b))
		return bpf_map_lookup_elem(&lb_conns_spare, key);
	way = lb_way_of(b, key, tag);
	if (way >= LB_WAYS)
		return NULL;
	if (b->stamp[way] != stamp)
		b->stamp[way] = stamp;
	return &b->place[way].conn;
}

/* Puts a connection in, in its own place if it has one.  Returns 0, 1 (this CPU has no table: into the spare one), or -1. */
PACKET_INLINE int lb_conn_put(const struct packet_flow *key, __u64 now, const struct lb_conn *conn)
{
	__u32 tag, way, stamp = (__u32)(now >> LB_STAMP_SHIFT);
	struct lb_bucket *b;

	b = lb_bucket_of(key, &tag);
	if (unlikely(!b))
		return bpf_map_update_elem(&lb_conns_spare, key, conn, BPF_ANY) ? -1 : 1;
	way = lb_way_of(b, key, tag);
	if (way >= LB_WAYS)
		way = lb_way_oldest(b, stamp);
	if (way >= LB_WAYS)
		return -1; /* cannot be */
	b->tag[way] = tag;
	b->stamp[way] = stamp;
	b->place[way].key = *key;
	asm volatile("" ::: "memory"); /* as lb_conn_look() relies on */
	b->place[way].conn = *conn;
	return 0;
}

/* ---- connections that change their CPU ---- */

struct lb_found {
	__u32 real; /* 0: not found */
	__u32 age;  /* of the entry, in stamps */
};

/*
 * A flow in another CPU's table, whose packets may change it meanwhile.  The flow is written before the backend: where the flow is the
 * same before and after the backend was read, it was that flow's (where stores are seen in another order than they are made, all
 * but always).
 */
NOINLINE void lb_conn_look(const struct packet_flow *key, __u64 hash, __u32 at, __u32 cpu, struct lb_found *found)
{
	void *conns = bpf_map_lookup_elem(&lb_conns, &cpu);
	const struct lb_bucket *b = conns ? bpf_map_lookup_elem(conns, &at) : NULL;
	__u32 way, age, real, now = (__u32)(lb_now() >> LB_STAMP_SHIFT);

	if (!b)
		return;
	way = lb_way_of(b, key, (__u32)hash);
	if (way >= LB_WAYS)
		return;
	age = now - b->stamp[way];
	real = b->place[way].conn.real;
	asm volatile("" ::: "memory");
	if (b->tag[way] != (__u32)hash || !lb_same_flow(&b->place[way].key, key) || (found->real && age >= found->age))
		return;
	found->real = real;
	found->age = age;
}

/*
 * The backend of a connection or UDP flow that this CPU does not know, or 0: from the table of all CPUs, if there is one (it has TCP
 * alone), else from the other CPUs' tables, the entry that was used last.  ports: of the connection's key, the source's in the upper half; the rest is the
 * packet's flow.  Not static, and weak, so that its argument stays one: the kernel thinks it through once, and not wherever it is called from.
 */
__attribute__((noinline, weak)) __u32 lb_conn_elsewhere(__u32 ports)
{
	__u32 zero = 0, cpu, at, here = bpf_get_smp_processor_id();
	const struct lb_shape *shape = bpf_map_lookup_elem(&lb_conn_shape, &zero);
	void *global = bpf_map_lookup_elem(&lb_conns_global, &zero);
	const struct chain_meta *m = chain_packet();
	const struct lb_config *config = m ? lb_configured(m) : NULL;
	struct lb_found found = {};
	const struct lb_conn *conn;
	struct packet_flow key;
	__u64 hash;

	if (!config)
		return 0;
	key = m->packet.flow;
	key.sport = (__be16)(ports >> 16);
	key.dport = (__be16)ports;
	if (global) {
		if (key.proto == PROTO_UDP)
			return 0;
		conn = bpf_map_lookup_elem(global, &key);
		return conn ? conn->real : 0;
	}
	if (!shape || !shape->cpus)
		return 0;
	hash = lb_conn_hash(&key, shape->seed);
	at = lb_bucket_at(hash, shape);
	for (cpu = 0; cpu < LB_ELSEWHERE; cpu++) {
		if (cpu >= shape->cpus)
			break;
		if (cpu != here)
			lb_conn_look(&key, hash, at, cpu, &found);
	}
	if (key.proto == PROTO_UDP && (__u64)found.age << LB_STAMP_SHIFT > config->udp_idle_s * 1000000000ULL)
		return 0;
	return found.real;
}

/* Also into the table of all CPUs, if there is one. */
PACKET_INLINE void lb_conn_share(const struct packet_flow *key, const struct lb_conn *conn)
{
	__u32 zero = 0;
	void *global = bpf_map_lookup_elem(&lb_conns_global, &zero);

	if (unlikely(global))
		(void)bpf_map_update_elem(global, key, conn, BPF_ANY);
}

#endif
