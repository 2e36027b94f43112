/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wake - a recorded thread ended the wait of another recorded thread.
 *
 * sched_waking runs in the waker, only if the other one really waits (or is just about to).  That it is the current
 * thread's doing, and not an interrupt's on its back, is told by the stack on which this runs: soft interrupts, and
 * hard ones that interrupt the kernel, have a stack of their own (arch/x86/include/asm/irq_stack.h), and one that
 * interrupts user code leaves no number of a system call in the saved registers (orig_ax is -1).  That costs nothing,
 * where hooks at the entry and exit of interrupts would run many times for each wake.
 *
 * Both threads must be recorded: an edge needs two ends.
 */
#include "kernel/bpf/join.bpf.h"
#include "probe/wait.bpf.h"

#define FUTEX_OP_MASK 127
#define FUTEX_WAKE_OP_NR 5 /* wakes on a second futex as well */

/* Does current do this itself? */
static __always_inline bool by_current(struct pt_regs___x86 *regs, void *ctx)
{
	return on_own_stack(regs, ctx) && regs->orig_ax != (unsigned long)-1;
}

/* A signal woke it: that is told by events of its own. */
static __always_inline bool signalled(struct task_struct *task)
{
	return (task->pending.signal.sig[0] |
		KERNEL_PLAIN(task, struct task_struct)->signal->shared_pending.signal.sig[0]) &
	       ~task->blocked.sig[0];
}

/* INET sockets: who holds the lock works off the packets that came meanwhile, and wakes their readers for them. */
static __always_inline bool of_packet(const struct wait *by)
{
	struct file *file = (struct file *)by->file;
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (by->kind != WAITKIND_SOCKET || by->call == __NR_shutdown)
		return false;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return family == 2 || family == 10;
}

/* Of several that wait in epoll the one that leaves wakes the next: what is ready is of a third one's making. */
static __always_inline bool passed_on(const struct wait *by)
{
	return by->kind == WAITKIND_EPOLL || by->kind == WAITKIND_POLL;
}

/*
 * A reader wakes whoever waits on the same socket or eventfd, since there is room now: also one who waits for data, and
 * goes on waiting.  A reader of a pipe who leaves something wakes the next, for the writer.
 */
static __always_inline bool same_way(const struct wait *by, const struct wait *what)
{
	return by->way == what->way && by->way >= BY_FD_IN && what->kind == by->kind;
}

static __always_inline bool requeued(struct task_struct *me, struct pt_regs___x86 *regs, struct task_struct *p,
				     const struct wait *by, const struct wait *what)
{
	return by->call == __NR_futex && what->call == __NR_futex && me->tgid == p->tgid &&
	       by->object != what->object && (regs->si & FUTEX_OP_MASK) != FUTEX_WAKE_OP_NR;
}

static __always_inline void wake_emit(struct task_struct *me, struct pt_regs___x86 *regs, struct task_struct *p)
{
	struct wait what, by;
	struct event_wake *e;

	wait_read(me, regs, &by);
	if (passed_on(&by) || of_packet(&by))
		return;
	wait_read(p, (struct pt_regs___x86 *)bpf_task_pt_regs(p), &what);
	if (same_way(&by, &what))
		return;
	wait_state(p, &what);
	e = event_begin_at(me, EVENT_WAKE, sizeof(*e), bpf_ktime_get_boot_ns());
	if (!e)
		return;
	e->target_start_ns = p->start_boottime;
	e->object = what.object;
	e->by_object = by.object;
	e->target_tgid = p->tgid;
	e->target_tid = p->pid;
	e->what = what.kind;
	e->by = by.kind;
	e->target_call = what.call;
	e->call = by.call;
	e->flags = what.kind == WAITKIND_FUTEX && requeued(me, regs, p, &by, &what) ? WAKEFLAGS_REQUEUED : 0;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(wake_waking, struct task_struct *p)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pt_regs___x86 *regs;

	if (p == me || !tgid_selected(p->tgid) || !tgid_selected(me->tgid))
		return 0;
	regs = (struct pt_regs___x86 *)bpf_task_pt_regs(me);
	if (!by_current(regs, ctx) || !(p->__state & (TASK_INTERRUPTIBLE_BIT | TASK_UNINTERRUPTIBLE_BIT)) ||
	    signalled(p))
		return 0;
	wake_emit(me, regs, p);
	return 0;
}
