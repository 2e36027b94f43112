/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"

/* When a process is looked at again, after it was met: its loader needs some ms, what it loads by itself may come later. */
static const uint64_t looks_ns[] = { NS_PER_SEC / 50, NS_PER_SEC / 5, 2 * NS_PER_SEC };

struct waiting {
	uint64_t next_ns; /* 0: free */
	uint32_t pid, look;
};

struct mapped {
	mapped_fn *fn;
	void *arg;
	struct waiting waiting[MAPPED_WAITING];
	uint32_t at, count; /* where the next one goes; how many wait */
};

int mapped_open(const char *at, uint64_t *ret_inode, uint64_t *ret_key)
{
	CLEANUP_CLOSE int fd = open(at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	*ret_inode = st.st_ino;
	*ret_key = map_hash(map_hash(map_hash(st.st_ino) + st.st_dev) + (uint64_t)st.st_size) +
		   (uint64_t)st.st_mtim.tv_sec * NS_PER_SEC + (uint64_t)st.st_mtim.tv_nsec;
	return TAKE_FD(fd);
}

bool mapped_command(const char *command, char *ret, size_t cap)
{
	const char *dirs = getenv("PATH"), *at = dirs ? dirs : "/bin:/usr/bin";
	size_t n;

	if (strchr(command, '/'))
		return (size_t)snprintf(ret, cap, "%s", command) < cap;
	for (;; at += n + 1) {
		n = strcspn(at, ":");
		if ((size_t)snprintf(ret, cap, "%.*s/%s", n ? (int)n : 1, n ? at : ".", command) < cap &&
		    access(ret, X_OK) == 0)
			return true;
		if (!at[n])
			return false;
	}
}

/* A line of proc_pid_maps(5): begin-end, permissions, offset, device, inode, path; last: inode of the line before. */
static int each_line(uint32_t pid, const char *line, char last[32], mapped_fn *fn, void *arg)
{
	char range[64], permissions[8], inode[32], path[1024], at[128];
	struct mapped_file f = { .pid = pid, .path = path, .at = at };

	if (sscanf(line, "%63s %7s %*s %*s %31s %1023[^\n]", range, permissions, inode, path) != 4 || path[0] != '/' ||
	    permissions[2] != 'x' || !strcmp(inode, last))
		return 0;
	(void)snprintf(last, 32, "%s", inode);
	(void)snprintf(at, sizeof(at), "/proc/%u/map_files/%s", pid, range);
	return fn(arg, &f);
}

int mapped_each(uint32_t pid, mapped_fn *fn, void *arg)
{
	char path[64], exe[1024], last[32] = "";
	struct mapped_file program = { .pid = pid, .program = true, .path = exe, .at = path };
	CLEANUP_FREE char *line = NULL;
	CLEANUP_FCLOSE FILE *f = NULL;
	size_t cap = 0;
	ssize_t n;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return 0;
	exe[n] = 0;
	r = fn(arg, &program);
	(void)snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = r < 0 ? NULL : fopen(path, "re");
	while (r >= 0 && f && getline(&line, &cap, f) > 0)
		r = each_line(pid, line, last, fn, arg);
	return r;
}

int mapped_new(mapped_fn *fn, void *arg, struct mapped **ret)
{
	struct mapped *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->fn = fn;
	m->arg = arg;
	*ret = m;
	return 0;
}

struct mapped *mapped_free(struct mapped *m)
{
	free(m);
	return NULL;
}

int mapped_see(struct mapped *m, uint32_t pid, uint64_t now)
{
	struct waiting *w;

	if (!m)
		return 0;
	w = &m->waiting[m->at++ % MAPPED_WAITING];
	m->count += !w->next_ns;
	*w = (struct waiting) { now + looks_ns[0], pid, 0 };
	return mapped_each(pid, m->fn, m->arg);
}

int mapped_tick(struct mapped *m, uint64_t now)
{
	size_t i;
	int r = 0;

	for (i = 0; m && m->count && r >= 0 && i < MAPPED_WAITING; i++) {
		struct waiting *w = &m->waiting[i];

		if (!w->next_ns || now < w->next_ns)
			continue;
		r = mapped_each(w->pid, m->fn, m->arg);
		w->next_ns = ++w->look < ARRAY_LEN(looks_ns) ? now + looks_ns[w->look] : 0;
		m->count -= !w->next_ns;
	}
	return r;
}
