/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ClientHello of RFC 8448, section 3, and others made as RFC 8446 (section 4.1.2), RFC 6066 (names), RFC 7301 (ALPN) and RFC
 * 8701 (values that are to be ignored) say.  What real clients say is in tests/e2e/proto_wire.sh.
 */
#include "proto/conversation_testing.h"

/* 201 bytes, in three parts */
#define HELLO_1                                                                                                \
	"160301 00c4 01 0000c0 0303 cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7 00 0006 " \
	"130113031302 0100 0091 "
#define HELLO_2                                                                                                     \
	"0000 000b 0009 00 0006 'server' ff01 0001 00 000a 0014 0012 001d 0017 0018 0019 0100 0101 0102 0103 0104 " \
	"0023 0000 "
#define HELLO_3                                                                                                       \
	"0033 0026 0024 001d 0020 99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c 002b 0003 02 0304" \
	"000d 0020 001e 0403 0503 0603 0203 0804 0805 0806 0401 0501 0601 0201 0402 0502 0602 0202 002d 0002 01 01 "  \
	"001c 0002 4001"
#define HELLO HELLO_1 HELLO_2 HELLO_3
#define SERVER_HELLO "160303 005a 02 000056 0303" /* 11 of 95 bytes */
#define DATA "170303 0005 0102030405 "		  /* 10 bytes */

/* With these extensions behind their length; and the lengths of the record and of the message */
#define WITH(record, message, extensions) \
	"160301 " record " 01 " message   \
	" 0303 0000000000000000000000000000000000000000000000000000000000000000 00 0002 1301 0100 " extensions

static const struct case_ cases[] = {
	{ "the hello of RFC 8448, and turns behind it",
	  { .joined = 0 },
	  { { .who = '>', .hex = HELLO },
	    { .who = '<', .hex = SERVER_HELLO, .more = 84 },
	    { .who = '>', .hex = DATA },
	    { .who = '<', .hex = DATA DATA } },
	  "tls HELLO TLS 1.3 0 TCE (server) 0-201@1-1 0-95@2-2\n"
	  "tls   0 TCE (server) 201-211@3-3 95-115@4-4\n" },
	{ "in three pieces, seen by the server",
	  { .not_client = 1 },
	  { { .who = '<', .hex = HELLO_1 },
	    { .who = '<', .hex = HELLO_2 },
	    { .who = '<', .hex = HELLO_3 },
	    { .who = '>', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 1.3 0 TE (server) 0-201@1-3 0-95@4-4\n" },
	{ "what will be spoken, and versions, of which one is to be ignored",
	  { .joined = 0 },
	  { { .who = '>',
	      .hex = WITH("004e", "00004a",
			  "001f 0010 000e 000c 02'h2' 08'http/1.1' 002b 0009 08 7a7a 0303 0302 0301") },
	    { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 1.2 h2,http/1.1 0 TCE 0-83@1-1 0-95@2-2\n" },
	{ "no extensions: the version is where it always was",
	  { .joined = 0 },
	  { { .who = '>', .hex = WITH("002d", "000029", "") }, { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 1.2 0 TCE 0-50@1-1 0-95@2-2\n" },
	{ "a part of it was not kept: a version may have been in it, and it is not told",
	  { .joined = 0 },
	  { { .who = '>', .hex = HELLO_1 HELLO_2, .more = 97 }, { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 0 TMCE (server) 0-201@1-1 0-95@2-2\n" },
	{ "joined in the middle: turns",
	  { .joined = 1000 },
	  { { .who = '>', .hex = DATA },
	    { .who = '<', .hex = DATA },
	    { .who = '>', .hex = DATA },
	    { .who = '<', .hex = DATA } },
	  "tls   0 TMCE 1000-1010@1-1 1000-1010@2-2\n"
	  "tls   0 TCE 1010-1020@3-3 1010-1020@4-4\n" },
	{ "pieces are lost: the turns are flagged",
	  { .joined = 0 },
	  { { .who = '>', .hex = HELLO },
	    { .who = '<', .hex = SERVER_HELLO, .more = 84 },
	    { .who = '>', .hex = DATA },
	    { .who = '<', .hex = DATA },
	    { .who = 'i', .hex = DATA },
	    { .who = '<', .hex = DATA },
	    { .who = '>', .hex = DATA },
	    { .who = '<', .hex = DATA } },
	  "tls HELLO TLS 1.3 0 TCE (server) 0-201@1-1 0-95@2-2\n"
	  "tls   0 TMCE (server) 201-211@3-3 95-115@4-6\n"
	  "tls   0 TMCE (server) 221-231@7-7 115-125@8-8\n" },
};

/* What no client says. */
static const struct case_ hostile_cases[] = {
	{ "an extension that is longer than the message, a list longer than its extension, a name longer than its list",
	  { .joined = 0 },
	  { { .who = '>', .hex = WITH("0042", "00003e", "0013 0000 0007 ffff 00 ffff 'ab' 0010 ffff ffff ff 'x'") },
	    { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 1.2 x 0 TCE (ab) 0-71@1-1 0-95@2-2\n" },
	{ "lists of nothing, a name that is no text",
	  { .joined = 0 },
	  { { .who = '>',
	      .hex = WITH("0047", "000043", "0018 0010 0003 0001 00 002b 0001 00 0000 0008 0006 00 0003 00ff0a") },
	    { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 1.2 0 TCE (?\?\?) 0-76@1-1 0-95@2-2\n" },
	{ "a message of five bytes, of which all says that there are more",
	  { .joined = 0 },
	  { { .who = '>', .hex = "160301 0005 01 ffffff 03" }, { .who = '<', .hex = SERVER_HELLO, .more = 84 } },
	  "tls HELLO TLS 0 TCE 0-10@1-1 0-95@2-2\n" },
	{ "a record of no length, one of more than may be",
	  { .joined = 0 },
	  { { .who = '>', .hex = "160301 0000" }, { .who = '<', .hex = "160303 ffff 02" } },
	  "tcp   0 TC 0-5@1-1 0-6@2-2\n" },
};

static void documented(void **state)
{
	(void)state;
	run_all(cases, ARRAY_LEN(cases));
}

static void hostile(void **state)
{
	(void)state;
	run_all(hostile_cases, ARRAY_LEN(hostile_cases));
}

static void spoiled(void **state)
{
	(void)state;
	run_spoiled(cases, ARRAY_LEN(cases));
	run_spoiled(hostile_cases, ARRAY_LEN(hostile_cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documented),
		cmocka_unit_test(hostile),
		cmocka_unit_test(spoiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
