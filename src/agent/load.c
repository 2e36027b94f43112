/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load - the host's is the first line of /proc/stat (proc_stat(5)); a group's is its time on CPUs (cpu.stat of version 2, cpuacct.usage of
 * version 1: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/cpuacct.rst) over its quota, or over all CPUs where it has none.
 */
#include "agent/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroups.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define PLACES 16

/* The file in the first of these folders that has it; false, and out "": none. */
static bool find(const struct cgroup_place *places, size_t n, const char *file, char out[LOAD_PATH])
{
	size_t i;

	for (i = 0; i < n; i++) {
		int len = snprintf(out, LOAD_PATH, "%s/%s", places[i].path, file);

		if (len > 0 && len < LOAD_PATH && access(out, R_OK) == 0)
			return true;
	}
	out[0] = 0;
	return false;
}

int load_open(const char *cgroup, struct load *ret, struct err *err)
{
	CLEANUP_FREE struct cgroup_place *places = calloc(PLACES, sizeof(*places));
	size_t n = cgroup && places ? cgroups_find(cgroup, places, PLACES) : 0;

	*ret = (struct load) { 0 };
	if (!cgroup)
		return 0;
	/* version 1 first: its cpu.stat does not say the time */
	if (!find(places, n, "cpuacct.usage", ret->usage) && !find(places, n, "cpu.stat", ret->usage))
		return err_set(err, ENOENT, "no control group '%s' says how long it was on CPUs", cgroup);
	if (!find(places, n, "cpu.max", ret->quota) && find(places, n, "cpu.cfs_quota_us", ret->quota))
		(void)find(places, n, "cpu.cfs_period_us", ret->period);
	return 0;
}

/* ---- a group ---- */

/* Two numbers of a file; `max` is -1. */
static int numbers(const char *path, int64_t *a, int64_t *b)
{
	CLEANUP_FCLOSE FILE *f = *path ? fopen(path, "re") : NULL;
	char line[128];

	if (!f || !fgets(line, sizeof(line), f))
		return 0;
	if (!strncmp(line, "max", 3))
		*a = -1;
	return sscanf(line, "%" SCNd64 " %" SCNd64, a, b);
}

/* CPUs that it may use, in 1/1000. */
static uint64_t group_room(const struct load *l)
{
	uint64_t all = (uint64_t)MAX(1L, sysconf(_SC_NPROCESSORS_ONLN)) * 1000;
	int64_t quota = -1, period = 100000, none;

	(void)numbers(l->quota, &quota, &period);
	(void)numbers(l->period, &period, &none);
	return quota > 0 && period > 0 ? MIN(all, (uint64_t)quota * 1000 / (uint64_t)period) : all;
}

static uint64_t group_busy_ns(const struct load *l)
{
	CLEANUP_FCLOSE FILE *f = fopen(l->usage, "re");
	uint64_t us, ns = 0;
	char line[128];

	while (f && !ns && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "usage_usec %" SCNu64, &us) == 1)
			ns = us * 1000;
		else if (strspn(line, "0123456789"))
			ns = strtoull(line, NULL, 10);
	}
	return ns;
}

static uint32_t group_read(struct load *l, uint64_t now_ns)
{
	uint64_t busy = group_busy_ns(l), room = group_room(l), then = l->total, load = 0;
	double could = then && now_ns > then ? (double)(now_ns - then) * (double)room / 1000 : 0;

	if (could > 0 && busy > l->busy)
		load = (uint64_t)(1000 * (double)(busy - l->busy) / could);
	l->busy = busy;
	l->total = now_ns;
	return (uint32_t)MIN(load, (uint64_t)1000);
}

/* ---- the host ---- */

static uint32_t host_read(struct load *l)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/stat", "re");
	uint64_t v[8] = { 0 }, busy, total = 0, load;
	size_t i;

	if (!f ||
	    fscanf(f,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return 0;
	for (i = 0; i < ARRAY_LEN(v); i++)
		total += v[i];
	busy = total - v[3] - v[4]; /* idle, and waiting for disks */
	load = l->total && total > l->total ? 1000 * (busy - MIN(busy, l->busy)) / (total - l->total) : 0;
	l->busy = busy;
	l->total = total;
	return (uint32_t)MIN(load, (uint64_t)1000);
}

uint32_t load_read(struct load *l, uint64_t now_ns)
{
	return l->usage[0] ? group_read(l, now_ns) : host_read(l);
}
