/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_CTF_FIELD_H
#define SAKER_IMPORT_CTF_FIELD_H
/*
 * ctf_field - the fields of an event of any CTF trace: as a run-time type, and as the values of one event.
 *
 * Integers and truth values become numbers of 8 bytes; strings, enumerations (by their label), reals, arrays, options and variants
 * become text; the members of structures become fields `outer_inner`.
 *
 * Threads: none shared.  Memory: CTF_FIELDS_MAX fields a type; what does not fit an event is cut and counted.
 */
#include <stdbool.h>
#include <stdint.h>

#include <babeltrace2/babeltrace.h>

#include "base/buf.h"
#include "import/import.h"

#define CTF_FIELDS_MAX 64
#define CTF_NAME_MAX 64
#define CTF_TEXT_MAX (EVENT_LENGTH_MAX - 1024) /* of all texts of an event together */

/* What a type is made of; a walk over the classes of its fields fills it. */
struct ctf_shape {
	struct event_field fields[CTF_FIELDS_MAX]; /* first all numbers, then all texts */
	char names[CTF_FIELDS_MAX][CTF_NAME_MAX];
	unsigned int numbers, texts;
	unsigned int left_out; /* fields beyond CTF_FIELDS_MAX */
};

/* The values of one event, in the shape's order. */
struct ctf_values {
	uint64_t numbers[CTF_FIELDS_MAX];
	struct buf texts; /* each ends with NUL */
	unsigned int n, ntexts;
	bool cut;
};

/* Adds the members of a structure's class; NULL: none. A member whose name is in skip (ends with NULL) is passed over. */
void ctf_shape_add(struct ctf_shape *s, const bt_field_class *structure, const char *const *skip);
/* Puts the numbers before the texts and gives each its place. */
void ctf_shape_finish(struct ctf_shape *s);

void ctf_values_clear(struct ctf_values *v);
/* Likewise with the members of a structure. */
void ctf_values_add(struct ctf_values *v, const bt_field *structure, const char *const *skip);

/* A member of that name as a number or as text; false: there is none. */
bool ctf_member_number(const bt_field *structure, const char *name, uint64_t *ret);
const char *ctf_member_text(const bt_field *structure, const char *name);

#endif
