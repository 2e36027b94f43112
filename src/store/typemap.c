/* SPDX-License-Identifier: Apache-2.0 */
#include "store/typemap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void typemap_set(struct typemap *m, uint16_t id, const struct event_type *type)
{
	struct typemap_slot *slot = &m->slots[id];
	size_t i;

	*slot = (struct typemap_slot) { .type = type, .end = sizeof(struct event_header) };
	for (i = 0; type && i < type->nfields; i++) {
		const struct event_field *f = &type->fields[i];

		if (f->kind == EVENT_STR)
			slot->strings++;
		else if (f->offset + f->size > slot->end)
			slot->end = (uint16_t)(f->offset + f->size);
	}
}

int typemap_init(struct typemap *m)
{
	size_t i;

	m->slots = calloc(UINT16_MAX + 1, sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	for (i = 0; i < event_static_count; i++)
		typemap_set(m, event_static_types[i].id, &event_static_types[i]);
	return 0;
}

void typemap_fini(struct typemap *m)
{
	free(m->slots);
	m->slots = NULL;
}

size_t typemap_content(const struct typemap_slot *slot, const struct event_header *h)
{
	const char *start = (const char *)h, *p = start + slot->type->size;
	unsigned int i;

	if (!slot->strings)
		return slot->end;
	for (i = 0; i < slot->strings; i++)
		p += strlen(p) + 1;
	return (size_t)(p - start);
}
