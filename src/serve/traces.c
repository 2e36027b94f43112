/* SPDX-License-Identifier: Apache-2.0 */
/* traces - one request: its spans, its critical path, its lines, beside another one; and who calls whom. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/critical.h"
#include "explain/path.h"
#include "explain/pick.h"
#include "explain/requests.h"
#include "explain/requests_json.h"
#include "explain/service_map.h"
#include "serve/internal.h"
#include "store/store.h"

#define SPANS_SHOWN 2000       /* of a trace */
#define LINES_SHOWN 2000       /* of a trace */
#define SERVICES_SHOWN 500     /* of the map */
#define EDGES_SHOWN 2000       /* of the map */
#define RETRANSMITS_READ 20000 /* of more it is not told on which connections they were */

/* --- what a view asks; m->lock is held --- */

struct viewing {
	struct model *m;
	const struct spans *s;
	size_t lines, lines_left_out;
};

static const char *host_name(void *arg, uint32_t host)
{
	const char *name = store_host_name(((struct viewing *)arg)->m->reader, host);

	return name ? name : "";
}

/* What to add to times of the span's host so that they are on the clock of the first. */
static uint64_t shift_of(const struct viewing *v, const struct span *row, union event_room *room)
{
	uint32_t event = model_find(v->m, row->begin);
	struct event ev;

	if (!row->host || event == NO_EVENT || model_fetch(v->m, event, room, &ev, NULL) < 0)
		return 0;
	return row->begin_ns - ev.boot_ns;
}

static void logs(void *arg, uint32_t row, path_log_fn *each, void *each_arg)
{
	struct viewing *v = arg;
	const struct order_ref *refs = NULL;
	size_t i, n = requests_logs(v->m->requests, row, &refs);
	union event_room room;
	uint64_t shift_ns = n ? shift_of(v, &v->s->rows[row], &room) : 0;

	for (i = 0; i < n; i++) {
		uint32_t event = model_find(v->m, refs[i]);
		const char *text;
		struct event ev;

		if (v->lines >= LINES_SHOWN) {
			v->lines_left_out += n - i;
			return;
		}
		if (event == NO_EVENT || model_fetch(v->m, event, &room, &ev, NULL) < 0 || ev.type->id != EVENT_LOG)
			continue;
		v->lines++;
		text = event_string(&ev, 0);
		each(each_arg, refs[i], ev.boot_ns + shift_ns, text, strlen(text));
	}
}

/* Where it stands in the diagram, and why its own time passed. */
static void more(void *arg, struct buf *b, uint32_t row)
{
	const struct viewing *v = arg;
	CLEANUP(buf_fini) struct buf why = BUF_INIT;

	put_span_place(b, v->m, v->s, row);
	path_reason(&why, v->s, &v->s->rows[row]);
	buf_str(b, ",\"reason\":");
	buf_json(b, why.data ? why.data : "", why.len);
}

static int view_of(struct viewing *g, uint32_t trace, struct critical *c, struct path_view *v, struct err *err)
{
	uint32_t root = g->s->traces[trace].root;
	int r = critical_find(g->s, root, c, err);

	if (r < 0)
		return r;
	*v = (struct path_view) {
		.s = g->s, .c = c, .root = root, .logs = logs, .more = more, .arg = g, .most = SPANS_SHOWN
	};
	if (g->m->nhosts > 1)
		v->host_name = host_name;
	return 0;
}

static void refuse(struct serve_response *rs, int r, const struct err *err)
{
	response_error(rs, r == -ENOMEM ? 500 : r == -EINVAL ? 400 : 404, "%s", err->text);
}

static int pick(const struct viewing *g, const struct serve_request *rq, uint32_t *ret, struct err *err)
{
	const char *id = request_param(rq, "id");

	return id && *id ? pick_trace(g->s, id, ret, err) : pick_slowest(g->s, ret, err);
}

/* --- one trace --- */

static void trace_json(struct buf *b, struct viewing *g, const struct path_view *v)
{
	(void)pthread_mutex_lock(&g->m->lock);
	path_json(b, v);
	(void)pthread_mutex_unlock(&g->m->lock);
	if (b->failed)
		return;
	b->data[--b->len] = 0; /* the closing brace */
	buf_printf(b, ",\"lines_left_out\":%zu,\"classes\":{", g->lines_left_out);
	for (unsigned int k = 0; k < TIME_KINDS; k++)
		buf_printf(b, "%s\"%s\":\"%s\"", k ? "," : "", span_time_key((enum span_time)k),
			   span_time_name((enum span_time)k));
	buf_str(b, "}}");
}

void answer_trace(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct viewing g = { .m = m, .s = model_spans(m) };
	struct err err = ERR_INIT;
	struct critical c = { 0 };
	struct path_view v;
	uint32_t trace;
	int r = pick(&g, rq, &trace, &err);

	(void)s;
	if (r >= 0)
		r = view_of(&g, trace, &c, &v, &err);
	if (r >= 0)
		trace_json(&rs->body, &g, &v);
	else
		refuse(rs, r, &err);
	critical_fini(&c);
}

/* --- two --- */

void answer_compare(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *with = request_param(rq, "with");
	struct viewing g = { .m = m, .s = model_spans(m) };
	struct critical c[2] = { 0 };
	struct path_view v[2];
	struct err err = ERR_INIT;
	uint32_t one, other;
	int r = pick(&g, rq, &one, &err);

	(void)s;
	if (r >= 0)
		r = with && *with && strcmp(with, "normal") != 0 ? pick_trace(g.s, with, &other, &err)
								 : pick_normal(g.s, one, &other, &err);
	if (r >= 0)
		r = view_of(&g, one, &c[0], &v[0], &err);
	if (r >= 0)
		r = view_of(&g, other, &c[1], &v[1], &err);
	if (r >= 0)
		path_compare_json(&rs->body, &v[0], &v[1]);
	else
		refuse(rs, r, &err);
	critical_fini(&c[0]);
	critical_fini(&c[1]);
}

/* --- the map --- */

static void retransmits(struct model *m, struct service_map *map)
{
	union event_room room;
	struct event ev;
	uint32_t i, n = 0;

	for (i = 0; i < m->ev.count; i++)
		n += m->ev.type[i] == EVENT_RETRANSMIT;
	if (n > RETRANSMITS_READ)
		return;
	map->retransmits_known = true;
	(void)pthread_mutex_lock(&m->lock);
	for (i = 0; n && i < m->ev.count; i++)
		if (m->ev.type[i] == EVENT_RETRANSMIT && model_fetch(m, i, &room, &ev, NULL) >= 0)
			service_map_retransmit(map, ev.host, EVENT_AS(retransmit, &ev)->sock);
	(void)pthread_mutex_unlock(&m->lock);
}

/* Leaves out what is too much: services beyond a number, in the order in which they were met, and the calls of these. */
static void cut(const struct service_map *map, struct service_map *ret, struct map_edge *edges)
{
	size_t i;

	*ret = *map;
	ret->nnodes = MIN(map->nnodes, (size_t)SERVICES_SHOWN);
	ret->edges = edges;
	ret->nedges = 0;
	for (i = 0; i < map->nedges && ret->nedges < EDGES_SHOWN; i++)
		if (map->edges[i].from < ret->nnodes && map->edges[i].to < ret->nnodes)
			edges[ret->nedges++] = map->edges[i];
}

void answer_map(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	CLEANUP_FREE struct map_edge *edges = calloc(EDGES_SHOWN, sizeof(*edges));
	struct buf *b = &rs->body;
	struct err err = ERR_INIT;
	struct service_map map = { 0 }, shown;

	(void)s;
	(void)rq;
	if (!edges || service_map_build(model_spans(m), &map, &err) < 0) {
		response_error(rs, 500, "%s", edges ? err.text : "out of memory for a map");
		return;
	}
	retransmits(m, &map);
	cut(&map, &shown, edges);
	service_map_json(b, &shown);
	if (!b->failed) {
		b->data[--b->len] = 0; /* the closing brace */
		buf_printf(b, ",\"left_out\":{\"services\":%zu,\"calls\":%zu}}", map.nnodes - shown.nnodes,
			   map.nedges - shown.nedges);
	}
	service_map_fini(&map);
}
