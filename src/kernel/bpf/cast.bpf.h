/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_CAST_H
#define SAKER_KERNEL_CAST_H
/*
 * Reading the kernel's structures at an address that is a number to the verifier.  Since 6.2 (a35b9af4ec2c) it can be
 * told the type, and a read is one instruction; bpf_probe_read_kernel() takes 30 ns here.  Either way what is
 * no longer there reads as something, and faults nothing.
 */
#include "kernel/bpf/maps.bpf.h"

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

#define KERNEL_CAST(p, type) ((type *)bpf_rdonly_cast((void *)(p), bpf_core_type_id_kernel(type)))
#define KERNEL_READ(p, type, field)                                                                   \
	({                                                                                            \
		type *__at = (void *)(p);                                                             \
		(void *)bpf_rdonly_cast != NULL ? (typeof(__at->field))KERNEL_CAST(__at, type)->field \
						: (typeof(__at->field))BPF_CORE_READ(__at, field);    \
	})

/*
 * P only to be read from: the verifier knows its type, but does not trust it.  Since 6.3 (6fcd486b3a0a) each load of a pointer
 * from what it trusts goes several times through all names of the kernel's BTF, a millisecond, on every path that it follows.
 */
#define KERNEL_PLAIN(p, type)                                                           \
	({                                                                              \
		type *__plain = (p);                                                    \
		(void *)bpf_rdonly_cast != NULL ? KERNEL_CAST(__plain, type) : __plain; \
	})

/* any structure of the kernel that begins with a number of 64 bits: how to read an address that stays a number */
struct timespec64 {
	__s64 tv_sec;
} __attribute__((preserve_access_index));

static __always_inline void *pointer_read(const void *at)
{
	return (void *)KERNEL_READ(at, struct timespec64, tv_sec);
}

#endif
