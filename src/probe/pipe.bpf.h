/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PIPE_H
#define SAKER_PROBE_PIPE_H
/*
 * pipe - bytes into and out of pipes and FIFOs.
 *
 * The kernel counts no bytes there, so Saker does, when a call has ended: ends of calls need not come in the order of
 * their bytes.  order/ finds out what can be said: each event carries what both directions had been counted then
 * and how many bytes the pipe really held, which betrays every byte that somebody else put in or took out.
 */
#include "probe/call.bpf.h"

#define PIPES_MAX 16384
#define PIPE_BUFFERS 16 /* as many as a pipe has if nobody asks for more (pipe(7)) */
#define PIPE_LEFT_UNKNOWN (~0U)
#define PIPE_LOOK_NS 50000 /* a look that took longer tells nothing; SLACK_NS of order/match_pipe.c */
#define PIPEFS_MAGIC_NR 0x50495045
#define PACKET_BYTES 4096
#define O_DIRECT_BIT 040000
#define FMODE_WRITE_BIT 2
#define NAME_MAX_SEEN 256 /* NAME_MAX and its NUL */

struct pipe_key {
	__u64 inode;
	__u64 dev;
};

struct pipe_info {
	__u64 stream;	     /* its number among all that were met; 0: none */
	__u64 written, read; /* bytes, or packets; by calls that ended */
	__u64 head;	     /* of its ring, when it was last looked at */
	__u64 generation;    /* control.call_generation when its counts began */
	__u32 flags;	     /* of the `pipe` event */
	__u32 described;
};

/* value: struct pipe_info; owner: this program; goes when others need its place: it is met anew then, in the middle */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PIPES_MAX);
	__type(key, struct pipe_key);
	__type(value, struct pipe_info);
} pipe_infos SEC(".maps");

static const struct pipe_info pipe_unmet = {};

static __always_inline bool file_writable(struct file *file)
{
	return file && KERNEL_READ(file, struct file, f_mode) & FMODE_WRITE_BIT;
}

/* Units in which a pipe's content is counted: bytes, or packets (O_DIRECT, pipe(7)), whose rest a short read drops. */
static __always_inline __u64 pipe_units(const struct pipe_info *pi, __u64 bytes)
{
	return pi->flags & PIPEFLAGS_PACKETS ? (bytes + PACKET_BYTES - 1) / PACKET_BYTES : bytes;
}

/* What the pipe holds; PIPE_LEFT_UNKNOWN: it changed while it was looked at, or is in too many pieces. */
static __noinline __u32 pipe_left(struct pipe_inode_info *pipe, __u32 packets)
{
	__u32 head = KERNEL_READ(pipe, struct pipe_inode_info, head),
	      tail = KERNEL_READ(pipe, struct pipe_inode_info, tail);
	__u32 mask = KERNEL_READ(pipe, struct pipe_inode_info, ring_size) - 1, left = 0, i;
	__u64 bufs = (__u64)KERNEL_READ(pipe, struct pipe_inode_info, bufs);

	if (packets)
		return head - tail;
	if (head - tail > PIPE_BUFFERS)
		return PIPE_LEFT_UNKNOWN;
	for (i = 0; i < PIPE_BUFFERS && tail + i != head; i++) {
		__u64 at = bufs + (__u64)((tail + i) & mask) * bpf_core_type_size(struct pipe_buffer);

		left += KERNEL_READ(at, struct pipe_buffer, len);
	}
	if (KERNEL_READ(pipe, struct pipe_inode_info, head) != head ||
	    KERNEL_READ(pipe, struct pipe_inode_info, tail) != tail)
		return PIPE_LEFT_UNKNOWN;
	return left;
}

static __always_inline struct pipe_inode_info *inode_pipe(struct inode *inode)
{
	return KERNEL_READ(inode, struct inode, i_pipe);
}

static __always_inline void pipe_key_of(struct inode *inode, struct pipe_key *key)
{
	key->inode = KERNEL_READ(inode, struct inode, i_ino);
	key->dev = KERNEL_READ(KERNEL_READ(inode, struct inode, i_sb), struct super_block, s_dev);
}

/* Begins to count a pipe: from its first byte if nothing was ever put into it. */
static __always_inline bool writes_packets(struct file *file)
{
	return KERNEL_READ(file, struct file, f_flags) & O_DIRECT_BIT;
}

static __noinline struct pipe_info *pipe_meet(struct call *c, struct pipe_key *key, struct pipe_inode_info *pipe)
{
	struct pipe_info fresh = pipe_unmet;
	struct kernel_control *k = control_get();
	struct inode *inode = c->inode;

	fresh.stream = k ? __sync_fetch_and_add(&k->pipes, 1) + 1 : 0;
	fresh.generation = k ? k->call_generation : 0;
	fresh.head = KERNEL_READ(pipe, struct pipe_inode_info, head);
	if (fresh.head)
		fresh.flags |= PIPEFLAGS_MIDSTREAM;
	if (KERNEL_READ(KERNEL_READ(inode, struct inode, i_sb), struct super_block, s_magic) != PIPEFS_MAGIC_NR)
		fresh.flags |= PIPEFLAGS_FIFO;
	if (writes_packets(c->file))
		fresh.flags |= PIPEFLAGS_PACKETS;
	if (bpf_map_update_elem(&pipe_infos, key, &fresh, BPF_ANY) < 0)
		helper_failed();
	return bpf_map_lookup_elem(&pipe_infos, key);
}

/*
 * The counts of the pipe.  They begin anew where a FIFO does (all ends had been closed, its ring starts at 0 again),
 * after calls were not watched for a while, and where its writer turns from bytes to packets or back.
 */
static __noinline struct pipe_info *pipe_get(struct call *c, struct pipe_key *key, struct pipe_inode_info *pipe)
{
	struct pipe_info *pi = bpf_map_lookup_elem(&pipe_infos, key);
	struct kernel_control *k = control_get();
	__u32 head = KERNEL_READ(pipe, struct pipe_inode_info, head);
	bool other_units = pi && c->shape & CALL_WRITES && writes_packets(c->file) != !!(pi->flags & PIPEFLAGS_PACKETS);

	if (pi && !other_units && k && pi->generation == k->call_generation && (__s32)(head - (__u32)pi->head) >= 0) {
		pi->head = head;
		return pi;
	}
	return pipe_meet(c, key, pipe);
}

/* Who the pipe is; of a FIFO the last part of its path. */
static __noinline int pipe_describe(struct call *c, struct pipe_key *key, struct pipe_info *pi)
{
	struct scratch *s = scratch_take(EVENT_PIPE);
	struct event_pipe *e = (void *)s;
	struct file *file = c->file;
	const unsigned char *name;
	__u32 at = sizeof(*e);
	long n = 0;

	if (!s)
		return 0;
	e->h.type = EVENT_PIPE;
	e->h.context = CONTEXT_RECORDER;
	e->h.flags = 0;
	header_task(&e->h, c->me);
	e->stream = pi->stream;
	e->inode = key->inode;
	e->dev = key->dev;
	e->flags = pi->flags;
	name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	if (pi->flags & PIPEFLAGS_FIFO)
		n = bpf_probe_read_kernel_str((char *)e + at, NAME_MAX_SEEN, name);
	if (n <= 0) {
		*((char *)e + at) = 0;
		n = 1;
	}
	if (event_output(s, at + n))
		pi->described = 1;
	return 0;
}

static __always_inline void pipe_emit(struct call *c, struct pipe_key *key, struct pipe_info *pi, __u16 type,
				      __u64 offset, __u64 other, __u32 left, __u64 since)
{
	struct event_pipe_write *e = event_begin(type, sizeof(*e), CONTEXT_TASK);

	if (!e)
		return;
	e->stream = pi->stream;
	e->inode = key->inode;
	e->offset = offset;
	e->other = other;
	e->begin_ns = c->begin;
	e->bytes = c->ret;
	e->left = e->h.boot_ns - since < PIPE_LOOK_NS ? left : PIPE_LEFT_UNKNOWN;
	e->fd = c->fd;
	e->flags = (c->ret ? 0 : MSGFLAGS_EOF) | (pi->flags & PIPEFLAGS_PACKETS ? MSGFLAGS_PACKETS : 0) |
		   (c->flags & CALL_MORE ? MSGFLAGS_MORE : 0) | (c->flags & CALL_UNSURE ? MSGFLAGS_AFTER_LOSS : 0);
	event_end(e);
}

/* Own count first, then the other's, then what is left, then the event's time: order/pipe.c relies on it. */
static __noinline int pipe_done(struct call *c)
{
	struct pipe_inode_info *pipe = inode_pipe(c->inode);
	bool writes = c->shape & CALL_WRITES;
	struct pipe_key key;
	struct pipe_info *pi;
	__u64 units, offset, other, since;

	if (c->ret < 0 || (writes && !c->ret) || !pipe)
		return 0;
	pipe_key_of(c->inode, &key);
	pi = pipe_get(c, &key, pipe);
	if (!pi)
		return 0;
	if (!pi->described)
		pipe_describe(c, &key, pi);
	units = writes ? pipe_units(pi, c->ret) : pi->flags & PIPEFLAGS_PACKETS ? !!c->ret : c->ret;
	since = bpf_ktime_get_boot_ns();
	offset = __sync_fetch_and_add(writes ? &pi->written : &pi->read, units);
	other = writes ? pi->read : pi->written;
	pipe_emit(c, &key, pi, writes ? EVENT_PIPE_WRITE : EVENT_PIPE_READ, offset, other,
		  pipe_left(pipe, pi->flags & PIPEFLAGS_PACKETS), since);
	return 0;
}

/* A descriptor of a pipe was made: if it is new, it is counted from its first byte. */
static __always_inline void pipe_opened(struct call *c)
{
	struct pipe_inode_info *pipe = inode_pipe(c->inode);
	struct pipe_key key;

	if (!pipe)
		return;
	pipe_key_of(c->inode, &key);
	pipe_get(c, &key, pipe);
}

#endif
