/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files from their parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/paths.h"
#include "base/cleanup.h"

#define IN(text) text, sizeof(text) - 1

static const struct {
	const char *in;
	size_t len;
	const char *path, *to;
} cases[] = {
	{ IN("\0c\0b\0a\0\0\0\0"), "/a/b/c", "" },			/* an open file */
	{ IN("x/y\0home\0\0\0\0"), "/home/x/y", "" },			/* relative */
	{ IN("/x\0\0\0\0"), "/x", "" },					/* absolute */
	{ IN("/x\0b\0a\0\0\0\0"), "/x", "" },				/* with a base that does not matter */
	{ IN("old\0d\0\0new\0d\0e\0\0"), "/d/old", "/e/d/new" },	/* two */
	{ IN("link\0tmp\0\0../target\0\0"), "/tmp/link", "../target" }, /* seen from nowhere */
	{ IN("a\nb\0d\0\0\0\0"), "/d/a\nb", "" },
	{ IN("\0\0\0\0"), "", "" },
	{ IN("\0memfd:x\0\0\0\0"), "/memfd:x", "" },
	{ IN(""), "", "" }, /* nothing, and things that have no end */
	{ IN("abc"), "abc", "" },
	{ IN("abc\0d"), "/d/abc", "" },
	{ IN("/?token=abcdef\0\0\0\0"), "/?token=******", "" },
};

static void test_join(void **state)
{
	char out[PATHS_MAX(64)];
	size_t i, n;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		n = paths_join(cases[i].in, cases[i].len, 2, out);
		assert_string_equal(out, cases[i].path);
		assert_string_equal(out + strlen(out) + 1, cases[i].to);
		assert_int_equal(n, strlen(cases[i].path) + strlen(cases[i].to) + 2);
	}
}

/* Any bytes at all: in bounds (the sanitizers look), and no longer than was promised. */
static void test_noise(void **state)
{
	unsigned int seed = 4711, round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 300, i;
		char *in = malloc(len + 1), *out = malloc(PATHS_MAX(len));

		for (i = 0; i < len; i++)
			in[i] = "/ab\0\0\0x."[rand_r(&seed) % 8];
		assert_true(paths_join(in, len, 2, out) <= PATHS_MAX(len));
		free(in);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_join), cmocka_unit_test(test_noise) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
