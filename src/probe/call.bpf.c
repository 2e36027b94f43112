/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * call - finished calls on descriptors: the hooks, and what is common to pipes, files and log lines (call.bpf.h).
 *
 * sys_exit alone: number and arguments are still in the registers.  A hook on it costs every call of every process
 * some 70 ns, most of it the kernel's own slow way out of a call; so it is attached only while a selected process has a
 * descriptor that somebody wants to see (control.call_found, set below; agent/calls.c).
 */
#include <asm/unistd_64.h> /* numbers as the kernel's 64-bit entry counts them; other entries are told apart */

#include "probe/call.bpf.h"

#define CALLS_KNOWN 512
#define TS_COMPAT_BIT 2 /* arch/x86/include/asm/thread_info.h: a 32-bit call, with numbers of its own */
#define ERESTART_FIRST 512

static const __u8 call_shapes[CALLS_KNOWN] = {
	[__NR_read] = CALL_READS,
	[__NR_pread64] = CALL_READS | CALL_AT,
	[__NR_readv] = CALL_READS | CALL_VECTOR,
	[__NR_preadv] = CALL_READS | CALL_VECTOR | CALL_AT,
	[__NR_preadv2] = CALL_READS | CALL_VECTOR | CALL_AT,
	[__NR_write] = CALL_WRITES,
	[__NR_pwrite64] = CALL_WRITES | CALL_AT,
	[__NR_writev] = CALL_WRITES | CALL_VECTOR,
	[__NR_pwritev] = CALL_WRITES | CALL_VECTOR | CALL_AT,
	[__NR_pwritev2] = CALL_WRITES | CALL_VECTOR | CALL_AT,
	[__NR_sendto] = CALL_MESSAGE,
	[__NR_sendmsg] = CALL_MESSAGE | CALL_VECTOR,
	[__NR_splice] = CALL_MOVES,
	[__NR_tee] = CALL_MOVES,
	[__NR_vmsplice] = CALL_MOVES,
	[__NR_sendfile] = CALL_MOVES,
	[__NR_copy_file_range] = CALL_MOVES,
	[__NR_pipe] = CALL_NAMES,
	[__NR_pipe2] = CALL_NAMES,
	[__NR_open] = CALL_NAMES,
	[__NR_openat] = CALL_NAMES,
	[__NR_openat2] = CALL_NAMES,
	[__NR_creat] = CALL_NAMES,
};

#include "probe/pipe.bpf.h"

/* Which calls anybody wants to see: constant once it is loaded. */
static __always_inline __u32 shapes_wanted(void)
{
	__u32 wanted = 0;

	if (observed(OBSERVE_LOG))
		wanted |= CALL_WRITES | CALL_MESSAGE;
	if (observed(OBSERVE_PIPE))
		wanted |= CALL_READS | CALL_WRITES | CALL_MOVES | CALL_NAMES;
	return wanted;
}

static __always_inline bool call_kind_wanted(const struct call *c)
{
	if (c->kind == CALL_PIPE && observed(OBSERVE_PIPE))
		return true;
	return observed(OBSERVE_LOG) && c->shape & (CALL_WRITES | CALL_MESSAGE) && c->ret > 0;
}

/* Finds what the descriptor is; false: nothing that anybody wants to see. */
static __always_inline bool call_look(struct call *c)
{
	c->file = call_file(c->me, c->fd);
	c->inode = file_inode(c->file);
	if (!c->inode)
		return false;
	c->kind = inode_kind(c->inode);
	return call_kind_wanted(c);
}

static __noinline int call_done(struct call *c)
{
	if (observed(OBSERVE_PIPE) && c->kind == CALL_PIPE)
		pipe_done(c);
	return 0;
}

/* One of the two descriptors of a call that moves bytes from one to the other. */
static __always_inline void call_side(struct call *c, __u32 fd, __u8 shape, __u32 flags)
{
	c->fd = fd;
	c->shape = shape;
	c->flags = flags;
	if (call_look(c))
		call_done(c);
}

/* splice(2), tee(2): takes nothing from its source, vmsplice(2): what it does is what its end of the pipe is for */
static __noinline int call_moved(struct call *c)
{
	struct pt_regs *regs = c->regs;

	switch (c->nr) {
	case __NR_splice:
	case __NR_copy_file_range:
		call_side(c, regs->di, CALL_READS, CALL_MORE);
		call_side(c, regs->dx, CALL_WRITES, 0);
		break;
	case __NR_tee:
		call_side(c, regs->si, CALL_WRITES, 0);
		break;
	case __NR_sendfile:
		call_side(c, regs->si, CALL_READS, CALL_MORE);
		call_side(c, regs->di, CALL_WRITES, 0);
		break;
	case __NR_vmsplice:
		call_side(c, regs->di, file_writable(call_file(c->me, regs->di)) ? CALL_WRITES : CALL_READS, 0);
		break;
	}
	return 0;
}

/* Calls that make descriptors. */
static __noinline int call_named(struct call *c)
{
	int fds[2];

	if (c->nr == __NR_pipe || c->nr == __NR_pipe2) {
		if (c->ret || bpf_probe_read_user(fds, sizeof(fds), (void *)c->buf) < 0)
			return 0;
		c->fd = fds[1]; /* it has the flags (fs/pipe.c: create_pipe_files()) */
	} else {
		c->fd = c->ret;
	}
	if (c->ret >= 0 && call_look(c) && c->kind == CALL_PIPE && observed(OBSERVE_PIPE))
		pipe_opened(c);
	return 0;
}

static __always_inline void call_ended(struct pt_regs *regs, long ret, __u64 nr, __u32 shape)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call c;

	if (!tgid_selected(me->tgid) || me->thread_info.status & TS_COMPAT_BIT || ret <= -ERESTART_FIRST)
		return;
	__builtin_memset(&c, 0, sizeof(c));
	c.me = me;
	c.regs = regs;
	c.ret = ret;
	c.nr = nr;
	c.shape = shape;
	if (unlikely(shape & CALL_MOVES)) {
		call_moved(&c);
		return;
	}
	c.fd = regs->di;
	c.buf = regs->si;
	c.count = regs->dx;
	if (unlikely(shape & CALL_NAMES)) {
		c.buf = regs->di;
		call_named(&c);
	} else if (call_look(&c)) {
		call_done(&c);
	}
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_exit, struct pt_regs *regs, long ret)
{
	__u64 nr = regs->orig_ax;
	__u32 shape;

	if (nr >= CALLS_KNOWN)
		return 0;
	shape = call_shapes[nr];
	if (shape & shapes_wanted())
		call_ended(regs, ret, nr, shape);
	return 0;
}

/* --- descriptors that are worth the hook above --- */

#define INHERITED_LOOKED 32 /* descriptors, of one that forks or execs */

static __always_inline bool descriptor_wanted(__u32 fd, __u8 kind)
{
	if (observed(OBSERVE_PIPE) && kind == CALL_PIPE)
		return true;
	return observed(OBSERVE_LOG) && (fd == 1 || fd == 2) && kind != CALL_DEVICE && kind != CALL_OTHER;
}

static __always_inline void descriptors_look(struct task_struct *me)
{
	struct kernel_control *k = control_get();
	struct inode *inode;
	__u32 fd;

	if (!k || k->call_found || !tgid_selected(me->tgid))
		return;
	for (fd = 0; fd < INHERITED_LOOKED; fd++) {
		inode = file_inode(call_file(me, fd));
		if (inode && descriptor_wanted(fd, inode_kind(inode))) {
			k->call_found = 1;
			return;
		}
	}
}

/* Who forks is looked at: the child has the same descriptors. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(call_forked, struct task_struct *parent, struct task_struct *child)
{
	descriptors_look(bpf_get_current_task_btf());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(call_execed, struct task_struct *task)
{
	descriptors_look(bpf_get_current_task_btf());
	return 0;
}

SEC("iter/task_file")
int call_snapshot(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__u32 fd = ctx->fd;
	struct kernel_control *k = control_get();
	struct inode *inode;

	if (!task || !file || !k || !tgid_selected(task->tgid))
		return 0;
	inode = file_inode(file);
	if (inode && descriptor_wanted(fd, inode_kind(inode)))
		k->call_found = 1;
	return 0;
}
