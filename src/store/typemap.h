/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_TYPEMAP_H
#define SAKER_STORE_TYPEMAP_H
/*
 * typemap - from the type number in an event's header to what the store must know of the type, in O(1).
 *
 * Threads: none shared.  Memory: one slot for each possible number; only pages in use take memory.
 */
#include <stdint.h>

#include "event/event.h"

struct typemap_slot {
	const struct event_type *type; /* borrowed; NULL: unknown */
	uint16_t strings;	       /* in the tail */
	uint16_t end;		       /* where the last fixed field ends: padding after it is no CTF content */
};

struct typemap {
	struct typemap_slot *slots; /* UINT16_MAX + 1 of them */
};

int typemap_init(struct typemap *m); /* with all static types; -ENOMEM */
void typemap_fini(struct typemap *m);
void typemap_set(struct typemap *m, uint16_t id, const struct event_type *type);

static inline const struct typemap_slot *typemap_get(const struct typemap *m, uint16_t id)
{
	return &m->slots[id];
}

/* event_check() with a short cut for types without strings; h has at least len bytes. -EBADMSG. */
static inline int typemap_check(const struct typemap_slot *slot, const struct event_header *h, size_t len,
				struct err *err)
{
	if (!slot->strings && len >= h->length && h->length == slot->type->size)
		return 0;
	return event_check(slot->type, h, len, err);
}

/* Bytes from the event's start to the end of its last field; the event has been checked. */
size_t typemap_content(const struct typemap_slot *slot, const struct event_header *h);

#endif
