/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/service_map.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/err.h"

struct building {
	struct service_map m;
	struct map processes; /* (host, process) -> the name under which it serves; AMBIGUOUS: several */
	struct map nodes;     /* name, and whether it is the outside -> node */
	struct map edges;     /* hash of from, to, protocol -> edge */
};

#define AMBIGUOUS UINT64_MAX

static uint64_t process_key(const struct span *row)
{
	return (uint64_t)row->host << 32 | row->tgid;
}

/* What serves under a name asks under it, too, though a client span knows only the program's. */
static int name_processes(struct building *b)
{
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < b->m.s->count; i++) {
		const struct span *row = &b->m.s->rows[i];
		uint64_t *at;

		if (row->kind != SPAN_SERVER || !row->tgid)
			continue;
		at = map_get(&b->processes, process_key(row));
		if (!at)
			r = map_set(&b->processes, process_key(row), row->service);
		else if (*at != row->service)
			*at = AMBIGUOUS;
	}
	return r;
}

/* The span on whose behalf it was made; what programs say of themselves lies between them. */
static const struct span *above(const struct spans *s, const struct span *row)
{
	const struct span *up = row->parent < s->count ? &s->rows[row->parent] : NULL;
	size_t n;

	for (n = 0; up && up->kind == SPAN_INTERNAL && n < s->count; n++)
		up = up->parent < s->count ? &s->rows[up->parent] : NULL;
	return up;
}

static uint32_t caller_name(const struct building *b, const struct span *client)
{
	const struct span *up = above(b->m.s, client);
	const uint64_t *at = client->tgid ? map_get(&b->processes, process_key(client)) : NULL;

	if (up && up->kind == SPAN_SERVER && up->tgid == client->tgid && up->host == client->host && client->tgid)
		return up->service;
	return at && *at != AMBIGUOUS ? (uint32_t)*at : client->service;
}

static int node_of(struct building *b, uint32_t name, bool outside, uint32_t *ret)
{
	/* who is seen from outside and recorded itself is one */
	uint64_t key = name, *at = map_get(&b->nodes, key);
	struct map_node *grown;

	if (at) {
		*ret = (uint32_t)*at;
		if (!outside)
			b->m.nodes[*at].outside = false;
		return 0;
	}
	grown = array_grown(b->m.nodes, b->m.nnodes, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	b->m.nodes = grown;
	if (map_set(&b->nodes, key, b->m.nnodes) < 0)
		return -ENOMEM;
	*ret = (uint32_t)b->m.nnodes;
	b->m.nodes[b->m.nnodes++] = (struct map_node) { .name = name, .outside = outside };
	return 0;
}

static int edge_of(struct building *b, uint32_t from, uint32_t to, uint32_t protocol, uint32_t *ret)
{
	uint64_t key = map_hash(map_hash((uint64_t)from << 32 | to) + protocol), *at;
	struct map_edge *grown;

	for (; (at = map_get(&b->edges, key)); key++) {
		const struct map_edge *e = &b->m.edges[*at];

		if (e->from == from && e->to == to && e->protocol == protocol) {
			*ret = (uint32_t)*at;
			return 0;
		}
	}
	grown = array_grown(b->m.edges, b->m.nedges, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	b->m.edges = grown;
	if (map_set(&b->edges, key, b->m.nedges) < 0)
		return -ENOMEM;
	*ret = (uint32_t)b->m.nedges;
	b->m.edges[b->m.nedges++] =
		(struct map_edge) { .from = from, .to = to, .protocol = protocol, .away_ns = UINT64_MAX };
	return 0;
}

static uint64_t duration_of(const struct span *row)
{
	return row->end_ns > row->begin_ns ? row->end_ns - row->begin_ns : 0;
}

static uint64_t sock_key(uint32_t host, uint64_t sock)
{
	return map_hash(map_hash(host + 1ULL) + sock);
}

/* One call as both ends saw it; either may be NULL. */
static int add_call(struct building *b, uint32_t from, uint32_t to, const struct span *client,
		    const struct span *server)
{
	const struct span *seen = client ? client : server;
	uint32_t protocol = seen->protocol < b->m.s->nprotocols ? seen->protocol : (uint32_t)b->m.s->nprotocols, at;
	bool answered = !(seen->flags & (SPAN_UNANSWERED | SPAN_UNASKED | SPAN_ONE_WAY));
	struct map_edge *e;
	int r = edge_of(b, from, to, protocol, &at);

	if (r < 0)
		return r;
	e = &b->m.edges[at];
	e->requests++;
	e->failed += ((client ? client->flags : 0) | (server ? server->flags : 0)) & SPAN_FAILED ? 1 : 0;
	e->unanswered += (seen->flags & SPAN_UNANSWERED) != 0;
	e->request_bytes += seen->request_bytes;
	e->response_bytes += seen->response_bytes;
	if (client && server && answered && duration_of(client) >= duration_of(server) &&
	    duration_of(client) - duration_of(server) < e->away_ns)
		e->away_ns = duration_of(client) - duration_of(server);
	if (answered)
		r = hist_add(&e->ns, duration_of(seen), 1);
	if (r >= 0 && client && client->sock)
		r = map_set(&b->m.socks, sock_key(client->host, client->sock), at);
	if (r >= 0 && server && server->sock)
		r = map_set(&b->m.socks, sock_key(server->host, server->sock), at);
	return r;
}

static bool has_server(const struct spans *s, uint32_t at)
{
	uint32_t child = s->rows[at].first_child;
	size_t n = 0;

	for (; child < s->count && n++ < s->count; child = s->rows[child].next)
		if (s->rows[child].kind == SPAN_SERVER)
			return true;
	return false;
}

/* What a service did at its own end, and the call that led to it. */
static int add_server(struct building *b, uint32_t at)
{
	const struct span *row = &b->m.s->rows[at];
	const struct span *up = row->parent < b->m.s->count ? &b->m.s->rows[row->parent] : NULL;
	const struct span *client = up && up->kind == SPAN_CLIENT ? up : NULL;
	uint32_t from, to;
	int r = node_of(b, row->service, false, &to);

	if (r >= 0) {
		b->m.nodes[to].requests++;
		b->m.nodes[to].failed += (row->flags & SPAN_FAILED) != 0;
		if (!(row->flags & (SPAN_UNANSWERED | SPAN_UNASKED | SPAN_ONE_WAY)))
			r = hist_add(&b->m.nodes[to].ns, duration_of(row), 1);
	}
	if (r >= 0)
		r = up ? node_of(b, client ? caller_name(b, client) : up->service, false, &from)
		       : node_of(b, 0, true, &from);
	return r < 0 ? r : add_call(b, from, to, client, row);
}

static int add_client(struct building *b, uint32_t at)
{
	const struct span *row = &b->m.s->rows[at];
	uint32_t from, to;
	int r = node_of(b, caller_name(b, row), false, &from);

	if (r < 0 || has_server(b->m.s, at))
		return r;
	r = node_of(b, row->peer, true, &to);
	return r < 0 ? r : add_call(b, from, to, row, NULL);
}

/* A span of neither kind, below one of another service: a call all the same. */
static int add_internal(struct building *b, uint32_t at)
{
	const struct span *row = &b->m.s->rows[at];
	const struct span *up = row->parent < b->m.s->count ? &b->m.s->rows[row->parent] : NULL;

	if (up && up->kind != SPAN_CLIENT && up->service != row->service)
		return add_server(b, at);
	return 0;
}

static int add_span(struct building *b, uint32_t at)
{
	switch (b->m.s->rows[at].kind) {
	case SPAN_SERVER:
		return add_server(b, at);
	case SPAN_CLIENT:
		return add_client(b, at);
	default:
		return add_internal(b, at);
	}
}

static int by_requests(const void *a, const void *b)
{
	const struct map_edge *x = a, *y = b;

	if (x->requests != y->requests)
		return x->requests > y->requests ? -1 : 1;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to < y->to ? -1 : 1;
	return x->protocol < y->protocol ? -1 : x->protocol > y->protocol;
}

/* Sockets name edges by their places, so those are changed along. */
static int sort_edges(struct service_map *m)
{
	uint32_t *place = calloc(m->nedges + 1, sizeof(*place)), i;
	const struct map_slot *slot;
	size_t at = 0;

	if (!place)
		return -ENOMEM;
	for (i = 0; i < m->nedges; i++)
		m->edges[i].retransmits = i;
	if (m->nedges)
		qsort(m->edges, m->nedges, sizeof(*m->edges), by_requests);
	for (i = 0; i < m->nedges; i++) {
		place[m->edges[i].retransmits] = i;
		m->edges[i].retransmits = 0;
	}
	while ((slot = map_each(&m->socks, &at)))
		*map_get(&m->socks, slot->key) = place[slot->value];
	free(place);
	return 0;
}

int service_map_build(const struct spans *s, struct service_map *ret, struct err *err)
{
	struct building b = { .m = { .s = s } };
	uint32_t i;
	int r = name_processes(&b);

	for (i = 0; r >= 0 && i < s->count; i++) {
		const struct span *row = &s->rows[i];

		b.m.from_ns = !i || row->begin_ns < b.m.from_ns ? row->begin_ns : b.m.from_ns;
		b.m.to_ns = row->end_ns > b.m.to_ns ? row->end_ns : b.m.to_ns;
		r = add_span(&b, i);
	}
	if (r >= 0)
		r = sort_edges(&b.m);
	map_fini(&b.processes);
	map_fini(&b.nodes);
	map_fini(&b.edges);
	if (r < 0) {
		service_map_fini(&b.m);
		return err_set(err, ENOMEM, "out of memory for the map of %zu spans", s->count);
	}
	*ret = b.m;
	return 0;
}

void service_map_fini(struct service_map *m)
{
	size_t i;

	for (i = 0; i < m->nnodes; i++)
		hist_fini(&m->nodes[i].ns);
	for (i = 0; i < m->nedges; i++)
		hist_fini(&m->edges[i].ns);
	free(m->nodes);
	free(m->edges);
	map_fini(&m->socks);
	*m = (struct service_map) { 0 };
}

void service_map_retransmit(struct service_map *m, uint32_t host, uint64_t sock)
{
	const uint64_t *at = map_get(&m->socks, sock_key(host, sock));

	m->retransmits_known = true;
	if (at)
		m->edges[*at].retransmits++;
}
