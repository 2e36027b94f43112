/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * block - what recorded threads ask disks for, how long it waits and how long it takes, and whom its end wakes.
 *
 * A request belongs to the thread that makes it. Pages that are written back later are asked for by a thread of the
 * kernel, which is recorded only with --all; a request that others were merged into belongs to who made the first.
 * Its end runs in an interrupt: while that lasts on a CPU (block_rq_complete to block_io_done), who is woken there out
 * of a wait for input or output is woken by this request.
 */
#include "kernel/bpf/join.bpf.h"
#include "probe/wait.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct gendisk {
	int major, first_minor;
};

struct request_queue {
	struct gendisk *disk; /* since 5.17 (f3fa33acca9f) */
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags, __data_len;
	__u64 __sector;
};

#pragma clang attribute pop

/* include/linux/blk_types.h */
#define REQ_OP_BITS_MASK 255
#define REQ_SYNC_BIT (1U << 11)
#define REQ_META_BIT (1U << 12)
#define REQ_FUA_BIT (1U << 17)
#define REQ_PREFLUSH_BIT (1U << 18)
#define REQ_RAHEAD_BIT (1U << 19)
#define STATUSES 32

struct block_request {
	__u64 started_ns, issued_ns, owner_start_ns;
	__u32 owner_tgid, owner_tid;
};

/* key: address of a request on its way; value: who made it; owner: block_rq_complete, or whoever uses the address anew */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BLOCK_REQUESTS_MAX);
	__type(key, __u64);
	__type(value, struct block_request);
} block_requests SEC(".maps");

/* The request that is being ended on this CPU */
struct block_ending {
	__u64 request; /* its address, 0: none */
	__u64 sector;
	struct block_request of;
	__u32 dev, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct block_ending);
} block_endings SEC(".maps");

/* block/blk-core.c: blk_errors[] */
static const volatile __u8 block_errors[STATUSES] = {
	[0] = 0,  [1] = 95, [2] = 110, [3] = 28,  [4] = 67,  [5] = 121, [6] = 52,   [7] = 61,
	[8] = 84, [9] = 12, [10] = 5,  [12] = 11, [13] = 16, [14] = 75, [15] = 131,
};

static __always_inline __u32 request_dev(struct request *rq)
{
	struct gendisk *disk = rq->q->disk;

	return disk ? (__u32)disk->major << 20 | (__u32)disk->first_minor : 0;
}

static __always_inline __u32 request_flags(struct request *rq)
{
	__u32 f = rq->cmd_flags;

	return (f & REQ_SYNC_BIT ? BLOCKFLAGS_SYNC : 0) | (f & REQ_META_BIT ? BLOCKFLAGS_META : 0) |
	       (f & REQ_FUA_BIT ? BLOCKFLAGS_FUA : 0) | (f & REQ_PREFLUSH_BIT ? BLOCKFLAGS_PREFLUSH : 0) |
	       (f & REQ_RAHEAD_BIT ? BLOCKFLAGS_READAHEAD : 0);
}

static __always_inline void start_emit(struct task_struct *me, struct request *rq, __u64 now)
{
	struct event_block_start *e = event_begin_at(me, EVENT_BLOCK_START, sizeof(*e), now);

	if (!e)
		return;
	e->sector = rq->__sector;
	e->dev = request_dev(rq);
	e->bytes = rq->__data_len;
	e->op = rq->cmd_flags & REQ_OP_BITS_MASK;
	e->flags = request_flags(rq);
	event_end(e);
}

static __always_inline bool asked_by_recorded(struct task_struct *me, void *ctx)
{
	return tgid_selected(me->tgid) && on_own_stack((struct pt_regs___x86 *)bpf_task_pt_regs(me), ctx);
}

/* The current thread makes a request.  issued: it is given to the disk at once. */
static __always_inline void request_note(struct task_struct *me, struct request *rq, bool issued)
{
	struct block_request r = {};
	__u64 key = (__u64)rq, now = bpf_ktime_get_boot_ns();

	r.started_ns = now;
	r.issued_ns = issued ? now : 0;
	r.owner_start_ns = me->start_boottime;
	r.owner_tgid = me->tgid;
	r.owner_tid = me->pid;
	if (bpf_map_update_elem(&block_requests, &key, &r, BPF_ANY) < 0) {
		helper_failed();
		return;
	}
	start_emit(me, rq, now);
}

/* since 6.5 (5a80bd075f3b): in the thread that makes it */
SEC("tp_btf/block_io_start")
int BPF_PROG(block_started, struct request *rq)
{
	struct task_struct *me = bpf_get_current_task_btf();
	__u64 key = (__u64)rq;

	if (asked_by_recorded(me, ctx))
		request_note(me, rq, false);
	else
		bpf_map_delete_elem(&block_requests,
				    &key); /* the address may have been another's, whose end was not seen */
	return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(block_issued, struct request *rq)
{
	__u64 key = (__u64)rq;
	struct block_request *r = bpf_map_lookup_elem(&block_requests, &key);

	if (r && !r->issued_ns)
		r->issued_ns = bpf_ktime_get_boot_ns();
	return 0;
}

/* before 6.5: when it enters the queue, or, where there is none, when it is given to the disk */
static __always_inline int older_met(void *ctx, struct request *rq, bool issued)
{
	struct task_struct *me = bpf_get_current_task_btf();
	__u64 key = (__u64)rq;
	struct block_request *r = bpf_map_lookup_elem(&block_requests, &key);

	if (r && issued && !r->issued_ns)
		r->issued_ns = bpf_ktime_get_boot_ns();
	else if (!r && asked_by_recorded(me, ctx))
		request_note(me, rq, issued);
	return 0;
}

SEC("tp_btf/block_rq_insert")
int BPF_PROG(older_inserted, struct request *rq)
{
	return older_met(ctx, rq, false);
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(older_issued, struct request *rq)
{
	return older_met(ctx, rq, true);
}

static __always_inline void done_emit(struct request *rq, const struct block_request *r, __u8 status, __u32 bytes)
{
	struct event_block_done *e;
	__u64 now = bpf_ktime_get_boot_ns();

	e = event_reserve_at(EVENT_BLOCK_DONE, sizeof(*e), CONTEXT_HARDIRQ, now);
	if (!e)
		return;
	header_nobody(&e->h);
	e->sector = rq->__sector;
	e->started_ns = r->started_ns;
	e->queue_ns = r->issued_ns ? r->issued_ns - r->started_ns : 0;
	e->device_ns = r->issued_ns ? now - r->issued_ns : 0;
	e->owner_start_ns = r->owner_start_ns;
	e->dev = request_dev(rq);
	e->bytes = bytes;
	e->owner_tgid = r->owner_tgid;
	e->owner_tid = r->owner_tid;
	e->op = rq->cmd_flags & REQ_OP_BITS_MASK;
	e->flags = request_flags(rq) | (bytes < rq->__data_len ? BLOCKFLAGS_PARTIAL : 0);
	e->error = block_errors[status & (STATUSES - 1)];
	if (status && !e->error)
		e->error = 5; /* EIO */
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

static __always_inline struct block_ending *ending_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&block_endings, &zero);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_completed, struct request *rq, __u8 status, unsigned int bytes)
{
	__u64 key = (__u64)rq;
	struct block_request *r = bpf_map_lookup_elem(&block_requests, &key);
	struct block_ending *now = ending_get();

	if (!r || !now)
		return 0;
	now->of = *r;
	now->sector = rq->__sector;
	now->dev = request_dev(rq);
	now->request = key;
	done_emit(rq, r, status, bytes);
	if (bytes >= rq->__data_len)
		bpf_map_delete_elem(&block_requests, &key);
	return 0;
}

static __always_inline int ending_over(void)
{
	struct block_ending *now = ending_get();

	if (now)
		now->request = 0;
	return 0;
}

/* since 6.5: what the request's end sets off has been done */
SEC("tp_btf/block_io_done")
int BPF_PROG(block_ended, struct request *rq)
{
	return ending_over();
}

/* before 6.5: the function that says so at its beginning has ended the transfers */
SEC("fexit/blk_update_request")
int BPF_PROG(older_ended, struct request *rq)
{
	return ending_over();
}

static __always_inline void wake_emit(struct task_struct *p, const struct block_ending *now)
{
	struct event_block_wake *e;

	e = event_reserve_at(EVENT_BLOCK_WAKE, sizeof(*e), CONTEXT_HARDIRQ, bpf_ktime_get_boot_ns());
	if (!e)
		return;
	header_nobody(&e->h);
	e->target_start_ns = p->start_boottime;
	e->sector = now->sector;
	e->started_ns = now->of.started_ns;
	e->owner_start_ns = now->of.owner_start_ns;
	e->target_tgid = p->tgid;
	e->target_tid = p->pid;
	e->owner_tgid = now->of.owner_tgid;
	e->owner_tid = now->of.owner_tid;
	e->dev = now->dev;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	event_end(e);
}

SEC("tp_btf/sched_waking")
int BPF_PROG(block_waking, struct task_struct *p)
{
	struct block_ending *now;

	if (!tgid_selected(p->tgid) || !waits_for_io(p))
		return 0;
	now = ending_get();
	if (now && now->request)
		wake_emit(p, now);
	return 0;
}
