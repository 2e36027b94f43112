/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_LOSS_H
#define SAKER_KERNEL_LOSS_H
/* Events that found no room in the ring: kept by type and CPU, told ahead of the next event that fits. */
#include "kernel/bpf/maps.bpf.h"

static __always_inline struct cpu_state *cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_states, &zero);
}

static __always_inline void *ring_get(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	if (cfg.nrings && cpu >= cfg.nrings)
		cpu %= cfg.nrings;
	return bpf_map_lookup_elem(&rings, &cpu);
}

/* Remembers one event that could not be reserved. */
__noinline int loss_note(__u32 type, __u64 seq, __u64 now)
{
	__u32 slot = loss_slot(type) & (LOSS_SLOTS - 1);
	struct loss_cell *cell = bpf_map_lookup_elem(&loss_cells, &slot);
	struct cpu_state *st = cpu_state();

	if (!cell || !st)
		return 0;
	if (__sync_fetch_and_add(&cell->count, 1) == 0) {
		cell->first_seq = seq;
		cell->from_ns = now;
	}
	cell->last_seq = seq;
	cell->to_ns = now;
	__sync_fetch_and_or(&st->pending[slot >> 6 & 1], 1ULL << (slot & 63));
	return 0;
}

/* Tells the losses of one slot; on failure they stay for the next time. */
__noinline int loss_tell(__u32 slot)
{
	struct cpu_state *st = cpu_state();
	struct loss_cell *cell;
	struct event_loss *e;
	void *ring = ring_get();

	slot &= LOSS_SLOTS - 1;
	cell = bpf_map_lookup_elem(&loss_cells, &slot);
	if (!st || !cell || !ring)
		return 0;
	e = bpf_ringbuf_reserve(ring, sizeof(*e), 0);
	if (!e)
		return 0;
	__sync_fetch_and_and(&st->pending[slot >> 6 & 1], ~(1ULL << (slot & 63)));
	/* field by field: a whole struct would stand on the stack, and this is the last of many calls */
	e->h.start_ns = 0;
	e->h.boot_ns = bpf_ktime_get_boot_ns();
	e->h.tgid = 0;
	e->h.tid = 0;
	e->h.type = EVENT_LOSS;
	e->h.length = sizeof(*e);
	e->h.cpu = bpf_get_smp_processor_id();
	e->h.context = CONTEXT_RECORDER;
	e->h.flags = 0;
	e->h.seq = __sync_fetch_and_add(&st->seq, 1);
	e->first_seq = cell->first_seq;
	e->last_seq = cell->last_seq;
	e->from_ns = cell->from_ns;
	e->to_ns = cell->to_ns;
	e->lost_type = slot;
	e->lost_cpu = e->h.cpu;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	e->count = __sync_lock_test_and_set(&cell->count, 0);
	if (slot >= LOSS_DYNAMIC)
		e->lost_type = 1024 + (slot - LOSS_DYNAMIC);
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

__noinline int loss_flush(void)
{
	struct cpu_state *st = cpu_state();
	__u32 slot;

	if (!st)
		return 0;
	for (slot = 0; slot < LOSS_SLOTS; slot++)
		if (st->pending[slot >> 6 & 1] >> (slot & 63) & 1)
			loss_tell(slot);
	return 0;
}

#endif
