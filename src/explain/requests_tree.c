/* SPDX-License-Identifier: Apache-2.0 */
/* Spans in the order of time, parents first; ids, traces, the services at the other ends, log lines. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "event/event.h"
#include "explain/requests_in.h"

/* --- ids --- */

static uint64_t end_hash(const uint8_t addr[16], uint16_t port, uint32_t isn)
{
	uint64_t half[2];

	memcpy(half, addr, sizeof(half));
	return map_hash(map_hash(map_hash(half[0] + 1) + half[1]) + ((uint64_t)port << 32 | isn));
}

/* Both ends of a connection give the same, whoever they ask. */
static uint64_t conn_hash(const struct requests *r, const struct conn *c)
{
	uint64_t a = end_hash(c->local, c->local_port, c->isn), b = end_hash(c->remote, c->remote_port, c->peer_isn);

	if (c->remote_port && (c->isn || c->peer_isn))
		return map_hash((a < b ? a : b) ^ map_hash(a < b ? b : a));
	/* nothing names it but its own host */
	return map_hash(c->cookie ^ map_hash((uint64_t)r->epoch_ns[c->host] + c->host));
}

static uint64_t span_id(const struct requests *r, uint32_t i)
{
	const struct more *m = &r->more.rows[i];
	const struct conn *c = m->conn == NONE ? NULL : &r->conns.rows[m->conn];
	uint64_t place = c && c->socktype != SOCKTYPE_DGRAM ? m->offset : m->raw_begin_ns, id;

	if (c)
		id = map_hash(conn_hash(r, c) + map_hash(place + 1) + r->spans.rows[i].kind + 1);
	else /* what its program said within a request, which has its id */
		id = map_hash(r->spans.rows[m->owner].id + map_hash(place + m->offset));
	return id ? id : 1;
}

/* --- the other end --- */

static uint32_t remote_text(struct requests *r, const struct conn *c)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char addr[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];

	if (!c->remote_port)
		return 0;
	if (!memcmp(c->remote, mapped, sizeof(mapped)))
		(void)inet_ntop(AF_INET, c->remote + 12, addr, sizeof(addr));
	else
		(void)inet_ntop(AF_INET6, c->remote, addr, sizeof(addr));
	(void)snprintf(text, sizeof(text), strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr, c->remote_port);
	return requests_text(r, text);
}

static void set_peers(struct requests *r)
{
	uint32_t i;

	for (i = 0; i < r->spans.count; i++) {
		const struct more *m = &r->more.rows[i];
		struct span *s = &r->spans.rows[i];

		s->id = span_id(r, i);
		if (m->mate != NONE)
			s->peer = r->spans.rows[m->mate].service;
		else if (s->kind == SPAN_CLIENT)
			s->peer = remote_text(r, &r->conns.rows[m->conn]);
	}
}

/* --- order --- */

struct place {
	uint64_t begin_ns;
	uint32_t depth, span;
};

static int by_begin(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;

	if (a->begin_ns != b->begin_ns)
		return a->begin_ns < b->begin_ns ? -1 : 1;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return (a->span > b->span) - (a->span < b->span);
}

/* There are no cycles any more; chains are as long as calls are deep. */
static uint32_t depth_of(const struct requests *r, uint32_t i)
{
	uint32_t depth = 0;

	while ((i = r->spans.rows[i].parent) != SPAN_NONE && depth < 1000)
		depth++;
	return depth;
}

/* rows and all that names them by index; to: old place -> new. */
static int reorder(struct requests *r, const struct place *at, const uint32_t *to)
{
	size_t n = r->spans.count, i;
	struct span *rows = malloc((n + 1) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		rows[i] = r->spans.rows[at[i].span];
		if (rows[i].parent != SPAN_NONE)
			rows[i].parent = to[rows[i].parent];
	}
	for (i = 0; i < r->logs.count; i++)
		r->logs.rows[i].span = to[r->logs.rows[i].span];
	free(r->spans.rows);
	r->spans.rows = rows;
	r->spans.cap = n + 1;
	return 0;
}

static int sort_spans(struct requests *r)
{
	size_t n = r->spans.count, i;
	struct place *at = malloc((n + 1) * sizeof(*at));
	uint32_t *to = malloc((n + 1) * sizeof(*to));
	int e = at && to ? 0 : -ENOMEM;

	for (i = 0; e == 0 && i < n; i++)
		at[i] = (struct place) { r->spans.rows[i].begin_ns, depth_of(r, (uint32_t)i), (uint32_t)i };
	if (e == 0) {
		qsort(at, n, sizeof(*at), by_begin);
		for (i = 0; i < n; i++)
			to[at[i].span] = (uint32_t)i;
		for (i = 0; i < n; i++) { /* ids in messages, until the traces have theirs */
			r->spans.rows[i].trace[0] = r->opts.ignore_ids ? 0 : r->more.rows[i].trace[0];
			r->spans.rows[i].trace[1] = r->opts.ignore_ids ? 0 : r->more.rows[i].trace[1];
		}
		e = reorder(r, at, to);
	}
	free(at);
	free(to);
	return e;
}

/* --- traces --- */

static void set_children(struct spans *s)
{
	uint32_t i;

	for (i = (uint32_t)s->count; i-- > 0;) {
		struct span *row = &s->rows[i];

		if (row->parent == SPAN_NONE)
			continue;
		row->next = s->rows[row->parent].first_child;
		s->rows[row->parent].first_child = i;
	}
}

/* In the order of time, so that parents come first: each hands its trace (an index, in first_child's stead) down. */
static int set_traces(struct requests *r)
{
	struct spans *s = &r->spans;
	uint32_t *trace = malloc((s->count + 1) * sizeof(*trace)), i;

	for (i = 0; trace && i < s->count; i++) {
		const struct span *row = &s->rows[i];
		struct span_trace *t, *grown;

		if (row->parent == SPAN_NONE) {
			grown = array_grown(s->traces, s->ntraces, sizeof(*s->traces));
			if (!grown)
				break;
			s->traces = grown;
			trace[i] = (uint32_t)s->ntraces;
			s->traces[s->ntraces++] = (struct span_trace) { i, 0, row->begin_ns, row->end_ns };
		} else {
			trace[i] = trace[row->parent];
		}
		t = &s->traces[trace[i]];
		t->count++;
		if (row->end_ns > t->end_ns)
			t->end_ns = row->end_ns;
		if ((row->trace[0] || row->trace[1]) && !(s->rows[t->root].trace[0] || s->rows[t->root].trace[1]))
			memcpy(s->rows[t->root].trace, row->trace, sizeof(row->trace));
	}
	for (i = 0; trace && i < s->count; i++) {
		struct span *row = &s->rows[i], *root = &s->rows[s->traces[trace[i]].root];

		if (!root->trace[0] && !root->trace[1])
			span_trace_id(root->id, root->trace);
		memcpy(row->trace, root->trace, sizeof(row->trace));
	}
	s->cap_traces = s->ntraces;
	free(trace);
	return trace ? 0 : -ENOMEM;
}

/* --- log lines --- */

static int set_logs(struct requests *r)
{
	size_t n = r->spans.count, i;
	uint32_t *first = calloc(n + 2, sizeof(*first));
	struct order_ref *refs = malloc((r->logs.count + 1) * sizeof(*refs));

	r->log_first = first;
	r->log_refs = refs;
	if (!first || !refs)
		return -ENOMEM;
	for (i = 0; i < r->logs.count; i++)
		first[r->logs.rows[i].span + 2]++;
	for (i = 2; i < n + 2; i++)
		first[i] += first[i - 1];
	for (i = 0; i < r->logs.count; i++) {
		const struct act *a = &r->acts.rows[r->logs.rows[i].act];

		refs[first[r->logs.rows[i].span + 1]++] = (struct order_ref) { a->host, a->id };
	}
	return 0;
}

int requests_tree(struct requests *r)
{
	int e;

	set_peers(r);
	if (!r->spans.count)
		return 0;
	e = sort_spans(r);
	if (e < 0)
		return e;
	set_children(&r->spans);
	e = set_traces(r);
	return e < 0 ? e : set_logs(r);
}
