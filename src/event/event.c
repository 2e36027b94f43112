/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

bool event_about(const struct event *ev, struct event_thread *ret)
{
	const struct event_timer *t = EVENT_AS(timer, ev);
	const struct event_block_done *d = EVENT_AS(block_done, ev);
	const struct event_block_wake *w = EVENT_AS(block_wake, ev);

	switch (ev->type->id) {
	case EVENT_TIMER:
		*ret = (struct event_thread) { t->target_start_ns, t->target_tgid, t->target_tid };
		return true;
	case EVENT_BLOCK_DONE:
		*ret = (struct event_thread) { d->owner_start_ns, d->owner_tgid, d->owner_tid };
		return true;
	case EVENT_BLOCK_WAKE:
		*ret = (struct event_thread) { w->target_start_ns, w->target_tgid, w->target_tid };
		return true;
	default:
		return false;
	}
}

int event_field_find(const struct event_type *type, const char *name)
{
	int i;

	for (i = 0; i < type->nfields; i++)
		if (!strcmp(type->fields[i].name, name))
			return i;
	return -ENOENT;
}

/* Start of the string that is `skip` strings into the tail, and the end of the event. */
static const char *tail_string(const struct event *ev, unsigned int skip, const char **ret_end)
{
	const char *p = (const char *)ev->h + ev->type->size;
	const char *end = (const char *)ev->h + ev->h->length;

	*ret_end = end;
	for (; skip && p < end; skip--) {
		p = memchr(p, 0, (size_t)(end - p));
		if (!p)
			return end;
		p++;
	}
	return p;
}

/* How many strings stand before field f. */
static unsigned int string_index(const struct event_type *type, const struct event_field *f)
{
	const struct event_field *at;
	unsigned int n = 0;

	for (at = type->fields; at < f; at++)
		n += at->kind == EVENT_STR;
	return n;
}

const char *event_string(const struct event *ev, unsigned int nth)
{
	const char *end, *p = tail_string(ev, nth, &end);

	return p < end ? p : "";
}

static uint64_t read_unsigned(const void *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size <= 8 ? size : 8); /* little endian, as on disk */
	return v;
}

void event_field_get(const struct event *ev, const struct event_field *f, struct event_value *ret)
{
	const char *p = (const char *)ev->h + f->offset, *end;
	int32_t s32;

	*ret = (struct event_value) { .kind = f->kind };
	switch (f->kind) {
	case EVENT_S32:
		memcpy(&s32, p, sizeof(s32));
		ret->s64 = s32;
		break;
	case EVENT_S64:
		memcpy(&ret->s64, p, sizeof(ret->s64));
		break;
	case EVENT_ADDR:
		ret->addr = (const uint8_t *)p;
		break;
	case EVENT_CHARS:
		ret->str = p;
		ret->len = strnlen(p, f->size);
		break;
	case EVENT_STR:
		p = tail_string(ev, string_index(ev->type, f), &end);
		ret->str = p;
		ret->len = strnlen(p, (size_t)(end - p));
		break;
	default:
		ret->u64 = read_unsigned(p, f->size);
	}
}

static int string_count(const struct event_type *type)
{
	int n = 0, i;

	for (i = 0; i < type->nfields; i++)
		n += type->fields[i].kind == EVENT_STR;
	return n;
}

int event_check(const struct event_type *type, const void *data, size_t len, struct err *err)
{
	const struct event_header *h = data;
	struct event ev = { .type = type, .h = h };
	unsigned int strings = (unsigned int)string_count(type);
	const char *p, *end;

	if (len < sizeof(*h) || h->length > len || h->length < type->size || h->length % 8)
		return err_set(err, EBADMSG, "event '%s' has length %u where %u to %zu fit", type->name,
			       len < sizeof(*h) ? 0 : h->length, type->size, len);
	if (!strings)
		return h->length == type->size ? 0
					       : err_set(err, EBADMSG, "event '%s' has length %u instead of %u",
							 type->name, h->length, type->size);
	p = tail_string(&ev, strings - 1, &end);
	p = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
	if (!p || end - p > 8)
		return err_set(err, EBADMSG, "event '%s' has %s", type->name,
			       p ? "bytes after its last string" : "a string without end");
	return 0;
}

int event_build_as(const struct event_type *type, void *out, size_t cap, const void *fixed, const char *const *strings)
{
	struct event_header *h = out;
	size_t at = type ? type->size : 0;
	int missing = type ? string_count(type) : 0;

	cap = cap < EVENT_LENGTH_MAX ? cap : EVENT_LENGTH_MAX;
	if (!type || at > cap)
		return -E2BIG;
	memcpy(out, fixed, at);
	for (; strings && *strings; strings++) {
		size_t n = strlen(*strings) + 1;

		if (at + n > cap)
			return -E2BIG;
		memcpy((char *)out + at, *strings, n);
		at += n;
		missing--;
	}
	for (; missing > 0; missing--) {
		if (at == cap)
			return -E2BIG;
		((char *)out)[at++] = 0;
	}
	for (; at % 8; at++) {
		if (at == cap)
			return -E2BIG;
		((char *)out)[at] = 0;
	}
	h->length = (uint16_t)at;
	return (int)at;
}

int event_build(void *out, size_t cap, const void *fixed, const char *const *strings)
{
	return event_build_as(event_static_type(((const struct event_header *)fixed)->type), out, cap, fixed, strings);
}
