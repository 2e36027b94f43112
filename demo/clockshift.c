/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clockshift - a library to be preloaded: the time of day of the program is CLOCK_SHIFT_S seconds off.
 *
 * A host whose clock is wrong, without a host: CLOCK_REALTIME alone is shifted, so waits and time-outs are as ever.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t id, struct timespec * ts);
	static time_t shift_s;
	const char *text;
	int r;

	/* several threads may do this at once: each writes the same */
	if (!real) {
		text = getenv("CLOCK_SHIFT_S");
		shift_s = text ? strtol(text, NULL, 10) : 0;
		__atomic_store_n(&real, (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"),
				 __ATOMIC_RELEASE);
	}
	r = real(id, ts);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += shift_s;
	return r;
}
