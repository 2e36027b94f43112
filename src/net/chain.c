/* SPDX-License-Identifier: Apache-2.0 */
#include "net/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/membarrier.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain_internal.h"
#include "packet/wire.h"

extern const unsigned char bpf_net_chain_data[], bpf_net_chain_tc_data[];
extern const size_t bpf_net_chain_size, bpf_net_chain_tc_size;

#define OBJECTS_MAX 16

struct chain {
	enum chain_hook hook;
	struct bpf_object *objects[OBJECTS_MAX];
	size_t nobjects;
	struct chain_named *maps, *programs; /* those that are in no object */
	size_t nmaps, nprograms;
	struct chain_control *control; /* mapped */
	int placed[2 * CHAIN_STAGES];  /* programs, as chain_stages has them; 0: unknown, or none */
};

const struct chain_object chain_object = {
	"chain",
	{ { bpf_net_chain_data, &bpf_net_chain_size }, { bpf_net_chain_tc_data, &bpf_net_chain_tc_size } },
};

static const struct chain_words reasons[CHAIN_REASONS] = {
#define REASON(number, name, stage, kind, text) [number] = { #name, stage, kind, text },
#include "net/reasons.def"
#undef REASON
};

const struct chain_words *chain_reason(uint32_t reason)
{
	return reason < CHAIN_REASONS && reasons[reason].name ? &reasons[reason] : NULL;
}

static int named(const struct chain_named *rows, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!strcmp(rows[i].name, name))
			return rows[i].fd;
	}
	return -1;
}

static int named_add(struct chain_named **rows, size_t *n, const char *name, int fd)
{
	struct chain_named *grown = array_grown(*rows, *n, sizeof(**rows));

	if (!grown) {
		(void)close(fd);
		return -ENOMEM;
	}
	*rows = grown;
	(void)snprintf(grown[*n].name, sizeof(grown[*n].name), "%s", name);
	grown[(*n)++].fd = fd;
	return 0;
}

int chain_keep(struct chain *c, const char *name, int map)
{
	return named_add(&c->maps, &c->nmaps, name, map);
}

int chain_keep_program(struct chain *c, const char *name, int program)
{
	return named_add(&c->programs, &c->nprograms, name, program);
}

int chain_map(const struct chain *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nobjects; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(c->objects[i], name);

		if (map)
			return bpf_map__fd(map);
	}
	return named(c->maps, c->nmaps, name);
}

int chain_program(const struct chain *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nobjects; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(c->objects[i], name);

		if (program)
			return bpf_program__fd(program);
	}
	return named(c->programs, c->nprograms, name);
}

int chain_each_map(const struct chain *c, chain_each_fn each, void *arg)
{
	struct bpf_map *map;
	size_t i;
	int r = 0;

	for (i = 0; i < c->nmaps && !r; i++)
		r = each(arg, c->maps[i].name, c->maps[i].fd);
	for (i = 0; i < c->nobjects && !r; i++) {
		bpf_object__for_each_map(map, c->objects[i])
		{
			const char *name = bpf_map__name(map);

			/* an object's own data, and maps that an object before it has */
			if (strchr(name, '.') || chain_map(c, name) != bpf_map__fd(map))
				continue;
			r = each(arg, name, bpf_map__fd(map));
			if (r)
				break;
		}
	}
	return r;
}

int chain_each_program(const struct chain *c, chain_each_fn each, void *arg)
{
	struct bpf_program *program;
	size_t i;
	int r = 0;

	for (i = 0; i < c->nprograms && !r; i++)
		r = each(arg, c->programs[i].name, c->programs[i].fd);
	for (i = 0; i < c->nobjects && !r; i++) {
		bpf_object__for_each_program(program, c->objects[i])
		{
			r = each(arg, bpf_program__name(program), bpf_program__fd(program));
			if (r)
				break;
		}
	}
	return r;
}

/* Each map is that of an object before it, or gets its size. */
static int map_prepare(const struct chain *c, struct bpf_map *map, const struct chain_size *sizes, size_t nsizes)
{
	const char *name = bpf_map__name(map);
	int fd = strchr(name, '.') ? -1 : chain_map(c, name);
	size_t i;

	if (fd >= 0)
		return bpf_map__reuse_fd(map, fd);
	for (i = 0; i < nsizes; i++) {
		if (!strcmp(sizes[i].map, name))
			return bpf_map__set_max_entries(map, sizes[i].entries);
	}
	return 0;
}

int chain_load(struct chain *c, const struct chain_object *object, const struct chain_size *sizes, size_t nsizes,
	       struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = object->name);
	struct bpf_object *o;
	struct bpf_map *map;
	int r = 0;

	if (c->nobjects == OBJECTS_MAX)
		return err_set(err, ENOSPC, "cannot load '%s': a chain has at most %d objects", object->name,
			       OBJECTS_MAX);
	o = bpf_object__open_mem(object->on[c->hook].data, *object->on[c->hook].size, &opts);
	if (!o)
		return err_errno(err, errno, "cannot open the packet programs '%s'", object->name);
	bpf_object__for_each_map(map, o)
	{
		r = map_prepare(c, map, sizes, nsizes);
		if (r < 0)
			break;
	}
	if (!r)
		r = bpf_object__load(o);
	if (r < 0) {
		bpf_object__close(o);
		return err_errno(err, -r, "cannot load the packet programs '%s'", object->name);
	}
	c->objects[c->nobjects++] = o;
	return 0;
}

int chain_control_map(struct chain *c, struct err *err)
{
	void *at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			chain_map(c, "chain_control"), 0);

	if (at == MAP_FAILED)
		return err_errno(err, errno, "cannot map the chain's generation");
	c->control = at;
	return 0;
}

struct chain *chain_empty(void)
{
	return calloc(1, sizeof(struct chain));
}

int chain_new_shell(struct chain **ret, struct err *err)
{
	struct chain *c = chain_empty();

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	*ret = c;
	return 0;
}

int chain_new(enum chain_hook hook, struct chain **ret, struct err *err)
{
	return chain_new_with(NULL, hook, ret, err);
}

enum chain_hook chain_hook(const struct chain *c)
{
	return c->hook;
}

void chain_hook_look(struct chain *c)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (!bpf_obj_get_info_by_fd(chain_program(c, "chain_entry"), &info, &bytes) &&
	    info.type == BPF_PROG_TYPE_SCHED_CLS)
		c->hook = CHAIN_ON_TC;
}

static int keep_copy(void *arg, const char *name, int fd)
{
	struct chain *c = arg;
	int copy = chain_map(c, name) < 0 ? dup(fd) : -1;

	return copy < 0 ? 0 : chain_keep(c, name, copy);
}

int chain_new_with(const struct chain *maps, enum chain_hook hook, struct chain **ret, struct err *err)
{
	struct chain *c = chain_empty();
	uint32_t again = CHAIN_AGAIN;
	int r, program;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->hook = hook;
	r = maps && chain_each_map(maps, keep_copy, c) < 0 ? err_set(err, ENOMEM, "out of memory")
							   : chain_load(c, &chain_object, NULL, 0, err);
	if (!r)
		r = chain_control_map(c, err);
	if (!r) {
		program = chain_program(c, "chain_reenter");
		if (bpf_map_update_elem(chain_map(c, "chain_stages"), &again, &program, BPF_ANY))
			r = err_errno(err, errno, "cannot place the chain's second entry");
	}
	if (r < 0) {
		(void)chain_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct chain *chain_free(struct chain *c)
{
	if (!c)
		return NULL;
	if (c->control)
		(void)munmap(c->control, (size_t)sysconf(_SC_PAGESIZE));
	while (c->nobjects)
		bpf_object__close(c->objects[--c->nobjects]);
	while (c->nmaps)
		(void)close(c->maps[--c->nmaps].fd);
	while (c->nprograms)
		(void)close(c->programs[--c->nprograms].fd);
	free(c->maps);
	free(c->programs);
	free(c);
	return NULL;
}

uint32_t chain_hidden(const struct chain *c)
{
	return ~c->control->generation & 1;
}

uint32_t chain_generation(const struct chain *c)
{
	return __atomic_load_n(&c->control->generation, __ATOMIC_ACQUIRE);
}

int chain_table(struct chain *c, const char *name, int table, struct err *err)
{
	uint32_t side = chain_hidden(c);

	if (bpf_map_update_elem(chain_map(c, name), &side, &table, BPF_ANY))
		return err_errno(err, errno, "cannot put a table into '%s'", name);
	return 0;
}

/* A place that stays is not written: the kernel would patch every program that jumps there. */
static int place_stage(struct chain *c, uint32_t place, const char *name, struct err *err)
{
	uint32_t key = chain_hidden(c) * CHAIN_STAGES + place;
	int stages = chain_map(c, "chain_stages"), program;

	if (!name) {
		if (bpf_map_delete_elem(stages, &key) && errno != ENOENT)
			return err_errno(err, errno, "cannot clear place %u of the chain", place);
		c->placed[key] = 0;
		return 0;
	}
	program = chain_program(c, name);
	if (program < 0)
		return err_set(err, ENOENT, "there is no stage '%s'", name);
	if (c->placed[key] == program)
		return 0;
	c->placed[key] = 0;
	if (bpf_map_update_elem(stages, &key, &program, BPF_ANY))
		return err_errno(err, errno, "cannot place the stage '%s'", name);
	c->placed[key] = program;
	return 0;
}

/*
 * Returns when all packets have ended that are on their way now.  Where CPUs run without ticks (nohz_full=), membarrier(2) refuses; then
 * a map is put into a map of maps: the kernel waits for all programs before it returns (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
 */
static int packets_wait(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	uint32_t zero = 0;

	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return 0;
	CLEANUP_CLOSE int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wait_in", sizeof(zero), sizeof(zero), 1, NULL);
	if (inner < 0)
		return -errno;
	opts.inner_map_fd = (uint32_t)inner;
	CLEANUP_CLOSE int outer =
		bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "wait", sizeof(zero), sizeof(zero), 1, &opts);
	if (outer < 0 || bpf_map_update_elem(outer, &zero, &inner, BPF_ANY))
		return -errno;
	return 0;
}

int chain_commit(struct chain *c, const struct chain_plan *plan, struct err *err)
{
	struct chain_config config = { .gue_port = WIRE16(plan->gue_port) };
	uint32_t side = chain_hidden(c), i;
	bool ended = false;
	int r;

	for (i = 0; i < CHAIN_STAGES; i++) {
		ended = ended || !plan->stages[i];
		r = place_stage(c, i, ended ? NULL : plan->stages[i], err);
		if (r < 0)
			return r;
	}
	if (bpf_map_update_elem(chain_map(c, "chain_config"), &side, &config, BPF_ANY))
		return err_errno(err, errno, "cannot write the chain's configuration");
	__atomic_store_n(&c->control->generation, c->control->generation + 1, __ATOMIC_RELEASE);
	chain_watch(c, plan->sample, plan->sample_drops);
	/* packets run inside of RCU's read side: after a grace period none has the old number */
	r = packets_wait();
	if (r < 0)
		return err_errno(err, -r, "the new configuration runs, but whether the old one has ended is unknown");
	return 0;
}

void chain_watch(struct chain *c, uint32_t sample, uint32_t sample_drops)
{
	__atomic_store_n(&c->control->sample, sample, __ATOMIC_RELAXED);
	__atomic_store_n(&c->control->sample_drops, sample_drops, __ATOMIC_RELAXED);
	__atomic_store_n(&c->control->watch, (uint32_t)(sample || sample_drops), __ATOMIC_RELEASE);
}

void chain_watched(const struct chain *c, uint32_t *ret_sample, uint32_t *ret_drops)
{
	*ret_sample = __atomic_load_n(&c->control->sample, __ATOMIC_RELAXED);
	*ret_drops = __atomic_load_n(&c->control->sample_drops, __ATOMIC_RELAXED);
}

int chain_counted(const struct chain *c, enum chain_reason reason, struct chain_count *ret)
{
	int cpus = libbpf_num_possible_cpus(), i;
	CLEANUP_FREE struct chain_count *counts = calloc((size_t)MAX(cpus, 1), sizeof(*counts));
	struct chain_count sum = { 0 };
	uint32_t key = reason;

	if (!counts || cpus < 0)
		return -ENOMEM;
	if (bpf_map_lookup_elem(chain_map(c, "chain_reasons"), &key, counts))
		return -errno;
	for (i = 0; i < cpus; i++) {
		sum.packets += counts[i].packets;
		sum.bytes += counts[i].bytes;
	}
	*ret = sum;
	return 0;
}
