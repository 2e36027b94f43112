/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cgroups.h"

#include <dirent.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_MAX 32

/* Is `word` among the comma-separated words? */
static bool among(const char *words, const char *word, size_t len)
{
	const char *at = words;

	while (at && *at) {
		size_t n = strcspn(at, ",");

		if (n == len && !strncmp(at, word, len))
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

/* The number of a version 1 hierarchy: that of the line of /proc/self/cgroup whose controllers its mount has. */
static int hierarchy_of(const char *mount_options)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/cgroup", "re");
	char line[4096];

	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':');

		if (!controllers || controllers[1] == ':')
			continue;
		controllers++;
		if (among(mount_options, controllers, strcspn(controllers, ",:")))
			return atoi(line);
	}
	return -1;
}

/* The directory, if the path names one below this mount. */
static bool place_fill(struct cgroup_place *p, const struct mntent *m, const char *path)
{
	size_t n = strlen(m->mnt_dir);
	int hierarchy = !strcmp(m->mnt_type, "cgroup2") ? 0 : hierarchy_of(m->mnt_opts);
	struct stat st;

	if (hierarchy < 0)
		return false;
	if (!strncmp(path, m->mnt_dir, n) && (path[n] == '/' || !path[n]))
		path += n;
	if ((size_t)snprintf(p->path, sizeof(p->path), "%s/%s", m->mnt_dir, path + strspn(path, "/")) >=
	    sizeof(p->path))
		return false;
	if (stat(p->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	p->id = st.st_ino;
	p->hierarchy = (uint32_t)hierarchy;
	return true;
}

size_t cgroups_find(const char *path, struct cgroup_place *places, size_t max)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	size_t n = 0;

	while (f && n < max && (m = getmntent(f)))
		if (!strncmp(m->mnt_type, "cgroup", 6) && place_fill(&places[n], m, path))
			n++;
	if (f)
		(void)endmntent(f);
	return n;
}

static int procs_walk(const char *dir, int (*fn)(void *arg, uint32_t pid), void *arg)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[1100];
	unsigned int pid;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && r >= 0 && fscanf(f, "%u", &pid) == 1)
		r = fn(arg, pid);
	return r;
}

static int dir_walk(const char *dir, int depth, int (*fn)(void *arg, uint32_t pid), void *arg)
{
	int r = procs_walk(dir, fn, arg);
	DIR *d = r < 0 || depth == DEPTH_MAX ? NULL : opendir(dir);
	struct dirent *entry;

	while (d && r >= 0 && (entry = readdir(d))) {
		char path[1024];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) < sizeof(path))
			r = dir_walk(path, depth + 1, fn, arg);
	}
	if (d)
		(void)closedir(d);
	return r < 0 ? r : 0;
}

int cgroups_walk(const struct cgroup_place *place, int (*fn)(void *arg, uint32_t pid), void *arg)
{
	return dir_walk(place->path, 0, fn, arg);
}
