/* SPDX-License-Identifier: Apache-2.0 */
/* A recording of which only what is needed is looked at gives the same events as one that is known as a whole. */
#include "store/testing.h"

#include <errno.h>

#define EVENTS 20000

/* Event i has the id i + 1 and the offset 100 i. */
static void record(struct scratch *s)
{
	struct store_opts opts = scratch_opts(s);
	struct store_writer *w = NULL;

	opts.chunk_bytes = opts.block_bytes = 1; /* as small as they can be */
	OK(s, store_create(&opts, &w, &s->err));
	append_sends(s, w, 1000, 10, EVENTS);
	OK(s, store_close(w, &s->err));
}

/* There and back, and in leaps; of `missing` ids from `gap` on none. */
static void fetch_all(struct scratch *s, struct store_reader *r, uint64_t gap, uint64_t missing)
{
	uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)], i, id;
	struct event ev;

	for (i = 0; i < EVENTS; i += 7) {
		id = 1 + (i * 7919) % EVENTS;
		if (id >= gap && id < gap + missing) {
			assert_true(store_fetch(r, 0, id, room, sizeof(room), &ev, NULL) < 0);
			continue;
		}
		OK(s, store_fetch(r, 0, id, room, sizeof(room), &ev, &s->err));
		assert_int_equal(ev.id, id);
		assert_int_equal(EVENT_AS(send, &ev)->offset, (id - 1) * 100);
	}
	assert_int_equal(store_fetch(r, 0, EVENTS + 1, room, sizeof(room), &ev, NULL), -ENOENT);
}

static uint64_t count(struct scratch *s, struct store_reader *r)
{
	struct event_source *source = NULL;
	const struct event *ev;
	uint64_t n = 0;

	OK(s, store_read(r, NULL, &source, &s->err));
	while (event_source_next(source, &ev, &s->err) > 0)
		n++;
	event_source_close(source);
	return n;
}

static void test_fetches(void **state)
{
	uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)];
	struct scratch *s = *state;
	const char *path = s->rec;
	struct store_reader *whole = NULL, *late = NULL;
	struct store_stats all, some;
	struct event ev;

	record(s);
	OK(s, store_open(&path, 1, &whole, &s->err));
	OK(s, store_open_late(&path, 1, &late, &s->err));
	store_reader_stats(whole, &all);
	assert_true(all.chunks > 8);
	store_reader_stats(late, &some);
	assert_int_equal(some.blocks, 0);
	OK(s, store_fetch(late, 0, EVENTS / 2, room, sizeof(room), &ev, &s->err));
	store_reader_stats(late, &some);
	assert_true(some.chunks == 1 && some.blocks && some.blocks < all.blocks / 4);
	fetch_all(s, late, 0, 0);
	assert_int_equal(count(s, late), EVENTS);
	store_reader_stats(late, &some);
	assert_int_equal(some.blocks, all.blocks);
	assert_int_equal(store_host_epoch(late, 0), store_host_epoch(whole, 0));
	fetch_all(s, late, 0, 0);
	store_reader_free(whole);
	store_reader_free(late);
}

/* Where first blocks do not tell, all are looked at. */
static void test_damage(void **state)
{
	struct scratch *s = *state;
	const char *path = s->rec;
	struct store_reader *r = NULL;
	long chunks, gap, missing;

	record(s);
	chunks = shell_number("ls %s/stream-*.ctf | wc -l", s->rec);
	assert_int_equal(shell("rm %s/.stream-*.index", s->rec), 0);
	OK(s, store_open_late(&path, 1, &r, &s->err));
	fetch_all(s, r, 0, 0);
	store_reader_free(r);
	/* the middle one begins with something else: which events are gone tells a reader of all */
	assert_int_equal(
		shell("f=$(ls %1$s/stream-*.ctf | sed -n %2$ldp); printf nothing | dd of=$f conv=notrunc 2>/dev/null",
		      s->rec, chunks / 2 + 1),
		0);
	OK(s, store_open(&path, 1, &r, &s->err));
	missing = EVENTS - (long)count(s, r);
	for (gap = 1;; gap++) {
		uint64_t room[EVENT_LENGTH_MAX / sizeof(uint64_t)];
		struct event ev;

		if (store_fetch(r, 0, (uint64_t)gap, room, sizeof(room), &ev, NULL) < 0)
			break;
	}
	store_reader_free(r);
	assert_true(missing > 0 && gap > EVENTS / 3 && gap < EVENTS * 2 / 3);
	OK(s, store_open_late(&path, 1, &r, &s->err));
	fetch_all(s, r, (uint64_t)gap, (uint64_t)missing);
	store_reader_free(r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { STORE_TEST(test_fetches), STORE_TEST(test_damage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
