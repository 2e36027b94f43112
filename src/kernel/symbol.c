/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in /proc. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "kernel/kernel.h"

void kernel_symbols(struct kernel_symbol *symbols, size_t n)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], symbol[256];
	uint64_t addr;
	size_t i;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %*c %255s", &addr, symbol) != 2)
			continue;
		for (i = 0; i < n; i++)
			if (!strcmp(symbol, symbols[i].name) && !*symbols[i].addr)
				*symbols[i].addr = addr;
	}
}
