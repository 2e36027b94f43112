/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The critical path of random traces against models that are slow and say what is meant: one that walks backwards a
 * nanosecond at a time, one that looks at all pairs of children, and one that lets spans end later and sees what moves.
 */
#include "explain/critical.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/spans_make.h"

#define SPANS_MAX 40
#define TRIALS 3000

static uint64_t seed = 1;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

/* --- random traces --- */

static void add_span(struct spans_make *m, uint32_t parent, uint64_t begin, uint64_t end)
{
	struct span *row = spans_make_row(m);

	assert_non_null(row);
	row->parent = parent;
	row->kind = SPAN_INTERNAL;
	row->begin_ns = begin;
	row->end_ns = end;
	row->id = m->s.count;
	row->flags = below(6) ? 0 : SPAN_FAILED;
	row->operation = spans_make_text(m, &"abcdef"[below(6)], 1);
}

/* Times within [0, range); distinct: no two begins or ends are the same moment. */
static struct spans random_trace(unsigned int n, uint64_t range, bool distinct)
{
	struct spans_make m = { 0 };
	char used[4097] = { 0 };
	struct spans s;
	unsigned int tries;

	assert_true(range < sizeof(used));
	add_span(&m, SPAN_NONE, 0, range);
	for (tries = 0; tries < 8 * n && m.s.count < n; tries++) {
		uint32_t parent = (uint32_t)below(m.s.count);
		uint64_t from = m.s.rows[parent].begin_ns, len = m.s.rows[parent].end_ns - from, a, b;

		if (!below(8)) { /* it may stick out */
			from = 0;
			len = range;
		}
		a = from + below(len + 1);
		b = from + below(len + 1);
		if (distinct && (a == b || !a || !b || a >= range || b >= range || used[a] || used[b]))
			continue;
		used[a] = used[b] = 1;
		add_span(&m, parent, a < b ? a : b, a < b ? b : a);
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	return s;
}

/* --- the tree, cut as rule 1 says --- */

struct model {
	const struct spans *s;
	uint64_t begin[SPANS_MAX], end[SPANS_MAX];
	bool there[SPANS_MAX], on[SPANS_MAX];
	uint64_t own[SPANS_MAX];
};

static bool is_child(const struct model *m, uint32_t c, uint32_t p)
{
	return m->s->rows[c].parent == p && m->there[c];
}

static void cut_below(struct model *m, uint32_t p)
{
	uint32_t c;

	for (c = 0; c < m->s->count; c++) {
		uint64_t b = m->s->rows[c].begin_ns, e = m->s->rows[c].end_ns;

		if (m->s->rows[c].parent != p)
			continue;
		if (b < m->begin[p] && e > m->end[p])
			continue;
		if (!(b >= m->begin[p] && e <= m->end[p]) && (e <= m->begin[p] || b >= m->end[p]))
			continue;
		m->there[c] = true;
		m->begin[c] = b < m->begin[p] ? m->begin[p] : b;
		m->end[c] = e > m->end[p] ? m->end[p] : e;
		cut_below(m, c);
	}
}

static struct model model_of(const struct spans *s)
{
	struct model m = { .s = s };

	assert_true(s->count <= SPANS_MAX);
	assert_int_equal(s->ntraces, 1);
	m.there[0] = true;
	m.begin[0] = s->rows[0].begin_ns;
	m.end[0] = s->rows[0].end_ns;
	cut_below(&m, 0);
	return m;
}

/* --- a nanosecond at a time --- */

static void walk_back(const struct model *m, uint32_t p, uint32_t *owner)
{
	uint64_t t = m->end[p], last = UINT64_MAX;

	while (t > m->begin[p]) {
		uint32_t c, found = SPAN_NONE;

		for (c = 0; c < m->s->count; c++)
			if (is_child(m, c, p) && m->end[c] == t && t < last)
				found = c;
		if (found == SPAN_NONE) {
			owner[--t] = p;
			continue;
		}
		walk_back(m, found, owner);
		t = last = m->begin[found];
	}
}

static void test_backward(void **state)
{
	unsigned int trial;

	(void)state;
	for (trial = 0; trial < TRIALS; trial++) {
		struct spans s = random_trace(2 + (unsigned int)below(24), 100, true);
		struct model m = model_of(&s);
		uint32_t owner[100], found[100];
		struct critical c;
		size_t i;
		uint64_t t;

		memset(found, 0xff, sizeof(found));
		walk_back(&m, 0, owner);
		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		for (i = 0; i < c.nsegments; i++)
			for (t = c.segments[i].from_ns; t < c.segments[i].to_ns; t++) {
				assert_int_equal(found[t], SPAN_NONE);
				found[t] = c.segments[i].row;
			}
		assert_memory_equal(found, owner, sizeof(found));
		critical_fini(&c);
		spans_fini(&s);
	}
}

/* --- all pairs of children --- */

static unsigned int overlaps;

static bool before(const struct model *m, uint32_t p, uint32_t a, uint32_t b)
{
	uint64_t over = m->end[a] - m->begin[b];
	unsigned int moments = 0;
	uint32_t c;

	if (m->end[a] < m->begin[b])
		return true;
	if (m->end[a] >= m->end[b] || m->begin[a] >= m->begin[b] || m->end[p] == m->begin[p])
		return false;
	if ((double)over / (double)(m->end[p] - m->begin[p]) >= 0.01)
		return false;
	for (c = 0; c < m->s->count; c++) {
		if (!is_child(m, c, p))
			continue;
		moments += m->begin[c] >= m->begin[b] && m->begin[c] <= m->end[a];
		moments += m->end[c] >= m->begin[b] && m->end[c] <= m->end[a];
	}
	overlaps += moments == 2 && over;
	return moments == 2;
}

/* The child that ends last of those at which the last call did not look; of equal ones the last row. */
static uint32_t next_last(const struct model *m, uint32_t p, bool *looked)
{
	uint32_t c, found = SPAN_NONE;

	for (c = 0; c < m->s->count; c++)
		if (is_child(m, c, p) && !looked[c] && (found == SPAN_NONE || m->end[c] >= m->end[found]))
			found = c;
	if (found != SPAN_NONE)
		looked[found] = true;
	return found;
}

static void all_pairs(struct model *m, uint32_t p)
{
	bool looked[SPANS_MAX] = { 0 };
	uint64_t inner = 0, length = m->end[p] - m->begin[p];
	uint32_t c, last = SPAN_NONE;

	m->on[p] = true;
	while ((c = next_last(m, p, looked)) != SPAN_NONE) {
		if (last != SPAN_NONE && !before(m, p, c, last))
			continue;
		inner += m->end[c] - m->begin[c];
		last = c;
		all_pairs(m, c);
	}
	m->own[p] = inner < length ? length - inner : 0;
}

static void test_pairs(void **state)
{
	unsigned int trial;

	(void)state;
	for (trial = 0; trial < TRIALS; trial++) {
		struct spans s = random_trace(2 + (unsigned int)below(SPANS_MAX - 2), trial % 2 ? 2000 : 60, false);
		struct model m = model_of(&s);
		uint32_t row, on = 0;
		struct critical c;

		all_pairs(&m, 0);
		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		for (row = 0; row < s.count; row++) {
			const struct critical_place *place = critical_place(&c, row);

			assert_true(!place == !m.there[row]);
			if (!place)
				continue;
			assert_true((place->at != SPAN_NONE) == m.on[row]);
			on += m.on[row];
			if (!m.on[row])
				continue;
			assert_int_equal(c.path[place->at].row, row);
			assert_int_equal(c.path[place->at].exclusive_ns, m.own[row]);
		}
		assert_int_equal(on, c.npath);
		critical_fini(&c);
		spans_fini(&s);
	}
	assert_true(overlaps > 20);
}

/* --- what moves when a span takes longer, or no time --- */

/* How much longer (or, shrink: less long) span p takes when `late` takes `by` longer, or all that failed takes no time. */
static int64_t growth(const struct model *m, uint32_t p, uint32_t late, int64_t by, bool shrink);

/* When child c of p ends, if what ended before it began moves with all else. */
static int64_t new_end(const struct model *m, uint32_t p, uint32_t c, uint32_t late, int64_t by, bool shrink)
{
	int64_t moved = INT64_MIN, was = INT64_MIN, begin;
	uint32_t k;

	for (k = 0; k < m->s->count; k++) {
		int64_t e;

		if (!is_child(m, k, p) || k == c || m->end[k] > m->begin[c])
			continue;
		e = new_end(m, p, k, late, by, shrink);
		moved = e > moved ? e : moved;
		was = (int64_t)m->end[k] > was ? (int64_t)m->end[k] : was;
	}
	begin = was == INT64_MIN ? (int64_t)m->begin[c] : moved + (int64_t)m->begin[c] - was;
	return begin + (int64_t)(m->end[c] - m->begin[c]) + growth(m, c, late, by, shrink);
}

static int64_t growth(const struct model *m, uint32_t p, uint32_t late, int64_t by, bool shrink)
{
	int64_t was = INT64_MIN, now = INT64_MIN;
	uint32_t c;

	if (shrink && m->s->rows[p].flags & SPAN_FAILED)
		return -(int64_t)(m->end[p] - m->begin[p]);
	for (c = 0; c < m->s->count; c++) {
		int64_t e;

		if (!is_child(m, c, p))
			continue;
		e = new_end(m, p, c, late, by, shrink);
		now = e > now ? e : now;
		was = (int64_t)m->end[c] > was ? (int64_t)m->end[c] : was;
	}
	return (was == INT64_MIN ? 0 : now - was) + (p == late ? by : 0);
}

static void test_slack(void **state)
{
	unsigned int trial, some = 0;

	(void)state;
	for (trial = 0; trial < TRIALS / 4; trial++) {
		struct spans s = random_trace(2 + (unsigned int)below(12), 100, true);
		struct model m = model_of(&s);
		struct critical c;
		size_t i;

		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		for (i = 0; i < c.nplaces; i++) {
			const struct critical_place *p = &c.places[i];

			if (p->at != SPAN_NONE)
				assert_int_equal(p->slack_ns, 0);
			assert_int_equal(growth(&m, 0, p->row, (int64_t)p->slack_ns, false), 0);
			assert_int_equal(growth(&m, 0, p->row, (int64_t)p->slack_ns + 1, false), 1);
			some += p->slack_ns > 0;
		}
		critical_fini(&c);
		spans_fini(&s);
	}
	assert_true(some > 100);
}

static void test_savings(void **state)
{
	unsigned int trial, some = 0;

	(void)state;
	for (trial = 0; trial < TRIALS / 4; trial++) {
		struct spans s = random_trace(2 + (unsigned int)below(12), 100, true);
		struct model m = model_of(&s);
		uint64_t remains = 0;
		struct critical c;
		size_t i;

		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		assert_int_equal(-growth(&m, 0, SPAN_NONE, 0, true), c.saved_path_ns);
		for (i = 0; i < c.ncalls; i++)
			remains += c.calls[i].without_ns;
		/* no call path has overlaps within itself here that would be cut off at 0 */
		assert_int_equal(remains, s.rows[0].flags & SPAN_FAILED ? 0 : 100 - c.saved_path_ns);
		some += c.saved_path_ns > 0 && c.saved_path_ns < 100;
		critical_fini(&c);
		spans_fini(&s);
	}
	assert_true(some > 50);
}

/* --- what is cut, and what is not --- */

/* A parent 1000-2000 below a grandparent 0-4000, and its child: what of that counts. */
static void test_cut(void **state)
{
	enum { I = SPAN_INTERNAL, S = SPAN_SERVER, C = SPAN_CLIENT };
	static const struct {
		const char *what;
		int grandparent, parent, child;
		uint64_t begin, end;
		bool alone, elsewhere;
		uint64_t want_begin, want_end; /* both 0: it is left out */
		uint64_t own;		       /* of the parent */
	} cases[] = {
		{ "within", I, I, I, 1100, 1900, true, false, 1100, 1900, 200 },
		{ "sticks out in front", I, I, I, 900, 1900, true, false, 1000, 1900, 100 },
		{ "and at the end", I, I, I, 1100, 2100, true, false, 1100, 2000, 100 },
		{ "at both ends", I, I, I, 900, 2100, true, false, 0, 0, 1000 },
		{ "before", I, I, I, 500, 1000, true, false, 0, 0, 1000 },
		{ "behind", I, I, I, 2000, 2500, true, false, 0, 0, 1000 },
		{ "a call seen at both ends", I, C, S, 1100, 2050, true, false, 1100, 2050, 50 },
		{ "also where clocks differ more", I, C, S, 2500, 3400, true, false, 2500, 3400, 100 },
		{ "1 % longer: counts as long as its client", I, C, S, 995, 2005, true, false, 995, 2005, 0 },
		{ "more than that", I, C, S, 1100, 2111, true, false, 1100, 2000, 100 },
		{ "not alone", I, C, S, 1100, 2050, false, false, 1100, 2000, 100 },
		{ "no server", I, C, I, 1100, 2050, true, false, 1100, 2000, 100 },
		{ "no client", I, I, S, 1100, 2050, true, false, 1100, 2000, 100 },
		{ "between two servers it need not say so", S, I, S, 1100, 2050, true, false, 1100, 2050, 50 },
		{ "on another host", I, I, I, 1100, 2050, true, true, 1100, 2050, 50 },
		{ "on another host, not alone", I, I, I, 1100, 2050, false, true, 1100, 2000, 100 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		const struct critical_place *place;
		struct spans_make m = { 0 };
		struct critical c;
		struct spans s;
		uint32_t parent = 0, child = 0, k;

		add_span(&m, SPAN_NONE, 0, 4000);
		add_span(&m, 0, 1000, 2000);
		add_span(&m, 1, cases[i].begin, cases[i].end);
		if (!cases[i].alone)
			add_span(&m, 1, 1000, 1001);
		m.s.rows[0].kind = (uint8_t)cases[i].grandparent;
		m.s.rows[1].kind = (uint8_t)cases[i].parent;
		m.s.rows[2].kind = (uint8_t)cases[i].child;
		m.s.rows[2].host = cases[i].elsewhere;
		assert_int_equal(spans_make_link(&m, &s), 0);
		for (k = 0; k < s.count; k++) {
			parent = s.rows[k].id == 2 ? k : parent;
			child = s.rows[k].id == 3 ? k : child;
		}
		print_message("# %s\n", cases[i].what);
		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		place = critical_place(&c, child);
		assert_true(!place == !cases[i].want_end);
		if (place) {
			assert_int_equal(c.path[place->at].begin_ns, cases[i].want_begin);
			assert_int_equal(c.path[place->at].end_ns, cases[i].want_end);
		}
		assert_int_equal(c.left_out, !place);
		place = critical_place(&c, parent);
		assert_int_equal(c.path[place->at].exclusive_ns, cases[i].own - !cases[i].alone);
		critical_fini(&c);
		spans_fini(&s);
	}
}

/* --- errors beside the path --- */

/*
 * root 0-100 calls A 0-90, that calls B 5-30 (which calls D 10-20) and, meanwhile, C 25-80; X 40-50 below C is beside the path,
 * since Y 45-75 ends later.  B and D matter only if A failed, X only if C did.
 */
static void test_beside(void **state)
{
	enum { ROOT, A, B, D, C, X, Y, NODES };
	static const struct {
		unsigned int failed; /* bits */
		struct {
			uint32_t self, propagated, stopped, beside_self, beside_propagated;
			uint64_t failed_ns, beside_ns;
		} want[NODES];
	} cases[] = {
		{ 1 << A | 1 << B | 1 << D,
		  { [ROOT] = { .stopped = 1 },
		    [A] = { .propagated = 1, .failed_ns = 35 },
		    [B] = { .beside_propagated = 1, .beside_ns = 15 },
		    [D] = { .beside_self = 1, .beside_ns = 10 } } },
		{ 1 << B | 1 << D | 1 << X, { { 0 } } },
		{ 1 << A | 1 << D, { [ROOT] = { .stopped = 1 }, [A] = { .self = 1, .failed_ns = 35 } } },
		{ 1 << B | 1 << C, { [A] = { .stopped = 1 }, [C] = { .self = 1, .failed_ns = 25 } } },
		{ 1 << C | 1 << X,
		  { [A] = { .stopped = 1 },
		    [C] = { .propagated = 1, .failed_ns = 25 },
		    [X] = { .beside_self = 1, .beside_ns = 10 } } },
	};
	static const uint64_t times[NODES][2] = { { 0, 100 }, { 0, 90 },  { 5, 30 }, { 10, 20 },
						  { 25, 80 }, { 40, 50 }, { 45, 75 } };
	static const char names[] = "RABDCXY";
	static const uint32_t parents[NODES] = { SPAN_NONE, ROOT, A, B, A, C, C };
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct spans_make m = { 0 };
		struct critical c;
		struct spans s;

		for (k = 0; k < NODES; k++) {
			add_span(&m, parents[k], times[k][0], times[k][1]);
			m.s.rows[k].flags = cases[i].failed >> k & 1 ? SPAN_FAILED : 0;
			m.s.rows[k].operation = spans_make_text(&m, names + k, 1);
		}
		assert_int_equal(spans_make_link(&m, &s), 0);
		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		assert_int_equal(c.ncalls, NODES);
		for (k = 0; k < NODES; k++) {
			size_t node = (size_t)(strchr(names, *spans_text(&s, c.calls[k].operation)) - names);
			const struct critical_call *got = &c.calls[k];

			assert_int_equal(got->self, cases[i].want[node].self);
			assert_int_equal(got->propagated, cases[i].want[node].propagated);
			assert_int_equal(got->stopped, cases[i].want[node].stopped);
			assert_int_equal(got->beside_self, cases[i].want[node].beside_self);
			assert_int_equal(got->beside_propagated, cases[i].want[node].beside_propagated);
			assert_int_equal(got->failed_ns, cases[i].want[node].failed_ns);
			assert_int_equal(got->beside_failed_ns, cases[i].want[node].beside_ns);
		}
		critical_fini(&c);
		spans_fini(&s);
	}
}

/* --- anything --- */

static void test_hostile(void **state)
{
	unsigned int trial;

	(void)state;
	for (trial = 0; trial < TRIALS; trial++) {
		struct spans s = random_trace(2 + (unsigned int)below(20), 100, false);
		unsigned int changes = 1 + (unsigned int)below(6);
		struct err err = ERR_INIT;
		struct critical c;
		int r;

		while (changes-- > 0) {
			struct span *row = &s.rows[below(s.count)];
			uint32_t any = below(8) ? (uint32_t)below(s.count) : (uint32_t)below(UINT32_MAX);

			switch (below(5)) {
			case 0:
				row->next = any;
				break;
			case 1:
				row->first_child = any;
				break;
			case 2:
				row->parent = any;
				break;
			case 3:
				row->begin_ns = below(2) ? UINT64_MAX - below(3) : below(100);
				break;
			default:
				row->end_ns = below(2) ? UINT64_MAX - below(3) : 0;
			}
		}
		r = critical_find(&s, (uint32_t)below(s.count), &c, &err);
		if (r < 0) {
			assert_int_equal(r, -ELOOP);
			assert_true(err.text[0]);
		} else {
			assert_true(c.npath >= 1 && c.npath <= s.count);
			critical_fini(&c);
		}
		spans_fini(&s);
	}
	assert_int_equal(critical_find(&(struct spans) { 0 }, 0, &(struct critical) { 0 }, NULL), -EINVAL);
}

enum shape { CHAIN, ROW, CROWD };

static struct spans big_trace(enum shape shape, uint32_t n)
{
	struct spans_make m = { 0 };
	struct spans s;
	uint32_t i;

	add_span(&m, SPAN_NONE, 0, 4ULL * n);
	for (i = 1; i < n; i++) {
		if (shape == CHAIN)
			add_span(&m, i - 1, i, 4ULL * n - i);
		else if (shape == ROW)
			add_span(&m, 0, 4ULL * i, 4ULL * i + 2);
		else
			add_span(&m, 0, below(2ULL * n), 2ULL * n + below(2ULL * n));
	}
	assert_int_equal(spans_make_link(&m, &s), 0);
	assert_int_equal(s.ntraces, 1);
	assert_int_equal(s.traces[0].count, n);
	return s;
}

/* What took a time with the square of the number, or a stack with its depth, would not end here. */
static void test_big(void **state)
{
	static const enum shape shapes[] = { CHAIN, ROW, CROWD };
	const uint32_t n = 200000;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(shapes); i++) {
		struct spans s = big_trace(shapes[i], n);
		struct critical c;

		assert_int_equal(critical_find(&s, 0, &c, NULL), 0);
		assert_int_equal(c.npath, shapes[i] == CROWD ? 2 : n);
		assert_int_equal(c.nplaces, n);
		critical_fini(&c);
		spans_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backward), cmocka_unit_test(test_pairs), cmocka_unit_test(test_slack),
		cmocka_unit_test(test_savings),	 cmocka_unit_test(test_cut),   cmocka_unit_test(test_beside),
		cmocka_unit_test(test_hostile),	 cmocka_unit_test(test_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
