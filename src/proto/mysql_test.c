/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The example packets of MySQL's documentation ("Client/Server Protocol" in the manual of its internals), and what is left of
 * them when pieces are lost.  What real servers say is in tests/e2e/proto_wire.sh.
 */
#include "proto/conversation_testing.h"

/* The server's greeting (58 bytes), and pam's answer, to the database test (88) */
#define GREETING                                                                                           \
	"360000 00 0a '5.5.2-m2' 00 0b000000 6476484049 2d434a 00 fff7 08 0200 00000000000000000000000000" \
	"2a34647c635a776b345e5d3a 00 "
#define CONNECT                                                                                  \
	"540000 01 8da60f00 00000001 08 0000000000000000000000000000000000000000000000 'pam' 00" \
	"14 ab09eef6bcb1323e61143865c0991d957d75d447 'test' 00 'mysql_native_password' 00 "
#define OK(n) "070000 " n " 00 00 00 0200 0000 "							  /* 11 bytes */
#define EOF_(n) "050000 " n " fe 0000 0200 "								  /* 9 */
#define QUERY "210000 00 03 'select @@version_comment limit 1' "					  /* 37 */
#define COLUMN "270000 02 03'def' 00 00 00 11'@@version_comment' 00 0c 0800 1c000000 fd 0000 1f 0000 "	  /* 43 */
#define RESULT "010000 01 01 " COLUMN EOF_("03") "1d0000 04 1c'MySQL Community Server (GPL)' " EOF_("05") /* 99 */
#define ERROR "170000 01 ff 4804 '#HY000No tables used' "						  /* 27 */
#define PREPARE "1c0000 00 16 'SELECT CONCAT(?, ?) AS col1' "						  /* 32 */
#define PARAMETER(n) "170000 " n " 03'def' 00 00 00 01'?' 00 0c 3f00 00000000 fd 8000 00 0000 "
#define PREPARED                                                                                              \
	"0c0000 01 00 01000000 0100 0200 00 0000 " PARAMETER("02") PARAMETER("03") EOF_("04") /* 118 bytes */ \
		"1a0000 05 03'def' 00 00 00 04'col1' 00 0c 3f00 00000000 fd 8000 1f 0000 " EOF_("06")
#define EXECUTE "180000 00 17 01000000 00 01000000 00 01 0f00 0f00 03'foo' 03'bar' " /* 28 */
#define ROWS                                                                                          \
	"010000 01 01 1a0000 02 03'def' 00 00 00 04'col1' 00 0c 0800 06000000 fd 0000 1f 0000 " EOF_( \
		"03") "090000 04 00 00 06'foobar' " EOF_("05") /* 66 */
#define CLOSE "050000 00 19 01000000 "

static const struct case_ cases[] = {
	{ "who connects, a query, an error, and the end",
	  { .joined = 0 },
	  { { .who = '<', .hex = GREETING },
	    { .who = '>', .hex = CONNECT },
	    { .who = '<', .hex = OK("02") },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = RESULT },
	    { .who = '>', .hex = "090000 00 03 'select *'" },
	    { .who = '<', .hex = ERROR },
	    { .who = '>', .hex = "010000 00 0e" },
	    { .who = '<', .hex = OK("01") },
	    { .who = '>', .hex = "050000 00 02 'test'" },
	    { .who = '<', .hex = OK("01") },
	    { .who = '>', .hex = "010000 00 01" } },
	  "mysql CONNECT user pam, database test 0 C (test) 0-88@2-2 58-69@3-3\n"
	  "mysql SELECT select @@version_comment limit ? 0 C (test) 88-125@4-4 69-168@5-5\n"
	  "mysql SELECT select * 1096 FC 'HY000 No tables used' (test) 125-138@6-6 168-195@7-7\n"
	  "mysql PING  0 C (test) 138-143@8-8 195-206@9-9\n"
	  "mysql INIT_DB test 0 C (test) 143-152@10-10 206-217@11-11\n"
	  "mysql QUIT  0 OC (test) 152-157@12-12\n" },
	{ "a statement is prepared, executed and closed",
	  { .not_client = 1, .joined = 500 },
	  { { .who = '<', .hex = PREPARE },
	    { .who = '>', .hex = PREPARED },
	    { .who = '<', .hex = EXECUTE },
	    { .who = '>', .hex = ROWS },
	    { .who = '<', .hex = CLOSE QUERY },
	    { .who = '>', .hex = RESULT } },
	  "mysql PREPARE SELECT CONCAT(?) AS col1 0 M 500-532@1-1 500-618@2-2\n"
	  "mysql SELECT SELECT CONCAT(?) AS col1 0  532-560@3-3 618-684@4-4\n"
	  "mysql CLOSE SELECT CONCAT(?) AS col1 0 O 560-569@5-5\n"
	  "mysql SELECT select @@version_comment limit ? 0  569-606@5-5 684-783@6-6\n" },
	{ "the rows in pieces, the header of a packet cut, too",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "01" },
	    { .who = '<', .hex = "0000 01 01 " COLUMN EOF_("03") "1d0000 04 1c" },
	    { .who = '<', .hex = "'MySQL Community Server (GPL)' 05 00 00" },
	    { .who = '<', .hex = "05 fe 0000 0200" },
	    { .who = '>', .hex = "010000 00 0e" },
	    { .who = '<', .hex = OK("01") } },
	  "mysql SELECT select @@version_comment limit ? 0 MC 500-537@1-1 500-599@2-5\n"
	  "mysql PING  0 C 537-542@6-6 599-610@7-7\n" },
	{ "two results (SERVER_MORE_RESULTS_EXISTS), a file of the client",
	  { .joined = 500 },
	  { { .who = '>', .hex = "0c0000 00 03 'do 1; do 2'00" },
	    { .who = '<', .hex = "070000 01 00 00 00 0a00 0000 070000 02 00 00 00 0200 0000" },
	    { .who = '>', .hex = "290000 00 03 'load data local infile ? into table t   '" },
	    { .who = '<', .hex = "0c0000 01 fb '/etc/passwd'" },
	    { .who = '>', .hex = "050000 02 'a:b' 0d0a 000000 03" },
	    { .who = '<', .hex = OK("04") } },
	  "mysql DO do ?; do ? 0 MC 500-516@1-1 500-522@2-2\n"
	  "mysql LOAD load data local infile ? into table t 0 C 516-561@3-3 522-549@4-6\n" },
	{ "TLS is asked for",
	  { .joined = 0 },
	  { { .who = '<',
	      .hex = "360000 00 0a '5.5.2-m2' 00 0b000000 6476484049 2d434a 00 ffff 08 0200"
		     "00000000000000000000000000 2a34647c635a776b345e5d3a 00" },
	    { .who = '>', .hex = "200000 01 8dae0f00 00000001 08 0000000000000000000000000000000000000000000000" },
	    { .who = '>', .hex = "160301 0004 01000000" } },
	  "mysql SSLREQUEST  0 OC 0-36@2-2\n"
	  "tls HELLO TLS 0 TUCE 36-45@3-3\n" },
	/* Each answer is that of the command before it, or flagged: the numbers of the packets tell when it is not. */
	{ "a command was lost, and the next one cannot be read",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = RESULT },
	    { .who = 'i', .hex = PREPARE },
	    { .who = '<', .hex = PREPARED },
	    { .who = '>', .hex = "180000 00 17 0100" },
	    { .who = '>', .hex = "0000 00 01000000 00 01 0f00 0f00 03'foo' 03'bar'" },
	    { .who = '<', .hex = ROWS },
	    { .who = '>', .hex = CLOSE PREPARE },
	    { .who = '<', .hex = PREPARED },
	    { .who = '>', .hex = EXECUTE },
	    { .who = '<', .hex = ROWS },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = ERROR },
	    { .who = '>', .hex = "010000 00 0e" },
	    { .who = '<', .hex = OK("01") } },
	  "mysql SELECT select @@version_comment limit ? 0 MC 500-537@1-1 500-599@2-2\n"
	  "mysql   0 AMC 599-615@4-4\n"
	  "mysql   0 TMC 569-597@5-6 717-783@7-7\n"
	  "mysql CLOSE  0 MOC 597-606@8-8\n"
	  "mysql PREPARE SELECT CONCAT(?) AS col1 0 MC 606-638@8-8 783-901@9-9\n"
	  "mysql SELECT SELECT CONCAT(?) AS col1 0 C 638-666@10-10 901-967@11-11\n"
	  "mysql SELECT select @@version_comment limit ? 1096 FC 'HY000 No tables used' 666-703@12-12 967-994@13-13\n"
	  "mysql PING  0 C 703-708@14-14 994-1005@15-15\n" },
	{ "a command and the last packets of its answer were lost",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "010000 01 01 " COLUMN EOF_("03") },
	    { .who = 'o', .hex = "1d0000 04 1c'MySQL Community Server (GPL)' " EOF_("05") },
	    { .who = 'i', .hex = "090000 00 03 'select *'" },
	    { .who = '<', .hex = ERROR },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = RESULT },
	    { .who = '>', .hex = "010000 00 0e" },
	    { .who = '<', .hex = OK("01") } },
	  "mysql SELECT select @@version_comment limit ? 0 MC 500-537@1-1 500-626@2-5\n"
	  "mysql SELECT select @@version_comment limit ? 0 MC 550-587@6-6 626-725@7-7\n"
	  "mysql PING  0 MC 587-592@8-8 725-736@9-9\n" },
	{ "of an error's text, and of who connects, only the beginning was kept",
	  { .joined = 0 },
	  { { .who = '<', .hex = GREETING },
	    { .who = '>',
	      .hex = "540000 01 8da60f00 00000001 08 0000000000000000000000000000000000000000000000 'pam' 00"
		     "14 ab09eef6bcb1323e61143865c0991d957d75d447 'te'",
	      .more = 25 },
	    { .who = '<', .hex = OK("02") },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "170000 01 ff 4804 '#HY000No tab'", .more = 8 },
	    { .who = '>', .hex = "010000 00 0e" },
	    { .who = '<', .hex = OK("01") } },
	  "mysql CONNECT user pam 0 MC 0-88@2-2 58-69@3-3\n"
	  "mysql SELECT select @@version_comment limit ? 1096 FMC 'HY000 No tab' 88-125@4-4 69-96@5-5\n"
	  "mysql PING  0 C 125-130@6-6 96-107@7-7\n" },
};

/* What no server and no client says. */
static const struct case_ hostile_cases[] = {
	{ "a result of 2^64 - 1 columns, one of as many definitions as can be, an error of one byte",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "090000 01 fe ffffffffffffffff 010000 02 fe" },
	    { .who = '>', .hex = PREPARE },
	    { .who = '<', .hex = "0c0000 01 00 01000000 ffff ffff 00 0000" },
	    { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = "010000 01 ff" } },
	  "mysql SELECT select @@version_comment limit ? 0 MC 500-537@1-1 500-518@2-2\n"
	  "mysql PREPARE SELECT CONCAT(?) AS col1 0 MC 537-569@3-3 518-539@4-6\n"
	  "mysql SELECT select @@version_comment limit ? 0 MC 569-606@5-5 534-539@6-6\n" },
	{ "a name that does not end, a proof that is longer than the packet",
	  { .joined = 0 },
	  { { .who = '<', .hex = GREETING },
	    { .who = '>',
	      .hex = "250000 01 8da60f00 00000001 08 0000000000000000000000000000000000000000000000"
		     "'pam' 00 ff" },
	    { .who = '<', .hex = OK("02") } },
	  "mysql CONNECT user pam 0 C 0-41@2-2 58-69@3-3\n" },
	{ "a packet of 16 MiB that never comes, an empty one, a command of none",
	  { .joined = 500 },
	  { { .who = '>', .hex = QUERY },
	    { .who = '<', .hex = RESULT },
	    { .who = '>', .hex = "000000 00 010000 00 ff" },
	    { .who = '<', .hex = "000000 01 ffffff 02 ff" } },
	  "mysql SELECT select @@version_comment limit ? 0 MC 500-537@1-1 500-599@2-2\n"
	  "mysql   0 UMC 541-546@3-3\n" },
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
