/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/critical_tree.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/err.h"
#include "explain/span.h"

/* How much longer than its client a server may be, and how far spans in a row may overlap: 1 %. */
#define ALLOWED 100

/* --- rule 1 --- */

static struct critical_node *push(struct critical_tree *t)
{
	struct critical_node *grown;

	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * (size_t)t->cap : 16;

		if (cap > UINT32_MAX)
			return NULL;
		grown = realloc(t->nodes, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		t->nodes = grown;
		t->cap = (uint32_t)cap;
	}
	grown = &t->nodes[t->count++];
	*grown = (struct critical_node) { .parent = CRITICAL_ROOT };
	return grown;
}

static void fill(struct critical_node *n, const struct span *row, uint32_t at, uint32_t parent)
{
	n->row = at;
	n->parent = parent;
	n->begin_ns = row->begin_ns;
	n->end_ns = row->end_ns > row->begin_ns ? row->end_ns : row->begin_ns;
	n->duration_ns = n->end_ns - n->begin_ns;
	n->failed = row->flags & SPAN_FAILED;
}

/* A call that was seen at both ends: they have clocks of their own, so the child may stick out. */
static bool both_ends(const struct spans *s, const struct critical_tree *t, uint32_t parent,
		      const struct critical_node *child, size_t siblings)
{
	const struct critical_node *p = &t->nodes[parent];
	const struct span *up = &s->rows[p->row], *down = &s->rows[child->row];
	bool server_above = p->parent != CRITICAL_ROOT && s->rows[t->nodes[p->parent].row].kind == SPAN_SERVER;

	if (siblings != 1 || critical_less(child->duration_ns, p->duration_ns) > p->duration_ns / ALLOWED)
		return false;
	if (up->host != down->host)
		return true;
	return down->kind == SPAN_SERVER && (up->kind == SPAN_CLIENT || (up->kind != SPAN_SERVER && server_above));
}

/* false: it lies outside. */
static bool cut(const struct critical_node *parent, struct critical_node *child)
{
	if (child->begin_ns >= parent->begin_ns && child->end_ns <= parent->end_ns)
		return true;
	if (child->begin_ns < parent->begin_ns && child->end_ns <= parent->end_ns && child->end_ns > parent->begin_ns)
		child->begin_ns = parent->begin_ns;
	else if (child->begin_ns >= parent->begin_ns && child->begin_ns < parent->end_ns)
		child->end_ns = parent->end_ns;
	else
		return false;
	child->duration_ns = child->end_ns - child->begin_ns;
	return true;
}

/* The children of a row, however many it says it has: the list may be anything. */
static int count_children(const struct spans *s, uint32_t row, size_t *ret)
{
	uint32_t at;
	size_t n = 0;

	for (at = s->rows[row].first_child; at < s->count; at = s->rows[at].next)
		if (++n > s->count)
			return -ELOOP;
	*ret = n;
	return 0;
}

static int add_children(const struct spans *s, struct critical_tree *t, uint32_t parent, uint64_t *left_out)
{
	uint32_t row = t->nodes[parent].row, at;
	size_t siblings;
	int r = count_children(s, row, &siblings);

	if (r < 0)
		return r;
	t->nodes[parent].first = t->count;
	for (at = s->rows[row].first_child; at < s->count; at = s->rows[at].next) {
		struct critical_node *n;

		/* whose child it is not, or whom the root comes from, is no part of this tree */
		if (s->rows[at].parent != row || at == t->nodes[0].row)
			continue;
		n = push(t);
		if (!n)
			return -ENOMEM;
		if (t->count > s->count)
			return -ELOOP;
		fill(n, &s->rows[at], at, parent);
		if (both_ends(s, t, parent, n, siblings)) {
			if (n->duration_ns > t->nodes[parent].duration_ns)
				n->duration_ns = t->nodes[parent].duration_ns;
		} else if (!cut(&t->nodes[parent], n)) {
			t->count--;
			++*left_out;
		}
	}
	t->nodes[parent].count = t->count - t->nodes[parent].first;
	return 0;
}

static int later_end(const void *a, const void *b, void *arg)
{
	const struct critical_node *nodes = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (nodes[x].end_ns != nodes[y].end_ns)
		return nodes[x].end_ns > nodes[y].end_ns ? -1 : 1;
	return x > y ? -1 : x < y;
}

static int earlier_begin(const void *a, const void *b, void *arg)
{
	const struct critical_node *nodes = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (nodes[x].begin_ns != nodes[y].begin_ns)
		return nodes[x].begin_ns < nodes[y].begin_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int sort_children(struct critical_tree *t)
{
	uint32_t i;

	t->by_end = calloc(t->count, sizeof(*t->by_end));
	t->by_begin = calloc(t->count, sizeof(*t->by_begin));
	if (!t->by_end || !t->by_begin)
		return -ENOMEM;
	for (i = 0; i < t->count; i++)
		t->by_end[i] = t->by_begin[i] = i;
	for (i = 0; i < t->count; i++) {
		const struct critical_node *n = &t->nodes[i];

		if (n->count < 2)
			continue;
		qsort_r(t->by_end + n->first, n->count, sizeof(*t->by_end), later_end, t->nodes);
		qsort_r(t->by_begin + n->first, n->count, sizeof(*t->by_begin), earlier_begin, t->nodes);
	}
	return 0;
}

int critical_tree_build(const struct spans *s, uint32_t root, struct critical_tree *ret, uint64_t *ret_left_out,
			struct err *err)
{
	struct critical_tree t = { 0 };
	uint64_t left_out = 0;
	struct critical_node *n;
	uint32_t i;
	int r = 0;

	if (root >= s->count)
		return err_set(err, EINVAL, "there is no span %u to begin a path with", root);
	n = push(&t);
	if (!n)
		return err_set(err, ENOMEM, "out of memory for the spans of a trace");
	fill(n, &s->rows[root], root, CRITICAL_ROOT);
	for (i = 0; r >= 0 && i < t.count; i++)
		r = add_children(s, &t, i, &left_out);
	if (r >= 0)
		r = sort_children(&t);
	if (r < 0) {
		critical_tree_fini(&t);
		return r == -ELOOP ? err_set(err, ELOOP, "the children of span %u run in a circle", root)
				   : err_set(err, -r, "out of memory for the spans of a trace");
	}
	*ret = t;
	*ret_left_out = left_out;
	return 0;
}

int critical_tree_without(const struct critical_tree *t, struct critical_tree *ret)
{
	struct critical_tree w = { 0 };
	uint32_t i, j;

	if (!t->nodes[0].failed) {
		struct critical_node *root = push(&w);

		if (!root)
			return -ENOMEM;
		*root = t->nodes[0];
		root->end_ns -= root->saved_ns < root->end_ns ? root->saved_ns : root->end_ns;
		root->duration_ns -= root->saved_ns;
		root->row = 0; /* until it has its children: which node of t it is */
	}
	for (i = 0; i < w.count; i++) {
		const struct critical_node *old = &t->nodes[w.nodes[i].row];

		w.nodes[i].row = old->row;
		w.nodes[i].first = w.count;
		for (j = old->first; j < old->first + old->count; j++) {
			const struct critical_node *child = &t->nodes[j];
			struct critical_node *n;
			uint64_t ahead = critical_less(child->begin_ns, old->begin_ns);

			if (child->failed)
				continue;
			n = push(&w);
			if (!n) {
				critical_tree_fini(&w);
				return -ENOMEM;
			}
			*n = *child;
			n->begin_ns = w.nodes[i].begin_ns + critical_less(ahead, child->earlier_ns);
			n->duration_ns = child->duration_ns - child->saved_ns;
			n->end_ns = n->begin_ns + n->duration_ns;
			n->parent = i;
			n->row = j;
			n->on_path = false;
		}
		w.nodes[i].count = w.count - w.nodes[i].first;
	}
	if (w.count && sort_children(&w) < 0) {
		critical_tree_fini(&w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

void critical_tree_fini(struct critical_tree *t)
{
	free(t->nodes);
	free(t->by_end);
	free(t->by_begin);
	free(t->path);
	*t = (struct critical_tree) { 0 };
}

/* --- rule 2 --- */

/* How many children of p begin before the moment. */
static uint32_t begun_before(const struct critical_tree *t, const struct critical_node *p, uint64_t ns)
{
	uint32_t low = 0, high = p->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->nodes[t->by_begin[p->first + mid]].begin_ns < ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* How many end at the moment or later. */
static uint32_t ended_from(const struct critical_tree *t, const struct critical_node *p, uint64_t ns)
{
	uint32_t low = 0, high = p->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->nodes[t->by_end[p->first + mid]].end_ns >= ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Begins and ends of children of p within [from, to]. */
static uint64_t moments(const struct critical_tree *t, const struct critical_node *p, uint64_t from, uint64_t to)
{
	uint64_t begins = (to == UINT64_MAX ? p->count : begun_before(t, p, to + 1)) - begun_before(t, p, from);
	uint64_t ends = ended_from(t, p, from) - (to == UINT64_MAX ? 0 : ended_from(t, p, to + 1));

	return begins + ends;
}

bool critical_tree_before(const struct critical_tree *t, const struct critical_node *parent, uint32_t a, uint32_t b)
{
	const struct critical_node *x = &t->nodes[a], *y = &t->nodes[b];
	uint64_t over = critical_less(x->end_ns, y->begin_ns);

	if (x->end_ns < y->begin_ns)
		return true;
	return x->end_ns < y->end_ns && x->begin_ns < y->begin_ns && over <= UINT64_MAX / ALLOWED &&
	       over * ALLOWED < parent->duration_ns && moments(t, parent, y->begin_ns, x->end_ns) == 2;
}

static void mark(struct critical_tree *t)
{
	uint32_t i, j;

	t->nodes[0].on_path = true;
	for (i = 0; i < t->count; i++) {
		struct critical_node *n = &t->nodes[i];
		uint32_t last = CRITICAL_ROOT;

		n->exclusive_ns = n->duration_ns;
		for (j = n->first; n->on_path && j < n->first + n->count; j++) {
			uint32_t child = t->by_end[j];

			if (last != CRITICAL_ROOT && !critical_tree_before(t, n, child, last))
				continue;
			t->nodes[child].on_path = true;
			n->exclusive_ns = critical_less(n->exclusive_ns, t->nodes[child].duration_ns);
			last = child;
		}
	}
}

int critical_tree_walk(struct critical_tree *t)
{
	uint32_t *stack, depth = 0, j;

	if (!t->count)
		return 0;
	stack = calloc(t->count, sizeof(*stack));
	t->path = calloc(t->count, sizeof(*t->path));
	if (!stack || !t->path) {
		free(stack);
		return -ENOMEM;
	}
	mark(t);
	stack[depth++] = 0;
	while (depth) {
		uint32_t at = stack[--depth];
		const struct critical_node *n = &t->nodes[at];

		t->path[t->npath++] = at;
		for (j = n->count; j > 0; j--)
			if (t->nodes[t->by_end[n->first + j - 1]].on_path)
				stack[depth++] = t->by_end[n->first + j - 1];
	}
	free(stack);
	return 0;
}

/* --- slack --- */

/*
 * What began after a span had ended is taken to have waited for it, and to keep the distance to whatever ended last
 * before it began.  So a span may be later until that, and as much more as what then moves has slack itself; and
 * likewise with the parent, which waits for the child that ends last.
 */
struct bound {
	uint64_t begin_ns, end_ns; /* who began then or later would move if one ended after end_ns */
};

/* The latest end at or before the begin of node `at`, of another child. */
static uint64_t ended_at_begin(const struct critical_tree *t, const struct critical_node *p, uint32_t at)
{
	uint64_t begin = t->nodes[at].begin_ns;
	uint32_t k = begin == UINT64_MAX ? 0 : ended_from(t, p, begin + 1);

	if (k < p->count && t->by_end[p->first + k] == at)
		k++;
	return k < p->count ? t->nodes[t->by_end[p->first + k]].end_ns : begin;
}

static void slacks_below(struct critical_tree *t, const struct critical_node *p, struct bound *bounds)
{
	uint64_t limit = critical_add(t->nodes[t->by_end[p->first]].end_ns, p->slack_ns);
	uint32_t n = 0, j;

	for (j = p->count; j > 0; j--) {
		uint32_t at = t->by_begin[p->first + j - 1], low = 0, high = n;
		struct critical_node *c = &t->nodes[at];
		uint64_t end = limit;

		while (low < high) { /* bounds are by begin, last first: how many began when it had ended */
			uint32_t mid = low + (high - low) / 2;

			if (bounds[mid].begin_ns >= c->end_ns)
				low = mid + 1;
			else
				high = mid;
		}
		if (low && bounds[low - 1].end_ns < end)
			end = bounds[low - 1].end_ns;
		c->slack_ns = c->on_path ? 0 : critical_less(end, c->end_ns);
		bounds[n].begin_ns = c->begin_ns;
		bounds[n].end_ns = critical_add(ended_at_begin(t, p, at), c->slack_ns);
		if (n && bounds[n - 1].end_ns < bounds[n].end_ns)
			bounds[n].end_ns = bounds[n - 1].end_ns;
		n++;
	}
}

int critical_tree_slacks(struct critical_tree *t)
{
	struct bound *bounds = calloc(t->count, sizeof(*bounds));
	uint32_t i;

	if (!bounds)
		return -ENOMEM;
	for (i = 0; i < t->count; i++)
		if (t->nodes[i].count)
			slacks_below(t, &t->nodes[i], bounds);
	free(bounds);
	return 0;
}
