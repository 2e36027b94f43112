/* SPDX-License-Identifier: Apache-2.0 */
#include "event/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

struct sample {
	const char *what;
	const char *bytes;
	size_t len;
	const char *text; /* as the description of the field says */
};

static const struct sample samples[] = {
	{ "nothing", "", 0, "" },
	{ "plain text", "GET / HTTP/1.1\r\n", 16, "GET / HTTP/1.1\r\n" },
	{ "a NUL", "a\0b", 3, "a\\0b" },
	{ "a backslash", "a\\b", 3, "a\\\\b" },
	{ "a backslash and a digit", "\\0", 2, "\\\\0" },
	{ "both", "\\\0\\", 3, "\\\\\\0\\\\" },
	{ "high bytes stay", "\x80\xff", 2, "\x80\xff" },
};

static void test_samples(void **state)
{
	size_t i, taken, n;
	uint8_t back[32];
	char text[64];

	(void)state;
	for (i = 0; i < ARRAY_LEN(samples); i++) {
		const struct sample *s = &samples[i];

		n = payload_escape((const uint8_t *)s->bytes, s->len, text, sizeof(text), &taken);
		assert_string_equal(text, s->text);
		assert_int_equal(n, strlen(s->text));
		assert_int_equal(taken, s->len);
		assert_int_equal(payload_unescape(text, n, back, sizeof(back)), s->len);
		assert_memory_equal(back, s->bytes, s->len);
	}
}

static void test_room(void **state)
{
	size_t taken;
	char text[5];

	(void)state;
	assert_int_equal(payload_escape((const uint8_t *)"abc\0d", 5, text, sizeof(text), &taken), 3);
	assert_int_equal(taken, 3); /* an escaped NUL is not halved */
	assert_string_equal(text, "abc");
	assert_int_equal(payload_unescape("abc", 3, (uint8_t *)text, 2), 2);
	assert_int_equal(payload_unescape("a\\", 2, (uint8_t *)text, 5), 2); /* a lone backslash */
	assert_int_equal(text[1], '\\');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
