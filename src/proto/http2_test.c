/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames as RFC 9113 lays them out, around the blocks of fields of RFC 7541, appendix C; gRPC as its PROTOCOL-HTTP2.md says.
 * What real servers say is in tests/e2e/proto_wire.sh.
 */
#include "proto/conversation_testing.h"

#define PREFACE "'PRI * HTTP/2.0' 0d0a0d0a 'SM' 0d0a0d0a "
#define SETTINGS "000000 04 00 00000000 "
#define OPENING PREFACE SETTINGS /* 33 bytes */

/* RFC 7541: C.4.1, C.4.2, C.4.3 (17, 12 and 24 bytes); C.6.1, C.6.2, C.6.3 (54, 8 and 79) */
#define ASK_1 "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff "
#define ASK_2 "8286 84be 5886 a8eb 1064 9cbf "
#define ASK_3 "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf "
#define SAY_1                                                                                       \
	"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e" \
	"919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3 "
#define SAY_2 "4883 640e ffc1 c0bf "
#define SAY_3                                                                                       \
	"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7" \
	"821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed" \
	"4ee5 b106 3d50 07 "

/* POST http, :path, :authority a, and as what it is sent: added to the table (40 bytes), or the table's newest (23) */
#define CALL "83 86 04 0f '/shop.Items/Get' 01 01 'a' "
#define GRPC "5f 10 'application/grpc' "
#define STATUS(n, text) "40 0b 'grpc-status' " n " '" text "' "
#define MESSAGE "40 0c 'grpc-message' 08 'no%20way' "

static const struct case_ http_cases[] = {
	{ "the requests and responses of RFC 7541, C.4 and C.6",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 },
	    { .who = '<', .hex = SETTINGS "000036 01 05 00000001 " SAY_1 },
	    { .who = '>', .hex = "00000c 01 05 00000003 " ASK_2 },
	    { .who = '<', .hex = "000008 01 04 00000003 " SAY_2 "000005 00 01 00000003 'hello'" },
	    { .who = '>', .hex = "000018 01 05 00000005 " ASK_3 },
	    { .who = '<', .hex = "00004f 01 05 00000005 " SAY_3 } },
	  "http2 GET / 302 C (www.example.com) 33-59@1-1 9-72@2-2\n"
	  "http2 GET / 307 C (www.example.com) 59-80@3-3 72-103@4-4\n"
	  "http2 GET /index.html 200 C (www.example.com) 80-113@5-5 103-191@6-6\n" },
	{ "padding and a priority (sections 6.1, 6.2)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "00001a 01 2d 00000001 03 80000000 ff " ASK_1 "000000" },
	    { .who = '<', .hex = SETTINGS "000001 01 04 00000001 88 000008 00 09 00000001 02 'hello' 0000" } },
	  "http2 GET / 200 C (www.example.com) 33-68@1-1 9-36@2-2\n" },
	{ "a block of fields in three frames and more pieces; 103 is not the answer (sections 6.10, 8.1)",
	  { .not_client = 1 },
	  { { .who = '<', .hex = OPENING "000005 01 01 00000001 8286 84 41 8c 0000" },
	    { .who = '<', .hex = "02 09 00 00000001 f1 e3 000009" },
	    { .who = '<', .hex = "09 00 00000001 c2 e5f2 3a6b a0" },
	    { .who = '<', .hex = "ab 90f4 000001 09 04 00000001 ff" },
	    { .who = '>', .hex = SETTINGS "000005 01 04 00000001 08 03 '103'" },
	    { .who = '>', .hex = "000001 01 05 00000001 88" } },
	  "http2 GET / 200  (www.example.com) 33-86@4-4 23-33@6-6\n" },
	{ "streams that overlap, answered the other way round; what is unknown is skipped (section 5.5)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 "00000c 01 05 00000003 " ASK_2 },
	    { .who = '<', .hex = SETTINGS "000003 42 ff 00000007 'new' 000001 01 04 00000003 88" },
	    { .who = '<', .hex = "000001 01 05 00000001 8d 000000 00 01 00000003" } },
	  "http2 GET / 404 C (www.example.com) 33-59@1-1 31-41@3-3\n"
	  "http2 GET / 200 C (www.example.com) 59-80@1-1 21-50@2-3\n" },
	{ "refused, and no longer wanted (section 7)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 "00000c 01 05 00000003 " ASK_2 },
	    { .who = '<', .hex = SETTINGS "000004 03 00 00000001 00000007" },
	    { .who = '>', .hex = "000004 03 00 00000003 00000008" } },
	  "http2 GET / 0 FC 'reset by who answered: REFUSED_STREAM' (www.example.com) 33-59@1-1 9-22@2-2\n"
	  "http2 GET / 0 UC 'reset by who asked: CANCEL' (www.example.com) 59-80@1-1\n" },
	{ "what is pushed answers nothing (section 8.4)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 },
	    { .who = '<', .hex = SETTINGS "000006 05 04 00000001 00000002 8284 000001 01 05 00000002 88" },
	    { .who = '<', .hex = "000001 01 05 00000001 88" } },
	  "http2 GET / 200 C (www.example.com) 33-59@1-1 34-44@3-3\n" },
	{ "a response has not ended when the connection does",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 },
	    { .who = '<', .hex = SETTINGS "000001 01 04 00000001 88 000005 00 00 00000001 'hello'" } },
	  "http2 GET / 200 MC (www.example.com) 33-59@1-1 9-33@2-2\n" },
	{ "joined in the middle: what was in the table before is not known",
	  { .joined = 1000 },
	  { { .who = '>', .hex = "00000c 01 05 00000003 " ASK_2 "000018 01 05 00000005 " ASK_3 },
	    { .who = '<', .hex = "000008 01 05 00000003 " SAY_2 "00004f 01 05 00000005 " SAY_3 } },
	  "http2 GET / 307 C 1000-1021@1-1 1000-1017@2-2\n"
	  "http2 GET /index.html 200 C 1021-1054@1-1 1017-1105@2-2\n" },
	{ "of the body only the beginning was kept, of a block of fields, too",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 8286 84", .more = 14 },
	    { .who = '<', .hex = SETTINGS "000001 01 04 00000001 88 000400 00 01 00000001 'hello'", .more = 1019 } },
	  "http2 GET / 200 MC 33-59@1-1 9-1052@2-2\n" },
};

static const struct case_ grpc_cases[] = {
	{ "a call, and its status in the trailers",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000028 01 04 00000001 " CALL GRPC "000005 00 01 00000001 0000000000" },
	    { .who = '<', .hex = SETTINGS "000013 01 04 00000001 88 " GRPC "000005 00 00 00000001 0000000000" },
	    { .who = '<', .hex = "00000f 01 05 00000001 " STATUS("01", "0") } },
	  "grpc POST /shop.Items/Get 0 C 33-96@1-1 9-75@2-3\n" },
	{ "it failed: Trailers-Only, a message with percents",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000028 01 05 00000001 " CALL GRPC },
	    { .who = '<', .hex = SETTINGS "00003a 01 05 00000001 88 " GRPC STATUS("02", "12") MESSAGE } },
	  "grpc POST /shop.Items/Get 12 FC 'UNIMPLEMENTED: no way' 33-82@1-1 9-76@2-2\n" },
	/* the status of the third one is in the table, from fields that were lost; the fourth one sends it anew */
	{ "fields of a response were lost: what later ones take from the table is not known",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000028 01 05 00000001 " CALL GRPC },
	    { .who = 'o', .hex = SETTINGS "00003a 01 05 00000001 88 " GRPC STATUS("02", "12") MESSAGE },
	    { .who = '>', .hex = "000017 01 05 00000003 " CALL "be" },
	    { .who = '<', .hex = "000004 01 05 00000003 88 c0 bf be" },
	    { .who = '>', .hex = "000017 01 05 00000005 " CALL "be" },
	    { .who = '<', .hex = "000004 01 05 00000005 88 c0 bf be" },
	    { .who = '>', .hex = "000017 01 05 00000007 " CALL "be" },
	    { .who = '<', .hex = "000010 01 05 00000007 " STATUS("02", "12") } },
	  "grpc POST /shop.Items/Get 0 MC 82-114@3-3 76-89@4-4\n"
	  "grpc POST /shop.Items/Get 0 MC 114-146@5-5 89-102@6-6\n"
	  "grpc POST /shop.Items/Get 12 FC 'UNIMPLEMENTED' 146-178@7-7 102-127@8-8\n"
	  "grpc POST /shop.Items/Get 0 UMC 33-82@1-1\n" },
	{ "fields of a request were lost: whether a later one is gRPC is not known, nor what its status means",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING },
	    { .who = '<', .hex = SETTINGS "00003a 01 05 00000001 88 " GRPC STATUS("02", "12") MESSAGE },
	    { .who = 'i', .hex = "000028 01 05 00000001 " CALL GRPC },
	    { .who = '>', .hex = "000017 01 05 00000003 " CALL "be" },
	    { .who = 'o', .hex = "000001 01 04 00000021 88" },
	    { .who = '<', .hex = SETTINGS },
	    { .who = '>', .hex = "000017 01 05 00000005 " CALL "be" },
	    { .who = '<', .hex = "000004 01 05 00000005 88 c0 bf be" } },
	  "grpc   12 FAC 'UNIMPLEMENTED: no way' 9-76@2-2\n"
	  "http2 POST /shop.Items/Get 200 MC 114-146@7-7 95-108@8-8\n"
	  "http2 POST /shop.Items/Get 0 UMC 82-114@4-4\n" },
	{ "the response may have been in what was lost: nobody says that there was none",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000011 01 05 00000001 " ASK_1 },
	    { .who = '<', .hex = SETTINGS "000001 01 05 00000001 88" },
	    { .who = 'o', .hex = "000001 01 04 00000021 88" },
	    { .who = '<', .hex = "ffffff ffffff" },
	    { .who = '>', .hex = "00000c 01 05 00000003 " ASK_2 },
	    { .who = '<', .hex = "ffffff ffffff" } },
	  "http2 GET / 200 C (www.example.com) 33-59@1-1 9-19@2-2\n"
	  "http2 GET / 0 UMC (www.example.com) 59-80@5-5\n" },
};

/* What no peer may say. */
static const struct case_ hostile_cases[] = {
	{ "more padding than frame (section 6.1)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000003 01 0d 00000001 ff 82 84" }, { .who = '<', .hex = SETTINGS } },
	  "tcp   0 TAC 0-9@2-2\n" },
	{ "settings of five bytes (section 6.5)",
	  { .joined = 0 },
	  { { .who = '>', .hex = PREFACE "000005 04 00 00000000 0000000000" }, { .who = '<', .hex = SETTINGS } },
	  "tcp   0 TAC 0-9@2-2\n" },
	{ "a continuation of nothing, and one of another stream (section 6.10)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "000001 09 04 00000001 82 000002 01 00 00000003 8284" },
	    { .who = '>', .hex = "000001 09 04 00000005 86" },
	    { .who = '<', .hex = SETTINGS "000001 01 05 00000003 88" } },
	  "http2   200 AC 9-19@3-3\n"
	  "http2 GET  0 UMC 33-64@1-2\n" },
	{ "a number without an end, and an index that no table has (RFC 7541, sections 5.1 and 2.3.3)",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "00000a 01 05 00000001 82 7f ffffffffffffffff" },
	    { .who = '<', .hex = SETTINGS "000003 01 05 00000001 ffe001" },
	    { .who = '>', .hex = "000003 01 05 00000003 828486" },
	    { .who = '<', .hex = "000001 01 05 00000003 88" } },
	  "http2 GET  0 MC 33-52@1-1 9-21@2-2\n"
	  "http2 GET / 200 C 52-64@3-3 21-31@4-4\n" },
	{ "a block of fields of 16 MiB that never comes",
	  { .joined = 0 },
	  { { .who = '>', .hex = OPENING "ffffff 01 05 00000001 828486" }, { .who = '<', .hex = SETTINGS } },
	  "" },
};

static void http(void **state)
{
	(void)state;
	run_all(http_cases, ARRAY_LEN(http_cases));
}

static void grpc(void **state)
{
	(void)state;
	run_all(grpc_cases, ARRAY_LEN(grpc_cases));
}

static void hostile(void **state)
{
	(void)state;
	run_all(hostile_cases, ARRAY_LEN(hostile_cases));
}

static void spoiled(void **state)
{
	(void)state;
	run_spoiled(http_cases, ARRAY_LEN(http_cases));
	run_spoiled(grpc_cases, ARRAY_LEN(grpc_cases));
	run_spoiled(hostile_cases, ARRAY_LEN(hostile_cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http),
		cmocka_unit_test(grpc),
		cmocka_unit_test(hostile),
		cmocka_unit_test(spoiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
