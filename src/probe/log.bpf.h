/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_LOG_H
#define SAKER_PROBE_LOG_H
/*
 * log - the bytes that threads write to their logs: to descriptors 1 and 2, and to files that a person named.
 *
 * They go to the recorder in pieces (`log_piece` events, the bytes behind the fixed part), and it makes lines of them.  Of one
 * call LOG_CALL_MAX bytes are taken, in at most LOG_STEPS pieces; what is more the recorder sees from `written`.  A piece
 * takes no sequence number: it is not in the recording.  Only one that is lost does, and is told as every other loss; the
 * thread's own count of bytes then says whose line it was.
 *
 * Here is what descriptors (log_call.bpf.h) and sockets (log_message.bpf.h) have in common.
 */
#include "probe/call.bpf.h"

#define LOG_CALL_MAX 65536
#define LOG_STEPS 32
#define LOG_WINDOW_SHIFT 24 /* 17 ms */

/* Bytes of a thread so far. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} log_offsets SEC(".maps");

/* Per CPU: bytes in the present window of time, so that a flood of lines does not push other events out of the ring. */
struct log_rate {
	__u64 window, bytes;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct log_rate);
} log_rates SEC(".maps");

/* A call whose bytes are being taken. */
struct log_walk {
	__u64 vector, elements; /* struct iovec of the process that are still to come */
	__u64 buf, count;	/* the present one */
	__u64 file, offset, now;
	__u32 device, generation, written, at, left, fd;
	__u16 where, flags;
};

static __always_inline bool log_rate_allows(__u64 now, __u32 bytes)
{
	__u32 zero = 0;
	struct log_rate *r = bpf_map_lookup_elem(&log_rates, &zero);

	if (!r)
		return false;
	if (r->window != now >> LOG_WINDOW_SHIFT) {
		r->window = now >> LOG_WINDOW_SHIFT;
		r->bytes = 0;
	}
	r->bytes += bytes;
	return r->bytes <= cfg.log_window_bytes;
}

static __always_inline void log_head(struct event_header *h, struct cpu_state *st, __u64 now)
{
	h->boot_ns = now;
	h->type = EVENT_LOG_PIECE;
	h->cpu = bpf_get_smp_processor_id();
	h->context = CONTEXT_TASK;
	h->flags = 0;
	h->seq = st->seq;
	header_task(h, bpf_get_current_task_btf());
}

/* As event_reserve_at(), but only a failure takes a sequence number. */
static __always_inline struct event_log_piece *log_reserve(__u64 now, __u32 size)
{
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	struct event_header *h = NULL;

	if (!st || !ring)
		return NULL;
	if (unlikely(st->pending[0] | st->pending[1]))
		loss_flush();
	if (log_rate_allows(now, size))
		h = bpf_ringbuf_reserve(ring, size, 0);
	if (unlikely(!h)) {
		loss_note(EVENT_LOG_PIECE, __sync_fetch_and_add(&st->seq, 1), now);
		return NULL;
	}
	log_head(h, st, now);
	h->length = size;
	return (struct event_log_piece *)h;
}

static __always_inline void log_fill(struct event_log_piece *p, const struct log_walk *w, __u32 bytes)
{
	p->file = w->file;
	p->offset = w->offset;
	p->device = w->device;
	p->generation = w->generation;
	p->written = w->written;
	p->at = w->at;
	p->bytes = bytes;
	p->fd = w->fd;
	p->where = w->where;
	p->flags = w->flags;
	__builtin_memset(p->pad0, 0, sizeof(p->pad0));
}

/* One piece in an event of constant size. */
#define LOG_EMIT(w, bytes, size)                                                                        \
	({                                                                                              \
		struct event_log_piece *p_ = log_reserve((w)->now, size);                               \
                                                                                                        \
		if (p_) {                                                                               \
			log_fill(p_, w, bytes);                                                         \
			if (bpf_probe_read_user((char *)p_ + sizeof(*p_), bytes, (void *)(w)->buf) < 0) \
				p_->flags |= PIECEFLAGS_UNREADABLE;                                     \
			event_end(p_);                                                                  \
		}                                                                                       \
	})

#define LOG_ROOM(size) ((size) - (__u32)sizeof(struct event_log_piece))

/* The next piece of the present buffer: as much as fits the smallest event that holds it, or the largest. */
static __always_inline void log_piece(struct log_walk *w)
{
	__u32 bytes = w->count < LOG_ROOM(4096) ? w->count : LOG_ROOM(4096);

	if (bytes > w->left)
		bytes = w->left;
	barrier_var(bytes);
	if (bytes >= w->left)
		w->flags |= PIECEFLAGS_LAST;
	if (bytes <= LOG_ROOM(192))
		LOG_EMIT(w, bytes, 192);
	else if (bytes <= LOG_ROOM(512))
		LOG_EMIT(w, bytes, 512);
	else if (bytes <= LOG_ROOM(4096))
		LOG_EMIT(w, bytes, 4096);
	w->buf += bytes;
	w->count -= bytes;
	w->at += bytes;
	w->left -= bytes;
	w->offset += bytes;
}

struct log_iovec {
	__u64 base, len;
};

/* One turn of bpf_loop(); 1: the end. */
static long log_step(__u32 i, void *arg)
{
	struct log_walk *w = *(struct log_walk **)arg;
	struct log_iovec v;

	if (!w->count) {
		if (!w->elements || bpf_probe_read_user(&v, sizeof(v), (void *)w->vector) < 0)
			return 1;
		w->vector += sizeof(v);
		w->elements--;
		w->buf = v.base;
		w->count = v.len;
		return 0;
	}
	if (i >= 2 * LOG_STEPS - 2)
		w->flags |= PIECEFLAGS_LAST;
	log_piece(w);
	return !w->left || w->flags & PIECEFLAGS_LAST;
}

/* Takes the bytes that w tells of.  vector: w->buf and w->count are elements of struct iovec. */
__noinline int log_take(struct log_walk *w, __u32 vector)
{
	struct task_struct *me = bpf_get_current_task_btf();
	__u64 *offset = bpf_task_storage_get(&log_offsets, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!w)
		return 0;
	if (vector) {
		w->vector = w->buf;
		w->elements = w->count;
		w->count = 0;
	}
	if (!offset) {
		helper_failed();
		return 0;
	}
	w->offset = *offset;
	w->now = bpf_ktime_get_boot_ns();
	w->left = w->written < LOG_CALL_MAX ? w->written : LOG_CALL_MAX;
	if (w->count > w->written)
		w->count = w->written;
	/* by way of the stack, as it wants it; what w points to is nothing that the verifier follows */
	bpf_loop(2 * LOG_STEPS, log_step, &w, 0);
	*offset = w->offset;
	return 0;
}

#endif
