/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of a unit that nothing has followed yet. */
#include "explain/requests_flow.h"

#define QUEUE_MAX 512 /* entries of a unit; the oldest go */

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
	if (e->batch == u->nbatch && !flow_is_server(f, e->node))
		u->responses--;
	f->nodes[e->node].entry = NONE;
	e->after = f->free_entry;
	f->free_entry = entry;
}

/* Whose it is, as far as that is certain, or the walk before found. */
static uint32_t label(const struct flow *f, uint32_t node)
{
	return flow_is_server(f, node) ? node : f->hints ? f->hints[node] : NONE;
}

static void new_batch(struct flow_unit *u, uint32_t entry)
{
	u->batch = entry;
	u->nbatch++;
	u->responses = 0;
}

void flow_activate(struct flow *f, uint32_t unit, uint32_t node)
{
	struct flow_unit *u = &f->units[unit];
	struct entry *e;
	uint32_t i, owner;

	if (f->nodes[node].entry != NONE)
		flow_remove(f, f->nodes[node].entry);
	if (u->count >= QUEUE_MAX)
		flow_remove(f, u->head);
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
	if (u->sent || u->idle || u->batch == NONE)
		new_batch(u, i);
	u->sent = u->idle = 0;
	e->batch = u->nbatch;
	u->responses += !flow_is_server(f, node);
	u->count++;
	f->nodes[node].entry = i;
	f->nodes[node].woke = unit;
	owner = label(f, node);
	if (owner != NONE)
		f->nodes[owner].latest = node;
}

/* Was what it is for answered meanwhile? */
static bool is_stale(const struct flow *f, uint32_t entry)
{
	uint32_t owner = label(f, f->entries.rows[entry].node);

	return owner != NONE && f->nodes[owner].done;
}

/*
 * What was read just now and is a response is most likely followed at once; a request may have to wait for something first,
 * if there are others; what was read before the thread waited again has waited for something else.
 */
uint8_t flow_fit(const struct flow *f, uint32_t entry)
{
	const struct entry *e = &f->entries.rows[entry];
	const struct flow_unit *u = &f->units[e->unit];

	if (u->mode == MODE_STEPS)
		return u->fit; /* of what was picked just now */
	if (u->count == 1)
		return 3;
	if (e->batch != u->nbatch)
		return 1;
	return flow_is_server(f, e->node) ? 2 : 3;
}

/* May what activated so have made the unit send this? */
bool flow_fits(const struct flow *f, uint32_t entry, uint32_t sent)
{
	uint32_t node = f->entries.rows[entry].node, owner = label(f, node), whose = label(f, sent);
	const struct flow_unit *u = &f->units[f->entries.rows[entry].unit];

	if (whose != NONE && owner != NONE)
		return whose == owner;
	if (u->mode != MODE_STEPS && flow_is_server(f, node) && u->responses && u->left && u->left <= u->responses &&
	    f->entries.rows[entry].batch == u->nbatch)
		return false; /* all that is sent now is needed for the responses that were read */
	if (flow_is_server(f, sent))
		return flow_within(f, node, sent);
	return owner == NONE || flow_within(f, sent, owner);
}

/* From an entry on, towards later or earlier ones. */
static uint32_t first_fit(const struct flow *f, uint32_t entry, uint32_t sent, bool later, bool any)
{
	unsigned int tried = 0;

	for (; entry != NONE && tried < FLOW_PICK_MAX; tried++) {
		if ((any || label(f, f->entries.rows[entry].node) != NONE) && flow_fits(f, entry, sent))
			return entry;
		entry = later ? f->entries.rows[entry].after : f->entries.rows[entry].before;
	}
	return NONE;
}

/* What activated the unit for the same request last. */
static uint32_t labelled(const struct flow *f, uint32_t unit, uint32_t sent)
{
	uint32_t owner = label(f, sent), latest = owner == NONE ? NONE : f->nodes[owner].latest;
	uint32_t entry = latest == NONE ? NONE : f->nodes[latest].entry;

	return entry != NONE && f->entries.rows[entry].unit == unit ? entry : NONE;
}

/* A request that nothing has followed although its thread has waited since. */
static bool is_old_request(const struct flow *f, uint32_t entry)
{
	const struct entry *e = &f->entries.rows[entry];

	return flow_is_server(f, e->node) && e->batch != f->units[e->unit].nbatch;
}

uint32_t flow_pick(struct flow *f, uint32_t unit, uint32_t sent)
{
	struct flow_unit *u = &f->units[unit];
	uint32_t found = NONE, own;

	while (u->head != NONE && is_stale(f, u->head))
		flow_remove(f, u->head);
	while (u->tail != NONE && is_stale(f, u->tail))
		flow_remove(f, u->tail);
	while (u->batch != NONE && is_stale(f, u->batch))
		flow_remove(f, u->batch);
	f->several |= u->count > 1;
	u->crowded += u->count > 1;
	own = labelled(f, unit, sent);
	if (u->mode == MODE_STEPS)
		return flow_pick_step(f, unit, sent, own);
	if (own != NONE && !(u->responses && is_old_request(f, own)))
		return own;
	if (u->mode == MODE_BATCH)
		found = first_fit(f, u->batch, sent, true, true);
	if (found == NONE && own != NONE)
		found = own;
	/* who had to wait for something: rather a request than a response that came long ago */
	if (found == NONE)
		found = first_fit(f, u->mode == MODE_LAST ? u->tail : u->head, sent, u->mode != MODE_LAST,
				  u->mode == MODE_LAST);
	return found != NONE ? found : first_fit(f, u->head, sent, true, true);
}
