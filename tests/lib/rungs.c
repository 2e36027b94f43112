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

static int try_ladder(const struct kernel_object *obj, const struct kernel_ladder *ladder, unsigned int *loaded)
{
	int i, r, refused = 0;

	for (i = 0; i < KERNEL_RUNGS && ladder->rungs[i].programs; i++) {
		struct err err = ERR_INIT;

		r = kernel_try(obj, &ladder->rungs[i], &err);
		*loaded += r >= 0;
		if (r >= 0 || r == -ENOENT || r == -EOPNOTSUPP || other_form(&ladder->rungs[i]))
			continue;
		(void)printf("%s, %s, %s: %s\n", obj->name, ladder->observation, ladder->rungs[i].hook, err.text);
		refused++;
	}
	return refused;
}

int main(void)
{
	static const struct kernel_object *const later[] = { &probe_go, &probe_tls, &probe_note, &probe_dynamic };
	const struct kernel_object *const *obj;
	unsigned int loaded = 0;
	int refused = 0;
	size_t i, j;

	for (obj = probe_all; *obj; obj++)
		for (i = 0; i < (*obj)->nladders; i++)
			refused += try_ladder(*obj, &(*obj)->ladders[i], &loaded);
	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		for (j = 0; j < later[i]->nladders; j++)
			refused += try_ladder(later[i], &later[i]->ladders[j], &loaded);
	(void)printf("%u rungs load, %d are refused\n", loaded, refused);
	return refused > 0;
}
