/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log_files.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "kernel/bpf/shared.bpf.h"

struct known {
	uint64_t key;
	char *path; /* NULL: no log */
};

struct log_files {
	char *globs[LOG_GLOBS_MAX];
	size_t nglobs;
	struct map by_key; /* -> index in known */
	struct known known[LOG_FILES_KNOWN];
	size_t next;
};

/* --- patterns --- */

static bool special(char c)
{
	return c && strchr("*?[\\", c);
}

static void rough(const char *glob, struct log_glob *ret)
{
	const char *last = strrchr(glob, '/') + 1, *end = last + strlen(last), *p = last, *q = end;
	size_t n;

	*ret = (struct log_glob) { 0 };
	while (*p && !special(*p))
		p++;
	n = MIN((size_t)(p - last), sizeof(ret->prefix));
	memcpy(ret->prefix, last, n);
	ret->prefix_len = (uint32_t)n;
	/* a class ends with a bracket, and what is behind a backslash means itself: only what is surely literal counts */
	while (q > p && !special(q[-1]) && q[-1] != ']' && !(q - 1 > p && q[-2] == '\\'))
		q--;
	n = MIN((size_t)(end - q), sizeof(ret->suffix));
	memcpy(ret->suffix, end - n, n);
	ret->suffix_len = (uint32_t)n;
}

static int glob_add(struct log_files *f, const char *glob, struct kernel_cfg *cfg, struct err *err)
{
	char dir[PATH_MAX] = "";
	char *whole;

	if (f->nglobs == LOG_GLOBS_MAX)
		return err_set(err, E2BIG, "more than %d patterns of log files", LOG_GLOBS_MAX);
	if (!glob[0] || glob[strlen(glob) - 1] == '/')
		return err_set(err, EINVAL, "'%s' names no log file", glob);
	if (glob[0] != '/' && !getcwd(dir, sizeof(dir)))
		return err_errno(err, errno, "cannot tell where '%s' begins", glob);
	if (asprintf(&whole, "%s%s%s", dir, dir[0] ? "/" : "", !strncmp(glob, "./", 2) ? glob + 2 : glob) < 0)
		return err_set(err, ENOMEM, "out of memory");
	rough(whole, &cfg->logs[f->nglobs]);
	f->globs[f->nglobs++] = whole;
	cfg->nlogs = (uint32_t)f->nglobs;
	return 0;
}

int log_files_new(const char *const *globs, size_t nglobs, struct kernel_cfg *cfg, struct log_files **ret,
		  struct err *err)
{
	struct log_files *f = calloc(1, sizeof(*f));
	size_t i;
	int e = f ? 0 : err_set(err, ENOMEM, "out of memory");

	for (i = 0; e >= 0 && i < nglobs; i++)
		e = glob_add(f, globs[i], cfg, err);
	if (e < 0) {
		log_files_free(f);
		return e;
	}
	*ret = f;
	return 0;
}

struct log_files *log_files_free(struct log_files *f)
{
	size_t i;

	if (!f)
		return NULL;
	for (i = 0; i < f->nglobs; i++)
		free(f->globs[i]);
	for (i = 0; i < LOG_FILES_KNOWN; i++)
		free(f->known[i].path);
	map_fini(&f->by_key);
	free(f);
	return NULL;
}

/* --- files --- */

static uint64_t key_of(uint64_t inode, uint32_t device, uint32_t generation)
{
	uint64_t h = map_hash(map_hash(inode) ^ ((uint64_t)device << 32 | generation));

	return h ? h : 1;
}

/* The parts come from the last to the first, each with its NUL; -ENAMETOOLONG: it does not fit. */
static int path_join(const char *parts, size_t len, char out[PATH_MAX])
{
	size_t at = PATH_MAX - 1, i, n;

	out[at] = 0;
	for (i = 0; i < len; i += n + 1) {
		n = strnlen(parts + i, len - i);
		if (n + 1 > at)
			return -ENAMETOOLONG;
		at -= n;
		memcpy(out + at, parts + i, n);
		out[--at] = '/';
	}
	memmove(out, out + at, PATH_MAX - at);
	return 0;
}

static bool chosen(const struct log_files *f, const char *path)
{
	size_t i;

	for (i = 0; i < f->nglobs; i++)
		if (!fnmatch(f->globs[i], path, FNM_PATHNAME))
			return true;
	return false;
}

/* Room for one more: the oldest is forgotten. */
static struct known *known_add(struct log_files *f, uint64_t key)
{
	uint64_t *at = map_get(&f->by_key, key);
	struct known *k = at ? &f->known[*at] : &f->known[f->next];

	if (!at) {
		if (k->key)
			(void)map_del(&f->by_key, k->key);
		if (map_set(&f->by_key, key, f->next) < 0)
			return NULL;
		f->next = (f->next + 1) % LOG_FILES_KNOWN;
	}
	free(k->path);
	*k = (struct known) { .key = key };
	return k;
}

int log_files_see(struct log_files *f, const struct event_log_piece *p, int map_fd)
{
	struct log_file key = { .inode = p->file, .device = p->device, .generation = p->generation };
	struct known *k = known_add(f, key_of(p->file, p->device, p->generation));
	const char *parts = (const char *)p + sizeof(*p);
	char path[PATH_MAX];
	uint32_t choice = LOG_REFUSED;

	if (!k)
		return -ENOMEM;
	if (p->bytes <= p->h.length - sizeof(*p) && path_join(parts, p->bytes, path) >= 0 && chosen(f, path)) {
		k->path = strdup(path);
		choice = LOG_CHOSEN;
	}
	if (map_fd >= 0)
		(void)bpf_map_update_elem(map_fd, &key, &choice, BPF_ANY);
	return 0;
}

const char *log_files_name(const struct log_files *f, uint64_t inode, uint32_t device, uint32_t generation)
{
	const uint64_t *at = map_get(&f->by_key, key_of(inode, device, generation));

	return at && f->known[*at].path ? f->known[*at].path : "";
}
