/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/select.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroups.h"
#include "agent/containers.h"
#include "agent/places.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"

/* Calls fn for each process until it returns other than 0; returns that. */
static int pids_walk(int (*fn)(void *arg, uint32_t pid), void *arg)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	while (d && !r && (entry = readdir(d)))
		if (isdigit((unsigned char)entry->d_name[0]))
			r = fn(arg, (uint32_t)strtoul(entry->d_name, NULL, 10));
	if (d)
		(void)closedir(d);
	return r;
}

/* --- constants --- */

static int netns_prepare(const char *name, struct kernel_cfg *cfg, struct err *err)
{
	char path[512];
	uint64_t inode;

	(void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	if (access(path, F_OK) < 0)
		return err_set(err, ENOENT, "there is no network namespace '%s': no file %s", name, path);
	cfg->netns = places_netns_cookie(path, &inode);
	if (!cfg->netns)
		return err_set(err, EPERM,
			       "cannot enter the network namespace '%s': %s is none, or CAP_SYS_ADMIN is missing", name,
			       path);
	return 0;
}

static int cgroup_prepare(const char *path, struct kernel_cfg *cfg, struct err *err)
{
	struct cgroup_place places[CGROUPS_MAX];
	size_t i;

	cfg->ncgroups = (uint32_t)cgroups_find(path, places, CGROUPS_MAX);
	if (!cfg->ncgroups)
		return err_set(err, ENOENT, "there is no cgroup '%s' in any hierarchy that is mounted", path);
	for (i = 0; i < cfg->ncgroups; i++) {
		cfg->cgroups[i].id = places[i].id;
		cfg->cgroups[i].hierarchy = places[i].hierarchy;
	}
	return 0;
}

/* The name of the cgroup that systemd makes for a unit: a service if nothing else is said. */
static void unit_cgroup(const char *unit, char out[CGROUP_NAME_BYTES])
{
	(void)snprintf(out, CGROUP_NAME_BYTES, "%s%s", unit, strchr(unit, '.') ? "" : ".service");
}

struct group {
	const char *container;
	struct cgroup_container found;
	char path[1024];
};

static int group_walk(void *arg, uint32_t pid)
{
	struct group *g = arg;

	return containers_of(pid, &g->found, g->path, sizeof(g->path)) && containers_called(&g->found, g->container);
}

/* A container that is called so; else the name may be a part of a group's. */
static bool group_find(const char *container, struct group *g)
{
	*g = (struct group) { .container = container };
	return pids_walk(group_walk, g) > 0;
}

/* By the name of its group, which has its id, the kernel knows a container that is started again. */
static void container_groups(const char *name, struct kernel_cfg *cfg)
{
	struct group g;
	char *part, *save = NULL;
	size_t i;

	cfg->by_container = 1;
	if (!group_find(name, &g)) {
		for (i = 0; name[i]; i++)
			cfg->cgroup_part[(unsigned char)name[i]] |= 1ULL << i;
		cfg->cgroup_part_end = 1ULL << (i - 1);
		return;
	}
	for (part = strtok_r(g.path, "/", &save); part; part = strtok_r(NULL, "/", &save))
		if (strstr(part, g.found.id) && strlen(part) < sizeof(cfg->cgroup_again))
			(void)snprintf(cfg->cgroup_again, sizeof(cfg->cgroup_again), "%s", part);
}

static int names_prepare(const struct record_opts *opts, struct kernel_cfg *cfg, struct err *err)
{
	const char *names[] = { opts->unit, opts->container };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (!names[i])
			continue;
		if (!*names[i] || strchr(names[i], '/') || strlen(names[i]) > CGROUP_NAME_BYTES - sizeof(".service"))
			return err_set(err, EINVAL, "'%s' is no name of a unit or container", names[i]);
		if (i == 0)
			unit_cgroup(names[i], cfg->cgroup_name);
		else
			container_groups(names[i], cfg);
	}
	return 0;
}

int select_prepare(const struct record_opts *opts, struct kernel_cfg *cfg, struct err *err)
{
	int r = names_prepare(opts, cfg, err);

	cfg->own_tgid = (uint32_t)getpid();
	cfg->page_tgid = opts->page_tgid;
	cfg->select_all = opts->all;
	cfg->port = opts->port;
	cfg->by_place = opts->cgroup || opts->unit || opts->container || opts->netns;
	if (r >= 0 && opts->cgroup)
		r = cgroup_prepare(opts->cgroup, cfg, err);
	if (r >= 0 && opts->netns)
		r = netns_prepare(opts->netns, cfg, err);
	return r;
}

/* --- processes --- */

static int one_select(struct kernel *k, uint32_t tgid, struct err *err)
{
	return kernel_own(k, tgid) ? 0 : kernel_select(k, tgid, err);
}

/* A process id names its whole process; any of its threads may be given. */
static int pid_select(uint32_t pid, struct kernel *k, struct err *err)
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
	if (kernel_own(k, tgid))
		return err_set(err, EINVAL, "process %u is the recorder itself", pid);
	return kernel_select(k, tgid, err);
}

int select_found(uint32_t pid, struct kernel *k)
{
	int r = pid_select(pid, k, NULL);

	return r == -ESRCH || r == -EINVAL ? 0 : r;
}

int select_pids(const struct record_opts *opts, struct kernel *k, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < opts->npids && r >= 0; i++) {
		r = pid_select(opts->pids[i], k, opts->observer ? NULL : err);
		if (r == -ESRCH && opts->observer) /* nobody named it, it was found: it may have ended since */
			r = 0;
	}
	return r;
}

/* --- places --- */

struct walk {
	struct kernel *k;
	struct err *err;
};

static int walk_select(void *arg, uint32_t pid)
{
	struct walk *w = arg;

	return one_select(w->k, pid, w->err);
}

/* The iterator sees version 2 and the controllers of version 1, not its named hierarchies: so their lists are read. */
static int cgroup_select(const char *path, struct kernel *k, struct err *err)
{
	struct walk w = { k, err };
	struct cgroup_place places[CGROUPS_MAX];
	size_t n = cgroups_find(path, places, CGROUPS_MAX), i;
	int r = 0;

	for (i = 0; i < n && r >= 0; i++)
		r = cgroups_walk(&places[i], walk_select, &w);
	return r;
}

/* Does a line of /proc/PID/cgroup have a path component that is called so? */
static bool cgroup_line_named(char *line, const char *unit, const char *container)
{
	char *path = strchr(line, ':'), *part, *save = NULL;

	path = path ? strchr(path + 1, ':') : NULL;
	if (!path)
		return false;
	path[strcspn(path, "\n")] = 0;
	for (part = strtok_r(path + 1, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if ((unit && !strcmp(part, unit)) || (container && strstr(part, container)))
			return true;
	}
	return false;
}

static bool pid_named(uint32_t pid, const char *unit, const char *container)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[64], line[4096];

	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (cgroup_line_named(line, unit, container))
			return true;
	return false;
}

static bool pid_contained(uint32_t pid, const char *container)
{
	struct group g = { .container = container };

	return group_walk(&g, pid);
}

struct named {
	struct walk w;
	const char *unit, *part, *container; /* part: of the name of a container's group */
	int count;
};

static int named_walk(void *arg, uint32_t pid)
{
	struct named *n = arg;

	if (n->container ? !pid_contained(pid, n->container) : !pid_named(pid, n->unit, n->part))
		return 0;
	n->count += !kernel_own(n->w.k, pid);
	return walk_select(&n->w, pid);
}

/* Selects every process whose cgroup is called so; returns how many. */
static int named_select(const char *unit, const char *container, struct kernel *k, struct err *err)
{
	struct named n = { .w = { k, err }, .unit = unit };
	struct group g;
	int r;

	if (container)
		*(group_find(container, &g) ? &n.container : &n.part) = container;
	r = pids_walk(named_walk, &n);

	return r < 0 ? r : n.count;
}

static int names_select(const struct record_opts *opts, struct kernel *k, struct err *err)
{
	char unit[CGROUP_NAME_BYTES];
	int r = 1;

	if (opts->unit) {
		unit_cgroup(opts->unit, unit);
		r = named_select(unit, NULL, k, err);
		if (!r)
			return err_set(err, ESRCH, "no process runs in the unit '%s': no cgroup is called '%s'",
				       opts->unit, unit);
	}
	if (r > 0 && opts->container) {
		r = named_select(NULL, opts->container, k, err);
		if (!r)
			return err_set(err, ESRCH,
				       "no process runs in the container '%s': no container and no cgroup is called so",
				       opts->container);
	}
	return r < 0 ? r : 0;
}

/* --- containers that begin later --- */

struct again {
	const char *container;
	struct kernel *kernel;
	struct map *seen; /* hashes of the paths of others' control groups */
	int added;
};

static uint64_t path_hash(const char *path)
{
	uint64_t h = 1;

	for (; *path; path++)
		h = map_hash(h ^ (uint64_t)(unsigned char)*path << 32);
	return h;
}

/* Was it not there yet? */
static bool place_add(struct kernel *k, const struct cgroup_place *place)
{
	struct kernel_control *c = kernel_control(k);
	size_t i;

	for (i = 0; i < PLACES_MAX; i++)
		if (c->places[i].id == place->id && c->places[i].hierarchy == place->hierarchy)
			return false;
	i = c->nplaces++ % PLACES_MAX;
	c->places[i].hierarchy = place->hierarchy;
	__atomic_store_n(&c->places[i].id, place->id, __ATOMIC_RELEASE);
	return true;
}

static int again_walk(void *arg, uint32_t pid)
{
	struct cgroup_place places[CGROUPS_MAX];
	struct again *a = arg;
	struct cgroup_container c;
	char path[1024];
	size_t n, i;

	if (!containers_of(pid, &c, path, sizeof(path)) || map_get(a->seen, path_hash(path)))
		return 0;
	if (!containers_called(&c, a->container)) {
		(void)map_set(a->seen, path_hash(path), 1);
		return 0;
	}
	n = cgroups_find(path, places, CGROUPS_MAX);
	for (i = 0; i < n; i++)
		a->added += place_add(a->kernel, &places[i]);
	return 0;
}

int select_again(const char *container, struct kernel *k, struct map *seen, struct err *err)
{
	struct again a = { container, k, seen, 0 };
	int r = pids_walk(again_walk, &a);

	while (a.added && r >= 0 && (r = kernel_iterate(k, "process_snapshot", err)) > 0)
		;
	return r < 0 ? r : 0;
}

int select_places(const struct record_opts *opts, struct kernel *k, struct err *err)
{
	int r = names_select(opts, k, err);
	uint64_t found;

	if (r >= 0 && opts->cgroup)
		r = cgroup_select(opts->cgroup, k, err);
	do {
		found = kernel_control(k)->found;
		if (r >= 0)
			r = kernel_iterate(k, "process_snapshot", err);
	} while (r > 0 || (r == 0 && __atomic_load_n(&kernel_control(k)->found, __ATOMIC_ACQUIRE) != found));
	return r;
}
