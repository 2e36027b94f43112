/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "explain/path.h"
#include "explain/service_map.h"

#define NAME_MAX_COLUMNS 32

static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999 };
static const char *const quantile_keys[] = { "p50", "p90", "p99", "p999" };
#define QUANTILES 4

const char *service_map_name(const struct service_map *m, uint32_t node)
{
	const char *name = spans_text(m->s, m->nodes[node].name);

	return *name ? name : "outside";
}

double service_map_seconds(const struct service_map *m)
{
	return m->to_ns > m->from_ns ? (double)(m->to_ns - m->from_ns) / 1e9 : 0;
}

static double per_second(const struct service_map *m, uint64_t n)
{
	double s = service_map_seconds(m);

	return s > 0 ? (double)n / s : 0;
}

static const char *protocol_of(const struct service_map *m, const struct map_edge *e)
{
	return e->protocol < m->s->nprotocols ? m->s->protocols[e->protocol] : "";
}

/* --- text --- */

static void left(struct buf *b, const char *text, size_t width)
{
	struct buf t = BUF_INIT;
	size_t have;

	buf_text(&t, text, strlen(text));
	have = path_columns(t.data ? t.data : "", t.len);
	buf_add(b, t.data ? t.data : "", t.len);
	buf_printf(b, "%*s", have < width ? (int)(width - have) : 0, "");
	buf_fini(&t);
}

static void duration(struct buf *b, uint64_t ns)
{
	struct buf t = BUF_INIT;

	path_duration(&t, ns);
	buf_printf(b, "%10s", t.data ? t.data : "");
	buf_fini(&t);
}

static void bytes(struct buf *b, uint64_t n)
{
	static const char units[] = { 'K', 'M', 'G', 'T' };
	double v = (double)n;
	int i = -1;

	while (v >= 1000 && i < 3) {
		v /= 1024;
		i++;
	}
	if (i < 0)
		buf_printf(b, "%8" PRIu64 "B", n);
	else
		buf_printf(b, "%8.*f%c", v < 9.95 ? 1 : 0, v, units[i]);
}

static void edge_text(struct buf *b, const struct service_map *m, const struct map_edge *e, const size_t width[3])
{
	size_t i;

	left(b, service_map_name(m, e->from), width[0]);
	buf_str(b, " > ");
	left(b, service_map_name(m, e->to), width[1]);
	buf_char(b, ' ');
	left(b, protocol_of(m, e), width[2]);
	buf_printf(b, "%9" PRIu64 "%10.1f%7.2f %%", e->requests, per_second(m, e->requests),
		   100 * (double)e->failed / (double)e->requests);
	for (i = 0; i < QUANTILES; i++) {
		if (e->ns.total)
			duration(b, hist_quantile(&e->ns, quantiles[i]));
		else
			buf_printf(b, "%10s", "-");
	}
	bytes(b, e->request_bytes);
	bytes(b, e->response_bytes);
	if (m->retransmits_known)
		buf_printf(b, "%8" PRIu64, e->retransmits);
	else
		buf_printf(b, "%8s", "-");
	if (e->away_ns != UINT64_MAX)
		duration(b, e->away_ns);
	else
		buf_printf(b, "%10s", "-");
	if (e->unanswered)
		buf_printf(b, "  %" PRIu64 " never answered", e->unanswered);
	buf_char(b, '\n');
}

static void wider(size_t *width, const char *text)
{
	struct buf t = BUF_INIT;
	size_t n;

	buf_text(&t, text, strlen(text)); /* as it is printed */
	n = path_columns(t.data ? t.data : "", t.len);
	buf_fini(&t);
	n = n < NAME_MAX_COLUMNS ? n : NAME_MAX_COLUMNS;
	*width = n > *width ? n : *width;
}

void service_map_text(struct buf *b, const struct service_map *m)
{
	size_t width[3] = { 4, 2, 8 }, i;
	uint64_t calls = 0;

	for (i = 0; i < m->nedges; i++) {
		wider(&width[0], service_map_name(m, m->edges[i].from));
		wider(&width[1], service_map_name(m, m->edges[i].to));
		wider(&width[2], protocol_of(m, &m->edges[i]));
		calls += m->edges[i].requests;
	}
	left(b, "from", width[0]);
	buf_str(b, " > ");
	left(b, "to", width[1]);
	buf_char(b, ' ');
	left(b, "protocol", width[2]);
	buf_printf(b, "%9s%10s%9s%10s%10s%10s%10s%9s%9s%8s%10s\n", "requests", "/s", "errors", "p50", "p90", "p99",
		   "p99.9", "asked", "answered", "resent", "away");
	for (i = 0; i < m->nedges; i++)
		edge_text(b, m, &m->edges[i], width);
	buf_printf(b,
		   "%zu service%s, %" PRIu64
		   " call%s in %.3f s; away: the least time between both ends, a round trip or more\n",
		   m->nnodes, m->nnodes == 1 ? "" : "s", calls, calls == 1 ? "" : "s", service_map_seconds(m));
}

/* --- JSON --- */

static void times_json(struct buf *b, const struct hist *h)
{
	size_t i;

	for (i = 0; i < QUANTILES; i++) {
		if (h->total)
			buf_printf(b, ",\"%s_ns\":%" PRIu64, quantile_keys[i], hist_quantile(h, quantiles[i]));
		else
			buf_printf(b, ",\"%s_ns\":null", quantile_keys[i]);
	}
}

static void name_json(struct buf *b, const char *key, const char *name)
{
	buf_printf(b, "\"%s\":", key);
	buf_json(b, name, strlen(name));
}

void service_map_json(struct buf *b, const struct service_map *m)
{
	size_t i;

	buf_printf(b, "{\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",\"services\":[", m->from_ns, m->to_ns);
	for (i = 0; i < m->nnodes; i++) {
		const struct map_node *n = &m->nodes[i];

		buf_str(b, i ? ",{" : "{");
		name_json(b, "name", service_map_name(m, (uint32_t)i));
		buf_printf(b, ",\"outside\":%s,\"requests\":%" PRIu64 ",\"failed\":%" PRIu64,
			   n->outside ? "true" : "false", n->requests, n->failed);
		times_json(b, &n->ns);
		buf_char(b, '}');
	}
	buf_str(b, "],\"edges\":[");
	for (i = 0; i < m->nedges; i++) {
		const struct map_edge *e = &m->edges[i];

		buf_str(b, i ? ",{" : "{");
		name_json(b, "from", service_map_name(m, e->from));
		buf_char(b, ',');
		name_json(b, "to", service_map_name(m, e->to));
		buf_char(b, ',');
		name_json(b, "protocol", protocol_of(m, e));
		buf_printf(b,
			   ",\"requests\":%" PRIu64 ",\"per_second\":%.3f,\"failed\":%" PRIu64
			   ",\"unanswered\":%" PRIu64 ",\"request_bytes\":%" PRIu64 ",\"response_bytes\":%" PRIu64,
			   e->requests, per_second(m, e->requests), e->failed, e->unanswered, e->request_bytes,
			   e->response_bytes);
		times_json(b, &e->ns);
		if (m->retransmits_known)
			buf_printf(b, ",\"retransmits\":%" PRIu64, e->retransmits);
		else
			buf_str(b, ",\"retransmits\":null");
		if (e->away_ns != UINT64_MAX)
			buf_printf(b, ",\"away_ns\":%" PRIu64 "}", e->away_ns);
		else
			buf_str(b, ",\"away_ns\":null}");
	}
	buf_str(b, "]}");
}

/* --- graphviz --- */

/* In a string of DOT only the quote is special, and the backslash to its labels (graphviz.org/doc/info/lang.html). */
static void dot_string(struct buf *b, const char *text)
{
	struct buf t = BUF_INIT;
	size_t i;

	buf_text(&t, text, strlen(text));
	for (i = 0; i < t.len; i++) {
		if (t.data[i] == '"' || t.data[i] == '\\')
			buf_char(b, '\\');
		buf_char(b, t.data[i]);
	}
	buf_fini(&t);
}

void service_map_dot(struct buf *b, const struct service_map *m)
{
	size_t i;

	buf_str(b, "digraph services {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (i = 0; i < m->nnodes; i++) {
		buf_printf(b, "\tn%zu [label=\"", i);
		dot_string(b, service_map_name(m, (uint32_t)i));
		buf_printf(b, "\"%s];\n", m->nodes[i].outside ? ", style=dashed" : "");
	}
	for (i = 0; i < m->nedges; i++) {
		const struct map_edge *e = &m->edges[i];

		buf_printf(b, "\tn%u -> n%u [label=\"", e->from, e->to);
		dot_string(b, protocol_of(m, e));
		buf_printf(b, "%s%.1f/s", *protocol_of(m, e) ? " " : "", per_second(m, e->requests));
		if (e->ns.total) {
			buf_str(b, "\\np50 ");
			path_duration(b, hist_quantile(&e->ns, 0.5));
			buf_str(b, ", p99 ");
			path_duration(b, hist_quantile(&e->ns, 0.99));
		}
		if (e->failed)
			buf_printf(b, "\\n%.2f %% failed", 100 * (double)e->failed / (double)e->requests);
		buf_printf(b, "\"%s];\n", e->failed ? ", color=red" : "");
	}
	buf_str(b, "}\n");
}
