/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/who.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "explain/cast.h"

struct who {
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	struct cast cast;
	struct map cgroup_of; /* host, tgid -> cgroup */
	struct map paths;     /* host, cgroup -> index of names */
	char **names;
	size_t nnames;
	struct map socks; /* host, cookie -> index of ends */
	struct who_ends *ends;
	size_t nends, cap_ends;
};

int who_new(const char *(*host_name)(void *arg, uint32_t host), void *arg, struct who **ret)
{
	struct who *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->host_name = host_name;
	w->arg = arg;
	*ret = w;
	return 0;
}

struct who *who_free(struct who *w)
{
	size_t i;

	if (!w)
		return NULL;
	cast_fini(&w->cast);
	for (i = 0; i < w->nnames; i++)
		free(w->names[i]);
	free(w->names);
	free(w->ends);
	map_fini(&w->cgroup_of);
	map_fini(&w->paths);
	map_fini(&w->socks);
	free(w);
	return NULL;
}

static uint64_t key_of(uint32_t host, uint64_t number)
{
	return map_hash(number ^ (uint64_t)host << 40);
}

static void learn_cgroup(struct who *w, const struct event *ev)
{
	uint64_t key = key_of(ev->host, EVENT_AS(cgroup, ev)->cgroup);
	char **grown, *name;

	if (w->nnames == WHO_MAX || map_get(&w->paths, key))
		return;
	grown = realloc(w->names, (w->nnames + 1) * sizeof(*grown));
	if (!grown)
		return;
	w->names = grown;
	name = strdup(event_string(ev, 0));
	if (name && map_set(&w->paths, key, w->nnames) >= 0)
		w->names[w->nnames++] = name;
	else
		free(name);
}

void who_learn_names(struct who *w, const struct event *ev)
{
	if (ev->type->id == EVENT_NETNS)
		cast_learn(&w->cast, ev);
	else if (ev->type->id == EVENT_CGROUP)
		learn_cgroup(w, ev);
}

static void ends_set(struct who *w, const struct event *ev, uint64_t cookie, const struct who_ends *ends)
{
	uint64_t key = key_of(ev->host, cookie), *at = map_get(&w->socks, key);
	struct who_ends *grown;
	size_t cap;

	if (at) {
		w->ends[*at] = *ends;
		return;
	}
	if (w->nends == WHO_MAX)
		return;
	if (w->nends == w->cap_ends) {
		cap = w->cap_ends ? w->cap_ends * 2 : 256;
		grown = realloc(w->ends, cap * sizeof(*grown));
		if (!grown)
			return;
		w->ends = grown;
		w->cap_ends = cap;
	}
	if (map_set(&w->socks, key, w->nends) >= 0)
		w->ends[w->nends++] = *ends;
}

/* Events that describe a socket have the same names for its ends. */
#define ENDS_OF(e)                                                         \
	({                                                                 \
		struct who_ends ends_ = { .local_port = (e)->local_port,   \
					  .remote_port = (e)->remote_port, \
					  .family = (e)->family };         \
		memcpy(ends_.local, (e)->local, sizeof(ends_.local));      \
		memcpy(ends_.remote, (e)->remote, sizeof(ends_.remote));   \
		ends_;                                                     \
	})

static void learn_ends(struct who *w, const struct event *ev)
{
	struct who_ends ends;

	switch (ev->type->id) {
	case EVENT_SOCKET:
		ends = ENDS_OF(EVENT_AS(socket, ev));
		ends_set(w, ev, EVENT_AS(socket, ev)->sock, &ends);
		break;
	case EVENT_CONNECTED:
		ends = ENDS_OF(EVENT_AS(connected, ev));
		ends_set(w, ev, EVENT_AS(connected, ev)->sock, &ends);
		break;
	case EVENT_ACCEPT:
		ends = ENDS_OF(EVENT_AS(accept, ev));
		ends_set(w, ev, EVENT_AS(accept, ev)->sock, &ends);
		break;
	default:
		break;
	}
}

void who_learn(struct who *w, const struct event *ev)
{
	uint64_t *parent;

	cast_learn(&w->cast, ev);
	switch (ev->type->id) {
	case EVENT_PROCESS:
	case EVENT_EXEC:
		(void)map_set(&w->cgroup_of, key_of(ev->host, ev->h->tgid), EVENT_AS(process, ev)->cgroup);
		break;
	case EVENT_FORK:
		parent = map_get(&w->cgroup_of, key_of(ev->host, ev->h->tgid));
		if (parent && !(EVENT_AS(fork, ev)->flags & PROCFLAGS_THREAD))
			(void)map_set(&w->cgroup_of, key_of(ev->host, EVENT_AS(fork, ev)->child_tgid), *parent);
		break;
	case EVENT_CGROUP:
		learn_cgroup(w, ev);
		break;
	default:
		learn_ends(w, ev);
	}
}

uint32_t who_pid(const struct event *ev)
{
	if (ev->h->tgid)
		return ev->h->tgid;
	return ev->type->id == EVENT_TIMER ? EVENT_AS(timer, ev)->target_tgid : 0;
}

static const struct actor *actor_of(const struct who *w, const struct event *ev)
{
	uint32_t pid = who_pid(ev), i = pid ? cast_find(&w->cast, ev->host, pid) : CAST_NONE;

	return i == CAST_NONE ? NULL : &w->cast.actors[i];
}

const char *who_place(const struct who *w, const struct event *ev)
{
	const struct actor *a = actor_of(w, ev);

	return a ? cast_place(&w->cast, a) : "";
}

const char *who_host(const struct who *w, const struct event *ev)
{
	const char *place = who_place(w, ev), *name = NULL;

	if (!*place && w->host_name)
		name = w->host_name(w->arg, ev->host);
	return name ? name : place;
}

const char *who_process(const struct who *w, const struct event *ev)
{
	const struct actor *a = actor_of(w, ev);

	return a ? a->comm : "";
}

const char *who_container(const struct who *w, const struct event *ev)
{
	const uint64_t *cgroup = map_get(&w->cgroup_of, key_of(ev->host, who_pid(ev)));
	const uint64_t *at = cgroup ? map_get(&w->paths, key_of(ev->host, *cgroup)) : NULL;

	return at ? w->names[*at] : "";
}

bool who_sock(const struct who *w, const struct event *ev, struct who_ends *ret)
{
	int i = event_field_find(ev->type, "sock");
	struct event_value v;
	const uint64_t *at;

	if (i < 0)
		return false;
	event_field_get(ev, &ev->type->fields[i], &v);
	at = map_get(&w->socks, key_of(ev->host, v.u64));
	if (!at)
		return false;
	*ret = w->ends[*at];
	return true;
}
