/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_DYNAMIC_BPF_H
#define SAKER_PROBE_DYNAMIC_BPF_H
/* What dynamic.bpf.c and dynamic.c agree on. */
#include <linux/types.h>

#define DYNAMIC_MAX 32
#define DYNAMIC_BYTES 512 /* of a tracepoint's fixed fields */
#define DYNAMIC_STRINGS 4
#define DYNAMIC_STRING_BYTES 128
#define DYNAMIC_ARGS 5

struct dynamic_type {
	__u16 type;  /* event type id */
	__u16 bytes; /* of fixed fields, from offset 8 of the record; a multiple of 8 */
	__u16 nstrings;
	__u16 strings[DYNAMIC_STRINGS]; /* where the record keeps their __data_loc words */
	__u16 pad;
};

#endif
