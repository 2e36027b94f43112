/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "peer/action.h"

/* What was seen before and after, and what must be decided. */
static const struct {
	const char *what;
	struct health_change c;
	struct health_figures before, after;
	enum verdict verdict;
	const char *words;
} cases[] = {
	{ "a dead one, and all is quiet after it",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_EXIT, .ejections = 1 },
	  { .packets = 100, .others = 300, .again = 8, .own_bad = 8 },
	  { .others = 400 },
	  VERDICT_KEPT,
	  "nothing lost since" },
	{ "others lost something: said",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_EXIT, .ejections = 1 },
	  { .packets = 100, .others = 300, .again = 8, .own_bad = 8 },
	  { .others = 400, .resets = 3 },
	  VERDICT_KEPT,
	  "3 SYNs again" },
	{ "its own signs are not others'",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_CHECK_FAILED, .ejections = 1 },
	  { .failed = 2, .own_bad = 2 },
	  { .others = 1, .failed = 50, .own_bad = 50 },
	  VERDICT_KEPT,
	  "nothing lost since" },
	{ "nothing came any more",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_EXIT, .ejections = 1 },
	  { .packets = 100, .others = 300 },
	  { .others = 0 },
	  VERDICT_KEPT,
	  "not verified: within 5 s no packets came to the others, before 300" },
	{ "the others are worse than before",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .again = 10, .own_bad = 5 },
	  { .again = 21 },
	  VERDICT_REVERTED,
	  "worse" },
	{ "by chance a little worse",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .again = 10, .own_bad = 5 },
	  { .again = 20 },
	  VERDICT_KEPT,
	  "20 SYNs again" },
	{ "as much worse as there are more connections",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .fresh = 100, .again = 10, .own_bad = 5 },
	  { .fresh = 200, .again = 30 },
	  VERDICT_KEPT,
	  "verified by errors: " },
	{ "worse than that",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .fresh = 100, .again = 10, .own_bad = 5 },
	  { .fresh = 200, .again = 31 },
	  VERDICT_REVERTED,
	  "decided by errors: it made it worse: 31 SYNs again, RSTs and failed checks of the others, before 10 (for as "
	  "many" },
	{ "checks of the others take long",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .others_checks = { 4, 60000000 } },
	  { .others_checks = { 4, 200000000 } },
	  VERDICT_REVERTED,
	  "decided by checks' time: it made it slower: checks of the others take 200 ms (mean of 4), before 60 ms (of "
	  "4)" },
	{ "long, but who is dead would make them no shorter",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_EXIT, .ejections = 1 },
	  { .others_checks = { 4, 60000000 } },
	  { .others = 1, .others_checks = { 4, 200000000 } },
	  VERDICT_KEPT,
	  "verified by errors and checks' time: " },
	{ "long, but too few of them",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .others_checks = { 3, 60000000 } },
	  { .others = 1, .others_checks = { 4, 200000000 } },
	  VERDICT_KEPT,
	  "verified by errors: " },
	{ "a multiple of little is little",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SYN_AGAIN, .ejections = 1 },
	  { .others_checks = { 4, 1000000 }, .others_rtts = { 9, 100 } },
	  { .others_checks = { 4, 100000000 }, .others_rtts = { 9, 20000 } },
	  VERDICT_KEPT,
	  "verified by errors, checks' time and round trips: " },
	{ "round trips of the others are long",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SLOW, .ejections = 1 },
	  { .others_rtts = { 6, 10000 } },
	  { .others_rtts = { 5, 31000 } },
	  VERDICT_REVERTED,
	  "decided by round trips: it made it slower: those of the others take 31 ms (mean of 5 that hosts told), "
	  "before 10 ms (of 6)" },
	{ "the backend is well after all",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_RESETS, .ejections = 1 },
	  { .resets = 30, .own_bad = 30 },
	  { .passed = 4 },
	  VERDICT_REVERTED,
	  "4 checks passed" },
	{ "its checks pass, but its host still tells of long round trips",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_SLOW, .ejections = 1 },
	  { .own_told = 3 },
	  { .passed = 4, .own_told = 1 },
	  VERDICT_KEPT,
	  "verified" },
	{ "but not the second time",
	  { .what = ACTIONWHAT_EJECT, .mode = ACTIONMODE_LIVE, .sign = SIGNKIND_RESETS, .ejections = 2 },
	  { .resets = 30, .own_bad = 30 },
	  { .passed = 4 },
	  VERDICT_KEPT,
	  "verified" },
	{ "only said",
	  { .what = ACTIONWHAT_DOWN, .mode = ACTIONMODE_SHADOW, .sign = SIGNKIND_EXIT, .ejections = 1 },
	  { 0 },
	  { .again = 7, .own_bad = 7 },
	  VERDICT_SHADOW,
	  "only said: since then 7" },
	{ "one that returns",
	  { .what = ACTIONWHAT_RETURN, .mode = ACTIONMODE_LIVE },
	  { .packets = 0 },
	  { .packets = 12, .resets = 90 },
	  VERDICT_KEPT,
	  "it got 12 packets, before 0" },
};

static void test_judge(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct action a = {
			.c = cases[i].c, .before = cases[i].before, .window_ns = 5000000000ULL, .judge_ns = 1
		};

		action_judge(&a, &cases[i].after);
		if (a.verdict != cases[i].verdict || !strstr(a.verdict_why, cases[i].words) || a.judge_ns)
			fail_msg("%s: %d, %s", cases[i].what, a.verdict, a.verdict_why);
	}
}

static struct action one(uint8_t last, enum actionwhat what, uint32_t share)
{
	return (struct action) { .interface = "eth0",
				 .vip = "v",
				 .at_ns = 100,
				 .window_ns = 5,
				 .c = { .addr = { { 10, 0, 0, last }, 2 }, .what = what, .share_after = share } };
}

static void test_rows(void **state)
{
	struct action first = one(1, ACTIONWHAT_DOWN, 0), back = one(1, ACTIONWHAT_RETURN, 100),
		      step = one(1, ACTIONWHAT_WEIGHT, 300);
	struct actions all = { .next = 7 };
	size_t i;

	(void)state;
	assert_int_equal(actions_add(&all, &first)->number, 7);
	assert_null(actions_due(&all, ACTION_SETTLE_NS + 104));
	assert_int_equal(actions_due(&all, ACTION_SETTLE_NS + 105)->number, 7);
	assert_int_equal(actions_add(&all, &back)->number, 8);
	assert_false(all.rows[0].running);
	assert_int_equal(all.rows[0].verdict, VERDICT_ENDED);
	step.c.step = true;
	assert_int_equal(actions_add(&all, &step)->number, 8);
	assert_int_equal(all.rows[1].c.share_after, 300);
	step.c.share_after = HEALTH_WHOLE;
	(void)actions_add(&all, &step);
	assert_false(all.rows[1].running);
	/* what holds stays, however much comes */
	first.c.addr.bytes[3] = 200;
	(void)actions_add(&all, &first);
	for (i = 0; i < 2 * ACTIONS_MAX; i++) {
		step = one((uint8_t)(i % 100), ACTIONWHAT_RESTORE, HEALTH_WHOLE);
		(void)actions_add(&all, &step);
	}
	assert_int_equal(all.count, ACTIONS_MAX);
	assert_non_null(actions_running(&all, "eth0", "v", &first.c.addr));
	assert_int_equal(all.left_out, 3 + 2 * ACTIONS_MAX - ACTIONS_MAX);
	actions_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
