/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * go - goroutines that make others run.
 *
 * A goroutine that starts another or ends another's wait (channel, mutex, condition, wait group, select) puts it into the
 * run queue of its processor: runtime.runqput(pp, gp, next); on the scheduler's stack, for the goroutine that it works for.
 * Of the scheduler's own calls only those are taken by which a timer makes a goroutine run.
 */
#include <linux/ptrace.h>

#include "kernel/bpf/emit.bpf.h"

#define FLAGS_BELOW_OR_EQUAL 0x41 /* carry, zero: the jump is taken, the stack grows, and the function begins anew */

static __always_inline void ready_emit(struct task_struct *self, __u64 by, __u64 goid)
{
	struct event_go_ready *e = event_reserve_at(EVENT_GO_READY, sizeof(*e), CONTEXT_TASK, bpf_ktime_get_boot_ns());

	if (!e)
		return;
	header_task(&e->h, self);
	e->goid = goid;
	e->by = by;
	e->program = go_program_id(self);
	event_end(e);
}

/* Go's own calling convention (src/cmd/compile/abi-internal.md): arguments in rax, rbx, rcx; r14 is the running g. */
SEC("uprobe")
int go_ready(struct pt_regs *ctx)
{
	struct task_struct *self = bpf_get_current_task_btf();
	__u64 g = ctx->r14, id, other;
	struct go_thread *t;

	if (!tgid_selected(self->tgid) || (ctx->eflags & FLAGS_BELOW_OR_EQUAL))
		return 0;
	t = go_thread_get(self);
	if (!t || !t->known)
		return 0;
	id = go_current(&t->layout, &g);
	other = go_id(&t->layout, ctx->rbx);
	/* the scheduler itself: a timer of the program (time.Sleep, AfterFunc, ...) asks for `next`, a yield does not */
	if (other && id != other && (id || (ctx->rcx & 1)))
		ready_emit(self, id, other);
	return 0;
}
