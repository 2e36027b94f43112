/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SAKER_PROBE_TLS_H
#define SAKER_PROBE_TLS_H
/*
 * Which socket a thread used last, for the hooks on TLS libraries: these see plaintext and the library's own object for the
 * connection, and the socket only by what their call did below.
 */
#include "kernel/bpf/emit.bpf.h"

static __always_inline bool tls_hooked(void)
{
	struct kernel_control *k = control_get();

	return unlikely(k && k->tls);
}

/* A selected thread puts bytes into a TCP socket, or takes them: in a call of a TLS library? */
static __always_inline void tls_used(struct task_struct *me, __u64 cookie)
{
	struct tls_thread *t = tls_hooked() ? bpf_task_storage_get(&tls_threads, me, NULL, 0) : NULL;

	if (t && t->conn)
		t->sock = cookie;
}

/* It has received TLS records from it, and not in such a call: it will give them to the library. */
static __always_inline void tls_received(struct task_struct *me, __u64 cookie)
{
	struct tls_thread *t;

	if (!tls_hooked())
		return;
	t = bpf_task_storage_get(&tls_threads, me, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t && !t->conn)
		t->fresh = cookie;
}

#endif
