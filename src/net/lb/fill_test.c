/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/lb/fill.h"
#include "net/lb/shared.bpf.h"

#define NEVER LB_FILL_UNKNOWN

static const struct {
	const char *what;
	uint64_t entries, room, fresh, age_s; /* what is there */
	uint64_t full_in_s, unused_s;	      /* what follows */
	bool urgent;
} forecasts[] = {
	{ "nothing comes", 100, 1000, 0, 5, NEVER, NEVER, false },
	{ "full in half a minute", 400, 1000, 20, 7, 30, 37, true },
	{ "full in a day", 0, 864000, 10, 0, 86400, 86400, false },
	{ "full", 1000, 1000, 20, 50, 0, 50, false },
	{ "fuller than it is made for", 1500, 1000, 20, 50, 0, 50, false },
	{ "ages are not known", 400, 1000, 20, NEVER, 30, NEVER, true },
};

static void test_forecast(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forecasts) / sizeof(*forecasts); i++) {
		struct lb_fill f = { .entries = forecasts[i].entries,
				     .room = forecasts[i].room,
				     .fresh = forecasts[i].fresh };

		lb_fill_forecast(&f, forecasts[i].age_s);
		if (f.full_in_s != forecasts[i].full_in_s || f.unused_s != forecasts[i].unused_s ||
		    lb_fill_urgent(&f) != forecasts[i].urgent)
			fail_msg("%s", forecasts[i].what);
	}
}

/* At 100.25 s: of this second a quarter has passed, so three quarters of the one before count. */
static const struct {
	const char *what;
	struct lb_rate rate;
	uint64_t fresh;
} rates[] = {
	{ "never any", { 0 }, 0 },
	{ "in this second only", { .second = 100, .fresh = 8, .ended = 97, .before = 1000 }, 8 },
	{ "in this one and in the one before", { .second = 100, .fresh = 8, .ended = 99, .before = 1000 }, 758 },
	{ "in the one before", { .second = 99, .fresh = 400, .ended = 98, .before = 1000 }, 300 },
	{ "longer ago", { .second = 98, .fresh = 400, .ended = 97, .before = 1000 }, 0 },
	{ "one that came meanwhile", { .second = 101, .fresh = 2, .ended = 100, .before = 4 }, 5 },
};

static void test_rate(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		if (lb_fill_fresh(&rates[i].rate, 100 * NS_PER_SEC + NS_PER_SEC / 4) != rates[i].fresh)
			fail_msg("%s", rates[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forecast),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
