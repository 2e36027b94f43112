/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jaeger - the JSON that Jaeger's API answers and its page opens: {"data": [a trace, ...]}.  Attributes are tags, times whole
 * microseconds: begin and end are cut, so that what lay within another span still does.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "export/spans.h"

#define NS_PER_US 1000

struct writing {
	const struct export_spans *x;
	FILE *out;
	struct buf line, name;
	const struct span **processes; /* of the trace at hand: a span of each */
	size_t nprocesses, cap;
	bool began;
};

static void put_text(struct buf *b, const char *text)
{
	buf_json(b, text, strlen(text));
}

static int put_tag(void *arg, const struct attribute *a)
{
	struct writing *w = arg;
	struct buf *b = &w->line;

	buf_str(b, w->began ? ",{\"key\":" : "{\"key\":");
	w->began = true;
	put_text(b, a->key);
	if (a->type == ATTRIBUTE_TEXT) {
		buf_str(b, ",\"type\":\"string\",\"value\":");
		put_text(b, a->text);
	} else if (a->type == ATTRIBUTE_NUMBER) {
		buf_printf(b, ",\"type\":\"int64\",\"value\":%" PRId64, a->number);
	} else {
		buf_str(b, ",\"type\":\"bool\",\"value\":true");
	}
	buf_char(b, '}');
	return 0;
}

/* As OpenTelemetry says that a span's kind and status become Jaeger's tags. */
static void put_tags(struct writing *w, const struct span *s)
{
	const struct attribute kind = { "span.kind", ATTRIBUTE_TEXT, span_kind_name((enum span_kind)s->kind), 0 };
	const struct attribute error = { "error", ATTRIBUTE_TRUE, "", 1 };
	const struct attribute code = { "otel.status_code", ATTRIBUTE_TEXT, "ERROR", 0 };
	const struct attribute text = { "otel.status_description", ATTRIBUTE_TEXT, spans_text(w->x->s, s->error), 0 };

	buf_str(&w->line, ",\"tags\":[");
	w->began = false;
	(void)put_tag(w, &kind);
	(void)span_attributes(w->x, s, put_tag, w);
	if (span_error(w->x->s, s)) {
		(void)put_tag(w, &error);
		(void)put_tag(w, &code);
		if (*text.text)
			(void)put_tag(w, &text);
	}
	buf_char(&w->line, ']');
}

static void put_reference(struct writing *w, const struct span *s)
{
	const struct span *link, *parent = span_parent(w->x->s, s, &link), *to = parent ? parent : link;

	buf_str(&w->line, ",\"references\":[");
	if (to)
		buf_printf(&w->line,
			   "{\"refType\":\"%s\",\"traceID\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanID\":\"%016" PRIx64
			   "\"}",
			   parent ? "CHILD_OF" : "FOLLOWS_FROM", to->trace[0], to->trace[1], to->id);
	buf_char(&w->line, ']');
}

/* The number of its process in this trace, from 1 on; 0: out of memory. */
static size_t process_of(struct writing *w, const struct span *s)
{
	size_t i;

	for (i = 0; i < w->nprocesses; i++)
		if (w->processes[i]->host == s->host && w->processes[i]->tgid == s->tgid &&
		    w->processes[i]->service == s->service)
			return i + 1;
	if (i == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		const struct span **grown = realloc(w->processes, cap * sizeof(*grown));

		if (!grown)
			return 0;
		w->processes = grown;
		w->cap = cap;
	}
	w->processes[w->nprocesses++] = s;
	return w->nprocesses;
}

static int put_span(struct writing *w, const struct span *s, bool first)
{
	uint64_t begin = (s->begin_ns + w->x->epoch_ns) / NS_PER_US, end = (s->end_ns + w->x->epoch_ns) / NS_PER_US;
	size_t process = process_of(w, s);

	if (!process)
		return -ENOMEM;
	buf_reset(&w->name);
	span_name(w->x->s, s, &w->name);
	if (w->name.failed)
		return -ENOMEM;
	buf_printf(&w->line,
		   "%s\n{\"traceID\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanID\":\"%016" PRIx64 "\",\"operationName\":",
		   first ? "" : ",", s->trace[0], s->trace[1], s->id);
	put_text(&w->line, w->name.data);
	put_reference(w, s);
	buf_printf(&w->line, ",\"startTime\":%" PRIu64 ",\"duration\":%" PRIu64 ",\"processID\":\"p%zu\"", begin,
		   end > begin ? end - begin : 0, process);
	put_tags(w, s);
	buf_str(&w->line, ",\"logs\":[],\"warnings\":null}");
	return 0;
}

static void put_processes(struct writing *w)
{
	const char *service;
	size_t i;

	for (i = 0; i < w->nprocesses; i++) {
		service = spans_text(w->x->s, w->processes[i]->service);
		buf_printf(&w->line, "%s\"p%zu\":{\"serviceName\":", i ? ",\n" : "", i + 1);
		put_text(&w->line, *service ? service : "unknown_service");
		buf_str(&w->line, ",\"tags\":[");
		w->began = false;
		(void)span_resource(w->x, w->processes[i], put_tag, w);
		buf_str(&w->line, "]}");
	}
}

static int flush(struct writing *w, struct err *err)
{
	if (w->line.failed)
		return err_set(err, ENOMEM, "out of memory for a trace of the export");
	if (w->line.len && fwrite(w->line.data, 1, w->line.len, w->out) != w->line.len)
		return err_errno(err, errno, "cannot write the export");
	buf_reset(&w->line);
	return 0;
}

/* Rows [from, to) of the order are one trace. */
static int put_trace(struct writing *w, const uint32_t *order, size_t from, size_t to, struct err *err)
{
	const struct span *first = &w->x->s->rows[order[from]];
	size_t i;
	int r = 0;

	w->nprocesses = 0;
	buf_printf(&w->line, "%s{\"traceID\":\"%016" PRIx64 "%016" PRIx64 "\",\"spans\":[", from ? ",\n" : "",
		   first->trace[0], first->trace[1]);
	for (i = from; i < to; i++) {
		r = put_span(w, &w->x->s->rows[order[i]], i == from);
		if (r < 0)
			return err_set(err, ENOMEM, "out of memory for a trace of the export");
	}
	buf_str(&w->line, "],\n\"processes\":{");
	put_processes(w);
	buf_str(&w->line, "},\"warnings\":null}");
	return flush(w, err);
}

static bool same_trace(const struct span *a, const struct span *b)
{
	return a->trace[0] == b->trace[0] && a->trace[1] == b->trace[1];
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct span *rows = arg, *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];

	if (x->trace[0] != y->trace[0])
		return x->trace[0] < y->trace[0] ? -1 : 1;
	if (x->trace[1] != y->trace[1])
		return x->trace[1] < y->trace[1] ? -1 : 1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b;
}

int jaeger_write(const struct export_spans *x, FILE *out, struct err *err)
{
	const struct spans *s = x->s;
	CLEANUP_FREE uint32_t *order = malloc((x->count + 1) * sizeof(*order));
	struct writing w = { .x = x, .out = out };
	size_t i, from = 0;
	int r = 0;

	if (!order)
		return err_set(err, ENOMEM, "out of memory for %zu spans", x->count);
	for (i = 0; i < x->count; i++)
		order[i] = export_span(x, i);
	qsort_r(order, x->count, sizeof(*order), compare, s->rows);
	buf_str(&w.line, "{\"data\":[\n");
	for (i = 1; r >= 0 && i <= x->count; i++) {
		if (i < x->count && same_trace(&s->rows[order[i]], &s->rows[order[from]]))
			continue;
		r = put_trace(&w, order, from, i, err);
		from = i;
	}
	if (r >= 0) {
		buf_printf(&w.line, "],\n\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n");
		r = flush(&w, err);
	}
	if (r >= 0 && fflush(out))
		r = err_errno(err, errno, "cannot write the export");
	buf_fini(&w.line);
	buf_fini(&w.name);
	free(w.processes);
	return r;
}
