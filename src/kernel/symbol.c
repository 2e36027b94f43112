/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in /proc. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/kernel.h"

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
