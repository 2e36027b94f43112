/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_EMIT_H
#define SAKER_KERNEL_EMIT_H
/*
 * emit - the one way for an event into the ring: reserve, fill every byte, submit.
 *
 * Each event takes a sequence number of its CPU before it is reserved, so that a gap in the
 * numbers is exactly what was lost.  A failed reserve is kept per type in loss_cells and told by
 * a `loss` event ahead of the next event that fits on this CPU.
 * No wake-ups: the recorder consumes by time (FACTS: wake-ups cost redis 40 %).
 */
#include "kernel/bpf/maps.bpf.h"

static __always_inline struct cpu_state *cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_states, &zero);
}

static __always_inline void helper_failed(void)
{
	struct cpu_state *st = cpu_state();

	if (st)
		__sync_fetch_and_add(&st->helper_failed, 1);
}

static __always_inline struct kernel_control *control_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline bool kind_shed(enum kernel_kind kind)
{
	struct kernel_control *c = control_get();

	return !c || (c->shed >> kind & 1);
}

static __always_inline bool tgid_selected(__u32 tgid)
{
	__u32 at = tgid / 64;
	__u64 *word;

	if (cfg.select_all)
		return tgid && tgid != cfg.own_tgid;
	word = bpf_map_lookup_elem(&selected, &at);
	return word && (*word >> (tgid & 63) & 1);
}

static __always_inline bool current_selected(void)
{
	return tgid_selected(bpf_get_current_pid_tgid() >> 32);
}

static __always_inline void tgid_select(__u32 tgid)
{
	__u32 at = tgid / 64;
	__u64 *word = bpf_map_lookup_elem(&selected, &at);

	if (word && !cfg.select_all && tgid != cfg.own_tgid)
		__sync_fetch_and_or(word, 1ULL << (tgid & 63));
}

static __always_inline void tgid_unselect(__u32 tgid)
{
	__u32 at = tgid / 64;
	__u64 *word = bpf_map_lookup_elem(&selected, &at);

	if (word)
		__sync_fetch_and_and(word, ~(1ULL << (tgid & 63)));
}

static __always_inline void *ring_get(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	if (cfg.nrings && cpu >= cfg.nrings)
		cpu %= cfg.nrings;
	return bpf_map_lookup_elem(&rings, &cpu);
}

static __always_inline void header_task(struct event_header *h, struct task_struct *task)
{
	h->start_ns = task->start_boottime;
	h->tgid = task->tgid;
	h->tid = task->pid;
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
	*e = (struct event_loss) {
		.h = { .boot_ns = bpf_ktime_get_boot_ns(),
		       .type = EVENT_LOSS,
		       .length = sizeof(*e),
		       .cpu = bpf_get_smp_processor_id(),
		       .context = CONTEXT_RECORDER,
		       .seq = __sync_fetch_and_add(&st->seq, 1) },
		.first_seq = cell->first_seq,
		.last_seq = cell->last_seq,
		.from_ns = cell->from_ns,
		.to_ns = cell->to_ns,
		.lost_type = slot,
		.lost_cpu = bpf_get_smp_processor_id(),
	};
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

/* Room for one event of constant size with its header filled, or NULL (counted). */
static __always_inline void *event_reserve(__u16 type, __u16 size, __u8 context)
{
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	struct event_header *h;
	__u64 seq, now;

	if (!st || !ring)
		return NULL;
	if (st->pending[0] | st->pending[1])
		loss_flush();
	now = bpf_ktime_get_boot_ns();
	seq = __sync_fetch_and_add(&st->seq, 1);
	h = bpf_ringbuf_reserve(ring, size, 0);
	if (!h) {
		loss_note(type, seq, now);
		return NULL;
	}
	h->boot_ns = now;
	h->type = type;
	h->length = size;
	h->cpu = bpf_get_smp_processor_id();
	h->context = context;
	h->flags = 0;
	h->seq = seq;
	return h;
}

int join_flush(void); /* join.bpf.h */

/* Tells what the current thread has waited for; to be called before an event of its own. */
static __always_inline void join_check(void)
{
	struct kernel_control *k = control_get();

	if (k && k->unjoined)
		join_flush();
}

/* As event_reserve(), in the name of the current thread. */
static __always_inline void *event_begin(__u16 type, __u16 size, __u8 context)
{
	struct event_header *h;

	if (context == CONTEXT_TASK)
		join_check();
	h = event_reserve(type, size, context);

	if (h)
		header_task(h, bpf_get_current_task_btf());
	return h;
}

static __always_inline void event_end(void *e)
{
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* Sends an event with strings that was built in scratch; len: of the fixed part and the strings. */
static __always_inline void event_output(struct event_header *h, __u32 len)
{
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	__u64 zero = 0;

	if (!st || !ring || len > SCRATCH_BYTES - 8)
		return;
	if (st->pending[0] | st->pending[1])
		loss_flush();
	bpf_probe_read_kernel((char *)h + len, 8, &zero); /* pad with zeros */
	len = (len + 7) & ~7U;
	if (len > SCRATCH_BYTES)
		return;
	h->length = len;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->seq = __sync_fetch_and_add(&st->seq, 1);
	if (bpf_ringbuf_output(ring, h, len, BPF_RB_NO_WAKEUP) < 0)
		loss_note(h->type, h->seq, h->boot_ns);
}

static __always_inline __u64 task_netns(struct task_struct *task)
{
	return BPF_CORE_READ(task, nsproxy, net_ns, net_cookie);
}

#endif
