/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
#include "base/err.h"
#include "net/overlay.h"

#define WISH                                                                                                        \
	"interfaces: {eth0: {vips: [{vip: '10.0.0.1:80/tcp', backends: [10.1.0.1, {address: 10.1.0.2, weight: 3}, " \
	"{address: 10.1.0.3, weight: 2}]}]}}"
#define LINE "10.0.0.1:80/tcp "

/* Over weights 1, 3, 2 at time 100: these weights, so many rows dropped, down or not. */
static const struct {
	const char *what, *lines;
	size_t dropped;
	uint32_t weights[3];
	bool down[3];
} cases[] = {
	{ "nothing", "", 0, { 1, 3, 2 }, { 0 } },
	{ "out", LINE "10.1.0.2 share 0 down 0 weight 3 action 1 until 101 since 1\n", 0, { 1, 0, 2 }, { 0 } },
	{ "down", LINE "10.1.0.2 share 0 down 1 weight 3 action 1 until 0 since 1\n", 0, { 1, 0, 2 }, { 0, 1 } },
	{ "a part", LINE "10.1.0.1 share 100 down 0 weight 1 action 1 until 0 since 1\n", 0, { 10, 300, 200 }, { 0 } },
	{ "more", LINE "10.1.0.3 share 1500 down 0 weight 2 action 1 until 0 since 1\n", 0, { 100, 300, 300 }, { 0 } },
	{ "its time is over",
	  LINE "10.1.0.2 share 0 down 0 weight 3 action 1 until 100 since 1\n",
	  1,
	  { 1, 3, 2 },
	  { 0 } },
	{ "a person changed it",
	  LINE "10.1.0.2 share 0 down 1 weight 4 action 1 until 0 since 1\n",
	  1,
	  { 1, 3, 2 },
	  { 0 } },
	{ "a backend that is gone",
	  LINE "10.1.0.9 share 0 down 0 weight 1 action 1 until 0 since 1\n",
	  1,
	  { 1, 3, 2 },
	  { 0 } },
	{ "a VIP that is gone",
	  "10.0.0.2:80/tcp 10.1.0.1 share 0 down 0 weight 1 action 1 until 0 since 1\n",
	  1,
	  { 1, 3, 2 },
	  { 0 } },
};

static void wish_of(struct wish *ret)
{
	struct wish_errors errors = { 0 };

	assert_int_equal(wish_read(WISH, strlen(WISH), ret, &errors), 0);
}

static void test_lay(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_fini) struct buf text = BUF_INIT;
		struct err err = ERR_INIT;
		struct overlay o;
		struct wish wish;

		buf_printf(&text, "saker overlay 1 boot\n%s", cases[i].lines);
		wish_of(&wish);
		assert_int_equal(overlay_read(text.data, text.len, "boot", &o, &err), 0);
		assert_int_equal(overlay_lay(&o, &wish.ifs[0], 100), cases[i].dropped);
		for (k = 0; k < 3; k++) {
			const struct wish_backend *b = &wish.ifs[0].vips[0].backends[k];

			if (b->weight != cases[i].weights[k] || b->down != cases[i].down[k])
				fail_msg("%s: backend %zu has weight %u, down %d", cases[i].what, k, b->weight,
					 b->down);
		}
		overlay_fini(&o);
		wish_fini(&wish);
	}
}

static const struct {
	const char *text;
	int code;
} wrong[] = {
	{ "", -EINVAL },
	{ "saker overlay 2 boot\n", -EINVAL },
	{ "saker overlay 1 other\n", -ESTALE },
	{ "saker overlay 1 boot\nnonsense\n", -EINVAL },
	{ "saker overlay 1 boot\n" LINE "10.1.0.2 share 0 down 0 weight 3 action 1 until 5\n", -EINVAL },
	{ "saker overlay 1 boot\n" LINE "10.1.0.2 share 0 down 2 weight 3 action 1 until 5 since 1\n", -EINVAL },
	{ "saker overlay 1 boot\n" LINE "10.1.0.2 share 0 down 0 weight 65536 action 1 until 5 since 1\n", -EINVAL },
	{ "saker overlay 1 boot\n" LINE "10.1.0.2 share 0 down 0 weight 3 action 1 until 5 since 1 more\n", -EINVAL },
};

static void test_text(void **state)
{
	static const char right[] =
		"saker overlay 1 boot\n" LINE
		"10.1.0.2 share 0 down 1 weight 3 action 18446744073709551615 until 5 since 1\n"
		"[2001:db8::/64]:*/udp 2001:db8:1::1 share 100 down 0 weight 1 action 2 until 0 since 3\n";
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct overlay o;
	size_t i;

	(void)state;
	assert_int_equal(overlay_read(right, strlen(right), "boot", &o, &err), 0);
	overlay_text(&o, "boot", &out);
	assert_string_equal(out.data, right);
	assert_true(overlay_drop(&o, &o.rows[0].vip, &o.rows[0].backend));
	assert_int_equal(o.count, 1);
	overlay_fini(&o);
	buf_fini(&out);
	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		int r = overlay_read(wrong[i].text, strlen(wrong[i].text), "boot", &o, &err);

		if (r != wrong[i].code || o.rows)
			fail_msg("%s: %d", wrong[i].text, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lay),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
