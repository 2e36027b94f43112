/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/socks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "event/event.h"
#include "explain/cast.h"

#define SOCKS_MAX (1U << 22)
#define SERVICES_MAX (1U << 20)
#define TURNS_MAX 8

void socks_fini(struct socks *s)
{
	map_fini(&s->by_cookie);
	map_fini(&s->by_address);
	free(s->rows);
	free(s->services);
	*s = (struct socks) { 0 };
}

uint32_t socks_of(struct socks *s, uint32_t host, uint64_t cookie, uint64_t now_ns)
{
	uint64_t key = map_hash(cookie ^ (uint64_t)host << 48);
	const uint64_t *at = map_get(&s->by_cookie, key);
	struct sock_row *grown;

	if (at)
		return (uint32_t)*at;
	if (!cookie || s->count == SOCKS_MAX)
		return SOCK_NONE;
	grown = array_grown(s->rows, s->count, sizeof(*grown));
	if (!grown)
		return SOCK_NONE;
	s->rows = grown;
	if (map_set(&s->by_cookie, key, s->count) < 0)
		return SOCK_NONE;
	s->rows[s->count] = (struct sock_row) {
		.cookie = cookie, .host = host, .first_ns = now_ns, .actor = CAST_NONE, .peer = CAST_NONE
	};
	return (uint32_t)s->count++;
}

/* --- addresses --- */

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(ip, prefix, sizeof(prefix));
}

static bool is_loopback(const uint8_t ip[16])
{
	static const uint8_t one[16] = { [15] = 1 };

	return is_mapped(ip) ? ip[12] == 127 : !memcmp(ip, one, sizeof(one));
}

static bool is_any(const uint8_t ip[16])
{
	static const uint8_t zero[16];

	return !memcmp(ip, zero, sizeof(zero)) || (is_mapped(ip) && !memcmp(ip + 12, zero, 4));
}

/* Loopback and "any" mean another thing in each namespace of each host. */
static uint64_t address_key(uint32_t host, uint64_t netns, const uint8_t ip[16], uint16_t port)
{
	uint64_t half[2];

	if (!ip || is_any(ip))
		return map_hash(map_hash(netns + 1) ^ (uint64_t)host << 32 ^ port);
	memcpy(half, ip, sizeof(half));
	if (!is_loopback(ip))
		netns = host = 0;
	return map_hash(map_hash(half[0] ^ map_hash(half[1])) ^ map_hash(netns) ^ (uint64_t)host << 32 ^ port);
}

/* Several processes may take turns at one listener: those that did lately are known. */
static bool is_known(const struct socks *s, uint32_t n, uint32_t actor)
{
	unsigned int i;

	for (i = 0; n && i < TURNS_MAX; i++, n = s->services[n - 1].before)
		if (s->services[n - 1].actor == actor)
			return true;
	return false;
}

static void service_add(struct socks *s, const struct event *ev, uint32_t actor, uint64_t key)
{
	const uint64_t *at = map_get(&s->by_address, key);
	struct service *grown;

	if (s->nservices == SERVICES_MAX || (at && is_known(s, (uint32_t)*at + 1, actor)))
		return;
	grown = array_grown(s->services, s->nservices, sizeof(*grown));
	if (!grown)
		return;
	s->services = grown;
	s->services[s->nservices] =
		(struct service) { ev->boot_ns, ev->id, ev->host, actor, at ? (uint32_t)*at + 1 : 0 };
	if (map_set(&s->by_address, key, s->nservices) == 0)
		s->nservices++;
}

/* The last service at the address of row i, as index + 1; 0: none. */
static uint32_t service_last(const struct socks *s, uint32_t i)
{
	const struct sock_row *r = &s->rows[i];
	const uint64_t *at = map_get(&s->by_address, address_key(r->host, r->netns, r->remote, r->remote_port));

	if (!at && is_loopback(r->remote))
		at = map_get(&s->by_address, address_key(r->host, r->netns, NULL, r->remote_port));
	return at ? (uint32_t)*at + 1 : 0;
}

const struct service *socks_service(const struct socks *s, uint32_t i, uint64_t t)
{
	uint32_t n;

	if (i >= s->count)
		return NULL;
	for (n = service_last(s, i); n; n = s->services[n - 1].before)
		if (s->services[n - 1].from_ns <= t)
			return &s->services[n - 1];
	return NULL;
}

const struct service *socks_service_after(const struct socks *s, uint32_t i, uint64_t t)
{
	const struct service *first = NULL;
	uint32_t n;

	if (i >= s->count)
		return NULL;
	for (n = service_last(s, i); n && s->services[n - 1].from_ns > t; n = s->services[n - 1].before)
		first = &s->services[n - 1];
	return first;
}

/* --- learning --- */

static struct sock_row *row_of(struct socks *s, const struct event *ev, uint64_t cookie)
{
	uint32_t i = socks_of(s, ev->host, cookie, ev->boot_ns);

	return i == SOCK_NONE ? NULL : &s->rows[i];
}

static void learn_remote(struct sock_row *r, uint64_t netns, const uint8_t ip[16], uint16_t port)
{
	r->netns = netns;
	memcpy(r->remote, ip, sizeof(r->remote));
	r->remote_port = port;
}

static void learn_connect(struct socks *s, const struct event *ev, uint32_t actor)
{
	const struct event_connect *e = EVENT_AS(connect, ev);
	struct sock_row *r = row_of(s, ev, e->sock);

	if (!r)
		return;
	r->actor = actor;
	learn_remote(r, e->netns, e->remote, e->remote_port);
}

static void learn_accept(struct socks *s, const struct event *ev, uint32_t actor)
{
	const struct event_accept *e = EVENT_AS(accept, ev);
	struct sock_row *r = row_of(s, ev, e->sock);

	if (!r)
		return;
	r->actor = actor;
	r->passive = 1;
	learn_remote(r, e->netns, e->remote, e->remote_port);
	if (e->local_port && actor != CAST_NONE)
		service_add(s, ev, actor, address_key(ev->host, e->netns, e->local, e->local_port));
}

static void learn_socket(struct socks *s, const struct event *ev)
{
	const struct event_socket *e = EVENT_AS(socket, ev);
	struct sock_row *r = row_of(s, ev, e->sock);

	if (!r)
		return;
	r->passive = !!(e->flags & SOCKFLAGS_PASSIVE);
	learn_remote(r, e->netns, e->remote, e->remote_port);
}

static void learn_listen(struct socks *s, const struct event *ev, uint32_t actor)
{
	const struct event_listen *e = EVENT_AS(listen, ev);

	if (e->local_port && actor != CAST_NONE)
		service_add(s, ev, actor, address_key(ev->host, e->netns, e->local, e->local_port));
}

static void learn_shutdown(struct socks *s, const struct event *ev)
{
	struct sock_row *r = row_of(s, ev, EVENT_AS(shutdown, ev)->sock);

	if (!r || r->shut_ns || ev->h->context != CONTEXT_TASK)
		return;
	r->shut_ns = ev->boot_ns;
	r->shut_id = ev->id;
}

void socks_learn(struct socks *s, const struct event *ev, uint32_t actor)
{
	switch (ev->type->id) {
	case EVENT_SOCKET:
		learn_socket(s, ev);
		break;
	case EVENT_CONNECT:
		learn_connect(s, ev, actor);
		break;
	case EVENT_ACCEPT:
		learn_accept(s, ev, actor);
		break;
	case EVENT_LISTEN:
		learn_listen(s, ev, actor);
		break;
	case EVENT_SHUTDOWN:
		learn_shutdown(s, ev);
		break;
	default:
		break;
	}
}
