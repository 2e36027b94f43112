/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent/cgroups.h"
#include "agent/containers.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "event/event.h"
#include "kernel/bpf/shared.bpf.h"

#define NAMES_MAX 65536
#define LATER_MAX 16
#define LATER_NS (2 * NS_PER_SEC)
#define MISSES_MAX 16
#define NETNS_DIR "/run/netns"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux 5.14 */
#endif

/*
 * A runtime may write down what it has made only when it has made it: the name of what looks like a container is waited for.
 */
struct later {
	uint64_t cgroup, netns; /* one of the two, or cgroup and where its process is */
	uint64_t until_ns;	/* 0: free */
	uint32_t pid;
	char path[256]; /* of the control group */
};

struct places {
	places_emit_fn *emit;
	void *arg;
	struct map netns, cgroups; /* seen */
	struct later later[LATER_MAX];
	struct map missed; /* namespace -> how often its process was not there any more */
};

int places_new(places_emit_fn *emit, void *arg, struct places **ret)
{
	struct places *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->emit = emit;
	n->arg = arg;
	*ret = n;
	return 0;
}

struct places *places_free(struct places *n)
{
	if (n) {
		map_fini(&n->netns);
		map_fini(&n->cgroups);
		map_fini(&n->missed);
	}
	free(n);
	return NULL;
}

static uint64_t own_cookie(void)
{
	CLEANUP_CLOSE int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (s < 0 || getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return 0;
	return cookie;
}

uint64_t places_netns_cookie(const char *path, uint64_t *ret_inode)
{
	CLEANUP_CLOSE int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t cookie = 0;
	struct stat st;

	if (home < 0 || fd < 0 || fstat(fd, &st) < 0 || setns(fd, CLONE_NEWNET) < 0)
		return 0;
	cookie = own_cookie();
	(void)setns(home, CLONE_NEWNET);
	*ret_inode = st.st_ino;
	return cookie;
}

static int netns_tell(struct places *n, uint64_t cookie, uint64_t inode, const char *name)
{
	struct event_netns e = { .h = { .type = EVENT_NETNS, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
				 .netns = cookie,
				 .inode = inode };
	const char *strings[] = { name, NULL };
	union {
		struct event_header h;
		char bytes[512];
	} room;

	if (n->netns.count >= NAMES_MAX || map_set(&n->netns, cookie, 1) < 0)
		return 0;
	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : n->emit(n->arg, &room.h);
}

/* All of /run/netns that is new. */
static int netns_scan(struct places *n)
{
	DIR *d = opendir(NETNS_DIR);
	struct dirent *entry;
	int r = 0;

	while (d && r >= 0 && (entry = readdir(d))) {
		char path[sizeof(NETNS_DIR) + sizeof(entry->d_name) + 1];
		uint64_t cookie, inode;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), NETNS_DIR "/%s", entry->d_name);
		cookie = places_netns_cookie(path, &inode);
		if (cookie && !map_get(&n->netns, cookie))
			r = netns_tell(n, cookie, inode, entry->d_name);
	}
	if (d)
		(void)closedir(d);
	return r;
}

/* Inode number of a namespace of the process, 0: the recorder's own, or not known. */
static uint64_t foreign_ns(uint32_t pid, const char *kind)
{
	char own[64], its[64];
	struct stat a, b;

	(void)snprintf(own, sizeof(own), "/proc/self/ns/%s", kind);
	(void)snprintf(its, sizeof(its), "/proc/%u/ns/%s", pid, kind);
	return stat(own, &a) < 0 || stat(its, &b) < 0 || a.st_ino == b.st_ino ? 0 : b.st_ino;
}

/* Its name is asked for again: false: no room, or nothing that looks like a container. */
static bool later_add(struct places *n, const struct later *like)
{
	size_t i;

	for (i = 0; i < LATER_MAX && foreign_ns(like->pid, "pid"); i++)
		if (!n->later[i].until_ns) {
			n->later[i] = *like;
			n->later[i].until_ns = clock_boot_ns() + LATER_NS;
			return true;
		}
	return false;
}

static bool missed_often(struct places *n, uint64_t netns)
{
	uint64_t *times = map_get(&n->missed, netns);

	if (times)
		return ++*times >= MISSES_MAX;
	return n->missed.count >= NAMES_MAX || map_set(&n->missed, netns, 1) < 0;
}

/* A container with a network of its own gives that its name, rather than the file that its runtime made up for it. */
static int netns_see(struct places *n, uint64_t netns, uint32_t pid)
{
	struct cgroup_container c;
	char path[1024];
	bool own = foreign_ns(pid, "net"), container = own && containers_of(pid, &c, path, sizeof(path));
	uint64_t inode = 0;
	int r = container ? 0 : netns_scan(n);

	if (r < 0 || map_get(&n->netns, netns))
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	/* the process may live elsewhere by now, or be gone and its number another's: perhaps the next one is there yet */
	if (places_netns_cookie(path, &inode) == netns) {
		if (own && !container && later_add(n, &(struct later) { .netns = netns, .pid = pid }))
			return map_set(&n->netns, netns, 1) < 0 ? -ENOMEM : 0;
		return netns_tell(n, netns, inode, container ? c.name : "");
	}
	return missed_often(n, netns) ? netns_tell(n, netns, 0, "") : 0;
}

/* The path in a line of /proc/PID/cgroup, if it is of that hierarchy: version 2, or the memory controller. */
static char *cgroup_path(char *line, bool v1)
{
	char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path || v1 != (strncmp(line, "0::", 3) != 0))
		return NULL;
	*path++ = 0;
	if (v1 && strcmp(controllers + 1, "memory") != 0)
		return NULL;
	path[strcspn(path, "\n")] = 0;
	return path;
}

static int container_tell(struct places *n, uint64_t cgroup, uint64_t netns, uint32_t pid,
			  const struct cgroup_container *c)
{
	struct event_container e = {
		.h = { .type = EVENT_CONTAINER, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
		.cgroup = cgroup,
		.netns = netns,
		.mntns = foreign_ns(pid, "mnt"),
		.pidns = foreign_ns(pid, "pid"),
	};
	const char *strings[] = { c->name, c->id, c->runtime, NULL };
	union {
		struct event_header h;
		char bytes[1024];
	} room;

	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : n->emit(n->arg, &room.h);
}

/* Is that the path of the control group?  The process may live elsewhere by now. */
static bool cgroup_is(const char *path, uint64_t cgroup)
{
	struct cgroup_place places[CGROUPS_MAX];
	size_t count = cgroups_find(path, places, CGROUPS_MAX), i;
	bool seen = false;

	for (i = 0; i < count; i++) {
		if (!places[i].hierarchy != !(cgroup & CGROUP_V1))
			continue;
		if (places[i].id == (cgroup & ~CGROUP_V1))
			return true;
		seen = true;
	}
	return !seen; /* its hierarchy is not mounted here */
}

static int cgroup_see(struct places *n, uint64_t cgroup, uint64_t netns, uint32_t pid)
{
	struct event_cgroup e = {
		.h = { .type = EVENT_CGROUP, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER }, .cgroup = cgroup
	};
	char path[64], line[1024];
	const char *strings[] = { NULL, NULL };
	CLEANUP_FCLOSE FILE *f = NULL;
	struct later later = { .cgroup = cgroup, .netns = netns, .pid = pid };
	struct cgroup_container c;
	union {
		struct event_header h;
		char bytes[2048];
	} room;
	int r = 0;

	if (n->cgroups.count >= NAMES_MAX)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		strings[0] = cgroup_path(line, cgroup & CGROUP_V1);
		if (!strings[0])
			continue;
		if (!cgroup_is(strings[0], cgroup))
			return 0;
		(void)map_set(&n->cgroups, cgroup, 1);
		if (event_build(&room, sizeof(room), &e, strings) >= 0)
			r = n->emit(n->arg, &room.h);
		break;
	}
	if (r < 0 || !strings[0])
		return r;
	if (containers_find(strings[0], pid, &c))
		return container_tell(n, cgroup, netns, pid, &c);
	(void)snprintf(later.path, sizeof(later.path), "%s", strings[0]);
	if (strlen(strings[0]) < sizeof(later.path))
		(void)later_add(n, &later);
	return 0;
}

int places_see(struct places *n, uint64_t netns, uint64_t cgroup, uint32_t pid)
{
	int r = 0;

	if (cgroup && !map_get(&n->cgroups, cgroup))
		r = cgroup_see(n, cgroup, netns, pid);
	if (r >= 0 && netns && !map_get(&n->netns, netns))
		r = netns_see(n, netns, pid);
	return r;
}

/* last: it is not asked again. */
static int later_see(struct places *n, struct later *l, bool last)
{
	struct cgroup_container c;
	uint64_t inode = 0;
	char path[1024];

	if (l->cgroup && containers_find(l->path, l->pid, &c)) {
		l->until_ns = 0;
		return container_tell(n, l->cgroup, l->netns, l->pid, &c);
	}
	if (!l->cgroup && containers_of(l->pid, &c, path, sizeof(path)))
		last = true;
	else
		c.name[0] = 0;
	if (!last)
		return 0;
	l->until_ns = 0;
	(void)snprintf(path, sizeof(path), "/proc/%u/ns/net", l->pid);
	if (l->cgroup)
		return 0;
	return netns_tell(n, l->netns, places_netns_cookie(path, &inode) == l->netns ? inode : 0, c.name);
}

int places_later(struct places *n, bool end)
{
	uint64_t now = clock_boot_ns();
	size_t i;
	int r = 0;

	for (i = 0; i < LATER_MAX && r >= 0; i++)
		if (n->later[i].until_ns)
			r = later_see(n, &n->later[i], end || now > n->later[i].until_ns);
	return r;
}
