// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One event a run into a ring, of the kinds and sizes that a loaded redis-server makes: sends, receives, some timers.
 * They say that they come from four CPUs by turns, and timers carry a time before those of the events in front of them, as
 * happens when an interrupt comes between a clock's reading and a reservation: so the writer has to sort.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "event/events.gen.h"

#define SOCKETS 50
#define CPUS 4
#define NESTED_NS 1000

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the bench puts its own in its place */
} ring SEC(".maps");

__u64 produced, refused; /* by the one CPU that runs this */

static __always_inline void fill_header(struct event_header *h, __u16 type, __u16 length)
{
	h->boot_ns = bpf_ktime_get_boot_ns() - (type == EVENT_TIMER ? NESTED_NS : 0);
	h->type = type;
	h->length = length;
	h->cpu = produced % CPUS;
	h->context = type == EVENT_TIMER ? CONTEXT_HARDIRQ : CONTEXT_TASK;
	h->flags = 0;
	h->seq = produced;
	h->start_ns = 1761330094338;
	h->tgid = h->tid = 17845;
}

static __always_inline int put_send(__u64 n)
{
	struct event_send *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e)
		return 0;
	fill_header(&e->h, EVENT_SEND, sizeof(*e));
	e->sock = 0x7b4 + n % SOCKETS;
	e->offset = n / SOCKETS * 5;
	e->begin_ns = e->h.boot_ns - 3000;
	e->bytes = 5;
	e->flags = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 1;
}

static __always_inline int put_recv(__u64 n)
{
	struct event_recv *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e)
		return 0;
	fill_header(&e->h, EVENT_RECV, sizeof(*e));
	e->sock = 0x7b4 + n % SOCKETS;
	e->offset = n / SOCKETS * 45;
	e->bytes = 45;
	e->flags = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 1;
}

static __always_inline int put_timer(void)
{
	struct event_timer *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);

	if (!e)
		return 0;
	fill_header(&e->h, EVENT_TIMER, sizeof(*e));
	e->target_start_ns = e->h.start_ns;
	e->expires_ns = e->h.boot_ns;
	e->target_tgid = e->target_tid = 17845;
	e->kind = TIMERKIND_WAIT_TIMEOUT;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 1;
}

SEC("tc")
int ingest(struct __sk_buff *skb)
{
	__u64 n = produced;
	int put = n % 32 == 31 ? put_timer() : n % 2 ? put_send(n / 2) : put_recv(n / 2);

	if (put)
		produced++;
	else
		refused++;
	return 0;
}

char saker_license[] SEC("license") = "Dual BSD/GPL";
