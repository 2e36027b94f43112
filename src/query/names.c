/* SPDX-License-Identifier: Apache-2.0 */
/* What the names of a query mean, and what its values mean to the fields that they are compared with. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "query/internal.h"

enum domain { DOMAIN_NUMBER, DOMAIN_NS, DOMAIN_SECONDS, DOMAIN_TEXT, DOMAIN_CONTEXT, DOMAIN_TYPE };

/* Names that are not fields of the event's payload. */
static const struct {
	const char *name;
	enum query_subject subject;
	enum domain domain;
} specials[] = {
	{ "type", SUBJECT_TYPE, DOMAIN_TYPE },
	{ "id", SUBJECT_ID, DOMAIN_NUMBER },
	{ "pid", SUBJECT_TGID, DOMAIN_NUMBER },
	{ "tgid", SUBJECT_TGID, DOMAIN_NUMBER },
	{ "tid", SUBJECT_TID, DOMAIN_NUMBER },
	{ "cpu", SUBJECT_CPU, DOMAIN_NUMBER },
	{ "seq", SUBJECT_SEQ, DOMAIN_NUMBER },
	{ "context", SUBJECT_CONTEXT, DOMAIN_CONTEXT },
	{ "host", SUBJECT_HOST, DOMAIN_TEXT },
	{ "process", SUBJECT_PROCESS, DOMAIN_TEXT },
	{ "container", SUBJECT_CONTAINER, DOMAIN_TEXT },
	{ "unit", SUBJECT_UNIT, DOMAIN_TEXT },
	{ "cgroup_path", SUBJECT_CGROUP, DOMAIN_TEXT },
	{ "time", SUBJECT_SINCE, DOMAIN_SECONDS },
	{ "boot_ns", SUBJECT_BOOT, DOMAIN_NS },
	{ "start_ns", SUBJECT_START, DOMAIN_NS },
	{ "goroutine", SUBJECT_GOROUTINE, DOMAIN_NUMBER },
};

/* A run-time type's field with the name of a special one: there an underscore is added, as in JSON. */
static bool underscored(const char *field, const char *name)
{
	size_t n = strlen(field), i;

	if (strncmp(name, field, n) != 0 || strcmp(name + n, "_") != 0)
		return false;
	for (i = 0; i < ARRAY_LEN(specials); i++)
		if (!strcmp(specials[i].name, field))
			return true;
	return false;
}

/* Names that stand for several fields: by their format, or any text. */
static bool field_named(const struct event_field *f, const char *name)
{
	if (!strcmp(name, f->name) || underscored(f->name, name))
		return true;
	if (!strcmp(name, "port"))
		return f->format == EVENT_FMT_PORT;
	if (!strcmp(name, "addr"))
		return f->kind == EVENT_ADDR;
	return !strcmp(name, "text") && (f->kind == EVENT_STR || f->kind == EVENT_CHARS);
}

/* --- values --- */

static int label_value(const struct event_labels *labels, const char *text, wide *ret)
{
	size_t i;

	for (i = 0; labels && i < labels->count; i++) {
		if (strcasecmp(labels->rows[i].name, text) != 0)
			continue;
		*ret = labels->rows[i].value;
		return 0;
	}
	return -EINVAL;
}

static int signal_value(const char *text, wide *ret)
{
	unsigned int i;

	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (i = 1; i < 65; i++) {
		const char *name = event_signal_name(i);

		if (!name || strcasecmp(name + 3, text) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

static int errno_value(const char *text, wide *ret)
{
	int i;

	for (i = 1; i < 134; i++) { /* EHWPOISON is the last one */
		const char *name = event_errno_name(i);

		if (!name || strcasecmp(name, text) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

static int context_value(const char *text, wide *ret)
{
	uint8_t i;

	for (i = 0; i <= CONTEXT_RECORDER; i++) {
		if (strcasecmp(event_context_name(i), text) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return -EINVAL;
}

/* An address, or a prefix of one: 10.0.0.0/8, fe80::/10. */
static int addr_value(const char *text, struct query_value *v)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	wide bits = 128;
	bool v4;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = 0;
	memcpy(v->addr, mapped, sizeof(mapped));
	v4 = inet_pton(AF_INET, addr, v->addr + 12) == 1;
	if (!v4 && inet_pton(AF_INET6, addr, v->addr) != 1)
		return -EINVAL;
	if (slash && (query_number(slash + 1, UNIT_SIZE, &bits) < 0 || bits < 0 || bits > (v4 ? 32 : 128)))
		return -EINVAL;
	v->prefix = (uint8_t)(slash && v4 ? bits + 96 : bits);
	return 0;
}

static int type_value(const struct event_types *types, const char *text, wide *ret)
{
	const struct event_type *type = event_types_find(types, text);

	if (!type)
		return -EINVAL;
	*ret = type->id;
	return 0;
}

/* A number by the field's own names, or written as one. */
static int field_number(const struct event_field *f, const struct event_types *types, const char *text, wide *ret)
{
	int r = -EINVAL;

	switch (f->format) {
	case EVENT_FMT_ENUM:
	case EVENT_FMT_FLAGS:
		r = label_value(f->labels, text, ret);
		break;
	case EVENT_FMT_SIGNAL:
		r = signal_value(text, ret);
		break;
	case EVENT_FMT_ERRNO:
		r = errno_value(text, ret);
		break;
	case EVENT_FMT_TYPE:
		r = type_value(types, text, ret);
		break;
	case EVENT_FMT_NS:
	case EVENT_FMT_BOOT:
		return query_number(text, UNIT_NS, ret);
	default:
		break;
	}
	return r < 0 ? query_number(text, UNIT_SIZE, ret) : r;
}

static struct query_value field_value(const struct event_field *f, const struct event_types *types,
				      const struct query_word *w, enum query_op op)
{
	struct query_value v = { .how = HOW_NEVER };
	bool text = f->kind == EVENT_STR || f->kind == EVENT_CHARS;

	if (text || op == OP_CONTAINS) {
		v.how = text && (op == OP_IS || op == OP_CONTAINS) ? HOW_TEXT : HOW_NEVER;
	} else if (f->kind == EVENT_ADDR) {
		v.how = op == OP_IS && addr_value(w->text, &v) >= 0 ? HOW_ADDR : HOW_NEVER;
	} else if (field_number(f, types, w->text, &v.number) >= 0) {
		v.how = HOW_NUMBER;
		if (f->format == EVENT_FMT_FLAGS && label_value(f->labels, w->text, &v.number) >= 0)
			v.how = HOW_BITS;
		else if (f->format == EVENT_FMT_ERRNO && errno_value(w->text, &v.number) >= 0)
			v.how = HOW_ERRNO;
	}
	return v;
}

/* --- names --- */

/* Edits between two words (Levenshtein 1966), up to 64 characters. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[66], i, k, last, next, n = (unsigned int)strnlen(b, 64);

	for (k = 0; k <= n; k++)
		row[k] = k;
	for (i = 0; a[i] && i < 64; i++) {
		last = row[0];
		row[0] = i + 1;
		for (k = 0; k < n; k++) {
			next = row[k + 1];
			row[k + 1] = row[k] < row[k + 1] ? row[k] + 1 : row[k + 1] + 1;
			row[k + 1] = MIN(row[k + 1], last + (a[i] != b[k]));
			last = next;
		}
	}
	return row[n];
}

static void nearer(const char *name, const char *candidate, const char **best, unsigned int *edits)
{
	unsigned int d = distance(name, candidate);

	if (d >= *edits)
		return;
	*best = candidate;
	*edits = d;
}

static int unknown_name(const char *name, unsigned int column, const struct event_types *types, struct err *err)
{
	const struct event_type *type;
	const char *best = NULL;
	unsigned int edits = 3;
	size_t i, at = 0;

	for (i = 0; i < ARRAY_LEN(specials); i++)
		nearer(name, specials[i].name, &best, &edits);
	while ((type = event_types_each(types, &at)))
		for (i = 0; i < type->nfields; i++)
			nearer(name, type->fields[i].name, &best, &edits);
	if (best)
		return err_set(err, EINVAL, "no event has a field '%s' (column %u); did you mean '%s'?", name, column,
			       best);
	return err_set(err, EINVAL, "no event has a field '%s' (column %u); docs/events.md lists them", name, column);
}

static int unknown_value(const char *name, const struct query_word *w, const struct event_labels *labels,
			 struct err *err)
{
	char list[ERR_TEXT_MAX / 2] = "";
	size_t i, at = 0;

	for (i = 0; labels && i < labels->count && at < sizeof(list) - 1; i++) {
		int n = snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "; names are ", labels->rows[i].name);

		at += MIN((size_t)n, sizeof(list) - 1 - at);
	}
	return err_set(err, EINVAL, "'%.64s' is no value of '%s' that can be compared so (column %u)%s", w->text, name,
		       w->column, list);
}

static int unknown_type(const struct query_word *w, const struct event_types *types, struct err *err)
{
	const struct event_type *type;
	const char *best = NULL;
	unsigned int edits = 3;
	size_t at = 0;

	while ((type = event_types_each(types, &at)))
		nearer(w->text, type->name, &best, &edits);
	return err_set(err, EINVAL, "there is no event type '%.64s' (column %u)%s%s%s", w->text, w->column,
		       best ? "; did you mean '" : "", best ? best : "", best ? "'?" : "");
}

/* Room for the values of one more bind. */
static int add_bind(struct query_test *t, uint16_t type, uint16_t field)
{
	struct query_bind *binds = realloc(t->binds, (t->nbinds + 1) * sizeof(*binds));
	struct query_value *values;

	if (!binds)
		return -ENOMEM;
	t->binds = binds;
	values = realloc(t->values, (t->nvalues + t->nwords + 1) * sizeof(*values));
	if (!values)
		return -ENOMEM;
	t->values = values;
	t->binds[t->nbinds++] = (struct query_bind) { type, field, t->nvalues };
	t->nvalues += t->nwords;
	return 0;
}

/* The value must mean something to one of the fields at least. */
static int check_word(const struct query_test *t, uint32_t i, const char *name, const struct event_types *types,
		      struct err *err)
{
	const struct event_labels *labels = NULL;
	uint32_t k;

	for (k = 0; k < t->nbinds; k++) {
		const struct query_bind *b = &t->binds[k];

		if (t->values[b->first_value + i].how != HOW_NEVER)
			return 0;
		if (!labels)
			labels = event_types_get(types, b->type)->fields[b->field].labels;
	}
	return unknown_value(name, &t->words[i], labels, err);
}

static int check_words(const struct query_test *t, const char *name, const struct event_types *types,
		       unsigned int *ret_column, struct err *err)
{
	uint32_t i;

	for (i = 0; i < t->nwords; i++) {
		int r = check_word(t, i, name, types, err);

		if (r < 0) {
			*ret_column = t->words[i].column;
			return r;
		}
	}
	return 0;
}

static int bind_fields(struct query_test *t, const char *name, unsigned int column, const struct event_types *types,
		       unsigned int *ret_column, struct err *err)
{
	const struct event_type *type;
	size_t at = 0;
	uint32_t i, w;

	t->subject = SUBJECT_FIELD;
	while ((type = event_types_each(types, &at))) {
		for (i = 0; i < type->nfields; i++) {
			if (!field_named(&type->fields[i], name))
				continue;
			if (add_bind(t, type->id, (uint16_t)i) < 0)
				return err_set(err, ENOMEM, "out of memory for the query");
			for (w = 0; w < t->nwords; w++)
				t->values[t->nvalues - t->nwords + w] =
					field_value(&type->fields[i], types, &t->words[w], t->op);
		}
	}
	if (!t->nbinds) {
		*ret_column = column;
		return unknown_name(name, column, types, err);
	}
	return check_words(t, name, types, ret_column, err);
}

static bool type_there(const struct event_types *types, const struct query_word *w)
{
	const struct event_type *type;
	size_t at = 0;

	if (!w->glob)
		return event_types_find(types, w->text);
	while ((type = event_types_each(types, &at)))
		if (query_glob(type->name, strlen(type->name), w->text))
			return true;
	return false;
}

static int special_number(enum domain domain, const char *text, wide *ret)
{
	if (domain == DOMAIN_SECONDS)
		return query_number(text + (*text == '+'), UNIT_SECONDS, ret);
	if (domain == DOMAIN_NS)
		return query_number(text, UNIT_NS, ret);
	if (domain == DOMAIN_CONTEXT && context_value(text, ret) >= 0)
		return 0;
	return query_number(text, UNIT_SIZE, ret);
}

/* One value of a special name; numbers go into values. */
static int special_value(enum domain domain, const struct event_types *types, const struct query_word *w,
			 enum query_op op, struct query_value *v)
{
	bool text = domain == DOMAIN_TEXT || domain == DOMAIN_TYPE;

	v->how = text ? HOW_TEXT : HOW_NUMBER;
	if (!text)
		return op == OP_CONTAINS ? -EINVAL : special_number(domain, w->text, &v->number);
	if (op != OP_IS && op != OP_CONTAINS)
		return -EINVAL;
	return domain == DOMAIN_TYPE && op == OP_IS && !type_there(types, w) ? -ENOENT : 0;
}

static int bind_special(struct query_test *t, enum domain domain, const char *name, const struct event_types *types,
			unsigned int *ret_column, struct err *err)
{
	uint32_t i;
	int r;

	t->values = calloc(t->nwords + 1, sizeof(*t->values));
	if (!t->values)
		return err_set(err, ENOMEM, "out of memory for the query");
	t->nvalues = t->nwords;
	for (i = 0; i < t->nwords; i++) {
		r = special_value(domain, types, &t->words[i], t->op, &t->values[i]);
		if (r >= 0)
			continue;
		*ret_column = t->words[i].column;
		if (r == -ENOENT)
			return unknown_type(&t->words[i], types, err);
		return unknown_value(name, &t->words[i], NULL, err);
	}
	return 0;
}

int query_bind_test(struct query_test *t, const char *name, unsigned int column, const struct event_types *types,
		    unsigned int *ret_column, struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(specials); i++) {
		if (strcmp(specials[i].name, name) != 0)
			continue;
		t->subject = specials[i].subject;
		return bind_special(t, specials[i].domain, name, types, ret_column, err);
	}
	return bind_fields(t, name, column, types, ret_column, err);
}
