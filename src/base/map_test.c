/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/map.h"

#define KEYS 512

/* The model: a plain array indexed by key; random operations must agree with it. */
static void test_against_array(void **state)
{
	CLEANUP(map_fini) struct map m = MAP_INIT;
	uint64_t model[KEYS] = { 0 };
	unsigned int seed = 7;
	size_t count = 0, at = 0, seen = 0;
	int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		uint64_t key = (uint64_t)rand_r(&seed) % KEYS, value = (uint64_t)i + 1;
		const uint64_t *found = map_get(&m, key);

		assert_int_equal(found ? *found : 0, model[key]);
		if (rand_r(&seed) % 3) {
			assert_int_equal(map_set(&m, key, value), 0);
			count += !model[key];
			model[key] = value;
		} else {
			assert_int_equal(map_del(&m, key), model[key] != 0);
			count -= model[key] != 0;
			model[key] = 0;
		}
		assert_int_equal(m.count, count);
	}
	while (map_each(&m, &at))
		seen++;
	assert_int_equal(seen, count);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_against_array) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
