/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process - fork, exec, exit, signals, stops, OOM kills, timers that end a wait, and the snapshot
 * of what already runs.  Selection lives here: whoever is forked by a selected process is selected.
 */
#include "kernel/bpf/emit.bpf.h"

#define PF_KTHREAD 0x00200000
#define SIGKILL_NR 9
#define SIGCONT_NR 18
#define SIGSTOP_NR 19
#define SIGTTOU_NR 22
#define SI_TIMER_CODE (-2)
#define SEND_SIG_PRIV_PTR 1 /* include/linux/sched/signal.h: sent by the kernel itself */

static __always_inline struct scratch *scratch_get(__u32 which)
{
	return bpf_map_lookup_elem(&scratches, &which);
}

/* Fills who the task is; strings follow through identity_strings(). */
static __always_inline void identity_fixed(struct event_process *e, struct task_struct *task, __u32 flags)
{
	e->netns = task_netns(task);
	e->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	e->ppid = BPF_CORE_READ(task, real_parent, tgid);
	e->uid = BPF_CORE_READ(task, cred, uid.val);
	e->gid = BPF_CORE_READ(task, cred, gid.val);
	e->flags = flags;
	e->h.flags = 0;
	header_task(&e->h, task);
}

/* Appends the NUL-terminated kernel string at src; returns the new length. */
static __always_inline __u32 string_add(void *base, __u32 at, __u32 max, const void *src)
{
	long n = 0;

	if (at > SCRATCH_BYTES - 8 - PATH_MAX_SEEN)
		return at;
	if (src)
		n = bpf_probe_read_kernel_str((char *)base + at, max, src);
	if (n <= 0) {
		*((char *)base + at) = 0;
		n = 1;
	}
	return at + (__u32)n;
}

/* Appends the arguments of the current task, NULs between them kept (user space makes them spaces). */
static __always_inline __u32 args_add(void *base, __u32 at, struct task_struct *task)
{
	unsigned long start = BPF_CORE_READ(task, mm, arg_start);
	unsigned long end = BPF_CORE_READ(task, mm, arg_end);
	__u32 len = end - start;

	if (at > SCRATCH_BYTES - ARGS_MAX - 16)
		return at;
	if (!start || end <= start)
		len = 0;
	if (len > ARGS_MAX)
		len = ARGS_MAX;
	if (len && bpf_probe_read_user((char *)base + at, len, (void *)start) < 0)
		len = 0;
	*((char *)base + at + len) = 0;
	return at + len + 1;
}

static __always_inline void identity_emit(struct task_struct *task, __u16 type, __u32 flags, const char *exe, bool args)
{
	struct scratch *s = scratch_get(0);
	struct event_process *e = (void *)s;
	__u32 at = sizeof(*e);

	if (!s)
		return;
	e->h.type = type;
	e->h.context = type == EVENT_EXEC ? CONTEXT_TASK : CONTEXT_RECORDER;
	identity_fixed(e, task, flags);
	at = string_add(e, at, 16, task->comm);
	at = string_add(e, at, PATH_MAX_SEEN, exe);
	if (args)
		at = args_add(e, at, task);
	else
		at = string_add(e, at, 1, NULL);
	event_output(&e->h, at);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct scratch *s;
	struct event_fork *e;
	__u32 at = sizeof(*e);

	if (!tgid_selected(parent->tgid))
		return 0;
	if (child->tgid != parent->tgid)
		tgid_select(child->tgid);
	s = scratch_get(0);
	if (!s)
		return 0;
	e = (void *)s;
	e->h.type = EVENT_FORK;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, bpf_get_current_task_btf());
	e->child_start_ns = child->start_boottime;
	e->child_tgid = child->tgid;
	e->child_tid = child->pid;
	e->flags = child->tgid == parent->tgid ? PROCFLAGS_THREAD : 0;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	at = string_add(e, at, 16, child->comm);
	event_output(&e->h, at);
	return 0;
}

static __always_inline bool task_wanted(struct task_struct *task)
{
	if (cfg.cgroup && BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id) == cfg.cgroup)
		return true;
	return cfg.netns && task_netns(task) == cfg.netns;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	/* programs that enter the wanted cgroup or namespace from outside show themselves here at latest */
	if (!tgid_selected(p->tgid) && task_wanted(p))
		tgid_select(p->tgid);
	if (tgid_selected(p->tgid))
		identity_emit(p, EVENT_EXEC, 0, BPF_CORE_READ(bprm, filename), true);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *p)
{
	struct scratch *s;
	struct event_exit *e;
	__u32 at = sizeof(*e);
	int code = p->exit_code;

	if (!current_selected())
		return 0;
	s = scratch_get(0);
	if (!s)
		return 0;
	e = (void *)s;
	e->h.type = EVENT_EXIT;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, p);
	e->code = code >> 8 & 0xff;
	e->sig = code & 0x7f;
	e->flags =
		(p->signal->live.counter == 0 ? EXITFLAGS_LAST_THREAD : 0) | (code & 0x80 ? EXITFLAGS_CORE_DUMPED : 0);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	at = string_add(e, at, 16, p->comm);
	event_output(&e->h, at);
	return 0;
}

/* A task in an interrupt did not send it: interval timers and POSIX timers fire there. */
static __always_inline __u8 signal_context(int sig, int code, bool from_kernel)
{
	if (code == SI_TIMER_CODE || (from_kernel && (sig == 14 || sig == 26 || sig == 27)))
		return CONTEXT_HARDIRQ;
	return CONTEXT_TASK;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(process_signal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	bool from_kernel = (unsigned long)info == SEND_SIG_PRIV_PTR;
	struct task_struct *self = bpf_get_current_task_btf();
	bool known = tgid_selected(self->tgid);
	struct scratch *s;
	struct event_signal *e;
	__u32 at = sizeof(*e);

	if (!known && !tgid_selected(task->tgid))
		return 0;
	if (self->tgid == cfg.own_tgid && cfg.own_tgid)
		return 0;
	if (!known && !(self->flags & PF_KTHREAD)) /* say who the stranger is */
		identity_emit(self, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, false);
	s = scratch_get(0);
	if (!s)
		return 0;
	e = (void *)s;
	e->code = 0;
	if ((unsigned long)info > SEND_SIG_PRIV_PTR)
		e->code = BPF_CORE_READ(info, si_code);
	e->h.type = EVENT_SIGNAL;
	e->h.context = signal_context(sig, e->code, from_kernel);
	e->h.flags = 0;
	header_task(&e->h, self);
	e->target_start_ns = task->start_boottime;
	e->target_tgid = task->tgid;
	e->target_tid = task->pid;
	e->sig = sig;
	e->result = result;
	e->flags = (group ? SIGNALFLAGS_GROUP : 0) | (from_kernel ? SIGNALFLAGS_FROM_KERNEL : 0);
	at = string_add(e, at, 16, task->comm);
	event_output(&e->h, at);
	return 0;
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(process_deliver, int sig, struct kernel_siginfo *info, struct k_sigaction *ka)
{
	unsigned long handler;
	struct event_deliver *e;
	__u16 type = EVENT_DELIVER;

	if (!current_selected())
		return 0;
	handler = (unsigned long)BPF_CORE_READ(ka, sa.sa_handler);
	if (sig >= SIGSTOP_NR && sig <= SIGTTOU_NR && handler == 0)
		type = EVENT_STOP;
	else if (sig == SIGCONT_NR)
		type = EVENT_CONT;
	e = event_begin(type, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return 0;
	e->sig = sig;
	e->code = 0;
	e->sender = 0;
	if ((unsigned long)info > SEND_SIG_PRIV_PTR) {
		e->code = BPF_CORE_READ(info, si_code);
		if (e->code <= 0)
			e->sender = BPF_CORE_READ(info, _sifields._kill._pid);
	}
	e->action = handler == 0 ? DISPOSITION_DEFAULT : handler == 1 ? DISPOSITION_IGNORE : DISPOSITION_HANDLER;
	event_end(e);
	return 0;
}

static __always_inline int oom_emit(struct task_struct *victim, __u32 uid)
{
	struct scratch *s = scratch_get(0);
	struct event_oom_kill *e = (void *)s;
	__u32 at = sizeof(*e);

	if (!s)
		return 0;
	e->h.type = EVENT_OOM_KILL;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, bpf_get_current_task_btf());
	e->victim_start_ns = victim->start_boottime;
	e->victim_tgid = victim->tgid;
	e->uid = uid;
	e->total_vm = BPF_CORE_READ(victim, mm, total_vm) << 12;
	e->rss = 0;
	e->cgroup = BPF_CORE_READ(victim, cgroups, dfl_cgrp, kn, id);
	at = string_add(e, at, 16, victim->comm);
	event_output(&e->h, at);
	return 0;
}

/* since kernel commit 72ba14deb40a (6.8) the tracepoint hands over the task */
SEC("tp_btf/mark_victim")
int BPF_PROG(process_oom, struct task_struct *victim, __u32 uid)
{
	if (tgid_selected(victim->tgid) || current_selected())
		oom_emit(victim, uid);
	return 0;
}

/* before: only the pid */
SEC("tp_btf/mark_victim")
int BPF_PROG(process_oom_pid, int pid)
{
	struct event_oom_kill *e;
	struct scratch *s = scratch_get(0);
	__u32 at = sizeof(*e);

	if (!s || (!tgid_selected(pid) && !current_selected()))
		return 0;
	e = (void *)s;
	__builtin_memset(e, 0, sizeof(*e));
	e->h.type = EVENT_OOM_KILL;
	e->h.context = CONTEXT_TASK;
	header_task(&e->h, bpf_get_current_task_btf());
	e->victim_tgid = pid;
	at = string_add(e, at, 1, NULL);
	event_output(&e->h, at);
	return 0;
}

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(process_timer, struct hrtimer *timer, __u64 *now)
{
	struct hrtimer_sleeper *sleeper = (void *)timer;
	struct task_struct *task;
	struct event_timer *e;

	if (!cfg.hrtimer_wakeup || (unsigned long)BPF_CORE_READ(timer, function) != cfg.hrtimer_wakeup)
		return 0;
	task = BPF_CORE_READ(sleeper, task);
	if (!task || !tgid_selected(BPF_CORE_READ(task, tgid)) || kind_shed(KIND_TIMER))
		return 0;
	e = event_reserve(EVENT_TIMER, sizeof(*e), CONTEXT_HARDIRQ);
	if (!e)
		return 0;
	e->h.start_ns = 0;
	e->h.tgid = 0;
	e->h.tid = 0;
	e->target_start_ns = BPF_CORE_READ(task, start_boottime);
	e->target_tgid = BPF_CORE_READ(task, tgid);
	e->target_tid = BPF_CORE_READ(task, pid);
	e->kind = TIMERKIND_WAIT_TIMEOUT;
	e->expires_ns = 0;
	bpf_probe_read_kernel(&e->expires_ns, sizeof(e->expires_ns), now);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
	return 0;
}

/*
 * Walks all tasks.  Whoever's parent is selected (or who is in the wanted cgroup or namespace) becomes
 * selected; each selected process is described.  Writes one byte to the reader for each newly selected
 * process, so that user space repeats until nothing new appears.
 */
SEC("iter/task")
int process_snapshot(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	char one = 1;

	if (!task || task->pid != task->tgid || (task->flags & PF_KTHREAD))
		return 0;
	if (tgid_selected(task->tgid))
		return 0;
	if (task_wanted(task) || tgid_selected(BPF_CORE_READ(task, real_parent, tgid))) {
		tgid_select(task->tgid);
		bpf_seq_write(ctx->meta->seq, &one, 1);
	}
	return 0;
}

SEC("iter/task")
int process_describe(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->pid == task->tgid && !(task->flags & PF_KTHREAD) && tgid_selected(task->tgid))
		identity_emit(task, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, false);
	return 0;
}
