/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/critical.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "explain/critical_tree.h"

#define CALL_TEXT_MAX 65536
#define CALL_DEPTH_MAX 1024

/* --- rule 3 --- */

struct window {
	uint64_t from_ns, to_ns;
};

static void segment(struct critical *c, struct critical_span *span, struct window w, uint64_t from_ns, uint64_t to_ns)
{
	from_ns = from_ns > w.from_ns ? from_ns : w.from_ns;
	to_ns = to_ns < w.to_ns ? to_ns : w.to_ns;
	if (to_ns <= from_ns)
		return;
	c->segments[c->nsegments++] = (struct critical_segment) { from_ns, to_ns, span->row };
	span->segments++;
}

static struct window inside(struct window w, const struct critical_node *n)
{
	uint64_t from = n->begin_ns < w.from_ns ? w.from_ns : n->begin_ns > w.to_ns ? w.to_ns : n->begin_ns;
	uint64_t to = n->end_ns < w.to_ns ? n->end_ns : w.to_ns;

	return (struct window) { from, to > from ? to : from };
}

/* Children on the path stand in by_end, last first: backwards is by time, as each ends (nearly) before the next begins. */
static void cut_out(const struct critical_tree *t, struct window *windows, struct critical *c,
		    struct critical_span *span, uint32_t at)
{
	const struct critical_node *n = &t->nodes[at];
	struct window w = windows[at];
	uint64_t done_ns = w.from_ns;
	uint32_t j;

	span->segment = (uint32_t)c->nsegments;
	for (j = n->count; j > 0; j--) {
		uint32_t at_child = t->by_end[n->first + j - 1];
		const struct critical_node *child = &t->nodes[at_child];

		if (!child->on_path)
			continue;
		windows[at_child] = inside(w, child);
		segment(c, span, w, done_ns, child->begin_ns);
		done_ns = child->end_ns > done_ns ? child->end_ns : done_ns;
	}
	segment(c, span, w, done_ns, w.to_ns);
}

static int tell_path(const struct critical_tree *t, struct critical *c)
{
	struct window *windows = calloc(t->count, sizeof(*windows));
	uint32_t i;

	c->path = calloc(t->npath, sizeof(*c->path));
	c->segments = calloc(2 * (size_t)t->npath, sizeof(*c->segments)); /* one a span, and one more for each child */
	if (!windows || !c->path || !c->segments) {
		free(windows);
		return -ENOMEM;
	}
	windows[0] = (struct window) { t->nodes[0].begin_ns, t->nodes[0].end_ns };
	for (i = 0; i < t->npath; i++) {
		const struct critical_node *n = &t->nodes[t->path[i]];
		struct critical_span *span = &c->path[c->npath++];

		*span = (struct critical_span) { .row = n->row,
						 .parent = n->parent == CRITICAL_ROOT ? SPAN_NONE
										      : t->nodes[n->parent].row,
						 .begin_ns = n->begin_ns,
						 .end_ns = n->end_ns,
						 .exclusive_ns = n->exclusive_ns };
		cut_out(t, windows, c, span, t->path[i]);
	}
	free(windows);
	return 0;
}

static int by_row(const void *a, const void *b)
{
	const struct critical_place *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

static int tell_places(const struct critical_tree *t, struct critical *c)
{
	uint32_t *at = malloc(t->count * sizeof(*at)), i;

	c->places = calloc(t->count, sizeof(*c->places));
	if (!at || !c->places) {
		free(at);
		return -ENOMEM;
	}
	memset(at, 0xff, t->count * sizeof(*at)); /* SPAN_NONE */
	for (i = 0; i < t->npath; i++)
		at[t->path[i]] = i;
	for (i = 0; i < t->count; i++)
		c->places[c->nplaces++] = (struct critical_place) { t->nodes[i].row, at[i], t->nodes[i].slack_ns };
	free(at);
	qsort(c->places, c->nplaces, sizeof(*c->places), by_row);
	return 0;
}

int critical_find(const struct spans *s, uint32_t root, struct critical *ret, struct err *err)
{
	struct critical_tree t = { 0 };
	struct critical c = { 0 };
	int r = critical_tree_build(s, root, &t, &c.left_out, err);

	if (r < 0)
		return r;
	r = critical_tree_walk(&t);
	if (r >= 0)
		r = critical_tree_slacks(&t);
	if (r >= 0)
		r = tell_path(&t, &c);
	if (r >= 0)
		r = tell_places(&t, &c);
	if (r >= 0)
		r = critical_calls(s, &t, &c);
	critical_tree_fini(&t);
	if (r < 0) {
		critical_fini(&c);
		return err_set(err, -r, "out of memory for the path of a trace");
	}
	*ret = c;
	return 0;
}

void critical_fini(struct critical *c)
{
	free(c->path);
	free(c->segments);
	free(c->places);
	free(c->calls);
	*c = (struct critical) { 0 };
}

/* --- reading --- */

const struct critical_place *critical_place(const struct critical *c, uint32_t row)
{
	struct critical_place key = { .row = row };

	return c->nplaces ? bsearch(&key, c->places, c->nplaces, sizeof(key), by_row) : NULL;
}

void critical_call_text(struct buf *b, const struct spans *s, const struct critical *c, uint32_t call)
{
	uint32_t up[CALL_DEPTH_MAX];
	size_t n = 0, begin = b->len;

	for (; call < c->ncalls && n < CALL_DEPTH_MAX; call = c->calls[call].parent)
		up[n++] = call;
	if (call < c->ncalls)
		buf_str(b, "...->");
	while (n-- > 0 && b->len - begin < CALL_TEXT_MAX) {
		buf_printf(b, "[%s] %s", spans_text(s, c->calls[up[n]].service),
			   spans_text(s, c->calls[up[n]].operation));
		if (n)
			buf_str(b, "->");
	}
}
