/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * health - two programs of traffic control beside the chain.
 *
 * health_egress: a health check is an ordinary connection to the VIP from a socket with a mark; the mark says to which
 * backend its packets go, in the same tunnel as clients' traffic, or to its link address (LB_CHECK_MARKS_L2).  source_ingress: on servers, packets of a second GUE
 * port get the tunnel's source address, so that answers go back to where the tunnel began.
 */
#include <linux/pkt_cls.h>

#include "net/lb/maps.bpf.h"
#include "packet/sum.h"

#define HEALTH_TTL 64
#define HEALTH_AF_INET 2
#define HEALTH_AF_INET6 10

const volatile __be16 source_port = WIRE16(9887); /* of source_ingress */

struct health_outer4 {
	struct wire_ipv4 ip;
	struct wire_udp udp;
};

struct health_outer6 {
	struct wire_ipv6 ip;
	struct wire_udp udp;
};

PACKET_INLINE void health_udp(struct wire_udp *udp, const struct lb_config *config, __u16 inner)
{
	udp->sport = (__be16)(bpf_get_prandom_u32() | WIRE16(0xc000)); /* the upper ports */
	udp->dport = config->gue_port;
	udp->bytes = WIRE16(inner + sizeof(*udp));
	udp->sum = 0; /* RFC 6935: none in tunnels; the inner one may not be computed yet */
}

PACKET_INLINE int health_write4(struct __sk_buff *skb, const struct lb_config *config, const struct lb_real *real,
				__u16 inner, __u8 next)
{
	int gue = real->flags & LB_REAL_GUE;
	struct health_outer4 outer = {};

	outer.ip.version_ihl = 0x45;
	outer.ip.ttl = HEALTH_TTL;
	outer.ip.proto = gue ? PROTO_UDP : next;
	outer.ip.bytes = WIRE16(inner + sizeof(outer.ip) + (gue ? sizeof(outer.udp) : 0));
	outer.ip.src = config->gue_src4;
	outer.ip.dst = real->addr[0];
	outer.ip.sum = (__u16)~sum_fold(sum_of(&outer.ip, sizeof(outer.ip)));
	health_udp(&outer.udp, config, inner);
	if (gue)
		return bpf_skb_store_bytes(skb, ETHER_BYTES, &outer, sizeof(outer), 0) < 0 ? -1 : 0;
	return bpf_skb_store_bytes(skb, ETHER_BYTES, &outer.ip, sizeof(outer.ip), 0) < 0 ? -1 : 0;
}

PACKET_INLINE int health_write6(struct __sk_buff *skb, const struct lb_config *config, const struct lb_real *real,
				__u16 inner, __u8 next)
{
	int gue = real->flags & LB_REAL_GUE;
	struct health_outer6 outer = {};

	outer.ip.version_flow = WIRE32(0x60000000U);
	outer.ip.bytes = WIRE16(inner + (gue ? sizeof(outer.udp) : 0));
	outer.ip.next = gue ? PROTO_UDP : next;
	outer.ip.hops = HEALTH_TTL;
	__builtin_memcpy(outer.ip.src, config->gue_src6, 16);
	__builtin_memcpy(outer.ip.dst, real->addr, 16);
	health_udp(&outer.udp, config, inner);
	if (gue)
		return bpf_skb_store_bytes(skb, ETHER_BYTES, &outer, sizeof(outer), 0) < 0 ? -1 : 0;
	return bpf_skb_store_bytes(skb, ETHER_BYTES, &outer.ip, sizeof(outer.ip), 0) < 0 ? -1 : 0;
}

PACKET_INLINE int health_link(struct __sk_buff *skb, const struct lb_config *config, const struct lb_real *real)
{
	struct wire_ether ether;

	__builtin_memcpy(ether.dst, config->router_mac, 6);
	__builtin_memcpy(ether.src, config->own_mac, 6);
	ether.type = real->family == 4 ? WIRE16(ETHER_IPV4) : WIRE16(ETHER_IPV6);
	return bpf_skb_store_bytes(skb, 0, &ether, sizeof(ether), 0) < 0 ? -1 : 0;
}

PACKET_INLINE int health_encap(struct __sk_buff *skb, const struct lb_config *config, const struct lb_real *real)
{
	__u32 header = real->family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	__u64 flags = real->family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	__u8 next = skb->protocol == WIRE16(ETHER_IPV4) ? PROTO_IPIP : PROTO_IPV6;
	__u16 inner = (__u16)(skb->len - ETHER_BYTES);

	if (real->flags & LB_REAL_GUE) {
		header += sizeof(struct wire_udp);
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	}
	if (bpf_skb_adjust_room(skb, (int)header, BPF_ADJ_ROOM_MAC, flags))
		return -1;
	if (real->family == 4 ? health_write4(skb, config, real, inner, next)
			      : health_write6(skb, config, real, inner, next))
		return -1;
	return health_link(skb, config, real);
}

/* Which backend a mark means; *number: by which it is counted, 0 for marks of the wish's own. */
PACKET_INLINE const struct lb_real *health_real(__u32 mark, __u32 side, __u32 *number)
{
	void *table;

	if (mark < LB_CHECK_MARKS || mark >= LB_CHECK_MARKS_END) {
		*number = 0;
		table = bpf_map_lookup_elem(&lb_marks, &side);
		return table ? bpf_map_lookup_elem(table, &mark) : NULL;
	}
	*number = (mark - LB_CHECK_MARKS) % LB_REALS;
	table = bpf_map_lookup_elem(&lb_reals, &side);
	return table ? bpf_map_lookup_elem(table, number) : NULL;
}

/* The interface by which the host would send to an address; 0: it knows none. */
PACKET_INLINE __u32 health_way(struct __sk_buff *skb, const struct lb_real *real)
{
	struct bpf_fib_lookup fib = { .family = real->family == 4 ? HEALTH_AF_INET : HEALTH_AF_INET6,
				      .ifindex = skb->ifindex };
	long said;

	if (real->family == 4)
		fib.ipv4_dst = real->addr[0];
	else
		__builtin_memcpy(fib.ipv6_dst, real->addr, 16);
	said = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return said == BPF_FIB_LKUP_RET_SUCCESS || said == BPF_FIB_LKUP_RET_NO_NEIGH ? fib.ifindex : 0;
}

/* L2: the packet as it is, to the backend's link address, or to that of the neighbour with its address. */
PACKET_INLINE int health_l2(struct __sk_buff *skb, const struct lb_real *real)
{
	struct bpf_redir_neigh next = { .nh_family = real->family == 4 ? HEALTH_AF_INET : HEALTH_AF_INET6 };
	__u32 way;

	if (real->mac[0] | real->mac[1] | real->mac[2] | real->mac[3] | real->mac[4] | real->mac[5]) {
		if (bpf_skb_store_bytes(skb, 0, real->mac, 6, 0) < 0)
			return TC_ACT_SHOT;
		return (int)bpf_redirect(real->ifindex ? real->ifindex : skb->ifindex, 0);
	}
	if (real->family == 4)
		next.ipv4_nh = real->addr[0];
	else
		__builtin_memcpy(next.ipv6_nh, real->addr, 16);
	way = health_way(skb, real);
	return way ? (int)bpf_redirect_neigh(way, &next, sizeof(next), 0) : TC_ACT_SHOT;
}

PACKET_INLINE int health_tunnel(struct __sk_buff *skb, const struct lb_config *config, const struct lb_real *real)
{
	__u32 way = config->flags & LB_BY_ROUTE ? health_way(skb, real) : skb->ifindex;

	if (!way || health_encap(skb, config, real) < 0)
		return TC_ACT_SHOT;
	if (config->flags & LB_BY_ROUTE)
		return (int)bpf_redirect_neigh(way, NULL, 0, 0);
	return (int)bpf_redirect(way, 0);
}

SEC("tc")
int health_egress(struct __sk_buff *skb)
{
	const struct chain_control *control;
	const struct lb_config *config;
	const struct lb_real *real;
	__u32 zero = 0, mark = skb->mark, side, number;
	struct chain_count *count;
	int said;

	if (!mark)
		return TC_ACT_UNSPEC;
	control = bpf_map_lookup_elem(&chain_control, &zero);
	side = control ? control->generation & 1 : 0;
	config = bpf_map_lookup_elem(&lb_config, &side);
	real = health_real(mark, side, &number);
	if (!config || !real || !real->family)
		return TC_ACT_UNSPEC;
	if (skb->protocol != WIRE16(ETHER_IPV4) && skb->protocol != WIRE16(ETHER_IPV6))
		return TC_ACT_UNSPEC;
	skb->mark = 0; /* it passes here once more */
	said = mark >= LB_CHECK_MARKS_L2 && mark < LB_CHECK_MARKS_END ? health_l2(skb, real)
								      : health_tunnel(skb, config, real);
	count = bpf_map_lookup_elem(&lb_check_counts, &number);
	if (count && said == TC_ACT_REDIRECT) {
		count->packets++;
		count->bytes += skb->len;
	}
	return said;
}

/* The inner packet, TCP, gets the outer source; its checksum follows, so the outer one stays as it is. */
PACKET_INLINE void source_rewrite(struct __sk_buff *skb, const struct wire_ipv6 *outer, const struct wire_ipv6 *inner)
{
	__u32 at = ETHER_BYTES + sizeof(*outer) + sizeof(struct wire_udp);
	__be32 from[4], to[4];
	long diff;

	__builtin_memcpy(to, outer->src, 16);
	__builtin_memcpy(from, inner->src, 16);
	diff = bpf_csum_diff(from, 16, to, 16, 0);
	if (diff < 0 ||
	    bpf_l4_csum_replace(skb, at + sizeof(*inner) + offsetof(struct wire_tcp, sum), 0, (__u64)diff, 0) < 0)
		return;
	(void)bpf_skb_store_bytes(skb, at + offsetof(struct wire_ipv6, src), to, 16, 0);
}

SEC("tc")
int source_ingress(struct __sk_buff *skb)
{
	const __u32 bytes = ETHER_BYTES + 2 * sizeof(struct wire_ipv6) + sizeof(struct wire_udp);
	const struct wire_ipv6 *outer, *inner;
	const struct wire_udp *udp;
	const char *data;

	if (skb->protocol != WIRE16(ETHER_IPV6) || bpf_skb_pull_data(skb, bytes))
		return TC_ACT_PIPE;
	data = (const char *)(long)skb->data;
	if (data + bytes > (const char *)(long)skb->data_end)
		return TC_ACT_PIPE;
	outer = (const void *)(data + ETHER_BYTES);
	udp = (const void *)(outer + 1);
	inner = (const void *)(udp + 1);
	if (outer->next != PROTO_UDP || udp->dport != source_port || WIRE32(inner->version_flow) >> 28 != 6 ||
	    inner->next != PROTO_TCP)
		return TC_ACT_PIPE;
	source_rewrite(skb, outer, inner);
	return TC_ACT_PIPE;
}
