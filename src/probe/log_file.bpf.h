/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_LOG_FILE_H
#define SAKER_PROBE_LOG_FILE_H
/*
 * Standard output and standard error that are files of ext4: seen where the file system is done with each part of a write.
 *
 * The hook on the exit of all calls costs every call of the host some 70 ns, and a server whose standard error is its error
 * log would pay that for lines that hardly ever come.  ext4 tells of each part of a folio that a write(2) has filled
 * (fs/ext4/inode.c: ext4_da_write_end(), and its siblings for file systems without delayed allocation or with a journal
 * of data); the bytes still stand in the buffers of the call, and with the last part the call is told as its exit would
 * be.  Direct and DAX writes do not come by there, nor do writes to a file of overlayfs as such; these stay with the exit.
 *
 * That the hooks really run is seen by the recorder's own write before it relies on them (control.file_hooks).  Where files
 * are named to the recorder as logs, it does not: those may be anywhere.
 */
#define EXT4_MAGIC 0xEF53
#define FILE_DIRECT 040000   /* O_DIRECT */
#define INODE_DAX (1U << 13) /* include/linux/fs.h: S_DAX */
#define VECTOR_MAX 1024	     /* UIO_MAXIOV */

/* A write of a thread whose parts are being filled. */
struct log_filling {
	__u64 call; /* which of the thread's writes it is, from 1 on */
	__u64 next; /* where in the file it goes on */
	__u64 total, left;
};

/* value: struct log_filling; goes with the thread */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct log_filling);
} log_fillings SEC(".maps");

/* Are writes to that file told here, and not at the exit of the call? */
static __always_inline bool log_file_covered(struct file *file, struct inode *inode, __u8 kind)
{
	struct kernel_control *k = control_get();
	struct super_block *sb;

	if (kind != CALL_FILE || !k || k->file_hooks != FILE_HOOKS_SEEN)
		return false;
	sb = KERNEL_READ(inode, struct inode, i_sb);
	return KERNEL_READ(sb, struct super_block, s_magic) == EXT4_MAGIC &&
	       !(KERNEL_READ(inode, struct inode, i_flags) & INODE_DAX) &&
	       !(KERNEL_READ(file, struct file, f_flags) & FILE_DIRECT);
}

struct log_sum {
	__u64 vector, total;
};

static long log_sum_step(__u32 i, void *arg)
{
	struct log_sum *s = arg;
	struct log_iovec v;

	if (bpf_probe_read_user(&v, sizeof(v), (void *)(s->vector + i * sizeof(v))) < 0)
		return 1;
	s->total += v.len;
	return 0;
}

/* How many bytes the call is to write. */
static __always_inline __u64 log_asked(const struct call *c)
{
	struct log_sum s = { .vector = c->buf };

	if (!(c->shape & CALL_VECTOR))
		return c->count;
	bpf_loop(c->count < VECTOR_MAX ? c->count : VECTOR_MAX, log_sum_step, &s, 0);
	return s.total;
}

/* A write that ended before all of it was written (no space left, a limit) shows only in what the thread does next: its line is lost. */
static __always_inline void log_unfinished(struct log_filling *f)
{
	if (f->left)
		event_give_up(EVENT_LOG_PIECE, bpf_ktime_get_boot_ns());
	f->left = 0;
}

/*
 * One part of a call has been filled; returns how many bytes the call has written if that was its last, else 0.  Of a part that was
 * copied only in part, for the memory was not there, ext4 takes what was copied or nothing: where the call goes on tells.
 */
static __always_inline __u64 log_part(const struct call *c, struct task_struct *me, __u64 pos, __u32 len, __u32 copied)
{
	struct log_filling *f = bpf_task_storage_get(&log_fillings, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 call = me->ioac.syscw + 1; /* it counts the calls that have ended */
	__u64 taken;

	if (!f) {
		helper_failed();
		event_give_up(EVENT_LOG_PIECE, bpf_ktime_get_boot_ns());
		return 0;
	}
	if (f->call != call) {
		log_unfinished(f);
		f->call = call;
		f->next = pos;
		f->total = f->left = log_asked(c);
	}
	taken = pos - f->next + (copied == len ? len : 0);
	f->next += taken;
	f->left = f->left > taken ? f->left - taken : 0;
	return f->left || copied != len ? 0 : f->total;
}

/* Which call this is within; false: none that writes to standard output or standard error. */
static __always_inline bool log_call(struct call *c, struct inode *inode)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(c->me);

	c->nr = regs->orig_ax;
	if (regs->orig_ax >= CALLS_KNOWN || (long)regs->ax != CALL_ENTERED)
		return false;
	c->shape = call_shapes[c->nr & (CALLS_KNOWN - 1)];
	c->fd = regs->di;
	if (!(c->shape & CALL_WRITES) || !log_standard(c->fd))
		return false;
	c->file = call_file(c->fd);
	c->inode = file_inode(c->file);
	c->buf = regs->si;
	c->count = regs->dx;
	c->kind = CALL_FILE;
	return c->inode == inode && log_file_covered(c->file, c->inode, c->kind);
}

static __always_inline int log_filled(struct inode *inode, __u64 pos, __u32 len, __u32 copied)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct kernel_control *k = control_get();
	struct call c = {};

	if (unlikely(k && k->file_hooks == FILE_HOOKS_TRIED && tgid_own(me->tgid)))
		k->file_hooks = FILE_HOOKS_SEEN;
	if (!k || !tgid_selected(me->tgid) || me->thread_info.status & TS_COMPAT_BIT || k->starting == me->tgid)
		return 0;
	c.me = me;
	if (!log_call(&c, inode))
		return 0;
	c.ret = log_part(&c, me, pos, len, copied);
	if (!c.ret)
		return 0;
	join_check();
	log_written(&c);
	return 0;
}

SEC("tp_btf/ext4_da_write_end")
int BPF_PROG(log_filled_delayed, struct inode *inode, __s64 pos, __u32 len, __u32 copied)
{
	return log_filled(inode, pos, len, copied);
}

SEC("tp_btf/ext4_write_end")
int BPF_PROG(log_filled_direct, struct inode *inode, __s64 pos, __u32 len, __u32 copied)
{
	return log_filled(inode, pos, len, copied);
}

SEC("tp_btf/ext4_journalled_write_end")
int BPF_PROG(log_filled_journal, struct inode *inode, __s64 pos, __u32 len, __u32 copied)
{
	return log_filled(inode, pos, len, copied);
}

/* The thread does nothing more. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(log_filled_never)
{
	struct log_filling *f = bpf_task_storage_get(&log_fillings, bpf_get_current_task_btf(), NULL, 0);

	if (f)
		log_unfinished(f);
	return 0;
}

#endif
