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

/* What a program hangs on is known to this kernel, or cannot be looked up. */
static bool hook_there(const struct btf *btf, const char *section)
{
	const struct hook_kind *kind = kind_of(section);
	char name[256];

	if (!kind || !btf)
		return true;
	(void)snprintf(name, sizeof(name), "%s%s", kind->type, section + strlen(kind->section));
	return btf__find_by_name_kind(btf, name, kind->btf_kind) > 0;
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
static const char *rung_lacks(const struct bpf_object *o, const struct btf *btf, const struct kernel_rung *rung)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, o)
	{
		if (rung_has(rung, bpf_program__name(p)) && !hook_there(btf, bpf_program__section_name(p)))
			return bpf_program__section_name(p);
	}
	return NULL;
}

void ladders_guess(const struct kernel_object *obj, int rungs[])
{
	struct bpf_object *o = bpf_object__open_mem(obj->data, *obj->size, NULL);
	struct btf *btf = btf__load_vmlinux_btf();
	size_t i;
	int n;

	for (i = 0; o && btf && i < obj->nladders; i++) {
		const struct kernel_rung *r = obj->ladders[i].rungs;

		for (n = 0; n + 1 < KERNEL_RUNGS && r[n + 1].programs && rung_lacks(o, btf, &r[n]);)
			n++;
		rungs[i] = n;
	}
	btf__free(btf);
	bpf_object__close(o);
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
	struct bpf_object *o = bpf_object__open_mem(obj->data, *obj->size, NULL);
	struct btf *btf = btf__load_vmlinux_btf();
	const char *section = o && btf ? rung_lacks(o, btf, rung) : NULL;
	const struct hook_kind *kind = section ? kind_of(section) : NULL;
	int r = 0;

	if (kind)
		r = err_set(err, ENOENT, "this kernel has no %s '%s'", kind->word, section + strlen(kind->section));
	btf__free(btf);
	bpf_object__close(o);
	return r;
}

/* Functions are attached for a moment: a kernel may load what it then refuses to hook in. */
static int functions_attach(struct bpf_object *o)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, o)
	{
		const struct hook_kind *kind = kind_of(bpf_program__section_name(p));
		struct bpf_link *link;

		if (bpf_program__fd(p) < 0 || !kind || kind->btf_kind != BTF_KIND_FUNC)
			continue;
		link = object_attach(p);
		if (!link)
			return -errno;
		(void)bpf_link__destroy(link);
	}
	return 0;
}

static bool rung_of_functions(const struct kernel_rung *rung)
{
	return !strncmp(rung->hook, "fentry:", 7) || !strncmp(rung->hook, "fexit:", 6);
}

int kernel_try(const struct kernel_object *obj, const struct kernel_rung *rung, struct err *err)
{
	struct kernel_cfg cfg = { .nrings = 1 };
	struct bpf_object *o = NULL;
	int r;

	object_quiet();
	r = hooks_look(obj, rung, err);
	if (r < 0)
		return r;
	r = object_load(obj, &cfg, NULL, rung_only, (void *)(uintptr_t)rung, &o, err);
	if (r >= 0) {
		r = functions_attach(o);
		bpf_object__close(o);
		if (r < 0)
			(void)err_errno(err, -r, "cannot attach");
	}
	if (r < 0 && rung_of_functions(rung))
		return err_prefix(err,
				  "functions cannot be hooked here (is CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS on?)");
	return r;
}
