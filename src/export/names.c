/* SPDX-License-Identifier: Apache-2.0 */
/* names - what the export must know of hosts, processes and sockets to write a line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "export/internal.h"

#define PLACES_MAX 65536

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory for the names of an export");
}

/* Recordings of two machines with one name are told apart by their number. */
int names_init(struct export *x, struct err *err)
{
	struct export_names *n = &x->names;
	uint32_t i, k;

	n->hosts = calloc(x->opts->hosts + 1, sizeof(*n->hosts));
	if (!n->hosts)
		return no_memory(err);
	n->nhosts = x->opts->hosts;
	for (i = 0; i < n->nhosts; i++) {
		const char *name = x->opts->host_name(x->opts->arg, i);
		bool taken = false;

		for (k = 0; k < n->nhosts && !taken; k++)
			taken = k != i && !strcmp(name, x->opts->host_name(x->opts->arg, k));
		if (asprintf(&n->hosts[i], taken ? "%s-%u" : "%s", name[0] ? name : "host", i) < 0) {
			n->hosts[i] = NULL;
			return no_memory(err);
		}
	}
	return 0;
}

void names_fini(struct export_names *n)
{
	uint32_t i;

	for (i = 0; n->hosts && i < n->nhosts; i++)
		free(n->hosts[i]);
	for (i = 0; i < n->nplaces; i++)
		free(n->places[i]);
	free(n->hosts);
	free(n->places);
	free(n->processes);
	free(n->socks);
	map_fini(&n->place_map);
	map_fini(&n->process_map);
	map_fini(&n->sock_map);
}

/* Room for one more in an array that doubles. */
static void *grown(void *array, uint32_t n, size_t size)
{
	return n & (n - 1) ? array : realloc(array, (n ? 2 * (size_t)n : 1) * size);
}

/* Namespaces and containers */
static uint64_t place_key(uint32_t host, uint64_t netns)
{
	return map_hash(netns ^ (uint64_t)host << 48);
}

static uint64_t container_key(uint32_t host, uint64_t cgroup)
{
	return map_hash(place_key(host, cgroup) + 1);
}

static int learn_place(struct export_names *n, const struct event *ev, uint64_t key, struct err *err)
{
	char **all;

	if (!event_string(ev, 0)[0] || n->nplaces == PLACES_MAX || map_get(&n->place_map, key))
		return 0;
	all = grown(n->places, n->nplaces, sizeof(*all));
	if (!all)
		return no_memory(err);
	n->places = all;
	all[n->nplaces] = strdup(event_string(ev, 0));
	if (!all[n->nplaces])
		return no_memory(err);
	return map_set(&n->place_map, key, ++n->nplaces) < 0 ? no_memory(err) : 0;
}

/* Processes */
static struct export_process *process_find(const struct export_names *n, uint32_t host, uint32_t tgid)
{
	const uint64_t *at = map_get(&n->process_map, (uint64_t)host << 32 | tgid);

	return at ? &n->processes[*at - 1] : NULL;
}

static struct export_process *process_get(struct export_names *n, uint32_t host, uint32_t tgid)
{
	struct export_process *p = process_find(n, host, tgid), *all;

	if (p || n->nprocesses == EXPORT_NAMES_MAX)
		return p;
	all = grown(n->processes, n->nprocesses, sizeof(*all));
	if (!all || map_set(&n->process_map, (uint64_t)host << 32 | tgid, n->nprocesses + 1) < 0)
		return NULL;
	n->processes = all;
	all[n->nprocesses] = (struct export_process) { .netns = 0 };
	return &all[n->nprocesses++];
}

static void learn_process(struct export_names *n, const struct event *ev)
{
	struct export_process *p = process_get(n, ev->host, ev->h->tgid);

	if (!p)
		return;
	if (event_string(ev, 0)[0])
		title_of(event_string(ev, 0), event_string(ev, 2), p->comm, sizeof(p->comm));
	p->netns = EVENT_AS(process, ev)->netns;
	p->cgroup = EVENT_AS(process, ev)->cgroup;
}

static void learn_fork(struct export_names *n, const struct event *ev)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	const struct export_process *parent = process_find(n, ev->host, ev->h->tgid);
	uint64_t netns = parent ? parent->netns : 0, cgroup = parent ? parent->cgroup : 0;
	struct export_process *child;

	if (e->flags & PROCFLAGS_THREAD)
		return;
	child = process_get(n, ev->host, e->child_tgid);
	if (!child)
		return;
	child->netns = netns;
	child->cgroup = cgroup;
	if (event_string(ev, 0)[0])
		(void)snprintf(child->comm, sizeof(child->comm), "%.15s", event_string(ev, 0));
}

/* Sockets */
static uint64_t sock_key(uint32_t host, uint64_t cookie)
{
	return map_hash(cookie + map_hash(host + 1));
}

const struct export_sock *names_sock(const struct export *x, uint32_t host, uint64_t cookie)
{
	const uint64_t *at = map_get(&x->names.sock_map, sock_key(host, cookie));
	const struct export_sock *s = at ? &x->names.socks[*at - 1] : NULL;

	return s && s->host == host && s->cookie == cookie ? s : NULL;
}

static struct export_sock *sock_get(struct export *x, uint32_t host, uint64_t cookie)
{
	struct export_names *n = &x->names;
	struct export_sock *s = (struct export_sock *)(uintptr_t)names_sock(x, host, cookie), *all;

	if (s || n->nsocks == EXPORT_NAMES_MAX || map_get(&n->sock_map, sock_key(host, cookie)))
		return s;
	all = grown(n->socks, n->nsocks, sizeof(*all));
	if (!all || map_set(&n->sock_map, sock_key(host, cookie), n->nsocks + 1) < 0)
		return NULL;
	n->socks = all;
	all[n->nsocks] = (struct export_sock) { .cookie = cookie, .host = host };
	return &all[n->nsocks++];
}

/* The events that tell both ends have the same fields, at other places. */
#define LEARN_SOCK(x, ev, name)                                                                           \
	do {                                                                                              \
		const struct event_##name *e_ = EVENT_AS(name, ev);                                       \
		learn_ends(x, ev->host, e_->sock, e_->local, e_->remote, e_->local_port, e_->remote_port, \
			   e_->protocol);                                                                 \
	} while (0)

static void learn_ends(struct export *x, uint32_t host, uint64_t cookie, const uint8_t *local, const uint8_t *remote,
		       uint16_t local_port, uint16_t remote_port, uint8_t protocol)
{
	struct export_sock *s = remote_port ? sock_get(x, host, cookie) : NULL;

	if (!s)
		return;
	memcpy(s->local, local, sizeof(s->local));
	memcpy(s->remote, remote, sizeof(s->remote));
	s->local_port = local_port;
	s->remote_port = remote_port;
	s->protocol = protocol;
}

int names_learn(struct export *x, const struct event *ev, struct err *err)
{
	struct export_names *n = &x->names;

	switch (ev->type->id) {
	case EVENT_NETNS:
		return learn_place(n, ev, place_key(ev->host, EVENT_AS(netns, ev)->netns), err);
	case EVENT_CONTAINER:
		return learn_place(n, ev, container_key(ev->host, EVENT_AS(container, ev)->cgroup), err);
	case EVENT_PROCESS:
	case EVENT_EXEC:
		learn_process(n, ev);
		return 0;
	case EVENT_FORK:
		learn_fork(n, ev);
		return 0;
	case EVENT_SOCKET:
		LEARN_SOCK(x, ev, socket);
		return 0;
	case EVENT_CONNECTED:
		LEARN_SOCK(x, ev, connected);
		return 0;
	case EVENT_ACCEPT:
		LEARN_SOCK(x, ev, accept);
		return 0;
	default:
		return 0;
	}
}

const char *names_place(const struct export *x, uint32_t host, uint32_t tgid)
{
	const struct export_names *n = &x->names;
	const struct export_process *p = n->nhosts > 1 ? NULL : process_find(n, host, tgid);
	const uint64_t *at = p ? map_get(&n->place_map, container_key(host, p->cgroup)) : NULL;

	if (!at && p)
		at = map_get(&n->place_map, place_key(host, p->netns));
	if (at)
		return n->places[*at - 1];
	return host < n->nhosts ? n->hosts[host] : "";
}

const char *names_comm(const struct export *x, uint32_t host, uint32_t tgid)
{
	const struct export_process *p = process_find(&x->names, host, tgid);

	return p ? p->comm : "";
}
