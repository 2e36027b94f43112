/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage of every kind, at every kind of place: a bit that flipped, a file that was cut.  What is expected is known from
 * how the recording was made: every block holds three events, and the file's size after each says where it lies.
 */
#include "store/testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/ctf/block.h"
#include "store/ctf/chunk.h"

#define BLOCKS 40
#define IN_BLOCK 3
#define EVENTS (BLOCKS * IN_BLOCK)

/* Where each block lies. */
struct made {
	struct scratch *s;
	size_t chunk[BLOCKS];
	long from[BLOCKS], to[BLOCKS];
	char good[300]; /* the whole recording; s->rec is worked on */
};

static long file_size(const char *dir, const char *name)
{
	char path[400];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? -1 : (long)st.st_size;
}

static const char *chunk_file(size_t chunk)
{
	static char name[10][32];

	(void)snprintf(name[chunk % 10], sizeof(name[0]), "stream-%06zu.ctf", chunk);
	return name[chunk % 10];
}

static void note_block(struct made *m, size_t i)
{
	size_t chunk = i ? m->chunk[i - 1] : 1;

	if (file_size(m->s->rec, chunk_file(chunk + 1)) >= 0)
		chunk++;
	m->chunk[i] = chunk;
	m->from[i] = i && m->chunk[i - 1] == chunk ? m->to[i - 1] : 0;
	m->to[i] = file_size(m->s->rec, chunk_file(chunk));
	assert_true(m->to[i] > m->from[i]);
}

static void make_recording(struct made *m)
{
	struct store_opts opts = scratch_opts(m->s);
	struct store_writer *w = NULL;
	size_t i;

	opts.chunk_bytes = 1; /* as small as they can be */
	OK(m->s, store_create(&opts, &w, &m->s->err));
	for (i = 0; i < BLOCKS; i++) {
		append_sends(m->s, w, 1000 + i * 100, 10, IN_BLOCK);
		OK(m->s, store_settle(w, UINT64_MAX, &m->s->err));
		OK(m->s, store_flush(w, &m->s->err));
		note_block(m, i);
	}
	OK(m->s, store_close(w, &m->s->err));
	assert_true(m->chunk[BLOCKS - 1] > 1);
	(void)snprintf(m->good, sizeof(m->good), "%s/good", m->s->dir);
	(void)shell("mv %s %s && cp -r %s %s", m->s->rec, m->good, m->good, m->s->rec);
}

static int made_setup(void **state)
{
	struct made *m = calloc(1, sizeof(*m));

	if (scratch_setup((void **)&m->s))
		return -1;
	make_recording(m);
	*state = m;
	return 0;
}

static int made_teardown(void **state)
{
	struct made *m = *state;
	void *s = m->s;

	free(m);
	return scratch_teardown(&s);
}

static void restore(struct made *m, const char *name)
{
	assert_int_equal(shell("cp %s/%s %s/%s", m->good, name, m->s->rec, name), 0);
}

/* Flips one bit in place. */
static void flip(struct made *m, const char *name, long at, int bit)
{
	char path[400];
	uint8_t byte;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", m->s->rec, name);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= (uint8_t)(1 << bit);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

/* Reads it all: the events of every block but the bad one are there, and the bad one is named. */
static void check_without(struct made *m, size_t bad)
{
	struct seen seen = read_all(m->s, m->s->rec);
	char where[64];

	assert_int_equal(seen.events, EVENTS - IN_BLOCK);
	assert_true(seen.ordered);
	assert_true(seen.damage >= 1);
	(void)snprintf(where, sizeof(where), "%s': the block at byte %ld ", chunk_file(m->chunk[bad]), m->from[bad]);
	if (!strstr(seen.all, where))
		fail_msg("'%s' is not named in '%s'", where, seen.all);
}

static void check_whole(struct made *m, bool told)
{
	struct seen seen = read_all(m->s, m->s->rec);

	assert_int_equal(seen.events, EVENTS);
	assert_int_equal(seen.damage > 0, told);
}

/* Bytes of a block of each kind of place: first, middle, last of a chunk, last of all. */
static void flips_in_block(struct made *m, size_t block, long step)
{
	const char *name = chunk_file(m->chunk[block]);
	long at;

	for (at = m->from[block]; at < m->to[block]; at += step) {
		flip(m, name, at, (int)(at % 8));
		check_without(m, block);
		flip(m, name, at, (int)(at % 8));
	}
	check_whole(m, false);
}

static size_t last_of_first_chunk(const struct made *m)
{
	size_t i = 0;

	while (m->chunk[i + 1] == 1)
		i++;
	return i;
}

static void test_flips_in_blocks(void **state)
{
	struct made *m = *state;
	const size_t last = last_of_first_chunk(m), blocks[] = { 0, 5, last, last + 1, BLOCKS - 1 };
	size_t i;

	for (i = 0; i < ARRAY_LEN(blocks); i++)
		flips_in_block(m, blocks[i], i == 1 ? 1 : 5);
	(void)shell("rm %s/.s*.index", m->s->rec);
	for (i = 0; i < ARRAY_LEN(blocks); i++)
		flips_in_block(m, blocks[i], 11);
}

static void test_flips_in_index(void **state)
{
	struct made *m = *state;
	long at, size = file_size(m->good, ".stream-000001.index");

	assert_true(size >= 4 * (long)sizeof(struct chunk_index_row));
	for (at = 0; at < size; at += at < 300 ? 1 : 37) {
		flip(m, ".stream-000001.index", at, (int)(at % 8));
		check_whole(m, false);
		flip(m, ".stream-000001.index", at, (int)(at % 8));
	}
}

static void test_index_missing_stale_foreign(void **state)
{
	static const char *const how[] = {
		"rm %1$s/.stream-000001.index",				  /* missing */
		"truncate -s 1000 %1$s/.stream-000001.index",		  /* stale: torn behind the third row */
		"cp %1$s/.stream-000002.index %1$s/.stream-000001.index", /* of another chunk */
		"head -c 20000 /dev/zero >%1$s/.stream-000001.index",	  /* nothing sensible */
		"rm %1$s/.stream-000001.index && mkdir %1$s/.stream-000001.index",
		"rm -r %1$s/.stream-000001.index && mkfifo %1$s/.stream-000001.index",
	};
	struct made *m = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(how); i++) {
		(void)shell(how[i], m->s->rec);
		check_whole(m, false);
	}
	(void)shell("rm -r %s/.stream-000001.index", m->s->rec);
	OK(m->s, store_repair(m->s->rec, NULL, NULL, &m->s->err));
	assert_int_equal(shell("cmp %s/.stream-000001.index %s/.stream-000001.index", m->good, m->s->rec), 0);
}

/* The copy stands in; without a copy what matters is still found, or it is refused with a sentence. */
static void test_flips_in_metadata(void **state)
{
	struct made *m = *state;
	long at, size = file_size(m->good, "metadata");
	const char *path = m->s->rec;
	struct store_reader *r = NULL;

	for (at = 0; at < size; at += 41) {
		flip(m, "metadata", at, (int)(at % 8));
		check_whole(m, true);
		flip(m, "metadata", at, (int)(at % 8));
	}
	(void)shell("rm %s/.metadata", m->s->rec);
	for (at = 0; at < size; at += 41) {
		flip(m, "metadata", at, (int)(at % 8));
		if (store_open(&path, 1, &r, &m->s->err) < 0)
			assert_non_null(strstr(m->s->err.text, m->s->rec));
		else
			r = store_reader_free(r);
		flip(m, "metadata", at, (int)(at % 8));
	}
}

static size_t whole_blocks(const struct made *m, size_t chunk, long size)
{
	size_t i, n = 0;

	for (i = 0; i < BLOCKS; i++)
		n += m->chunk[i] != chunk || m->to[i] <= size;
	return n;
}

/* Cut at every length: the whole blocks are read, a beginning is told. */
static void test_cut_files(void **state)
{
	struct made *m = *state;
	size_t chunk;

	for (chunk = 1; chunk <= 2; chunk++) {
		const char *name = chunk_file(chunk);
		long size = file_size(m->good, name), at;

		for (at = size; at >= 0; at -= at > size - 1200 ? 3 : 511) {
			struct seen seen;

			(void)shell("truncate -s %ld %s/%s", at, m->s->rec, name);
			seen = read_all(m->s, m->s->rec);
			assert_int_equal(seen.events, IN_BLOCK * whole_blocks(m, chunk, at));
			assert_true(seen.ordered);
		}
		restore(m, name);
	}
}

/* A block twice, a block of another recording, blocks in the wrong order, rubbish between. */
static void test_misplaced_blocks(void **state)
{
	struct made *m = *state;
	struct seen seen;
	long len = m->to[3] - m->from[3];

	(void)shell("dd status=none conv=notrunc bs=1 if=%s/%s skip=%ld seek=%ld count=%ld of=%s/%s", m->good,
		    chunk_file(1), m->from[3], m->from[5], len, m->s->rec, chunk_file(1));
	check_without(m, 5);
	restore(m, chunk_file(1));
	(void)shell("head -c 1234 /dev/urandom >>%s/%s", m->s->rec, chunk_file(1));
	seen = read_all(m->s, m->s->rec);
	assert_int_equal(seen.events, EVENTS);
	assert_int_equal(seen.damage, 1);
	assert_non_null(strstr(seen.all, "(1234 bytes)"));
	restore(m, chunk_file(1));
	(void)shell("mv %s/%s %s/%s", m->s->rec, chunk_file(1), m->s->rec, chunk_file(9));
	seen = read_all(m->s, m->s->rec);
	assert_int_equal(seen.events, IN_BLOCK * whole_blocks(m, 1, 0));
	assert_true(seen.ordered);
}

/* After a repair nothing is wrong any more, babeltrace2 says so too, and events keep their numbers. */
static void test_repaired(void **state)
{
	struct made *m = *state;
	const long places[] = { 0, 16, 30, 50, 70, 250, 260, 280, 290, 300, 400, 503 };
	size_t i, block = 0;
	struct seen seen;

	for (i = 0; i < ARRAY_LEN(places); i++) {
		block = (block + 7) % BLOCKS;
		flip(m, chunk_file(m->chunk[block]), m->from[block] + places[i], 3);
		OK(m->s, store_repair(m->s->rec, NULL, NULL, &m->s->err));
		seen = read_all(m->s, m->s->rec);
		assert_int_equal(seen.events, EVENTS - IN_BLOCK);
		assert_int_equal(seen.damage, 1); /* the numbers that are missing */
		assert_int_equal(seen.last_id, EVENTS);
		assert_true(babeltrace_lines(m->s, m->s->rec) == EVENTS - IN_BLOCK ||
			    babeltrace_lines(m->s, m->s->rec) == -2);
		OK(m->s, store_repair(m->s->rec, NULL, NULL, &m->s->err)); /* again: nothing to do */
		(void)shell("rm -r %s && cp -r %s %s", m->s->rec, m->good, m->s->rec);
	}
}

/* As kill -9 leaves it: the beginning of a block at the end, or a chunk without any. */
static void test_repaired_end(void **state)
{
	struct made *m = *state;
	const long cuts[] = { 1, 100, 215, 216, 300, 503 }; /* of the 504 bytes of a block */
	size_t i, chunk = m->chunk[BLOCKS - 1];
	struct seen seen;

	for (i = 0; i < ARRAY_LEN(cuts); i++) {
		(void)shell("truncate -s -%ld %s/%s && : >%s/%s", cuts[i], m->s->rec, chunk_file(chunk), m->s->rec,
			    chunk_file(chunk + 1));
		OK(m->s, store_repair(m->s->rec, NULL, NULL, &m->s->err));
		seen = read_all(m->s, m->s->rec);
		assert_int_equal(seen.events, EVENTS - IN_BLOCK);
		assert_int_equal(seen.damage, 0);
		assert_true(babeltrace_lines(m->s, m->s->rec) == EVENTS - IN_BLOCK ||
			    babeltrace_lines(m->s, m->s->rec) == -2);
		(void)shell("rm -r %s && cp -r %s %s", m->s->rec, m->good, m->s->rec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define MADE_TEST(f) cmocka_unit_test_setup_teardown(f, made_setup, made_teardown)
		MADE_TEST(test_flips_in_blocks),
		MADE_TEST(test_flips_in_index),
		MADE_TEST(test_index_missing_stale_foreign),
		MADE_TEST(test_flips_in_metadata),
		MADE_TEST(test_cut_files),
		MADE_TEST(test_misplaced_blocks),
		MADE_TEST(test_repaired),
		MADE_TEST(test_repaired_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
