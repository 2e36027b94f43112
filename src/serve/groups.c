/* SPDX-License-Identifier: Apache-2.0 */
/* groups - two groups of requests beside each other: two regions of the heat map, one and all else, or the slowest and the normal. */
#include "explain/groups.h"

#include <math.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/internal.h"
#include "store/store.h"

/* `FROM,TO,MIN,MAX`; absent or empty: *ret_given is false.  Returns false where it is none. */
static bool region_of(const struct serve_request *rq, const char *name, struct span_region *ret, bool *ret_given)
{
	const char *text = request_param(rq, name);
	double *const parts[] = { &ret->from, &ret->to, &ret->min, &ret->max };
	char *end;
	size_t i;

	*ret_given = text && *text;
	for (i = 0; *ret_given && i < ARRAY_LEN(parts); i++) {
		*parts[i] = strtod(text, &end);
		if (end == text || !isfinite(*parts[i]) || *end != (i + 1 < ARRAY_LEN(parts) ? ',' : 0))
			return false;
		text = end + 1;
	}
	return true;
}

/* Traces by their roots; SPAN_NONE: no trace begins there. */
static uint32_t *traces_by_root(const struct spans *s)
{
	uint32_t *found = malloc((s->count + 1) * sizeof(*found));
	size_t i;

	for (i = 0; found && i < s->count; i++)
		found[i] = SPAN_NONE;
	for (i = 0; found && i < s->ntraces; i++)
		found[s->traces[i].root] = (uint32_t)i;
	return found;
}

struct chosen {
	struct span_region one, other;
	bool one_given, other_given;
	uint32_t *ones, *others; /* traces */
	size_t none, nother, both;
};

/* Those of both regions count as the one. */
static void choose(struct chosen *c, const struct model *m, const struct spans *s, const struct spans_found *f,
		   const uint32_t *traces)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		uint32_t row = f->rows[i];
		bool one = c->one_given && span_region_has(&c->one, m, s, row);
		bool other = !c->other_given || span_region_has(&c->other, m, s, row);

		if (traces[row] == SPAN_NONE)
			continue;
		c->both += one && other && c->other_given;
		if (one)
			c->ones[c->none++] = traces[row];
		else if (other)
			c->others[c->nother++] = traces[row];
	}
}

static const char *host_name(void *arg, uint32_t host)
{
	return store_host_name(arg, host);
}

static void put(struct buf *b, const struct model *m, const struct groups *g, const struct chosen *c)
{
	unsigned int k;

	groups_json(b, g, m->nhosts > 1 ? host_name : NULL, m->reader);
	if (b->failed)
		return;
	b->data[--b->len] = 0; /* the closing brace */
	buf_printf(b, ",\"both\":%zu,\"matched\":%zu,\"classes\":{", c->both, c->none + c->nother);
	for (k = 0; k < TIME_KINDS; k++)
		buf_printf(b, "%s\"%s\":\"%s\"", k ? "," : "", span_time_key((enum span_time)k),
			   span_time_name((enum span_time)k));
	buf_str(b, "}}");
}

/* c->ones and c->others have room for all that was found. */
static void compare(const struct model *m, const struct spans_found *f, const uint32_t *traces, struct chosen *c,
		    struct serve_response *rs)
{
	const struct spans *s = model_spans(m);
	struct err err = ERR_INIT;
	struct groups g;
	int r;

	choose(c, m, s, f, traces);
	r = c->one_given ? groups_between(s, c->ones, c->none, c->others, c->nother, m->parts, &g, &err)
			 : groups_slow(s, c->others, c->nother, m->parts, &g, &err);
	if (r < 0) {
		response_error(rs, 500, "%s", err.text);
		return;
	}
	put(&rs->body, m, &g, c);
	groups_fini(&g);
}

void answer_groups(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	CLEANUP_FREE uint32_t *ones = NULL, *others = NULL, *traces = NULL;
	struct chosen c = { 0 };
	struct spans_found f = { 0 };

	(void)s;
	if (!region_of(rq, "one", &c.one, &c.one_given) || !region_of(rq, "other", &c.other, &c.other_given)) {
		response_error(rs, 400, "'one' and 'other' are regions: FROM,TO,MIN,MAX, numbers of nanoseconds");
		return;
	}
	if (c.other_given && !c.one_given) {
		response_error(rs, 400, "'other' is beside 'one', which is missing");
		return;
	}
	if (!spans_find(m, rq, &f, rs))
		return;
	c.ones = ones = malloc((f.n + 1) * sizeof(*ones));
	c.others = others = malloc((f.n + 1) * sizeof(*others));
	traces = traces_by_root(model_spans(m));
	if (ones && others && traces)
		compare(m, &f, traces, &c, rs);
	else
		response_error(rs, 500, "out of memory for two groups of requests");
	free(f.rows);
}
