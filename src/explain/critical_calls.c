/* SPDX-License-Identifier: Apache-2.0 */
/*
 * critical_calls - the path's time by who called whom, and what failed work costs: sums over the spans that have the same
 * callers, so that the calls of a loop are one.
 *
 * What a trace would save if failed spans took no time (the children of one parent): spans that overlap, also over others,
 * are a block.  Within one, each span begins as long after the last that ended before it began as it did; what that
 * saves at the block's end is saved by all that follows.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/map.h"
#include "explain/critical.h"
#include "explain/critical_tree.h"

/* --- call paths --- */

static bool same(const struct critical_call *a, uint32_t parent, const struct span *row)
{
	return a->parent == parent && a->service == row->service && a->operation == row->operation;
}

/* The call of a row under its caller's; made where there is none yet. */
static int call_of(struct critical *c, struct map *known, uint32_t parent, const struct span *row, uint32_t *ret)
{
	uint64_t key = map_hash(map_hash((uint64_t)parent << 32 | row->service) + row->operation);
	struct critical_call *grown;
	uint64_t *at;

	for (; (at = map_get(known, key)); key++)
		if (same(&c->calls[*at], parent, row)) {
			*ret = (uint32_t)*at;
			return 0;
		}
	grown = array_grown(c->calls, c->ncalls, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->calls = grown;
	if (map_set(known, key, c->ncalls) < 0)
		return -ENOMEM;
	*ret = (uint32_t)c->ncalls;
	c->calls[c->ncalls++] =
		(struct critical_call) { .parent = parent, .service = row->service, .operation = row->operation };
	return 0;
}

static int name_calls(const struct spans *s, struct critical_tree *t, struct critical *c)
{
	struct map known = MAP_INIT;
	uint32_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < t->count; i++) {
		struct critical_node *n = &t->nodes[i];
		uint32_t parent = n->parent == CRITICAL_ROOT ? SPAN_NONE : t->nodes[n->parent].call;

		r = call_of(c, &known, parent, &s->rows[n->row], &n->call);
	}
	map_fini(&known);
	return r;
}

/* exclusive time by call path: negative sums, which overlaps allow, are 0 */
static int sum_calls(const struct critical_tree *t, const struct critical *c, uint64_t *out)
{
	uint64_t *inner = calloc(c->ncalls, sizeof(*inner));
	uint32_t i;

	if (!inner)
		return -ENOMEM;
	for (i = 0; i < t->count; i++) {
		const struct critical_node *n = &t->nodes[i];

		if (!n->on_path)
			continue;
		out[n->call] = critical_add(out[n->call], n->duration_ns);
		if (n->parent != CRITICAL_ROOT) {
			uint32_t above = t->nodes[n->parent].call;

			inner[above] = critical_add(inner[above], n->duration_ns);
		}
	}
	for (i = 0; i < c->ncalls; i++)
		out[i] = critical_less(out[i], inner[i]);
	free(inner);
	return 0;
}

/* --- errors on the path --- */

/*
 * Of interest are spans on the path that failed or have such a span below them on the path, and, beside the path, failed
 * spans whose parent is a failed one of interest.
 */
static void relate(struct critical_tree *t)
{
	uint32_t i;

	for (i = t->count; i-- > 0;) {
		struct critical_node *n = &t->nodes[i];

		n->related |= n->on_path && n->failed;
		if (n->related && n->parent != CRITICAL_ROOT)
			t->nodes[n->parent].related = true;
	}
	for (i = 1; i < t->count; i++) {
		const struct critical_node *parent = &t->nodes[t->nodes[i].parent];

		if (!t->nodes[i].on_path && t->nodes[i].failed && parent->failed && parent->related)
			t->nodes[i].related = true;
	}
}

/* Of a span beside the path: its own time on the path that its own tree has. */
static uint64_t own_time(const struct critical_tree *t, const struct critical_node *n)
{
	uint64_t own = n->duration_ns;
	uint32_t j, last = CRITICAL_ROOT;

	for (j = n->first; j < n->first + n->count; j++) {
		uint32_t child = t->by_end[j];

		if (last != CRITICAL_ROOT && !critical_tree_before(t, n, child, last))
			continue;
		own = critical_less(own, t->nodes[child].duration_ns);
		last = child;
	}
	return own;
}

static void count_error(const struct critical_tree *t, const struct critical_node *n, struct critical_call *call)
{
	bool child_failed = false;
	uint32_t j;

	for (j = n->first; j < n->first + n->count; j++)
		child_failed |= t->nodes[j].failed && t->nodes[j].related;
	if (!n->failed) {
		call->stopped += child_failed;
	} else if (n->on_path) {
		call->failed_ns = critical_add(call->failed_ns, n->exclusive_ns);
		*(child_failed ? &call->propagated : &call->self) += 1;
	} else {
		call->beside_failed_ns = critical_add(call->beside_failed_ns, own_time(t, n));
		*(child_failed ? &call->beside_propagated : &call->beside_self) += 1;
	}
}

/* Whole durations of what failed highest, for all above. */
static int sum_failed(const struct critical_tree *t, struct critical *c)
{
	uint64_t *below = calloc(t->count, sizeof(*below));
	uint32_t i;

	if (!below)
		return -ENOMEM;
	for (i = t->count; i-- > 0;) {
		const struct critical_node *n = &t->nodes[i];
		struct critical_call *call = &c->calls[n->call];

		if (!n->on_path || !n->related)
			continue;
		if (n->failed)
			below[i] = n->duration_ns;
		call->failed_all_ns = critical_add(call->failed_all_ns, below[i]);
		if (n->parent != CRITICAL_ROOT)
			below[n->parent] = critical_add(below[n->parent], below[i]);
	}
	free(below);
	return 0;
}

/* --- what failed work costs --- */

/* Children of one parent at places [from, to) of by_end, which overlap. */
struct block {
	uint64_t begin_ns, saved_ns;
	uint32_t from, to;
	uint64_t over_ns; /* how far it reaches into the block behind it */
};

struct scratch {
	struct block *blocks;
	uint64_t *ends, *latest; /* by place in by_end: new end; the latest of it and those that end before it */
	uint32_t nblocks;
};

static void find_blocks(const struct critical_tree *t, const struct critical_node *p, struct scratch *x)
{
	uint32_t first = CRITICAL_ROOT, j;

	x->nblocks = 0;
	for (j = p->first; j < p->first + p->count; j++) {
		uint32_t at = t->by_end[j];
		const struct critical_node *n = &t->nodes[at];
		struct block *b = x->nblocks ? &x->blocks[x->nblocks - 1] : NULL;

		if (!b || critical_tree_before(t, p, at, first)) {
			uint64_t over = b ? critical_less(n->end_ns, b->begin_ns) : 0;

			x->blocks[x->nblocks++] =
				(struct block) { .begin_ns = n->begin_ns, .from = j, .to = j + 1, .over_ns = over };
			first = at;
			continue;
		}
		b->to = j + 1;
		if (n->begin_ns < b->begin_ns) {
			b->begin_ns = n->begin_ns;
			first = at;
		}
	}
}

/* The first place in [from, to) of by_end whose span has ended at the moment; to: none. */
static uint32_t ended_at(const struct critical_tree *t, uint32_t from, uint32_t to, uint64_t ns)
{
	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (t->nodes[t->by_end[mid]].end_ns > ns)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static void save_block(struct critical_tree *t, const struct critical_node *p, struct block *b, struct scratch *x)
{
	uint32_t last = t->by_end[b->from], j;
	uint64_t end = t->nodes[last].end_ns, latest = 0;

	for (j = b->to; j-- > b->from;) {
		struct critical_node *n = &t->nodes[t->by_end[j]];
		uint32_t k = ended_at(t, j + 1, b->to, n->begin_ns);
		uint64_t gap = n->begin_ns - (k < b->to ? t->nodes[t->by_end[k]].end_ns : b->begin_ns);
		uint64_t begin =
			critical_add(k < b->to && x->latest[k] > b->begin_ns ? x->latest[k] : b->begin_ns, gap);

		n->earlier_ns = critical_less(n->begin_ns, begin);
		x->ends[j] = critical_add(begin, n->duration_ns - n->saved_ns);
		x->latest[j] = x->ends[j];
		if (j + 1 < b->to && x->latest[j + 1] > x->latest[j])
			x->latest[j] = x->latest[j + 1];
	}
	/* what may be the last then: all that do not lie before the one that is the last now */
	for (j = b->from; j < b->to; j++) {
		if (j > b->from && critical_tree_before(t, p, t->by_end[j], last))
			break;
		latest = x->ends[j] > latest ? x->ends[j] : latest;
	}
	b->saved_ns = critical_less(critical_less(end, latest), b->over_ns);
}

static void save(struct critical_tree *t, struct critical_node *p, struct scratch *x)
{
	uint64_t saved = 0;
	uint32_t i, j;

	find_blocks(t, p, x);
	for (i = x->nblocks; i-- > 0;) { /* by time */
		struct block *b = &x->blocks[i];

		save_block(t, p, b, x);
		for (j = b->from; j < b->to; j++) {
			struct critical_node *n = &t->nodes[t->by_end[j]];

			n->earlier_ns = critical_add(n->earlier_ns, saved);
		}
		saved = critical_add(saved, b->saved_ns);
	}
	p->saved_ns = saved < p->duration_ns ? saved : p->duration_ns;
}

int critical_tree_savings(struct critical_tree *t)
{
	struct scratch x = { .blocks = calloc(t->count, sizeof(*x.blocks)),
			     .ends = calloc(t->count, sizeof(*x.ends)),
			     .latest = calloc(t->count, sizeof(*x.latest)) };
	bool room = x.blocks && x.ends && x.latest;
	uint32_t i;

	for (i = t->count; room && i-- > 0;) {
		struct critical_node *n = &t->nodes[i];

		if (n->failed)
			n->saved_ns = n->duration_ns;
		else if (n->count)
			save(t, n, &x);
	}
	free(x.blocks);
	free(x.ends);
	free(x.latest);
	return room ? 0 : -ENOMEM;
}

/* --- all of it --- */

static int without_failures(const struct critical_tree *t, struct critical *c, uint64_t *sums)
{
	struct critical_tree w = { 0 };
	size_t i;
	int r = critical_tree_without(t, &w);

	if (r >= 0)
		r = critical_tree_walk(&w);
	if (r >= 0)
		r = sum_calls(&w, c, sums);
	for (i = 0; r >= 0 && i < c->ncalls; i++)
		c->calls[i].without_ns = sums[i];
	critical_tree_fini(&w);
	return r;
}

static int sums(const struct critical_tree *t, struct critical *c)
{
	uint64_t *room = calloc(2 * c->ncalls, sizeof(*room));
	size_t i;
	int r = room ? sum_calls(t, c, room) : -ENOMEM;

	for (i = 0; r >= 0 && i < c->ncalls; i++)
		c->calls[i].exclusive_ns = room[i];
	if (r >= 0)
		r = without_failures(t, c, room + c->ncalls);
	free(room);
	return r;
}

int critical_calls(const struct spans *s, struct critical_tree *t, struct critical *c)
{
	uint32_t i;
	int r = name_calls(s, t, c);

	if (r >= 0)
		r = critical_tree_savings(t);
	if (r >= 0)
		r = sums(t, c);
	relate(t);
	if (r >= 0)
		r = sum_failed(t, c);
	if (r < 0)
		return r;
	for (i = 0; i < t->count; i++) {
		struct critical_node *n = &t->nodes[i];

		c->work_ns = critical_add(c->work_ns, n->duration_ns);
		c->saved_work_ns = critical_add(c->saved_work_ns, n->failed ? n->duration_ns : 0);
		c->calls[n->call].count += n->on_path;
		if (n->related)
			count_error(t, n, &c->calls[n->call]);
	}
	c->saved_path_ns = t->nodes[0].saved_ns;
	return 0;
}
