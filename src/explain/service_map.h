/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SERVICE_MAP_H
#define SAKER_EXPLAIN_SERVICE_MAP_H
/*
 * service_map - services, and who calls whom: how often, how long it took, and how it ended.
 *
 * A call is a server span, with the client span that is its parent where that end was recorded, or a client span whose server
 * was not: then its callee is the peer's name or address, and lies outside.  Who calls a server whose client was not
 * recorded is one node, "outside".  Calls are counted at the caller where it was recorded: its times include the network.
 *
 * Threads: one writer, then any readers.  Memory: that of a histogram a node and edge (base/hist.h), 16 bytes a socket.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "base/map.h"
#include "explain/span.h"

struct buf;
struct err;

struct map_node {
	uint32_t name;		   /* spans_text(); 0 and outside: whoever is not recorded */
	bool outside;		   /* seen by its callers or callees only */
	uint64_t requests, failed; /* that it served */
	struct hist ns;		   /* how long, at its own end */
};

struct map_edge {
	uint32_t from, to; /* nodes */
	uint32_t protocol; /* index of spans.protocols; spans->nprotocols: none is known */
	uint64_t requests, failed, unanswered;
	uint64_t request_bytes, response_bytes;
	uint64_t retransmits; /* see service_map_retransmit() */
	uint64_t
		away_ns; /* the least that a call was away from both ends: a round trip takes no longer; UINT64_MAX: unknown */
	struct hist ns; /* answered calls */
};

struct service_map {
	const struct spans *s; /* borrowed */
	struct map_node *nodes;
	size_t nnodes;
	struct map_edge *edges; /* most requests first */
	size_t nedges;
	uint64_t from_ns, to_ns; /* from the first begin to the last end */
	struct map socks;	 /* (host, cookie) -> edge */
	bool retransmits_known;
};

int service_map_build(const struct spans *s, struct service_map *ret, struct err *err);
void service_map_fini(struct service_map *m); /* zeroed ok */

/* A segment was sent again on that socket; sockets of no call are passed over.  Sets retransmits_known. */
void service_map_retransmit(struct service_map *m, uint32_t host, uint64_t sock);

const char *service_map_name(const struct service_map *m, uint32_t node);
double service_map_seconds(const struct service_map *m);

void service_map_text(struct buf *b, const struct service_map *m);
void service_map_json(struct buf *b, const struct service_map *m);
void service_map_dot(struct buf *b, const struct service_map *m); /* for graphviz */

#endif
