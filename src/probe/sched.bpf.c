/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sched - where each recorded thread's time went.
 *
 * sched_switch runs with the CPU's run queue locked and interrupts off, in the thread that leaves (kernel/sched/core.c:
 * __schedule()).  Whether that one waits is read from its own state at that moment, as __schedule() has left it: the
 * tracepoint's argument prev_state (since 5.18, fa2c3254d7cf) may say TASK_INTERRUPTIBLE of a thread that stays runnable
 * because a signal is pending.  Nobody can set the state of a thread that waits back to TASK_RUNNING before its CPU
 * is done with it; a waker that is quick sets TASK_WAKING, which is not 0 either.  With preempt set the thread stays runnable
 * whatever its state says.
 *
 * sched_waking runs in who wakes, before the thread is put on a queue, and once for each wait.  If the waker is quicker
 * than the thread it comes before the switch: then the thread was blocked for no time.  A thread that wakes itself
 * (an interrupt on its back does) never leaves the CPU for it.
 *
 * Nothing is woken here, and the ring's lock is a leaf: nobody who holds it wants a run queue.
 */
#include "kernel/bpf/emit.bpf.h"
#include "probe/wait.bpf.h"

#define STOPPED_OR_TRACED 12	 /* include/linux/sched.h: __TASK_STOPPED, __TASK_TRACED */
#define PASSED (1u << 31)	 /* in asleep: it has run since, and its registers are those of another call */
#define LONGEST_NS 1000000000ULL /* so long without an event: a thread that never waits is told all the same */
#define HELD_NS 1000000ULL	 /* of who waits so long for a CPU it is told who had it */
#define STRETCH_NS 200000ULL	 /* stretches of others below that are not looked at */
#define REALTIME_PRIO 100	 /* include/linux/sched/prio.h: MAX_RT_PRIO */

/* A stretch in which a process had a CPU, whoever it is; what is shorter than STRETCH_NS may have come in between. */
struct sched_stretch {
	__u64 begin_ns, end_ns;
	__u64 start_ns; /* of the thread that had it last */
	__u64 comm[2];
	__u32 tgid, tid;
};

#define SCHED_STRETCHES 256

/* The last long ones of a CPU */
struct sched_stretches {
	struct sched_stretch last[SCHED_STRETCHES];
	__u64 count;
	/* of a search: since when, the longest one, its place, the sum; here, as the verifier forgets what it knew of memory */
	__u64 since_ns, longest_ns, most, sum_ns;
};

/* Key: 0.  Who had this CPU lately.  Written and read with its run queue locked. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_stretches);
} sched_had SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* kernel/bpf: since 6.4 (08a7ce384e33) what is stored with a task is not taken from kmalloc() */
struct bpf_local_storage_map {
	bool bpf_ma;
};

struct bpf_local_storage_map___later {
	bool use_kmalloc_nolock;
};

#pragma clang attribute pop

/* Where a run queue is locked, kmalloc() may wake the thread that frees memory, and need that queue for it. */
static __always_inline bool sched_here(void)
{
	return bpf_core_field_exists(struct bpf_local_storage_map, bpf_ma) ||
	       bpf_core_field_exists(struct bpf_local_storage_map___later, use_kmalloc_nolock);
}

static __always_inline bool sched_wanted(struct task_struct *task)
{
	return tgid_selected(task->tgid) && !(task->flags & PF_KTHREAD_BIT);
}

static __always_inline struct sched_thread *sched_find(struct task_struct *task)
{
	return bpf_task_storage_get(&sched_threads, task, NULL, 0);
}

/* The thread's room in a switch; NULL: none, or it is not told of. */
static __always_inline struct sched_thread *sched_moves(struct task_struct *task, __u64 now)
{
	struct sched_thread *t = sched_find(task);

	if (unlikely(!t)) {
		if (sched_here())
			t = sched_meet(task, now, false);
		if (!t)
			return NULL;
	}
	if (unlikely(!t->tid)) /* it is being met */
		return NULL;
	sched_again(task, t);
	return t->state == SCHED_GONE ? NULL : t;
}

static __always_inline bool call_syncs(__u16 call)
{
	return call == __NR_fsync || call == __NR_fdatasync || call == __NR_sync_file_range || call == __NR_syncfs ||
	       call == __NR_sync || call == __NR_msync;
}

/* What it waited for, from its registers and the state in which it left. */
static __always_inline void sched_what(struct task_struct *task, struct sched_thread *t, struct wait *w)
{
	if (t->state == SCHED_BORN) {
		*w = (struct wait) { .kind = WAITKIND_BIRTH, .call = CALL_NONE };
		return;
	}
	if (unlikely(t->asleep & PASSED)) {
		*w = (struct wait) { .kind = WAITKIND_UNKNOWN, .call = CALL_NONE };
		if (t->asleep & STOPPED_OR_TRACED)
			w->kind = WAITKIND_STOPPED;
		return;
	}
	wait_read(task, (struct pt_regs___x86 *)bpf_task_pt_regs(task), w);
	if (t->asleep & STOPPED_OR_TRACED) {
		w->kind = WAITKIND_STOPPED;
		w->object = 0;
	} else if (w->kind == WAITKIND_FAULT) {
		if (!t->for_io && !(t->asleep & TASK_INTERRUPTIBLE_BIT))
			w->kind = WAITKIND_KERNEL_LOCK;
	} else if (!(t->asleep & TASK_INTERRUPTIBLE_BIT) && w->kind != WAITKIND_VFORK && w->kind != WAITKIND_IO_URING) {
		w->object = 0;
		w->kind = t->for_io || call_syncs(w->call) ? WAITKIND_DISK : WAITKIND_KERNEL_LOCK;
	}
}

static __always_inline void sched_tell(struct task_struct *task, struct sched_thread *t, struct sched_part *p,
				       __u64 off, __u64 wake, __u64 now)
{
	struct event_ran *e = ran_begin(task, t, p, now);
	struct wait w = {};

	if (e && off) {
		sched_what(task, t, &w);
		e->off_ns = off;
		e->wake_ns = wake;
		e->object = w.object;
		e->what = w.kind;
		e->call = w.call;
	}
	if (e)
		event_end(e);
	part_begin(task, p, now);
	sched_rename(task, t);
}

/* Was it woken, and when?  0: nobody saw it. */
static __always_inline __u64 sched_woken(const struct sched_thread *t, __u64 off, __u64 now)
{
	__u64 woken = t->woken_ns;

	if (!woken)
		return 0;
	return woken > now ? now : later(woken, off);
}

/* Was it seen whenever it left? */
static __always_inline bool sched_seen(struct task_struct *task, const struct sched_thread *t)
{
	if (t->state == SCHED_PREEMPTED || t->state == SCHED_WAITS)
		return t->switches == task->nvcsw + task->nivcsw;
	return t->state != SCHED_ON;
}

static __always_inline void sched_off(struct task_struct *task, struct sched_thread *t, struct sched_part *p, __u64 off,
				      __u64 now)
{
	bool unknown = t->state == SCHED_UNKNOWN;

	if (t->state == SCHED_PREEMPTED || (unknown && !t->woken_ns)) {
		p->preempted_ns += now - off;
		p->preemptions++;
	} else if (t->state == SCHED_WAITS && now - off < cfg.sched_short_ns) {
		p->short_ns += now - off;
		p->short_waits++;
	} else {
		sched_tell(task, t, p, off, sched_woken(t, off, now), now);
	}
	if (now - p->since_ns > LONGEST_NS)
		sched_tell(task, t, p, 0, 0, now);
}

/*
 * How long the thread that leaves has had its CPU: set_next_entity() notes what it had been charged before, and put_prev_task()
 * has charged the rest.  Of real-time threads it is not known.
 */
static __always_inline __u64 sched_stretch(struct task_struct *prev)
{
	return prev->prio < REALTIME_PRIO ? 0 : prev->se.sum_exec_runtime - prev->se.prev_sum_exec_runtime;
}

/* Keeps it for those who wait for this CPU.  Stretches of one process that nothing long divides are one. */
static __always_inline void sched_had_cpu(struct task_struct *prev, __u64 ran, __u64 now)
{
	__u32 zero = 0;
	struct sched_stretches *all = bpf_map_lookup_elem(&sched_had, &zero);
	struct sched_stretch *s;

	if (!all || !prev->pid)
		return;
	s = &all->last[all->count % SCHED_STRETCHES];
	if (s->tgid != prev->tgid || now - ran - s->end_ns >= STRETCH_NS) {
		s = &all->last[++all->count % SCHED_STRETCHES];
		s->begin_ns = now - ran;
		s->tgid = prev->tgid;
		bpf_probe_read_kernel(s->comm, sizeof(s->comm), prev->comm); /* the kernel ends it with a 0 */
	}
	s->end_ns = now;
	s->start_ns = prev->start_boottime;
	s->tid = prev->pid;
}

/* How much of the time that is asked for the stretch covers. */
static __always_inline __u64 stretch_since(const volatile struct sched_stretches *all, __u32 i)
{
	__u64 since = all->since_ns, begin = all->last[i].begin_ns, end = all->last[i].end_ns;

	return end <= since ? 0 : end - later(begin, since);
}

/* A string is to end within the last 8 bytes of its event. */
static __always_inline struct event_held *sched_tell_held(const struct sched_stretch *most, __u64 now)
{
	struct event_held *e;

	if (most->comm[0] >> 56) { /* 8 characters or more */
		e = event_reserve_at(EVENT_HELD, sizeof(*e) + 16, CONTEXT_TASK, now);
		if (!e)
			return NULL;
		*((__u64 *)(e + 1) + 1) = most->comm[1];
	} else {
		e = event_reserve_at(EVENT_HELD, sizeof(*e) + 8, CONTEXT_TASK, now);
		if (!e)
			return NULL;
	}
	*(__u64 *)(e + 1) = most->comm[0];
	e->holder_start_ns = most->start_ns;
	e->holder_tgid = most->tgid;
	e->holder_tid = most->tid;
	return e;
}

/* The thread got a CPU for which it had waited since then.  Global, so that the verifier goes through its loops once. */
__noinline int sched_held(__u64 since, __u64 now, __u64 start_ns, __u64 tgid_tid)
{
	struct event_held *e;
	volatile struct sched_stretches *all;
	__u32 zero = 0, i;
	__u64 ran, most;

	all = bpf_map_lookup_elem(&sched_had, &zero);
	if (!all)
		return 0;
	all->since_ns = since;
	all->longest_ns = all->most = all->sum_ns = 0;
	for (i = 0; i < SCHED_STRETCHES; i++) {
		ran = stretch_since(all, i);
		if (ran <= all->longest_ns)
			continue;
		all->longest_ns = ran;
		all->most = i;
	}
	most = all->most;
	if (!all->longest_ns || most >= SCHED_STRETCHES)
		return 0;
	for (i = 0; i < SCHED_STRETCHES; i++)
		if (all->last[i].tgid == all->last[most].tgid)
			all->sum_ns += stretch_since(all, i);
	e = sched_tell_held((struct sched_stretch *)&all->last[most], now);
	if (!e)
		return 0;
	e->h.start_ns = start_ns;
	e->h.tgid = tgid_tid >> 32;
	e->h.tid = (__u32)tgid_tid;
	e->since_ns = since;
	e->ran_ns = all->sum_ns;
	event_end(e);
	return 0;
}

/* Since when it could have run and did not; 0: it did not wait for a CPU, or nobody saw since when. */
static __always_inline __u64 sched_runnable(const struct sched_thread *t, __u64 now)
{
	if (t->state == SCHED_PREEMPTED)
		return t->off_ns;
	return t->state == SCHED_WAITS ? sched_woken(t, t->off_ns, now) : 0;
}

static __noinline int sched_came(struct task_struct *task, struct sched_thread *t, __u64 now)
{
	struct sched_part *p;
	__u64 off, since;

	if (!task || !t)
		return 0;
	p = &t->part[t->turn & 1];
	off = t->state == SCHED_UNKNOWN || t->state == SCHED_BORN ? p->since_ns : t->off_ns;
	now = later(now, later(off, p->since_ns));
	if (likely(sched_seen(task, t))) {
		since = sched_runnable(t, now);
		sched_off(task, t, p, off, now);
		if (unlikely(since && now - since >= HELD_NS))
			sched_held(since, now, t->start_ns, (__u64)t->tgid << 32 | t->tid);
	} else {
		part_begin(task, p, now);
		t->flags = RANFLAGS_GAP;
	}
	t->state = SCHED_ON;
	t->woken_ns = 0;
	t->on_ns = now;
	t->turn += 2;
	return 0;
}

/*
 * That it got a CPU was not seen: some kernels switch from some of their threads without the hook (about once in a thousand
 * on the one that this was written on).  Its own clock tells how long it has run; what it had waited for, nothing does.
 */
static __always_inline void sched_missed(struct task_struct *task, struct sched_thread *t, __u64 now)
{
	__u64 ran = task->se.sum_exec_runtime - t->cpu_ns, switches = task->nvcsw + task->nivcsw;

	t->flags |= RANFLAGS_ESTIMATED;
	t->asleep |= PASSED;
	if (switches == t->switches + 1)
		t->switches = switches; /* that it leaves now has been counted already */
	sched_came(task, t, now - ran > now ? now : now - ran);
}

static __always_inline void sched_left(struct task_struct *task, bool preempt, __u64 now)
{
	struct sched_thread *t = sched_moves(task, now);
	__u32 asleep;

	if (!t)
		return;
	if (unlikely(t->state > SCHED_ON))
		sched_missed(task, t, now);
	asleep = task->__state;
	t->turn += 2;
	t->off_ns = later(now, later(t->on_ns, t->part[t->turn & 1].since_ns));
	t->asleep = asleep;
	t->for_io = waits_for_io(task);
	t->state = preempt || !asleep ? SCHED_PREEMPTED : SCHED_WAITS;
	t->cpu_ns = task->se.sum_exec_runtime;
	t->clock_ns = t->off_ns - task->se.exec_start;
	t->switches = task->nvcsw + task->nivcsw;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switched, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	bool left = sched_wanted(prev), came = sched_wanted(next);
	struct sched_thread *t;
	__u64 now, ran = sched_stretch(prev);

	if ((!left && !came && ran < STRETCH_NS) || kind_shed(KIND_SCHED))
		return 0;
	now = bpf_ktime_get_boot_ns();
	if (ran >= STRETCH_NS)
		sched_had_cpu(prev, ran, now);
	if (left)
		sched_left(prev, preempt, now);
	t = came ? sched_moves(next, now) : NULL;
	if (t)
		sched_came(next, t, now);
	return 0;
}

static __always_inline int sched_woke(struct task_struct *p)
{
	struct sched_thread *t;

	if (!sched_wanted(p) || p == bpf_get_current_task_btf())
		return 0;
	t = sched_find(p);
	if (t)
		t->woken_ns = bpf_ktime_get_boot_ns();
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(sched_woken_up, struct task_struct *p)
{
	return sched_woke(p);
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(sched_begun, struct task_struct *p)
{
	return sched_woke(p);
}

/* In who creates it, before it is put on a queue. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(sched_forked, struct task_struct *parent, struct task_struct *child)
{
	if (sched_wanted(child) || (sched_wanted(parent) && child->tgid == parent->tgid))
		sched_meet(child, child->start_boottime, true);
	return 0;
}

/* Threads that run already. */
SEC("iter/task")
int sched_snapshot(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && sched_wanted(task))
		sched_meet(task, bpf_ktime_get_boot_ns(), false);
	return 0;
}

/* What waits when the recording ends has told nothing of it yet; nothing moves any more, the hooks are off. */
SEC("iter/task")
int sched_rest(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct sched_thread *t = task && sched_wanted(task) ? sched_find(task) : NULL;
	struct kernel_control *k = control_get();
	__u64 now = bpf_ktime_get_boot_ns(), off;

	if (!t || !k || kind_shed(KIND_SCHED) || t->state == SCHED_GONE || t->off_ns < k->sched_ns)
		return 0;
	off = t->state == SCHED_WAITS ? t->off_ns : 0;
	if (t->state == SCHED_UNKNOWN && task->__state) {
		off = t->part[t->turn & 1].since_ns;
		t->asleep = task->__state;
		t->for_io = waits_for_io(task);
	}
	if (t->state == SCHED_PREEMPTED)
		t->part[t->turn & 1].preempted_ns += now - t->off_ns;
	t->flags |= RANFLAGS_UNFINISHED;
	sched_tell(task, t, &t->part[t->turn & 1], off, off && t->woken_ns > off ? t->woken_ns : 0, now);
	return 0;
}
