/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/span_query.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "explain/span.h"
#include "query/query.h"

/* The fixed part of a span as an event. */
struct span_event {
	struct event_header h;
	uint64_t duration, request_bytes, response_bytes;
	uint64_t time_ns[TIME_KINDS];
	uint32_t failed, incomplete, ambiguous, unanswered, confidence;
	int32_t status;
};

#define NUMBER(field, kind, format)                                             \
	{                                                                       \
#field, kind, format, NULL, offsetof(struct span_event, field), \
			sizeof(((struct span_event *)0)->field), ""             \
	}
#define STRING(field)                                            \
	{                                                        \
		field, EVENT_STR, EVENT_FMT_CHAR, NULL, 0, 0, "" \
	}
#define STRINGS 10
#define FIXED 9

static const struct event_field fixed_fields[FIXED] = {
	NUMBER(duration, EVENT_U64, EVENT_FMT_NS),	    NUMBER(request_bytes, EVENT_U64, EVENT_FMT_BYTES),
	NUMBER(response_bytes, EVENT_U64, EVENT_FMT_BYTES), NUMBER(failed, EVENT_U32, EVENT_FMT_DEC),
	NUMBER(incomplete, EVENT_U32, EVENT_FMT_DEC),	    NUMBER(ambiguous, EVENT_U32, EVENT_FMT_DEC),
	NUMBER(unanswered, EVENT_U32, EVENT_FMT_DEC),	    NUMBER(confidence, EVENT_U32, EVENT_FMT_DEC),
	NUMBER(status, EVENT_S32, EVENT_FMT_DEC),
};

static const struct event_field strings[STRINGS] = {
	STRING("service"), STRING("operation"), STRING("resource"), STRING("error"), STRING("peer"),
	STRING("blame"),   STRING("protocol"),	STRING("kind"),	    STRING("trace"), STRING("evidence"),
};

struct span_query {
	struct event_types *types;
	struct query *query;
	const char *(*host_name)(void *arg, uint32_t host);
	void *arg;
	uint64_t first_ns;
	_Alignas(8) char room[EVENT_LENGTH_MAX];
};

/* Fields must lie in the order of their places: what comes before the classes, the classes, the rest. */
static int declare(struct event_types *types, struct err *err)
{
	struct event_field all[FIXED + TIME_KINDS + STRINGS];
	struct event_type type = { .id = EVENT_DYNAMIC_MIN,
				   .size = sizeof(struct span_event),
				   .name = "span",
				   .about = "a request as one end saw it",
				   .fields = all };
	uint16_t n = 0, i;

	for (i = 0; i < 3; i++)
		all[n++] = fixed_fields[i];
	for (i = 0; i < TIME_KINDS; i++)
		all[n++] = (struct event_field) { span_time_key((enum span_time)i),
						  EVENT_U64,
						  EVENT_FMT_NS,
						  NULL,
						  (uint16_t)(offsetof(struct span_event, time_ns) + 8U * i),
						  8,
						  "" };
	for (i = 3; i < FIXED; i++)
		all[n++] = fixed_fields[i];
	for (i = 0; i < STRINGS; i++)
		all[n++] = strings[i];
	type.nfields = n;
	return event_types_add(types, &type, err);
}

int span_query_new(const char *text, const char *(*host_name)(void *arg, uint32_t host), void *arg,
		   struct span_query **ret, struct err *err)
{
	struct span_query *q = calloc(1, sizeof(*q));
	int r = q ? event_types_new(&q->types) : -ENOMEM;

	if (r < 0)
		r = err_set(err, ENOMEM, "out of memory for the query");
	if (r >= 0)
		r = declare(q->types, err);
	if (r >= 0)
		r = query_compile(text, q->types, &q->query, NULL, err);
	if (r < 0) {
		(void)span_query_free(q);
		return r;
	}
	q->host_name = host_name;
	q->arg = arg;
	*ret = q;
	return 0;
}

struct span_query *span_query_free(struct span_query *q)
{
	if (!q)
		return NULL;
	(void)query_free(q->query);
	(void)event_types_free(q->types);
	free(q);
	return NULL;
}

static const char *scope_host(void *arg, const struct event *ev)
{
	const struct span_query *q = arg;

	return q->host_name ? q->host_name(q->arg, ev->host) : NULL;
}

static uint64_t scope_since(void *arg, const struct event *ev)
{
	const struct span_query *q = arg;

	return ev->boot_ns > q->first_ns ? ev->boot_ns - q->first_ns : 0;
}

static struct span_event fixed_part(const struct span *s)
{
	struct span_event e = { .h = { .boot_ns = s->begin_ns,
				       .type = EVENT_DYNAMIC_MIN,
				       .start_ns = s->start_ns,
				       .tgid = s->tgid,
				       .tid = s->tid },
				.duration = s->end_ns - s->begin_ns,
				.request_bytes = s->request_bytes,
				.response_bytes = s->response_bytes,
				.failed = !!(s->flags & SPAN_FAILED),
				.incomplete = !!(s->flags & SPAN_INCOMPLETE),
				.ambiguous = !!(s->flags & SPAN_AMBIGUOUS),
				.unanswered = !!(s->flags & SPAN_UNANSWERED),
				.confidence = s->confidence,
				.status = s->status };

	memcpy(e.time_ns, s->time_ns, sizeof(e.time_ns));
	return e;
}

bool span_query_match(struct span_query *q, const struct spans *s, uint32_t span, uint64_t first_ns)
{
	const struct span *row = &s->rows[span];
	struct span_event fixed = fixed_part(row);
	char trace[33];
	const char *text[STRINGS + 1] = { spans_text(s, row->service),
					  spans_text(s, row->operation),
					  spans_text(s, row->resource),
					  spans_text(s, row->error),
					  spans_text(s, row->peer),
					  spans_text(s, row->blame),
					  spans_protocol(s, row),
					  span_kind_name((enum span_kind)row->kind),
					  trace,
					  span_evidence_name((enum span_evidence)row->evidence) };
	struct event ev = { .id = span + 1ULL, .host = row->host, .boot_ns = row->begin_ns };
	struct query_scope scope = { .time_arg = q, .since_ns = scope_since, .arg = q, .host = scope_host };

	if (!q)
		return true;
	(void)snprintf(trace, sizeof(trace), "%016" PRIx64 "%016" PRIx64, row->trace[0], row->trace[1]);
	ev.type = event_types_get(q->types, EVENT_DYNAMIC_MIN);
	if (event_build_as(ev.type, q->room, sizeof(q->room), &fixed, text) < 0)
		return false;
	ev.h = (const struct event_header *)(const void *)q->room;
	q->first_ns = first_ns;
	return query_match(q->query, &ev, &scope);
}
