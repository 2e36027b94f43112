/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/parse.h"

struct row {
	int (*parse)(const char *text, uint64_t *ret);
	const char *text;
	int want;
	uint64_t value;
};

static const struct row rows[] = {
	{ parse_number, "0", 0, 0 },
	{ parse_number, "0x1f", 0, 31 },
	{ parse_number, "18446744073709551615", 0, UINT64_MAX },
	{ parse_number, "18446744073709551616", -ERANGE, 0 },
	{ parse_number, "-1", -EINVAL, 0 },
	{ parse_number, "12x", -EINVAL, 0 },
	{ parse_number, "", -EINVAL, 0 },
	{ parse_size, "512M", 0, 536870912 },
	{ parse_size, "1.5k", 0, 1536 },
	{ parse_size, "1e30", -ERANGE, 0 },
	{ parse_size, "1q", -EINVAL, 0 },
	{ parse_duration, "30s", 0, 30000000000 },
	{ parse_duration, "1.5", 0, 1500000000 },
	{ parse_duration, "100ms", 0, 100000000 },
	{ parse_duration, "2h", 0, 7200000000000 },
	{ parse_duration, "nan", -EINVAL, 0 },
};

static void test_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;

		assert_int_equal(rows[i].parse(rows[i].text, &v), rows[i].want);
		if (!rows[i].want)
			assert_int_equal(v, rows[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_table) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
