/* SPDX-License-Identifier: Apache-2.0 */
/* A ring as the kernel lays it out (kernel/bpf/ringbuf.c: struct bpf_ringbuf_hdr before each record), made here. */
#include "kernel/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "event/header.h"

#define RING 4096
#define HDR 8

struct fake {
	struct ring r;
	unsigned long consumer, producer;
	uint8_t data[2 * RING] __attribute__((aligned(8)));
	int seen[16], n, stop_at;
};

static void fake_init(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->r = (struct ring) { .fd = -1, .size = RING, .mask = RING - 1 };
	f->r.consumer = &f->consumer;
	f->r.producer = &f->producer;
	f->r.data = f->data;
	f->stop_at = -1;
}

/* A record of len bytes of which `lengths` are the events, up to a 0, of types type, type + 1, ... */
static void put(struct fake *f, uint32_t len, uint32_t bits, const uint16_t *lengths, uint16_t type)
{
	uint8_t *at = f->data + f->producer;
	uint32_t word = len | bits, done = 0;

	memcpy(at, &word, sizeof(word));
	for (; done + sizeof(struct event_header) <= len; lengths++, type++) {
		struct event_header h = { .type = type, .length = *lengths };

		memcpy(at + HDR + done, &h, sizeof(h));
		done += *lengths;
		if (!*lengths || *lengths < sizeof(h))
			break;
	}
	f->producer += (len + HDR + 7) & ~7UL;
}

static int take(void *arg, const struct event_header *h)
{
	struct fake *f = arg;

	f->seen[f->n++] = h->type;
	return f->n == f->stop_at ? -5 : 0;
}

static void seen_are(const struct fake *f, const int *types, int n)
{
	int i;

	assert_int_equal(f->n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(f->seen[i], types[i]);
}

static void test_records(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f);
	put(&f, 48, 0, (const uint16_t[]) { 48 }, 1);
	put(&f, 72 + 128, 0, (const uint16_t[]) { 72, 128 }, 10);    /* two that fill it */
	put(&f, 72 + 256, 0, (const uint16_t[]) { 72, 128, 0 }, 20); /* two, and room behind them */
	put(&f, 72 + 40, 0, (const uint16_t[]) { 72, 48 }, 30);	     /* one that says it were longer than the record */
	put(&f, 72 + 40, 0, (const uint16_t[]) { 72, 39 }, 40);	     /* or shorter than a header */
	put(&f, 72 + 32, 0, (const uint16_t[]) { 72 }, 50);	     /* no room for another's header */
	put(&f, 72 + 128, 1U << 30, (const uint16_t[]) { 72, 128 }, 60); /* discarded */
	put(&f, 64, 0, (const uint16_t[]) { 64 }, 70);
	assert_int_equal(ring_drain(&f.r, take, &f), 9);
	seen_are(&f, (const int[]) { 1, 10, 11, 20, 21, 30, 40, 50, 70 }, 9);
	assert_int_equal(f.consumer, f.producer);
}

static void test_busy(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f);
	put(&f, 72 + 128, 0, (const uint16_t[]) { 72, 128 }, 1);
	put(&f, 48, 1U << 31, (const uint16_t[]) { 48 }, 3);
	put(&f, 48, 0, (const uint16_t[]) { 48 }, 4);
	assert_int_equal(ring_drain(&f.r, take, &f), 2);
	assert_int_equal(f.consumer, HDR + 72 + 128);
}

static void test_refused(void **state)
{
	struct fake f;

	(void)state;
	fake_init(&f);
	f.stop_at = 1;
	put(&f, 72 + 128, 0, (const uint16_t[]) { 72, 128 }, 1);
	assert_int_equal(ring_drain(&f.r, take, &f), -5);
	seen_are(&f, (const int[]) { 1 }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
