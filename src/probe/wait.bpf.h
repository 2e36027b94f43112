/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_WAIT_H
#define SAKER_PROBE_WAIT_H
/*
 * wait - what a thread waits for, or is about, from its saved registers: the number of its system call and the first
 * argument stand there as it came into the kernel.  So nothing needs to be noted when a wait begins, and who never
 * wakes anybody costs nothing.
 */
#include <asm/unistd_64.h>

#include "kernel/bpf/emit.bpf.h"

#define STACK_BYTES 16384 /* arch/x86/include/asm/page_64_types.h; the registers stand at its end */
#define WAIT_CALLS 512
#define BY_FD 253	/* not a kind yet: its first argument is a file descriptor */
#define BY_FD_IN 254	/* that takes from it */
#define BY_FD_OUT 255	/* that puts into it */
#define CALL_NONE 65535 /* not in a system call: an interrupt or a fault of user code */

#define TASK_INTERRUPTIBLE_BIT 1
#define TASK_UNINTERRUPTIBLE_BIT 2
#define PF_IO_WORKER_BIT 0x10
#define PF_USER_WORKER_BIT 0x4000 /* since 6.4; before PF_SWAPWRITE and nothing that a sleeping thread has */
#define TS_COMPAT_BIT 2
#define CLONE_VFORK_BIT 0x4000

/* numbers that the build's headers may lack */
#define NR_epoll_pwait2 441
#define NR_futex_waitv 449
#define NR_futex_wake 454
#define NR_futex_wait 455
#define NR_futex_requeue 456

static const volatile __u8 wait_kinds[WAIT_CALLS] = {
	[__NR_futex] = WAITKIND_FUTEX,
	[NR_futex_waitv] = WAITKIND_FUTEX,
	[NR_futex_wake] = WAITKIND_FUTEX,
	[NR_futex_wait] = WAITKIND_FUTEX,
	[NR_futex_requeue] = WAITKIND_FUTEX,
	[__NR_epoll_wait] = WAITKIND_EPOLL,
	[__NR_epoll_pwait] = WAITKIND_EPOLL,
	[NR_epoll_pwait2] = WAITKIND_EPOLL,
	[__NR_poll] = WAITKIND_POLL,
	[__NR_ppoll] = WAITKIND_POLL,
	[__NR_select] = WAITKIND_POLL,
	[__NR_pselect6] = WAITKIND_POLL,
	[__NR_wait4] = WAITKIND_CHILD,
	[__NR_waitid] = WAITKIND_CHILD,
	[__NR_vfork] = WAITKIND_VFORK,
	[__NR_clone] = WAITKIND_VFORK,
	[__NR_clone3] = WAITKIND_VFORK,
	[__NR_nanosleep] = WAITKIND_SLEEP,
	[__NR_clock_nanosleep] = WAITKIND_SLEEP,
	[__NR_pause] = WAITKIND_SIGNAL,
	[__NR_rt_sigsuspend] = WAITKIND_SIGNAL,
	[__NR_rt_sigtimedwait] = WAITKIND_SIGNAL,
	[__NR_kill] = WAITKIND_SIGNAL,
	[__NR_tkill] = WAITKIND_SIGNAL,
	[__NR_tgkill] = WAITKIND_SIGNAL,
	[__NR_rt_sigqueueinfo] = WAITKIND_SIGNAL,
	[__NR_rt_tgsigqueueinfo] = WAITKIND_SIGNAL,
	[__NR_pidfd_send_signal] = WAITKIND_SIGNAL,
	[__NR_msgsnd] = WAITKIND_SYSV,
	[__NR_msgrcv] = WAITKIND_SYSV,
	[__NR_semop] = WAITKIND_SYSV,
	[__NR_semctl] = WAITKIND_SYSV,
	[__NR_semtimedop] = WAITKIND_SYSV,
	[__NR_mq_timedsend] = WAITKIND_MQUEUE,
	[__NR_mq_timedreceive] = WAITKIND_MQUEUE,
	[__NR_io_getevents] = WAITKIND_AIO,
	[__NR_io_pgetevents] = WAITKIND_AIO,
	[__NR_io_submit] = WAITKIND_AIO,
	[__NR_io_uring_enter] = WAITKIND_IO_URING,
	[__NR_exit] = WAITKIND_EXIT,
	[__NR_exit_group] = WAITKIND_EXIT,
	[__NR_read] = BY_FD_IN,
	[__NR_readv] = BY_FD_IN,
	[__NR_pread64] = BY_FD_IN,
	[__NR_preadv] = BY_FD_IN,
	[__NR_preadv2] = BY_FD_IN,
	[__NR_write] = BY_FD_OUT,
	[__NR_writev] = BY_FD_OUT,
	[__NR_pwrite64] = BY_FD_OUT,
	[__NR_pwritev] = BY_FD_OUT,
	[__NR_pwritev2] = BY_FD_OUT,
	[__NR_recvfrom] = BY_FD_IN,
	[__NR_recvmsg] = BY_FD_IN,
	[__NR_recvmmsg] = BY_FD_IN,
	[__NR_sendto] = BY_FD_OUT,
	[__NR_sendmsg] = BY_FD_OUT,
	[__NR_sendmmsg] = BY_FD_OUT,
	[__NR_accept] = BY_FD_IN,
	[__NR_accept4] = BY_FD_IN,
	[__NR_connect] = BY_FD_OUT,
	[__NR_shutdown] = BY_FD,
	[__NR_splice] = BY_FD_IN,
	[__NR_vmsplice] = BY_FD_OUT,
	[__NR_tee] = BY_FD_IN,
	[__NR_sendfile] = BY_FD_OUT,
	[__NR_copy_file_range] = BY_FD,
	[__NR_ioctl] = BY_FD,
	[__NR_fcntl] = BY_FD,
	[__NR_flock] = BY_FD,
	[__NR_fsync] = BY_FD,
	[__NR_fdatasync] = BY_FD,
	[__NR_sync_file_range] = BY_FD,
	[__NR_ftruncate] = BY_FD,
	[__NR_fallocate] = BY_FD,
	[__NR_timerfd_settime] = BY_FD,
};

/* Does this run on the stack whose end has the registers?  Interrupts of the kernel have stacks of their own. */
static __always_inline bool on_own_stack(struct pt_regs___x86 *regs, void *ctx)
{
	__u64 depth = (char *)regs - (char *)ctx;

	return depth < STACK_BYTES;
}

/* What a system call is about. */
struct wait {
	__u64 object; /* address of a futex, inode number of a file; 0: unknown */
	__u64 file;   /* address of the file */
	__u16 call;
	__u8 kind; /* WAITKIND_* */
	__u8 way;  /* BY_FD_IN, BY_FD_OUT, or another */
};

/* The kinds that have no type of inode of their own are told by one of their functions. */
static __always_inline __u8 file_kind(__u64 release, __u16 mode)
{
	if (!release)
		return WAITKIND_UNKNOWN;
	if (release == cfg.eventfd_release)
		return WAITKIND_EVENTFD;
	if (release == cfg.timerfd_release)
		return WAITKIND_TIMERFD;
	if (release == cfg.signalfd_release)
		return WAITKIND_SIGNALFD;
	if (release == cfg.inotify_release)
		return WAITKIND_INOTIFY;
	switch (mode & 0170000) {
	case 0010000:
		return WAITKIND_PIPE;
	case 0140000:
		return WAITKIND_SOCKET;
	case 0020000:
		return WAITKIND_DEVICE;
	case 0100000:
	case 0040000:
	case 0060000:
		return WAITKIND_FILE;
	default:
		return WAITKIND_UNKNOWN;
	}
}

/* The file behind a descriptor of the task; another thread may close it meanwhile: then unknown, or what came instead. */
static __always_inline void wait_file(struct task_struct *task, __u64 fd, struct wait *w)
{
	struct file **table = NULL, *file = NULL;
	struct inode *inode;

	w->kind = WAITKIND_UNKNOWN;
	if ((__u32)fd >= BPF_CORE_READ(task, files, fdt, max_fds))
		return;
	table = BPF_CORE_READ(task, files, fdt, fd);
	if (!table || bpf_probe_read_kernel(&file, sizeof(file), &table[(__u32)fd]) < 0 || !file)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	w->file = (__u64)file;
	w->object = BPF_CORE_READ(inode, i_ino);
	w->kind = file_kind((__u64)BPF_CORE_READ(file, f_op, release), BPF_CORE_READ(inode, i_mode));
}

/* A thread that never left the kernel, or that entered it in another way than a 64-bit system call. */
static __always_inline bool wait_foreign(struct task_struct *task, struct wait *w)
{
	w->call = CALL_NONE;
	if (task->flags & (PF_IO_WORKER_BIT | PF_USER_WORKER_BIT)) {
		w->kind = WAITKIND_IO_URING;
		return true;
	}
	return task->thread_info.status & TS_COMPAT_BIT;
}

static __always_inline void wait_read(struct task_struct *task, struct pt_regs___x86 *regs, struct wait *w)
{
	__u64 call = regs->orig_ax;
	__u8 kind;

	*w = (struct wait) {};
	if (wait_foreign(task, w))
		return;
	if (call >= WAIT_CALLS) {
		w->kind = call == (__u64)-1 ? WAITKIND_FAULT : WAITKIND_UNKNOWN;
		return;
	}
	w->call = call;
	kind = wait_kinds[call & (WAIT_CALLS - 1)];
	w->kind = w->way = kind;
	if (kind >= BY_FD)
		wait_file(task, regs->di, w);
	else if (kind == WAITKIND_FUTEX)
		w->object = regs->di;
}

static __always_inline bool waits_for_io(struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, in_iowait);
}

/* A sleep that no signal ends is inside of the kernel: for a disk, a lock; a parent's after vfork is not. */
static __always_inline void wait_state(struct task_struct *task, struct wait *w)
{
	if ((task->__state & TASK_INTERRUPTIBLE_BIT) || w->kind == WAITKIND_VFORK || w->kind == WAITKIND_IO_URING)
		return;
	w->object = 0;
	w->kind = waits_for_io(task) ? WAITKIND_DISK : WAITKIND_KERNEL_LOCK;
}

#endif
