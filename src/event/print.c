/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text and as JSON, driven by the field's format; see events.def for the formats. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"

const char *event_context_name(uint8_t context)
{
	static const char *const names[] = { "task", "softirq", "hardirq", "nmi", "recorder" };

	return context < sizeof(names) / sizeof(names[0]) ? names[context] : "unknown";
}

/* glibc's sigabbrev_np() and strerrorname_np() know every name. */
const char *event_signal_name(unsigned int sig)
{
	static __thread char name[16];
	const char *abbrev = sig < 65 ? sigabbrev_np((int)sig) : NULL;

	if (!abbrev)
		return NULL;
	(void)stpcpy(stpcpy(name, "SIG"), abbrev);
	return name;
}

const char *event_errno_name(int code)
{
	return strerrorname_np(code < 0 ? -code : code);
}

void event_addr_text(struct buf *b, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char text[INET6_ADDRSTRLEN];

	if (!memcmp(addr, mapped, sizeof(mapped)))
		(void)inet_ntop(AF_INET, addr + 12, text, sizeof(text));
	else
		(void)inet_ntop(AF_INET6, addr, text, sizeof(text));
	buf_str(b, text);
}

static const char *label_find(const struct event_labels *labels, uint64_t value)
{
	size_t i;

	for (i = 0; i < labels->count; i++)
		if (labels->rows[i].value == value)
			return labels->rows[i].name;
	return NULL;
}

static void flags_text(struct buf *b, const struct event_labels *labels, uint64_t value)
{
	const char *sep = "";
	size_t i;

	for (i = 0; i < labels->count; i++) {
		if (!(value & labels->rows[i].value))
			continue;
		buf_printf(b, "%s%s", sep, labels->rows[i].name);
		value &= ~labels->rows[i].value;
		sep = "|";
	}
	if (value)
		buf_printf(b, "%s0x%" PRIx64, sep, value);
}

void event_duration_text(struct buf *b, uint64_t ns)
{
	if (ns >= 1000000000ULL)
		buf_printf(b, "%.3fs", (double)ns / 1e9);
	else if (ns >= 1000000ULL)
		buf_printf(b, "%.3fms", (double)ns / 1e6);
	else
		buf_printf(b, "%.3fus", (double)ns / 1e3);
}

/* The symbolic name of a number, where its format has one. */
static const char *value_name(const struct event_field *f, const struct event_value *v)
{
	const struct event_type *type;
	int64_t n = v->s64;

	switch (f->format) {
	case EVENT_FMT_ENUM:
		return label_find(f->labels, v->u64);
	case EVENT_FMT_SIGNAL:
		return n > 0 ? event_signal_name((unsigned int)n) : NULL;
	case EVENT_FMT_ERRNO:
		return n ? event_errno_name((int)n) : NULL;
	case EVENT_FMT_TYPE:
		type = event_static_type((uint16_t)n);
		return type ? type->name : NULL;
	default:
		return NULL;
	}
}

static void number_text(struct buf *b, const struct event_field *f, const struct event_value *v)
{
	const char *name = value_name(f, v);

	if (name)
		buf_str(b, name);
	else if (f->format == EVENT_FMT_FLAGS && f->labels)
		flags_text(b, f->labels, v->u64);
	else if (f->format == EVENT_FMT_HEX)
		buf_printf(b, "0x%" PRIx64, v->u64);
	else if (f->format == EVENT_FMT_NS)
		event_duration_text(b, v->u64);
	else if (f->kind == EVENT_S32 || f->kind == EVENT_S64)
		buf_printf(b, "%" PRId64, v->s64);
	else
		buf_u64(b, v->u64);
}

void event_value_text(struct buf *b, const struct event_field *f, const struct event_value *v)
{
	switch (v->kind) {
	case EVENT_ADDR:
		event_addr_text(b, v->addr);
		break;
	case EVENT_STR:
	case EVENT_CHARS:
		buf_text(b, v->str, v->len);
		break;
	default:
		number_text(b, f, v);
	}
}

void event_value_json(struct buf *b, const struct event_field *f, const struct event_value *v)
{
	struct buf text = BUF_INIT;

	switch (v->kind) {
	case EVENT_STR:
	case EVENT_CHARS:
		buf_json(b, v->str, v->len);
		return;
	case EVENT_ADDR:
		buf_char(b, '"');
		event_addr_text(b, v->addr);
		buf_char(b, '"');
		return;
	default:
		break;
	}
	if (value_name(f, v) || f->format == EVENT_FMT_FLAGS) {
		number_text(&text, f, v);
		buf_json(b, text.data ? text.data : "", text.len);
		buf_fini(&text);
	} else if (v->kind == EVENT_S32 || v->kind == EVENT_S64) {
		buf_printf(b, "%" PRId64, v->s64);
	} else {
		buf_u64(b, v->u64);
	}
}

static void json_member(struct buf *b, const char *name, uint64_t v)
{
	buf_printf(b, ",\"%s\":", name);
	buf_u64(b, v);
}

/* Names of run-time types are anybody's: one that the header has gets an underscore behind it. */
static void field_name_json(struct buf *b, const char *name)
{
	static const char *const taken[] = { "id",	"host", "type", "boot_ns", "cpu",
					     "context", "seq",	"tgid", "tid",	   "start_ns" };
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	size_t i;

	buf_str(&text, name);
	for (i = 0; i < ARRAY_LEN(taken); i++)
		if (!strcmp(name, taken[i]))
			buf_char(&text, '_');
	buf_char(b, ',');
	buf_json(b, text.data ? text.data : "", text.len);
	buf_char(b, ':');
}

static void field_json(struct buf *b, const struct event *ev, const struct event_field *f)
{
	struct event_value v;

	if (ev->type->id >= EVENT_DYNAMIC_MIN)
		field_name_json(b, f->name);
	else
		buf_printf(b, ",\"%s\":", f->name);
	event_field_get(ev, f, &v);
	event_value_json(b, f, &v);
}

void event_json(struct buf *b, const struct event *ev, const char *host)
{
	int i;

	buf_str(b, "{\"id\":");
	buf_u64(b, ev->id);
	if (host) {
		buf_str(b, ",\"host\":");
		buf_json(b, host, strlen(host));
	}
	buf_str(b, ",\"type\":");
	buf_json(b, ev->type->name, strlen(ev->type->name));
	json_member(b, "boot_ns", ev->boot_ns);
	json_member(b, "cpu", ev->h->cpu);
	buf_printf(b, ",\"context\":\"%s\"", event_context_name(ev->h->context));
	json_member(b, "seq", ev->h->seq);
	json_member(b, "tgid", ev->h->tgid);
	json_member(b, "tid", ev->h->tid);
	json_member(b, "start_ns", ev->h->start_ns);
	for (i = 0; i < ev->type->nfields; i++)
		field_json(b, ev, &ev->type->fields[i]);
	buf_char(b, '}');
}
