/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_TWO_H
#define SAKER_KERNEL_TWO_H
/*
 * two - two events in one record of the ring: of what an event costs the recorded thread, most is the record (two atomic
 * operations, each of which waits for the stores before it to reach memory that the recorder's CPU had last).
 */
#include "kernel/bpf/emit.bpf.h"

/* As event_reserve_at(), of me, the current thread, at one moment: the second directly behind the first.  After event_ready(). */
static __always_inline void *event_reserve_two(struct task_struct *me, __u16 first, __u16 first_size, __u16 second,
					       __u16 second_size, __u64 now)
{
	struct cpu_state *st = cpu_state();
	struct event_header *h;
	void *ring = ring_get();
	__u64 seq;

	if (!st || !ring)
		return NULL;
	if (unlikely(st->pending[0] | st->pending[1]))
		loss_flush();
	seq = __sync_fetch_and_add(&st->seq, 2);
	h = bpf_ringbuf_reserve(ring, first_size + second_size, 0);
	if (unlikely(!h)) {
		loss_note(first, seq, now);
		loss_note(second, seq + 1, now);
		return NULL;
	}
	header_fill(h, first, first_size, CONTEXT_TASK, seq, now);
	header_task(h, me);
	h = (void *)h + first_size;
	header_fill(h, second, second_size, CONTEXT_TASK, seq + 1, now);
	header_task(h, me);
	return (void *)h - first_size;
}

#endif
