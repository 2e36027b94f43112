/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/select.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/places.h"
#include "base/cleanup.h"
#include "base/err.h"

#define ROUNDS_MAX 1000 /* of the task iterator: a fork storm cannot hold us for ever */

/* Inode number (= kernel's id) of the cgroup v2 directory, 0: none. */
static uint64_t cgroup_id(const char *path)
{
	static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char full[4096];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_LEN(mounts); i++) {
		(void)snprintf(full, sizeof(full), "%s/cgroup.controllers", mounts[i]);
		if (access(full, F_OK) < 0)
			continue;
		(void)snprintf(full, sizeof(full), "%s/%s", mounts[i], path);
		if (stat(full, &st) == 0 && S_ISDIR(st.st_mode))
			return st.st_ino;
	}
	return 0;
}

static int netns_prepare(const char *name, struct kernel_cfg *cfg, struct err *err)
{
	char path[512];
	uint64_t inode;

	(void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	cfg->netns = places_netns_cookie(path, &inode);
	if (!cfg->netns)
		return err_set(err, ENOENT, "cannot find the network namespace '%s': no %s", name, path);
	return 0;
}

int select_prepare(const struct record_opts *opts, struct kernel_cfg *cfg, struct err *err)
{
	cfg->own_tgid = (uint32_t)getpid();
	cfg->select_all = opts->all;
	cfg->port = opts->port;
	if (opts->cgroup)
		cfg->cgroup = cgroup_id(opts->cgroup);
	return opts->netns ? netns_prepare(opts->netns, cfg, err) : 0;
}

/* Does a line of /proc/PID/cgroup have a path component that names the wanted one? */
static bool cgroup_line_matches(char *line, const struct record_opts *opts)
{
	char *path = strchr(line, ':'), *part, *save = NULL;
	bool found = false;

	path = path ? strchr(path + 1, ':') : NULL;
	if (!path)
		return false;
	path[strcspn(path, "\n")] = 0;
	path++;
	if (opts->cgroup) {
		const char *want = opts->cgroup + strspn(opts->cgroup, "/");
		const char *have = path + strspn(path, "/");
		size_t n = strlen(want);

		found = *want && !strncmp(have, want, n) && (!have[n] || have[n] == '/');
	}
	for (part = strtok_r(path, "/", &save); part && !found; part = strtok_r(NULL, "/", &save)) {
		if (opts->unit && !strcmp(part, opts->unit))
			found = true;
		if (opts->container && strstr(part, opts->container))
			found = true;
	}
	return found;
}

static bool pid_matches(uint32_t pid, const struct record_opts *opts)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[64], line[4096];

	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (cgroup_line_matches(line, opts))
			return true;
	return false;
}

/* Selects every process whose cgroup matches; returns how many. */
static int cgroups_apply(const struct record_opts *opts, struct kernel *k, struct err *err)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int n = 0, r = 0;

	while (d && r >= 0 && (entry = readdir(d))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == (uint32_t)getpid() || !pid_matches(pid, opts))
			continue;
		r = kernel_select(k, pid, err);
		n++;
	}
	if (d)
		(void)closedir(d);
	return r < 0 ? r : n;
}

/* A process id names its whole process; the leader's id may be given as any of its threads. */
static int pid_apply(uint32_t pid, struct kernel *k, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[64], line[256];
	unsigned int tgid = 0;

	(void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %u", &tgid) == 1)
			break;
	if (!tgid)
		return err_set(err, ESRCH, "there is no process %u", pid);
	return kernel_select(k, tgid, err);
}

int select_apply(const struct record_opts *opts, struct kernel *k, struct err *err)
{
	size_t i;
	int r, round;

	for (i = 0; i < opts->npids; i++) {
		r = pid_apply(opts->pids[i], k, err);
		if (r < 0)
			return r;
	}
	if (opts->unit || opts->container || opts->cgroup) {
		r = cgroups_apply(opts, k, err);
		if (r < 0)
			return r;
		if (!r && !opts->cgroup)
			return err_set(err, ESRCH, "no process runs in %s '%s'",
				       opts->unit ? "the unit" : "the container",
				       opts->unit ? opts->unit : opts->container);
	}
	for (round = 0; round < ROUNDS_MAX; round++) {
		r = kernel_iterate(k, "process_snapshot", err);
		if (r <= 0)
			return r;
	}
	return 0;
}
