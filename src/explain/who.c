/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/who.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "event/event.h"
#include "explain/cgroup.h"
#include "explain/title.h"
#include "explain/stints.h"

#define NONE UINT32_MAX
#define TYPES 256 /* compiled-in types have smaller numbers */

/* What a process was from a moment on; the one before it is still known, for events that are asked about later. */
struct role {
	uint64_t from_ns, netns, cgroup;
	uint32_t before;
	uint32_t title; /* index of names + 1; 0: the command name says all */
	char comm[16];
};

struct sock {
	struct who_ends ends;
	uint64_t netns; /* where it was made; a process can have moved since, or before */
	uint32_t pid;	/* who opened or used it, 0: unknown */
};

struct who {
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	bool several;
	struct map roles_of; /* host, tgid -> its latest role */
	struct role *roles;
	size_t nroles, cap_roles;
	struct map places, paths; /* host, netns or cgroup -> index of names */
	struct map units, containers,
		unnamed;	  /* host, cgroup -> the same; unnamed: of containers only the path tells of */
	struct map ids, path_ids; /* likewise, the ids of both */
	struct map titles;	  /* hash of a title -> the same */
	char **names;
	size_t nnames, cap_names;
	struct map sock_of; /* host, cookie -> index of socks */
	struct sock *socks;
	size_t nsocks, cap_socks;
	struct stints stints;
	int16_t sock_field[TYPES], netns_field[TYPES]; /* -1: the type has none */
};

static int16_t field_of(const struct event_type *type, const char *name, uint8_t kind)
{
	int i = type ? event_field_find(type, name) : -1;

	return i >= 0 && type->fields[i].kind == kind ? (int16_t)i : -1;
}

int who_new(const char *(*host_name)(void *arg, uint32_t host), void *arg, bool several, struct who **ret)
{
	struct who *w = calloc(1, sizeof(*w));
	uint16_t id;

	if (!w)
		return -ENOMEM;
	w->host_name = host_name;
	w->arg = arg;
	w->several = several;
	for (id = 0; id < TYPES; id++) {
		w->sock_field[id] = field_of(event_static_type(id), "sock", EVENT_U64);
		w->netns_field[id] = field_of(event_static_type(id), "netns", EVENT_U64);
	}
	*ret = w;
	return 0;
}

struct who *who_free(struct who *w)
{
	size_t i;

	if (!w)
		return NULL;
	for (i = 0; i < w->nnames; i++)
		free(w->names[i]);
	free(w->names);
	free(w->roles);
	free(w->socks);
	map_fini(&w->roles_of);
	map_fini(&w->places);
	map_fini(&w->paths);
	map_fini(&w->units);
	map_fini(&w->containers);
	map_fini(&w->unnamed);
	map_fini(&w->ids);
	map_fini(&w->path_ids);
	map_fini(&w->titles);
	map_fini(&w->sock_of);
	stints_fini(&w->stints);
	free(w);
	return NULL;
}

static uint64_t key_of(uint32_t host, uint64_t number)
{
	return map_hash(number ^ (uint64_t)host << 40);
}

/* Room for one more of WHO_MAX; false: there is none. */
static bool grow(void *array, size_t count, size_t *cap, size_t size)
{
	void **place = array, *grown;
	size_t more = *cap ? *cap * 2 : 256;

	if (count < *cap)
		return true;
	if (count >= WHO_MAX)
		return false;
	grown = realloc(*place, more * size);
	if (!grown)
		return false;
	*place = grown;
	*cap = more;
	return true;
}

/* --- namespaces and cgroups --- */

static void learn_name(struct who *w, struct map *map, uint64_t key, const char *text)
{
	char *name;

	if (map_get(map, key) || !grow(&w->names, w->nnames, &w->cap_names, sizeof(*w->names)))
		return;
	name = strdup(text);
	if (name && map_set(map, key, w->nnames) >= 0)
		w->names[w->nnames++] = name;
	else
		free(name);
}

static void learn_cgroup(struct who *w, uint64_t key, const char *path)
{
	struct cgroup_container c;
	char text[CGROUP_TEXT];

	learn_name(w, &w->paths, key, path);
	if (cgroup_unit(path, text))
		learn_name(w, &w->units, key, text);
	if (!cgroup_container(path, &c))
		return;
	learn_name(w, &w->path_ids, key, c.id);
	cgroup_short_id(c.id, text);
	learn_name(w, &w->unnamed, key, c.name[0] ? c.name : text);
}

void who_learn_names(struct who *w, const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_NETNS:
		learn_name(w, &w->places, key_of(ev->host, EVENT_AS(netns, ev)->netns), event_string(ev, 0));
		break;
	case EVENT_CGROUP:
		learn_cgroup(w, key_of(ev->host, EVENT_AS(cgroup, ev)->cgroup), event_string(ev, 0));
		break;
	case EVENT_CONTAINER:
		learn_name(w, &w->containers, key_of(ev->host, EVENT_AS(container, ev)->cgroup), event_string(ev, 0));
		learn_name(w, &w->ids, key_of(ev->host, EVENT_AS(container, ev)->cgroup), event_string(ev, 1));
		break;
	default:
		break;
	}
}

static const char *name_of(const struct who *w, const struct map *map, uint32_t host, uint64_t number)
{
	const uint64_t *at = number ? map_get(map, key_of(host, number)) : NULL;

	return at ? w->names[*at] : "";
}

/* --- processes --- */

static const struct role *latest_role(const struct who *w, uint32_t host, uint32_t pid)
{
	const uint64_t *at = pid ? map_get(&w->roles_of, key_of(host, pid)) : NULL;

	return at ? &w->roles[*at] : NULL;
}

/* The role at that moment, or the first one that is known. */
static const struct role *role_at(const struct who *w, uint32_t host, uint32_t pid, uint64_t ns)
{
	const struct role *r = latest_role(w, host, pid);

	while (r && r->from_ns > ns && r->before != NONE)
		r = &w->roles[r->before];
	return r;
}

/* A new role, unless nothing has changed; one that is older than the latest is known already. */
static void learn_role(struct who *w, uint32_t host, uint32_t pid, const struct role *now)
{
	const struct role *last = latest_role(w, host, pid);
	size_t before = last ? (size_t)(last - w->roles) : NONE;

	if (last && (now->from_ns < last->from_ns || (!strcmp(last->comm, now->comm) && last->title == now->title &&
						      last->netns == now->netns && last->cgroup == now->cgroup)))
		return;
	if (!pid || !grow(&w->roles, w->nroles, &w->cap_roles, sizeof(*w->roles)) ||
	    map_set(&w->roles_of, key_of(host, pid), w->nroles) < 0)
		return;
	w->roles[w->nroles] = *now;
	w->roles[w->nroles++].before = (uint32_t)before;
}

static void comm_set(struct role *r, const char *comm)
{
	if (*comm)
		(void)snprintf(r->comm, sizeof(r->comm), "%.15s", comm);
}

static struct role role_from(const struct role *like, const struct event *ev)
{
	struct role r = like ? *like : (struct role) { 0 };

	r.from_ns = ev->boot_ns;
	return r;
}

static uint32_t learn_title(struct who *w, const char *comm, const char *args)
{
	char title[TITLE_TEXT];
	uint64_t key = 1;
	const char *c;

	title_of(comm, args, title, sizeof(title));
	if (!strcmp(title, comm))
		return 0;
	for (c = title; *c; c++)
		key = map_hash(key ^ (uint64_t)(unsigned char)*c << 32);
	learn_name(w, &w->titles, key, title);
	return map_get(&w->titles, key) ? (uint32_t)*map_get(&w->titles, key) + 1 : 0;
}

static void learn_process(struct who *w, const struct event *ev)
{
	struct role r = role_from(latest_role(w, ev->host, ev->h->tgid), ev);

	r.netns = EVENT_AS(process, ev)->netns;
	r.cgroup = EVENT_AS(process, ev)->cgroup;
	comm_set(&r, event_string(ev, 0));
	r.title = learn_title(w, r.comm, event_string(ev, 2));
	learn_role(w, ev->host, ev->h->tgid, &r);
}

static void learn_fork(struct who *w, const struct event *ev)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	struct role r = role_from(role_at(w, ev->host, ev->h->tgid, ev->boot_ns), ev);

	comm_set(&r, event_string(ev, 0));
	if (!(e->flags & PROCFLAGS_THREAD))
		learn_role(w, ev->host, e->child_tgid, &r);
	else if (!latest_role(w, ev->host, ev->h->tgid))
		learn_role(w, ev->host, ev->h->tgid, &r);
}

/* Of a process that nothing else tells about. */
static void learn_exit(struct who *w, const struct event *ev)
{
	struct role r = role_from(NULL, ev);

	comm_set(&r, event_string(ev, 0));
	if (!latest_role(w, ev->host, ev->h->tgid))
		learn_role(w, ev->host, ev->h->tgid, &r);
}

static void learn_place(struct who *w, const struct event *ev, uint64_t netns)
{
	struct role r = role_from(latest_role(w, ev->host, ev->h->tgid), ev);

	r.netns = netns;
	learn_role(w, ev->host, ev->h->tgid, &r);
}

/* --- sockets --- */

static struct sock *sock_get(struct who *w, uint32_t host, uint64_t cookie)
{
	uint64_t key = key_of(host, cookie), *at = map_get(&w->sock_of, key);

	if (at)
		return &w->socks[*at];
	if (!cookie || !grow(&w->socks, w->nsocks, &w->cap_socks, sizeof(*w->socks)) ||
	    map_set(&w->sock_of, key, w->nsocks) < 0)
		return NULL;
	w->socks[w->nsocks] = (struct sock) { 0 };
	return &w->socks[w->nsocks++];
}

static uint64_t cookie_of(const struct who *w, const struct event *ev)
{
	int16_t i = ev->type->id < TYPES ? w->sock_field[ev->type->id] : -1;
	struct event_value v;

	if (i < 0)
		return 0;
	event_field_get(ev, &ev->type->fields[i], &v);
	return v.u64;
}

static const struct sock *sock_of(const struct who *w, const struct event *ev)
{
	uint64_t cookie = cookie_of(w, ev);
	const uint64_t *at = cookie ? map_get(&w->sock_of, key_of(ev->host, cookie)) : NULL;

	return at ? &w->socks[*at] : NULL;
}

static uint64_t netns_in(const struct who *w, const struct event *ev)
{
	int16_t i = ev->type->id < TYPES ? w->netns_field[ev->type->id] : -1;
	struct event_value v;

	if (i < 0)
		return 0;
	event_field_get(ev, &ev->type->fields[i], &v);
	return v.u64;
}

/* Events that describe a socket have the same names for its ends. */
#define ENDS_OF(e)                                                         \
	({                                                                 \
		struct who_ends ends_ = { .local_port = (e)->local_port,   \
					  .remote_port = (e)->remote_port, \
					  .family = (e)->family,           \
					  .protocol = (e)->protocol };     \
		memcpy(ends_.local, (e)->local, sizeof(ends_.local));      \
		memcpy(ends_.remote, (e)->remote, sizeof(ends_.remote));   \
		ends_;                                                     \
	})

static bool ends_of(const struct event *ev, struct who_ends *ret)
{
	switch (ev->type->id) {
	case EVENT_SOCKET:
		*ret = ENDS_OF(EVENT_AS(socket, ev));
		return true;
	case EVENT_CONNECTED:
		*ret = ENDS_OF(EVENT_AS(connected, ev));
		return true;
	case EVENT_ACCEPT:
		*ret = ENDS_OF(EVENT_AS(accept, ev));
		return true;
	case EVENT_LISTEN:
		*ret = (struct who_ends) { .local_port = EVENT_AS(listen, ev)->local_port,
					   .family = EVENT_AS(listen, ev)->family };
		memcpy(ret->local, EVENT_AS(listen, ev)->local, sizeof(ret->local));
		return true;
	default:
		return false;
	}
}

static void learn_sock(struct who *w, const struct event *ev)
{
	bool task = ev->h->tgid && ev->h->context == CONTEXT_TASK;
	uint64_t netns = netns_in(w, ev);
	struct sock *s = sock_get(w, ev->host, cookie_of(w, ev));

	if (task && netns && (ev->type->id == EVENT_CONNECT || ev->type->id == EVENT_LISTEN))
		learn_place(w, ev, netns);
	if (!s)
		return;
	(void)ends_of(ev, &s->ends);
	if (netns)
		s->netns = netns;
	if (task)
		s->pid = ev->h->tgid;
}

void who_learn(struct who *w, const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_PROCESS:
	case EVENT_EXEC:
		learn_process(w, ev);
		break;
	case EVENT_FORK:
		learn_fork(w, ev);
		break;
	case EVENT_EXIT:
		learn_exit(w, ev);
		break;
	case EVENT_SOCKET:
	case EVENT_CONNECT:
	case EVENT_CONNECTED:
	case EVENT_ACCEPT:
	case EVENT_LISTEN:
		learn_sock(w, ev);
		break;
	case EVENT_GOROUTINE:
		stints_learn(&w->stints, ev);
		break;
	default:
		who_learn_names(w, ev);
	}
}

/* --- asking --- */

uint32_t who_pid(const struct who *w, const struct event *ev)
{
	struct event_thread about;
	const struct sock *s;

	if (ev->h->tgid)
		return ev->h->tgid;
	if (event_about(ev, &about))
		return about.tgid;
	s = sock_of(w, ev);
	return s ? s->pid : 0;
}

static const struct role *role_of(const struct who *w, const struct event *ev)
{
	return role_at(w, ev->host, who_pid(w, ev), ev->boot_ns);
}

/* Of the process that did it; what its sockets do in interrupts happens where they are. */
static const char *container_of_doer(const struct who *w, const struct event *ev)
{
	return ev->h->tgid ? who_container(w, ev) : "";
}

const char *who_place(const struct who *w, const struct event *ev)
{
	const char *container = container_of_doer(w, ev);
	uint64_t netns = netns_in(w, ev);
	const struct sock *s = netns ? NULL : sock_of(w, ev);
	const struct role *r;

	if (*container)
		return container;
	if (s)
		netns = s->netns;
	r = netns ? NULL : role_of(w, ev);
	return name_of(w, &w->places, ev->host, r ? r->netns : netns);
}

const char *who_host(const struct who *w, const struct event *ev)
{
	const char *place = w->several ? "" : who_place(w, ev), *name = NULL;

	if (!*place && w->host_name)
		name = w->host_name(w->arg, ev->host);
	return name ? name : place;
}

const char *who_process(const struct who *w, const struct event *ev)
{
	const struct role *r = role_of(w, ev);

	return r ? r->comm : "";
}

uint64_t who_goroutine(const struct who *w, const struct event *ev)
{
	return stints_of(&w->stints, ev);
}

const char *who_title(const struct who *w, const struct event *ev)
{
	const struct role *r = role_of(w, ev);

	if (r && r->title)
		return w->names[r->title - 1];
	return r ? r->comm : "";
}

static const char *of_cgroup(const struct who *w, const struct map *map, const struct event *ev)
{
	const struct role *r = role_of(w, ev);

	return r ? name_of(w, map, ev->host, r->cgroup) : "";
}

const char *who_container(const struct who *w, const struct event *ev)
{
	const char *name = of_cgroup(w, &w->containers, ev);

	return *name ? name : of_cgroup(w, &w->unnamed, ev);
}

const char *who_container_id(const struct who *w, const struct event *ev)
{
	const char *id = of_cgroup(w, &w->ids, ev);

	return *id ? id : of_cgroup(w, &w->path_ids, ev);
}

const char *who_unit(const struct who *w, const struct event *ev)
{
	return of_cgroup(w, &w->units, ev);
}

const char *who_cgroup(const struct who *w, const struct event *ev)
{
	return of_cgroup(w, &w->paths, ev);
}

bool who_sock(const struct who *w, const struct event *ev, struct who_ends *ret)
{
	const struct sock *s = sock_of(w, ev);

	if (!s || !s->ends.family)
		return false;
	*ret = s->ends;
	return true;
}

/* --- for queries --- */

static const char *scope_host(void *arg, const struct event *ev)
{
	return who_host(arg, ev);
}

static const char *scope_process(void *arg, const struct event *ev)
{
	return who_process(arg, ev);
}

static const char *scope_title(void *arg, const struct event *ev)
{
	return who_title(arg, ev);
}

static const char *scope_container(void *arg, const struct event *ev)
{
	return who_container(arg, ev);
}

static const char *scope_unit(void *arg, const struct event *ev)
{
	return who_unit(arg, ev);
}

static const char *scope_cgroup(void *arg, const struct event *ev)
{
	return who_cgroup(arg, ev);
}

static uint64_t scope_goroutine(void *arg, const struct event *ev)
{
	return who_goroutine(arg, ev);
}

struct query_scope who_scope(struct who *w, uint64_t (*since_ns)(void *time_arg, const struct event *ev),
			     void *time_arg)
{
	return (struct query_scope) {
		.arg = w,
		.host = scope_host,
		.process = scope_process,
		.title = scope_title,
		.container = scope_container,
		.unit = scope_unit,
		.cgroup = scope_cgroup,
		.goroutine = scope_goroutine,
		.time_arg = time_arg,
		.since_ns = since_ns,
	};
}
