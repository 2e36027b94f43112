/* SPDX-License-Identifier: Apache-2.0 */
/* spans - which requests there are: a list, and how many took how long when. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/path.h"
#include "explain/requests.h"
#include "explain/requests_json.h"
#include "explain/span_query.h"
#include "explain/span_sort.h"
#include "serve/internal.h"
#include "store/store.h"

#define LIST_DEFAULT 200
#define LIST_MAX 2000
#define COLUMNS_DEFAULT 120
#define COLUMNS_MAX 500
#define OCTAVE 4 /* rows for a doubling of the duration */
#define ROWS (64 * OCTAVE)

static const struct spans no_spans;

const struct spans *model_spans(const struct model *m)
{
	const struct spans *s = m->requests ? requests_spans(m->requests) : NULL;

	return s ? s : &no_spans;
}

int64_t model_span_time(const struct model *m, const struct spans *s, uint32_t span)
{
	const struct span *row = &s->rows[span];
	uint32_t event = model_find(m, row->begin);

	return event != NO_EVENT ? m->ev.t[event] : model_time(m, 0, row->begin_ns);
}

static void put_end(struct buf *b, const struct model *m, struct order_ref ref)
{
	uint32_t event = model_find(m, ref);

	if (event == NO_EVENT)
		buf_str(b, "null");
	else
		put_ref(b, m, event);
}

void put_span_place(struct buf *b, const struct model *m, const struct spans *s, uint32_t span)
{
	uint32_t event = model_find(m, s->rows[span].begin);

	put_number(b, ",\"t\":", model_span_time(m, s, span));
	if (event == NO_EVENT)
		buf_str(b, ",\"lane\":null");
	else
		buf_printf(b, ",\"lane\":%u", m->ev.lane[event]);
	buf_str(b, ",\"refs\":[");
	put_end(b, m, s->rows[span].begin);
	buf_char(b, ',');
	put_end(b, m, s->rows[span].end);
	buf_char(b, ']');
}

/* --- which --- */

static const char *host_name(void *arg, uint32_t host)
{
	return store_host_name(arg, host);
}

static uint64_t duration(const struct span *row)
{
	return row->end_ns > row->begin_ns ? row->end_ns - row->begin_ns : 0;
}

bool span_region_has(const struct span_region *a, const struct model *m, const struct spans *s, uint32_t i)
{
	double t = (double)model_span_time(m, s, i), ns = (double)duration(&s->rows[i]);

	return t >= a->from && t < a->to && ns >= a->min && ns < a->max;
}

/* Marks the roots of traces in which a service takes part, in through[] by row; NULL: any. */
static bool *roots_through(const struct spans *s, const char *service)
{
	bool *through = calloc(s->count + 1, sizeof(*through));
	size_t i, steps;

	for (i = 0; through && i < s->count; i++) {
		uint32_t at = (uint32_t)i;

		if (strcmp(spans_text(s, s->rows[i].service), service) != 0 &&
		    strcmp(spans_text(s, s->rows[i].peer), service) != 0)
			continue;
		for (steps = 0; s->rows[at].parent != SPAN_NONE && steps < s->count; steps++)
			at = s->rows[at].parent;
		through[at] = true;
	}
	return through;
}

static void collect(const struct span_region *a, const struct model *m, struct span_query *q, const bool *through,
		    struct spans_found *f)
{
	const struct spans *s = model_spans(m);
	uint32_t i;

	for (i = 0; i < s->count; i++) {
		if (s->rows[i].parent != SPAN_NONE)
			continue;
		f->total++;
		if ((!through || through[i]) && span_region_has(a, m, s, i) &&
		    span_query_match(q, s, i, s->rows[0].begin_ns))
			f->rows[f->n++] = i;
	}
}

bool spans_find(const struct model *m, const struct serve_request *rq, struct spans_found *f, struct serve_response *rs)
{
	struct span_region a = { -INFINITY, INFINITY, 0, INFINITY };
	const char *text = request_param(rq, "q"), *service = request_param(rq, "service");
	const struct spans *s = model_spans(m);
	CLEANUP_FREE bool *through = NULL;
	struct span_query *q = NULL;
	struct err err = ERR_INIT;

	if (!request_number(rq, "from", &a.from) || !request_number(rq, "to", &a.to) ||
	    !request_number(rq, "min", &a.min) || !request_number(rq, "max", &a.max)) {
		response_error(rs, 400, "'from', 'to', 'min' and 'max' are numbers of nanoseconds");
		return false;
	}
	if (text && *text && span_query_new(text, host_name, m->reader, &q, &err) < 0) {
		response_error(rs, 400, "%s", err.text);
		return false;
	}
	f->rows = malloc((s->count + 1) * sizeof(*f->rows));
	if (service && *service)
		through = roots_through(s, service);
	if (!f->rows || (service && *service && !through)) {
		response_error(rs, 500, "out of memory for a list of requests");
		free(f->rows);
		f->rows = NULL;
	} else {
		collect(&a, m, q, through, f);
	}
	(void)span_query_free(q);
	return f->rows != NULL;
}

/* --- a list --- */

static void text_json(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, text, strlen(text));
}

static void row_json(struct buf *b, const struct model *m, const struct spans *s, uint32_t i)
{
	CLEANUP(buf_fini) struct buf why = BUF_INIT;
	const struct span *row = &s->rows[i];

	buf_str(b, "{\"trace\":\"");
	path_trace_id(b, row);
	buf_char(b, '"');
	put_span_place(b, m, s, i);
	text_json(b, "kind", span_kind_name((enum span_kind)row->kind));
	text_json(b, "service", spans_text(s, row->service));
	text_json(b, "peer", spans_text(s, row->peer));
	text_json(b, "protocol", spans_protocol(s, row));
	text_json(b, "operation", spans_text(s, row->operation));
	text_json(b, "resource", spans_text(s, row->resource));
	buf_printf(b, ",\"status\":%d,\"duration\":%" PRIu64 ",\"failed\":%s,\"unanswered\":%s,\"incomplete\":%s",
		   row->status, duration(row), row->flags & SPAN_FAILED ? "true" : "false",
		   row->flags & SPAN_UNANSWERED ? "true" : "false", row->flags & SPAN_INCOMPLETE ? "true" : "false");
	span_reason_text(&why, s, i);
	text_json(b, "reason", why.data ? why.data : "");
	buf_char(b, '}');
}

void answer_requests(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *key = request_param(rq, "sort");
	const struct spans *spans = model_spans(m);
	double limit = LIST_DEFAULT;
	struct spans_found f = { 0 };
	size_t i, n;

	(void)s;
	key = key && *key ? key : "time";
	if (!span_sort_key(key) || !request_number(rq, "limit", &limit)) {
		response_error(rs, 400,
			       "'sort' is time, duration, status, service or a class of time, 'limit' a number");
		return;
	}
	if (!spans_find(m, rq, &f, rs))
		return;
	span_sort(spans, key, f.rows, f.n);
	limit = limit < 1 ? 1 : limit > LIST_MAX ? LIST_MAX : limit;
	n = MIN(f.n, (size_t)limit);
	buf_str(&rs->body, "{\"requests\":[");
	for (i = 0; i < n; i++) {
		buf_str(&rs->body, i ? "," : "");
		row_json(&rs->body, m, spans, f.rows[i]);
	}
	buf_printf(&rs->body,
		   "],\"total\":%zu,\"matched\":%zu,\"left_out\":%zu,\"facts_left_out\":%" PRIu64 ",\"spans\":%zu}",
		   f.total, f.n, f.n - n, m->requests ? requests_left_out(m->requests) : 0, spans->count);
	free(f.rows);
}

/* --- how many took how long when --- */

struct cell {
	uint32_t count, failed;
};

struct heat {
	int64_t from, width; /* t of the first column; of a column */
	uint32_t columns;
	struct cell *cells; /* columns * ROWS */
};

static uint32_t row_of(uint64_t ns)
{
	double row = ns > 1 ? floor(OCTAVE * log2((double)ns)) : 0;

	return row < ROWS ? (uint32_t)row : ROWS - 1;
}

static int heat_make(struct heat *h, const struct model *m, const struct spans_found *f, const struct serve_request *rq)
{
	const struct spans *s = model_spans(m);
	double columns = COLUMNS_DEFAULT;
	int64_t last = INT64_MIN;
	size_t i;

	if (!request_number(rq, "columns", &columns))
		return -EINVAL;
	h->columns = columns < 1 ? 1 : columns > COLUMNS_MAX ? COLUMNS_MAX : (uint32_t)columns;
	h->cells = calloc((size_t)h->columns * ROWS, sizeof(*h->cells));
	if (!h->cells)
		return -ENOMEM;
	h->from = f->n ? INT64_MAX : 0;
	for (i = 0; i < f->n; i++) {
		h->from = MIN(h->from, model_span_time(m, s, f->rows[i]));
		last = MAX(last, model_span_time(m, s, f->rows[i]));
	}
	h->width = f->n ? (last - h->from) / h->columns + 1 : 1;
	for (i = 0; i < f->n; i++) {
		const struct span *row = &s->rows[f->rows[i]];
		uint64_t column = (uint64_t)((model_span_time(m, s, f->rows[i]) - h->from) / h->width);
		struct cell *c = &h->cells[column * ROWS + row_of(duration(row))];

		c->count++;
		c->failed += (row->flags & SPAN_FAILED) != 0;
	}
	return 0;
}

static void heat_json(struct buf *b, const struct heat *h, const struct spans_found *f)
{
	const char *sep = "";
	uint32_t c, r;

	put_number(b, "{\"from\":", h->from);
	buf_printf(b, ",\"width\":%" PRId64 ",\"columns\":%u,\"octave\":%d,\"cells\":[", h->width, h->columns, OCTAVE);
	for (c = 0; c < h->columns; c++) {
		for (r = 0; r < ROWS; r++) {
			const struct cell *cell = &h->cells[c * ROWS + r];

			if (!cell->count)
				continue;
			buf_printf(b, "%s[%u,%u,%u,%u]", sep, c, r, cell->count, cell->failed);
			sep = ",";
		}
	}
	buf_printf(b, "],\"total\":%zu,\"matched\":%zu}", f->total, f->n);
}

void answer_heat(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct spans_found f = { 0 };
	struct heat h = { 0 };
	int r;

	(void)s;
	if (!spans_find(m, rq, &f, rs))
		return;
	r = heat_make(&h, m, &f, rq);
	if (r == -EINVAL)
		response_error(rs, 400, "'columns' is no number");
	else if (r < 0)
		response_error(rs, 500, "out of memory for a heat map");
	else
		heat_json(&rs->body, &h, &f);
	free(h.cells);
	free(f.rows);
}
