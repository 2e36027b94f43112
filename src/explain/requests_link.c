/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parents.  Of a server span: the client span at the other end of the connection whose request has the same place in the
 * stream.  Of a client span: by ids that the messages carry, else as requests_flow found it, else the one request of its
 * process that lasted as long, or the oldest of those.  Nothing is joined that contradicts causality: a child begins
 * while its parent lasts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain/requests_in.h"

#define LOOK_BACK 256 /* open requests of one process that are looked at */

static void join(struct requests *r, uint32_t child, uint32_t parent, enum span_evidence how, uint8_t sure)
{
	r->spans.rows[child].parent = parent;
	r->spans.rows[child].evidence = (uint8_t)how;
	r->spans.rows[child].confidence = sure;
}

/* --- the other end --- */

static uint64_t place_key(uint32_t conn, uint64_t offset)
{
	return map_hash(map_hash(offset + 1) + conn);
}

/* Server spans by connection and offset. */
static int index_places(const struct requests *r, struct map *map)
{
	uint32_t i;

	for (i = 0; i < r->spans.count; i++)
		if (r->spans.rows[i].kind == SPAN_SERVER && r->more.rows[i].request[0] != NONE &&
		    r->conns.rows[r->more.rows[i].conn].socktype != 2 /* datagrams have no place */ &&
		    map_set(map, place_key(r->more.rows[i].conn, r->more.rows[i].offset), i) < 0)
			return -ENOMEM;
	return 0;
}

static int link_ends(struct requests *r)
{
	struct map map = MAP_INIT;
	int n = index_places(r, &map);
	uint32_t i;

	for (i = 0; n >= 0 && i < r->spans.count; i++) {
		struct more *m = &r->more.rows[i];
		uint32_t mate = r->conns.rows[m->conn].mate;
		uint64_t *at;

		if (r->spans.rows[i].kind != SPAN_CLIENT || m->request[0] == NONE)
			continue;
		at = mate == NONE ? NULL : map_get(&map, place_key(mate, m->offset));
		if (at && r->more.rows[*at].conn == mate && r->more.rows[*at].offset == m->offset) {
			m->mate = (uint32_t)*at;
			r->more.rows[*at].mate = i;
		}
		if (m->mate != NONE)
			join(r, m->mate, i, EVIDENCE_OFFSETS, 100);
	}
	map_fini(&map);
	return n;
}

/* --- within one process --- */

/* Server spans of one process, sorted by when they began. */
struct process_row {
	uint64_t process, begin_ns;
	uint32_t span;
};

static int by_process(const void *pa, const void *pb)
{
	const struct process_row *a = pa, *b = pb;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->begin_ns != b->begin_ns)
		return a->begin_ns < b->begin_ns ? -1 : 1;
	return (a->span > b->span) - (a->span < b->span);
}

static uint64_t process_key(const struct span *s)
{
	return (uint64_t)s->host << 32 | s->tgid;
}

static struct process_row *sorted_servers(const struct requests *r, size_t *ret_n)
{
	struct process_row *rows = malloc((r->spans.count + 1) * sizeof(*rows));
	size_t i, n = 0;

	for (i = 0; rows && i < r->spans.count; i++)
		if (r->spans.rows[i].kind == SPAN_SERVER && r->more.rows[i].request[0] != NONE)
			rows[n++] = (struct process_row) { process_key(&r->spans.rows[i]), r->more.rows[i].raw_begin_ns,
							   (uint32_t)i };
	if (n)
		qsort(rows, n, sizeof(*rows), by_process);
	*ret_n = n;
	return rows;
}

/* How many of them began in that process at or before then, as an index. */
static size_t began_before(const struct process_row *rows, size_t n, uint64_t process, uint64_t ns)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (rows[mid].process < process || (rows[mid].process == process && rows[mid].begin_ns <= ns))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool same_ids(const struct more *a, const struct more *b)
{
	if ((a->trace[0] || a->trace[1]) && a->trace[0] == b->trace[0] && a->trace[1] == b->trace[1])
		return true;
	return a->request_id && a->request_id == b->request_id;
}

/* The latest with the same ids, if it was not answered before. */
static void link_by_id(struct requests *r, const struct process_row *rows, size_t n, uint32_t child)
{
	const struct more *m = &r->more.rows[child];
	uint64_t process = process_key(&r->spans.rows[child]);
	size_t i = began_before(rows, n, process, m->raw_begin_ns), tried = 0;

	for (; i-- > 0 && rows[i].process == process && tried < LOOK_BACK * 16; tried++) {
		const struct more *s = &r->more.rows[rows[i].span];

		if (!same_ids(m, s) || (s->response[0] != NONE && s->raw_end_ns < m->raw_begin_ns))
			continue;
		join(r, child, rows[i].span, EVIDENCE_ID, 100);
		return;
	}
}

/* Those of the process that lasted from before the child to after it; the oldest first come. */
static void link_by_turn(struct requests *r, const struct process_row *rows, size_t n, uint32_t child)
{
	const struct more *m = &r->more.rows[child];
	uint64_t process = process_key(&r->spans.rows[child]);
	size_t i = began_before(rows, n, process, m->raw_begin_ns), tried = 0;
	uint32_t found = NONE, count = 0;

	for (; i-- > 0 && rows[i].process == process && tried < LOOK_BACK; tried++) {
		const struct more *s = &r->more.rows[rows[i].span];

		if (s->response[0] != NONE && s->raw_end_ns < m->raw_end_ns)
			continue;
		found = rows[i].span;
		count++;
	}
	if (!count)
		return;
	join(r, child, found, EVIDENCE_QUEUE, count == 1 ? 90 : 20);
	if (count > 1)
		r->spans.rows[child].flags |= SPAN_AMBIGUOUS;
}

static void link_client(struct requests *r, const struct process_row *rows, size_t n, uint32_t i)
{
	const struct more *m = &r->more.rows[i];

	if (m->request[0] == NONE)
		return;
	if (!r->opts.ignore_ids && (m->request_id || m->trace[0] || m->trace[1]))
		link_by_id(r, rows, n, i);
	if (r->spans.rows[i].parent != SPAN_NONE)
		return;
	if (m->owner == NONE) {
		link_by_turn(r, rows, n, i);
		return;
	}
	join(r, i, m->owner, (enum span_evidence)m->how, m->sure);
	if (m->doubt)
		r->spans.rows[i].flags |= SPAN_AMBIGUOUS;
}

/* --- no cycles, and nobody before its parent --- */

/* Depth first without recursion: the chain upwards from each span is walked once. */
static int settle(struct requests *r)
{
	enum { NEW, OPEN, SETTLED };
	uint8_t *state = calloc(r->spans.count + 1, 1);
	uint32_t *chain = malloc((r->spans.count + 1) * sizeof(*chain));
	size_t i, n;

	for (i = 0; state && chain && i < r->spans.count; i++) {
		uint32_t at = (uint32_t)i;

		for (n = 0; at != SPAN_NONE && state[at] == NEW; at = r->spans.rows[at].parent) {
			state[at] = OPEN;
			chain[n++] = at;
		}
		if (at != SPAN_NONE && state[at] == OPEN) /* impossible in a faithful recording */
			join(r, chain[n - 1], SPAN_NONE, EVIDENCE_ROOT, 0);
		while (n-- > 0) {
			struct span *s = &r->spans.rows[chain[n]];
			const struct span *p = s->parent == SPAN_NONE ? s : &r->spans.rows[s->parent];

			state[chain[n]] = SETTLED;
			if (s->begin_ns < p->begin_ns) /* the clocks of two hosts are known to an interval only */
				s->begin_ns = p->begin_ns;
			if (s->end_ns < s->begin_ns)
				s->end_ns = s->begin_ns;
		}
	}
	n = state && chain;
	free(state);
	free(chain);
	return n ? 0 : -ENOMEM;
}

/* --- loss --- */

static int by_from(const void *pa, const void *pb)
{
	const struct lost *a = pa, *b = pb;

	if (a->host != b->host)
		return a->host < b->host ? -1 : 1;
	return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

/* By host and begin, each with the latest end so far. */
static void sort_losses(struct requests *r)
{
	struct lost *l = r->losses.rows;
	size_t n = r->losses.count, i;

	if (n)
		qsort(l, n, sizeof(*l), by_from);
	for (i = 1; i < n; i++)
		if (l[i].host == l[i - 1].host && l[i].to_ns < l[i - 1].to_ns)
			l[i].to_ns = l[i - 1].to_ns;
}

bool requests_lost(const struct requests *r, uint32_t host, uint64_t from_ns, uint64_t to_ns)
{
	const struct lost *l = r->losses.rows;
	size_t low = 0, high = r->losses.count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l[mid].host < host || (l[mid].host == host && l[mid].from_ns <= to_ns))
			low = mid + 1;
		else
			high = mid;
	}
	return low && l[low - 1].host == host && l[low - 1].to_ns >= from_ns;
}

/* What lasted while events of its host were lost may lack something. */
static void mark_losses(struct requests *r)
{
	uint32_t i;

	sort_losses(r);
	for (i = 0; i < r->spans.count; i++)
		if (requests_lost(r, r->spans.rows[i].host, r->more.rows[i].raw_begin_ns, r->more.rows[i].raw_end_ns))
			r->spans.rows[i].flags |= SPAN_INCOMPLETE;
}

int requests_link(struct requests *r)
{
	size_t n, i;
	struct process_row *rows = sorted_servers(r, &n);
	int e = rows ? link_ends(r) : -ENOMEM;

	for (i = 0; e >= 0 && i < r->spans.count; i++)
		if (r->spans.rows[i].kind == SPAN_CLIENT)
			link_client(r, rows, n, (uint32_t)i);
	free(rows);
	if (e >= 0)
		e = settle(r);
	if (e >= 0)
		mark_losses(r);
	return e;
}
