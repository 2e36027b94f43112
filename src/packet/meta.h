/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_META_H
#define SAKER_PACKET_META_H
/*
 * meta - what parsing found in a frame: every stage of the chain reads it, none parses again.
 *
 * Offsets count from the first byte of the frame; 0 means there is none, since no header but Ethernet's begins there.
 */
#include <linux/types.h>

/* The two ends of a conversation, seen from the sender; network byte order; IPv4 in the first word, the others 0. */
struct packet_flow {
	__be32 src[4], dst[4];
	__be16 sport, dport; /* TCP and UDP; 0 in what has none */
	__u8 proto;
	__u8 family; /* 4, 6; 0: no flow is known */
	__u8 pad[2];
};

/* packet_meta.flags */
#define PACKET_FRAGMENT 0x0001	 /* a part of a packet, first, middle or last */
#define PACKET_LATER 0x0002	 /* a fragment that has no transport header */
#define PACKET_OPTIONS 0x0004	 /* IPv4 options */
#define PACKET_EXTENSIONS 0x0008 /* IPv6 extension headers */
#define PACKET_CUT 0x0010	 /* IP tells of more bytes than the frame has */
#define PACKET_ICMP_ERROR 0x0020 /* `inner` is what the error is about; the flow is that one's, turned round */
#define PACKET_IPIP 0x0040	 /* `inner` is the packet in the tunnel */
#define PACKET_GUE 0x0080	 /* the same */
#define PACKET_ECHO 0x0100	 /* an echo request */

/* packet_meta.fault: why parsing stopped.  What was found until then is there. */
enum packet_fault {
	PACKET_WHOLE,
	PACKET_SHORT_LINK,
	PACKET_SHORT_IP,
	PACKET_SHORT_EXTENSION,
	PACKET_SHORT_TRANSPORT,
	PACKET_SHORT_INNER,	/* the packet inside of an ICMP error */
	PACKET_BAD_VERSION,	/* IP's version is not what Ethernet says */
	PACKET_BAD_LENGTH,	/* a header says that it is shorter than it can be */
	PACKET_MANY_EXTENSIONS, /* more than PACKET_EXTENSIONS_MAX */
	PACKET_FAULTS
};

#define PACKET_EXTENSIONS_MAX 6
#define PACKET_VLANS_MAX 2

struct packet_meta {
	struct packet_flow flow;
	__u32 frame; /* bytes */
	__u16 l3, l4, payload;
	__u16 inner; /* IP header of the packet in a tunnel, or in an ICMP error */
	__u16 bytes; /* of the packet from l3 on, as IP says; more than fit if PACKET_CUT */
	__u16 flags;
	__be16 ethertype; /* behind the VLAN tags */
	__u8 family;	  /* 4, 6; 0: not IP */
	__u8 proto;	  /* of the transport header at l4 */
	__u8 tos;	  /* IPv6: traffic class */
	__u8 ttl;
	__u8 tcp_flags;
	__u8 icmp_type, icmp_code;
	__u8 vlans; /* tags before l3 */
	__u8 fault; /* enum packet_fault */
	__u8 pad;
};

_Static_assert(sizeof(struct packet_flow) == 40, "no padding");
_Static_assert(sizeof(struct packet_meta) == 68, "no padding");

#endif
