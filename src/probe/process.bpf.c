/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process - fork, exec, exit, signals, stops, OOM kills, timers that end a wait, and the snapshot
 * of what already runs.  Selection lives here: whoever is forked by a selected process is selected.
 */
#include "kernel/bpf/join.bpf.h"
#include "probe/place.bpf.h"

#define PF_KTHREAD 0x00200000
#define SIGCHLD_NR 17
#define SIGCONT_NR 18
#define SIGSTOP_NR 19
#define SIGTTOU_NR 22
#define SI_TIMER_CODE (-2)
#define SEND_SIG_PRIV_PTR 1 /* include/linux/sched/signal.h: SEND_SIG_NOINFO is 0, both are the kernel's own */
#define SIGNAL_GROUP_EXIT_BIT 4
#define SIGNAL_CLD_BITS 0x30 /* SIGNAL_CLD_STOPPED, _CONTINUED: SIGCONT met a stopped process */
#define ANCESTORS_MAX 64
#define CHILDREN_MAX 256

static const struct ended_children no_children = {};

/* Fills who the task is; strings follow through identity_strings(). */
static __always_inline void identity_fixed(struct event_process *e, struct task_struct *task, __u32 flags)
{
	e->netns = task_netns(task);
	e->cgroup = task_cgroup(task);
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

/* What the process is called in its own pid namespace, if that is not the host's. */
static __noinline void inside_emit(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, group_leader, thread_pid);
	__u32 depth = BPF_CORE_READ(pid, level);
	struct event_inside *e;
	struct upid *own;

	if (!depth)
		return;
	own = (void *)((char *)pid + bpf_core_field_offset(struct pid, numbers) +
		       depth * bpf_core_type_size(struct upid));
	e = event_reserve(EVENT_INSIDE, sizeof(*e), CONTEXT_RECORDER);
	if (!e)
		return;
	header_task(&e->h, task);
	e->pidns = BPF_CORE_READ(own, ns, ns.inum);
	e->pid = BPF_CORE_READ(own, nr);
	e->depth = depth;
	event_end(e);
}

static __always_inline void identity_emit(struct task_struct *task, __u16 type, __u32 flags, const char *exe, bool args)
{
	struct scratch *s = scratch_take(type);
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
	event_output(s, at);
	if (type == EVENT_PROCESS)
		inside_emit(task);
}

static __always_inline bool attaching(void)
{
	struct kernel_control *c = control_get();

	return c && c->attaching;
}

/*
 * While attaching: whoever is found by a hook may have children that the snapshot has already passed.  Not static: verified
 * once, not for each child of the loop that calls it.
 */
__noinline int found_select(__u32 tgid)
{
	struct kernel_control *c = control_get();

	if (tgid_selected(tgid) || !c)
		return 0;
	tgid_select(tgid);
	__sync_fetch_and_add(&c->found, 1);
	return 0;
}

/* While attaching: is one of those a selected process whose children are not all known yet? */
static __noinline bool ancestor_selected(struct task_struct *task)
{
	__u32 i;

	for (i = 0; i < ANCESTORS_MAX; i++) {
		__u32 tgid;

		task = BPF_CORE_READ(task, real_parent);
		tgid = BPF_CORE_READ(task, tgid);
		if (tgid_selected(tgid))
			return true;
		if (tgid <= 1)
			break;
	}
	return false;
}

/* While attaching: whom the task leaves behind goes to another parent, where the snapshot would not find him. */
static __noinline void children_select(struct task_struct *task)
{
	unsigned long head = (unsigned long)task + bpf_core_field_offset(struct task_struct, children);
	unsigned long at = (unsigned long)BPF_CORE_READ(task, children.next);
	__u32 i;

	for (i = 0; i < CHILDREN_MAX && at && at != head; i++) {
		struct task_struct *child = (void *)(at - bpf_core_field_offset(struct task_struct, sibling));

		found_select(BPF_CORE_READ(child, tgid));
		at = (unsigned long)BPF_CORE_READ(child, sibling.next);
	}
}

/*
 * bit per tgid: the end of the process has been told; key: tgid / 64; owner: exit hook, cleared at the fork of the next
 * that gets the number.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SELECTED_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} ended_tgids SEC(".maps");

/* Sets or clears the bit; was it another way before? */
static __always_inline bool ended_bit(__u32 tgid, bool set)
{
	__u64 bit = 1ULL << (tgid & 63);
	__u32 at = tgid / 64;
	__u64 *word = bpf_map_lookup_elem(&ended_tgids, &at);

	if (!word)
		return false;
	if (set)
		return !(__sync_fetch_and_or(word, bit) & bit);
	return *word & bit && __sync_fetch_and_and(word, ~bit) & bit;
}

/* The bit of a new process is set right in any case: its number may have been another's. */
static __always_inline bool child_select(struct task_struct *parent, struct task_struct *child)
{
	bool wanted = tgid_selected(parent->tgid);

	if (!wanted && attaching() && ancestor_selected(parent)) {
		found_select(parent->tgid);
		wanted = true;
	}
	if (child->tgid == parent->tgid)
		return wanted;
	ended_bit(child->tgid, false);
	if (wanted || task_wanted(child))
		tgid_select(child->tgid);
	else if (tgid_selected(child->tgid) && !cfg.select_all)
		tgid_unselect(child->tgid);
	return wanted;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct scratch *s;
	struct event_fork *e;
	__u32 at = sizeof(*e);

	if (!child_select(parent, child))
		return 0;
	join_check();
	s = scratch_take(EVENT_FORK);
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
	event_output(s, at);
	if (child->tgid != parent->tgid)
		inside_emit(child);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct kernel_control *k = control_get();

	/* programs that entered the wanted namespace from outside show themselves here */
	if (!tgid_selected(p->tgid) && task_wanted(p))
		tgid_select(p->tgid);
	if (!tgid_selected(p->tgid))
		return 0;
	if (k && k->starting == p->tgid)
		k->starting = 0;
	join_check();
	identity_emit(p, EVENT_EXEC, 0, BPF_CORE_READ(bprm, filename), true);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(process_moved, struct cgroup *to, const char *path, struct task_struct *task, bool threadgroup)
{
	__u64 address = 0; /* of `to`, as a number */

	if (tgid_selected(task->tgid)) {
		/* each hierarchy of version 1 by itself: told is the one by which events name the group */
		if (BPF_CORE_READ(to, kn, id) == (task_cgroup(task) & ~CGROUP_V1))
			identity_emit(task, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, false);
		return 0;
	}
	if (!cfg.by_place || (task->flags & PF_KTHREAD))
		return 0;
	if (bpf_probe_read_kernel(&address, sizeof(address), ctx) < 0 || !place_wanted(address))
		return 0;
	tgid_select(task->tgid);
	identity_emit(task, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, false);
	return 0;
}

/* What wait(2) will say of the process: its last thread knows. */
static __always_inline int exit_status(struct task_struct *p, bool last)
{
	if (!last)
		return p->exit_code;
	if (p->signal->flags & SIGNAL_GROUP_EXIT_BIT)
		return p->signal->group_exit_code;
	return p->group_leader->exit_code;
}

/* Notes the end of a process at its parent, unless that lets the kernel reap (SIGCHLD ignored). */
static __always_inline void ended_note(struct task_struct *last)
{
	struct task_struct *leader = last->group_leader, *parent = leader->real_parent;
	struct kernel_control *k = control_get();
	struct ended_children *e;
	struct ended_child *c;
	__u32 tgid = parent->tgid;

	if (!k || !tgid_selected(tgid) ||
	    (unsigned long)BPF_CORE_READ(parent, sighand, action[SIGCHLD_NR - 1].sa.sa_handler) == 1)
		return;
	e = bpf_map_lookup_elem(&ended, &tgid);
	if (!e) {
		if (bpf_map_update_elem(&ended, &tgid, &no_children, BPF_NOEXIST) < 0)
			helper_failed();
		e = bpf_map_lookup_elem(&ended, &tgid);
	}
	if (!e)
		return;
	c = &e->child[__sync_fetch_and_add(&e->at, 1) & (ENDED_SLOTS - 1)];
	if (__sync_lock_test_and_set(&c->tgid, 0))
		__sync_fetch_and_add(&k->unjoined, -1);
	c->leader = (__u64)leader;
	c->start_ns = leader->start_boottime;
	c->last_start_ns = last->start_boottime;
	c->last_tid = last->pid;
	__sync_lock_test_and_set(&c->tgid, last->tgid);
	__sync_fetch_and_add(&k->unjoined, 1);
}

/* Nobody will wait for the children of a process that ended. */
static __always_inline void ended_forget(__u32 tgid)
{
	struct ended_children *e = bpf_map_lookup_elem(&ended, &tgid);
	struct kernel_control *k = control_get();
	__u32 i;

	if (!e || !k)
		return;
	for (i = 0; i < ENDED_SLOTS; i++)
		if (__sync_lock_test_and_set(&e->child[i].tgid, 0))
			__sync_fetch_and_add(&k->unjoined, -1);
	bpf_map_delete_elem(&ended, &tgid);
}

static __always_inline void exit_emit(struct task_struct *p, bool last)
{
	struct scratch *s = scratch_take(EVENT_EXIT);
	struct event_exit *e = (void *)s;
	__u32 at = sizeof(*e);
	int code = exit_status(p, last);

	if (!s)
		return;
	e->h.type = EVENT_EXIT;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, p);
	e->code = code >> 8 & 0xff;
	e->sig = code & 0x7f;
	e->flags = (last ? EXITFLAGS_LAST_THREAD : 0) | (code & 0x80 ? EXITFLAGS_CORE_DUMPED : 0);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	at = string_add(e, at, 16, p->comm);
	event_output(s, at);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *p)
{
	bool last;

	if (attaching() && (tgid_selected(p->tgid) || ancestor_selected(p))) {
		found_select(p->tgid);
		children_select(p);
	}
	if (!current_selected())
		return 0;
	join_check();
	sched_last(bpf_get_current_task_btf());
	/* threads that end on several CPUs at once have all been counted before the first comes here: one is the last */
	last = p->signal->live.counter == 0 && ended_bit(p->tgid, true);
	exit_emit(p, last);
	if (last) {
		ended_forget(p->tgid);
		ended_note(p);
	}
	return 0;
}

/* wait(2) begins: what the thread waited for before is told now */
SEC("tp_btf/sched_process_wait")
int BPF_PROG(process_wait, struct pid *pid)
{
	struct task_struct *self = bpf_get_current_task_btf();
	__u32 tgid = self->tgid;
	struct ended_children *e;
	__u64 *waited;

	if (!tgid_selected(tgid))
		return 0;
	join_check();
	waited = bpf_task_storage_get(&waits, self, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (waited)
		*waited = pid ? (__u32)BPF_CORE_READ(pid, numbers[0].nr) : 0;
	else
		helper_failed();
	if (pid)
		return 0;
	bpf_map_update_elem(&ended, &tgid, &no_children, BPF_NOEXIST);
	e = bpf_map_lookup_elem(&ended, &tgid);
	if (e && __sync_val_compare_and_swap(&e->waiter, 0, self->pid) && e->waiter != self->pid)
		e->waiters = 2;
	return 0;
}

/* A task in an interrupt did not send it: interval timers and POSIX timers fire there. */
static __always_inline __u8 signal_context(int sig, int code, bool from_kernel)
{
	if (code == SI_TIMER_CODE || (from_kernel && (sig == 14 || sig == 26 || sig == 27)))
		return CONTEXT_HARDIRQ;
	return CONTEXT_TASK;
}

/* Nobody called kill(2) for a signal without siginfo, or with a positive code (sigaction(2)). */
static __always_inline bool signal_from_kernel(struct kernel_siginfo *info, int code)
{
	return (unsigned long)info <= SEND_SIG_PRIV_PTR || code > 0;
}

static __always_inline void signal_emit(struct task_struct *self, int sig, struct kernel_siginfo *info,
					struct task_struct *task, int group, int result)
{
	struct scratch *s = scratch_take(EVENT_SIGNAL);
	struct event_signal *e = (void *)s;
	__u32 at = sizeof(*e);
	bool from_kernel;

	if (!s)
		return;
	e->code = 0;
	if ((unsigned long)info > SEND_SIG_PRIV_PTR)
		e->code = BPF_CORE_READ(info, si_code);
	from_kernel = signal_from_kernel(info, e->code);
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
	event_output(s, at);
}

/*
 * SIGCONT resumes a process while it is being sent, and is then thrown away unless there is a handler: it is never
 * delivered.  The process does nothing until the sender lets go of its lock, so this is its next event.
 */
static __always_inline void cont_emit(struct task_struct *task)
{
	struct event_cont *e;

	if (!tgid_selected(task->tgid) || !(task->signal->flags & SIGNAL_CLD_BITS))
		return;
	e = event_reserve(EVENT_CONT, sizeof(*e), CONTEXT_TASK);
	if (!e)
		return;
	header_task(&e->h, task);
	e->sig = SIGCONT_NR;
	e->code = 0;
	e->action = DISPOSITION_DEFAULT;
	e->sender = bpf_get_current_pid_tgid() >> 32;
	event_end(e);
}

SEC("tp_btf/signal_generate")
int BPF_PROG(process_signal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	struct task_struct *self = bpf_get_current_task_btf();
	bool known = tgid_selected(self->tgid);

	if (!known && !tgid_selected(task->tgid))
		return 0;
	if (tgid_own(self->tgid))
		return 0;
	if (known)
		join_check();
	else if (!(self->flags & PF_KTHREAD)) /* say who the stranger is */
		identity_emit(self, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, true);
	signal_emit(self, sig, info, task, group, result);
	if (sig == SIGCONT_NR)
		cont_emit(task);
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
	struct scratch *s = scratch_take(EVENT_OOM_KILL);
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
	e->cgroup = task_cgroup(victim);
	at = string_add(e, at, 16, victim->comm);
	event_output(s, at);
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
	struct scratch *s;
	__u32 at = sizeof(*e);

	if (!tgid_selected(pid) && !current_selected())
		return 0;
	s = scratch_take(EVENT_OOM_KILL);
	if (!s)
		return 0;
	e = (void *)s;
	__builtin_memset(e, 0, sizeof(*e));
	e->h.type = EVENT_OOM_KILL;
	e->h.context = CONTEXT_TASK;
	header_task(&e->h, bpf_get_current_task_btf());
	e->victim_tgid = pid;
	at = string_add(e, at, 1, NULL);
	event_output(s, at);
	return 0;
}

#include "probe/timer.bpf.h"

/* Were those described who are selected from the start?  Who comes by a walk after that is described at once. */
static __always_inline bool settled(void)
{
	struct kernel_control *c = control_get();

	return c && c->settled;
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
	if (tgid_own(task->tgid) || tgid_selected(task->tgid))
		return 0; /* itself it never selects, so it would be found new each time */
	if (task_wanted(task) || tgid_selected(BPF_CORE_READ(task, real_parent, tgid))) {
		tgid_select(task->tgid);
		bpf_seq_write(ctx->meta->seq, &one, 1);
		if (settled())
			identity_emit(task, EVENT_PROCESS, PROCFLAGS_SNAPSHOT, NULL, false);
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
