/* SPDX-License-Identifier: Apache-2.0 */
/* When a recording counts as another one than before. */
#include "store/testing.h"

static void fingerprint_of(struct scratch *s, const char *path, char ret[STORE_FINGERPRINT_MAX])
{
	struct store_reader *r = NULL;

	OK(s, store_open(&path, 1, &r, &s->err));
	OK(s, store_fingerprint(r, ret, &s->err));
	store_reader_free(r);
}

static void record(struct scratch *s, size_t n)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 1000, 10, n);
	OK(s, store_close(w, &s->err));
}

static void test_fingerprint(void **state)
{
	static const struct {
		const char *what, *command;
		bool same;
	} cases[] = {
		{ "nothing done", "true", true },
		{ "a file of others beside it", "touch %s/notes", true },
		{ "the table of requests", "touch %s/.requests.sqlite", true },
		{ "touched later", "touch -d '2020-01-01' %s/stream-000001.ctf", false },
		{ "bytes more", "echo >>%s/stream-000001.ctf", false },
		{ "a chunk more", "cp %1$s/stream-000001.ctf %1$s/stream-000002.ctf", false },
		{ "a chunk less", "rm %s/stream-000002.ctf", false },
		{ "other metadata", "touch -d '2020-01-01' %s/metadata", false },
	};
	char before[STORE_FINGERPRINT_MAX], after[STORE_FINGERPRINT_MAX];
	struct scratch *s = *state;
	size_t i;

	record(s, 100);
	fingerprint_of(s, s->rec, before);
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(shell(cases[i].command, s->rec), 0);
		fingerprint_of(s, s->rec, after);
		if (!strcmp(before, after) != cases[i].same)
			fail_msg("%s: %s, then %s", cases[i].what, before, after);
		memcpy(before, after, sizeof(before));
	}
}

static void test_copies(void **state)
{
	char a[STORE_FINGERPRINT_MAX], b[STORE_FINGERPRINT_MAX];
	struct scratch *s = *state;
	char path[400];

	record(s, 100);
	fingerprint_of(s, s->rec, a);
	assert_int_equal(shell("cp -a %s %s/kept && cp -r %s %s/new", s->rec, s->dir, s->rec, s->dir), 0);
	(void)snprintf(path, sizeof(path), "%s/kept", s->dir);
	fingerprint_of(s, path, b);
	assert_string_equal(a, b);
	(void)snprintf(path, sizeof(path), "%s/new", s->dir);
	fingerprint_of(s, path, b);
	assert_string_not_equal(a, b);
	fingerprint_of(s, s->dir, b); /* all three together */
	assert_string_not_equal(a, b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fingerprint, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_copies, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
