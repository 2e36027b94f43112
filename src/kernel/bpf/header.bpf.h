/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_KERNEL_BPF_HEADER_H
#define SAKER_KERNEL_BPF_HEADER_H
/* header - whose event it is. */
#include "kernel/bpf/maps.bpf.h"

static __always_inline void header_task(struct event_header *h, struct task_struct *task)
{
	h->start_ns = task->start_boottime;
	h->tgid = task->tgid;
	h->tid = task->pid;
}

/* It happened in an interrupt: no thread did it. */
static __always_inline void header_nobody(struct event_header *h)
{
	h->start_ns = 0;
	h->tgid = 0;
	h->tid = 0;
}

#endif
