/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_CLOCK_H
#define SAKER_BASE_CLOCK_H
/* clock - the host's clocks in ns.  Events carry CLOCK_BOOTTIME; people read CLOCK_REALTIME. */
#include <stdint.h>
#include <time.h>

#define NS_PER_SEC 1000000000ULL
#define NS_PER_MS 1000000ULL

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

/* A reading of both clocks at one moment, and how far apart the readings may lie. */
struct clock_pair {
	uint64_t boot_ns;
	uint64_t real_ns;
	uint64_t error_ns;
};

/* Best of several tries: the realtime reading with the closest boottime readings around it. */
struct clock_pair clock_pair_read(void);

#endif
