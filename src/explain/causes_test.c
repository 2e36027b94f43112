/* SPDX-License-Identifier: Apache-2.0 */
/* What is planted in made-up requests is added up by kind and by whose doing it is; the sums are counted here. */
#include "explain/causes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/spans_make.h"

#define MS 1000000ULL
#define REQUESTS 2000

/* The kinds of time and blames of the two spans of each slow request: web asks db.  What either lacks is nothing. */
static const struct {
	const char *what;
	struct {
		uint8_t kind;
		const char *blame;
		uint64_t ms;
	} web, db;
	const char *words;
	double ms;
} cases[] = {
	{ "the same process has the CPU of both",
	  { TIME_CPU_WAIT, "hog[7] had that CPU for 19.0 ms of it", 20 },
	  { TIME_CPU_WAIT, "hog[8] had that CPU for 10.0 ms of it, x[9] for 1.0 ms", 10 },
	  "waiting for a CPU held by hog",
	  30 },
	{ "nobody knows who had it",
	  { TIME_CPU_WAIT, "", 20 },
	  { TIME_CPU_WAIT, "", 5 },
	  "waiting for a CPU, web",
	  20 },
	{ "a lock, and who sleeps with it",
	  { TIME_LOCK, "a [x][12], thread 13, let go; it worked for GET", 20 },
	  { TIME_SLEEP, "a [x][12], thread 12, had a lock that others waited for, up to 20.0 ms", 12 },
	  "waiting for a lock held by a [x]",
	  32 },
	{ "sleeping, where the lock is another's",
	  { TIME_SLEEP, "a[1], thread 1, let go", 20 },
	  { TIME_LOCK, "", 4 },
	  "sleeping, web",
	  20 },
	{ "a path like a process",
	  { TIME_DISK, "/tmp/a[12]", 20 },
	  { TIME_DISK, "", 3 },
	  "waiting for a disk, web",
	  20 },
	{ "on the way, to whom",
	  { TIME_RETRANSMIT, "1 segment was sent again", 20 },
	  { TIME_SLEEP, "", 3 },
	  "lost and sent again to or from redis-server",
	  20 },
};

static void add(struct spans_make *m, uint32_t parent, const char *service, uint64_t begin, uint64_t ns)
{
	struct span *row = spans_make_row(m);

	assert_non_null(row);
	row->parent = parent;
	row->kind = SPAN_CLIENT;
	row->id = m->s.count;
	row->service = spans_make_text(m, service, strlen(service));
	row->begin_ns = begin;
	row->end_ns = begin + ns;
}

/* One in a hundred is slow; each runs for 1 ms in web and 1 ms in db besides. */
static struct spans requests(size_t which)
{
	struct spans_make m = { 0 };
	struct spans s;
	unsigned int i;

	for (i = 0; i < REQUESTS; i++) {
		uint64_t web = i % 100 ? 0 : cases[which].web.ms * MS, db = i % 100 ? 0 : cases[which].db.ms * MS;
		uint32_t root = (uint32_t)m.s.count;

		add(&m, SPAN_NONE, "web:8080", 1000 * MS * i, 2 * MS + i + web + db);
		m.s.rows[root].time_ns[TIME_RUNNING] = MS + i;
		m.s.rows[root].time_ns[TIME_CHILD] = MS + db;
		m.s.rows[root].time_ns[cases[which].web.kind] = web;
		m.s.rows[root].peer = spans_make_text(&m, "redis-server:6379", 99);
		m.s.rows[root].blame = spans_make_text(&m, web ? cases[which].web.blame : "", 99);
		add(&m, root, "db:1", 1000 * MS * i + MS / 2, MS + db);
		m.s.rows[root + 1].time_ns[TIME_RUNNING] = MS;
		m.s.rows[root + 1].time_ns[cases[which].db.kind] += db;
		m.s.rows[root + 1].blame = spans_make_text(&m, db ? cases[which].db.blame : "", 99);
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

static void planted(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf b = BUF_INIT;
		struct spans s = requests(i);
		struct causes c;

		assert_int_equal(causes_of(&s, NULL, 0, &c, NULL), 0);
		assert_true(c.enough && c.slow == 20 && c.normal == REQUESTS / 2 && c.count);
		cause_words(&b, &c.list[0]);
		if (strcmp(b.data, cases[i].words) != 0)
			print_error("%s\n", cases[i].what);
		assert_string_equal(b.data, cases[i].words);
		assert_true(c.list[0].slow == 20 && c.list[0].normal == 0);
		assert_true(c.list[0].slow_ns > cases[i].ms * (MS - 1000.0) &&
			    c.list[0].slow_ns < cases[i].ms * (MS + 1000.0));
		assert_true(c.list[0].share > 0.99 * cases[i].ms / (double)(cases[i].web.ms + cases[i].db.ms));
		assert_true(c.list[0].share < 1.01 * cases[i].ms / (double)(cases[i].web.ms + cases[i].db.ms));
		buf_reset(&b);
		causes_text(&b, &s, &c);
		assert_non_null(strstr(b.data, cases[i].words));
		assert_non_null(strstr(b.data, "(in 20 of 20 slow, 0 of 1000 normal)"));
		causes_fini(&c);
		spans_fini(&s);
	}
}

static void few(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = requests(0);
	uint32_t traces[] = { 0, 1, 2, 3 };
	struct causes c;

	(void)state;
	assert_int_equal(causes_of(&s, traces, 4, &c, NULL), 0);
	assert_false(c.enough);
	assert_int_equal(c.count, 0);
	causes_text(&b, &s, &c);
	assert_int_equal(b.len, 0);
	causes_json(&b, &s, &c);
	assert_string_equal(b.data, "[]");
	causes_fini(&c);
	spans_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(planted), cmocka_unit_test(few) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
