/* SPDX-License-Identifier: Apache-2.0 */
/* What was planted in one group is found there; counts against a naive model that looks at all spans of all requests. */
#include "explain/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "explain/spans_make.h"

#define US 1000ULL
#define MS 1000000ULL

static uint64_t seed = 11;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* --- requests --- */

static struct span *add(struct spans_make *m, uint32_t parent, const char *service, const char *resource,
			uint64_t begin, uint64_t ns)
{
	struct span *row = spans_make_row(m);

	assert_non_null(row);
	row->parent = parent;
	row->kind = SPAN_SERVER;
	row->id = m->s.count;
	row->trace[1] = parent == SPAN_NONE ? m->s.count : m->s.rows[parent].trace[1];
	row->service = spans_make_text(m, service, strlen(service));
	row->operation = spans_make_text(m, "GET", 3);
	row->resource = spans_make_text(m, resource, strlen(resource));
	row->begin_ns = begin;
	row->end_ns = begin + ns;
	return row;
}

/*
 * Of n requests each tenth asks for /slow and waits 50 ms in the database, on a process of its own; the others have 1 ms there.
 * Each runs for 1.5 ms in web, and waits there for a CPU for half a millisecond.
 */
static struct spans shop(unsigned int n)
{
	struct spans_make m = { 0 };
	struct spans s;
	unsigned int i;

	for (i = 0; i < n; i++) {
		bool slow = i % 10 == 3;
		uint64_t begin = 1000000000ULL * (i + 1), db = slow ? 50 * MS : MS;
		uint32_t root = (uint32_t)m.s.count;
		struct span *row = add(&m, SPAN_NONE, "web", slow ? "/slow" : "/quick", begin, 2 * MS + db);

		row->time_ns[TIME_CHILD] = db;
		row->time_ns[TIME_RUNNING] = 1500 * US;
		row->time_ns[TIME_CPU_WAIT] = 500 * US;
		row->status = 200;
		row->tgid = 7;
		row = add(&m, root, "db", "", begin + MS, db);
		row->time_ns[slow ? TIME_LOCK : TIME_RUNNING] = db;
		row->tgid = slow ? 81 : 80;
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

/* Traces whose place is 3 modulo 10, and those whose is not. */
static size_t choose(const struct spans *s, bool slow, uint32_t *out)
{
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < s->ntraces; i++)
		if ((i % 10 == 3) == slow)
			out[n++] = i;
	return n;
}

static const struct group_attribute *find(const struct groups *g, uint8_t key, const char *value)
{
	size_t i;

	for (i = 0; i < g->nattributes; i++)
		if (g->attributes[i].key == key && !strcmp(spans_text(g->s, g->attributes[i].value), value))
			return &g->attributes[i];
	return NULL;
}

static void test_planted(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = shop(200);
	uint32_t one[200], other[200];
	size_t none = choose(&s, true, one), nother = choose(&s, false, other);
	const struct group_attribute *a;
	struct groups g;

	(void)state;
	assert_int_equal(groups_between(&s, one, none, other, nother, NULL, &g, NULL), 0);
	assert_true(g.one.count == 20 && g.other.count == 180 && !g.percent && g.d.enough);
	assert_true(g.one.min_ns == 52 * MS && g.one.p50_ns == 52 * MS && g.other.max_ns == 3 * MS);
	assert_true(fabs(g.one.mean_ns - 52e6) < 1 && fabs(g.other.mean_ns - 3e6) < 1);
	assert_string_equal(spans_text(&s, g.d.effects[0].service), "db");
	assert_int_equal(g.d.effects[0].kind, TIME_LOCK);
	assert_true(fabs(g.d.effects[0].slow_ns - 50e6) < 1 && g.d.effects[0].carried);
	a = &g.attributes[0];
	assert_int_equal(a->key, ATTRIBUTE_RESOURCE);
	assert_string_equal(spans_text(&s, a->value), "/slow");
	assert_true(a->one == 20 && a->other == 0 && a->nexamples == 3 && !a->repeated);
	assert_int_equal(a->examples[0] % 10, 3);
	assert_true(g.attributes[1].key == ATTRIBUTE_PROCESS && g.attributes[1].value == 81 &&
		    g.attributes[1].repeated);
	assert_int_equal(g.nattributes, 2);
	assert_null(find(&g, ATTRIBUTE_SERVICE, "db")); /* all have it */
	assert_true(groups_sentence(&b, &g));
	assert_string_equal(b.data,
			    "the chosen ones (20 requests) take 49.0 ms longer than the others (180 requests) on "
			    "average, because of db GET: waiting for a lock (50.0 ms instead of 0 ns); 20 of 20 have "
			    "resource /slow at web, of the others 0 of 180");
	groups_fini(&g);
	/* the other way round */
	assert_int_equal(groups_between(&s, other, nother, one, none, NULL, &g, NULL), 0);
	buf_reset(&b);
	assert_true(groups_sentence(&b, &g));
	assert_non_null(strstr(b.data, "take 49.0 ms less than the others (20 requests) on average, because of db GET: "
				       "waiting for a lock (0 ns instead of 50.0 ms)"));
	assert_non_null(find(&g, ATTRIBUTE_RESOURCE, "/quick"));
	groups_fini(&g);
	spans_fini(&s);
}

/* --- naive --- */

static double log_factorial(unsigned int n)
{
	double v = 0;
	unsigned int i;

	for (i = 2; i <= n; i++)
		v += log(i);
	return v;
}

static double log_choices(unsigned int n, unsigned int k)
{
	return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

/* At least that many of na, if those who have it are drawn by lot. */
static double upper_tail(unsigned int x, unsigned int na, unsigned int y, unsigned int nb)
{
	double p = 0;
	unsigned int i;

	for (i = x; i <= na && i <= x + y; i++)
		if (x + y - i <= nb)
			p += exp(log_choices(na, i) + log_choices(nb, x + y - i) - log_choices(na + nb, x + y));
	return p;
}

/* Whether one of the spans of the trace has that status at that service. */
static bool has(const struct spans *s, uint32_t trace, uint32_t service, int32_t status)
{
	size_t i;
	uint32_t at;

	for (i = 0; i < s->count; i++) {
		for (at = (uint32_t)i; s->rows[at].parent != SPAN_NONE; at = s->rows[at].parent)
			;
		if (at == s->traces[trace].root && s->rows[i].service == service && s->rows[i].status == status)
			return true;
	}
	return false;
}

/* By lot, but 507 is far more frequent in the one group, 508 somewhat; those from 520 on are rare. */
static int32_t status_of(uint32_t request, uint32_t span)
{
	if (request < 40 && !span && below(3))
		return 507;
	if (request < 40 && span == 1 && !below(3))
		return 508;
	return below(5) ? 500 + (int32_t)below(10) : 520 + (int32_t)below(40);
}

static void test_naive(void **state)
{
	unsigned int trial, found = 0;

	(void)state;
	for (trial = 0; trial < 12; trial++) {
		struct spans_make m = { 0 };
		uint32_t one[40], other[60], i, k, wanted = 0, tested = 0, told = 0;
		struct spans s;
		struct groups g;

		for (i = 0; i < 100; i++) {
			uint32_t root = (uint32_t)m.s.count, spans = 1 + (uint32_t)below(4);

			*(i < 40 ? &one[i] : &other[i - 40]) = i;
			for (k = 0; k < spans; k++)
				add(&m, k ? root : SPAN_NONE, "web", "", 1000000 * (i + 1ULL) + k, 1000 - k)->status =
					status_of(i, k);
		}
		assert_int_equal(spans_make_link(&m, &s), 0);
		assert_int_equal(groups_between(&s, one, 40, other, 60, NULL, &g, NULL), 0);
		for (k = 500; k < 560; k++) {
			unsigned int x = 0, y = 0;

			for (i = 0; i < 100; i++)
				*(i < 40 ? &x : &y) += has(&s, i, s.rows[0].service, (int32_t)k);
			tested += x + y >= GROUPS_LEAST && x + y < 100;
			wanted += x / 40.0 > y / 60.0 && 2 * upper_tail(x, 40, y, 60) < 0.01 / g.tested;
			for (i = 0; i < g.nattributes; i++)
				told += g.attributes[i].value == k && g.attributes[i].one == x &&
					g.attributes[i].other == y;
		}
		assert_int_equal(g.tested, tested);
		assert_int_equal(g.nattributes, wanted);
		assert_int_equal(told, wanted);
		found += wanted;
		groups_fini(&g);
		spans_fini(&s);
	}
	assert_true(found >= 11);
}

/* --- the slowest --- */

/* The same requests as `saker path --overall` compares, and the same figures. */
static void test_slow(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = shop(400);
	struct dominant d;
	struct groups g;

	(void)state;
	assert_int_equal(dominant_of(&s, NULL, 0, &d, NULL), 0);
	assert_int_equal(groups_slow(&s, NULL, 0, NULL, &g, NULL), 0);
	assert_int_equal(g.percent, 5);
	assert_true(g.one.count == d.slow && g.other.count == d.normal && d.slow == 20 && d.normal == 200);
	assert_true(d.neffects >= 1 && g.d.neffects >= d.neffects);
	assert_true(g.d.effects[0].row == d.effects[0].row &&
		    fabs(g.d.effects[0].slow_ns - d.effects[0].slow_ns) < 1e-6);
	assert_true(fabs(g.d.effects[0].p - d.effects[0].p) < 1e-12);
	assert_true(groups_sentence(&b, &g));
	assert_non_null(
		strstr(b.data, "the slowest 5 % (20 requests) take 49.0 ms longer than normal ones (200 requests)"));
	groups_fini(&g);
	dominant_fini(&d);
	spans_fini(&s);
}

static const char *named(void *arg, uint32_t host)
{
	(void)arg;
	return host ? "b\"<i>" : NULL;
}

/* The JSON of it, for figures that were put in. */
static void test_json(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans s = shop(100);
	uint32_t one[100], other[100], i;
	size_t none = choose(&s, true, one), nother = choose(&s, false, other);
	json_t *json, *first, *services;
	struct groups g;

	(void)state;
	for (i = 0; i < s.count; i++)
		s.rows[i].host = s.rows[i].tgid == 81;
	assert_int_equal(groups_between(&s, one, none, other, nother, NULL, &g, NULL), 0);
	groups_json(&b, &g, named, NULL);
	json = json_loads(b.data, 0, NULL);
	assert_non_null(json);
	services = json_object_get(json_object_get(json, "one"), "services");
	assert_int_equal(json_array_size(services), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(services, 0), "service")), "db");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(services, 0), "ns")), 50 * MS);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(services, 1), "ns")), 2 * MS);
	first = json_array_get(json_object_get(json, "attributes"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "value")), "/slow");
	assert_int_equal(json_array_size(json_object_get(first, "also")), 2);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(json_object_get(first, "also"), 0), "value")),
		"b\"<i>");
	assert_int_equal(json_array_size(json_object_get(json, "attributes")), 1);
	json_decref(json);
	groups_fini(&g);
	spans_fini(&s);
}

/* Words of programs: the same one at other places of the texts is the same, one that begins alike is not. */
static void test_words(void **state)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct spans_make m = { 0 };
	uint32_t one[20], other[30], i;
	const struct group_attribute *a;
	struct span_attribute word;
	struct groups g;
	struct spans s;

	(void)state;
	for (i = 0; i < 50; i++) {
		char words[64];
		struct span *row = add(&m, SPAN_NONE, "web", "", 1000000 * (i + 1ULL), 1000);

		/* plan=gold or plan=golden; its number differs each time, so that no two texts are the same */
		(void)snprintf(words, sizeof(words), "n\x1d%u\x1eplan\x1f%s%s", i, i < 20 ? "gold" : "golden",
			       i % 2 ? "\x1elast\x1f\x01<b>" : "");
		row->attributes = spans_make_text(&m, words, strlen(words));
		*(i < 20 ? &one[i] : &other[i - 20]) = i;
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	assert_int_equal(groups_between(&s, one, 20, other, 30, NULL, &g, NULL), 0);
	assert_int_equal(g.nattributes, 1);
	a = &g.attributes[0];
	assert_true(a->key == ATTRIBUTE_WORD && a->one == 20 && a->other == 0);
	assert_true(group_word(&s, a, &word) && word.key_len == 4 && word.text_len == 4 &&
		    !memcmp(word.text, "gold", 4));
	assert_int_equal(g.tested, 3); /* gold, golden, last; what one request has is not */
	groups_json(&b, &g, NULL, NULL);
	assert_non_null(strstr(b.data, "\"attribute\":\"plan\",\"value\":\"gold\",\"one\":20,\"other\":0"));
	groups_fini(&g);
	spans_fini(&s);
}

/* As many requests, and the first of them the same, are not yet the same requests. */
static void test_sets(void **state)
{
	struct spans_make m = { 0 };
	uint32_t one[20], other[30], i;
	struct groups g;
	struct spans s;

	(void)state;
	for (i = 0; i < 50; i++) {
		struct span *row = add(&m, SPAN_NONE, "web", "", 1000000 * (i + 1ULL), 1000);

		row->status = i <= 10 ? 500 : 0;
		row->tgid = i == 0 || (i >= 8 && i < 18) ? 77 : 1000 + i;
		row->error = i <= 10 ? spans_make_text(&m, "broken", 6) : 0;
		*(i < 20 ? &one[i] : &other[i - 20]) = i;
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	assert_int_equal(groups_between(&s, one, 20, other, 30, NULL, &g, NULL), 0);
	assert_int_equal(g.nattributes, 3);
	for (i = 0; i < 3; i++) {
		assert_true(g.attributes[i].one == 11 && g.attributes[i].other == 0);
		assert_int_equal(g.attributes[i].repeated, g.attributes[i].key == ATTRIBUTE_ERROR);
	}
	groups_fini(&g);
	spans_fini(&s);
}

/* --- little --- */

static void test_few(void **state)
{
	static const struct {
		uint32_t none, nother;
		const char *says;
	} cases[] = {
		{ 0, 0, "no request is in the chosen group" },
		{ 0, 9, "no request is in the chosen group" },
		{ 1, 0, "there is no other request to compare with" },
		{ 1, 9,
		  "the chosen ones (1 request) takes 49.0 ms longer than the others (9 requests) on average, because "
		  "of" },
	};
	struct spans s = shop(10), empty = { 0 };
	const uint32_t slow[] = { 3 }, rest[] = { 0, 1, 2, 4, 5, 6, 7, 8, 9 };
	struct groups g;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf b = BUF_INIT, json = BUF_INIT;

		assert_int_equal(groups_between(&s, slow, cases[i].none, rest, cases[i].nother, NULL, &g, NULL), 0);
		assert_false(groups_sentence(&b, &g));
		assert_non_null(strstr(b.data, cases[i].says));
		assert_false(g.d.enough);
		assert_false(g.d.neffects && g.d.effects[0].carried);
		groups_json(&json, &g, NULL, NULL);
		assert_non_null(strstr(json.data, "\"enough\":false"));
		groups_fini(&g);
	}
	assert_int_equal(groups_slow(&empty, NULL, 0, NULL, &g, NULL), 0);
	assert_true(!g.one.count && !g.other.count);
	groups_fini(&g);
	s.rows[s.traces[3].root].flags |= SPAN_UNANSWERED;
	assert_int_equal(groups_between(&s, slow, 1, rest, 9, NULL, &g, NULL), 0);
	assert_true(g.one.count == 0 && g.one.left_out == 1 && g.other.count == 9);
	groups_fini(&g);
	spans_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planted), cmocka_unit_test(test_naive), cmocka_unit_test(test_slow),
		cmocka_unit_test(test_json),	cmocka_unit_test(test_words), cmocka_unit_test(test_sets),
		cmocka_unit_test(test_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
