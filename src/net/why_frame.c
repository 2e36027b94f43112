/* SPDX-License-Identifier: Apache-2.0 */
/* why_frame - packets to ask about: made of a tuple, or read from a pcap file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/why.h"
#include "net/wish.h"
#include "packet/sum.h"
#include "packet/wire.h"

/* ---- a tuple ---- */

static void write_ip(uint8_t *at, const struct lb_wish_vip *src, const struct lb_wish_vip *dst, size_t payload)
{
	struct wire_ipv4 four = { .version_ihl = 0x45,
				  .bytes = WIRE16(sizeof(four) + payload),
				  .fragment = WIRE16(IPV4_DF),
				  .ttl = 64,
				  .proto = dst->proto,
				  .src = src->addr.addr[0],
				  .dst = dst->addr.addr[0] };
	struct wire_ipv6 six = {
		.version_flow = WIRE32(0x60000000U), .bytes = WIRE16(payload), .next = dst->proto, .hops = 64
	};

	if (dst->addr.family == 4) {
		four.sum = (uint16_t)~sum_fold(sum_of(&four, sizeof(four)));
		memcpy(at, &four, sizeof(four));
		return;
	}
	memcpy(six.src, src->addr.addr, 16);
	memcpy(six.dst, dst->addr.addr, 16);
	memcpy(at, &six, sizeof(six));
}

static void write_transport(uint8_t *at, const struct lb_wish_vip *src, const struct lb_wish_vip *dst,
			    uint8_t tcp_flags)
{
	struct wire_tcp tcp = { .sport = WIRE16(src->port),
				.dport = WIRE16(dst->port),
				.offset = 5 << 4,
				.flags = tcp_flags,
				.window = WIRE16(65535) };
	struct wire_udp udp = { .sport = WIRE16(src->port), .dport = WIRE16(dst->port), .bytes = WIRE16(sizeof(udp)) };

	if (dst->proto == PROTO_TCP)
		memcpy(at, &tcp, sizeof(tcp));
	else
		memcpy(at, &udp, sizeof(udp));
}

int why_frame(const char *tuple, uint8_t tcp_flags, uint8_t out[128], size_t *ret_len, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(tuple);
	char *to = copy ? strchr(copy, '>') : NULL, left[128];
	struct lb_wish_vip src, dst;
	struct wire_ether ether = { .dst = { 2, 0, 0, 0, 0, 1 }, .src = { 2, 0, 0, 0, 0, 2 } };
	size_t ip, transport;
	int end;

	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	if (!to)
		return err_set(err, EINVAL, "'%.60s' is no packet: 'SOURCE:PORT > ADDRESS:PORT/tcp'", tuple);
	*to++ = 0;
	to += strspn(to, " ");
	copy[strcspn(copy, " ")] = 0;
	if (wish_vip_parse(to, &dst, err) < 0)
		return err_prefix(err, "'%.60s'", to);
	end = snprintf(left, sizeof(left), "%.100s/%s", copy, dst.proto == PROTO_TCP ? "tcp" : "udp");
	if (end >= (int)sizeof(left) || wish_vip_parse(left, &src, err) < 0)
		return err_prefix(err, "'%.60s'", copy);
	if (src.addr.family != dst.addr.family)
		return err_set(err, EINVAL, "'%.60s': both addresses are to be of one family", tuple);
	ip = dst.addr.family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6);
	transport = dst.proto == PROTO_TCP ? sizeof(struct wire_tcp) : sizeof(struct wire_udp);
	ether.type = dst.addr.family == 4 ? WIRE16(ETHER_IPV4) : WIRE16(ETHER_IPV6);
	memcpy(out, &ether, sizeof(ether));
	write_ip(out + ETHER_BYTES, &src, &dst, transport);
	write_transport(out + ETHER_BYTES + ip, &src, &dst, tcp_flags);
	*ret_len = ETHER_BYTES + ip + transport;
	return 0;
}

/* ---- a pcap file ---- */

#define PCAP_MICRO 0xa1b2c3d4U
#define PCAP_NANO 0xa1b23c4dU
#define PCAP_HEAD 24
#define PCAP_RECORD 16
#define PCAP_ETHERNET 1

static uint32_t pcap_u32(const uint8_t *at, bool turned)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return turned ? __builtin_bswap32(v) : v;
}

static bool pcap_magic(uint32_t v)
{
	return v == PCAP_MICRO || v == PCAP_NANO;
}

int why_pcap_next(const uint8_t *data, size_t len, size_t *at, const uint8_t **ret, size_t *ret_len, struct err *err)
{
	bool turned;
	uint32_t kept;

	if (len < PCAP_HEAD)
		return err_set(err, EINVAL, "this is no pcap file: it has %zu bytes", len);
	turned = !pcap_magic(pcap_u32(data, false));
	if (turned && !pcap_magic(pcap_u32(data, true)))
		return err_set(err, EINVAL, "this is no pcap file (of pcapng, `editcap -F pcap` makes one)");
	if ((pcap_u32(data + 20, turned) & 0xffff) != PCAP_ETHERNET)
		return err_set(err, EINVAL, "the pcap file has frames of link type %u: only Ethernet (1) is read",
			       pcap_u32(data + 20, turned) & 0xffff);
	if (*at < PCAP_HEAD)
		*at = PCAP_HEAD;
	if (*at == len)
		return 0;
	if (len - *at < PCAP_RECORD)
		return err_set(err, EINVAL, "the pcap file is cut off at byte %zu", *at);
	kept = pcap_u32(data + *at + 8, turned);
	if (kept > len - *at - PCAP_RECORD)
		return err_set(err, EINVAL, "the pcap file is cut off at byte %zu", *at);
	*ret = data + *at + PCAP_RECORD;
	*ret_len = kept;
	*at += PCAP_RECORD + (size_t)kept;
	return 1;
}
