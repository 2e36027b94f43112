/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_ROOM_H
#define SAKER_KERNEL_ROOM_H
/* room - events with strings are built in a room and then sent, since their size is not known before. */
#include "kernel/bpf/emit.bpf.h"

/* A room to build an event of that type; NULL: all are in use, and the event is lost.  Ends with event_output(). */
static __always_inline struct scratch *scratch_take(__u16 type)
{
	__u32 i;

	for (i = 0; i < SCRATCHES; i++) {
		__u32 key = i; /* its address is needed: the loop's own must stay a number to the verifier */
		struct scratch *s = bpf_map_lookup_elem(&scratches, &key);

		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			s->number = i;
			return s;
		}
	}
	event_give_up(type, bpf_ktime_get_boot_ns());
	return NULL;
}

static __always_inline void scratch_drop(struct scratch *s)
{
	__sync_lock_test_and_set(&s->busy, 0);
}

static __always_inline bool scratch_send(struct event_header *h, __u32 len)
{
	struct cpu_state *st = cpu_state();
	void *ring = ring_get();
	__u64 zero = 0;

	if (!st || !ring || len > SCRATCH_BYTES - 8)
		return false;
	if (h->context == CONTEXT_TASK && !goroutine_check(bpf_ktime_get_boot_ns())) {
		event_give_up(h->type, bpf_ktime_get_boot_ns());
		return false;
	}
	if (st->pending[0] | st->pending[1])
		loss_flush();
	bpf_probe_read_kernel((char *)h + len, 8, &zero); /* pad with zeros */
	len = (len + 7) & ~7U;
	if (len > SCRATCH_BYTES)
		return false;
	h->length = len;
	h->boot_ns = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->seq = __sync_fetch_and_add(&st->seq, 1);
	if (bpf_ringbuf_output(ring, h, len, BPF_RB_NO_WAKEUP) < 0) {
		loss_note(h->type, h->seq, h->boot_ns);
		return false;
	}
	return true;
}

/* Sends the event that was built in s, and gives s back; false: lost.  len: of the fixed part and the strings. */
static __always_inline bool event_output(struct scratch *s, __u32 len)
{
	bool sent = scratch_send((void *)s, len);

	scratch_drop(s);
	return sent;
}

#endif
