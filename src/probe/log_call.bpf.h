/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_LOG_CALL_H
#define SAKER_PROBE_LOG_CALL_H
/*
 * Writes to descriptors 1 and 2, wherever these lead but to /dev/null, and to files that a person named.
 *
 * Files are chosen by name: the last part of a pattern is compared here, up to its first and from its last wildcard on; the
 * recorder then gets the whole path and decides about the inode, so that a log that is renamed stays chosen, and one that is
 * made under the old name is looked at anew.  Until it has decided, what is written goes to it as `undecided`.
 */
#include "probe/log.bpf.h"

#define LOG_FILES_MAX 8192
#define LOG_PATH_PARTS 32
#define LOG_PATH_PART 256 /* NAME_MAX and its NUL */
#define AF_UNIX_FAMILY 1

/* key: file; value: enum log_choice; owner: the recorder decides; the ones that were not used for longest go, and are
 * decided anew */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LOG_FILES_MAX);
	__type(key, struct log_file);
	__type(value, __u32);
} log_files SEC(".maps");

/* Does the name begin and end as one of the patterns wants it? */
static __noinline bool log_named(struct dentry *dentry)
{
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	__u32 len = BPF_CORE_READ(dentry, d_name.len), i;

	for (i = 0; i < LOG_GLOBS_MAX && i < cfg.nlogs; i++) {
		__u64 head[LOG_NAME_WORDS] = {}, tail[LOG_NAME_WORDS] = {};
		__u32 prefix = cfg.logs[i].prefix_len, suffix = cfg.logs[i].suffix_len;

		if (prefix > sizeof(head) || suffix > sizeof(tail) || len < prefix + suffix)
			continue;
		if ((prefix && bpf_probe_read_kernel(head, prefix, name) < 0) ||
		    (suffix && bpf_probe_read_kernel(tail, suffix, name + (len - suffix)) < 0))
			continue;
		if (head[0] == cfg.logs[i].prefix[0] && head[1] == cfg.logs[i].prefix[1] &&
		    head[2] == cfg.logs[i].prefix[2] && head[3] == cfg.logs[i].prefix[3] &&
		    tail[0] == cfg.logs[i].suffix[0] && tail[1] == cfg.logs[i].suffix[1] &&
		    tail[2] == cfg.logs[i].suffix[2] && tail[3] == cfg.logs[i].suffix[3])
			return true;
	}
	return false;
}

/* One part more, if there is room.  How many bytes there are stands in the room, where the verifier does not follow it. */
static __always_inline void log_path_part(struct event_log_piece *p, const unsigned char *name)
{
	__u32 at = p->bytes;
	long n;

	if (at > SCRATCH_BYTES - sizeof(*p) - LOG_PATH_PART)
		return;
	n = bpf_probe_read_kernel_str((char *)p + sizeof(*p) + at, LOG_PATH_PART, name);
	if (n > 0)
		p->bytes = at + n;
}

/* The file's path: its parts from the last to the first, each with a NUL. */
static __always_inline void log_path_fill(struct event_log_piece *p, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	char *vfs = (char *)BPF_CORE_READ(file, f_path.mnt);
	struct mount *mount = (struct mount *)(vfs - bpf_core_field_offset(struct mount, mnt));
	__u32 i;

	for (i = 0; i < LOG_PATH_PARTS; i++) {
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

			if (parent == mount)
				break;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = parent;
			continue;
		}
		log_path_part(p, BPF_CORE_READ(dentry, d_name.name));
		dentry = BPF_CORE_READ(dentry, d_parent);
	}
}

/* Sends the path to the recorder; false: that was lost. */
static __always_inline bool log_path(struct file *file, struct log_walk *w)
{
	struct scratch *s = scratch_take(EVENT_LOG_PIECE);
	struct event_log_piece *p = (void *)s;
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	__u32 len;
	bool sent = false;

	if (!s)
		return false;
	if (st && ring) {
		log_head(&p->h, st, w->now);
		log_fill(p, w, 0);
		p->flags = PIECEFLAGS_PATH | PIECEFLAGS_UNDECIDED;
		log_path_fill(p, file);
		len = (sizeof(*p) + p->bytes + 7) & ~7U;
		p->h.length = len;
		if (len <= SCRATCH_BYTES)
			sent = bpf_ringbuf_output(ring, p, len, BPF_RB_NO_WAKEUP) >= 0;
		if (!sent)
			loss_note(EVENT_LOG_PIECE, __sync_fetch_and_add(&st->seq, 1), w->now);
	}
	scratch_drop(s);
	return sent;
}

/* A file that was not met before. */
static __noinline __u32 log_meet(struct file *file, struct log_file *key, struct log_walk *w)
{
	__u32 choice = LOG_REFUSED;

	if (log_named(BPF_CORE_READ(file, f_path.dentry))) {
		w->now = bpf_ktime_get_boot_ns();
		if (!log_path(file, w))
			return LOG_REFUSED; /* told as lost; the next write asks again */
		choice = LOG_UNDECIDED;
	}
	if (bpf_map_update_elem(&log_files, key, &choice, BPF_ANY) < 0)
		helper_failed();
	return choice;
}

static __always_inline __u32 log_choice_of(struct call *c, struct log_walk *w)
{
	struct inode *inode = c->inode;
	struct log_file key = { .inode = w->file, .device = w->device };
	__u32 *known;

	key.generation = w->generation = BPF_CORE_READ(inode, i_generation);
	known = bpf_map_lookup_elem(&log_files, &key);
	return known ? *known : log_meet(c->file, &key, w);
}

/* A unit's standard output is a socket of journald's; what goes out over TCP is no log. */
static __always_inline bool log_socket(struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);

	return BPF_CORE_READ(socket, sk, __sk_common.skc_family) == AF_UNIX_FAMILY;
}

static __always_inline bool log_standard(__s32 fd)
{
	return fd == 1 || fd == 2;
}

/* Is a descriptor of that kind one whose writes are looked at? */
static __always_inline bool log_descriptor(__s32 fd, __u8 kind)
{
	if (log_standard(fd))
		return kind == CALL_PIPE || kind == CALL_FILE || kind == CALL_TTY || kind == CALL_SOCKET;
	return cfg.nlogs && kind == CALL_FILE;
}

/* Bytes were written, c->ret of them.  Not static: so it is verified once, not from each place that calls it. */
__noinline int log_written(struct call *c)
{
	__u32 choice = LOG_REFUSED;
	struct log_walk w = {};
	struct inode *inode;

	if (!c)
		return 0;
	inode = c->inode;
	w.file = BPF_CORE_READ(inode, i_ino);
	w.device = BPF_CORE_READ(inode, i_sb, s_dev);
	w.fd = c->fd;
	w.where = c->fd == 1 ? LOGWHERE_STDOUT : c->fd == 2 ? LOGWHERE_STDERR : LOGWHERE_FILE;
	w.written = c->ret;
	w.buf = c->buf;
	w.count = c->count;
	if (kind_shed(KIND_LOG) || (c->kind == CALL_SOCKET && !log_socket(c->file)))
		return 0;
	if (cfg.nlogs && c->kind == CALL_FILE)
		choice = log_choice_of(c, &w);
	if (choice == LOG_REFUSED && !log_standard(c->fd))
		return 0;
	if (choice == LOG_CHOSEN)
		w.where = LOGWHERE_FILE;
	if (choice == LOG_UNDECIDED)
		w.flags |= PIECEFLAGS_UNDECIDED;
	return log_take(&w, c->shape & CALL_VECTOR);
}

#endif
