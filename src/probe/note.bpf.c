/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* note - what programs say of themselves by saker.h. */
#include <linux/ptrace.h>

#include "kernel/bpf/join.bpf.h"
#include <bpf/usdt.bpf.h>

#define KEY_BYTES 64
#define VALUE_BYTES 256

static __always_inline struct scratch *note_begin(__u32 what, __u64 span, __s64 number)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct scratch *s = tgid_selected(me->tgid) ? scratch_take(EVENT_NOTE) : NULL;
	struct event_note *e = (void *)s;

	if (!s)
		return NULL;
	join_check();
	e->h.type = EVENT_NOTE;
	e->h.context = CONTEXT_TASK;
	e->h.flags = 0;
	header_task(&e->h, me);
	e->span = span;
	e->number = number;
	e->what = what;
	__builtin_memset(e->pad0, 0, sizeof(e->pad0));
	return s;
}

/* A string of the program's, "" where there is none; returns the new length. */
static __always_inline __u32 note_string(void *base, __u32 at, __u64 from, __u32 most)
{
	long n = from ? bpf_probe_read_user_str((char *)base + at, most, (void *)from) : 0;

	if (n > 0)
		return at + (__u32)n;
	*((char *)base + at) = 0;
	return at + 1;
}

static __always_inline int note_emit(__u32 what, __u64 span, __s64 number, __u64 key, __u64 value)
{
	struct scratch *s = note_begin(what, span, number);
	__u32 at = sizeof(struct event_note);

	if (!s)
		return 0;
	at = note_string(s, at, key, KEY_BYTES);
	at = note_string(s, at, value, VALUE_BYTES);
	event_output(s, at);
	return 0;
}

/* An argument of the place, wherever the compiler put it. */
static __always_inline __u64 argument(struct pt_regs *ctx, __u64 n)
{
	long value = 0;

	if (bpf_usdt_arg(ctx, n, &value) < 0)
		helper_failed();
	return value;
}

SEC("usdt")
int note_span_begin(struct pt_regs *ctx)
{
	return note_emit(NOTEKIND_BEGIN, argument(ctx, 0), 0, argument(ctx, 1), 0);
}

SEC("usdt")
int note_span_end(struct pt_regs *ctx)
{
	return note_emit(NOTEKIND_END, argument(ctx, 0), 0, 0, 0);
}

SEC("usdt")
int note_text(struct pt_regs *ctx)
{
	return note_emit(NOTEKIND_TEXT, 0, 0, argument(ctx, 0), argument(ctx, 1));
}

SEC("usdt")
int note_number(struct pt_regs *ctx)
{
	return note_emit(NOTEKIND_NUMBER, 0, argument(ctx, 1), argument(ctx, 0), 0);
}
