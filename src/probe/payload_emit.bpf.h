/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_PAYLOAD_EMIT_H
#define SAKER_PROBE_PAYLOAD_EMIT_H
/* The event of a piece, and in the same record that of its send. */
#include "kernel/bpf/two.bpf.h"
#include "probe/payload_source.bpf.h"

static __always_inline void payload_fill(struct event_payload_piece *p, struct sock_info *si,
					 const struct payload_range *r, __u32 kept)
{
	p->sock = si->cookie;
	p->offset = r->offset;
	p->bytes = r->bytes;
	p->kept = kept;
	p->flags = r->flags | (kept < r->bytes ? PAYLOADFLAGS_CUT : 0);
	__builtin_memset(p->pad0, 0, sizeof(p->pad0));
}

static __always_inline void send_fill(struct event_send *e, __u64 cookie, __u64 offset, __u64 begin_ns, __u32 bytes,
				      __u32 flags)
{
	e->sock = cookie;
	e->offset = offset;
	e->begin_ns = begin_ns;
	e->bytes = bytes;
	e->flags = flags;
}

#define PAYLOAD_ROOM(size) ((size) - (__u32)sizeof(struct event_payload_piece))

/* room is a constant.  It is asked here again, since 6.1's verifier forgets the bounds of what lay on the stack meanwhile. */
static __always_inline void payload_read(struct event_payload_piece *p, struct sock_info *si,
					 const struct payload_range *r, __u64 from, __u32 kept, __u32 room)
{
	payload_fill(p, si, r, kept);
	barrier_var(kept);
	if (kept > room || bpf_probe_read_user((char *)p + sizeof(*p), kept, (void *)from) < 0)
		payload_fill(p, si, r, 0);
}

/* Room for the piece of a send behind the send's own event, in one record; size is a constant. */
static __always_inline struct event_send *payload_with_send(struct task_struct *me, struct sock_info *si,
							    const struct payload_range *r, __u32 size)
{
	struct event_send *e = event_reserve_two(me, EVENT_SEND, sizeof(*e), EVENT_PAYLOAD_PIECE, size, r->now);

	if (e)
		send_fill(e, si->cookie, r->offset, r->begin_ns, r->bytes, r->send_flags);
	return e;
}

static __always_inline void payload_emit(struct task_struct *me, struct sock_info *si, const struct payload_range *r,
					 __u64 from, __u32 kept, __u32 size)
{
	struct event_payload_piece *p;
	struct event_send *e;

	if (r->send) {
		e = payload_with_send(me, si, r, size);
		if (!e)
			return;
		payload_read((void *)(e + 1), si, r, from, kept, PAYLOAD_ROOM(size));
		event_end(e);
	} else {
		p = event_reserve_at(EVENT_PAYLOAD_PIECE, size, CONTEXT_TASK, r->now);
		if (!p)
			return;
		header_task(&p->h, me);
		payload_read(p, si, r, from, kept, PAYLOAD_ROOM(size));
		event_end(p);
	}
}

/* All of it lies together: in an event of constant size. */
__noinline int payload_flat(struct sock_info *si, const struct payload_range *r, __u64 from, __u32 kept)
{
	struct task_struct *me = bpf_get_current_task_btf();

	if (!si || !r)
		return 0;
	barrier_var(kept);
	if (kept <= PAYLOAD_ROOM(128))
		payload_emit(me, si, r, from, kept, 128);
	else if (kept <= PAYLOAD_ROOM(192))
		payload_emit(me, si, r, from, kept, 192);
	else if (kept <= PAYLOAD_ROOM(328))
		payload_emit(me, si, r, from, kept, 328);
	else if (kept <= PAYLOAD_ROOM(584))
		payload_emit(me, si, r, from, kept, 584);
	else if (kept <= PAYLOAD_ROOM(1096))
		payload_emit(me, si, r, from, kept, 1096);
	return 0;
}

#define PAYLOAD_TWO 272 /* of cfg.payload's default and a little more */
#define PAYLOAD_TWO_SIZE (sizeof(struct event_payload_piece) + 2 * PAYLOAD_TWO + sizeof(struct event_header))

/*
 * A send whose bytes lie in two places, as a head and a body do.  There is room for twice as much, for the verifier does not
 * see that both together are no more; behind the piece stands a length of 0: there is no further event in the record.
 */
__noinline int payload_two(struct sock_info *si, const struct payload_range *r, const struct payload_iovec *a,
			   const struct payload_iovec *b, __u32 kept)
{
	struct event_payload_piece *p;
	struct event_send *e;
	__u32 n, m, end;

	if (!si || !r || !a || !b)
		return 0;
	e = payload_with_send(bpf_get_current_task_btf(), si, r, PAYLOAD_TWO_SIZE);
	if (!e)
		return 0;
	p = (void *)(e + 1);
	n = a->len;
	m = kept - n;
	end = (sizeof(*p) + kept + 7) & ~7U;
	payload_fill(p, si, r, kept);
	barrier_var(n);
	barrier_var(m);
	barrier_var(end);
	if (n > PAYLOAD_TWO || bpf_probe_read_user((char *)p + sizeof(*p), n, (void *)a->base) < 0 || m > PAYLOAD_TWO ||
	    bpf_probe_read_user((char *)p + sizeof(*p) + n, m, (void *)b->base) < 0)
		payload_fill(p, si, r, 0);
	if (end <= sizeof(*p) + 2 * PAYLOAD_TWO) {
		p->h.length = end;
		((struct event_header *)((char *)p + end))->length = 0;
	}
	event_end(e);
	return 0;
}

/* Puts together what lies in several places; returns how much. */
static __always_inline __u32 payload_gather(struct event_payload_piece *p, struct payload_source *s, __u32 kept)
{
	__u32 at = 0, i, n;

	for (i = 0; i < PAYLOAD_ELEMENTS && at < kept; i++) {
		n = kept - at;
		if (s->first.len < n)
			n = s->first.len;
		barrier_var(n);
		barrier_var(at);
		if (at >= PAYLOAD_MAX || n > PAYLOAD_MAX)
			break;
		if (bpf_probe_read_user((char *)p + sizeof(*p) + at, n, (void *)s->first.base) < 0)
			break;
		at += n;
		if (!payload_next(s))
			break;
	}
	return at;
}

__noinline int payload_gathered(struct sock_info *si, const struct payload_range *r, struct payload_source *s,
				__u32 kept)
{
	struct scratch *room = scratch_take(EVENT_PAYLOAD_PIECE);
	struct event_payload_piece *p = (void *)room;
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	__u32 len;

	if (!room)
		return 0;
	if (si && r && s && st && ring) {
		if (st->pending[0] | st->pending[1])
			loss_flush();
		kept = payload_gather(p, s, kept);
		payload_fill(p, si, r, kept);
		len = (sizeof(*p) + kept + 7) & ~7U;
		p->h.boot_ns = r->now;
		p->h.type = EVENT_PAYLOAD_PIECE;
		p->h.length = len;
		p->h.cpu = bpf_get_smp_processor_id();
		p->h.context = CONTEXT_TASK;
		p->h.flags = 0;
		p->h.seq = __sync_fetch_and_add(&st->seq, 1);
		header_task(&p->h, bpf_get_current_task_btf());
		if (len > SCRATCH_BYTES || bpf_ringbuf_output(ring, p, len, BPF_RB_NO_WAKEUP) < 0)
			loss_note(EVENT_PAYLOAD_PIECE, p->h.seq, r->now);
	}
	scratch_drop(room);
	return 0;
}

static __always_inline void payload_emit_from(struct task_struct *me, struct sock_info *si,
					      const struct payload_range *r, struct payload_source *s)
{
	__u32 kept = r->bytes < cfg.payload ? r->bytes : cfg.payload;
	struct payload_source all = *s;
	struct event_send *e;

	if (likely(s->first.len >= kept)) {
		payload_flat(si, r, s->first.base, kept);
		return;
	}
	if (r->send && kept <= PAYLOAD_TWO && payload_next(s) && all.first.len + s->first.len >= kept) {
		payload_two(si, r, &all.first, &s->first, kept);
		return;
	}
	if (r->send) {
		e = event_reserve_at(EVENT_SEND, sizeof(*e), CONTEXT_TASK, r->now);
		if (e) {
			header_task(&e->h, me);
			send_fill(e, si->cookie, r->offset, r->begin_ns, r->bytes, r->send_flags);
			event_end(e);
		}
	}
	payload_gathered(si, r, &all, kept);
}

#endif
