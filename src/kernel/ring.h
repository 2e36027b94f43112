/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_KERNEL_RING_H
#define SAKER_KERNEL_RING_H
/*
 * ring - the consumer's side of one BPF ring buffer (kernel: kernel/bpf/ringbuf.c).
 *
 * Not libbpf's: ring_buffer__consume() does not return while data keeps coming; this one stops at the
 * producer position that it saw first, so the recorder keeps its time.
 */
#include <stdint.h>

#include "kernel/kernel.h"

struct ring {
	int fd; /* owned */
	uint64_t size;
	uint64_t mask;
	unsigned long *consumer; /* mapped */
	const unsigned long *producer;
	const uint8_t *data; /* mapped twice in a row, so records never wrap */
};

int ring_open(struct ring *r, uint64_t size, struct err *err); /* size: power of two, ≥ a page */
void ring_close(struct ring *r);			       /* zeroed or opened */
int64_t ring_drain(struct ring *r, kernel_event_fn *fn, void *arg);

#endif
