/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_TIMER_H
#define SAKER_PROBE_TIMER_H
/*
 * Timers that end a wait: the time-out of a sleep, poll, epoll_wait or futex (a timer on the sleeper's own stack), and a
 * timerfd, whose reader waits in read(), poll() or epoll_wait().
 *
 * Runs in the timer's interrupt, before the wake-up: who waits is still in the wait queue.
 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct wait_queue_head {
	struct list_head head;
};

struct wait_queue_entry {
	void *private;
	void *func;
	struct list_head entry;
};

struct poll_wqueues {
	struct task_struct *polling_task;
};

struct eventpoll {
	struct wait_queue_head wq;
};

struct epitem {
	struct eventpoll *ep;
};

struct eppoll_entry {
	struct epitem *base;
	struct wait_queue_entry wait;
};

/* fs/timerfd.c; its timer is the first member */
struct timerfd_ctx {
	struct wait_queue_head wqh;
};

#pragma clang attribute pop

#define CONTAINER_OF(p, type, member) ((void *)((char *)(p)-bpf_core_field_offset(type, member)))

/* The first entry of a wait queue, or NULL. */
static __always_inline struct wait_queue_entry *queue_first(struct wait_queue_head *queue)
{
	struct list_head *head = (void *)((char *)queue + bpf_core_field_offset(struct wait_queue_head, head));
	struct list_head *first = BPF_CORE_READ(head, next);

	return !first || first == head ? NULL : CONTAINER_OF(first, struct wait_queue_entry, entry);
}

/* Who sleeps in epoll_wait() on the instance that watches through this entry. */
static __always_inline struct task_struct *epoll_waiter(struct wait_queue_entry *watch)
{
	struct eppoll_entry *e = CONTAINER_OF(watch, struct eppoll_entry, wait);
	struct eventpoll *ep = BPF_CORE_READ(e, base, ep);
	struct wait_queue_entry *w;

	if (!ep)
		return NULL;
	w = queue_first((void *)((char *)ep + bpf_core_field_offset(struct eventpoll, wq)));
	return w ? BPF_CORE_READ(w, private) : NULL;
}

/* Who waits for the timerfd whose timer this is; NULL: nobody now. */
static __always_inline struct task_struct *timerfd_waiter(struct hrtimer *timer)
{
	struct timerfd_ctx *ctx = (void *)timer;
	struct wait_queue_entry *w =
		queue_first((void *)((char *)ctx + bpf_core_field_offset(struct timerfd_ctx, wqh)));
	unsigned long func = w ? (unsigned long)BPF_CORE_READ(w, func) : 0;
	struct poll_wqueues *poll;

	if (!func)
		return NULL;
	if (func == cfg.ep_poll_callback)
		return epoll_waiter(w);
	if (func != cfg.pollwake)
		return BPF_CORE_READ(w, private);
	poll = BPF_CORE_READ(w, private);
	return poll ? BPF_CORE_READ(poll, polling_task) : NULL;
}

static __always_inline void timer_tell(struct task_struct *task, __u32 kind, __u64 *now)
{
	struct event_timer *e;

	if (!task || !tgid_selected(BPF_CORE_READ(task, tgid)) || kind_shed(KIND_TIMER))
		return;
	e = event_reserve(EVENT_TIMER, sizeof(*e), CONTEXT_HARDIRQ);
	if (!e)
		return;
	header_nobody(&e->h);
	e->target_start_ns = BPF_CORE_READ(task, start_boottime);
	e->target_tgid = BPF_CORE_READ(task, tgid);
	e->target_tid = BPF_CORE_READ(task, pid);
	e->kind = kind;
	e->expires_ns = 0;
	bpf_probe_read_kernel(&e->expires_ns, sizeof(e->expires_ns), now);
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(process_timer, struct hrtimer *timer, __u64 *now)
{
	unsigned long function = (unsigned long)timer->function;

	if (!function)
		return 0;
	if (function == cfg.hrtimer_wakeup)
		timer_tell(BPF_CORE_READ((struct hrtimer_sleeper *)timer, task), TIMERKIND_WAIT_TIMEOUT, now);
	else if (function == cfg.timerfd_tmrproc)
		timer_tell(timerfd_waiter(timer), TIMERKIND_TIMERFD, now);
	return 0;
}

#endif
