/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health - each case is a scene in words and what must come of it.
 *
 * A scene: `KIND BACKEND [VALUE]` is a sign, `wait MS` lets time pass (a turn each 100 ms), `weight BACKEND N` is a person's change,
 * `yield BACKEND`, `mode shadow|live`.  What comes: `BACKEND WHAT MODE BEFORE>AFTER` for each change, separated by commas.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "peer/health.h"

#define BACKENDS 4

static const char *const whats[] = { "none", "eject", "down", "return", "restore", "drain", "weight" };

struct scene {
	struct health *h;
	struct health_rules rules;
	struct health_wish rows[BACKENDS];
	size_t n;
	uint64_t now_ns, seq;
	struct buf out;
	struct health_change last;
};

static void changed(void *arg, const struct health_change *c)
{
	struct scene *s = arg;

	buf_printf(&s->out, "%s%u %s %s %u>%u", s->out.len ? ", " : "", c->addr.bytes[3], whats[c->what],
		   c->mode == ACTIONMODE_LIVE ? "live" : "shadow", c->share_before, c->share_after);
	s->last = *c;
}

static void begin(struct scene *s, size_t n)
{
	size_t i;

	*s = (struct scene) { .h = health_new(), .n = n, .now_ns = 1000 * NS_PER_SEC };
	s->rules = (struct health_rules) { .mode = ACTIONMODE_LIVE,
					   .rise = 2,
					   .fall = 3,
					   .eject_max = 50,
					   .base_eject_ns = 30 * NS_PER_SEC,
					   .max_eject_ns = 100 * NS_PER_SEC,
					   .slow_start_ns = 5 * NS_PER_SEC,
					   .window_ns = 10 * NS_PER_SEC,
					   .effect_ns = 5 * NS_PER_SEC,
					   .again = 5,
					   .resets = 20,
					   .overflow = 20,
					   .load_step = 10,
					   .load_min = 50,
					   .load_max = 150,
					   .port = 80,
					   .proto = 6 };
	for (i = 0; i < n; i++)
		s->rows[i] = (struct health_wish) { .addr = { { 10, 0, 0, (uint8_t)(i + 1) }, 2 }, .weight = 1 };
	assert_int_equal(health_wish(s->h, &s->rules, s->rows, n, s->now_ns), 0);
}

static void end(struct scene *s)
{
	(void)health_free(s->h);
	buf_fini(&s->out);
}

static void again(struct scene *s)
{
	assert_int_equal(health_wish(s->h, &s->rules, s->rows, s->n, s->now_ns), 0);
}

static void pass(struct scene *s, uint64_t ms)
{
	uint64_t end = s->now_ns + ms * NS_PER_MS;

	while (s->now_ns < end) {
		s->now_ns = MIN(end, s->now_ns + 100 * NS_PER_MS);
		health_turn(s->h, s->now_ns, changed, s);
	}
}

static void see(struct scene *s, enum sign_kind kind, unsigned backend, uint64_t value)
{
	struct sign sign = { .kind = kind,
			     .backend = s->rows[backend - 1].addr,
			     .port = 80,
			     .proto = 6,
			     .value = value,
			     .boot_ns = s->now_ns,
			     .evidence = { 7, s->now_ns, ++s->seq, 0 } };

	(void)snprintf(sign.text, sizeof(sign.text), "seen %s", sign_name(kind));
	health_sign(s->h, &sign, s->now_ns);
	health_turn_of(s->h, &sign.backend, s->now_ns, changed, s);
}

static void step(struct scene *s, const char *word)
{
	char verb[32] = "", mode[32] = "";
	unsigned backend = 0, kind;
	unsigned long value = 0;

	if (sscanf(word, " mode %31s", mode) == 1) {
		s->rules.mode = strcmp(mode, "live") ? ACTIONMODE_SHADOW : ACTIONMODE_LIVE;
		again(s);
		health_turn(s->h, s->now_ns, changed, s);
		return;
	}
	assert_true(sscanf(word, " %31s %u %lu", verb, &backend, &value) >= 2);
	if (!strcmp(verb, "wait")) {
		pass(s, backend);
		return;
	}
	if (!strcmp(verb, "weight")) {
		s->rows[backend - 1].weight = (uint32_t)value;
		again(s);
		health_turn(s->h, s->now_ns, changed, s);
		return;
	}
	if (!strcmp(verb, "yield")) {
		health_yield(s->h, &s->rows[backend - 1].addr, s->now_ns);
		health_turn(s->h, s->now_ns, changed, s);
		return;
	}
	for (kind = 0; kind < SIGN_KINDS && strcmp(sign_name(kind), verb) != 0; kind++)
		;
	assert_true(kind < SIGN_KINDS);
	see(s, (enum sign_kind)kind, backend, value);
}

static void play(struct scene *s, const char *script)
{
	CLEANUP_FREE char *copy = strdup(script);
	char *word, *rest = copy;

	while ((word = strsep(&rest, ";")))
		step(s, word);
}

static const struct {
	const char *what;
	unsigned backends;
	const char *scene, *comes;
} cases[] = {
	{ "who is killed is out at once", 4, "exit 1", "1 down live 1000>0" },
	{ "not while another process listens", 4, "exit 1 1; wait 60000", "" },
	{ "comes back in steps when one listens again", 4, "exit 1; wait 1000; listening 1; wait 6000",
	  "1 down live 1000>0, 1 return live 0>100, 1 weight live 100>200, 1 weight live 200>400, 1 weight live "
	  "400>600, 1 weight live "
	  "600>800, 1 restore live 800>1000" },
	{ "one failed check is none", 4,
	  "check_failed 1; check_failed 1; check_passed 1; check_failed 1; check_failed 1", "" },
	{ "three in a row are", 4, "check_failed 1; check_failed 1; check_failed 1", "1 down live 1000>0" },
	{ "silence alone is not", 4, "silent 1; wait 200000", "" },
	{ "with failing checks it is", 4, "silent 1; check_failed 1; check_failed 1; check_failed 1",
	  "1 down live 1000>0" },
	{ "SYNs again of one", 4, "syn_again 1 5", "1 eject live 1000>0" },
	{ "too few", 4, "syn_again 1 4", "" },
	{ "too slowly", 4, "syn_again 1 4; wait 11000; syn_again 1 4", "" },
	{ "a client that sends all again", 4,
	  "syn_again 1 4; syn_again 2 4; syn_again 3 4; syn_again 4 4; syn_again 1 4; syn_again 2 4; syn_again 3 4",
	  "" },
	{ "two of four do not hide behind each other", 4, "syn_again 1 4; syn_again 2 4; syn_again 1 1; syn_again 2 1",
	  "1 eject live 1000>0, 2 eject live 1000>0" },
	{ "nobody to compare with", 1, "syn_again 1 500", "" },
	{ "RSTs, and a full queue", 4, "resets 1 20; overflow 2 20", "1 eject live 1000>0, 2 eject live 1000>0" },
	{ "not more than half", 4, "exit 1; exit 2; exit 3",
	  "1 down live 1000>0, 2 down live 1000>0, 3 down shadow 1000>0" },
	{ "the last one stays", 2, "exit 1; exit 2", "1 down live 1000>0, 2 down shadow 1000>0" },
	{ "the only one stays", 1, "exit 1", "1 down shadow 1000>0" },
	{ "what was only said is done when there is room", 4, "exit 1; exit 2; exit 3; listening 1",
	  "1 down live 1000>0, 2 down live 1000>0, 3 down shadow 1000>0, 1 return live 0>100, 3 down live 1000>0" },
	{ "longer each time, at most so long", 4, "syn_again 1 5; wait 30000; syn_again 1 5; wait 59900",
	  "1 eject live 1000>0, 1 return live 0>100, 1 eject live 100>0" },
	{ "an outlier's time", 4, "syn_again 1 5; wait 29900", "1 eject live 1000>0" },
	{ "dead and known to be: stays out after its time", 4, "exit 1; wait 30000",
	  "1 down live 1000>0, 1 down live 0>0" },
	{ "dead, and nobody knows: is tried", 4, "exit 1; silent 1; wait 30000",
	  "1 down live 1000>0, 1 return live 0>100" },
	{ "shadow only says it, once", 4, "mode shadow; exit 1; wait 20000; exit 2; exit 3",
	  "1 down shadow 1000>0, 2 down shadow 1000>0, 3 down shadow 1000>0" },
	{ "and what was said is taken back", 4, "mode shadow; exit 1; listening 1; wait 20000",
	  "1 down shadow 1000>0, 1 restore shadow 1000>1000" },
	{ "shadow becomes live", 4, "mode shadow; exit 1; mode live", "1 down shadow 1000>0, 1 down live 1000>0" },
	{ "live becomes shadow", 4, "exit 1; mode shadow; wait 1000", "1 down live 1000>0, 1 down live 0>1000" },
	{ "its host asks for no more", 4, "leaving 1; wait 90000; listening 1",
	  "1 drain live 1000>0, 1 return live 0>100" },
	{ "a person's word holds", 4, "exit 1; yield 1; exit 1; wait 99000", "1 down live 1000>0" },
	{ "until something good is heard", 4, "exit 1; yield 1; listening 1; exit 1",
	  "1 down live 1000>0, 1 down live 1000>0" },
	{ "or long after", 4, "exit 1; yield 1; exit 1; wait 100100", "1 down live 1000>0, 1 down live 1000>0" },
	{ "whom a person drains is left alone", 4, "weight 1 0; exit 1; wait 1000", "" },
	{ "weight counts for the ceiling", 2, "weight 1 3; exit 1; wait 1000", "1 down shadow 1000>0" },
	{ "passed checks after an exit", 4, "check_passed 1; check_passed 1; exit 1; check_passed 1; check_passed 1",
	  "1 down live 1000>0, 1 return live 0>100" },
};

static void test_scenes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct scene s;

		begin(&s, cases[i].backends);
		play(&s, cases[i].scene);
		if (strcmp(s.out.data ? s.out.data : "", cases[i].comes) != 0)
			fail_msg("%s: %s; must be: %s", cases[i].what, s.out.data ? s.out.data : "", cases[i].comes);
		end(&s);
	}
}

/* A change says why, by which events, until when. */
static void test_words(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 4);
	play(&s, "wait 100; exit 1");
	assert_string_equal(s.last.why, "seen exit");
	assert_int_equal(s.last.state, HEALTHSTATE_DOWN);
	assert_int_equal(s.last.sign, SIGNKIND_EXIT);
	assert_true(s.last.down);
	assert_int_equal(s.last.nevidence, 1);
	assert_int_equal(s.last.evidence[0].seq, 1);
	assert_int_equal(s.last.expiry_ns, s.now_ns + 30 * NS_PER_SEC);
	play(&s, "exit 2; exit 3");
	assert_non_null(strstr(s.last.why, "more than 50 %"));
	assert_int_equal(health_out(s.h), 50);
	end(&s);
}

/*
 * What is measured of an effect: all numbers of the scene by hand.  Checks of backend 1 take 30 ms twice, of 2 10 ms, of 3 20 ms; its host
 * tells round trips of 40 and 60 ms, that of 2 of 1, that of 3 of 3 ms.
 */
static void test_figures(void **state)
{
	struct health_figures f;
	struct scene s;

	(void)state;
	begin(&s, 4);
	play(&s, "check_passed 1 30000; check_passed 1 30000; check_passed 2 10000; check_passed 3 20000; rtt 1 40000; "
		 "rtt 1 "
		 "60000; rtt 2 1000; rtt 3 3000; syn_again 1 2; check_failed 1; resets 2 3");
	health_fresh(s.h, 7, s.now_ns);
	health_fresh(s.h, 4, s.now_ns);
	health_packets(s.h, 0, 50, s.now_ns);
	health_packets(s.h, 1, 60, s.now_ns);
	health_figures(s.h, 0, true, s.now_ns, &f);
	assert_int_equal(f.fresh, 11);
	assert_int_equal(f.packets, 50);
	assert_int_equal(f.others, 60);
	assert_int_equal(f.again, 2);
	assert_int_equal(f.resets, 3);
	assert_int_equal(f.failed, 1);
	assert_int_equal(f.own_bad, 3);
	assert_int_equal(f.checks.count, 4);
	assert_int_equal(f.checks.mean, 22500000); /* (30 + 30 + 10 + 20) / 4 ms */
	assert_int_equal(f.others_checks.count, 2);
	assert_int_equal(f.others_checks.mean, 15000000);
	assert_int_equal(f.rtts.count, 4);
	assert_int_equal(f.rtts.mean, 26000); /* (40 + 60 + 1 + 3) / 4 ms */
	assert_int_equal(f.others_rtts.count, 2);
	assert_int_equal(f.others_rtts.mean, 2000);
	/* one that takes no connections is none that clients meet */
	health_figures(s.h, 0, false, s.now_ns, &f);
	assert_int_equal(f.rtts.count, 2);
	assert_int_equal(f.rtts.mean, 2000);
	play(&s, "exit 3");
	health_figures(s.h, 0, true, s.now_ns, &f);
	assert_int_equal(f.rtts.count, 3);
	assert_int_equal(f.others_rtts.mean, 1000);
	assert_int_equal(f.checks.count, 3);
	/* and after the stretch there is nothing */
	play(&s, "wait 6000");
	health_figures(s.h, 0, true, s.now_ns, &f);
	assert_int_equal(f.fresh + f.rtts.count + f.checks.count + f.packets + f.again, 0);
	end(&s);
}

/* Shares by load: towards the mean, in steps, within bounds, and at rest when near enough. */
static void test_load(void **state)
{
	struct health_view v;
	struct scene s;
	int i;

	(void)state;
	begin(&s, 2);
	s.rules.load = true;
	again(&s);
	for (i = 0; i < 40; i++)
		play(&s, "load 1 900; load 2 100; wait 11000");
	health_view(s.h, 0, s.now_ns, &v);
	assert_int_equal(v.share, 500);
	health_view(s.h, 1, s.now_ns, &v);
	assert_int_equal(v.share, 1500);
	end(&s);

	begin(&s, 2);
	s.rules.load = true;
	again(&s);
	play(&s, "load 1 900; load 2 100; wait 11000");
	health_view(s.h, 0, s.now_ns, &v);
	assert_int_equal(v.share, 900);
	buf_reset(&s.out);
	play(&s, "load 1 500; load 2 480; wait 11000; load 1 480; load 2 500; wait 11000");
	assert_string_equal(s.out.data, "");
	/* an idle one is one, too; and where none is busy all have what is wished.  The second had 1200 by now */
	play(&s, "load 1 800; load 2 0; wait 11000");
	assert_string_equal(s.out.data, "1 weight live 900>800, 2 weight live 1200>1300");
	buf_reset(&s.out);
	play(&s, "load 1 0; load 2 0; wait 33000");
	assert_string_equal(s.out.data, "1 weight live 800>900, 2 weight live 1300>1200, 1 restore live 900>1000, "
					"2 weight live 1200>1100, 2 restore live 1100>1000");
	end(&s);
}

/* What an agent before this one did goes on until its time. */
static void test_adopt(void **state)
{
	struct scene s;

	(void)state;
	begin(&s, 4);
	health_adopt(s.h, &s.rows[0].addr, HEALTHSTATE_DOWN, 0, true, s.now_ns, s.now_ns + 10 * NS_PER_SEC, 1,
		     "before");
	play(&s, "wait 9900");
	assert_null(s.out.data);
	play(&s, "wait 200");
	assert_string_equal(s.out.data, "1 return live 0>100");
	end(&s);
	begin(&s, 4);
	health_adopt(s.h, &s.rows[0].addr, HEALTHSTATE_DOWN, 0, true, s.now_ns, s.now_ns + 10 * NS_PER_SEC, 1,
		     "before");
	play(&s, "wait 1000; listening 1");
	assert_string_equal(s.out.data, "1 return live 0>100");
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenes), cmocka_unit_test(test_words), cmocka_unit_test(test_figures),
		cmocka_unit_test(test_load),   cmocka_unit_test(test_adopt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
