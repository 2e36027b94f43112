/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: static types by table, run-time types by id; names through a linear look-up (few, and cold). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "event/event.h"

struct event_types {
	const struct event_type *by_id[EVENT_STATIC_END];
	struct event_type **dynamic;
	size_t ndynamic;
};

const struct event_type *event_static_type(uint16_t id)
{
	static const struct event_type *by_id[EVENT_STATIC_END];
	size_t i;

	if (!by_id[EVENT_LOSS])
		for (i = 0; i < event_static_count; i++)
			by_id[event_static_types[i].id] = &event_static_types[i];
	return id < EVENT_STATIC_END ? by_id[id] : NULL;
}

int event_types_new(struct event_types **ret)
{
	struct event_types *t = calloc(1, sizeof(*t));
	size_t i;

	if (!t)
		return -ENOMEM;
	for (i = 0; i < event_static_count; i++)
		t->by_id[event_static_types[i].id] = &event_static_types[i];
	*ret = t;
	return 0;
}

static void type_free(struct event_type *type)
{
	size_t i;

	if (!type)
		return;
	for (i = 0; type->fields && i < type->nfields; i++) {
		free((char *)type->fields[i].name);
		free((char *)type->fields[i].about);
	}
	free((struct event_field *)type->fields);
	free((char *)type->name);
	free((char *)type->about);
	free(type);
}

struct event_types *event_types_free(struct event_types *t)
{
	size_t i;

	if (!t)
		return NULL;
	for (i = 0; i < t->ndynamic; i++)
		type_free(t->dynamic[i]);
	free(t->dynamic);
	free(t);
	return NULL;
}

static bool field_same(const struct event_field *a, const struct event_field *b)
{
	return !strcmp(a->name, b->name) && a->kind == b->kind && a->format == b->format && a->offset == b->offset &&
	       a->size == b->size;
}

static bool type_same(const struct event_type *a, const struct event_type *b)
{
	size_t i;

	if (a->id != b->id || a->size != b->size || a->nfields != b->nfields || strcmp(a->name, b->name))
		return false;
	for (i = 0; i < a->nfields; i++)
		if (!field_same(&a->fields[i], &b->fields[i]))
			return false;
	return true;
}

static int field_check(const struct event_type *type, const struct event_field *f, size_t *end, struct err *err)
{
	size_t align = f->kind == EVENT_STR || f->kind == EVENT_CHARS || f->kind == EVENT_ADDR ? 1 : f->size;

	if (!f->name || !f->name[0] || f->kind > EVENT_STR || f->labels)
		return err_set(err, EINVAL, "event type '%s': a field without a name or of unknown kind", type->name);
	if (f->kind == EVENT_STR)
		return 0;
	if (*end > type->size || f->offset < *end || !f->size || f->offset + f->size > type->size || f->offset % align)
		return err_set(err, EINVAL, "event type '%s': field '%s' lies badly (offset %u, size %u of %u)",
			       type->name, f->name, f->offset, f->size, type->size);
	*end = f->offset + f->size;
	return 0;
}

static int type_check(const struct event_type *type, struct err *err)
{
	size_t i, end = sizeof(struct event_header);
	int r;

	if (type->id < EVENT_DYNAMIC_MIN || !type->name || !type->name[0] || type->size % 8 ||
	    type->size < sizeof(struct event_header) || type->size > EVENT_LENGTH_MAX)
		return err_set(err, EINVAL, "event type '%s' (%u): bad id or size %u", type->name ? type->name : "?",
			       type->id, type->size);
	for (i = 0; i < type->nfields; i++) {
		r = field_check(type, &type->fields[i], &end, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct event_type *type_dup(const struct event_type *type)
{
	struct event_type *copy = calloc(1, sizeof(*copy));
	struct event_field *fields = calloc(type->nfields ? type->nfields : 1, sizeof(*fields));
	bool ok = copy && fields;
	size_t i;

	if (!ok) {
		free(copy);
		free(fields);
		return NULL;
	}
	*copy = *type;
	copy->fields = fields;
	copy->name = strdup(type->name);
	copy->about = strdup(type->about ? type->about : "");
	ok = copy->name && copy->about;
	for (i = 0; i < type->nfields; i++) {
		fields[i] = type->fields[i];
		fields[i].name = strdup(type->fields[i].name);
		fields[i].about = strdup(type->fields[i].about ? type->fields[i].about : "");
		ok = ok && fields[i].name && fields[i].about;
	}
	if (!ok)
		type_free(copy);
	return ok ? copy : NULL;
}

int event_types_add(struct event_types *t, const struct event_type *type, struct err *err)
{
	const struct event_type *old;
	struct event_type **grown, *copy;
	int r = type_check(type, err);

	if (r < 0)
		return r;
	old = event_types_get(t, type->id);
	if (!old)
		old = event_types_find(t, type->name);
	if (old)
		return type_same(old, type)
			       ? 0
			       : err_set(err, EEXIST, "event type '%s' (%u) is declared twice, and differently",
					 type->name, type->id);
	if (t->ndynamic == EVENT_DYNAMIC_LIMIT)
		return err_set(err, ENOSPC, "more than %d event types declared at run time", EVENT_DYNAMIC_LIMIT);
	grown = realloc(t->dynamic, (t->ndynamic + 1) * sizeof(struct event_type *));
	if (grown)
		t->dynamic = grown;
	copy = grown ? type_dup(type) : NULL;
	if (!copy)
		return err_set(err, ENOMEM, "out of memory for event type '%s'", type->name);
	t->dynamic[t->ndynamic++] = copy;
	return 0;
}

const struct event_type *event_types_get(const struct event_types *t, uint16_t id)
{
	size_t i;

	if (id < EVENT_STATIC_END)
		return t->by_id[id];
	for (i = 0; i < t->ndynamic; i++)
		if (t->dynamic[i]->id == id)
			return t->dynamic[i];
	return NULL;
}

const struct event_type *event_types_find(const struct event_types *t, const char *name)
{
	const struct event_type *type;
	size_t at = 0;

	while ((type = event_types_each(t, &at)))
		if (!strcmp(type->name, name))
			return type;
	return NULL;
}

const struct event_type *event_types_each(const struct event_types *t, size_t *at)
{
	size_t i = (*at)++;

	if (i < event_static_count)
		return &event_static_types[i];
	i -= event_static_count;
	return i < t->ndynamic ? t->dynamic[i] : NULL;
}
