/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_SCHED_H
#define SAKER_KERNEL_SCHED_H
/*
 * sched - what the time of a thread went to, as far as all programs need it: they tell the stretch before an event that
 * divides it.  The rest is probe/sched.bpf.c.
 *
 * Each `ran` event of a thread begins where the one before ended, so that they add up to its whole time.  The thread may be
 * put off the CPU while it makes one: it prepares the other part, and changes over to it by one exchange that fails if
 * it has left the CPU since it looked.
 */
#include "kernel/bpf/emit.bpf.h"

#define SCHED_TRIES 4
#define PF_KTHREAD_BIT 0x00200000

static __always_inline __u64 later(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __always_inline __u64 task_faults(struct task_struct *task)
{
	return task->min_flt + task->maj_flt;
}

/*
 * Room for what is known of a thread that is met now.  It may allocate, so not everywhere: see sched_here().  It is filled in
 * place, for a copy on the stack is more than the older kernels leave to programs that call this from their depths; until
 * its tid is set, at last, the switch of threads passes over it.
 */
static __always_inline struct sched_thread *sched_meet(struct task_struct *task, __u64 since, bool born)
{
	struct sched_thread *t = bpf_task_storage_get(&sched_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t) {
		helper_failed();
		return NULL;
	}
	t->part[0].since_ns = since;
	t->part[0].faults = task_faults(task);
	t->start_ns = task->start_boottime;
	t->tgid = task->tgid;
	t->state = born ? SCHED_BORN : SCHED_UNKNOWN;
	t->flags = born ? 0 : RANFLAGS_GAP;
	barrier();
	t->tid = task->pid;
	return t;
}

/* The fixed part of an event that ends what p tells; then p may begin anew. */
static __always_inline struct event_ran *ran_begin(struct task_struct *task, struct sched_thread *t,
						   const struct sched_part *p, __u64 now)
{
	struct event_ran *e = event_reserve_at(EVENT_RAN, sizeof(*e), CONTEXT_TASK, now);

	if (!e)
		return NULL;
	e->h.start_ns = t->start_ns;
	e->h.tgid = t->tgid;
	e->h.tid = t->tid;
	e->since_ns = p->since_ns;
	e->off_ns = 0;
	e->wake_ns = 0;
	e->preempted_ns = p->preempted_ns;
	e->object = 0;
	e->short_ns = p->short_ns;
	e->short_waits = p->short_waits;
	e->preemptions = p->preemptions;
	e->faults = task_faults(task) - p->faults;
	e->what = WAITKIND_UNKNOWN;
	e->call = 65535;
	e->flags = t->flags;
	return e;
}

/* exec by another thread than the first gives it the first one's name: from the next event on. */
static __always_inline void sched_rename(struct task_struct *task, struct sched_thread *t)
{
	t->start_ns = task->start_boottime;
	t->tgid = task->tgid;
	t->tid = task->pid;
	t->flags = 0;
}

static __always_inline void part_begin(struct task_struct *task, struct sched_part *p, __u64 now)
{
	p->since_ns = now;
	p->preempted_ns = 0;
	p->short_ns = 0;
	p->short_waits = 0;
	p->preemptions = 0;
	p->faults = task_faults(task);
}

/* What was before sched_ns is not known: threads were not looked at for a while. */
static __always_inline void sched_again(struct task_struct *task, struct sched_thread *t)
{
	struct sched_part *p = &t->part[t->turn & 1];
	struct kernel_control *k = control_get();

	if (!k || likely(p->since_ns >= k->sched_ns) || t->state == SCHED_GONE)
		return;
	part_begin(task, p, k->sched_ns);
	t->flags = RANFLAGS_GAP;
	t->state = SCHED_UNKNOWN;
	if (t->woken_ns < k->sched_ns)
		t->woken_ns = 0;
}

/*
 * The current thread runs, and that it got its CPU was not seen (see probe/sched.bpf.c).  How long it runs is what it was
 * charged since, and then what the clock of its run queue says.
 */
static __always_inline void sched_found_on(struct task_struct *task, struct sched_thread *t, __u64 now)
{
	__u64 came = task->se.exec_start + t->clock_ns - (task->se.sum_exec_runtime - t->cpu_ns);
	struct sched_part *p = &t->part[t->turn & 1];

	if (t->state == SCHED_PREEMPTED) {
		came = came > now ? now : later(came, t->off_ns);
		p->preempted_ns += came - t->off_ns;
		p->preemptions++;
		t->flags |= RANFLAGS_ESTIMATED;
	} else {
		part_begin(task, p, now);
		t->flags = RANFLAGS_GAP;
	}
	t->on_ns = later(now, p->since_ns);
	t->woken_ns = 0;
	t->state = SCHED_ON;
}

/*
 * By the current thread itself, which is not to leave the CPU for good.  Returns the time of the event: now, or later if
 * the thread has been off its CPU since.
 */
__noinline __u64 sched_flush(__u64 now)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct sched_thread *t = bpf_task_storage_get(&sched_threads, self, NULL, 0);
	struct sched_part *p;
	struct event_ran *e;
	__u64 turn;
	__u32 i;

	if (kind_shed(KIND_SCHED))
		return now;
	if (!t) {
		sched_meet(self, now, false);
		return now;
	}
	if (t->state == SCHED_GONE)
		return now;
	sched_again(self, t);
	if (unlikely(t->state > SCHED_ON))
		sched_found_on(self, t, now);
	for (i = 0; i < SCHED_TRIES; i++) {
		turn = t->turn;
		p = &t->part[turn & 1];
		if (t->on_ns > now)
			now = bpf_ktime_get_boot_ns();
		now = later(now, later(t->on_ns, p->since_ns));
		part_begin(self, &t->part[~turn & 1], now);
		if (__sync_val_compare_and_swap(&t->turn, turn, turn ^ 1) != turn)
			continue;
		e = ran_begin(self, t, p, now);
		if (e)
			event_end(e);
		sched_rename(self, t);
		return now;
	}
	return now;
}

/* The current thread's end is told next. */
static __always_inline void sched_last(struct task_struct *me)
{
	struct sched_thread *t;

	if (!(cfg.observe & OBSERVE_SCHED))
		return;
	sched_flush(bpf_ktime_get_boot_ns());
	t = bpf_task_storage_get(&sched_threads, me, NULL, 0);
	if (t)
		t->state = SCHED_GONE;
}

#endif
