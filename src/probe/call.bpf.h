/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_CALL_H
#define SAKER_PROBE_CALL_H
/*
 * call - finished calls on descriptors, as the pipe, file and log functions see them.
 *
 * One program per hook looks at every finished call (call.bpf.c), asks first whether the number of the call is one of
 * those that move bytes or names, then whether the thread is selected, then what its descriptor is, and hands a struct
 * call to each kind of observation that is wanted (cfg.observe, constant at load time: what is off costs nothing):
 *
 *	pipe_done(c)	 OBSERVE_PIPE: bytes went into or came out of a pipe		pipe.bpf.h
 *	file_done(c)	 OBSERVE_FILE: a call on a file or directory ended		file.bpf.h
 *	log_written(c)	 OBSERVE_LOG: bytes were written, c->ret of them		log.bpf.h
 *
 * They run in the context of the thread, once the call has ended; c is valid during the call.  c->file and c->inode are
 * addresses in the kernel, to be read with KERNEL_READ only: nothing holds the file.  What can be held against c:
 * another thread of the process may have closed or replaced the descriptor while the call ran (CALL_UNSURE).
 */
#include "kernel/bpf/cast.bpf.h"
#include "kernel/bpf/join.bpf.h"

/* the registers of a call (arch/x86/include/asm/ptrace.h) */
struct pt_regs {
	unsigned long r8, r9, r10, ax, dx, si, di, orig_ax;
} __attribute__((preserve_access_index));

/* What a descriptor is */
enum call_kind {
	CALL_OTHER,
	CALL_PIPE, /* pipes and FIFOs */
	CALL_FILE, /* regular files, memfds too */
	CALL_DIR,
	CALL_TTY,
	CALL_DEVICE, /* other character devices: /dev/null */
	CALL_BLOCK,
	CALL_SOCKET,
	CALL_ANON, /* eventfd, epoll, timerfd ...: an inode without a type */
};

/* What a call does: bits of call_shapes[number] */
enum call_shape {
	CALL_READS = 1,	    /* bytes out of fd */
	CALL_WRITES = 2,    /* bytes into fd */
	CALL_VECTOR = 4,    /* buf is an array of count struct iovec */
	CALL_AT = 8,	    /* at an offset of its own: the fourth argument */
	CALL_MOVES = 16,    /* splice and its siblings: two descriptors */
	CALL_NAMES = 32,    /* opens, renames, unlinks */
	CALL_SYNCS = 64,    /* syncs, and changes of a file's size */
	CALL_MESSAGE = 128, /* send calls on sockets: buf is a buffer, or a struct msghdr with CALL_VECTOR */
};

enum call_flags {
	CALL_MORE = 2,	 /* the other descriptor of the same call follows */
	CALL_UNSURE = 1, /* the descriptor may have been another file when the call began */
};

struct call {
	struct task_struct *me;
	struct pt_regs *regs; /* all arguments; NULL on hooks that have none */
	struct file *file;
	struct inode *inode;
	__u64 buf;	  /* in the memory of the process: the bytes, or CALL_VECTOR: struct iovec */
	__u64 count;	  /* bytes at buf, or CALL_VECTOR: elements */
	__s64 ret;	  /* what the call returned: bytes, or -errno */
	__u64 now;	  /* CLOCK_BOOTTIME */
	__u64 begin;	  /* when it began; 0: not known */
	__s64 place;	  /* CALL_AT: where in the file, -1: where that stands */
	__u64 place_user; /* address of a variable of the process that holds where it stands now, 0: none */
	__s64 pos;	  /* where the file stood when the call began */
	__s64 pos_to;	  /* and the second of two */
	__s32 fd;
	__u16 nr;    /* of the call */
	__u8 shape;  /* enum call_shape */
	__u8 kind;   /* enum call_kind */
	__u32 flags; /* enum call_flags */
	__u32 pad;
};

static __always_inline bool observed(__u32 kinds)
{
	return cfg.observe & kinds;
}

/*
 * Not static: verified once.  For each read of a pointer through the task, in each state, the verifier searches all of BTF
 * by name (btf_nested_type_is_trusted()).
 */
__noinline __u64 call_file_at(__u32 fd)
{
	struct files_struct *files = bpf_get_current_task_btf()->files;
	struct fdtable *fdt = files ? files->fdt : NULL;

	if (!fdt || fd >= fdt->max_fds)
		return 0;
	return (__u64)pointer_read((void *)((__u64)fdt->fd + fd * sizeof(struct file *)));
}

/* The open file behind a descriptor of the current thread, NULL: none. */
static __always_inline struct file *call_file(__u32 fd)
{
	return (struct file *)call_file_at(fd);
}

#define TS_COMPAT_BIT 2 /* arch/x86/include/asm/thread_info.h: a 32-bit call, with numbers of its own */
#define MODE_TYPE 0170000
#define TTY_MAJOR_NR 4
#define TTYAUX_MAJOR_NR 5
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST 143

/* Documentation/admin-guide/devices.txt */
static __always_inline bool device_is_tty(__u32 rdev)
{
	__u32 major = rdev >> 20;

	return major == TTY_MAJOR_NR || major == TTYAUX_MAJOR_NR ||
	       (major >= PTS_MAJOR_FIRST && major <= PTS_MAJOR_LAST);
}

static __always_inline __u8 inode_kind(struct inode *inode)
{
	__u16 mode = KERNEL_READ(inode, struct inode, i_mode);

	switch (mode & MODE_TYPE) {
	case 0010000:
		return CALL_PIPE;
	case 0100000:
		return CALL_FILE;
	case 0040000:
		return CALL_DIR;
	case 0060000:
		return CALL_BLOCK;
	case 0140000:
		return CALL_SOCKET;
	case 0020000:
		return device_is_tty(KERNEL_READ(inode, struct inode, i_rdev)) ? CALL_TTY : CALL_DEVICE;
	default:
		return mode ? CALL_ANON : CALL_OTHER;
	}
}

static __always_inline struct inode *file_inode(struct file *file)
{
	return file ? KERNEL_READ(file, struct file, f_inode) : NULL;
}

#endif
