/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/path.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define REASONS_SHOWN 3

/* --- parts that the text, the JSON and the comparison share --- */

uint32_t path_next(const struct spans *s, uint32_t root, uint32_t at, unsigned int *depth)
{
	uint32_t child;

	if (at == SPAN_NONE)
		return root;
	child = s->rows[at].first_child;
	if (child < s->count && s->rows[child].parent == at && child != root) {
		++*depth;
		return child;
	}
	while (at != root) {
		uint32_t next = s->rows[at].next;

		if (next < s->count && s->rows[next].parent == s->rows[at].parent && next != root)
			return next;
		at = s->rows[at].parent;
		--*depth;
	}
	return SPAN_NONE;
}

void path_duration(struct buf *b, uint64_t ns)
{
	static const struct {
		uint64_t ns;
		const char *name;
	} units[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" } };
	size_t i;

	for (i = 0; i < 3; i++) {
		double v = (double)ns / (double)units[i].ns;

		if (v < 0.9995)
			continue;
		buf_printf(b, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[i].name);
		return;
	}
	buf_printf(b, "%" PRIu64 " ns", ns);
}

void path_trace_id(struct buf *b, const struct span *row)
{
	buf_printf(b, "%016" PRIx64 "%016" PRIx64, row->trace[0], row->trace[1]);
}

size_t path_columns(const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static bool counts(unsigned int kind)
{
	return kind != TIME_CHILD;
}

void path_reason(struct buf *b, const struct spans *s, const struct span *row)
{
	const char *blame = spans_text(s, row->blame);
	bool told[TIME_KINDS] = { false };
	uint64_t own = 0;
	unsigned int k, n;

	if (row->time_ns[TIME_UNKNOWN] == row->end_ns - row->begin_ns)
		return; /* nothing was seen of it */
	for (k = 0; k < TIME_KINDS; k++)
		own += counts(k) ? row->time_ns[k] : 0;
	for (n = 0; own && n < REASONS_SHOWN; n++) {
		unsigned int best = TIME_KINDS;

		for (k = 0; k < TIME_KINDS; k++)
			if (counts(k) && !told[k] && row->time_ns[k] &&
			    (best == TIME_KINDS || row->time_ns[k] > row->time_ns[best]))
				best = k;
		if (best == TIME_KINDS || (n && row->time_ns[best] < own / 20))
			break;
		told[best] = true;
		buf_printf(b, "%s%s ", n ? ", " : "", span_time_name((enum span_time)best));
		path_duration(b, row->time_ns[best]);
		buf_printf(b, " (%.0f %%)", 100 * (double)row->time_ns[best] / (double)own);
	}
	if (n && *blame) {
		buf_str(b, ": ");
		buf_text(b, blame, strlen(blame));
	}
}

/* --- text --- */

#define WIDTH 100
#define LABEL_MAX 48
#define LABEL_MIN 20
#define INDENT_MAX 24
#define TIMES 24 /* columns of ` +123.4 ms   123.4 ms  ` */
#define BAR_MIN 16

static const char red[] = "\033[31m", bold[] = "\033[1m", plain[] = "\033[0m";

static void word(struct buf *b, const char *text)
{
	buf_text(b, text, strlen(text));
}

/* What it is: service, operation, resource. */
static void name_of(struct buf *b, const struct spans *s, const struct span *row)
{
	word(b, spans_text(s, row->service));
	buf_char(b, ' ');
	word(b, row->operation ? spans_text(s, row->operation) : spans_protocol(s, row));
	if (row->resource && row->resource != row->operation) {
		buf_char(b, ' ');
		word(b, spans_text(s, row->resource));
	}
}

static void header(struct buf *b, const struct path_view *v)
{
	const struct span *root = &v->s->rows[v->root];
	uint32_t at = SPAN_NONE, spans = 0, failed = 0, incomplete = 0;
	unsigned int depth = 0;

	while ((at = path_next(v->s, v->root, at, &depth)) != SPAN_NONE && spans < v->s->count) {
		spans++;
		failed += (v->s->rows[at].flags & SPAN_FAILED) != 0;
		incomplete += (v->s->rows[at].flags & SPAN_INCOMPLETE) != 0;
	}
	buf_str(b, "trace ");
	path_trace_id(b, root);
	buf_str(b, ": ");
	name_of(b, v->s, root);
	buf_str(b, ", ");
	path_duration(b, root->end_ns - root->begin_ns);
	buf_printf(b, ", %u span%s", spans, spans == 1 ? "" : "s");
	if (failed)
		buf_printf(b, ", %u failed", failed);
	if (incomplete)
		buf_printf(b, ", %u touched by loss: what is told of them may be incomplete", incomplete);
	if (root->begin_ns >= v->first_ns && v->first_ns) {
		buf_str(b, ", ");
		path_duration(b, root->begin_ns - v->first_ns);
		buf_str(b, " after the recording began");
	}
	buf_str(b, "\n\n");
}

/* Cells of the bar: 2: its own on the path, 1: it lasts, 0: not. */
static void fill(char *cells, size_t n, const struct path_view *v, uint64_t from, uint64_t to, char what)
{
	const struct span *root = &v->s->rows[v->root];
	double all = (double)(root->end_ns - root->begin_ns), a, z;
	size_t i, last;

	from = from > root->begin_ns ? from - root->begin_ns : 0;
	to = to > root->begin_ns ? to - root->begin_ns : 0;
	if (!(all > 0)) {
		memset(cells, what, n);
		return;
	}
	a = (double)from / all * (double)n + 0.5;
	z = (double)to / all * (double)n + 0.5;
	i = a < (double)n ? (size_t)a : n - 1; /* what is shorter than a cell has one */
	last = z < (double)n ? (size_t)z : n;
	last = last > i ? last : i + 1;
	for (; i < last && i < n; i++)
		cells[i] = what;
}

static void bar(struct buf *b, const struct path_view *v, const struct span *row, const struct critical_place *place,
		size_t n)
{
	static const char *const signs[] = { " ", "─", "█" };
	const struct critical_span *on = place && place->at != SPAN_NONE ? &v->c->path[place->at] : NULL;
	char cells[256] = { 0 };
	uint32_t k;
	size_t i;

	n = n < sizeof(cells) ? n : sizeof(cells);
	fill(cells, n, v, row->begin_ns, row->end_ns, 1);
	for (k = 0; on && k < on->segments; k++) {
		const struct critical_segment *g = &v->c->segments[on->segment + k];

		fill(cells, n, v, g->from_ns, g->to_ns, 2);
	}
	while (n && !cells[n - 1])
		n--;
	for (i = 0; i < n; i++)
		buf_str(b, signs[(int)cells[i]]);
}

static void notes(struct buf *b, const struct path_view *v, const struct span *row)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} flags[] = {
		{ SPAN_INCOMPLETE, "touched by loss" }, { SPAN_TIMING, "timing only" },
		{ SPAN_UNANSWERED, "never answered" },	{ SPAN_UNASKED, "asked before the recording" },
		{ SPAN_ENCRYPTED, "encrypted" },	{ SPAN_AMBIGUOUS, "another parent is as likely" },
		{ SPAN_ONE_WAY, "needs no answer" },
	};
	size_t i;

	if (row->flags & SPAN_FAILED) {
		buf_str(b, "  failed");
		if (row->status)
			buf_printf(b, " %d", row->status);
		if (row->error) {
			buf_str(b, ": ");
			word(b, spans_text(v->s, row->error));
		}
	}
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (row->flags & flags[i].flag)
			buf_printf(b, "  %s",
				   row->kind == SPAN_INTERNAL && flags[i].flag == SPAN_UNANSWERED
					   ? "its end was not said"
					   : flags[i].text);
}

/* Text in a column: padded, or cut where that has more. */
static void column(struct buf *b, const struct buf *text, size_t width)
{
	size_t have = path_columns(text->data, text->len), i, n = 0;

	if (have <= width) {
		buf_add(b, text->data, text->len);
		buf_printf(b, "%*s", (int)(width - have), "");
		return;
	}
	for (i = 0; i < text->len; i++) {
		n += ((unsigned char)text->data[i] & 0xc0) != 0x80;
		if (n == width)
			break;
	}
	buf_add(b, text->data, i);
	buf_str(b, "…");
}

static void number(struct buf *b, const char *sign, uint64_t ns)
{
	struct buf text = BUF_INIT;

	buf_str(&text, sign);
	path_duration(&text, ns);
	buf_printf(b, "%10s", text.data ? text.data : "");
	buf_fini(&text);
}

struct log_lines {
	struct buf *b;
	const struct path_view *v;
	unsigned int indent;
};

static void log_line(void *arg, struct order_ref event, uint64_t at_ns, const char *text, size_t len)
{
	struct log_lines *l = arg;
	uint64_t begin = l->v->s->rows[l->v->root].begin_ns;

	buf_printf(l->b, "  %*s· ", l->indent, "");
	number(l->b, "+", at_ns > begin ? at_ns - begin : 0);
	buf_str(l->b, "  ");
	buf_text(l->b, text, len);
	buf_printf(l->b, "  [%" PRIu64 "]\n", event.id);
}

/* What its program said of it. */
static void words(struct buf *b, const struct path_view *v, const struct span *row, unsigned int indent)
{
	const char *at = spans_text(v->s, row->attributes);
	struct span_attribute a;

	if (!*at)
		return;
	buf_printf(b, "  %*s·", indent, "");
	while (span_attribute_next(&at, &a)) {
		buf_char(b, ' ');
		buf_text(b, a.key, a.key_len);
		buf_char(b, '=');
		buf_text(b, a.text, a.text_len);
	}
	buf_char(b, '\n');
}

static void evidence(struct buf *b, const struct path_view *v, const struct span *row, unsigned int indent)
{
	buf_printf(b, "  %*s", indent, "");
	if (row->parent == SPAN_NONE)
		buf_str(b,
			row->flags & SPAN_INCOMPLETE ? "no parent was recorded" : "nobody is known to have caused it");
	else
		buf_printf(b, "child by evidence of: %s, %u %%", span_evidence_name((enum span_evidence)row->evidence),
			   row->confidence);
	if (v->host_name) {
		buf_str(b, "; on ");
		word(b, v->host_name(v->arg, row->host));
	}
	if (row->tgid)
		buf_printf(b, "; process %u, thread %u", row->tgid, row->tid);
	if (row->begin.id)
		buf_printf(b, "; events %" PRIu64 " to %" PRIu64, row->begin.id, row->end.id);
	buf_char(b, '\n');
}

struct waterfall {
	const struct path_view *v;
	size_t label, bar;
	uint64_t hidden;
	bool only_path;
};

static unsigned int indent_of(unsigned int depth)
{
	return 2 * depth < INDENT_MAX ? 2 * depth : INDENT_MAX;
}

static void span_line(struct buf *b, const struct waterfall *w, uint32_t at, unsigned int depth)
{
	const struct path_view *v = w->v;
	const struct span *row = &v->s->rows[at];
	const struct critical_place *place = critical_place(v->c, at);
	bool on = place && place->at != SPAN_NONE;
	uint64_t begin = v->s->rows[v->root].begin_ns;
	struct log_lines lines = { b, v, indent_of(depth) + 2 };
	struct buf label = BUF_INIT;

	buf_printf(&label, "%s %*s", on ? "*" : place ? " " : "?", indent_of(depth), "");
	name_of(&label, v->s, row);
	if (v->colour && on)
		buf_str(b, row->flags & SPAN_FAILED ? red : bold);
	column(b, &label, w->label);
	if (v->colour && on)
		buf_str(b, plain);
	buf_fini(&label);
	if (row->begin_ns >= begin)
		number(b, "+", row->begin_ns - begin);
	else
		number(b, "-", begin - row->begin_ns);
	number(b, "", row->end_ns - row->begin_ns);
	buf_str(b, "  ");
	bar(b, v, row, place, w->bar);
	notes(b, v, row);
	if (place && !on) {
		buf_str(b, "  had ");
		path_duration(b, place->slack_ns);
		buf_str(b, " more");
	}
	buf_char(b, '\n');
	words(b, v, row, indent_of(depth) + 2);
	if (v->verbose)
		evidence(b, v, row, indent_of(depth) + 2);
	if (v->logs)
		v->logs(v->arg, at, log_line, &lines);
}

static void waterfall(struct buf *b, struct waterfall *w)
{
	const struct path_view *v = w->v;
	uint32_t at = SPAN_NONE;
	unsigned int depth = 0;
	size_t n = 0, left_out = v->c->left_out;

	while ((at = path_next(v->s, v->root, at, &depth)) != SPAN_NONE && n++ < v->s->count) {
		const struct critical_place *place = critical_place(v->c, at);

		if (w->only_path && (!place || place->at == SPAN_NONE))
			w->hidden++;
		else
			span_line(b, w, at, depth);
	}
	buf_str(b, "\n* on the critical path; █ where it is the span's own time; ─ the span lasts\n");
	if (v->c->nplaces > v->c->npath)
		buf_str(b, "`had TIME more`: it could have ended that much later without delaying the request\n");
	if (left_out)
		buf_str(b, "? ends before its parent begins, or begins after it has ended: no part of the path\n");
	if (w->hidden)
		buf_printf(b, "%" PRIu64 " spans beside the path are not shown (-v shows all)\n", w->hidden);
}

/* Room for labels: that of the longest, within limits. */
static size_t label_width(const struct path_view *v)
{
	uint32_t at = SPAN_NONE;
	unsigned int depth = 0;
	size_t most = LABEL_MIN, n = 0;

	while ((at = path_next(v->s, v->root, at, &depth)) != SPAN_NONE && n++ < PATH_SPANS_SHOWN) {
		struct buf label = BUF_INIT;
		size_t have;

		name_of(&label, v->s, &v->s->rows[at]);
		have = 3 + indent_of(depth) + path_columns(label.data ? label.data : "", label.len);
		most = have > most ? have : most;
		buf_fini(&label);
	}
	return most < LABEL_MAX ? most : LABEL_MAX;
}

/* --- the path as stretches --- */

static void stretch(struct buf *b, const struct path_view *v, const struct critical_segment *g)
{
	const struct span *root = &v->s->rows[v->root], *row = &v->s->rows[g->row];
	const struct critical_place *place = critical_place(v->c, g->row);
	const struct critical_span *span = &v->c->path[place->at];
	double all = (double)(root->end_ns - root->begin_ns);

	number(b, "+", g->from_ns - root->begin_ns);
	number(b, "", g->to_ns - g->from_ns);
	buf_printf(b, " %4.0f %%  ", 100 * (double)(g->to_ns - g->from_ns) / (all > 0 ? all : 1));
	name_of(b, v->s, row);
	if (g == &v->c->segments[span->segment] || v->verbose) {
		struct buf reason = BUF_INIT;

		path_reason(&reason, v->s, row);
		if (reason.len)
			buf_printf(b, "\n%*s%s%s", 30, "", span->segments > 1 ? "of its own time: " : "", reason.data);
		buf_fini(&reason);
	}
	buf_char(b, '\n');
}

static int by_time(const void *a, const void *b)
{
	const struct critical_segment *x = *(const struct critical_segment *const *)a,
				      *y = *(const struct critical_segment *const *)b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void stretches(struct buf *b, const struct path_view *v)
{
	const struct critical_segment **order = calloc(v->c->nsegments + 1, sizeof(struct critical_segment *));
	size_t i, n = v->c->nsegments, shown = v->verbose || n < PATH_SPANS_SHOWN ? n : PATH_SPANS_SHOWN;

	if (!order) {
		b->failed = true;
		return;
	}
	for (i = 0; i < n; i++)
		order[i] = &v->c->segments[i];
	qsort(order, n, sizeof(struct critical_segment *), by_time);
	buf_str(b, "\nthe critical path, by time:\n");
	for (i = 0; i < shown; i++)
		stretch(b, v, order[i]);
	if (shown < n)
		buf_printf(b, "%zu more stretches (-v shows all)\n", n - shown);
	buf_str(b, "begins, ends and kinds of time are observed; who caused a span, and that the trace waited for "
		   "those on the "
		   "path, is inferred\n");
	free(order);
}

void path_text(struct buf *b, const struct path_view *v)
{
	size_t width = v->width ? v->width : WIDTH;
	struct waterfall w = { .v = v, .label = label_width(v) };

	w.bar = width > w.label + TIMES + BAR_MIN ? width - w.label - TIMES : BAR_MIN;
	w.only_path = !v->verbose && v->c->nplaces > PATH_SPANS_SHOWN;
	header(b, v);
	waterfall(b, &w);
	stretches(b, v);
}
