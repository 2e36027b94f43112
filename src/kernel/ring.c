/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/err.h"
#include "event/header.h"

#define BUSY (1U << 31)	   /* BPF_RINGBUF_BUSY_BIT */
#define DISCARD (1U << 30) /* BPF_RINGBUF_DISCARD_BIT */
#define RECORD_HEADER 8U   /* BPF_RINGBUF_HDR_SZ */
#define GIVE_BYTES 4096U   /* the smallest ring is of pages */

int ring_open(struct ring *r, uint64_t size, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	*r = (struct ring) { .fd = -1, .size = size, .mask = size - 1 };
	r->fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, (uint32_t)size, NULL);
	if (r->fd < 0)
		return err_errno(err, errno, "cannot create a ring buffer of %llu bytes", (unsigned long long)size);
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (p != MAP_FAILED) {
		r->consumer = p;
		p = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, r->fd, (off_t)page);
	}
	if (p == MAP_FAILED) {
		int code = errno;

		ring_close(r);
		return err_errno(err, code, "cannot map a ring buffer of %llu bytes", (unsigned long long)size);
	}
	r->producer = p;
	r->data = (const uint8_t *)p + page;
	return 0;
}

void ring_close(struct ring *r)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (r->consumer)
		(void)munmap(r->consumer, page);
	if (r->producer)
		(void)munmap((void *)r->producer, page + 2 * r->size);
	if (r->fd > 0)
		(void)close(r->fd);
	*r = (struct ring) { .fd = -1 };
}

/* A record holds one event, or several, one behind the other, until its end or a length of 0. */
static int record_hand_out(const uint8_t *record, uint32_t len, kernel_event_fn *fn, void *arg, int64_t *count)
{
	const struct event_header *h = (const void *)record;
	uint32_t at = 0;
	int e;

	do {
		e = fn(arg, h);
		(*count)++;
		at += h->length;
		h = (const void *)(record + at);
	} while (e >= 0 && at + sizeof(*h) <= len && h->length >= sizeof(*h) && h->length <= len - at);
	return e;
}

int64_t ring_drain(struct ring *r, kernel_event_fn *fn, void *arg)
{
	unsigned long at = *r->consumer, given = at;
	unsigned long end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	int64_t count = 0;
	int e = 0;

	while (at < end && e >= 0) {
		const uint8_t *record = r->data + (at & r->mask);
		uint32_t len = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);

		if (len & BUSY)
			break;
		if (!(len & DISCARD))
			e = record_hand_out(record + RECORD_HEADER, len, fn, arg, &count);
		len &= ~(BUSY | DISCARD);
		at += (len + RECORD_HEADER + 7) & ~7UL;
		/* give room back as we go: the producers may be waiting for it; each time costs those who look a line of the cache */
		if (at - given >= GIVE_BYTES) {
			__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
			given = at;
		}
	}
	if (at != given)
		__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
	return e < 0 ? e : count;
}
