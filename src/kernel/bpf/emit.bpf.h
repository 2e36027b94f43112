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
#include "kernel/bpf/header.bpf.h"
#include "kernel/bpf/loss.bpf.h"

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

/* Saker itself, and its process that serves the page. */
static __always_inline bool tgid_own(__u32 tgid)
{
	return (cfg.own_tgid && tgid == cfg.own_tgid) || (cfg.page_tgid && tgid == cfg.page_tgid);
}

static __always_inline bool tgid_selected(__u32 tgid)
{
	__u32 at = tgid / 64;
	__u64 *word;

	if (cfg.select_all)
		return tgid && !tgid_own(tgid);
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

	if (word && !cfg.select_all && !tgid_own(tgid))
		__sync_fetch_and_or(word, 1ULL << (tgid & 63));
}

static __always_inline void tgid_unselect(__u32 tgid)
{
	__u32 at = tgid / 64;
	__u64 *word = bpf_map_lookup_elem(&selected, &at);

	if (word)
		__sync_fetch_and_and(word, ~(1ULL << (tgid & 63)));
}

static __always_inline void header_fill(struct event_header *h, __u16 type, __u16 size, __u8 context, __u64 seq,
					__u64 now)
{
	h->boot_ns = now;
	h->type = type;
	h->length = size;
	h->cpu = bpf_get_smp_processor_id();
	h->context = context;
	h->flags = 0;
	h->seq = seq;
}

/* Room for one event of constant size that happened at now, with its header filled, or NULL (counted). */
static __always_inline void *event_reserve_at(__u16 type, __u16 size, __u8 context, __u64 now)
{
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	struct event_header *h;
	__u64 seq;

	if (!st || !ring)
		return NULL;
	if (unlikely(st->pending[0] | st->pending[1]))
		loss_flush();
	seq = __sync_fetch_and_add(&st->seq, 1);
	h = bpf_ringbuf_reserve(ring, size, 0);
	if (unlikely(!h)) {
		loss_note(type, seq, now);
		return NULL;
	}
	header_fill(h, type, size, context, seq, now);
	return h;
}

static __always_inline void *event_reserve(__u16 type, __u16 size, __u8 context)
{
	return event_reserve_at(type, size, context, bpf_ktime_get_boot_ns());
}

int join_flush(void); /* join.bpf.h */

/* Tells what the current thread has waited for; to be called before an event of its own. */
static __always_inline void join_check(void)
{
	struct kernel_control *k = control_get();

	if (k && k->unjoined)
		join_flush();
}

int goroutine_flush(__u64 now); /* goroutine.bpf.h */

/*
 * Tells which goroutine the current thread runs, if that is another than was told last; false: it could not be told.  Then
 * an event of the thread is given up as well, for it would be taken for another goroutine's.
 */
static __always_inline bool goroutine_check(__u64 now)
{
	struct kernel_control *k = control_get();

	return !k || likely(!k->go) || goroutine_flush(now) == 0;
}

static __always_inline void event_give_up(__u16 type, __u64 now)
{
	struct cpu_state *st = cpu_state();

	if (st)
		loss_note(type, __sync_fetch_and_add(&st->seq, 1), now);
}

__u64 sched_flush(__u64 now); /* sched.bpf.h */

/* Between these a thread's time is to be known exactly. */
static __always_inline bool event_divides(__u16 type)
{
	return type == EVENT_SEND || type == EVENT_RECV || type == EVENT_DGRAM_SEND || type == EVENT_DGRAM_RECV ||
	       type == EVENT_PIPE_WRITE || type == EVENT_PIPE_READ || type == EVENT_WAKE;
}

/* Tells what the current thread did up to now, if it did anything but run; returns the time that its next event gets. */
static __always_inline __u64 sched_check(struct task_struct *me, __u64 now)
{
	struct sched_thread *t;
	struct sched_part *p;

	if (!(cfg.observe & OBSERVE_SCHED))
		return now;
	t = bpf_task_storage_get(&sched_threads, me, NULL, 0);
	if (unlikely(!t))
		return sched_flush(now);
	p = &t->part[t->turn & 1];
	return likely(!(p->preempted_ns | p->short_ns) && t->state <= SCHED_ON) ? now : sched_flush(now);
}

/*
 * What goes ahead of an event of me, the current thread, that happened at *now, which may become later by it; false: the event
 * is given up and counted.
 */
static __always_inline bool event_ready(struct task_struct *me, __u16 type, __u64 *now)
{
	join_check();
	if (unlikely(!goroutine_check(*now))) {
		event_give_up(type, *now);
		return false;
	}
	if (event_divides(type))
		*now = sched_check(me, *now);
	return true;
}

/* As event_reserve_at(), in the name of me, the current thread, by a caller who has it already. */
static __always_inline void *event_begin_at(struct task_struct *me, __u16 type, __u16 size, __u64 now)
{
	struct event_header *h = event_ready(me, type, &now) ? event_reserve_at(type, size, CONTEXT_TASK, now) : NULL;

	if (h)
		header_task(h, me);
	return h;
}

/* As event_reserve(), in the name of the current thread. */
static __always_inline void *event_begin(__u16 type, __u16 size, __u8 context)
{
	struct event_header *h;

	if (context == CONTEXT_TASK)
		return event_begin_at(bpf_get_current_task_btf(), type, size, bpf_ktime_get_boot_ns());
	h = event_reserve(type, size, context);
	if (h)
		header_task(h, bpf_get_current_task_btf());
	return h;
}

static __always_inline void event_end(void *e)
{
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

static __always_inline __u64 task_netns(struct task_struct *task)
{
	return BPF_CORE_READ(task, nsproxy, net_ns, net_cookie);
}

#include "kernel/bpf/goroutine.bpf.h"
#include "kernel/bpf/room.bpf.h"
#include "kernel/bpf/sched.bpf.h"

#endif
