/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_GOROUTINE_H
#define SAKER_KERNEL_GOROUTINE_H
/*
 * goroutine - which goroutine the current thread runs.
 *
 * The Go runtime keeps a pointer to the running runtime.g in thread-local storage, and the goroutine's id in it.  User
 * space knows where, for each program file (go_programs).  The thread pointer is read from the task: Go and the C
 * library set it by arch_prctl(2) or clone(2), which keep that copy up to date.
 * On the scheduler's own stack (g0) the id is that of m.curg, on whose behalf it runs; with none, or on the signal
 * handler's stack, the thread works for no goroutine.
 * What is read is the program's memory: it is checked against itself (g.m.g0, g.m.curg, the status before the id), so a
 * wrong layout tells nothing rather than nonsense.
 */
#include "kernel/bpf/cast.bpf.h"
#include "kernel/bpf/emit.bpf.h"

#define GO_STATUS_MAX 9 /* src/runtime/runtime2.go: _Gidle to _Gpreempted */
#define GO_SCAN 0x1000	/* _Gscan, a bit beside the status */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode___go {
	unsigned long i_ino;
	__s64 i_size;
};

struct file___go {
	struct inode___go *f_inode;
};

#pragma clang attribute pop

/* The end of runtime.g as far as it is read: the status, a lock, the id. */
struct go_g {
	__u32 status, lock;
	__u64 goid;
};

static __always_inline bool go_read(void *to, __u32 size, __u64 from)
{
	return from && bpf_probe_read_user(to, size, (void *)from) == 0;
}

static __always_inline __u64 go_id(const struct go_layout *l, __u64 g)
{
	struct go_g end = {};

	if (!go_read(&end, sizeof(end), g + l->goid - 8) || (end.status & ~GO_SCAN) > GO_STATUS_MAX)
		return 0;
	return end.goid;
}

/* The goroutine of a thread that runs on g, which is not what was told last; *g becomes its own. */
static __noinline __u64 go_current(const struct go_layout *l, __u64 *g)
{
	__u64 m = 0, g0 = 0, curg = 0;

	if (!go_read(&m, sizeof(m), *g + GO_M) || !go_read(&g0, sizeof(g0), m) ||
	    !go_read(&curg, sizeof(curg), m + l->curg))
		return 0;
	if (*g != g0 && *g != curg) /* the signal handler's, or no runtime.g at all */
		return 0;
	*g = curg;
	return curg ? go_id(l, curg) : 0;
}

/* Looks up what is known of the thread's program.  No inline: what it needs of the stack is not to count in all that follows. */
static __noinline int go_lookup(struct task_struct *self, struct go_thread *t, __u64 generation)
{
	struct file___go *file = (void *)BPF_CORE_READ(self, mm, exe_file);
	struct inode___go *inode = BPF_CORE_READ(file, f_inode);
	struct go_file key = { .inode = BPF_CORE_READ(inode, i_ino), .size = BPF_CORE_READ(inode, i_size) };
	struct go_layout *l = bpf_map_lookup_elem(&go_programs, &key);

	if (t->exec_id != self->self_exec_id)
		t->g = t->goid = 0;
	t->generation = generation;
	t->exec_id = self->self_exec_id;
	t->known = l != NULL;
	if (l)
		t->layout = *l;
	return 0;
}

static __always_inline __u64 go_program_id(struct task_struct *self)
{
	return KERNEL_PLAIN(self, struct task_struct)->group_leader->start_boottime + self->self_exec_id;
}

/* What is known of the current thread; NULL: no memory, or in the middle of such a question. */
static __always_inline struct go_thread *go_thread_get(struct task_struct *self)
{
	struct kernel_control *k = control_get();
	struct go_thread *t;

	t = bpf_task_storage_get(&go_threads, self, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t && k && (t->generation != k->go || t->exec_id != self->self_exec_id))
		go_lookup(self, t, k->go);
	return t;
}

static __always_inline int go_tell(struct task_struct *self, struct go_thread *t, __u64 g, __u64 goid, __u64 now)
{
	struct event_goroutine *e = event_reserve_at(EVENT_GOROUTINE, sizeof(*e), CONTEXT_TASK, now);

	if (!e)
		return 1;
	header_task(&e->h, self);
	e->goid = goid;
	e->program = go_program_id(self);
	event_end(e);
	t->g = g;
	t->goid = goid;
	return 0;
}

/* 1: the thread runs another goroutine than was told last, and that could not be told. */
__noinline int goroutine_flush(__u64 now)
{
	struct task_struct *self = bpf_get_current_task_btf();
	struct go_thread *t = go_thread_get(self);
	__u64 g = 0, goid;

	if (!t) {
		helper_failed();
		return 1;
	}
	if (!t->known)
		return 0;
	go_read(&g, sizeof(g), self->thread.fsbase + t->layout.tls);
	if (g && g == t->g && t->goid && go_id(&t->layout, g) == t->goid)
		return 0;
	goid = go_current(&t->layout, &g);
	return goid == t->goid ? 0 : go_tell(self, t, g, goid, now);
}

#endif
