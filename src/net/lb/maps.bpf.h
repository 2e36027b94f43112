/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_NET_LB_MAPS_H
#define SAKER_NET_LB_MAPS_H
/*
 * maps - the tables of the balancer.  Owner: net/lb/table.c.  Those with two elements hold a table for each generation
 * (key: its lowest bit); an unchanged table may stand in both.  Inner maps say sizes, not types: clang 14 leaves types that
 * only they name out of the object.
 */
#include "net/chain.bpf.h"
#include "net/lb/shared.bpf.h"

#define LB_TWO_TABLES(name, map_type, size, nflags, key_t, value_t)  \
	struct {                                                     \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);            \
		__uint(max_entries, 2);                              \
		__type(key, __u32);                                  \
		__array(                                             \
			values, struct {                             \
				__uint(type, map_type);              \
				__uint(max_entries, size);           \
				__uint(map_flags, nflags);           \
				__uint(key_size, sizeof(key_t));     \
				__uint(value_size, sizeof(value_t)); \
			});                                          \
	} name SEC(".maps")

/* key: lowest bit of the generation */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_config);
} lb_config SEC(".maps");

/* VIPs, and their addresses alone */
LB_TWO_TABLES(lb_vips, BPF_MAP_TYPE_HASH, 1, 0, struct lb_vip_key, struct lb_vip);
/* those that packets came to last; key: bits of the destination */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_VIPS_KNOWN);
	__type(key, __u32);
	__type(value, struct lb_vip_known);
} lb_vips_known SEC(".maps");

/* VIPs that are networks, and these alone */
LB_TWO_TABLES(lb_prefixes, BPF_MAP_TYPE_LPM_TRIE, 1, BPF_F_NO_PREALLOC, struct lb_prefix_key, struct lb_vip);
/* backends by number */
LB_TWO_TABLES(lb_reals, BPF_MAP_TYPE_ARRAY, LB_REALS, BPF_F_MMAPABLE, __u32, struct lb_real);
/* client networks; value: number of the backend */
LB_TWO_TABLES(lb_routes, BPF_MAP_TYPE_LPM_TRIE, 1, BPF_F_NO_PREALLOC, struct lb_route_key, __u32);
/* server ids of QUIC, TCP and UDP; value: number of the backend */
LB_TWO_TABLES(lb_ids, BPF_MAP_TYPE_HASH, 1, 0, __u32, __u32);
/* backends of VIPs that are down */
LB_TWO_TABLES(lb_downs, BPF_MAP_TYPE_HASH, 1, 0, struct lb_down_key, __u32);
/* where tunnels end; value: LB_DECAP_* */
LB_TWO_TABLES(lb_decaps, BPF_MAP_TYPE_HASH, 1, 0, struct lb_addr, __u32);
/* backends by the mark of a socket: health checks */
LB_TWO_TABLES(lb_marks, BPF_MAP_TYPE_HASH, 1, 0, __u32, struct lb_real);

/* packets of checks that left by their mark, by backend; 0: by marks of the wish's own */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_REALS);
	__type(key, __u32);
	__type(value, struct chain_count);
} lb_check_counts SEC(".maps");

/* rings, of all generations: lb_vip.ring says which; written through a mapping before a VIP names it */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_ring);
} lb_rings SEC(".maps");

/* connection tables of CPUs (net/lb/conns.bpf.h); user space may map and read them; key: CPU, and then the bucket */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LB_CPUS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct lb_bucket));
		});
} lb_conns SEC(".maps");

/* written once, before the first packet */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_shape);
} lb_conn_shape SEC(".maps");

/* of CPUs that have none; least recently used go first */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct packet_flow);
	__type(value, struct lb_conn);
} lb_conns_spare SEC(".maps");

/* none, or in 0 a table of all CPUs' TCP connections (lb_opts.global); least recently used go first */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LRU_HASH);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct packet_flow));
			__uint(value_size, sizeof(struct lb_conn));
		});
} lb_conns_global SEC(".maps");

/* connections through NAT; least recently used go first, and none is good for longer than lb_config says */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct packet_flow);
	__type(value, struct lb_nat);
} lb_nats SEC(".maps");

/* the host's answers about next hops (net/lb/leave.bpf.h); key: bits of the address */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_ASKED);
	__type(key, __u32);
	__type(value, struct lb_asked);
} lb_asked SEC(".maps");

/* new connections in this second */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_rate);
} lb_rates SEC(".maps");

/* SYNs of all CPUs (net/lb/again.bpf.h); key: bits of the hash of flow and sequence number */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_SYNS);
	__type(key, __u32);
	__type(value, __u64);
} lb_syns SEC(".maps");

/* SYNs that were seen again, by backend; user space reads them through a mapping */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LB_REALS);
	__type(key, __u32);
	__type(value, __u64);
} lb_syns_again SEC(".maps");

/* new connections by VIP: SYNs that had not come before, but for those above the rate of new connections (net/lb/again.bpf.h) */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_count);
} lb_vip_syns SEC(".maps");

/* sent, by VIP and by backend */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct chain_count);
} lb_vip_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_REALS);
	__type(key, __u32);
	__type(value, struct chain_count);
} lb_real_counts SEC(".maps");

/* taken out of tunnels, by where they ended; where tunnels to all addresses end here, the least recently used go first */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, LB_DECAPS);
	__type(key, struct lb_addr);
	__type(value, struct chain_count);
} lb_decap_counts SEC(".maps");

/* The table of the packet's generation, or NULL. */
#define LB_TABLE(name, m)                             \
	({                                            \
		__u32 side_ = chain_side(m);          \
		bpf_map_lookup_elem(&(name), &side_); \
	})

PACKET_INLINE const struct lb_config *lb_configured(const struct chain_meta *m)
{
	__u32 side = chain_side(m);

	return bpf_map_lookup_elem(&lb_config, &side);
}

#endif
