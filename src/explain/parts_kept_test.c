/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept is what is worked out, within its limit, whoever asks in which order. */
#include "explain/parts_kept.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/groups.h"
#include "explain/spans_testing.h"

#define REQUESTS 300

/* Of each request what parts_of() says. */
static void check_all(const struct spans *s, struct parts_kept *k)
{
	uint32_t trace;

	for (trace = 0; trace < s->ntraces; trace++) {
		struct parts_rows rows = { 0 };
		struct part *want = NULL, *keys = NULL;
		struct critical c;
		size_t n, nkeys, i;

		assert_int_equal(critical_find(s, s->traces[trace].root, &c, NULL), 0);
		assert_int_equal(parts_of(s, &c, &want, &n), 0);
		assert_int_equal(parts_kept_get(k, trace, &rows, NULL), 0);
		assert_int_equal(parts_kept_keys(k, &keys, &nkeys), 0);
		assert_int_equal(rows.count, n);
		for (i = 0; i < n; i++) {
			assert_true(rows.rows[i].key < nkeys);
			assert_int_equal(parts_compare(&keys[rows.rows[i].key], &want[i]), 0);
			assert_int_equal(rows.rows[i].ns, want[i].ns);
		}
		critical_fini(&c);
		free(rows.rows);
		free(want);
		free(keys);
	}
}

static void test_kept(void **state)
{
	struct parts_kept *k = NULL;
	struct err err = ERR_INIT;
	struct made m;
	size_t some;

	(void)state;
	made_requests(&m, REQUESTS, 6);
	assert_int_equal(parts_kept_new(&m.s, 1 << 20, &k, &err), 0);
	check_all(&m.s, k);
	assert_int_equal(parts_kept_requests(k), m.s.ntraces);
	check_all(&m.s, k);
	parts_kept_free(k);
	/* no more than there is room for, and the answers stay */
	assert_int_equal(parts_kept_new(&m.s, 100 * sizeof(struct part_ns), &k, &err), 0);
	check_all(&m.s, k);
	some = parts_kept_requests(k);
	assert_true(some > 0 && some <= 100 && some < m.s.ntraces);
	check_all(&m.s, k);
	assert_int_equal(parts_kept_requests(k), some);
	parts_kept_free(k);
	assert_int_equal(parts_kept_new(&m.s, 0, &k, &err), 0);
	check_all(&m.s, k);
	assert_int_equal(parts_kept_requests(k), 0);
	parts_kept_free(k);
	spans_fini(&m.s);
}

/* Requests number from, from + step, ... beside all others. */
static void text_of(const struct spans *s, uint32_t from, uint32_t step, struct parts_kept *k, struct buf *out)
{
	uint32_t one[REQUESTS], other[REQUESTS], i;
	size_t none = 0, nother = 0;
	struct groups g;

	for (i = 0; i < s->ntraces; i++)
		if (i >= from && (i - from) % step == 0)
			one[none++] = i;
		else
			other[nother++] = i;
	assert_int_equal(groups_between(s, one, none, other, nother, k, &g, NULL), 0);
	groups_json(out, &g, NULL, NULL);
	groups_fini(&g);
}

struct asking {
	const struct spans *s;
	struct parts_kept *k;
	uint32_t from;
	bool same;
};

static void *asks(void *arg)
{
	struct asking *a = arg;
	uint32_t step;

	for (step = 2; step < 12; step++) {
		CLEANUP(buf_fini) struct buf kept = BUF_INIT;
		CLEANUP(buf_fini) struct buf fresh = BUF_INIT;

		text_of(a->s, a->from, step, a->k, &kept);
		text_of(a->s, a->from, step, NULL, &fresh);
		a->same =
			a->same && kept.len > 500 && kept.len == fresh.len && !memcmp(kept.data, fresh.data, kept.len);
	}
	return NULL;
}

static void test_groups(void **state)
{
	struct asking a[4];
	pthread_t threads[4];
	struct parts_kept *k = NULL;
	struct made m;
	uint32_t i;

	(void)state;
	made_requests(&m, REQUESTS, 6);
	assert_int_equal(parts_kept_new(&m.s, 1000 * sizeof(struct part_ns), &k, NULL), 0);
	for (i = 0; i < 4; i++) {
		a[i] = (struct asking) { &m.s, k, 7 * i, true };
		assert_int_equal(pthread_create(&threads[i], NULL, asks, &a[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_true(a[i].same);
	}
	parts_kept_free(k);
	spans_fini(&m.s);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
