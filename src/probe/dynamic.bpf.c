/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* dynamic - tracepoints and functions named on the command line; user space describes each in dynamic_types. */
#include <linux/ptrace.h>

#include "kernel/bpf/emit.bpf.h"
#include "probe/dynamic.bpf.h"

/* key: the attach cookie; owner: probe/dynamic.c */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DYNAMIC_MAX);
	__type(key, __u32);
	__type(value, struct dynamic_type);
} dynamic_types SEC(".maps");

static __always_inline struct dynamic_type *dynamic_begin(void *ctx, struct scratch **ret)
{
	__u32 key = bpf_get_attach_cookie(ctx);
	struct dynamic_type *t = bpf_map_lookup_elem(&dynamic_types, &key);
	struct event_header *h;
	struct scratch *s;

	if (!t || !current_selected())
		return NULL;
	s = scratch_take(t->type);
	if (!s)
		return NULL;
	h = (void *)s;
	h->type = t->type;
	h->context = CONTEXT_TASK;
	h->flags = 0;
	header_task(h, bpf_get_current_task_btf());
	*ret = s;
	return t;
}

/* A string of a tracepoint's record; returns the new length. */
static __always_inline __u32 dynamic_string(void *ctx, void *base, __u32 at, __u16 word)
{
	__u32 loc = 0;
	long len;

	bpf_probe_read_kernel(&loc, sizeof(loc), ctx + word);
	len = bpf_probe_read_kernel_str((char *)base + at, DYNAMIC_STRING_BYTES, ctx + (loc & 0xffff));
	if (len > 0)
		return at + (__u32)len;
	*((char *)base + at) = 0;
	return at + 1;
}

/* A tracepoint's record begins 8 bytes into ctx (the common fields before it are not Saker's business). */
SEC("tracepoint")
int dynamic_tracepoint(void *ctx)
{
	struct scratch *s;
	struct dynamic_type *t = dynamic_begin(ctx, &s);
	struct event_header *h = (void *)s;
	__u32 at, n, i;

	if (!t)
		return 0;
	n = t->bytes;
	if (n > DYNAMIC_BYTES || (n && bpf_probe_read_kernel(h + 1, n, ctx + 8) < 0)) {
		scratch_drop(s);
		return 0;
	}
	at = sizeof(*h) + n;
	for (i = 0; i < DYNAMIC_STRINGS && i < t->nstrings; i++) {
		if (at > SCRATCH_BYTES - 8 - DYNAMIC_STRING_BYTES) {
			scratch_drop(s);
			return 0;
		}
		at = dynamic_string(ctx, h, at, t->strings[i]);
	}
	event_output(s, at);
	return 0;
}

SEC("uprobe")
int dynamic_function(struct pt_regs *ctx)
{
	struct scratch *s;
	struct dynamic_type *t = dynamic_begin(ctx, &s);
	__u64 *args;

	if (!t)
		return 0;
	args = (__u64 *)((struct event_header *)s + 1);
	args[0] = PT_REGS_PARM1(ctx);
	args[1] = PT_REGS_PARM2(ctx);
	args[2] = PT_REGS_PARM3(ctx);
	args[3] = PT_REGS_PARM4(ctx);
	args[4] = PT_REGS_PARM5(ctx);
	event_output(s, sizeof(struct event_header) + DYNAMIC_ARGS * 8);
	return 0;
}
