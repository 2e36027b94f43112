/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rungs: which programs belong to one, which rung is worth a load, and trying one alone.
 *
 * Whether a hook exists is read in the kernel's BTF: a tracepoint stands there as the typedef btf_trace_NAME, a
 * function by its name.  So a kernel that lacks the best hooks is met with one load, not with one a program.
 */
#include "kernel/ladder.h"

#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/object.h"

struct hook_kind {
	const char *section; /* prefix of the program's ELF section */
	const char *type;    /* prefix of the name in BTF */
	uint32_t btf_kind;
	const char *word;
};

static const struct hook_kind hook_kinds[] = {
	{ "tp_btf/", "btf_trace_", BTF_KIND_TYPEDEF, "tracepoint" },
	{ "fentry/", "", BTF_KIND_FUNC, "function" },
	{ "fexit/", "", BTF_KIND_FUNC, "function" },
};

static const struct hook_kind *kind_of(const char *section)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(hook_kinds); i++)
		if (!strncmp(section, hook_kinds[i].section, strlen(hook_kinds[i].section)))
			return &hook_kinds[i];
	return NULL;
}

/*
 * Can functions be hooked at all?  An empty program is loaded and attached for a moment to a function that the
 * kernel has for such tests: it may lack the trampolines, or refuse them.
 */
static bool functions_hook(const struct btf *btf)
{
	const struct bpf_insn nothing[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	int id = btf__find_by_name_kind(btf, "bpf_fentry_test1", BTF_KIND_FUNC);
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY, .attach_btf_id = (__u32)id);
	CLEANUP_CLOSE int program = -1, link = -1;

	if (id < 0)
		return false;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "saker_try", "GPL", nothing, ARRAY_LEN(nothing), &opts);
	if (program >= 0)
		link = bpf_raw_tracepoint_open(NULL, program);
	return link >= 0;
}

/* What this kernel has to hang programs on. */
struct hooks {
	struct bpf_object *object;
	struct btf *btf;
	const char *module;
	bool functions;
};

static void hooks_open(struct hooks *h, const struct kernel_object *obj)
{
	h->object = bpf_object__open_mem(obj->data, *obj->size, NULL);
	h->btf = btf__load_vmlinux_btf();
	h->module = obj->module;
	h->functions = h->btf && functions_hook(h->btf);
}

static void hooks_close(struct hooks *h)
{
	btf__free(h->btf);
	bpf_object__close(h->object);
}

static bool module_has(const struct hooks *h, const char *name, uint32_t kind)
{
	struct btf *btf = h->module ? btf__load_module_btf(h->module, h->btf) : NULL;
	bool has = btf && btf__find_by_name_kind(btf, name, kind) > 0;

	btf__free(btf);
	return has;
}

/* What a program hangs on is known to this kernel, or cannot be looked up. */
static bool hook_there(const struct hooks *h, const char *section)
{
	const struct hook_kind *kind = kind_of(section);
	char name[256];

	if (!kind || !h->btf)
		return true;
	if (kind->btf_kind == BTF_KIND_FUNC && !h->functions)
		return false;
	(void)snprintf(name, sizeof(name), "%s%s", kind->type, section + strlen(kind->section));
	return btf__find_by_name_kind(h->btf, name, kind->btf_kind) > 0 || module_has(h, name, kind->btf_kind);
}

bool rung_has(const struct kernel_rung *rung, const char *program)
{
	size_t len = strlen(program);
	const char *at = rung->programs;

	while ((at = strstr(at, program))) {
		if ((at == rung->programs || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
		at += len;
	}
	return false;
}

/* The section of the rung's first program whose hook is missing, or NULL. */
static const char *rung_lacks(const struct hooks *h, const struct kernel_rung *rung)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, h->object)
	{
		if (rung_has(rung, bpf_program__name(p)) && !hook_there(h, bpf_program__section_name(p)))
			return bpf_program__section_name(p);
	}
	return NULL;
}

static uint32_t rungs_there(const struct hooks *h, const struct kernel_ladder *ladder)
{
	uint32_t there = 0;
	int i;

	for (i = 0; i < KERNEL_RUNGS && ladder->rungs[i].programs; i++)
		if (!rung_lacks(h, &ladder->rungs[i]))
			there |= 1U << i;
	return there;
}

void kernel_rungs_there(const struct kernel_object *obj, uint32_t rungs[])
{
	struct hooks h;
	size_t i;

	hooks_open(&h, obj);
	for (i = 0; i < obj->nladders; i++)
		rungs[i] = h.object ? rungs_there(&h, &obj->ladders[i]) : 0;
	hooks_close(&h);
}

void ladders_guess(const struct kernel_object *obj, int rungs[])
{
	uint32_t there[KERNEL_LADDERS];
	size_t i;

	kernel_rungs_there(obj, there);
	for (i = 0; i < obj->nladders; i++)
		rungs[i] = there[i] ? __builtin_ctz(there[i]) : -1;
}

int ladder_find(const struct kernel_object *obj, const struct kernel_ladder *ladder)
{
	struct err ignored = ERR_INIT;
	int i;

	for (i = 0; i < KERNEL_RUNGS && ladder->rungs[i].programs; i++)
		if (kernel_try(obj, &ladder->rungs[i], &ignored) >= 0)
			return i;
	return -1;
}

/* --- trying --- */

static bool rung_only(void *arg, const char *program)
{
	return rung_has(arg, program);
}

/* 0 when all hooks are there */
static int hooks_look(const struct kernel_object *obj, const struct kernel_rung *rung, struct err *err)
{
	const struct hook_kind *kind;
	const char *section;
	struct hooks h;
	int r = 0;

	hooks_open(&h, obj);
	section = h.object ? rung_lacks(&h, rung) : NULL;
	kind = section ? kind_of(section) : NULL;
	if (kind && kind->btf_kind == BTF_KIND_FUNC && !h.functions)
		r = err_set(err, EOPNOTSUPP,
			    "functions cannot be hooked here (is CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS on?)");
	else if (kind)
		r = err_set(err, ENOENT, "this kernel has no %s '%s'", kind->word, section + strlen(kind->section));
	hooks_close(&h);
	return r;
}

struct several {
	const struct kernel_object *obj;
	const uint32_t *rungs;
};

static bool rung_of_several(void *arg, const char *program)
{
	const struct several *s = arg;
	size_t i, j;

	for (i = 0; i < s->obj->nladders; i++)
		for (j = 0; j < KERNEL_RUNGS; j++)
			if (s->rungs[i] >> j & 1 && rung_has(&s->obj->ladders[i].rungs[j], program))
				return true;
	return false;
}

/* Loads what is wanted of it, and gives it back. */
static int load_once(const struct kernel_object *obj, bool (*wanted)(void *arg, const char *program), void *arg,
		     struct err *err)
{
	struct kernel_cfg cfg = { .nrings = 1, .observe = OBSERVE_ALL };
	struct bpf_object *o = NULL;
	int r = object_load(obj, &cfg, NULL, wanted, arg, &o, err);

	if (r >= 0)
		bpf_object__close(o);
	return r;
}

int kernel_try_all(const struct kernel_object *obj, const uint32_t rungs[], struct err *err)
{
	struct several s = { obj, rungs };

	object_quiet();
	return load_once(obj, rung_of_several, &s, err);
}

int kernel_try(const struct kernel_object *obj, const struct kernel_rung *rung, struct err *err)
{
	int r;

	object_quiet();
	r = hooks_look(obj, rung, err);
	return r < 0 ? r : load_once(obj, rung_only, (void *)(uintptr_t)rung, err);
}
