/* SPDX-License-Identifier: Apache-2.0 */
/* The ladders against the objects that the compiler made: names are strings on one side and programs on the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "kernel/ladder.h"
#include "probe/probe.h"

static const struct kernel_rung *rung_of(const struct kernel_object *obj, const char *program)
{
	size_t i;
	int n;

	for (i = 0; i < obj->nladders; i++)
		for (n = 0; n < KERNEL_RUNGS && obj->ladders[i].rungs[n].programs; n++)
			if (rung_has(&obj->ladders[i].rungs[n], program))
				return &obj->ladders[i].rungs[n];
	return NULL;
}

/* Every program is in a rung, and hangs on a hook of the kind that the rung names to a person. */
static void check_programs(const struct kernel_object *obj, struct bpf_object *o)
{
	struct bpf_program *p;

	bpf_object__for_each_program(p, o)
	{
		const struct kernel_rung *rung = rung_of(obj, bpf_program__name(p));
		const char *section = bpf_program__section_name(p);
		size_t kind;

		if (!rung)
			fail_msg("no rung has the program %s", bpf_program__name(p));
		kind = strcspn(rung->hook, ":");
		if (!strncmp(rung->hook, "fentry:", 7) && !strncmp(section, "fexit/", 6))
			continue; /* the end of what the other began */
		if (strncmp(section, rung->hook, kind) != 0)
			fail_msg("%s hangs on %s, its rung says %s", bpf_program__name(p), section, rung->hook);
	}
}

static void check_rung(struct bpf_object *o, const struct kernel_rung *rung)
{
	char names[512], *name, *save = NULL;

	(void)snprintf(names, sizeof(names), "%s", rung->programs);
	for (name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save))
		if (!bpf_object__find_program_by_name(o, name))
			fail_msg("no program is called %s", name);
}

static void test_names(void **state)
{
	const struct kernel_object *const *obj;
	size_t i;
	int n;

	(void)state;
	for (obj = probe_all; *obj; obj++) {
		struct bpf_object *o = bpf_object__open_mem((*obj)->data, *(*obj)->size, NULL);

		assert_non_null(o);
		check_programs(*obj, o);
		for (i = 0; i < (*obj)->nladders; i++)
			for (n = 0; n < KERNEL_RUNGS && (*obj)->ladders[i].rungs[n].programs; n++)
				check_rung(o, &(*obj)->ladders[i].rungs[n]);
		bpf_object__close(o);
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *programs, *program;
		bool has;
	} cases[] = {
		{ "one", "one", true },
		{ "one two three", "two", true },
		{ "one two three", "three", true },
		{ "one_more two", "one", false },
		{ "more_one", "one", false },
		{ "more_one one", "one", true },
		{ "one one_more", "one_more", true },
		{ "one", "one two", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct kernel_rung rung = { .programs = cases[i].programs };

		assert_int_equal(rung_has(&rung, cases[i].program), cases[i].has);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_words) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
