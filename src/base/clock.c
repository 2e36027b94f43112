/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#define PAIR_TRIES 8

struct clock_pair clock_pair_read(void)
{
	struct clock_pair best = { .error_ns = UINT64_MAX };
	int i;

	for (i = 0; i < PAIR_TRIES; i++) {
		uint64_t before = clock_boot_ns();
		uint64_t real = clock_ns(CLOCK_REALTIME);
		uint64_t after = clock_boot_ns();

		if (after - before >= best.error_ns)
			continue;
		best.boot_ns = before + (after - before) / 2;
		best.real_ns = real;
		best.error_ns = after - before;
	}
	return best;
}
