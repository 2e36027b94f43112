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
	{ "curl -H 'Authorization: Bearer abcdef'", "curl -H 'Authorization: Bearer *******" },
	{ "psql postgres://joe:s3cret@db/x", "psql postgres://joe:******@db/x" },
	{ "curl http://host:80/a@b", "curl http://host:80/a@b" },
	{ "x?api_key=1234&b=2", "x?api_key=****&b=2" },
	{ "--secret=\"a b\" c", "--secret=\"***\" c" },
	{ "passwordless login", "passwordless login" },
	{ "", "" },
};

static void test_table(void **state)
{
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		(void)stpcpy(text, rows[i].in);
		mask_secrets(text, strlen(text));
		assert_string_equal(text, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
