/* SPDX-License-Identifier: Apache-2.0 */
/* Trying single programs, and looking things up in /proc: what doctor and the ladders stand on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "kernel/object.h"

static bool only(void *arg, const char *program)
{
	return !strcmp(arg, program);
}

int kernel_try(const struct kernel_object *obj, const char *program, struct err *err)
{
	struct kernel_cfg cfg = { .nrings = 1 };
	struct bpf_object *o = NULL;
	int r = object_load(obj, &cfg, NULL, only, (void *)program, &o, err);

	if (r >= 0)
		bpf_object__close(o);
	return r;
}

uint64_t kernel_symbol(const char *name)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], symbol[256];
	uint64_t addr;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%" SCNx64 " %*c %255s", &addr, symbol) == 2 && !strcmp(symbol, name))
			return addr;
	return 0;
}
