/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames were laid out by hand from the formats in the RFCs, and what is expected of them is what they were made of.
 * Checksums: the example of RFC 1071.  Hashes: what Katran's balancer computes for these flows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "packet/fault.h"
#include "packet/hash.h"
#include "packet/parse.h"
#include "packet/sum.h"

#define GUE_PORT WIRE16(6080)

struct frame {
	const char *what, *hex;
	uint16_t l3, l4, payload, inner, bytes;
	uint8_t proto;
	const char *flow; /* "": none */
	uint16_t flags;
	uint8_t fault;
};

static const struct frame frames[] = {
	{ "TCP over IPv4",
	  "020000000002020000000001080045480028000100003d069150c0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 34, 54, 0, 40, 6, "192.0.2.1 40000 198.51.100.2 443 6", 0, PACKET_WHOLE },
	{ "UDP over IPv4, with padding",
	  "02000000000202000000000108004500001e0001000040118e97c0000201c63364029c410035000a000068690000"
	  "0000000000000000000000000000",
	  14, 34, 42, 0, 30, 17, "192.0.2.1 40001 198.51.100.2 53 17", 0, PACKET_WHOLE },
	{ "TCP with options",
	  "0200000000020200000000010800450000380001000040068e88c0000201c6336402000100020000000700000000"
	  "8010200000000000080a0000000100000002010164617461",
	  14, 34, 66, 0, 56, 6, "192.0.2.1 1 198.51.100.2 2 6", 0, PACKET_WHOLE },
	{ "a VLAN",
	  "020000000002020000000001810000070800450000280001000040068e98c0000201c63364029c4001bb00000007"
	  "000000005002200000000000",
	  18, 38, 58, 0, 40, 6, "192.0.2.1 40000 198.51.100.2 443 6", 0, PACKET_WHOLE },
	{ "QinQ",
	  "02000000000202000000000188a800098100000786dd600000000008114020010db8000000000000000000000001"
	  "20010db80000000000000000000000029c41003500080000",
	  22, 62, 70, 0, 48, 17, "2001:db8::1 40001 2001:db8::2 53 17", 0, PACKET_WHOLE },
	{ "three tags",
	  "02000000000202000000000188a8000981000007810000080800450000280001000040068e98c0000201c6336402"
	  "9c4001bb00000007000000005002200000000000",
	  22, 0, 0, 0, 0, 0, "", 0, PACKET_WHOLE },
	{ "IPv4 options",
	  "02000000000202000000000108004600002c0001000040068b93c0000201c6336402010101009c4001bb00000007"
	  "000000005002200000000000",
	  14, 38, 58, 0, 44, 6, "192.0.2.1 40000 198.51.100.2 443 6", PACKET_OPTIONS, PACKET_WHOLE },
	{ "first fragment",
	  "0200000000020200000000010800450000280001200040066e98c0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 34, 54, 0, 40, 6, "192.0.2.1 40000 198.51.100.2 443 6", PACKET_FRAGMENT, PACKET_WHOLE },
	{ "last fragment", "02000000000202000000000108004500001c0001000a40068e9ac0000201c63364023132333435363738", 14,
	  34, 0, 0, 28, 6, "192.0.2.1 0 198.51.100.2 0 6", PACKET_FRAGMENT | PACKET_LATER, PACKET_WHOLE },
	{ "UDP over IPv6",
	  "02000000000202000000000186dd621000000009110920010db800000000000000000000000120010db800000000"
	  "00000000000000029c4100350009000078",
	  14, 54, 62, 0, 49, 17, "2001:db8::1 40001 2001:db8::2 53 17", 0, PACKET_WHOLE },
	{ "IPv6 extensions",
	  "02000000000202000000000186dd600000000034004020010db800000000000000000000000120010db800000000"
	  "00000000000000023c000000000000002b01000000000000000000000000000006000000000000009c4001bb0000"
	  "0007000000005002200000000000",
	  14, 86, 106, 0, 92, 6, "2001:db8::1 40000 2001:db8::2 443 6", PACKET_EXTENSIONS, PACKET_WHOLE },
	{ "first fragment, IPv6",
	  "02000000000202000000000186dd60000000001c2c4020010db800000000000000000000000120010db800000000"
	  "000000000000000206000001000000059c4001bb00000007000000005002200000000000",
	  14, 62, 82, 0, 68, 6, "2001:db8::1 40000 2001:db8::2 443 6", PACKET_EXTENSIONS | PACKET_FRAGMENT,
	  PACKET_WHOLE },
	{ "last fragment, IPv6",
	  "02000000000202000000000186dd6000000000102c4020010db800000000000000000000000120010db800000000"
	  "000000000000000206000018000000053132333435363738",
	  14, 62, 0, 0, 56, 6, "2001:db8::1 0 2001:db8::2 0 6", PACKET_EXTENSIONS | PACKET_FRAGMENT | PACKET_LATER,
	  PACKET_WHOLE },
	{ "atomic fragment",
	  "02000000000202000000000186dd60000000001c2c4020010db800000000000000000000000120010db800000000"
	  "000000000000000206000000000000059c4001bb00000007000000005002200000000000",
	  14, 62, 82, 0, 68, 6, "2001:db8::1 40000 2001:db8::2 443 6", PACKET_EXTENSIONS, PACKET_WHOLE },
	{ "seven extensions",
	  "02000000000202000000000186dd60000000004c3c4020010db800000000000000000000000120010db800000000"
	  "00000000000000023c000000000000003c000000000000003c000000000000003c000000000000003c0000000000"
	  "00003c0000000000000006000000000000009c4001bb00000007000000005002200000000000",
	  14, 0, 0, 0, 116, 60, "2001:db8::1 0 2001:db8::2 0 60", PACKET_EXTENSIONS, PACKET_MANY_EXTENSIONS },
	{ "IPv4 in IPv4",
	  "02000000000202000000000108004500003c00010000400466bb0a0000010a000002450000280001000040068e98"
	  "c0000201c63364029c4001bb00000007000000005002200000000000",
	  14, 34, 0, 34, 60, 4, "10.0.0.1 0 10.0.0.2 0 4", PACKET_IPIP, PACKET_WHOLE },
	{ "IPv6 in IPv4",
	  "02000000000202000000000108004500005000010000402966820a0000010a000002600000000014064020010db8"
	  "00000000000000000000000120010db80000000000000000000000029c4001bb0000000700000000500220000000"
	  "0000",
	  14, 34, 0, 34, 80, 41, "10.0.0.1 0 10.0.0.2 0 41", PACKET_IPIP, PACKET_WHOLE },
	{ "IPv4 in IPv6",
	  "02000000000202000000000186dd600000000028044020010db800000000000000000000000120010db800000000"
	  "0000000000000002450000280001000040068e98c0000201c63364029c4001bb0000000700000000500220000000"
	  "0000",
	  14, 54, 0, 54, 80, 4, "2001:db8::1 0 2001:db8::2 0 4", PACKET_IPIP, PACKET_WHOLE },
	{ "GUE variant 1",
	  "0200000000020200000000010800450000440001000040118e71c0000201c6336402000517c00030000045000028"
	  "0001000040068e98c0000201c63364029c4001bb00000007000000005002200000000000",
	  14, 34, 42, 42, 68, 17, "192.0.2.1 5 198.51.100.2 6080 17", PACKET_GUE, PACKET_WHOLE },
	{ "GUE variant 0 with a word more",
	  "0200000000020200000000010800450000600001000040118e55c0000201c6336402000517c0004c000001290000"
	  "09090909600000000014064020010db800000000000000000000000120010db80000000000000000000000029c40"
	  "01bb00000007000000005002200000000000",
	  14, 34, 42, 50, 96, 17, "192.0.2.1 5 198.51.100.2 6080 17", PACKET_GUE, PACKET_WHOLE },
	{ "GUE control message",
	  "0200000000020200000000010800450000480001000040118e6dc0000201c6336402000517c00034000020040000"
	  "450000280001000040068e98c0000201c63364029c4001bb00000007000000005002200000000000",
	  14, 34, 42, 0, 72, 17, "192.0.2.1 5 198.51.100.2 6080 17", 0, PACKET_WHOLE },
	{ "GUE at another port",
	  "0200000000020200000000010800450000440001000040118e71c0000201c6336402000517c10030000045000028"
	  "0001000040068e98c0000201c63364029c4001bb00000007000000005002200000000000",
	  14, 34, 42, 0, 68, 17, "192.0.2.1 5 198.51.100.2 6081 17", 0, PACKET_WHOLE },
	{ "echo request", "02000000000202000000000108004500001c0001000040018ea9c0000201c63364020800000000010002", 14,
	  34, 42, 0, 28, 1, "192.0.2.1 0 198.51.100.2 0 1", PACKET_ECHO, PACKET_WHOLE },
	{ "echo request, IPv6",
	  "02000000000202000000000186dd6000000000083a4020010db800000000000000000000000120010db800000000"
	  "00000000000000028000000000010002",
	  14, 54, 62, 0, 48, 58, "2001:db8::1 0 2001:db8::2 0 58", PACKET_ECHO, PACKET_WHOLE },
	{ "fragmentation needed",
	  "0200000000020200000000010800450000440001000040017cadcb007109c0000201030400000000057845000028"
	  "0001000040068e98c0000201c63364029c4001bb00000007000000005002200000000000",
	  14, 34, 42, 42, 68, 1, "198.51.100.2 443 192.0.2.1 40000 6", PACKET_ICMP_ERROR, PACKET_WHOLE },
	{ "packet too big",
	  "02000000000202000000000186dd6000000000383a4020010db800000000000000000000009920010db800000000"
	  "00000000000000010200000000000500600000000008114020010db800000000000000000000000120010db80000"
	  "000000000000000000029c41003500080000",
	  14, 54, 62, 62, 96, 58, "2001:db8::2 53 2001:db8::1 40001 17", PACKET_ICMP_ERROR, PACKET_WHOLE },
	{ "an error about an echo",
	  "0200000000020200000000010800450000380001000040017cb9cb007109c00002010b000000000000004500001c"
	  "0001000040018ea9c0000201c63364020800000000000000",
	  14, 34, 42, 42, 56, 1, "", PACKET_ICMP_ERROR, PACKET_WHOLE },
	{ "an error about a later fragment",
	  "0200000000020200000000010800450000380001000040017cb9cb007109c00002010b000000000000004500001c"
	  "0001000940118e90c0000201c63364023132333435363738",
	  14, 34, 42, 42, 56, 1, "", PACKET_ICMP_ERROR, PACKET_WHOLE },
	{ "an error that is cut off",
	  "0200000000020200000000010800450000320001000040017cbfcb007109c0000201030400000000057845000028"
	  "0001000040068e98c0000201c63364029c40",
	  14, 34, 42, 42, 50, 1, "", PACKET_ICMP_ERROR, PACKET_SHORT_INNER },
	{ "ICMPv6 over IPv4", "02000000000202000000000108004500001c00010000403a8e70c0000201c63364028000000000000000",
	  14, 34, 0, 0, 28, 58, "192.0.2.1 0 198.51.100.2 0 58", 0, PACKET_WHOLE },
	{ "ARP", "02000000000202000000000108060001080006040001020000000001c0000201000000000000c0000202", 14, 0, 0, 0, 0,
	  0, "", 0, PACKET_WHOLE },
	{ "SCTP", "0200000000020200000000010800450000200001000040848e22c0000201c6336402313233343536373839303132", 14,
	  34, 0, 0, 32, 132, "192.0.2.1 0 198.51.100.2 0 132", 0, PACKET_WHOLE },
	{ "IPv4 tells of more",
	  "0200000000020200000000010800450000310001000040068e8fc0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 34, 54, 0, 49, 6, "192.0.2.1 40000 198.51.100.2 443 6", PACKET_CUT, PACKET_WHOLE },
	{ "version 5",
	  "0200000000020200000000010800550000280001000040068e98c0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 0, 0, 0, 0, 0, "", 0, PACKET_BAD_VERSION },
	{ "a header of 16 bytes",
	  "0200000000020200000000010800440000280001000040068e98c0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 0, 0, 0, 40, 6, "192.0.2.1 0 198.51.100.2 0 6", 0, PACKET_BAD_LENGTH },
	{ "a total length of 19",
	  "0200000000020200000000010800450000130001000040068eadc0000201c63364029c4001bb0000000700000000"
	  "5002200000000000",
	  14, 0, 0, 0, 19, 6, "192.0.2.1 0 198.51.100.2 0 6", 0, PACKET_BAD_LENGTH },
	{ "a TCP header of 16 bytes",
	  "0200000000020200000000010800450000280001000040068e98c0000201c63364029c4001bb0000000700000000"
	  "4002200000000000",
	  14, 34, 0, 0, 40, 6, "192.0.2.1 40000 198.51.100.2 443 6", 0, PACKET_BAD_LENGTH },
	{ "13 bytes", "02000000000202000000000108", 0, 0, 0, 0, 0, 0, "", 0, PACKET_SHORT_LINK },
	{ "a tag that is cut off", "02000000000202000000000181000007", 0, 0, 0, 0, 0, 0, "", 0, PACKET_SHORT_LINK },
	{ "19 bytes of IPv4", "0200000000020200000000010800450000140001000040068eacc0000201c63364", 14, 0, 0, 0, 0, 0,
	  "", 0, PACKET_SHORT_IP },
	{ "39 bytes of IPv6",
	  "02000000000202000000000186dd600000000000064020010db800000000000000000000000120010db800000000"
	  "00000000000000",
	  14, 0, 0, 0, 0, 0, "", 0, PACKET_SHORT_IP },
	{ "an extension that is cut off",
	  "02000000000202000000000186dd600000000004004020010db800000000000000000000000120010db800000000"
	  "000000000000000206000000",
	  14, 0, 0, 0, 44, 0, "2001:db8::1 0 2001:db8::2 0 0", 0, PACKET_SHORT_EXTENSION },
	{ "19 bytes of TCP",
	  "0200000000020200000000010800450000270001000040068e99c0000201c63364029c4001bb0000000700000000"
	  "50022000000000",
	  14, 34, 0, 0, 39, 6, "192.0.2.1 0 198.51.100.2 0 6", 0, PACKET_SHORT_TRANSPORT },
	{ "7 bytes of UDP", "02000000000202000000000108004500001b0001000040118e9ac0000201c63364029c410035000800", 14,
	  34, 0, 0, 27, 17, "192.0.2.1 0 198.51.100.2 0 17", 0, PACKET_SHORT_TRANSPORT },
};

/* The frame in memory of its own, so that a byte behind it is not ours. */
static uint8_t *frame_new(const char *hex, size_t *ret_bytes)
{
	size_t n = strlen(hex) / 2, i;
	uint8_t *frame = malloc(n ? n : 1);

	assert_non_null(frame);
	for (i = 0; i < n; i++)
		assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &frame[i]), 1);
	*ret_bytes = n;
	return frame;
}

static void flow_text(const struct packet_flow *f, char *out, size_t size)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	int family = f->family == 4 ? AF_INET : AF_INET6;

	out[0] = 0;
	if (f->family)
		(void)snprintf(out, size, "%s %u %s %u %u", inet_ntop(family, f->src, src, sizeof(src)),
			       ntohs(f->sport), inet_ntop(family, f->dst, dst, sizeof(dst)), ntohs(f->dport), f->proto);
}

static void check_frame(const struct frame *want)
{
	size_t bytes;
	CLEANUP_FREE uint8_t *frame = frame_new(want->hex, &bytes);
	struct packet_meta m;
	char flow[160];
	int r = packet_parse(frame, frame + bytes, GUE_PORT, &m);

	flow_text(&m.flow, flow, sizeof(flow));
	if (m.fault != want->fault || m.l4 != want->l4 || strcmp(flow, want->flow))
		print_message("%s: %s\n", want->what, packet_fault_text(m.fault));
	assert_int_equal(m.fault, want->fault);
	assert_int_equal(r, want->fault ? -1 : 0);
	assert_int_equal(m.frame, bytes);
	assert_int_equal(m.l3, want->l3);
	assert_int_equal(m.l4, want->l4);
	assert_int_equal(m.payload, want->payload);
	assert_int_equal(m.inner, want->inner);
	assert_int_equal(m.bytes, want->bytes);
	assert_int_equal(m.proto, want->proto);
	assert_int_equal(m.flags, want->flags);
	assert_string_equal(flow, want->flow);
}

static void test_frames(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(frames); i++)
		check_frame(&frames[i]);
}

/* Cut anywhere, a frame is parsed to its new end and not further: ASan watches. */
static void test_cut_anywhere(void **state)
{
	struct packet_meta m;
	size_t i, bytes, n;

	(void)state;
	for (i = 0; i < ARRAY_LEN(frames); i++) {
		CLEANUP_FREE uint8_t *whole = frame_new(frames[i].hex, &bytes);

		for (n = 0; n < bytes; n++) {
			CLEANUP_FREE uint8_t *cut = malloc(n ? n : 1);

			assert_non_null(cut);
			memcpy(cut, whole, n);
			(void)packet_parse(cut, cut + n, GUE_PORT, &m);
			assert_int_equal(m.frame, n);
			assert_true(m.l3 <= n);
		}
	}
}

static void test_fields(void **state)
{
	size_t bytes;
	CLEANUP_FREE uint8_t *four = frame_new(frames[0].hex, &bytes);
	CLEANUP_FREE uint8_t *six = NULL;
	struct packet_meta m;

	(void)state;
	assert_int_equal(packet_parse(four, four + bytes, 0, &m), 0);
	assert_int_equal(m.tos, 0x48);
	assert_int_equal(m.ttl, 61);
	assert_int_equal(m.tcp_flags, TCP_SYN);
	assert_int_equal(m.family, 4);
	six = frame_new(frames[9].hex, &bytes);
	assert_int_equal(packet_parse(six, six + bytes, 0, &m), 0);
	assert_int_equal(m.tos, 0x21);
	assert_int_equal(m.ttl, 9);
	assert_int_equal(m.family, 6);
}

/* Without a port for it, GUE is UDP. */
static void test_no_gue(void **state)
{
	size_t i, bytes;
	struct packet_meta m;

	(void)state;
	for (i = 0; i < ARRAY_LEN(frames); i++) {
		CLEANUP_FREE uint8_t *frame = frame_new(frames[i].hex, &bytes);

		(void)packet_parse(frame, frame + bytes, 0, &m);
		assert_false(m.flags & PACKET_GUE);
	}
}

static void test_sums(void **state)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	size_t bytes;
	CLEANUP_FREE uint8_t *frame = frame_new(frames[0].hex, &bytes);
	uint16_t sum, ttl_proto, after;

	(void)state;
	assert_int_equal(ntohs(sum_fold(sum_of(example, sizeof(example)))), 0xddf2);
	/* a header with its checksum sums up to all ones */
	assert_int_equal(sum_fold(sum_of(frame + 14, 20)), 0xffff);
	/* a hop less, as RFC 1624 changes it */
	memcpy(&sum, frame + 24, 2);
	memcpy(&ttl_proto, frame + 22, 2);
	frame[22]--;
	memcpy(&after, frame + 22, 2);
	sum = sum_changed(sum, ttl_proto, after);
	memcpy(frame + 24, &sum, 2);
	assert_int_equal(sum_fold(sum_of(frame + 14, 20)), 0xffff);
	assert_int_equal(sum_fold(sum_of(frame + 14, 20) + sum_minus(sum_of(frame + 14, 8))),
			 sum_fold(sum_of(frame + 22, 12)));
}

static void test_hashes(void **state)
{
	static const struct {
		const char *src;
		uint16_t sport, dport;
		uint32_t hash;
	} flows[] = {
		{ "192.168.1.1", 31337, 80, 3353773618U },   { "192.168.1.2", 31337, 80, 177098485U },
		{ "192.168.100.1", 31337, 80, 1562992785U }, { "192.168.200.1", 31337, 80, 1504034881U },
		{ "fc00:2::2", 31337, 80, 4011456072U },     { "fc00:2307:1::2", 31337, 80, 3043684682U },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(flows); i++) {
		struct packet_flow f = { .sport = htons(flows[i].sport), .dport = htons(flows[i].dport) };

		f.family = strchr(flows[i].src, ':') ? 6 : 4;
		assert_int_equal(inet_pton(f.family == 4 ? AF_INET : AF_INET6, flows[i].src, f.src), 1);
		assert_int_equal(hash_flow(&f), flows[i].hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames), cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_no_gue), cmocka_unit_test(test_sums),	    cmocka_unit_test(test_hashes),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
