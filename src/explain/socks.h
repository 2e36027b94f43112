/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SOCKS_H
#define SAKER_EXPLAIN_SOCKS_H
/*
 * socks - whose sockets they are, who is at the other end, and who listened at which address.  Inside of story.
 * Memory: SOCKS_MAX sockets and SERVICES_MAX listeners; the rest is refused and counted by the caller.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

struct event;

#define SOCK_NONE 0x7fffffffU

struct sock_row {
	uint64_t cookie, netns;
	uint64_t first_ns;	   /* when it was first seen */
	uint64_t shut_ns, shut_id; /* its owner closed its direction; 0: did not */
	uint8_t remote[16];
	uint32_t host;
	uint32_t actor, peer; /* processes, CAST_NONE: unknown */
	uint16_t remote_port;
	uint8_t passive; /* it was accepted */
};

/* Somebody listened, or took a connection, at an address. */
struct service {
	uint64_t from_ns, id;
	uint32_t host, actor;
	uint32_t before; /* index + 1 of the one before at this address, 0: none */
};

struct socks {
	struct map by_cookie; /* (host, cookie) mixed -> row */
	struct sock_row *rows;
	size_t count;
	struct map by_address; /* (address, port, namespace where it matters) mixed -> last service */
	struct service *services;
	size_t nservices;
};

void socks_fini(struct socks *s);
/* The socket's row, made if need be; SOCK_NONE: no room, or cookie 0. */
uint32_t socks_of(struct socks *s, uint32_t host, uint64_t cookie, uint64_t now_ns);
/* Learns from socket, connect, connected, accept, listen, send, recv and shutdown events of the actor. */
void socks_learn(struct socks *s, const struct event *ev, uint32_t actor);
/* Who listened last at the remote address of row i at t (NULL: nobody), and who first did later. */
const struct service *socks_service(const struct socks *s, uint32_t i, uint64_t t);
const struct service *socks_service_after(const struct socks *s, uint32_t i, uint64_t t);

#endif
