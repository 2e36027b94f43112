/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop-hog CPU MS PAUSE_MS COUNT: keeps a CPU to itself MS long, COUNT times with a pause between; prints begin and end of
 * each on CLOCK_BOOTTIME and how long it ran in it, in ns.  Started with a high priority (nice), it makes others wait.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	struct timespec pause;
	uint64_t begin, end, ran, ns;
	cpu_set_t set;
	int count, ms;

	if (argc != 5) {
		fprintf(stderr, "usage: shop-hog CPU MS PAUSE_MS COUNT\n");
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[1]), &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("shop-hog: cannot run on that CPU");
		return 1;
	}
	ns = strtoull(argv[2], NULL, 10) * 1000000;
	ms = atoi(argv[3]);
	pause = (struct timespec) { ms / 1000, ms % 1000 * 1000000L };
	for (count = atoi(argv[4]); count > 0; count--) {
		ran = now_ns(CLOCK_THREAD_CPUTIME_ID);
		begin = now_ns(CLOCK_BOOTTIME);
		while (now_ns(CLOCK_BOOTTIME) - begin < ns)
			;
		end = now_ns(CLOCK_BOOTTIME);
		printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", begin, end, now_ns(CLOCK_THREAD_CPUTIME_ID) - ran);
		fflush(stdout);
		nanosleep(&pause, NULL);
	}
	return 0;
}
