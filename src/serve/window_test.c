/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and lanes of a recording that the test made by chance, against what it put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "serve/scratch.h"

#define THREADS 6
#define EVENTS 40000
#define BEGIN 1000000
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRIES 50 /* each takes three times as long */
#endif
#endif
#ifndef TRIES
#define TRIES 200
#endif

static struct scratch world;

/* What was put, in order of time: who did it, when, and what. */
static struct {
	uint32_t thread;
	uint64_t ns;
	uint16_t type;
	bool trouble;
} put[EVENTS + 16];
static uint32_t nput, messages;
static uint64_t dice = 1;

static uint32_t pick(uint32_t n)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((dice >> 33) % n);
}

/* Threads 0 and 1 are of process 100, 2 and 3 of 102, 4 and 5 of 104. */
static uint32_t pid_of(uint32_t thread)
{
	return 100 + thread / 2 * 2;
}

static void note(uint32_t thread, uint64_t ns, uint16_t type, bool trouble)
{
	put[nput].thread = thread;
	put[nput].ns = ns;
	put[nput].type = type;
	put[nput++].trouble = trouble;
}

static void put_log(uint32_t thread, uint64_t ns, bool trouble)
{
	struct event_log e = { .h = scratch_head(EVENT_LOG, ns, pid_of(thread), 100 + thread) };

	e.level = trouble ? LEVEL_ERROR : LEVEL_INFO;
	(void)scratch_put(&world, &e, (const char *const[]) { "a line", NULL });
	note(thread, ns, EVENT_LOG, trouble);
}

/* A message from one thread to another of another process: fork by fork there is nothing simpler with an edge. */
static void put_signal(uint32_t thread, uint64_t ns)
{
	uint32_t to = (thread + 2) % THREADS;
	struct event_signal e = { .h = scratch_head(EVENT_SIGNAL, ns, pid_of(thread), 100 + thread) };
	struct event_deliver d = { .h = scratch_head(EVENT_DELIVER, ns + 1, pid_of(to), 100 + to) };

	e.target_tgid = pid_of(to);
	e.target_tid = d.h.tid;
	e.target_start_ns = d.h.start_ns;
	e.sig = d.sig = 10;
	d.sender = e.h.tgid;
	(void)scratch_put(&world, &e, (const char *const[]) { "x", NULL });
	(void)scratch_put(&world, &d, NULL);
	note(thread, ns, EVENT_SIGNAL, false);
	note(to, ns + 1, EVENT_DELIVER, false);
	messages++;
}

static int setup(void **state)
{
	uint64_t ns = BEGIN;

	(void)state;
	scratch_open(&world);
	scratch_clock(&world, BEGIN);
	note(UINT32_MAX, BEGIN, EVENT_CLOCK, false);
	while (nput < EVENTS) {
		/* bursts and pauses */
		ns += 10 + (pick(500) ? pick(2000) : 5000000);
		if (pick(20))
			put_log(pick(THREADS), ns, !pick(50));
		else
			put_signal(pick(THREADS), ns);
	}
	(void)scratch_serve(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close(&world);
	return 0;
}

static json_t *get(const char *path, const char *query)
{
	struct serve_response rs;
	json_t *j;

	scratch_get(&world, path, query, &rs);
	assert_int_equal(rs.status, 200);
	j = json_loadb(rs.body.data, rs.body.len, 0, NULL);
	assert_non_null(j);
	response_fini(&rs);
	return j;
}

static int64_t number(json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

static uint32_t thread_lane(uint32_t thread)
{
	json_t *lanes = get("/api/lanes", ""), *lane;
	uint32_t found = NO_LANE;
	size_t i;

	json_array_foreach(lanes, i, lane) if (!strcmp(json_string_value(json_object_get(lane, "kind")), "thread") &&
					       number(lane, "tid") == 100 + thread) found =
		(uint32_t)number(lane, "id");
	json_decref(lanes);
	assert_int_not_equal(found, NO_LANE);
	return found;
}

static void test_lanes(void **state)
{
	json_t *lanes = get("/api/lanes", ""), *lane;
	uint32_t hosts = 0, processes = 0, threads = 0;
	size_t i;

	(void)state;
	json_array_foreach(lanes, i, lane)
	{
		const char *kind = json_string_value(json_object_get(lane, "kind"));

		hosts += !strcmp(kind, "host") && number(lane, "events") == nput;
		processes += !strcmp(kind, "process");
		threads += !strcmp(kind, "thread");
	}
	assert_int_equal(hosts, 1);
	assert_int_equal(processes, THREADS / 2);
	assert_int_equal(threads, THREADS);
	json_decref(lanes);
}

struct sums {
	int64_t n, log, trouble;
};

/* What the test put for that thread in [from, to). */
static struct sums wanted(uint32_t thread, int64_t from, int64_t to)
{
	struct sums s = { 0 };
	uint32_t i;

	for (i = 0; i < nput; i++) {
		int64_t t = (int64_t)(put[i].ns - BEGIN);

		if (put[i].thread != thread || t < from || t >= to)
			continue;
		s.n++;
		s.log += put[i].type == EVENT_LOG;
		s.trouble += put[i].trouble;
	}
	return s;
}

/* What is drawn in a row, each or in bins; all of it within [from, to), in order. */
static struct sums drawn(json_t *row, int64_t from, int64_t to, int64_t bin)
{
	json_t *events = json_object_get(row, "events"), *bins = json_object_get(row, "bins"), *one;
	struct sums s = { 0 };
	int64_t last = INT64_MIN;
	size_t i;

	assert_true(!events != !bins);
	json_array_foreach(events, i, one)
	{
		assert_true(number(one, "t") >= from && number(one, "t") < to && number(one, "t") >= last);
		last = number(one, "t");
		s.n++;
		s.log += !strcmp(json_string_value(json_object_get(one, "type")), "log");
		s.trouble += !strcmp(json_string_value(json_object_get(one, "mark")), "trouble");
	}
	json_array_foreach(bins, i, one)
	{
		assert_true(number(one, "x") % bin == 0 && number(one, "x") > from - bin && number(one, "x") < to);
		assert_true(number(one, "x") > last);
		last = number(one, "x");
		s.n += number(one, "n");
		s.log += number(one, "log");
		s.trouble += number(one, "trouble");
	}
	assert_int_equal(s.n, number(row, "count"));
	return s;
}

/* Wide ones come from the levels, narrow ones from the events; both must be exact, at the edges too. */
static void test_windows(void **state)
{
	uint32_t lanes[THREADS], i, k;
	int64_t span = (int64_t)(put[nput - 1].ns - BEGIN);
	char query[256];

	(void)state;
	for (k = 0; k < THREADS; k++)
		lanes[k] = thread_lane(k);
	for (i = 0; i < TRIES; i++) {
		int64_t width = i % 3 ? span / (1 + pick(3)) : 1 + span / (10 + pick(5000));
		int64_t from = (int64_t)pick((uint32_t)(span / 1000)) * 1000 - width / 2, to = from + width;
		json_t *j, *row;

		(void)snprintf(query, sizeof(query), "from=%lld&to=%lld&px=%u&lanes=%u,%u,%u,%u,%u,%u", (long long)from,
			       (long long)to, 1 + pick(3000), lanes[0], lanes[1], lanes[2], lanes[3], lanes[4],
			       lanes[5]);
		j = get("/api/window", query);
		json_array_foreach(json_object_get(j, "lanes"), k, row)
		{
			struct sums got = drawn(row, from, to, number(j, "bin")), want = wanted(k, from, to);

			assert_int_equal(number(row, "id"), lanes[k]);
			if (memcmp(&got, &want, sizeof(got)) != 0)
				fail_msg("%s: thread %u: %lld events, %lld lines, %lld troubles instead of %lld, %lld, "
					 "%lld",
					 query, k, (long long)got.n, (long long)got.log, (long long)got.trouble,
					 (long long)want.n, (long long)want.log, (long long)want.trouble);
		}
		json_decref(j);
	}
}

/* Of a signal and its delivery one may lie within: then it is an arrow, too. */
static void test_arrows(void **state)
{
	int64_t span = (int64_t)(put[nput - 1].ns - BEGIN);
	char query[256], lanes[64] = "";
	uint32_t i, k;

	(void)state;
	for (k = 0; k < THREADS; k++)
		(void)snprintf(lanes + strlen(lanes), sizeof(lanes) - strlen(lanes), "%s%u", k ? "," : "",
			       thread_lane(k));
	for (i = 0; i < TRIES; i++) {
		int64_t from = pick((uint32_t)span), to = from + 1 + pick((uint32_t)span), want = 0, got = 0;
		json_t *j, *arrow;

		/* often right behind an event, so that one end of its arrow is outside */
		from = i % 2 ? (int64_t)(put[pick(nput)].ns - BEGIN) + 1 : from;
		to = MAX(to, from + 1);
		from = i ? from : 0;
		to = i ? to : span + 1;
		(void)snprintf(query, sizeof(query), "from=%lld&to=%lld&px=2000&lanes=%s", (long long)from,
			       (long long)to, lanes);
		for (k = 0; k < nput; k++) {
			int64_t t = (int64_t)(put[k].ns - BEGIN);

			want += put[k].type == EVENT_SIGNAL && t + 1 >= from && t < to;
		}
		j = get("/api/window", query);
		json_array_foreach(json_object_get(j, "arrows"), k, arrow)
		{
			assert_string_equal(json_string_value(json_object_get(arrow, "kind")), "signal");
			got += number(arrow, "n");
		}
		assert_true(json_array_size(json_object_get(j, "arrows")) <= 4000);
		assert_int_equal(got + number(json_object_get(j, "left_out"), "arrows"), want);
		if (!i)
			assert_int_equal(want, messages);
		json_decref(j);
	}
}

/* Clocks: each event is in one of the windows that cut the axis into pieces, and in order. */
static void test_logical(void **state)
{
	json_t *info = get("/api/info", ""), *j;
	int64_t most = number(info, "max_clock"), from, total = 0;
	char query[128];

	(void)state;
	for (from = 1; from <= most; from += 1 + most / 7) {
		(void)snprintf(query, sizeof(query), "axis=logical&px=700&from=%lld&to=%lld", (long long)from,
			       (long long)(from + 1 + most / 7));
		j = get("/api/window", query);
		total += number(j, "total");
		assert_int_equal(json_array_size(json_object_get(j, "losses")), 0);
		json_decref(j);
	}
	assert_int_equal(total, nput);
	json_decref(info);
}

/* With many rows there are few bins in each. */
static void test_bounds(void **state)
{
	json_t *j = get("/api/window", "px=8000&lanes=0,1,2,3,4,5,6,7,8,9"), *row;
	size_t i, marks = 0;

	(void)state;
	json_array_foreach(json_object_get(j, "lanes"), i, row) marks +=
		json_array_size(json_object_get(row, "events")) + json_array_size(json_object_get(row, "bins"));
	assert_true(marks > 0 && marks <= 20000);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lanes),	cmocka_unit_test(test_windows), cmocka_unit_test(test_arrows),
		cmocka_unit_test(test_logical), cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("serve/window", tests, setup, teardown);
}
