/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads every rung of every ladder, also those that a better one keeps from being used on this kernel, and names
 * those that are refused although what they hang on is there.  Exit status 1 when there is one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "probe/probe.h"

/* One of several forms of a tracepoint is named `tp_btf:mark_victim(pid)`: a kernel has one of them. */
static bool other_form(const struct kernel_rung *rung)
{
	return strchr(rung->hook, '(') != NULL;
}

/* Those that are there and no other form, at once: a verifier has the whole work with each load. */
static void try_together(const struct kernel_object *obj, uint32_t loads[KERNEL_LADDERS])
{
	struct err err = ERR_INIT;
	size_t i, j;

	kernel_rungs_there(obj, loads);
	for (i = 0; i < obj->nladders; i++)
		for (j = 0; j < KERNEL_RUNGS && obj->ladders[i].rungs[j].programs; j++)
			if (other_form(&obj->ladders[i].rungs[j]))
				loads[i] &= ~(1U << j);
	if (kernel_try_all(obj, loads, &err) < 0)
		memset(loads, 0, KERNEL_LADDERS * sizeof(loads[0]));
}

/* loads: bits of those that are known to load */
static int try_ladder(const struct kernel_object *obj, const struct kernel_ladder *ladder, uint32_t loads,
		      unsigned int *loaded)
{
	int i, r, refused = 0;

	for (i = 0; i < KERNEL_RUNGS && ladder->rungs[i].programs; i++) {
		struct err err = ERR_INIT;

		r = loads >> i & 1 ? 0 : kernel_try(obj, &ladder->rungs[i], &err);
		*loaded += r >= 0;
		if (r >= 0 || r == -ENOENT || r == -EOPNOTSUPP || other_form(&ladder->rungs[i]))
			continue;
		(void)printf("%s, %s, %s: %s\n", obj->name, ladder->observation, ladder->rungs[i].hook, err.text);
		refused++;
	}
	return refused;
}

static int try_object(const struct kernel_object *obj, unsigned int *loaded)
{
	uint32_t loads[KERNEL_LADDERS] = { 0 };
	int refused = 0;
	size_t i;

	try_together(obj, loads);
	for (i = 0; i < obj->nladders; i++)
		refused += try_ladder(obj, &obj->ladders[i], loads[i], loaded);
	return refused;
}

int main(void)
{
	static const struct kernel_object *const later[] = { &probe_go, &probe_tls, &probe_note, &probe_dynamic };
	const struct kernel_object *const *obj;
	unsigned int loaded = 0;
	int refused = 0;
	size_t i;

	for (obj = probe_all; *obj; obj++)
		refused += try_object(*obj, &loaded);
	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		refused += try_object(later[i], &loaded);
	(void)printf("%u rungs load, %d are refused\n", loaded, refused);
	return refused > 0;
}
