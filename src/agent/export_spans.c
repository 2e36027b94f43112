/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/export_spans.h"

#include <stdlib.h>

#include "agent/span_facts.h"
#include "agent/traces.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/span_query.h"
#include "store/store.h"

struct asked {
	struct traces t;
	struct span_facts_reader *facts; /* NULL: a file, of which nothing else is known */
};

static const char *host_name(void *arg, uint32_t host)
{
	const struct asked *a = arg;

	return a->t.a.reader ? store_host_name(a->t.a.reader, host) : NULL;
}

static void facts(void *arg, const struct span *span, struct span_facts *ret)
{
	const struct asked *a = arg;

	span_facts_of(a->facts, span, ret);
}

static uint32_t root_of(const struct spans *s, uint32_t span)
{
	size_t steps;

	for (steps = 0; s->rows[span].parent < s->count && steps < s->count; steps++)
		span = s->rows[span].parent;
	return span;
}

/* The rows of all traces that one span speaks for; the caller frees them. */
static int matching(struct asked *a, const char *text, uint32_t **ret, size_t *ret_count, struct err *err)
{
	const struct spans *s = a->t.s;
	CLEANUP_FREE uint32_t *rows = malloc((s->count + 1) * sizeof(*rows));
	CLEANUP_FREE bool *wanted = calloc(s->count + 1, sizeof(*wanted));
	struct span_query *q = NULL;
	size_t n = 0;
	uint32_t i;
	int r;

	if (!rows || !wanted)
		return err_set(err, ENOMEM, "out of memory for the rows of %zu spans", s->count);
	r = span_query_new(text, host_name, a, &q, err);
	if (r < 0)
		return err_prefix(err, "cannot understand the query");
	for (i = 0; i < s->count; i++)
		if (span_query_match(q, s, i, s->rows[0].begin_ns))
			wanted[root_of(s, i)] = true;
	span_query_free(q);
	for (i = 0; i < s->count; i++)
		if (wanted[root_of(s, i)])
			rows[n++] = i;
	*ret = TAKE(rows);
	*ret_count = n;
	return 0;
}

static size_t count_traces(const struct export_spans *x)
{
	size_t i, n = 0;

	for (i = 0; i < x->count; i++)
		n += x->s->rows[export_span(x, i)].parent == SPAN_NONE;
	return n;
}

static int put(const struct export_spans_opts *opts, const struct export_spans *x, struct export_spans_result *ret,
	       struct err *err)
{
	struct otlp_send_opts so = {
		.target = opts->target, .progress = opts->progress, .told = opts->told, .arg = opts->arg
	};

	if (opts->out)
		return opts->format->write(x, opts->out, err);
	return otlp_send(&so, x, &ret->sent, err);
}

int export_spans_run(const struct export_spans_opts *opts, struct export_spans_result *ret, struct err *err)
{
	struct analysis_opts ao = {
		.paths = opts->paths, .npaths = opts->npaths, .requests = true, .damage = opts->damage, .arg = opts->arg
	};
	struct export_spans x = { .host_name = host_name };
	CLEANUP_FREE uint32_t *rows = NULL;
	struct asked a = { 0 };
	struct traces *t = &a.t;
	int r = traces_open(&ao, t, err);

	*ret = (struct export_spans_result) { 0 };
	if (r < 0)
		return r;
	x.s = t->s;
	x.count = t->s->count;
	x.arg = &a;
	x.epoch_ns = t->a.reader ? store_host_epoch(t->a.reader, 0) : 0;
	if (t->a.reader)
		r = span_facts_open(t->a.reader, &a.facts, err);
	x.facts = a.facts ? facts : NULL;
	if (r >= 0 && opts->query)
		r = matching(&a, opts->query, &rows, &x.count, err);
	x.rows = rows;
	if (r >= 0) {
		ret->spans = x.count;
		ret->traces = count_traces(&x);
		ret->left_out = t->left_out;
		ret->no_epoch = t->a.reader && !x.epoch_ns;
		r = put(opts, &x, ret, err);
	}
	span_facts_close(a.facts);
	traces_close(t);
	return r;
}
