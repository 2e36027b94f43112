/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"

static void test_grows(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_false(b.failed);
	assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
	assert_int_equal(b.data[b.len], 0);
	assert_memory_equal(b.data + b.len - 4, "999,", 4);
}

static void test_numbers(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	(void)state;
	buf_u64(&b, 0);
	buf_char(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	assert_string_equal(b.data, "0 18446744073709551615");
}

static void test_thousands(void **state)
{
	char out[BUF_THOUSANDS];

	(void)state;
	assert_string_equal(buf_thousands(out, 0), "0");
	assert_string_equal(buf_thousands(out, 999), "999");
	assert_string_equal(buf_thousands(out, 1000), "1,000");
	assert_string_equal(buf_thousands(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

/* RFC 8259 section 7 for the escapes, RFC 3629 section 4 for what is UTF-8. */
static const struct {
	const char *what, *in;
	size_t len;
	const char *json, *text;
} rows[] = {
	{ "plain", "abc", 3, "\"abc\"", "abc" },
	{ "quotes", "a\"b\\", 4, "\"a\\\"b\\\\\"", "a\"b\\" },
	{ "control", "a\n\x1b[", 4, "\"a\\n\\u001b[\"", "a\\n\\x1b[" },
	{ "two bytes", "\xc3\xa9", 2, "\"\xc3\xa9\"", "\xc3\xa9" },
	{ "overlong", "\xc0\xaf", 2, "\"\\ufffd\\ufffd\"", "\\xc0\\xaf" },
	{ "cut short", "\xe2\x82", 2, "\"\\ufffd\\ufffd\"", "\\xe2\\x82" },
	{ "surrogate", "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"", "\\xed\\xa0\\x80" },
	{ "C1 control", "\xc2\x9b", 2, "\"\xc2\x9b\"", "\\xc2\\x9b" },
	{ "NUL inside", "a\0b", 3, "\"a\\u0000b\"", "a\\x00b" },
};

static void test_escapes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf j = BUF_INIT;
		CLEANUP(buf_fini) struct buf t = BUF_INIT;

		buf_json(&j, rows[i].in, rows[i].len);
		buf_text(&t, rows[i].in, rows[i].len);
		assert_string_equal(j.data, rows[i].json);
		assert_string_equal(t.data, rows[i].text);
	}
}

/* Values of labels: Prometheus, "Exposition formats", text-based format. */
static void test_labels(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	(void)state;
	buf_label(&b, "a\"b\\c\nd\xc3\xa9\xe2\x82");
	assert_string_equal(b.data, "a\\\"b\\\\c\\nd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
}

/* What was there stays; a pipe gives its bytes in pieces; more than asked for is not waited for. */
static void test_read(void **state)
{
	struct buf b = BUF_INIT;
	int fd[2];

	(void)state;
	buf_str(&b, "a");
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "bc", 2), 2);
	assert_int_equal(buf_read(&b, fd[0], 2), 0);
	assert_string_equal(b.data, "abc");
	assert_int_equal(write(fd[1], "d", 1), 1);
	(void)close(fd[1]);
	assert_int_equal(buf_read(&b, fd[0], 100), 0);
	assert_string_equal(b.data, "abcd");
	(void)close(fd[0]);
	assert_int_equal(buf_read(&b, fd[0], 100), -EBADF);
	assert_int_equal(b.len, 4);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_grows),	cmocka_unit_test(test_numbers), cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_escapes), cmocka_unit_test(test_labels),	cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
