/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing a recording that is being written or was cut off, and setting aside what an earlier run left. */
#include "store/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

static void freeze_to(struct scratch *s, const char *name, uint32_t uid)
{
	char to[400];

	(void)snprintf(to, sizeof(to), "%s/%s", s->dir, name);
	OK(s, store_freeze(s->rec, to, uid, uid, &s->err));
}

static struct seen read_copy(struct scratch *s, const char *name)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return read_all(s, path);
}

/* Enough for several chunks. */
static struct store_writer *begin_chunks(struct scratch *s, size_t n)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	opts.chunk_bytes = opts.block_bytes = 1;
	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 1000, 10, n);
	OK(s, store_settle(w, UINT64_MAX, &s->err));
	OK(s, store_flush(w, &s->err));
	return w;
}

static void test_while_written(void **state)
{
	struct scratch *s = *state;
	struct store_writer *w = begin_chunks(s, 2000);
	struct seen seen;

	freeze_to(s, "copy", UINT32_MAX);
	append_sends(s, w, 100000, 10, 2000);
	OK(s, store_settle(w, UINT64_MAX, &s->err));
	OK(s, store_flush(w, &s->err));
	seen = read_copy(s, "copy");
	assert_int_equal(seen.events, 2000);
	assert_int_equal(seen.damage, 0);
	assert_true(shell_number("stat -c %%h %s/copy/stream-000001.ctf", s->dir) == 2); /* linked */
	freeze_to(s, "copy2", UINT32_MAX);
	OK(s, store_close(w, &s->err));
	assert_int_equal(read_copy(s, "copy2").events, 4000);
	assert_true(babeltrace_lines(s, s->rec) == 4000 || babeltrace_lines(s, s->rec) == -2);
	assert_int_equal(store_freeze(s->rec, s->rec, UINT32_MAX, UINT32_MAX, &s->err), -EEXIST);
}

/* For another user the files are copied, and what was there keeps its owner. */
static void test_other_owner(void **state)
{
	struct scratch *s = *state;
	struct store_writer *w = begin_chunks(s, 2000);

	if (geteuid()) {
		OK(s, store_close(w, &s->err));
		skip();
	}
	freeze_to(s, "copy", 12345);
	OK(s, store_close(w, &s->err));
	assert_int_equal(read_copy(s, "copy").events, 2000);
	assert_int_equal(shell_number("find %s/copy ! -uid 12345 | wc -l", s->dir), 0);
	assert_int_equal(shell_number("find %s -uid 12345 | wc -l", s->rec), 0);
}

static void test_cut_off(void **state)
{
	struct scratch *s = *state;
	struct store_writer *w = begin_chunks(s, 2000);
	struct seen whole, copy;

	OK(s, store_close(w, &s->err));
	(void)shell("truncate -s -100 $(ls %s/stream* | tail -n 1)", s->rec);
	whole = read_all(s, s->rec);
	assert_int_equal(whole.damage, 1);
	freeze_to(s, "copy", UINT32_MAX);
	copy = read_copy(s, "copy");
	assert_int_equal(copy.damage, 0);
	assert_int_equal(copy.events, whole.events);
	(void)shell("rm %s/metadata %s/.metadata", s->rec, s->rec);
	(void)strcat(s->rec, "x");
	assert_int_equal(store_freeze(s->rec, "/nonexistent/x", UINT32_MAX, UINT32_MAX, &s->err), -ENOENT);
}

/* A recording of n events at s->rec; when its last write is pretended to be. */
static void leave_recording(struct scratch *s, size_t n, const char *when)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 1000, 10, n);
	OK(s, store_close(w, &s->err));
	(void)shell("for f in %s/stream*; do [ ! -e $f ] || TZ=UTC touch -d '%s' $f; done", s->rec, when);
}

static void test_set_aside(void **state)
{
	struct scratch *s = *state;
	struct store_writer *w = NULL;
	struct store_opts opts = scratch_opts(s);

	OK(s, store_set_aside(s->rec, 1 << 20, &s->err)); /* nothing there */
	leave_recording(s, 100, "2026-01-31 23:59:59");
	(void)strcat(s->rec, "/"); /* as people type it */
	OK(s, store_set_aside(s->rec, 1 << 20, &s->err));
	assert_int_equal(read_copy(s, "rec.20260131-235959").events, 100);
	leave_recording(s, 50, "2026-01-31 23:59:59");
	OK(s, store_set_aside(s->rec, 1 << 20, &s->err));
	assert_int_equal(read_copy(s, "rec.20260131-235959-01").events, 50);
	leave_recording(s, 0, ""); /* not worth keeping */
	OK(s, store_set_aside(s->rec, 1 << 20, &s->err));
	assert_int_equal(shell_number("ls %s | wc -l", s->dir), 2);
	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 1000, 10, 9);
	OK(s, store_settle(w, UINT64_MAX, &s->err));
	OK(s, store_flush(w, &s->err));
	assert_int_equal(store_set_aside(s->rec, 1 << 20, &s->err), -EBUSY);
	OK(s, store_close(w, &s->err));
	assert_int_equal(read_all(s, s->rec).events, 9);
}

/* Short recordings of a recorder that crashes again and again do not push out the long one before. */
static void test_set_aside_limit(void **state)
{
	struct scratch *s = *state;
	char when[64];
	int i;

	leave_recording(s, 5000, "2026-01-01 00:00:00"); /* 440 kB */
	for (i = 0; i < 8; i++) {
		OK(s, store_set_aside(s->rec, 1 << 20, &s->err));
		(void)snprintf(when, sizeof(when), "2026-01-01 00:00:%02d", i + 1);
		leave_recording(s, 10, when);
	}
	assert_int_equal(read_copy(s, "rec.20260101-000000").events, 5000);
	OK(s, store_set_aside(s->rec, 1, &s->err)); /* the latest stays in any case */
	assert_int_equal(shell_number("ls %s | wc -l", s->dir), 1);
	assert_int_equal(read_copy(s, "rec.20260101-000008").events, 10);
	(void)shell("mkdir %s && touch %s/mine", s->rec, s->rec); /* not ours */
	OK(s, store_set_aside(s->rec, 1, &s->err));
	assert_int_equal(shell("test -e %s/mine", s->rec), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_while_written), STORE_TEST(test_other_owner),	  STORE_TEST(test_cut_off),
		STORE_TEST(test_set_aside),	STORE_TEST(test_set_aside_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
