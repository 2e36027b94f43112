/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pin.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain_internal.h"
#include "net/lb/lb.h"

#define ABOUT "about"
/* Changed by hand when a map's meaning changes and its shape does not. */
#define PIN_MEANING 2	     /* 2: lb_vip_counts has two numbers for each VIP that there is room for */
#define HOOK_MEANING 0x10000 /* programs of another hook cannot be in the map of stages */

/* ---- what a build is made of ---- */

static uint64_t map_shape(const struct bpf_map *map, uint64_t h)
{
	struct {
		char name[32];
		uint32_t type, key, value, entries, flags;
	} shape = { .type = bpf_map__type(map),
		    .key = bpf_map__key_size(map),
		    .value = bpf_map__value_size(map),
		    .entries = bpf_map__max_entries(map),
		    .flags = bpf_map__map_flags(map) };

	(void)snprintf(shape.name, sizeof(shape.name), "%s", bpf_map__name(map));
	return XXH64(&shape, sizeof(shape), h);
}

static int object_hash(const struct chain_object *o, enum chain_hook hook, struct pin_about *about, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = o->name);
	struct bpf_object *object = bpf_object__open_mem(o->on[hook].data, *o->on[hook].size, &opts);
	struct bpf_map *map;

	if (!object)
		return err_errno(err, errno, "cannot open the packet programs '%s'", o->name);
	bpf_object__for_each_map(map, object)
	{
		if (strchr(bpf_map__name(map), '.'))
			continue;
		about->layout = map_shape(map, about->layout);
		if (bpf_map__inner_map(map))
			about->layout = map_shape(bpf_map__inner_map(map), about->layout);
	}
	bpf_object__close(object);
	about->programs = XXH64(o->on[hook].data, *o->on[hook].size, about->programs);
	return 0;
}

int pin_about_build(enum chain_hook hook, uint32_t vips, uint32_t conns, struct pin_about *ret, struct err *err)
{
	struct pin_about about = { .layout = PIN_MEANING + (uint64_t)hook * HOOK_MEANING,
				   .vips = vips,
				   .conns = conns };
	size_t i;
	int r = object_hash(&chain_object, hook, &about, err);

	for (i = 0; i < LB_OBJECTS && !r; i++)
		r = object_hash(&lb_objects[i], hook, &about, err);
	if (r < 0)
		return r;
	*ret = about;
	return 0;
}

int pin_about_read(const struct chain *c, struct pin_about *ret, struct err *err)
{
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(chain_map(c, ABOUT), &zero, ret))
		return err_errno(err, errno, "cannot read what the pinned chain is made of");
	return 0;
}

static int about_write(struct chain *c, const struct pin_about *about, struct err *err)
{
	int fd = chain_map(c, ABOUT);
	uint32_t zero = 0;

	if (fd < 0) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, ABOUT, sizeof(zero), sizeof(*about), 1, NULL);
		if (fd < 0)
			return err_errno(err, errno, "cannot make the map '%s'", ABOUT);
		if (chain_keep(c, ABOUT, fd))
			return err_set(err, ENOMEM, "out of memory");
	}
	if (bpf_map_update_elem(fd, &zero, about, BPF_ANY))
		return err_errno(err, errno, "cannot write the map '%s'", ABOUT);
	return 0;
}

/* ---- writing ---- */

struct pinning {
	char dir[PATH_MAX - 64];
	struct err *err;
};

int pin_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_errno(err, errno, "cannot make the folder '%s'", path);
	return 0;
}

#define NEXT "_next" /* of no map and no program is this the end of the name */

static bool is_next(const char *name)
{
	size_t len = strlen(name), end = strlen(NEXT);

	return len > end && !strcmp(name + len - end, NEXT);
}

/* A new file beside the old one, then in its place. */
static int pin_one(void *arg, const char *name, int fd)
{
	struct pinning *p = arg;
	char path[PATH_MAX], next[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	(void)snprintf(next, sizeof(next), "%s/%s" NEXT, p->dir, name);
	(void)unlink(next);
	if (bpf_obj_pin(fd, next))
		return err_errno(p->err, errno, "cannot pin '%s'", path);
	if (rename(next, path))
		return err_errno(p->err, errno, "cannot pin '%s'", path);
	return 0;
}

/* Where programs take the place of others, what they are is said last: half of them are still to be replaced. */
int pin_chain(struct chain *c, const char *dir, const struct pin_about *about, struct err *err)
{
	struct pinning p = { .err = err };
	bool replaced = chain_map(c, ABOUT) >= 0;
	int r = replaced ? 0 : about_write(c, about, err);

	if (!r)
		r = pin_folder(dir, err);
	(void)snprintf(p.dir, sizeof(p.dir), "%s/maps", dir);
	if (!r)
		r = pin_folder(p.dir, err);
	if (!r)
		r = chain_each_map(c, pin_one, &p);
	(void)snprintf(p.dir, sizeof(p.dir), "%s/programs", dir);
	if (!r)
		r = pin_folder(p.dir, err);
	if (!r)
		r = chain_each_program(c, pin_one, &p);
	return r < 0 || !replaced ? r : about_write(c, about, err);
}

/* ---- reading ---- */

static int open_all(struct chain *c, const char *dir, int (*keep)(struct chain *, const char *, int), struct err *err)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	int r = 0;

	if (!d)
		return err_errno(err, errno, "cannot open the folder '%s'", dir);
	while (!r && (entry = readdir(d))) {
		char path[PATH_MAX];
		int fd;

		if (entry->d_name[0] == '.' || is_next(entry->d_name)) /* of one that was killed */
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			r = err_errno(err, errno, "cannot open '%s'", path);
		else if (keep(c, entry->d_name, fd))
			r = err_set(err, ENOMEM, "out of memory");
	}
	(void)closedir(d);
	return r;
}

int pin_open(const char *dir, struct chain **ret, struct err *err)
{
	char path[PATH_MAX];
	struct chain *c;
	int r;

	if (access(dir, F_OK))
		return err_errno(err, errno, "cannot open the folder '%s'", dir);
	c = chain_empty();
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%s/maps", dir);
	r = open_all(c, path, chain_keep, err);
	(void)snprintf(path, sizeof(path), "%s/programs", dir);
	if (!r)
		r = open_all(c, path, chain_keep_program, err);
	/* parts of one that was killed */
	if (!r && (chain_map(c, ABOUT) < 0 || chain_map(c, "chain_control") < 0 || chain_program(c, "chain_entry") < 0))
		r = err_set(err, ENOENT, "the chain in '%s' is not whole", dir);
	chain_hook_look(c);
	if (!r)
		r = chain_control_map(c, err);
	if (r < 0) {
		(void)chain_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* ---- removal ---- */

static int remove_level(const char *dir, unsigned deeper, struct err *err)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_errno(err, errno, "cannot open the folder '%s'", dir);
	while (!r && (entry = readdir(d))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (deeper && entry->d_type == DT_DIR)
			r = remove_level(path, deeper - 1, err);
		else if (unlink(path) && errno != ENOENT)
			r = err_errno(err, errno, "cannot remove '%s'", path);
	}
	(void)closedir(d);
	if (!r && rmdir(dir) && errno != ENOENT)
		r = err_errno(err, errno, "cannot remove the folder '%s'", dir);
	return r;
}

int pin_remove(const char *dir, struct err *err)
{
	return remove_level(dir, 2, err);
}
