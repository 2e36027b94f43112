/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/cast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "event/event.h"

#define ACTORS_MAX (1U << 20)
#define PLACES_MAX 65536
#define SPOKE_BACK 2000

void cast_fini(struct cast *c)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		free(c->actors[i].contacts);
	free(c->actors);
	free(c->places);
	map_fini(&c->by_tgid);
	map_fini(&c->by_netns);
	map_fini(&c->by_cgroup);
	*c = (struct cast) { 0 };
}

static uint64_t actor_key(uint32_t host, uint32_t tgid)
{
	return (uint64_t)host << 32 | tgid;
}

uint32_t cast_find(const struct cast *c, uint32_t host, uint32_t tgid)
{
	const uint64_t *at = map_get(&c->by_tgid, actor_key(host, tgid));

	return at ? (uint32_t)*at : CAST_NONE;
}

static uint32_t cast_add(struct cast *c, uint32_t host, uint32_t tgid)
{
	struct actor *grown;

	if (c->count == ACTORS_MAX)
		return CAST_NONE;
	grown = array_grown(c->actors, c->count, sizeof(*grown));
	if (!grown)
		return CAST_NONE;
	c->actors = grown;
	if (map_set(&c->by_tgid, actor_key(host, tgid), c->count) < 0)
		return CAST_NONE;
	c->actors[c->count] = (struct actor) { .host = host, .tgid = tgid, .parent = CAST_NONE };
	return (uint32_t)c->count++;
}

static uint64_t place_key(uint32_t host, uint64_t number)
{
	return map_hash(number ^ (uint64_t)host << 48);
}

static const uint64_t *container_of(const struct cast *c, const struct actor *a)
{
	return a->cgroup ? map_get(&c->by_cgroup, place_key(a->host, a->cgroup)) : NULL;
}

const char *cast_place(const struct cast *c, const struct actor *a)
{
	const uint64_t *at = container_of(c, a);

	if (!at)
		at = map_get(&c->by_netns, place_key(a->host, a->netns));
	return at ? c->places[*at].name : "";
}

bool cast_together(const struct cast *c, const struct actor *a, const struct actor *b)
{
	const uint64_t *in_a = container_of(c, a), *in_b = container_of(c, b);

	if (a->host != b->host || !in_a != !in_b)
		return false;
	return in_a ? !strcmp(c->places[*in_a].name, c->places[*in_b].name) : a->netns == b->netns;
}

static void learn_place(struct cast *c, struct map *map, uint64_t key, const char *name)
{
	struct place *grown;

	if (c->nplaces == PLACES_MAX || map_get(map, key))
		return;
	grown = array_grown(c->places, c->nplaces, sizeof(*grown));
	if (!grown)
		return;
	c->places = grown;
	if (map_set(map, key, c->nplaces) < 0)
		return;
	(void)snprintf(c->places[c->nplaces++].name, PLACE_MAX, "%.39s", name);
}

uint32_t cast_of(struct cast *c, const struct event *ev)
{
	uint32_t i;

	if (!ev->h->tgid)
		return CAST_NONE;
	i = cast_find(c, ev->host, ev->h->tgid);
	if (i == CAST_NONE) {
		i = cast_add(c, ev->host, ev->h->tgid);
		if (i == CAST_NONE)
			return i;
		c->actors[i].first_ns = ev->boot_ns;
	}
	if (ev->h->context == CONTEXT_TASK)
		c->actors[i].last_ns = ev->boot_ns;
	return i;
}

/* A child starts as a copy of its parent, also when its id was used before. */
static void learn_fork(struct cast *c, const struct event *ev, uint32_t parent)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	uint32_t child;

	if (e->flags & PROCFLAGS_THREAD)
		return;
	child = cast_add(c, ev->host, e->child_tgid);
	if (child == CAST_NONE)
		return;
	memcpy(c->actors[child].comm, c->actors[parent].comm, sizeof(c->actors[child].comm));
	c->actors[child].exe = c->actors[parent].exe;
	c->actors[child].netns = c->actors[parent].netns;
	c->actors[child].cgroup = c->actors[parent].cgroup;
	c->actors[child].parent = parent;
	c->actors[child].first_ns = ev->boot_ns;
}

static uint64_t text_hash(const char *text)
{
	uint64_t h = *text ? 1 : 0;

	for (; *text; text++)
		h = map_hash(h ^ (uint64_t)(unsigned char)*text << 32);
	return h;
}

/* exec, process: what it runs; without a fork the parent is told too. */
static void learn_program(struct cast *c, const struct event *ev, uint32_t i)
{
	struct actor *a = &c->actors[i];
	uint32_t parent = cast_find(c, ev->host, EVENT_AS(process, ev)->ppid);

	if (*event_string(ev, 0))
		title_of(event_string(ev, 0), event_string(ev, 2), a->comm, sizeof(a->comm));
	a->exe = text_hash(event_string(ev, 1));
	a->netns = EVENT_AS(process, ev)->netns;
	a->cgroup = EVENT_AS(process, ev)->cgroup;
	if (a->parent == CAST_NONE && parent != i)
		a->parent = parent;
	if (ev->type->id != EVENT_EXEC)
		return;
	a->exec_ns = ev->boot_ns;
	a->exec_id = ev->id;
}

static void learn_exit(struct actor *a, const struct event *ev)
{
	const struct event_exit *e = EVENT_AS(exit, ev);

	if (!(e->flags & EXITFLAGS_LAST_THREAD))
		return;
	a->died_ns = ev->boot_ns;
	a->died_id = ev->id;
	a->exit_code = e->code;
	a->exit_sig = e->sig;
}

void cast_learn(struct cast *c, const struct event *ev)
{
	uint32_t i = cast_of(c, ev);

	if (ev->type->id == EVENT_NETNS)
		learn_place(c, &c->by_netns, place_key(ev->host, EVENT_AS(netns, ev)->netns), event_string(ev, 0));
	if (ev->type->id == EVENT_CONTAINER)
		learn_place(c, &c->by_cgroup, place_key(ev->host, EVENT_AS(container, ev)->cgroup),
			    event_string(ev, 0));
	if (i == CAST_NONE)
		return;
	switch (ev->type->id) {
	case EVENT_FORK:
		learn_fork(c, ev, i);
		break;
	case EVENT_PROCESS:
	case EVENT_EXEC:
		learn_program(c, ev, i);
		break;
	case EVENT_ACCEPT:
		c->actors[i].accepted++;
		break;
	case EVENT_CONNECT:
		c->actors[i].connected++;
		c->actors[i].netns = EVENT_AS(connect, ev)->netns;
		break;
	case EVENT_EXIT:
		learn_exit(&c->actors[i], ev);
		break;
	default:
		break;
	}
}

int cast_contact(struct actor *a, const struct contact *contact)
{
	struct contact *grown = array_grown(a->contacts, a->ncontacts, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	a->contacts = grown;
	a->contacts[a->ncontacts++] = *contact;
	return 0;
}

static int contact_cmp(const void *pa, const void *pb)
{
	const struct contact *a = pa, *b = pb;

	if (a->boot_ns != b->boot_ns)
		return a->boot_ns < b->boot_ns ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

void cast_sort(struct cast *c)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (c->actors[i].ncontacts)
			qsort(c->actors[i].contacts, c->actors[i].ncontacts, sizeof(struct contact), contact_cmp);
}

size_t cast_contact_at(const struct actor *a, uint64_t t)
{
	size_t low = 0, high = a->ncontacts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->contacts[mid].boot_ns < t)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool cast_spoke(const struct actor *a, size_t before, uint32_t other)
{
	size_t i, n = before > SPOKE_BACK ? SPOKE_BACK : before;

	for (i = 1; i <= n; i++)
		if (a->contacts[before - i].other == other)
			return true;
	return false;
}

uint32_t cast_successor(const struct cast *c, uint32_t i)
{
	const struct actor *dead = &c->actors[i];
	uint32_t best = CAST_NONE;
	size_t k;

	for (k = 0; k < c->count; k++) {
		const struct actor *a = &c->actors[k];

		if (!dead->exe || !dead->died_ns || a->exe != dead->exe || !cast_together(c, a, dead) ||
		    a->exec_ns <= dead->died_ns)
			continue;
		if (best == CAST_NONE || a->exec_ns < c->actors[best].exec_ns)
			best = (uint32_t)k;
	}
	return best;
}
