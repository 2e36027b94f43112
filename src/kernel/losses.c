/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs could not tell any more: losses after the last event that fitted on a CPU. */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "event/event.h"
#include "kernel/inside.h"

static int loss_give(const struct loss_cell *cell, uint32_t slot, int cpu, kernel_event_fn *fn, void *arg)
{
	struct event_loss e = {
		.h = { .boot_ns = clock_boot_ns(),
		       .type = EVENT_LOSS,
		       .length = sizeof(e),
		       .context = CONTEXT_RECORDER },
		.count = cell->count,
		.first_seq = cell->first_seq,
		.last_seq = cell->last_seq,
		.from_ns = cell->from_ns,
		.to_ns = cell->to_ns,
		.lost_cpu = (uint16_t)cpu,
		.lost_type = (uint16_t)(slot < LOSS_DYNAMIC ? slot : 1024 + slot - LOSS_DYNAMIC),
	};

	return fn(arg, &e.h);
}

int kernel_last_losses(struct kernel *k, kernel_event_fn *fn, void *arg)
{
	int ncpus = libbpf_num_possible_cpus(), cpu, r = 0;
	CLEANUP_FREE struct loss_cell *cells = calloc((size_t)ncpus, sizeof(*cells));
	uint32_t slot;

	if (!cells)
		return -ENOMEM;
	for (slot = 0; slot < LOSS_SLOTS && r >= 0; slot++) {
		if (bpf_map_lookup_elem(kernel_maps(k)->loss_cells, &slot, cells) < 0)
			return -errno;
		for (cpu = 0; cpu < ncpus && r >= 0; cpu++)
			if (cells[cpu].count)
				r = loss_give(&cells[cpu], slot, cpu, fn, arg);
	}
	return r;
}
