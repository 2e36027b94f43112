/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The causal past or future of one event as a tree: breadth first, so that what is near is shown first, each event once.
 * A stretch of a thread in which nothing came from, or went to, another thread is one line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/map.h"
#include "base/parse.h"
#include "cli/show.h"

#define TREE_NODES 200 /* lines, unless --limit says more */
#define TREE_NODES_MAX (1U << 20)
#define TREE_DEPTH_MAX 10000
#define NONE UINT32_MAX

struct node {
	struct order_edge edge; /* from the parent's side; the root has none */
	struct order_ref ref;
	uint32_t parent, depth;
	uint32_t steps; /* program order: how many events were passed over */
	uint32_t first, last, next;
	bool again; /* it stands at another place */
};

struct tree {
	struct show *s;
	bool causes;
	struct node *nodes;
	uint32_t count, most;
	uint64_t deepest;
	bool cut;
	struct map seen;	  /* event -> node + 1 */
	struct order_edge *edges; /* of the event that is being looked at */
	size_t nedges;
	struct buf prefix;
	uint64_t told; /* JSON: lines */
};

static uint64_t key_of(struct order_ref ref)
{
	return map_hash(ref.id ^ (uint64_t)ref.host << 40);
}

static struct order_ref other_end(const struct tree *t, const struct order_edge *e)
{
	return t->causes ? e->from : e->to;
}

static bool edge_keep(void *arg, const struct order_edge *e)
{
	struct tree *t = arg;

	struct order_edge *grown = array_grown(t->edges, t->nedges, sizeof(*grown));

	if (!grown)
		return false;
	t->edges = grown;
	t->edges[t->nedges++] = *e;
	return true;
}

/* Fills t->edges: what led to ref, or what it led to. */
static int edges_of(struct tree *t, struct order_ref ref)
{
	t->nedges = 0;
	return t->causes ? order_causes(t->s->order, ref, edge_keep, t) : order_effects(t->s->order, ref, edge_keep, t);
}

/* The edge of program order among t->edges, if there is nothing else. */
static bool only_program(const struct tree *t, struct order_edge *ret)
{
	if (t->nedges != 1 || t->edges[0].kind != ORDER_PROGRAM)
		return false;
	*ret = t->edges[0];
	return true;
}

/* Follows the thread over events that only it knows of. */
static void run_along(struct tree *t, struct node *n)
{
	struct order_edge e;

	while (!map_get(&t->seen, key_of(n->ref)) && edges_of(t, n->ref) >= 0 && only_program(t, &e)) {
		n->ref = other_end(t, &e);
		n->steps++;
	}
}

/* A new node below parent; NULL: there are enough. */
static struct node *node_add(struct tree *t, const struct node *like)
{
	struct node *n, *grown;

	if (t->count == t->most) {
		t->cut = true;
		return NULL;
	}
	grown = array_grown(t->nodes, t->count, sizeof(*grown));
	if (!grown) {
		t->s->res = err_set(t->s->err, ENOMEM, "out of memory for the tree");
		return NULL;
	}
	t->nodes = grown;
	n = &t->nodes[t->count];
	*n = *like;
	n->first = n->last = n->next = NONE;
	if (like->parent != NONE) {
		struct node *p = &t->nodes[like->parent];

		if (p->last == NONE)
			p->first = t->count;
		else
			t->nodes[p->last].next = t->count;
		p->last = t->count;
	}
	t->count++;
	return n;
}

static bool node_see(struct tree *t, struct node *n)
{
	n->again = map_get(&t->seen, key_of(n->ref)) != NULL;
	return n->again || map_set(&t->seen, key_of(n->ref), 1) >= 0;
}

/* Adds what lies one edge beyond node `at`. */
static void expand(struct tree *t, uint32_t at)
{
	struct order_edge *edges;
	size_t i, n;

	if (edges_of(t, t->nodes[at].ref) < 0 || !t->nedges)
		return;
	n = t->nedges;
	edges = malloc(n * sizeof(*edges)); /* run_along() uses t->edges */
	if (!edges)
		return;
	memcpy(edges, t->edges, n * sizeof(*edges));
	for (i = 0; i < n; i++) {
		struct node next = {
			.edge = edges[i], .ref = other_end(t, &edges[i]), .parent = at, .depth = t->nodes[at].depth + 1
		};

		if (edges[i].kind == ORDER_PROGRAM)
			run_along(t, &next);
		if (!node_see(t, &next) || !node_add(t, &next))
			break;
	}
	free(edges);
}

static void grow_tree(struct tree *t, struct order_ref root)
{
	struct node n = { .ref = root, .parent = NONE };
	uint32_t i;

	if (!node_see(t, &n) || !node_add(t, &n))
		return;
	for (i = 0; i < t->count && !t->cut && t->s->res >= 0; i++) {
		if (t->nodes[i].again)
			continue;
		if (t->nodes[i].depth < t->deepest)
			expand(t, i);
		else if (edges_of(t, t->nodes[i].ref) >= 0 && t->nedges)
			t->cut = true;
	}
}

/* --- as text --- */

/* How the node hangs on its parent: what kind of edge, how long it took. */
static void link_text(struct tree *t, const struct node *n)
{
	struct order_ref above = t->nodes[n->parent].ref;
	struct order_edge e = n->edge;
	struct buf *b = &t->s->line;
	struct show_moment from, to;
	int64_t low, high;

	if (n->edge.kind == ORDER_PROGRAM && n->steps)
		buf_printf(b, "thread, %u event%s between", n->steps, n->steps == 1 ? "" : "s");
	else
		buf_str(b, n->edge.kind == ORDER_PROGRAM ? "thread" : order_kind_name(n->edge.kind));
	if (n->edge.bytes)
		buf_printf(b, " of %u bytes", n->edge.bytes);
	if (n->edge.ambiguous)
		buf_str(b, " (one of several candidates)");
	if (n->edge.early)
		buf_str(b, " (before the call that sent it had ended)");
	if (n->edge.after_loss)
		buf_str(b, " (beside a stretch with loss)");
	e.from = t->causes ? n->ref : above; /* over the stretch that was passed over */
	e.to = t->causes ? above : n->ref;
	if (show_moments(t->s, &e, &from, &to) && show_latency(t->s, &from, &to, &low, &high)) {
		buf_str(b, ", ");
		show_latency_text(b, low, high);
	}
	buf_str(b, ": ");
}

static bool node_put(struct tree *t, uint32_t at)
{
	const struct node *n = &t->nodes[at];
	struct show *s = t->s;
	struct event ev;

	buf_reset(&s->line);
	if (n->parent != NONE) {
		buf_add(&s->line, t->prefix.data, t->prefix.len);
		buf_str(&s->line, n->next == NONE ? "└─ " : "├─ ");
		link_text(t, n);
	}
	show_ref(s, n->ref);
	buf_char(&s->line, ' ');
	if (n->again) {
		buf_str(&s->line, "(see there)");
		return show_put(s);
	}
	s->res = show_fetch(s, n->ref, &ev);
	if (s->res < 0)
		return false;
	show_event_short(s, &ev);
	return show_put(s);
}

/* Depth first, without recursion: trees can be deep. */
static void tree_put(struct tree *t)
{
	static const char bar[] = "│  ", space[] = "   ";
	uint32_t at = 0;

	while (at != NONE && node_put(t, at)) {
		const struct node *n = &t->nodes[at];

		if (n->first != NONE) {
			if (n->parent != NONE)
				buf_str(&t->prefix, n->next == NONE ? space : bar);
			at = n->first;
			continue;
		}
		while (n->next == NONE && n->parent != NONE) {
			n = &t->nodes[n->parent];
			if (n->parent == NONE)
				return;
			t->prefix.len -= n->next == NONE ? sizeof(space) - 1 : sizeof(bar) - 1;
		}
		at = n->next;
	}
}

/* --- as JSON: every edge of the past or future once, nearest first --- */

struct reached {
	struct order_ref ref;
	uint32_t depth;
};

static bool edge_line(struct tree *t, const struct order_edge *e, uint32_t depth)
{
	buf_reset(&t->s->line);
	show_edge_json(t->s, e, depth);
	return t->s->res >= 0 && show_put(t->s);
}

static int queue_add(struct buf *queue, struct order_ref ref, uint32_t depth)
{
	struct reached r = { ref, depth };

	buf_add(queue, &r, sizeof(r));
	return queue->failed ? -ENOMEM : 0;
}

static int tree_json(struct tree *t, struct order_ref root)
{
	struct buf queue = BUF_INIT;
	struct reached now;
	size_t at, i;
	int r = queue_add(&queue, root, 0);

	if (map_set(&t->seen, key_of(root), 1) < 0)
		r = -ENOMEM;
	for (at = 0; r >= 0 && at + sizeof(now) <= queue.len; at += sizeof(now)) {
		memcpy(&now, queue.data + at, sizeof(now));
		if (now.depth >= t->deepest || edges_of(t, now.ref) < 0)
			continue;
		for (i = 0; i < t->nedges && r >= 0; i++) {
			struct order_ref next = other_end(t, &t->edges[i]);

			if (!edge_line(t, &t->edges[i], now.depth + 1))
				goto out;
			if (map_get(&t->seen, key_of(next)))
				continue;
			r = map_set(&t->seen, key_of(next), 1);
			if (r >= 0)
				r = queue_add(&queue, next, now.depth + 1);
		}
	}
	if (r < 0)
		r = err_set(t->s->err, ENOMEM, "out of memory for the tree");
out:
	buf_fini(&queue);
	return r < 0 ? r : t->s->res;
}

/* --- which event --- */

static int host_find(struct show *s, const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < store_hosts(s->reader); i++)
		if (strlen(store_host_name(s->reader, i)) == len && !memcmp(store_host_name(s->reader, i), name, len))
			return (int)i;
	return err_set(s->err, ENOENT, "there is no host '%.*s' in what was read", (int)len, name);
}

static int ref_parse(struct show *s, struct order_ref *ret)
{
	const char *text = s->args->ref, *colon = strrchr(text, ':');
	uint64_t id;
	int host = 0;

	if (parse_number(colon ? colon + 1 : text, &id) < 0)
		return err_set(s->err, EINVAL, "'%s' is no event: say 123, or HOST:123", text);
	if (!colon && store_hosts(s->reader) > 1)
		return err_set(s->err, EINVAL, "there are %u hosts: say HOST:%s", store_hosts(s->reader), text);
	if (colon)
		host = host_find(s, text, (size_t)(colon - text));
	if (host < 0)
		return host;
	*ret = (struct order_ref) { (uint32_t)host, id };
	return 0;
}

/* Names as they were until the event, for one pass. */
static int learn_until(struct show *s, struct order_ref ref)
{
	struct store_read_opts ro = { 0 };
	struct event_source *source;
	const struct event *ev;
	int r = store_read(s->reader, &ro, &source, s->err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, s->err)) > 0) {
		who_learn(s->who, ev);
		if (s->args->what == SHOW_CAUSES && ev->host == ref.host && ev->id >= ref.id)
			break;
	}
	event_source_close(source);
	return r < 0 ? r : 0;
}

static int tree_text(struct tree *t, struct order_ref root)
{
	int r = learn_until(t->s, root);

	if (r < 0)
		return r;
	grow_tree(t, root);
	if (t->s->res < 0)
		return t->s->res;
	tree_put(t);
	if (t->cut && t->s->res >= 0)
		(void)fprintf(stderr, "there is more: --depth and --limit show it (so far %u deep, %u lines)\n",
			      t->nodes[t->count - 1].depth, t->count);
	return t->s->res;
}

int show_tree(struct show *s)
{
	struct tree t = { .s = s, .causes = s->args->what == SHOW_CAUSES };
	struct order_ref root;
	struct event ev;
	int r = ref_parse(s, &root);

	if (r >= 0)
		r = show_fetch(s, root, &ev);
	if (r < 0)
		return r;
	t.deepest = s->args->depth ? s->args->depth : TREE_DEPTH_MAX;
	t.most = s->args->limit == UINT64_MAX	   ? TREE_NODES
		 : s->args->limit < TREE_NODES_MAX ? (uint32_t)s->args->limit
						   : TREE_NODES_MAX;
	if (s->args->json) {
		t.deepest = s->args->depth ? s->args->depth : UINT32_MAX - 1;
		r = tree_json(&t, root);
	} else {
		r = t.most ? tree_text(&t, root) : 0;
	}
	free(t.nodes);
	free(t.edges);
	map_fini(&t.seen);
	buf_fini(&t.prefix);
	return r;
}
