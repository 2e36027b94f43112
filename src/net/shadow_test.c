/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes end that a verdict hangs on: sizes of headers by RFC 791, 8200, 9293, 768, 9000 and 4443, added up by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "net/shadow.h"
#include "packet/wire.h"

struct row {
	const char *what;
	const char *head; /* of the frame, the rest is 0 */
	size_t bytes;
	uint32_t needed; /* of the frame */
};

#define ETHER(type) "\0\0\0\0\0\1\0\0\0\0\0\2" type
#define FOUR(proto) "\x45\0\1\0\0\0\0\0\x40" proto "\0\0\xa\0\0\1\xa\0\0\2"
#define SIX(next) "\x60\0\0\0\0\xd8" next "\x40" ADDR6 ADDR6
#define ADDR6 "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define ROW(what, head, needed)                      \
	{                                            \
		what, head, sizeof(head) - 1, needed \
	}

static const struct row rows[] = {
	ROW("TCP over IPv4", ETHER("\x08\0") FOUR("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50", 14 + 20 + 20),
	ROW("TCP with all options", ETHER("\x08\0") FOUR("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\xf0", 14 + 20 + 60),
	ROW("TCP over IPv6", ETHER("\x86\xdd") SIX("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50", 14 + 40 + 20),
	ROW("UDP, for QUIC's ids", ETHER("\x08\0") FOUR("\x11") "\0\1\0\2\0\x40", 14 + 20 + 8 + 14),
	ROW("IPv6 with an extension of 16 bytes", ETHER("\x86\xdd") SIX("\x3c") "\x11\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
	    14 + 40 + 16 + 8 + 14),
	ROW("an ICMP error", ETHER("\x08\0") FOUR("\1") "\3\4\0\0\0\0\0\0" FOUR("\6") "\0\1\0\2", 14 + 20 + 8 + 20 + 4),
	ROW("an ICMPv6 error", ETHER("\x86\xdd") SIX("\x3a") "\2\0\0\0\0\0\0\0" SIX("\6") "\0\1\0\2",
	    14 + 40 + 8 + 40 + 4),
	ROW("TCP in an IPv4 tunnel", ETHER("\x08\0") FOUR("\4") FOUR("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50",
	    14 + 20 + 20 + 20),
	ROW("nothing of IP", ETHER("\x08\6"), 14),
};

static void enough(void **state)
{
	uint8_t frame[CHAIN_HEAD];
	uint32_t known;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		memset(frame, 0, sizeof(frame));
		memcpy(frame, rows[i].head, rows[i].bytes);
		for (known = 1; known <= CHAIN_HEAD; known++) {
			if (shadow_enough(frame, known, 270, 0) != (known >= rows[i].needed))
				fail_msg("%s: %u bytes of 270", rows[i].what, known);
			/* a frame that ends there is all there is */
			assert_true(shadow_enough(frame, known, known, 0));
		}
	}
}

/* A segment of 1000 bytes: what each header says of the lengths then, by adding up. */
static const struct {
	const char *what, *head;
	size_t bytes;
	uint32_t frame;
	struct {
		uint32_t at, is;
	} says[3];
} cuts[] = {
#define CUT(what, head, ...)                              \
	{                                                 \
		what, head, sizeof(head) - 1, __VA_ARGS__ \
	}
	CUT("TCP over IPv4", ETHER("\x08\0") FOUR("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x80", 14 + 20 + 32 + 1000,
	    { { 16, 1052 } }),
	CUT("TCP over IPv6", ETHER("\x86\xdd") SIX("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50", 14 + 40 + 20 + 1000,
	    { { 18, 1020 } }),
	CUT("UDP", ETHER("\x08\0") FOUR("\x11") "\0\1\0\2\xff\xff", 14 + 20 + 8 + 1000,
	    { { 16, 1028 }, { 14 + 20 + 4, 1008 } }),
	CUT("TCP over IPv6 in IPv4", ETHER("\x08\0") FOUR("\x29") SIX("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50",
	    14 + 20 + 40 + 20 + 1000, { { 16, 1080 }, { 14 + 20 + 4, 1020 } }),
	CUT("TCP in GUE",
	    ETHER("\x08\0") FOUR("\x11") "\0\7\x17\xc0\xff\xff\0\0" FOUR("\6") "\0\1\0\2\0\0\0\0\0\0\0\0\x50",
	    14 + 20 + 8 + 20 + 20 + 1000, { { 16, 1068 }, { 14 + 20 + 4, 1048 }, { 14 + 28 + 2, 1040 } }),
};

static void one_segment(void **state)
{
	uint8_t frame[CHAIN_HEAD];
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cuts); i++) {
		memset(frame, 0, sizeof(frame));
		memcpy(frame, cuts[i].head, cuts[i].bytes);
		if (shadow_segment(frame, sizeof(frame), 1000, WIRE16(6080)) != cuts[i].frame)
			fail_msg("%s: another frame", cuts[i].what);
		for (k = 0; k < ARRAY_LEN(cuts[i].says) && cuts[i].says[k].at; k++) {
			const uint8_t *at = frame + cuts[i].says[k].at;

			if ((uint32_t)(at[0] << 8 | at[1]) != cuts[i].says[k].is)
				fail_msg("%s: the length at %u", cuts[i].what, cuts[i].says[k].at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(enough), cmocka_unit_test(one_segment) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
