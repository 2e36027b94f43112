/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "explain/path.h"
#include "explain/requests_json.h"

static void text(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json(b, value, strlen(value));
}

static const char *yes(bool so)
{
	return so ? "true" : "false";
}

static void times(struct buf *b, const struct span *row)
{
	const char *sep = "";
	unsigned int k;

	buf_str(b, ",\"time_ns\":{");
	for (k = 0; k < TIME_KINDS; k++) {
		if (!row->time_ns[k])
			continue;
		buf_printf(b, "%s\"%s\":%" PRIu64, sep, span_time_key((enum span_time)k), row->time_ns[k]);
		sep = ",";
	}
	buf_char(b, '}');
}

static void flags(struct buf *b, const struct span *row)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = { { SPAN_FAILED, "failed" },       { SPAN_INCOMPLETE, "incomplete" },
		      { SPAN_TIMING, "timing" },       { SPAN_UNANSWERED, "unanswered" },
		      { SPAN_UNASKED, "unasked" },     { SPAN_ENCRYPTED, "encrypted" },
		      { SPAN_AMBIGUOUS, "ambiguous" }, { SPAN_ONE_WAY, "one_way" } };
	const char *sep = "";
	size_t i;

	buf_str(b, ",\"flags\":[");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(row->flags & names[i].flag))
			continue;
		buf_printf(b, "%s\"%s\"", sep, names[i].name);
		sep = ",";
	}
	buf_char(b, ']');
}

static void on_path(struct buf *b, const struct path_view *v, const struct critical_place *place)
{
	const struct critical_span *on;
	uint32_t k;

	if (!place || place->at == SPAN_NONE) {
		buf_str(b, ",\"on_path\":false");
		if (place)
			buf_printf(b, ",\"slack_ns\":%" PRIu64, place->slack_ns);
		else
			buf_str(b, ",\"left_out\":true");
		return;
	}
	on = &v->c->path[place->at];
	buf_printf(b, ",\"on_path\":true,\"exclusive_ns\":%" PRIu64 ",\"segments\":[", on->exclusive_ns);
	for (k = 0; k < on->segments; k++) {
		const struct critical_segment *g = &v->c->segments[on->segment + k];

		buf_printf(b, "%s[%" PRIu64 ",%" PRIu64 "]", k ? "," : "", g->from_ns, g->to_ns);
	}
	buf_char(b, ']');
}

struct log_list {
	struct buf *b;
	const char *sep;
};

static void log_line(void *arg, struct order_ref event, uint64_t at_ns, const char *line, size_t len)
{
	struct log_list *l = arg;

	buf_printf(l->b, "%s{\"host\":%u,\"event\":%" PRIu64 ",\"ns\":%" PRIu64 ",\"text\":", l->sep, event.host,
		   event.id, at_ns);
	buf_json(l->b, line, len);
	buf_char(l->b, '}');
	l->sep = ",";
}

static void span(struct buf *b, const struct path_view *v, uint32_t at, unsigned int depth)
{
	const struct span *row = &v->s->rows[at];
	struct log_list logs = { b, "" };

	buf_printf(b, "{\"id\":\"%016" PRIx64 "\",\"parent\":", row->id);
	if (at != v->root && row->parent != SPAN_NONE)
		buf_printf(b, "\"%016" PRIx64 "\"", v->s->rows[row->parent].id);
	else
		buf_str(b, "null");
	buf_printf(b, ",\"depth\":%u", depth);
	text(b, "kind", span_kind_name((enum span_kind)row->kind));
	text(b, "service", spans_text(v->s, row->service));
	text(b, "operation", spans_text(v->s, row->operation));
	text(b, "resource", spans_text(v->s, row->resource));
	text(b, "protocol", spans_protocol(v->s, row));
	buf_printf(b, ",\"status\":%d", row->status);
	text(b, "error", spans_text(v->s, row->error));
	text(b, "host", v->host_name ? v->host_name(v->arg, row->host) : "");
	buf_printf(b, ",\"pid\":%u,\"tid\":%u,\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64 ",\"duration_ns\":%" PRIu64,
		   row->tgid, row->tid, row->begin_ns, row->end_ns, row->end_ns - row->begin_ns);
	buf_printf(b, ",\"events\":[%" PRIu64 ",%" PRIu64 "]", row->begin.id, row->end.id);
	text(b, "evidence", span_evidence_name((enum span_evidence)row->evidence));
	buf_printf(b, ",\"confidence\":%u", row->confidence);
	flags(b, row);
	times(b, row);
	text(b, "blame", spans_text(v->s, row->blame));
	span_attributes_json(b, v->s, row);
	on_path(b, v, critical_place(v->c, at));
	if (v->logs) {
		buf_str(b, ",\"logs\":[");
		v->logs(v->arg, at, log_line, &logs);
		buf_char(b, ']');
	}
	if (v->more)
		v->more(v->arg, b, at);
	buf_char(b, '}');
}

/* Whether it is told of, though there are more spans than shall be. */
static bool told(const struct path_view *v, uint32_t at, size_t so_far)
{
	const struct critical_place *place;

	if (!v->most || v->c->nplaces + v->c->left_out <= v->most)
		return true;
	place = critical_place(v->c, at);
	return place && place->at != SPAN_NONE && so_far < v->most;
}

void path_json(struct buf *b, const struct path_view *v)
{
	const struct span *root = &v->s->rows[v->root];
	uint32_t at = SPAN_NONE;
	unsigned int depth = 0;
	const char *sep = "";
	size_t n = 0, so_far = 0;

	buf_str(b, "{\"trace\":\"");
	path_trace_id(b, root);
	buf_printf(b,
		   "\",\"begin_ns\":%" PRIu64 ",\"duration_ns\":%" PRIu64 ",\"first_ns\":%" PRIu64 ",\"failed\":%s"
		   ",\"left_out\":%" PRIu64 ",\"work_ns\":%" PRIu64 ",\"saved_work_ns\":%" PRIu64
		   ",\"saved_path_ns\":%" PRIu64 ",\"spans\":[",
		   root->begin_ns, root->end_ns - root->begin_ns, v->first_ns, yes(root->flags & SPAN_FAILED),
		   v->c->left_out, v->c->work_ns, v->c->saved_work_ns, v->c->saved_path_ns);
	while ((at = path_next(v->s, v->root, at, &depth)) != SPAN_NONE && n++ < v->s->count) {
		if (!told(v, at, so_far))
			continue;
		so_far++;
		buf_str(b, sep);
		span(b, v, at, depth);
		sep = ",";
	}
	buf_char(b, ']');
	if (v->most)
		buf_printf(b, ",\"spans_left_out\":%zu", n - so_far);
	buf_char(b, '}');
}
