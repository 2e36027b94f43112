/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of a unit that nothing has followed yet. */
#include "explain/requests_flow.h"

#include <stdlib.h>

#define PICK_MAX 256 /* entries that are looked at */

static uint32_t entry_new(struct flow *f)
{
	uint32_t i = f->free_entry;

	if (i != NONE) {
		f->free_entry = f->entries.rows[i].after;
		return i;
	}
	return PUSH(f->r, f->entries) ? (uint32_t)(f->entries.count - 1) : NONE;
}

void flow_remove(struct flow *f, uint32_t entry)
{
	struct entry *e = &f->entries.rows[entry];
	struct flow_unit *u = &f->units[e->unit];

	if (e->before != NONE)
		f->entries.rows[e->before].after = e->after;
	else
		u->head = e->after;
	if (e->after != NONE)
		f->entries.rows[e->after].before = e->before;
	else
		u->tail = e->before;
	if (u->batch == entry)
		u->batch = e->after;
	u->count--;
	f->nodes[e->node].entry = NONE;
	e->after = f->free_entry;
	f->free_entry = entry;
}

void flow_activate(struct flow *f, uint32_t unit, uint32_t node)
{
	struct flow_unit *u = &f->units[unit];
	struct entry *e;
	uint32_t i, owner;

	if (f->nodes[node].entry != NONE)
		flow_remove(f, f->nodes[node].entry);
	i = entry_new(f);
	if (i == NONE)
		return;
	e = &f->entries.rows[i];
	*e = (struct entry) { .node = node, .before = u->tail, .after = NONE, .unit = unit };
	if (u->tail != NONE)
		f->entries.rows[u->tail].after = i;
	else
		u->head = i;
	u->tail = i;
	if (u->sent || u->batch == NONE)
		u->batch = i;
	u->sent = 0;
	u->count++;
	f->nodes[node].entry = i;
	owner = flow_owner(f, node);
	if (owner != NONE)
		f->nodes[owner].latest = node;
}

/* Was what it is for answered meanwhile? */
static bool is_stale(const struct flow *f, uint32_t entry)
{
	uint32_t owner = flow_owner(f, f->entries.rows[entry].node);

	return owner != NONE && f->nodes[owner].done;
}

/* May what activated so have made the unit send this? */
static bool fits(const struct flow *f, uint32_t entry, uint32_t sent)
{
	uint32_t node = f->entries.rows[entry].node, owner = flow_owner(f, node);

	if (flow_is_server(f, sent))
		return node == sent || (!flow_is_server(f, node) && flow_within(f, node, sent));
	return owner == NONE || flow_within(f, sent, owner);
}

/* From an entry on, towards later or earlier ones. */
static uint32_t first_fit(const struct flow *f, uint32_t entry, uint32_t sent, bool later)
{
	unsigned int tried = 0;

	for (; entry != NONE && tried < PICK_MAX; tried++) {
		if (fits(f, entry, sent))
			return entry;
		entry = later ? f->entries.rows[entry].after : f->entries.rows[entry].before;
	}
	return NONE;
}

/* The entry of the request that the walk before found at the end of the effects. */
static uint32_t hinted(const struct flow *f, uint32_t unit, uint32_t sent)
{
	uint32_t owner = f->hints ? f->hints[sent] : NONE, latest = owner == NONE ? NONE : f->nodes[owner].latest;
	uint32_t entry = latest == NONE ? NONE : f->nodes[latest].entry;

	return entry != NONE && f->entries.rows[entry].unit == unit ? entry : NONE;
}

uint32_t flow_pick(struct flow *f, uint32_t unit, uint32_t sent)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t found = NONE;

	while (u->head != NONE && is_stale(f, u->head))
		flow_remove(f, u->head);
	while (u->tail != NONE && is_stale(f, u->tail))
		flow_remove(f, u->tail);
	while (u->batch != NONE && is_stale(f, u->batch))
		flow_remove(f, u->batch);
	f->several |= u->count > 1;
	found = hinted(f, unit, sent);
	if (found != NONE)
		return found;
	if (u->mode == MODE_FIFO)
		return first_fit(f, u->head, sent, true);
	if (u->mode == MODE_BATCH && u->batch != NONE)
		found = first_fit(f, u->batch, sent, true);
	if (found == NONE && u->mode == MODE_BATCH)
		found = first_fit(f, u->head, sent, true);
	return found != NONE ? found : first_fit(f, u->tail, sent, false);
}
