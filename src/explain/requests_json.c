/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/requests_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "explain/span.h"

#define DEPTH_MAX 64

/* --- why --- */

static uint32_t longest_child(const struct spans *s, uint32_t span)
{
	uint32_t c, best = SPAN_NONE;
	uint64_t most = 0;

	for (c = s->rows[span].first_child; c != SPAN_NONE; c = s->rows[c].next) {
		uint64_t ns = s->rows[c].end_ns - s->rows[c].begin_ns;

		if (best != SPAN_NONE && ns <= most)
			continue;
		best = c;
		most = ns;
	}
	return best;
}

static uint32_t largest_class(const struct span *s)
{
	uint32_t k, best = TIME_UNKNOWN;

	for (k = 0; k < TIME_KINDS; k++)
		if (s->time_ns[k] > s->time_ns[best])
			best = k;
	return best;
}

uint32_t span_reason(const struct spans *s, uint32_t span, uint32_t *ret_time)
{
	unsigned int depth;

	for (depth = 0; depth < DEPTH_MAX; depth++) {
		uint32_t child = longest_child(s, span);

		*ret_time = largest_class(&s->rows[span]);
		if (*ret_time != TIME_CHILD || child == SPAN_NONE)
			break;
		span = child;
	}
	return span;
}

void span_duration_text(struct buf *b, uint64_t ns)
{
	if (ns < 1000)
		buf_printf(b, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		buf_printf(b, "%.1f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		buf_printf(b, "%.1f ms", (double)ns / 1e6);
	else
		buf_printf(b, "%.3f s", (double)ns / 1e9);
}

static void text(struct buf *b, const char *t)
{
	buf_text(b, t, strlen(t));
}

void span_reason_text(struct buf *b, const struct spans *s, uint32_t span)
{
	uint32_t time, at = span_reason(s, span, &time);
	const struct span *row = &s->rows[at];

	if (at != span) {
		text(b, row->kind == SPAN_CLIENT && row->peer ? spans_text(s, row->peer) : spans_text(s, row->service));
		buf_char(b, ' ');
		text(b, *spans_text(s, row->operation) ? spans_text(s, row->operation) : spans_protocol(s, row));
		buf_char(b, ' ');
		span_duration_text(b, row->end_ns - row->begin_ns);
		buf_str(b, ": ");
	}
	buf_str(b, span_time_name((enum span_time)time));
	buf_char(b, ' ');
	span_duration_text(b, row->time_ns[time]);
	if (time == TIME_RUNNING || !*spans_text(s, row->blame))
		return;
	buf_str(b, " (");
	text(b, spans_text(s, row->blame));
	buf_char(b, ')');
}

/* --- JSON --- */

static void json_text(struct buf *b, const char *key, const char *value)
{
	if (!*value)
		return;
	buf_printf(b, ",\"%s\":", key);
	buf_json(b, value, strlen(value));
}

static void json_flags(struct buf *b, uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { SPAN_FAILED, "failed" },       { SPAN_INCOMPLETE, "incomplete" },
		      { SPAN_TIMING, "timing" },       { SPAN_UNANSWERED, "unanswered" },
		      { SPAN_UNASKED, "unasked" },     { SPAN_ENCRYPTED, "encrypted" },
		      { SPAN_AMBIGUOUS, "ambiguous" }, { SPAN_ONE_WAY, "one_way" } };
	size_t i;
	bool any = false;

	buf_str(b, ",\"flags\":[");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].bit))
			continue;
		buf_printf(b, "%s\"%s\"", any ? "," : "", names[i].name);
		any = true;
	}
	buf_char(b, ']');
}

static void json_time(struct buf *b, const struct span *s)
{
	unsigned int k;
	bool any = false;

	buf_str(b, ",\"time_ns\":{");
	for (k = 0; k < TIME_KINDS; k++) {
		if (!s->time_ns[k])
			continue;
		buf_printf(b, "%s\"%s\":%" PRIu64, any ? "," : "", span_time_key((enum span_time)k), s->time_ns[k]);
		any = true;
	}
	buf_char(b, '}');
}

static void json_logs(struct buf *b, const struct order_ref *refs, size_t n)
{
	size_t i;

	if (!n)
		return;
	buf_str(b, ",\"logs\":[");
	for (i = 0; i < n; i++)
		buf_printf(b, "%s%" PRIu64, i ? "," : "", refs[i].id);
	buf_char(b, ']');
}

static void json_parent(struct buf *b, const struct spans *s, const struct span *row)
{
	if (row->parent == SPAN_NONE)
		return;
	buf_printf(b, ",\"parent\":\"%016" PRIx64 "\",\"evidence\":\"%s\",\"confidence\":%u", s->rows[row->parent].id,
		   span_evidence_name((enum span_evidence)row->evidence), row->confidence);
}

void span_attributes_json(struct buf *b, const struct spans *s, const struct span *row)
{
	const char *at = spans_text(s, row->attributes), *sep = "";
	struct span_attribute a;

	if (!*at)
		return;
	buf_str(b, ",\"attributes\":{");
	while (span_attribute_next(&at, &a)) {
		buf_str(b, sep);
		buf_json(b, a.key, a.key_len);
		buf_char(b, ':');
		if (a.number)
			buf_add(b, a.text, a.text_len);
		else
			buf_json(b, a.text, a.text_len);
		sep = ",";
	}
	buf_char(b, '}');
}

void span_json(struct buf *b, const struct spans *s, uint32_t span, const struct order_ref *logs, size_t nlogs,
	       const char *(*host_name)(void *arg, uint32_t host), void *arg)
{
	const struct span *row = &s->rows[span];
	const char *host = host_name ? host_name(arg, row->host) : NULL;

	buf_printf(b, "{\"trace\":\"%016" PRIx64 "%016" PRIx64 "\",\"id\":\"%016" PRIx64 "\"", row->trace[0],
		   row->trace[1], row->id);
	json_parent(b, s, row);
	buf_printf(b, ",\"kind\":\"%s\"", span_kind_name((enum span_kind)row->kind));
	json_text(b, "host", host ? host : "");
	json_text(b, "service", spans_text(s, row->service));
	json_text(b, "peer", spans_text(s, row->peer));
	json_text(b, "protocol", spans_protocol(s, row));
	json_text(b, "operation", spans_text(s, row->operation));
	json_text(b, "resource", spans_text(s, row->resource));
	buf_printf(b, ",\"status\":%d", row->status);
	json_text(b, "error", spans_text(s, row->error));
	buf_printf(b, ",\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64 ",\"duration_ns\":%" PRIu64, row->begin_ns,
		   row->end_ns, row->end_ns - row->begin_ns);
	buf_printf(b, ",\"request_bytes\":%" PRIu64 ",\"response_bytes\":%" PRIu64 ",\"pid\":%u,\"tid\":%u",
		   row->request_bytes, row->response_bytes, row->tgid, row->tid);
	json_flags(b, row->flags);
	json_time(b, row);
	json_text(b, "blame", spans_text(s, row->blame));
	span_attributes_json(b, s, row);
	json_logs(b, logs, nlogs);
	buf_printf(b, ",\"event\":%" PRIu64 ",\"end_event\":%" PRIu64 "}", row->begin.id, row->end.id);
}
