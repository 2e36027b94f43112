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

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "event/event.h"
#include "kernel/bpf/shared.bpf.h"

#define NAMES_MAX 65536
#define NETNS_DIR "/run/netns"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux 5.14 */
#endif

struct places {
	places_emit_fn *emit;
	void *arg;
	struct map netns, cgroups; /* seen */
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

static int netns_see(struct places *n, uint64_t netns, uint32_t pid)
{
	char path[64];
	uint64_t inode = 0;
	int r = netns_scan(n);

	if (r < 0 || map_get(&n->netns, netns))
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	/* the process may live elsewhere by now, or be gone and its number another's */
	if (places_netns_cookie(path, &inode) != netns)
		inode = 0;
	return netns_tell(n, netns, inode, "");
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

static int cgroup_see(struct places *n, uint64_t cgroup, uint32_t pid)
{
	struct event_cgroup e = {
		.h = { .type = EVENT_CGROUP, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER }, .cgroup = cgroup
	};
	char path[64], line[1024];
	const char *strings[] = { NULL, NULL };
	CLEANUP_FCLOSE FILE *f = NULL;
	union {
		struct event_header h;
		char bytes[2048];
	} room;

	if (n->cgroups.count >= NAMES_MAX)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		strings[0] = cgroup_path(line, cgroup & CGROUP_V1);
		if (!strings[0])
			continue;
		(void)map_set(&n->cgroups, cgroup, 1);
		return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : n->emit(n->arg, &room.h);
	}
	return 0;
}

int places_see(struct places *n, uint64_t netns, uint64_t cgroup, uint32_t pid)
{
	int r = 0;

	if (netns && !map_get(&n->netns, netns))
		r = netns_see(n, netns, pid);
	if (r >= 0 && cgroup && !map_get(&n->cgroups, cgroup))
		r = cgroup_see(n, cgroup, pid);
	return r;
}
