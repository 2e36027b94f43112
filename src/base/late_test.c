/* SPDX-License-Identifier: Apache-2.0 */
#include "base/late.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/err.h"

unsigned long crc_of_nothing(void);

#define ZLIB(X) X(zlibVersion) X(crc32)
ZLIB(LATE_POINTER)
static const struct late_symbol zlib[] = { ZLIB(LATE_SYMBOL) };

LATE_POINTER(crc_of_nothing)

static void test_loads(void **state)
{
	struct err err = ERR_INIT;
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(late_load("libz.so.1", zlib, ARRAY_LEN(zlib), &err), 0);
	assert_string_equal(late_zlibVersion(), zlibVersion());
	/* the check value of CRC-32/ISO-HDLC */
	assert_int_equal(late_crc32(0, (const void *)"123456789", 9), 0xcbf43926);
}

static void test_what_is_not_there(void **state)
{
	static void *version;
	const struct late_symbol lacking[] = { { "zlibVersion", &version }, LATE_SYMBOL(crc_of_nothing) };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(late_load("libnot-there.so.7", lacking, ARRAY_LEN(lacking), &err), -ELIBACC);
	assert_memory_equal(err.text, "cannot load the library libnot-there.so.7: ", 43);
	assert_int_equal(late_load("libz.so.1", lacking, ARRAY_LEN(lacking), &err), -ELIBACC);
	assert_string_equal(err.text, "the library libz.so.1 has no function crc_of_nothing");
	assert_null(version);
	assert_null(late_crc_of_nothing);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_loads),
		cmocka_unit_test(test_what_is_not_there),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
