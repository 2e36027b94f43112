/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"

static char last_words[256];

/* Keeps the last line that says something about a failure. */
static int object_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char text[4096], *line, *save = NULL;

	if (level == LIBBPF_DEBUG)
		return 0;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!*line || strstr(line, "-- END PROG") || strstr(line, "processed ") ||
		    strstr(line, "failed to load"))
			continue;
		(void)snprintf(last_words, sizeof(last_words), "%.250s", line);
	}
	return 0;
}

void object_quiet(void)
{
	(void)libbpf_set_print(object_log);
	last_words[0] = 0;
}

const char *object_last_words(void)
{
	return last_words;
}

/* Offset of variable `cfg` in the object's .rodata, or -ENOENT. */
static int cfg_offset(const struct bpf_object *o)
{
	const struct btf *btf = bpf_object__btf(o);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC), i;
	const struct btf_type *sec = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);

	for (i = 0; sec && i < btf_vlen(sec); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(sec) + i;
		const struct btf_type *var = btf__type_by_id(btf, v->type);

		if (!strcmp(btf__name_by_offset(btf, var->name_off), "cfg"))
			return (int)v->offset;
	}
	return -ENOENT;
}

static int cfg_set(struct bpf_object *o, const struct kernel_cfg *cfg)
{
	struct bpf_map *map;
	int at = cfg_offset(o);

	if (at < 0)
		return at;
	bpf_object__for_each_map(map, o)
	{
		CLEANUP_FREE char *copy = NULL;
		const void *data;
		size_t size;

		if (!strstr(bpf_map__name(map), ".rodata"))
			continue;
		data = bpf_map__initial_value(map, &size);
		if (!data || (size_t)at + sizeof(*cfg) > size)
			return -EINVAL;
		copy = malloc(size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, data, size);
		memcpy(copy + at, cfg, sizeof(*cfg));
		return bpf_map__set_initial_value(map, copy, size);
	}
	return -ENOENT;
}

struct common_ref {
	const char *name;
	size_t offset;
};

static const struct common_ref commons[] = {
	{ "rings", offsetof(struct common_maps, rings) },
	{ "cpu_states", offsetof(struct common_maps, cpu_states) },
	{ "loss_cells", offsetof(struct common_maps, loss_cells) },
	{ "selected", offsetof(struct common_maps, selected) },
	{ "control", offsetof(struct common_maps, control) },
	{ "scratches", offsetof(struct common_maps, scratches) },
	{ "ended", offsetof(struct common_maps, ended) },
	{ "waits", offsetof(struct common_maps, waits) },
	{ "log_offsets", offsetof(struct common_maps, log_offsets) },
	{ "log_rates", offsetof(struct common_maps, log_rates) },
	{ "go_programs", offsetof(struct common_maps, go_programs) },
	{ "go_threads", offsetof(struct common_maps, go_threads) },
	{ "sched_threads", offsetof(struct common_maps, sched_threads) },
	{ "tls_threads", offsetof(struct common_maps, tls_threads) },
};

static int *common_fd(struct common_maps *m, size_t i)
{
	return (int *)(void *)((char *)m + commons[i].offset);
}

static int common_reuse(struct bpf_object *o, struct common_maps *shared)
{
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(commons); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(o, commons[i].name);
		int fd = *common_fd(shared, i);

		if (!map || fd < 0)
			continue;
		r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The first object's maps become everyone's. */
static int common_keep(struct bpf_object *o, struct common_maps *shared)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(commons); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(o, commons[i].name);
		int *fd = common_fd(shared, i);

		if (!map || *fd >= 0)
			continue;
		*fd = dup(bpf_map__fd(map));
		if (*fd < 0)
			return -errno;
	}
	return 0;
}

/* Where the hierarchy of version 2 is mounted, opened; -1: nowhere. */
static int cgroup_root(void)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mounts", "re");
	char line[4096], path[2048], type[64];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %2047s %63s", path, type) == 2 && !strcmp(type, "cgroup2"))
			return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	errno = ENOENT;
	return -1;
}

struct bpf_link *object_attach(struct bpf_program *p)
{
	CLEANUP_CLOSE int fd = -1;

	if (bpf_program__type(p) != BPF_PROG_TYPE_CGROUP_SOCK_ADDR)
		return bpf_program__attach(p);
	fd = cgroup_root();
	return fd < 0 ? NULL : bpf_program__attach_cgroup(p, fd);
}

int object_load(const struct kernel_object *obj, const struct kernel_cfg *cfg, struct common_maps *shared,
		bool (*wanted)(void *arg, const char *program), void *arg, struct bpf_object **ret, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = obj->name);
	struct bpf_object *o;
	struct bpf_program *p;
	int r;

	object_quiet();
	o = bpf_object__open_mem(obj->data, *obj->size, &opts);
	if (!o)
		return err_errno(err, errno, "cannot open the BPF object '%s'", obj->name);
	bpf_object__for_each_program(p, o)(void) bpf_program__set_autoload(p, wanted(arg, bpf_program__name(p)));
	r = cfg_set(o, cfg);
	if (r >= 0 && shared)
		r = common_reuse(o, shared);
	if (r >= 0)
		r = bpf_object__load(o);
	if (r >= 0 && shared)
		r = common_keep(o, shared);
	if (r < 0) {
		bpf_object__close(o);
		return err_set(err, -r, "cannot load BPF programs of '%s': %s (%s)", obj->name, strerror(-r),
			       last_words);
	}
	*ret = o;
	return 0;
}
