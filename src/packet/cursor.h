/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PACKET_CURSOR_H
#define SAKER_PACKET_CURSOR_H
/*
 * cursor - the one way to a header in a frame: all of it lies before the end, or there is none.
 *
 * In BPF the verifier sees the one comparison that it needs here; the barrier keeps the compiler from computing the
 * pointer twice, of which the verifier would believe only one to be checked.
 */
#include "packet/meta.h"
#include "packet/wire.h"

#ifdef __BPF__
#define PACKET_KEEP(x) __asm__ volatile("" : "+r"(x))
#else
#define PACKET_KEEP(x) (void)(x)
#endif
#define PACKET_INLINE static inline __attribute__((always_inline))

/* No header of ours begins behind this; it bounds what the verifier has to believe. */
#define PACKET_OFFSET_MAX 4096

PACKET_INLINE const void *packet_at(const void *data, const void *end, __u32 offset, __u32 bytes)
{
	const char *p = data;

	if (offset > PACKET_OFFSET_MAX)
		return 0;
#ifndef __BPF__
	if ((unsigned long)((const char *)end - p) < (unsigned long)offset + bytes)
		return 0;
#endif
	p += offset;
	PACKET_KEEP(p);
	if (p + bytes > (const char *)end)
		return 0;
	return p;
}

PACKET_INLINE int packet_fail(struct packet_meta *m, enum packet_fault fault)
{
	m->fault = (__u8)fault;
	return -1;
}

#endif
