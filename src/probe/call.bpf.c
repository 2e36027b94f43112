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
#define CALL_ENTERED (-38L) /* what ax is from the entry of a call until it returns */
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
	[__NR_rename] = CALL_NAMES,
	[__NR_renameat] = CALL_NAMES,
	[__NR_renameat2] = CALL_NAMES,
	[__NR_link] = CALL_NAMES,
	[__NR_linkat] = CALL_NAMES,
	[__NR_symlink] = CALL_NAMES,
	[__NR_symlinkat] = CALL_NAMES,
	[__NR_unlink] = CALL_NAMES,
	[__NR_unlinkat] = CALL_NAMES,
	[__NR_rmdir] = CALL_NAMES,
	[__NR_mkdir] = CALL_NAMES,
	[__NR_mkdirat] = CALL_NAMES,
	[__NR_truncate] = CALL_NAMES,
	[__NR_fsync] = CALL_SYNCS,
	[__NR_fdatasync] = CALL_SYNCS,
	[__NR_syncfs] = CALL_SYNCS,
	[__NR_sync_file_range] = CALL_SYNCS,
	[__NR_ftruncate] = CALL_SYNCS,
	[__NR_fallocate] = CALL_SYNCS,
};

/* A call under way, where files are observed. */
struct call_entry {
	__u64 begin;
	__u64 nr;
	struct file *file; /* what its first argument was then, if it is a descriptor */
	__s64 pos;	   /* where that stood; of a call that moves bytes between two: the first */
	__s64 pos_to;	   /* the second */
};

/* value: struct call_entry; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call_entry);
} call_entries SEC(".maps");

#include "probe/log_call.bpf.h"
#include "probe/log_file.bpf.h"
#include "probe/pipe.bpf.h"
#include "probe/name.bpf.h"

/* Which calls anybody wants to see: constant once it is loaded. */
static __always_inline __u32 shapes_wanted(void)
{
	__u32 wanted = 0;

	if (observed(OBSERVE_LOG))
		wanted |= CALL_WRITES;
	if (observed(OBSERVE_PIPE))
		wanted |= CALL_READS | CALL_WRITES | CALL_MOVES | CALL_NAMES;
	if (observed(OBSERVE_FILE))
		wanted |= CALL_READS | CALL_WRITES | CALL_MOVES | CALL_NAMES | CALL_SYNCS;
	return wanted;
}

static __always_inline bool log_call_wanted(const struct call *c)
{
	return observed(OBSERVE_LOG) && c->shape & CALL_WRITES && c->ret > 0 && log_descriptor(c->fd, c->kind) &&
	       !log_file_covered(c->file, c->inode, c->kind);
}

static __always_inline bool call_kind_wanted(const struct call *c)
{
	if (c->kind == CALL_PIPE && observed(OBSERVE_PIPE))
		return true;
	if (observed(OBSERVE_FILE) && (c->kind == CALL_FILE || c->kind == CALL_BLOCK))
		return true;
	return log_call_wanted(c);
}

/*
 * Finds what the descriptor is; false: nothing that anybody wants to see.  What it was when the call began is
 * better: another thread may have closed or replaced it meanwhile.
 */
static __always_inline bool call_look(struct call *c, struct file *then)
{
	c->file = call_file(c->fd);
	if (then && c->file != then) {
		c->file = then;
		c->flags |= CALL_UNSURE;
	}
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
	if (observed(OBSERVE_FILE) && (c->kind == CALL_FILE || c->kind == CALL_BLOCK))
		file_moved(c);
	if (log_call_wanted(c)) {
		join_check(); /* here and not where the event is made: the stack of all calls together is short */
		log_written(c);
		c->me = bpf_get_current_task_btf(); /* the verifier takes what is in *c for numbers now */
	}
	return 0;
}

/* One of the two descriptors of a call that moves bytes from one to the other; place: its variable of an offset. */
static __always_inline bool call_side(struct call *c, __u32 fd, __u64 place, __u8 shape, __u32 flags)
{
	if (shape & CALL_WRITES)
		c->pos = c->pos_to;
	c->fd = fd;
	c->shape = shape;
	c->flags = flags;
	c->place_user = place;
	return call_look(c, NULL);
}

/*
 * Sets c to the first or second descriptor of such a call; false: it has none that is wanted.  splice(2), tee(2): takes
 * nothing from its source, vmsplice(2): what it does is what its end of the pipe is for.
 */
static __noinline bool call_moves(struct call *c, bool second)
{
	struct pt_regs *regs = c->regs;

	switch (c->nr) {
	case __NR_splice:
	case __NR_copy_file_range:
		return second ? call_side(c, regs->dx, regs->r10, CALL_WRITES, 0)
			      : call_side(c, regs->di, regs->si, CALL_READS, CALL_MORE);
	case __NR_sendfile:
		return second ? call_side(c, regs->di, 0, CALL_WRITES, 0)
			      : call_side(c, regs->si, regs->dx, CALL_READS, CALL_MORE);
	case __NR_tee:
		return second && call_side(c, regs->si, 0, CALL_WRITES, 0);
	case __NR_vmsplice:
		return second &&
		       call_side(c, regs->di, 0, file_writable(call_file(regs->di)) ? CALL_WRITES : CALL_READS, 0);
	}
	return false;
}

/* The descriptor that a call made; -1: none. */
static __always_inline int call_made(const struct call *c)
{
	int fds[2];

	if (c->ret < 0)
		return -1;
	if (c->nr != __NR_pipe && c->nr != __NR_pipe2)
		return c->nr == __NR_open || c->nr == __NR_openat || c->nr == __NR_openat2 || c->nr == __NR_creat
			       ? (int)c->ret
			       : -1;
	if (bpf_probe_read_user(fds, sizeof(fds), (void *)c->buf) < 0)
		return -1;
	return fds[1]; /* it has the flags (fs/pipe.c: create_pipe_files()) */
}

/* Calls on names, and those that make descriptors. */
static __noinline int call_named(struct call *c)
{
	c->fd = call_made(c);
	c->buf = 0;
	if (c->fd >= 0) {
		c->file = call_file(c->fd);
		c->inode = file_inode(c->file);
	}
	if (observed(OBSERVE_PIPE) && c->inode && inode_kind(c->inode) == CALL_PIPE)
		pipe_opened(c);
	return 0;
}

/* What was noted when the call began; returns the file then. */
static __always_inline struct file *call_began(struct call *c)
{
	struct call_entry *e = bpf_task_storage_get(&call_entries, c->me, NULL, 0);

	if (!e || e->nr != c->nr || !e->begin)
		return NULL;
	c->begin = e->begin;
	c->pos = e->pos;
	c->pos_to = e->pos_to;
	e->begin = 0;
	return e->file;
}

/* Where only logs are looked at, most descriptors need no look at what they are. */
static __always_inline bool call_may(const struct call *c)
{
	return observed(OBSERVE_PIPE | OBSERVE_FILE) || cfg.nlogs || log_standard(c->fd);
}

static __always_inline void call_ended(struct pt_regs *regs, long ret, __u64 nr, __u32 shape)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct kernel_control *k = control_get();
	struct file *then = NULL;
	struct call c;

	if (!tgid_selected(me->tgid) || me->thread_info.status & TS_COMPAT_BIT || ret <= -ERESTART_FIRST)
		return;
	if (!k || k->starting == me->tgid)
		return;
	__builtin_memset(&c, 0, sizeof(c));
	c.me = me;
	c.regs = regs;
	c.ret = ret;
	c.nr = nr;
	c.shape = shape;
	c.fd = regs->di;
	c.buf = regs->si;
	c.count = regs->dx;
	if (observed(OBSERVE_FILE))
		then = call_began(&c);
	if (unlikely(shape & CALL_MOVES)) {
		/* not from within call_moves(): the stack of all calls together is 512 bytes, and older kernels round up to 32 */
		if (call_moves(&c, false))
			call_done(&c);
		c.me = me; /* the verifier takes what is in c for numbers after call_done() */
		c.regs = regs;
		if (call_moves(&c, true))
			call_done(&c);
	} else if (unlikely(shape & CALL_NAMES)) {
		c.buf = regs->di;
		call_named(&c);
		if (observed(OBSERVE_FILE))
			file_named(&c);
	} else {
		if (shape & CALL_AT)
			c.place = regs->r10;
		if (!call_may(&c) || !call_look(&c, then))
			return;
		if (observed(OBSERVE_FILE) && shape & CALL_SYNCS)
			file_synced(&c);
		else
			call_done(&c);
	}
}

static __always_inline __s64 file_position(struct task_struct *me, __u32 fd)
{
	struct file *file = call_file(fd);

	return KERNEL_READ(file, struct file, f_pos);
}

/* The same at the beginning, where files are observed: when, and where the file stands. */
static __always_inline void call_begins(struct pt_regs *regs, __u64 nr, __u32 shape)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct call_entry *e;

	if (!tgid_selected(me->tgid))
		return;
	e = bpf_task_storage_get(&call_entries, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!e) {
		helper_failed();
		return;
	}
	e->begin = bpf_ktime_get_boot_ns();
	e->nr = nr;
	e->file = NULL;
	if (shape & CALL_MOVES) {
		bool sends = nr == __NR_sendfile; /* its arguments go the other way round */

		e->pos = file_position(me, sends ? regs->si : regs->di);
		e->pos_to = file_position(me, sends ? regs->di : regs->dx);
	} else if (!(shape & CALL_NAMES)) {
		e->file = call_file(regs->di);
		e->pos = file_position(me, regs->di);
	}
}

SEC("tp_btf/sys_enter")
int BPF_PROG(call_enter, struct pt_regs *regs, long nr)
{
	__u32 shape;

	if (nr < 0 || nr >= CALLS_KNOWN)
		return 0;
	shape = call_shapes[nr];
	if (shape & shapes_wanted())
		call_begins(regs, nr, shape);
	return 0;
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

static __always_inline bool descriptor_wanted(__u32 fd, struct file *file, struct inode *inode)
{
	__u8 kind = inode_kind(inode);

	if (observed(OBSERVE_PIPE) && kind == CALL_PIPE)
		return true;
	return observed(OBSERVE_LOG) && log_standard(fd) && log_descriptor(fd, kind) &&
	       !log_file_covered(file, inode, kind);
}

/* A function of its own, so that the verifier goes through it once and not once for each turn of the loop. */
__noinline int descriptor_found(__u32 fd)
{
	struct file *file = call_file(fd);
	struct inode *inode = file_inode(file);

	return inode && descriptor_wanted(fd, file, inode);
}

static __always_inline void descriptors_look(void)
{
	struct kernel_control *k = control_get();
	__u32 fd;

	if (!k || k->call_found || !current_selected())
		return;
	for (fd = 0; fd < INHERITED_LOOKED; fd++) {
		if (descriptor_found(fd)) {
			k->call_found = 1;
			return;
		}
	}
}

/* Who forks is looked at: the child has the same descriptors. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(call_forked, struct task_struct *parent, struct task_struct *child)
{
	descriptors_look();
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(call_execed, struct task_struct *task)
{
	descriptors_look();
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
	if (inode && descriptor_wanted(fd, file, inode))
		k->call_found = 1;
	return 0;
}
