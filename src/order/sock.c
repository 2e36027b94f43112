/* SPDX-License-Identifier: Apache-2.0 */
/* sock - the sockets that events name, by (host, cookie), and the flows of datagrams. */
#include "order/internal.h"

#include <errno.h>
#include <string.h>

enum { SOCK_KEY, PIPE_KEY }; /* cookies of sockets and numbers of pipes are two things */

/* The latest one, if several had the cookie (imports). */
uint32_t order_sock_find(const struct order *o, uint32_t host, uint64_t cookie)
{
	return table_get(&o->sock_table, host, SOCK_KEY, cookie);
}

static struct order_sock *sock_push(struct order *o, uint32_t host, uint32_t kind, uint64_t cookie)
{
	uint32_t i = NSOCKS(o);
	struct order_sock *s;

	if (i == NONE - 1) {
		o->memory.failed = EOVERFLOW;
		return NULL;
	}
	s = BIG_PUSH(&o->memory, &o->socks, struct order_sock);
	if (!s)
		return NULL;
	*s = (struct order_sock) { .cookie = cookie, .host = host, .mate = NONE, .connect = NONE, .accept = NONE };
	if (table_set(&o->sock_table, host, kind, cookie, i) < 0) {
		o->memory.failed = ENOMEM;
		return NULL;
	}
	return s;
}

struct order_sock *order_sock_get(struct order *o, uint32_t host, uint64_t cookie, uint64_t boot_ns)
{
	uint32_t i = order_sock_find(o, host, cookie);
	struct order_sock *s = i != NONE ? &SOCKS(o)[i] : sock_push(o, host, SOCK_KEY, cookie);

	if (!s)
		return NULL;
	if (i == NONE || boot_ns < s->first_ns)
		s->first_ns = boot_ns;
	if (boot_ns > s->last_ns)
		s->last_ns = boot_ns;
	return s;
}

struct order_sock *order_pipe_get(struct order *o, uint32_t host, uint64_t stream)
{
	uint32_t i = table_get(&o->sock_table, host, PIPE_KEY, stream);
	struct order_sock *s;

	if (i != NONE)
		return &SOCKS(o)[i];
	s = sock_push(o, host, PIPE_KEY, stream);
	if (s) {
		s->mate = NSOCKS(o) - 1;
		s->flags = SOCK_DESCRIBED;
		s->family = ORDER_PIPE;
	}
	return s;
}

struct order_sock *order_sock_again(struct order *o, struct order_sock *s)
{
	struct order_sock old = *s, *fresh = sock_push(o, s->host, SOCK_KEY, s->cookie);

	if (!fresh)
		return NULL;
	fresh->netns = old.netns;
	memcpy(fresh->local, old.local, sizeof(old.local));
	memcpy(fresh->remote, old.remote, sizeof(old.remote));
	fresh->local_port = old.local_port;
	fresh->remote_port = old.remote_port;
	fresh->family = old.family;
	fresh->socktype = old.socktype;
	fresh->protocol = old.protocol;
	fresh->flags = old.flags & (SOCK_DESCRIBED | SOCK_TUPLE | SOCK_IMPORTED);
	fresh->first_ns = fresh->last_ns = old.last_ns;
	return fresh;
}

static uint64_t flow_key(const struct order_flow *f)
{
	uint64_t part[4], key = map_hash((uint64_t)f->from_port << 32 | (uint64_t)f->to_port << 16 | f->family);

	memcpy(part, f->from, sizeof(f->from));
	memcpy(part + 2, f->to, sizeof(f->to));
	key = map_hash(key + part[0]);
	key = map_hash(key + part[1]);
	key = map_hash(key + part[2]);
	return map_hash(key + part[3]) + f->host;
}

static bool flow_same(const struct order_flow *a, const struct order_flow *b)
{
	return a->from_port == b->from_port && a->to_port == b->to_port && a->netns == b->netns && a->host == b->host &&
	       a->family == b->family && a->protocol == b->protocol && a->counted == b->counted &&
	       !memcmp(a->from, b->from, sizeof(a->from)) && !memcmp(a->to, b->to, sizeof(a->to));
}

uint32_t order_flow_get(struct order *o, const struct order_flow *flow)
{
	uint64_t key = flow_key(flow);
	const uint64_t *first = map_get(&o->flow_map, key);
	const struct order_flow *all = BIG_AT(&o->flows, struct order_flow);
	uint32_t i, next = first ? (uint32_t)*first : NONE;
	struct order_flow *f;

	for (i = next; i != NONE; i = all[i].next) {
		if (flow_same(&all[i], flow))
			return i;
	}
	i = (uint32_t)BIG_COUNT(&o->flows, struct order_flow);
	f = BIG_PUSH(&o->memory, &o->flows, struct order_flow);
	if (!f)
		return 0;
	*f = *flow;
	f->next = next;
	if (map_set(&o->flow_map, key, i) < 0)
		o->memory.failed = ENOMEM;
	return i;
}
