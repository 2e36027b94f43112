/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_SCRATCH_SPANS_H
#define SAKER_SERVE_SCRATCH_SPANS_H
/*
 * scratch_spans - for tests of serve/: a recording whose requests are made up.  Request i begins with event i, a log line, at
 * SCRATCH_STEP * i ns after the first; its spans are what the test says.
 */
#include <jansson.h>

#include "explain/requests_in.h"
#include "explain/spans_make.h"
#include "serve/scratch.h"

#define SCRATCH_STEP 1000000ULL
#define SCRATCH_T0 500ULL /* boot time of the first event */

struct scratch_spans {
	struct scratch world;
	struct model *m;
	struct spans_make make;
};

/* A recording of that many events. */
static inline void scratch_spans_open(struct scratch_spans *x, unsigned int events)
{
	unsigned int i;

	*x = (struct scratch_spans) { .m = NULL };
	scratch_open(&x->world);
	for (i = 0; i < events; i++) {
		struct event_log e = { .h = scratch_head(EVENT_LOG, SCRATCH_T0 + SCRATCH_STEP * i, 10, 10) };
		char text[32];
		const char *line[] = { text, NULL };

		(void)snprintf(text, sizeof(text), "line %u <i>", i);
		(void)scratch_put(&x->world, &e, line);
	}
	if (!events)
		scratch_clock(&x->world, SCRATCH_T0);
	x->m = scratch_serve(&x->world);
}

/* A span; parent: SPAN_NONE, or the place of one that was made before.  It begins with event `event` and lasts ns. */
static inline struct span *scratch_span(struct scratch_spans *x, uint32_t parent, const char *service,
					unsigned int event, uint64_t ns)
{
	struct span *row = spans_make_row(&x->make);

	if (!row)
		scratch_die(&x->world, "out of memory for a span");
	row->parent = parent;
	row->id = x->make.s.count;
	row->trace[1] = parent == SPAN_NONE ? x->make.s.count : x->make.s.rows[parent].trace[1];
	row->service = spans_make_text(&x->make, service, strlen(service));
	row->begin = row->end = (struct order_ref) { 0, event + 1 };
	row->begin_ns = SCRATCH_T0 + SCRATCH_STEP * event;
	row->end_ns = row->begin_ns + ns;
	row->time_ns[TIME_RUNNING] = ns;
	return row;
}

static inline uint32_t scratch_span_text(struct scratch_spans *x, const char *text)
{
	return spans_make_text(&x->make, text, strlen(text));
}

/* Now they are what was derived from the recording. */
static inline const struct spans *scratch_spans_done(struct scratch_spans *x)
{
	struct requests *r = calloc(1, sizeof(*r));

	if (!r || spans_make_link(&x->make, &r->spans) < 0)
		scratch_die(&x->world, "out of memory for spans");
	x->m->requests = r;
	x->m->derived = true;
	return &r->spans;
}

static inline void scratch_spans_close(struct scratch_spans *x)
{
	spans_make_fini(&x->make);
	scratch_close(&x->world);
}

/* The answer; NULL: it is not JSON.  *ret_status: of HTTP.  The caller has json_decref() it. */
static inline json_t *scratch_json(struct scratch_spans *x, const char *path, const char *query,
				   unsigned int *ret_status)
{
	struct serve_response rs;
	json_t *json;

	scratch_get(&x->world, path, query, &rs);
	json = rs.body.data ? json_loadb(rs.body.data, rs.body.len, 0, NULL) : NULL;
	*ret_status = rs.status;
	response_fini(&rs);
	return json;
}

static inline int64_t scratch_number(const json_t *json, const char *name)
{
	return json_integer_value(json_object_get(json, name));
}

#endif
