/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_WIRE_H
#define SAKER_PACKET_WIRE_H
/*
 * wire - headers as they lie in a frame, for BPF and for user space.
 *
 * Every struct is laid out by its fields alone.  In user space a frame may begin anywhere, so there the structs have an
 * alignment of one; clang for BPF would then read byte by byte, which the kernel does not need on the hosts that it has a
 * compiler from BPF for, so there they have none.
 */
#include <linux/types.h>

#ifdef __BPF__
#define WIRE
#else
#define WIRE __attribute__((packed))
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WIRE16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define WIRE32(x) ((__u32)__builtin_bswap32((__u32)(x)))
#else
#define WIRE16(x) ((__u16)(x))
#define WIRE32(x) ((__u32)(x))
#endif

#define ETHER_IPV4 0x0800
#define ETHER_ARP 0x0806
#define ETHER_VLAN 0x8100 /* IEEE 802.1Q */
#define ETHER_IPV6 0x86dd
#define ETHER_QINQ 0x88a8 /* IEEE 802.1ad */
#define ETHER_BYTES 14

/* Protocol numbers, as IANA assigns them. */
#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_IPIP 4
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_IPV6 41
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_ICMPV6 58
#define PROTO_NONE 59
#define PROTO_DSTOPTS 60

struct wire_ether {
	__u8 dst[6], src[6];
	__be16 type;
} WIRE;

struct wire_vlan {
	__be16 tag;
	__be16 type;
} WIRE;

#define IPV4_OFFSET 0x1fff
#define IPV4_MORE 0x2000
#define IPV4_DF 0x4000

struct wire_ipv4 { /* RFC 791 */
	__u8 version_ihl;
	__u8 tos;
	__be16 bytes; /* header included */
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 proto;
	__u16 sum;
	__be32 src, dst;
} WIRE;

struct wire_ipv6 {	     /* RFC 8200 */
	__be32 version_flow; /* 4 bits version, 8 traffic class, 20 flow label */
	__be16 bytes;	     /* header not included */
	__u8 next;
	__u8 hops;
	__be32 src[4], dst[4];
} WIRE;

struct wire_option { /* hop-by-hop, routing, destination options */
	__u8 next;
	__u8 eights; /* length in units of 8 bytes, the first not counted */
	__u8 rest[6];
} WIRE;

struct wire_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset; /* 13 bits offset, 2 reserved, 1 more */
	__be32 id;
} WIRE;

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct wire_tcp { /* RFC 9293 */
	__be16 sport, dport;
	__be32 seq, ack;
	__u8 offset; /* upper 4 bits: header length in units of 4 bytes */
	__u8 flags;
	__be16 window;
	__u16 sum;
	__be16 urgent;
} WIRE;

struct wire_udp {
	__be16 sport, dport;
	__be16 bytes; /* header included */
	__u16 sum;    /* 0: none */
} WIRE;

#define ICMP4_ECHO_REPLY 0
#define ICMP4_UNREACHABLE 3
#define ICMP4_ECHO 8
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER 12
#define ICMP4_CODE_FRAG 4 /* of ICMP4_UNREACHABLE: fragmentation needed */
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

struct wire_icmp { /* RFC 792, RFC 4443; the MTU of `too big` is in the last 2 or all 4 bytes of `rest` */
	__u8 type, code;
	__u16 sum;
	__be32 rest;
} WIRE;

_Static_assert(sizeof(struct wire_ether) == 14, "Ethernet header");
_Static_assert(sizeof(struct wire_ipv4) == 20, "IPv4 header");
_Static_assert(sizeof(struct wire_ipv6) == 40, "IPv6 header");
_Static_assert(sizeof(struct wire_tcp) == 20, "TCP header");
_Static_assert(sizeof(struct wire_udp) == 8, "UDP header");
_Static_assert(sizeof(struct wire_icmp) == 8, "ICMP header");
_Static_assert(sizeof(struct wire_fragment) == 8, "fragment header");

#endif
