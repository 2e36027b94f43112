/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/containers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/container_state.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define FILE_MAX (1U << 20)
#define ANCESTORS 4
#define BEGIN_STEP_NS (10 * NS_PER_MS)
#define BEGINS_NS (2 * NS_PER_SEC) /* from a runtime's note of a container to its first process, at most */

/* All of the file with a NUL behind it, NULL: it cannot be read or is too large. */
static char *file_read(const char *path, size_t *ret_len)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t cap = 8192, len = 0;
	char *text = fd < 0 ? NULL : malloc(cap), *grown;
	ssize_t n;

	while (text && (n = read(fd, text + len, cap - len - 1)) > 0) {
		len += (size_t)n;
		if (len + 1 < cap)
			continue;
		cap *= 2;
		grown = cap > FILE_MAX ? NULL : realloc(text, cap);
		if (!grown)
			free(text);
		text = grown;
	}
	if (text)
		text[len] = 0;
	*ret_len = len;
	return text;
}

/* --- runtimes that note the control group --- */

/* Among the containers below dir, each with a file of that name: the id of the one that lives there. */
static bool state_find(const char *dir, const char *file, const char *cgroup_path, char ret_id[CGROUP_TEXT])
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		char path[512], *text;
		size_t len;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= CGROUP_TEXT)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, entry->d_name, file);
		text = file_read(path, &len);
		found = text && container_lives_in(text, len, cgroup_path);
		if (found)
			memcpy(ret_id, entry->d_name, strlen(entry->d_name) + 1);
		free(text);
	}
	if (d)
		(void)closedir(d);
	return found;
}

static bool low_level_find(const char *cgroup_path, struct cgroup_container *ret)
{
	*ret = (struct cgroup_container) { .runtime = "crun" };
	if (state_find("/run/crun", "status", cgroup_path, ret->id))
		return true;
	ret->runtime = "runc";
	return state_find("/run/runc", "state.json", cgroup_path, ret->id);
}

/* --- names --- */

static uint32_t parent_of(uint32_t pid)
{
	char path[64], *text, *after;
	unsigned int ppid = 0;
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	text = file_read(path, &len);
	after = text ? strrchr(text, ')') : NULL;
	if (!after || sscanf(after, ") %*c %u", &ppid) != 1)
		ppid = 0;
	free(text);
	return ppid;
}

static bool monitor_name(uint32_t pid, struct cgroup_container *c)
{
	bool found = false;
	int i;

	for (i = 0; i < ANCESTORS && !found && (pid = parent_of(pid)) > 1; i++) {
		char path[64], *text;
		size_t len;

		(void)snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
		text = file_read(path, &len);
		found = text && container_monitor_name(text, len, c->id, c->name);
		free(text);
	}
	return found;
}

static bool file_name(struct cgroup_container *c, const char *format, bool (*parse)(const char *, size_t, char *))
{
	char path[512], *text;
	size_t len;
	bool found;

	(void)snprintf(path, sizeof(path), format, c->id);
	text = file_read(path, &len);
	found = text && parse(text, len, c->name);
	free(text);
	return found;
}

static bool storage_name(struct cgroup_container *c)
{
	size_t len;
	char *text = file_read("/var/lib/containers/storage/overlay-containers/containers.json", &len);
	bool found = text && container_storage_name(text, len, c->id, c->name);

	free(text);
	return found;
}

static void name_find(struct cgroup_container *c, uint32_t pid)
{
	if (c->name[0])
		return;
	if (monitor_name(pid, c)) {
		if (!*c->runtime || !strcmp(c->runtime, "crun") || !strcmp(c->runtime, "runc"))
			c->runtime = "podman";
		return;
	}
	if (file_name(c, "/var/lib/docker/containers/%s/config.v2.json", container_docker_name) ||
	    file_name(c, "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", container_oci_name) ||
	    file_name(c, "/run/containerd/io.containerd.runtime.v2.task/default/%s/config.json", container_oci_name) ||
	    storage_name(c))
		return;
	cgroup_short_id(c->id, c->name);
}

bool containers_find(const char *path, uint32_t pid, struct cgroup_container *ret)
{
	if (!cgroup_container(path, ret) && !low_level_find(path, ret))
		return false;
	name_find(ret, pid);
	return true;
}

bool containers_of(uint32_t pid, struct cgroup_container *ret, char *ret_path, size_t cap)
{
	char path[64], line[4096];
	CLEANUP_FCLOSE FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strchr(line, ':');

		at = at ? strchr(at + 1, ':') : NULL;
		if (!at || at[1] != '/' || at[2] == '\n')
			continue;
		at[1 + strcspn(at + 1, "\n")] = 0;
		if (strlen(at + 1) >= cap || !containers_find(at + 1, pid, ret))
			continue;
		memcpy(ret_path, at + 1, strlen(at + 1) + 1);
		return true;
	}
	return false;
}

bool containers_called(const struct cgroup_container *c, const char *name)
{
	char short_id[CGROUP_TEXT];

	if (!strcmp(c->name, name) || !strcmp(c->id, name))
		return true;
	/* an id that is a name of its own is not to be shortened */
	cgroup_short_id(c->id, short_id);
	return strcmp(c->id, short_id) != 0 && !strncmp(name, short_id, strlen(short_id)) &&
	       !strncmp(c->id, name, strlen(name));
}

/* --- watching --- */

struct containers_watch {
	int fd;
	uint64_t until_ns;	    /* something may begin yet */
	uint64_t again_ns, step_ns; /* when it is to be looked for again, and then after twice as long */
};

static const char *const watched[] = {
	"/run/crun",
	"/run/runc",
	"/run/docker/runtime-runc/moby",
	"/run/containerd/runc/k8s.io",
	"/run/containerd/runc/default",
};

/* A runtime makes its folder with its first container: what holds that folder is watched too. */
static int watch_all(int fd)
{
	size_t i;
	int n = inotify_add_watch(fd, "/run", IN_CREATE | IN_ONLYDIR) >= 0;

	for (i = 0; i < ARRAY_LEN(watched); i++)
		n += inotify_add_watch(fd, watched[i], IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
	return n;
}

struct containers_watch *containers_watch_new(void)
{
	struct containers_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0 || !watch_all(w->fd))
		return containers_watch_free(w);
	return w;
}

struct containers_watch *containers_watch_free(struct containers_watch *w)
{
	if (w && w->fd >= 0)
		(void)close(w->fd);
	free(w);
	return NULL;
}

bool containers_begun(struct containers_watch *w)
{
	char events[4096];
	uint64_t now = clock_boot_ns();

	while (read(w->fd, events, sizeof(events)) > 0) {
		(void)watch_all(w->fd);
		w->until_ns = now + BEGINS_NS;
		w->again_ns = now;
		w->step_ns = BEGIN_STEP_NS;
	}
	if (now >= w->until_ns || now < w->again_ns)
		return false;
	w->again_ns = now + w->step_ns;
	w->step_ns *= 2;
	return true;
}
