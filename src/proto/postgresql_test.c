/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages as PostgreSQL's manual lays them out ("Message Formats" and "Message Flow" of its Frontend/Backend Protocol), and what is
 * left of them when pieces are lost.  What real servers say is in tests/e2e/proto_wire.sh.
 */
#include "proto/conversation_testing.h"

#define STARTUP "00000020 00030000 'user'00 'pam'00 'database'00 'shop'00 00 " /* 32 bytes */
#define AUTH_OK "'R' 00000008 00000000 "
#define PARAMETER "'S' 00000016 'server_version'00 '15'00 "
#define KEY "'K' 0000000c 00000001 00000002 "
#define READY "'Z' 00000005 'I' "	    /* 6 */
#define QUERY "'Q' 0000000e 'select 17'00 " /* 15 */
#define ROWS                                                                                 \
	"'T' 00000021 0001 '?column?'00 00000000 0000 00000017 0004 ffffffff 0000 " /* 34 */ \
	"'D' 0000000c 0001 00000002 '17' "					    /* 13 */
#define COMPLETE "'C' 0000000d 'SELECT 1'00 "					    /* 14 */
#define ERROR "'E' 0000001c 'SERROR'00 'C22012'00 'Mno zero'00 00 "

#define PARSE "'P' 00000018 's1'00 'select $1::int'00 0000 " /* 25 */
#define BIND "'B' 00000013 00 's1'00 0000 0001 00000001 '7' 0000 "
#define DESCRIBE "'D' 00000006 'P' 00 "
#define EXECUTE "'E' 00000009 00 00000000 "
#define SYNC "'S' 00000004 "
#define PARSED "'1' 00000004 "
#define BOUND "'2' 00000004 "
#define PARSE_UNNAMED "'P' 0000001a 00 'select 1 / $1::int'00 0000 " /* 27 */
#define BIND_UNNAMED "'B' 00000011 00 00 0000 0001 00000001 '0' 0000 "

static const struct case_ cases[] = {
	{ "who connects, a query, one that fails",
	  { .joined = 0 },
	  { { .who = '>', .hex = STARTUP },
	    { .who = '<', .hex = AUTH_OK PARAMETER KEY READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ERROR READY },
	    { .who = '>', .hex = "'X' 00000004" } },
	  "postgresql STARTUP user pam, database shop 0 C (shop) 0-32@1-1 0-51@2-2\n"
	  "postgresql SELECT select ? 0 C (shop) 32-47@3-3 51-118@4-4\n"
	  "postgresql SELECT select ? 0 FC '22012 no zero' (shop) 47-62@5-5 118-153@6-6\n" },
	{ "a password is asked for; notices and changed parameters answer nothing",
	  { .not_client = 1 },
	  { { .who = '<', .hex = STARTUP },
	    { .who = '>', .hex = "'R' 0000000c 00000005 01020304" },
	    { .who = '<', .hex = "'p' 00000008 'md5'00" },
	    { .who = '>', .hex = AUTH_OK KEY READY },
	    { .who = '<', .hex = QUERY },
	    { .who = '>', .hex = "'N' 0000000d 'SNOTICE'00 00" },
	    { .who = '>', .hex = "'D' 0000000c 0001 00000002 '17'" PARAMETER COMPLETE READY },
	    { .who = '>', .hex = "'A' 0000000f 00000001 'c'00 'hello'00" } },
	  "postgresql STARTUP user pam, database shop 0  (shop) 0-32@1-1 13-41@4-4\n"
	  "postgresql SELECT select ? 0  (shop) 41-56@5-5 55-111@7-7\n" },
	{ "the extended protocol: prepared and executed, executed again by its name, closed",
	  { .joined = 500 },
	  { { .who = '>', .hex = PARSE BIND DESCRIBE EXECUTE SYNC },
	    { .who = '<', .hex = PARSED BOUND ROWS COMPLETE READY },
	    { .who = '>', .hex = BIND EXECUTE SYNC },
	    { .who = '<', .hex = BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE READY },
	    { .who = '>', .hex = "'C' 00000008 'Ss1'00" SYNC },
	    { .who = '<', .hex = "'3' 00000004" READY } },
	  "postgresql SELECT select ?::int 0 MC 500-567@1-1 500-577@2-2\n"
	  "postgresql SELECT select ?::int 0 C 567-602@3-3 577-615@4-4\n"
	  "postgresql CLOSE select ?::int 0 C 602-616@5-5 615-626@6-6\n" },
	{ "pipelined: what stands behind an error up to the Sync is not done",
	  { .joined = 500 },
	  { { .who = '>', .hex = PARSE BIND EXECUTE PARSE_UNNAMED BIND_UNNAMED EXECUTE BIND EXECUTE SYNC },
	    { .who = '<', .hex = PARSED BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE PARSED BOUND ERROR READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY } },
	  "postgresql SELECT select ?::int 0 MC 500-555@1-1 500-537@2-2\n"
	  "postgresql SELECT select ? / ?::int 0 FMC '22012 no zero' 555-610@1-1 537-576@2-2\n"
	  "postgresql SELECT select ?::int 0 FMC 'not done: a statement before it failed' 610-645@1-1 576-582@2-2\n"
	  "postgresql SELECT select ? 0 C 645-660@3-3 582-649@4-4\n" },
	{ "COPY: the client's data are no requests",
	  { .joined = 500 },
	  { { .who = '>', .hex = "'Q' 00000016 'copy t from stdin'00" },
	    { .who = '<', .hex = "'G' 00000009 00 0001 0000" },
	    { .who = '>', .hex = "'d' 00000008 'a' 09 'b' 0a" },
	    { .who = '>', .hex = "'c' 00000004" },
	    { .who = '<', .hex = "'C' 0000000b 'COPY 1'00" READY } },
	  "postgresql COPY copy t from stdin 0 MC 500-523@1-1 500-528@2-5\n" },
	{ "no TLS; a query of another connection is cancelled",
	  { .joined = 0 },
	  { { .who = '>', .hex = "00000008 04d2162f" },
	    { .who = '<', .hex = "'N'" },
	    { .who = '>', .hex = "00000010 04d2162e 00000001 00000002" } },
	  "postgresql SSLREQUEST  0 C 0-8@1-1 0-1@2-2\n"
	  "postgresql CANCEL  0 OC 8-24@3-3\n" },
	{ "a message in many pieces",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "'T' 0000" },
	    { .who = '<', .hex = "0021 0001 '?column?'00 00000000 0000 00000017 0004 ffffffff 00" },
	    { .who = '<', .hex = "00 'D' 0000000c 0001 00000002 '17'" COMPLETE "'Z' 00" },
	    { .who = '<', .hex = "000005 'I'" },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY } },
	  "postgresql SELECT select ? 0 MC 500-515@1-1 500-567@2-5\n"
	  "postgresql SELECT select ? 0 C 515-530@6-6 567-634@7-7\n" },
};

/* What is not known for certain has its flag. */
static const struct case_ lost_cases[] = {
	{ "what prepared it was lost",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY },
	    { .who = 'i', .hex = PARSE DESCRIBE SYNC },
	    { .who = '<', .hex = PARSED "'t' 0000000a 0001 00000017" READY },
	    { .who = '>', .hex = BIND EXECUTE SYNC },
	    { .who = '<', .hex = BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY },
	    { .who = '>', .hex = BIND EXECUTE SYNC },
	    { .who = '<', .hex = BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ERROR READY } },
	  "postgresql SELECT select ? 0 MC 500-515@1-1 500-567@2-2\n"
	  "postgresql   0 AMC 567-589@4-4\n"
	  "postgresql SELECT  0 MC 552-587@5-5 589-627@6-6\n"
	  "postgresql SELECT select ? 0 MC 587-602@7-7 627-694@8-8\n"
	  "postgresql SELECT  0 MC 602-637@9-9 694-732@10-10\n"
	  "postgresql SELECT select ? 0 FC '22012 no zero' 637-652@11-11 732-767@12-12\n" },
	{ "an answer and the next query were lost",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY },
	    { .who = '>', .hex = "'Q' 0000000d 'select a'00" },
	    { .who = 'o', .hex = ROWS COMPLETE READY },
	    { .who = 'i', .hex = "'Q' 0000000d 'select b'00" },
	    { .who = '<', .hex = ERROR READY },
	    { .who = '>', .hex = "'Q' 0000000d 'select c'00" },
	    { .who = '<', .hex = ROWS COMPLETE READY } },
	  "postgresql SELECT select ? 0 MC 500-515@1-1 500-567@2-2\n"
	  "postgresql SELECT select a 0 MC 515-529@3-3 634-669@6-6\n"
	  "postgresql SELECT select c 0 MC 543-557@7-7 669-736@8-8\n" },
	{ "of a statement only the beginning was kept, and more may have been behind it",
	  { .joined = 0 },
	  { { .who = '>', .hex = STARTUP },
	    { .who = '<', .hex = AUTH_OK KEY READY },
	    { .who = '>', .hex = PARSE "'D'", .more = 11 },
	    { .who = '<', .hex = PARSED "'t' 0000000a 0001 00000017" READY },
	    { .who = '>', .hex = BIND EXECUTE, .more = 5 },
	    { .who = '<', .hex = BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE READY },
	    { .who = '>', .hex = BIND EXECUTE, .more = 95 },
	    { .who = '<', .hex = BOUND "'D' 0000000c 0001 00000002 '17'" COMPLETE, .more = 100 },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "'E' 0000001c 'SERROR'00 'C22012'00 'Mno'", .more = 12 } },
	  "postgresql STARTUP user pam, database shop 0 C (shop) 0-32@1-1 0-28@2-2\n"
	  "postgresql SELECT select ?::int 0 MC (shop) 32-69@3-3 28-50@4-4\n"
	  "postgresql SELECT select ?::int 0 C (shop) 69-104@5-5 50-88@6-6\n"
	  "postgresql SELECT select ?::int 0 MC (shop) 104-229@7-7 88-220@8-8\n"
	  "postgresql SELECT select ? 0 FMC '22012 no' (shop) 229-244@9-9 220-254@10-10\n" },
	{ "the database was not kept: it is not the one of what follows, nor is it the user's",
	  { .joined = 0 },
	  { { .who = '>', .hex = "00000020 00030000 'user'00 'pam'00 'databa'", .more = 9 },
	    { .who = '<', .hex = AUTH_OK KEY READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY } },
	  "postgresql STARTUP user pam, database  0 MC 0-32@1-1 0-28@2-2\n"
	  "postgresql SELECT select ? 0 C 32-47@3-3 28-95@4-4\n" },
	{ "the connection ended in the middle of an answer",
	  { .joined = 0 },
	  { { .who = '>', .hex = STARTUP },
	    { .who = '<', .hex = AUTH_OK KEY READY },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS } },
	  "postgresql STARTUP user pam, database shop 0 C (shop) 0-32@1-1 0-28@2-2\n"
	  "postgresql SELECT select ? 0 MC (shop) 32-47@3-3 28-75@4-4\n" },
};

/* What no server and no client says. */
static const struct case_ hostile_cases[] = {
	{ "a query of 2 GiB, an answer of 4 GiB",
	  { .joined = 0 },
	  { { .who = '>', .hex = STARTUP },
	    { .who = '<', .hex = AUTH_OK READY },
	    { .who = '>', .hex = "'Q' 7fffffff 'select'" },
	    { .who = '<', .hex = "'T' ffffffff" } },
	  "postgresql STARTUP user pam, database shop 0 C (shop) 0-32@1-1 0-15@2-2\n" },
	{ "strings that do not end, fields that are not there",
	  { .joined = 500 },
	  { { .who = '>', .hex = "'P' 00000006 'ab' 'B' 00000005 'x' 'E' 00000005 'y'" SYNC },
	    { .who = '<', .hex = "'E' 00000005 'C' 'Z' 00000005 'I'" },
	    { .who = '>', .hex = "'Q' 00000005 'x' 'D' 00000005 'S'" SYNC },
	    { .who = '<', .hex = "'R' 00000005 00 'C' 00000005 'S'" READY } },
	  "postgresql   0 FMC ' ' 500-524@1-1 500-512@2-2\n"
	  "postgresql X x 0 C 524-530@3-3 518-530@4-4\n"
	  "postgresql DESCRIBE  0 UMC 530-541@3-3\n" },
	{ "a letter of nobody's, a length of three",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ROWS COMPLETE READY },
	    { .who = '>', .hex = "'q' 00000004 'Q' 00000003" },
	    { .who = '<', .hex = "00 00000004" } },
	  "postgresql SELECT select ? 0 MC 500-515@1-1 500-567@2-2\n" },
};

static void documented(void **state)
{
	(void)state;
	run_all(cases, ARRAY_LEN(cases));
}

static void lost(void **state)
{
	(void)state;
	run_all(lost_cases, ARRAY_LEN(lost_cases));
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
	run_spoiled(lost_cases, ARRAY_LEN(lost_cases));
	run_spoiled(hostile_cases, ARRAY_LEN(hostile_cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documented),
		cmocka_unit_test(lost),
		cmocka_unit_test(hostile),
		cmocka_unit_test(spoiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
