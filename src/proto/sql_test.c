/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proto/sql.h"

#define PG SQL_POSTGRESQL
#define MY SQL_MYSQL

struct row {
	enum sql_dialect dialect;
	const char *text, *operation, *resource;
};

static const struct row rows[] = {
	{ PG, "", "", "" },
	{ PG, "SELECT 1", "SELECT", "SELECT ?" },
	{ PG, "select * from t where id = $1", "SELECT", "select * from t where id = ?" },
	{ PG, "select * from t where id=42;", "SELECT", "select * from t where id=?" },
	{ PG, "  select\n\t*  from\r\n t ; ", "SELECT", "select * from t" },
	{ PG, "update t set a = 'it''s', b = -5 where c > -1.5e+10", "UPDATE",
	  "update t set a = ?, b = ? where c > ?" },
	{ PG, "select a -1, b-2, c - 3", "SELECT", "select a -?, b-?, c - ?" },
	{ PG, "set a = a + -5, b = a-+3 where c between -1 and -2", "SET",
	  "set a = a + ?, b = a-? where c between ? and ?" },
	{ PG, "select -1, (-2), e - 3 limit -4", "SELECT", "select ?, (?), e - ? limit ?" },
	{ PG, "select * from t where id in (1, 2,3, 'x')", "SELECT", "select * from t where id in (?)" },
	{ PG, "insert into t values (1, 'a'), (2, 'b'),\n (3, 'c')", "INSERT", "insert into t values (?)" },
	{ PG, "insert into t values (1, now(), 2)", "INSERT", "insert into t values (?, now(), ?)" },
	{ PG, "select ARRAY[1,2,3], f(1, 2)", "SELECT", "select ARRAY[?], f(?)" },
	{ PG, "select repeat('a', 2 * 3, 4), f(1), (2), (3)", "SELECT", "select repeat(?, ? * ?, ?), f(?), (?)" },
	{ PG, "insert into t values(1,2),(3 , 4)", "INSERT", "insert into t values(?)" },
	{ PG, "select 1, 2", "SELECT", "select ?, ?" },
	{ PG, "/* a /* nested */ comment */ select 1 -- the end", "SELECT", "select ?" },
	{ PG, "select--none\n1", "SELECT", "select ?" },
	{ PG, "select 'a\\', \"Name\", E'a\\'b', $$it's$$, $x$a$$b$x$, U&'d', x'1f'", "SELECT",
	  "select ?, \"Name\", ?, ?, ?, ?, ?" },
	{ PG, "select t1.c2, j->>'k', j #> '{a}' from t1", "SELECT", "select t1.c2, j->>?, j #> ? from t1" },
	{ PG, "(select 1) union (select 2)", "SELECT", "(select ?) union (select ?)" },
	{ PG, "BEGIN", "BEGIN", "BEGIN" },
	{ PG, "begin; select 1; commit", "BEGIN", "begin; select ?; commit" },
	{ PG, "select 0x1F, 1_000, .5, 1.", "SELECT", "select ?, ?, ?, ?" },
	{ PG, "select * from gr\303\266\303\237e", "SELECT", "select * from gr\303\266\303\237e" },
	{ PG, "select \377 \001", "SELECT", "select _" },
	{ MY, "select \"it\\\"s\", 'a\\'b', `na me`, _utf8'x', N'y'", "SELECT", "select ?, ?, `na me`, ?, ?" },
	{ MY, "select 1 # the end\n, 2", "SELECT", "select ? , ?" },
	{ MY, "select 5--1", "SELECT", "select ?-?" },
	{ MY, "/*!40101 SET NAMES utf8 */", "SET", "SET NAMES utf8" },
	{ MY, "select @@version_comment limit 1", "SELECT", "select @@version_comment limit ?" },
	{ MY, "select $a, 1e3, a1 from `t`", "SELECT", "select $a, ?, a1 from `t`" },
};

static void test_table(void **state)
{
	char operation[PROTO_OPERATION], resource[PROTO_RESOURCE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		sql_normalise(rows[i].dialect, rows[i].text, strlen(rows[i].text), false, operation, resource);
		assert_string_equal(resource, rows[i].resource);
		assert_string_equal(operation, rows[i].operation);
	}
}

/* Beginnings: half a word, half a literal; and statements for which there is no room. */
static void test_cut(void **state)
{
	char operation[PROTO_OPERATION], resource[PROTO_RESOURCE], text[2000] = "select ";
	size_t i;

	(void)state;
	sql_normalise(PG, "select a from tabl", 18, true, operation, resource);
	assert_string_equal(resource, "select a from...");
	sql_normalise(PG, "select 'abc", 11, true, operation, resource);
	assert_string_equal(resource, "select ?...");
	sql_normalise(PG, "sel", 3, true, operation, resource);
	assert_string_equal(operation, "");
	assert_string_equal(resource, "");
	for (i = 7; i < sizeof(text) - 1; i++)
		text[i] = i % 8 ? 'a' : ' ';
	sql_normalise(PG, text, sizeof(text) - 1, false, operation, resource);
	assert_int_equal(strlen(resource), PROTO_RESOURCE - 1);
	assert_memory_equal(resource, text, PROTO_RESOURCE - 4);
	assert_string_equal(resource + PROTO_RESOURCE - 4, "...");
	/* a long list is one */
	for (i = 0; i < 999; i++)
		memcpy(text + 2 * i, i ? ",1" : "(1", 2);
	text[1998] = ')';
	sql_normalise(PG, text, 1999, false, operation, resource);
	assert_string_equal(resource, "(?)");
}

/* As in the specification of sqlcommenter. */
static void test_comment(void **state)
{
	static const char text[] = "SELECT * FROM FOO /*action='%2Fparam*d',"
				   "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/";
	char value[64];

	(void)state;
	assert_true(sql_comment_value(text, strlen(text), "traceparent", value, sizeof(value)));
	assert_string_equal(value, "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01");
	assert_false(sql_comment_value(text, strlen(text), "parent", value, sizeof(value)));
	assert_false(sql_comment_value(text, strlen(text) - 10, "traceparent", value, sizeof(value)));
	assert_false(sql_comment_value("select '/*a=''b''*/'", 20, "a", value, sizeof(value)));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_comment),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
