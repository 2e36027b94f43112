/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is added, it is in a bundle or counted as left out; and there are never too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/bundle.h"

static uint32_t dice(uint32_t n)
{
	static uint64_t random = 1;

	random = random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random >> 33) % n);
}

static void test_sums(void **state)
{
	static const struct {
		uint32_t arrows, rows, pixels;
	} tries[] = { { 0, 1, 1 },	   { 1, 2, 10 },	   { 3999, 50, 1000000 },
		      { 100000, 4, 1500 }, { 300000, 1000, 1500 }, { 200000, 2000, 2 } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct bundles all;
		uint64_t sum = 0, added = 0;
		uint32_t k;

		assert_int_equal(bundles_init(&all), 0);
		for (k = 0; k < tries[i].arrows; k++) {
			struct model_arrow a = { k, k + 1, (uint8_t)dice(3), dice(9) == 0, false };
			uint32_t n = 1 + dice(3);
			int64_t at = (int64_t)dice(tries[i].pixels) - 100;

			bundles_add(&all, &a, dice(tries[i].rows), dice(tries[i].rows), at, at + dice(5), n);
			added += n;
		}
		bundles_finish(&all);
		for (k = 0; k < all.count; k++)
			sum += all.rows[k].n;
		assert_true(all.count <= BUNDLES_MAX);
		assert_int_equal(sum + all.left_out, added);
		assert_true(i != 2 || !all.left_out); /* there was room */
		bundles_fini(&all);
	}
}

/* What differs in anything that is drawn stays apart. */
static void test_apart(void **state)
{
	const struct model_arrow plain = { 1, 2, 3, false, false }, doubtful = { 1, 2, 3, true, false },
				 lossy = { 1, 2, 3, false, true }, other = { 1, 2, 4, false, false };
	struct bundles all;

	(void)state;
	assert_int_equal(bundles_init(&all), 0);
	bundles_add(&all, &plain, 0, 1, 5, 6, 1);
	bundles_add(&all, &plain, 0, 1, 5, 6, 2);
	assert_int_equal(all.count, 1);
	assert_int_equal(all.rows[0].n, 3);
	bundles_add(&all, &doubtful, 0, 1, 5, 6, 1);
	bundles_add(&all, &lossy, 0, 1, 5, 6, 1);
	bundles_add(&all, &other, 0, 1, 5, 6, 1);
	bundles_add(&all, &plain, 1, 0, 5, 6, 1);
	bundles_add(&all, &plain, 0, 1, 6, 6, 1);
	bundles_add(&all, &plain, 0, 1, 5, 7, 1);
	assert_int_equal(all.count, 7);
	bundles_fini(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sums), cmocka_unit_test(test_apart) };

	return cmocka_run_group_tests_name("serve/bundle", tests, NULL, NULL);
}
