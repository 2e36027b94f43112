/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that is full at every moment: a tmpfs in a mount namespace of our own, of each size from nothing to more than
 * is written; and a limit on the size of files for the other errors.  The recording ends with the reason, and all that
 * was reported as written is read back.
 */
#include "store/testing.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define PAGE 4096
#define ROUNDS 60

/* Own mounts, from now on; 0 when it may not be had. */
static int own_mounts(void)
{
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return 0;
	return !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int put_block(struct scratch *s, struct store_writer *w, size_t i)
{
	int r = 0;
	size_t j;

	for (j = 0; j < 20 && r >= 0; j++) {
		struct event_send e = small_send(1000 + i * 1000 + j, 0, j, 42);

		r = store_append(w, &e.h, &s->err);
	}
	r = r < 0 ? r : store_settle(w, UINT64_MAX, &s->err);
	return r < 0 ? r : store_flush(w, &s->err);
}

/* Writes up to ROUNDS blocks; returns how the store ended, *ret_events is what it says is on disk. */
static int fill(struct scratch *s, uint64_t chunk_bytes, uint64_t *ret_events)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;
	struct store_stats stats;
	struct err first;
	size_t i;
	int r;

	opts.chunk_bytes = chunk_bytes;
	*ret_events = 0;
	r = store_create(&opts, &w, &s->err);
	if (r < 0)
		return r;
	for (i = 0; i < ROUNDS && r >= 0; i++)
		r = put_block(s, w, i);
	store_writer_stats(w, &stats);
	*ret_events = stats.events;
	first = s->err;
	if (r < 0) /* and it says so again, and writes nothing more */
		assert_int_equal(put_block(s, w, i), r);
	assert_string_equal(r < 0 ? s->err.text : "", r < 0 ? first.text : "");
	(void)store_close(w, r < 0 ? NULL : &s->err);
	return r;
}

static void check_size(struct scratch *s, int pages, int *ret_outcome)
{
	uint64_t events;
	char how[64];
	struct seen seen;
	int r;

	(void)snprintf(how, sizeof(how), "size=%d", pages * PAGE);
	(void)mkdir(s->rec, 0700);
	assert_int_equal(mount("none", s->rec, "tmpfs", 0, how), 0);
	r = fill(s, 1, &events);
	*ret_outcome = r;
	if (r < 0)
		assert_int_equal(r, -ENOSPC);
	if (r < 0 && events && !strstr(s->err.text, "no space left for recording"))
		fail_msg("%s", s->err.text);
	if (!access(strcat(s->rec, "/metadata"), F_OK)) {
		s->rec[strlen(s->rec) - strlen("/metadata")] = 0;
		seen = read_all(s, s->rec);
		assert_int_equal(seen.events, events);
		assert_int_equal(seen.damage, 0);
		if (pages % 8 == 0)
			assert_true(babeltrace_lines(s, s->rec) == (long)events || babeltrace_lines(s, s->rec) == -2);
	} else {
		s->rec[strlen(s->rec) - strlen("/metadata")] = 0;
		assert_int_equal(events, 0);
	}
	assert_int_equal(umount(s->rec), 0);
}

static void test_every_size(void **state)
{
	struct scratch *s = *state;
	int pages, outcome, full = 0, passed = 0;

	if (!own_mounts())
		skip();
	for (pages = 1; pages < 80; pages++) {
		check_size(s, pages, &outcome);
		full += outcome == -ENOSPC;
		passed += outcome == 0;
	}
	assert_true(full > 20 && passed > 2);
}

static void tmpfs_at(const char *path, const char *size)
{
	(void)mkdir(path, 0700);
	assert_int_equal(mount("none", path, "tmpfs", 0, size), 0);
}

/* Half a copy is of no use, so nothing of it stays. */
static void test_freeze(void **state)
{
	struct scratch *s = *state;
	char disk[300], copy[320];
	uint64_t events;

	if (!own_mounts())
		skip();
	(void)snprintf(disk, sizeof(disk), "%s/disk", s->dir);
	(void)snprintf(copy, sizeof(copy), "%s/copy", disk);
	OK(s, fill(s, 1, &events));
	tmpfs_at(disk, "size=64k");
	assert_int_equal(store_freeze(s->rec, copy, UINT32_MAX, UINT32_MAX, &s->err), -ENOSPC);
	assert_int_not_equal(access(copy, F_OK), 0);
	assert_int_equal(umount(disk), 0);
	assert_int_equal(read_all(s, s->rec).events, events);
}

/* A repair that finds no room for the new chunk leaves the old one. */
static void test_repair(void **state)
{
	struct scratch *s = *state;
	struct seen before, after;
	uint64_t events;

	if (!own_mounts())
		skip();
	tmpfs_at(s->rec, "size=320k");
	OK(s, fill(s, 1, &events));
	(void)shell("printf x | dd status=none conv=notrunc bs=1 seek=2500 of=%s/stream-000001.ctf", s->rec);
	(void)shell("dd status=none if=/dev/zero of=%s/rest 2>/dev/null", s->rec);
	before = read_all(s, s->rec);
	assert_true(before.damage >= 1);
	assert_int_equal(store_repair(s->rec, NULL, NULL, &s->err), -ENOSPC);
	after = read_all(s, s->rec);
	assert_int_equal(after.events, before.events);
	assert_string_equal(after.all, before.all);
	(void)shell("rm %s/rest", s->rec);
	OK(s, store_repair(s->rec, NULL, NULL, &s->err));
	assert_int_equal(read_all(s, s->rec).events, before.events);
	assert_int_equal(umount(s->rec), 0);
}

/* EFBIG stands for every error but a full disk. */
static void test_other_errors(void **state)
{
	struct scratch *s = *state;
	struct rlimit old, limit;
	uint64_t events;
	int r;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 60000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = fill(s, 1, &events);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	if (r == 0) {
		assert_int_equal(read_all(s, s->rec).events, ROUNDS * 20); /* chunks stay below the limit */
		(void)shell("rm -r %s", s->rec);
	}
	limit.rlim_cur = 60000; /* more than the metadata, less than the one chunk */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = fill(s, 1 << 20, &events);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(s->err.text, "File too large"));
	assert_true(events > 0);
	assert_int_equal(read_all(s, s->rec).events, events);
	assert_int_equal(read_all(s, s->rec).damage, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_other_errors),
		STORE_TEST(test_every_size),
		STORE_TEST(test_freeze),
		STORE_TEST(test_repair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
