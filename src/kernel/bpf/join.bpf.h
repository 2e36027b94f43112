/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_JOIN_H
#define SAKER_KERNEL_JOIN_H
/*
 * join - that a process has waited for a child.
 *
 * No hook that Saker may use everywhere runs when wait(2) returns: kprobes and trampolines may be refused, and
 * sys_exit would cost every system call of the host.  So the end of a child is noted at its parent, and before the
 * parent's next event (fork, exec, wait, exit, signal, message) its threads look whether a noted child has been reaped
 * meanwhile.  Only wait(2) does that, so what follows in that thread is after the child's end.
 * With several threads a child belongs to the one that waited for it by its id, or to the only one that waits at all;
 * in doubt nobody's join is told.
 */
#include "kernel/bpf/emit.bpf.h"

#define EXIT_DEAD_NR 16 /* include/linux/sched.h: EXIT_DEAD, set by the waiting thread */

/* The task of a child may be freed and its memory be another's by now: then it was reaped as well. */
static __always_inline bool child_reaped(const struct ended_child *c)
{
	struct task_struct *leader = (struct task_struct *)c->leader;

	if (BPF_CORE_READ(leader, start_boottime) != c->start_ns || BPF_CORE_READ(leader, tgid) != c->tgid)
		return true;
	return BPF_CORE_READ(leader, exit_state) == EXIT_DEAD_NR;
}

/* Is it this thread that waited for the child? */
static __always_inline bool child_mine(struct task_struct *self, bool alone, const struct ended_children *e,
				       __u32 child)
{
	__u64 *waited;

	if (alone)
		return true;
	waited = bpf_task_storage_get(&waits, self, NULL, 0);
	if (!waited)
		return false;
	return *waited ? *waited == child : e->waiter == self->pid && e->waiters < 2;
}

static __always_inline void join_tell(struct task_struct *self, struct ended_child *c, __u32 tgid)
{
	struct kernel_control *k = control_get();
	struct event_join *e;

	if (!k || __sync_val_compare_and_swap(&c->tgid, tgid, 0) != tgid)
		return;
	__sync_fetch_and_add(&k->unjoined, -1);
	e = event_reserve(EVENT_JOIN, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	header_task(&e->h, self);
	e->child_start_ns = c->last_start_ns;
	e->child_tgid = tgid;
	e->child_tid = c->last_tid;
	event_end(e);
}

__noinline int join_flush(void)
{
	struct task_struct *self = bpf_get_current_task_btf();
	__u32 tgid = self->tgid, i;
	struct ended_children *e = bpf_map_lookup_elem(&ended, &tgid);
	bool alone;

	if (!e)
		return 0;
	/* Out of the loop: since 6.3 (6fcd486b3a0a) the verifier goes through all names of the kernel's BTF at each pointer */
	alone = self->signal->live.counter <= 1;
	for (i = 0; i < ENDED_SLOTS; i++) {
		__u32 child = e->child[i].tgid;

		if (child && child_reaped(&e->child[i]) && child_mine(self, alone, e, child))
			join_tell(self, &e->child[i], child);
	}
	return 0;
}

#endif
