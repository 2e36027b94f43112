/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/dynamic.h"

#include <fcntl.h>
#include <gelf.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "kernel/kernel.h"
#include "probe/tracepoint.h"

extern const unsigned char bpf_dynamic_data[];
extern const size_t bpf_dynamic_size;

static const struct kernel_ladder dynamic_ladders[] = {
	{ .observation = "tracepoint",
	  .about = "tracepoints named on the command line",
	  .later = true,
	  .rungs = { { "dynamic_tracepoint", "tracepoint", "5.15" } } },
	{ .observation = "uprobe",
	  .about = "functions named on the command line",
	  .later = true,
	  .rungs = { { "dynamic_function", "uprobe", "5.15" } } },
};

const struct kernel_object probe_dynamic = {
	.name = "dynamic",
	.data = bpf_dynamic_data,
	.size = &bpf_dynamic_size,
	.ladders = dynamic_ladders,
	.nladders = ARRAY_LEN(dynamic_ladders),
};

struct spot {
	struct dynamic_type wire;
	int tracepoint_id; /* -1: a function */
	char path[512], function[512];
	int perf_fd, link_fd;
	struct bpf_link *link;
};

struct dynamic {
	size_t n;
	struct spot spots[DYNAMIC_MAX];
};

/* A type's name must not be one that Saker has. */
static void name_free(char *name, size_t cap, const struct event_types *types, const char *prefix)
{
	char old[64];
	char *p;

	for (p = name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *p))
			*p = '_';
	if (!event_types_find(types, name))
		return;
	(void)snprintf(old, sizeof(old), "%.60s", name);
	(void)snprintf(name, cap, "%s_%.50s", prefix, old);
}

static int spot_tracepoint(struct spot *s, char *spec, uint16_t id, struct event_types *types, struct err *err)
{
	char *name = strchr(spec, ':');
	struct tracepoint tp;
	int r;

	if (!name)
		return err_set(err, EINVAL, "'%s' is no tracepoint: write tracepoint:CATEGORY:NAME", spec);
	*name++ = 0;
	r = tracepoint_read(spec, name, &tp, &s->tracepoint_id, err);
	if (r < 0)
		return r;
	name_free(tp.name, sizeof(tp.name), types, spec);
	tp.type.id = id;
	tp.wire.type = id;
	s->wire = tp.wire;
	return event_types_add(types, &tp.type, err);
}

static int spot_function(struct spot *s, char *spec, uint16_t id, struct event_types *types, struct err *err)
{
	static const char *const names[DYNAMIC_ARGS] = { "arg1", "arg2", "arg3", "arg4", "arg5" };
	struct event_field fields[DYNAMIC_ARGS] = { 0 };
	struct event_type type = { .id = id, .nfields = DYNAMIC_ARGS, .about = "function", .fields = fields };
	char *function = strrchr(spec, ':'), name[64];
	size_t i;

	if (!function || spec[0] != '/')
		return err_set(err, EINVAL, "'%s' is no function: write uprobe:/PATH:FUNCTION", spec);
	*function++ = 0;
	if (access(spec, R_OK) < 0)
		return err_errno(err, errno, "cannot read '%s'", spec);
	(void)snprintf(s->path, sizeof(s->path), "%s", spec);
	(void)snprintf(s->function, sizeof(s->function), "%s", function);
	(void)snprintf(name, sizeof(name), "%.60s", function);
	name_free(name, sizeof(name), types, "uprobe");
	for (i = 0; i < DYNAMIC_ARGS; i++)
		fields[i] = (struct event_field) {
			names[i], EVENT_U64, EVENT_FMT_HEX, NULL, (uint16_t)(sizeof(struct event_header) + i * 8), 8, ""
		};
	type.size = sizeof(struct event_header) + DYNAMIC_ARGS * 8;
	type.name = name;
	s->tracepoint_id = -1;
	s->wire.type = id;
	return event_types_add(types, &type, err);
}

int dynamic_new(const char *const *probes, size_t n, struct event_types *types, struct dynamic **ret, struct err *err)
{
	struct dynamic *d = calloc(1, sizeof(*d));
	int r = 0;
	size_t i;

	if (!d)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < n && r >= 0; i++) {
		uint16_t id = (uint16_t)(EVENT_DYNAMIC_MIN + i);
		struct spot *s = &d->spots[i];
		char spec[512];

		s->perf_fd = s->link_fd = -1;
		d->n = i + 1;
		(void)snprintf(spec, sizeof(spec), "%s", probes[i]);
		if (i == DYNAMIC_MAX)
			r = err_set(err, E2BIG, "more than %d probes", DYNAMIC_MAX);
		else if (!strncmp(spec, "tracepoint:", 11))
			r = spot_tracepoint(s, spec + 11, id, types, err);
		else if (!strncmp(spec, "uprobe:", 7))
			r = spot_function(s, spec + 7, id, types, err);
		else
			r = err_set(err, EINVAL, "'%s' is no probe: tracepoint:CATEGORY:NAME or uprobe:/PATH:FUNCTION",
				    probes[i]);
	}
	if (r < 0)
		(void)dynamic_free(d);
	else
		*ret = d;
	return r;
}

static int tracepoint_attach(struct spot *s, uint32_t key, struct bpf_program *p, struct err *err)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.config = (uint64_t)s->tracepoint_id,
					.sample_period = 1,
					.wakeup_events = 1 };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = key);

	s->perf_fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (s->perf_fd < 0)
		return err_errno(err, errno, "cannot open the tracepoint");
	s->link_fd = bpf_link_create(bpf_program__fd(p), s->perf_fd, BPF_PERF_EVENT, &opts);
	return s->link_fd < 0 ? err_errno(err, errno, "cannot attach to the tracepoint") : 0;
}

/* Has the file lost its symbol table?  Then only what it exports can be found. */
static bool file_stripped(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = NULL;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	bool found = false;

	if (fd < 0 || elf_version(EV_CURRENT) == EV_NONE || !(elf = elf_begin(fd, ELF_C_READ, NULL)))
		return false;
	while (!found && (section = elf_nextscn(elf, section)))
		found = gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB;
	(void)elf_end(elf);
	return !found;
}

static int function_missing(const struct spot *s, struct err *err)
{
	if (file_stripped(s->path))
		return err_set(err, ENOENT,
			       "there is no function '%s' in '%s': it is stripped, only what it exports is known",
			       s->function, s->path);
	return err_set(err, ENOENT, "there is no function '%s' in '%s'", s->function, s->path);
}

static int function_attach(struct spot *s, uint32_t key, struct bpf_program *p, struct err *err)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts, .func_name = s->function, .bpf_cookie = key);

	s->link = bpf_program__attach_uprobe_opts(p, -1, s->path, 0, &opts);
	if (!s->link && errno == ENOENT)
		return function_missing(s, err);
	if (!s->link)
		return err_errno(err, errno, "cannot attach to function '%s' of '%s'", s->function, s->path);
	return 0;
}

int dynamic_attach(struct dynamic *d, struct kernel *k, struct err *err)
{
	struct bpf_object *o;
	int map, r;
	uint32_t i;

	if (!d->n)
		return 0;
	r = kernel_load(k, &probe_dynamic, err);
	if (r < 0)
		return r;
	o = kernel_bpf(k, &probe_dynamic);
	map = bpf_object__find_map_fd_by_name(o, "dynamic_types");
	for (i = 0; i < d->n && r >= 0; i++) {
		struct spot *s = &d->spots[i];

		if (bpf_map_update_elem(map, &i, &s->wire, BPF_ANY) < 0)
			return err_errno(err, errno, "cannot describe a probe to the kernel");
		if (s->tracepoint_id >= 0)
			r = tracepoint_attach(s, i, bpf_object__find_program_by_name(o, "dynamic_tracepoint"), err);
		else
			r = function_attach(s, i, bpf_object__find_program_by_name(o, "dynamic_function"), err);
	}
	return r;
}

void dynamic_detach(struct dynamic *d)
{
	size_t i;

	for (i = 0; d && i < d->n; i++) {
		struct spot *s = &d->spots[i];

		if (s->link)
			(void)bpf_link__destroy(TAKE(s->link));
		if (s->link_fd >= 0)
			(void)close(TAKE_FD(s->link_fd));
		if (s->perf_fd >= 0)
			(void)close(TAKE_FD(s->perf_fd));
	}
}

struct dynamic *dynamic_free(struct dynamic *d)
{
	dynamic_detach(d);
	free(d);
	return NULL;
}
