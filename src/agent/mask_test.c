/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/mask.h"
#include "base/cleanup.h"

static const struct {
	const char *in, *want;
} rows[] = {
	{ "ls -l", "ls -l" },
	{ "mysql --password=hunter2 -h db", "mysql --password=******* -h db" },
	{ "tool --token abc --verbose", "tool --token *** --verbose" },
	{ "tool --password --verbose", "tool --password --verbose" },
	{ "PGPASSWORD=x psql", "PGPASSWORD=* psql" },
	{ "curl -H 'Authorization: Bearer abcdef'", "curl -H 'Authorization: Bearer ******'" },
	{ "psql postgres://joe:s3cret@db/x", "psql postgres://joe:******@db/x" },
	{ "curl http://host:80/a@b", "curl http://host:80/a@b" },
	{ "x?api_key=1234&b=2", "x?api_key=****&b=2" },
	{ "--secret=\"a b\" c", "--secret=\"***\" c" },
	{ "passwordless login", "passwordless login" },
	{ "curl -d {\"password\":\"hunter2\",\"a\":1}", "curl -d {\"password\":\"*******\",\"a\":1}" },
	{ "sh -c \"curl -d '{\\\"password\\\":\\\"hunter2\\\"}'\"",
	  "sh -c \"curl -d '{\\\"password\\\":\\\"*******\\\"}'\"" },
	{ "curl -u joe:s3cret http://x/", "curl -u joe:****** http://x/" },
	{ "docker run -u joe img", "docker run -u joe img" },
	{ "", "" },
	/* arguments as the kernel has them; | stands for NUL */
	{ "tool|--password=a b|-v", "tool|--password=***|-v" },
	{ "tool|--password|a b|-v", "tool|--password|***|-v" },
	{ "tool|--password|--verbose", "tool|--password|--verbose" },
	{ "env|DB_PASSWORD=a b|psql", "env|DB_PASSWORD=***|psql" },
	{ "sh|-c|mysql --password=x -h db", "sh|-c|mysql --password=* -h db" },
	{ "/usr/bin/mysqldump|-ps3cret|db", "/usr/bin/mysqldump|-p******|db" },
	{ "sshpass|-p|s3 cret|ssh|host", "sshpass|-p|*******|ssh|host" },
	{ "mkdir|-parents|x", "mkdir|-parents|x" },
	{ "curl|--user=joe:s3cret|http://x/", "curl|--user=joe:******|http://x/" },
	{ "ls|-l", "ls|-l" },
};

/* Swaps all `from` for `to`; returns the length. */
static size_t swap(char *text, size_t len, char from, char to)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (text[i] == from)
			text[i] = to;
	return len;
}

static void test_table(void **state)
{
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		(void)stpcpy(text, rows[i].in);
		mask_secrets(text, swap(text, strlen(rows[i].in), '|', 0));
		(void)swap(text, strlen(rows[i].in), 0, '|');
		assert_string_equal(text, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
