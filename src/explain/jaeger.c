/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/jaeger.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/spans_make.h"

#define NS_PER_US 1000
#define TIME_US_MAX (INT64_MAX / NS_PER_US)
#define HTTP_FAILED 400
#define NAME_MAX_BYTES 1024

struct reading {
	struct spans_make make;
	struct map ids;	  /* of the spans of one trace -> row */
	struct map hosts; /* offset of a name in the text -> number */
	bool told_hosts;  /* each process of this trace says on which host it is */
	uint64_t trace[2];
	json_t *processes;
	struct jaeger_stats stats;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Bytes of at most NAME_MAX_BYTES, without half of a character at the end. */
static uint32_t keep(struct reading *rd, const char *text)
{
	size_t len = strlen(text);

	if (len > NAME_MAX_BYTES)
		for (len = NAME_MAX_BYTES; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	return spans_make_text(&rd->make, text, len);
}

static uint64_t hash_text(const char *text)
{
	uint64_t h = 0;

	for (; *text; text++)
		h = map_hash(h ^ (unsigned char)*text);
	return h ? h : 1;
}

/* At most 16 hexadecimal digits. */
static bool hex(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i;

	if (!len || len > 16)
		return false;
	for (i = 0; i < len; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v << 4 | (uint64_t)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

uint64_t jaeger_id(const char *text)
{
	uint64_t id;

	return hex(text, strlen(text), &id) && id ? id : hash_text(text);
}

static void trace_id(const char *text, uint64_t ret[2])
{
	size_t len = strlen(text), high = len > 16 ? len - 16 : 0;

	ret[0] = 0;
	if ((high && !hex(text, high, &ret[0])) || !hex(text + high, len - high, &ret[1]) || !(ret[0] | ret[1])) {
		ret[0] = hash_text(text);
		ret[1] = map_hash(ret[0]);
	}
}

/* A time in us, as an integer or a real number. */
static bool time_of(const json_t *span, const char *key, uint64_t *ret_ns)
{
	const json_t *v = json_object_get(span, key);
	double real = json_number_value(v);

	if (!json_is_number(v) || !(real >= 0) || real >= (double)TIME_US_MAX / 2)
		return false;
	*ret_ns = json_is_integer(v) ? (uint64_t)json_integer_value(v) * NS_PER_US : (uint64_t)(real * NS_PER_US);
	return true;
}

/* --- tags and logs --- */

static bool truthy(const json_t *v)
{
	return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0) || *(json_string_value(v) ?: "");
}

static double number_of(const json_t *v)
{
	return json_is_string(v) ? strtod(json_string_value(v), NULL) : json_number_value(v);
}

static void set_status(struct span *row, double status, bool failed)
{
	if (status >= -1e9 && status <= 1e9)
		row->status = (int32_t)status;
	if (failed)
		row->flags |= SPAN_FAILED;
}

static void set_kind(struct span *row, const char *kind)
{
	if (!strcasecmp(kind, "server"))
		row->kind = SPAN_SERVER;
	else if (!strcasecmp(kind, "client"))
		row->kind = SPAN_CLIENT;
}

/* A bool or a number says whether, a string what: any string is an error. */
static void error_tag(struct reading *rd, struct span *row, const json_t *tag, const json_t *v)
{
	const char *text = json_string_value(v);

	if (strcasecmp(text_of(tag, "type"), "string") != 0 && !truthy(v))
		return;
	row->flags |= SPAN_FAILED;
	if (text && *text && strcmp(text, "true") != 0)
		row->error = keep(rd, text);
}

static bool is_resource(const char *key)
{
	static const char *const keys[] = { "http.url",	     "http.target", "http.route",
					    "url.full",	     "url.path",    "db.statement",
					    "db.query.text", "rpc.method",  "messaging.destination" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcasecmp(key, keys[i]))
			return true;
	return false;
}

static void take_tag(struct reading *rd, struct span *row, const json_t *tag)
{
	const char *key = text_of(tag, "key"), *text;
	const json_t *v = json_object_get(tag, "value");

	text = json_string_value(v) ?: "";
	if (!strcasecmp(key, "error"))
		error_tag(rd, row, tag, v);
	else if (!strcasecmp(key, "http.status_code") || !strcasecmp(key, "http.response.status_code"))
		set_status(row, number_of(v), number_of(v) >= HTTP_FAILED);
	else if (!strcasecmp(key, "grpc.status"))
		set_status(row, row->status, *text && strcmp(text, "OK") != 0);
	else if (!strcasecmp(key, "rpc.grpc.status_code"))
		set_status(row, number_of(v), number_of(v) != 0);
	else if (!strcasecmp(key, "otel.status_code"))
		set_status(row, row->status, !strcasecmp(text, "ERROR"));
	else if (!strcasecmp(key, "span.kind"))
		set_kind(row, text);
	else if (!strcasecmp(key, "peer.service"))
		row->peer = keep(rd, text);
	else if (!row->resource && is_resource(key))
		row->resource = keep(rd, text);
}

static void take_field(struct span *row, const json_t *field)
{
	const char *key = text_of(field, "key");

	if (!strcasecmp(key, "error.object") ||
	    (!strcasecmp(key, "error") && !strcasecmp(text_of(field, "type"), "string")) ||
	    (!strcasecmp(key, "event") && !strcasecmp(text_of(field, "value"), "error")))
		row->flags |= SPAN_FAILED;
}

static void take_logs(struct span *row, const json_t *logs)
{
	size_t i, j;

	for (i = 0; i < json_array_size(logs); i++) {
		const json_t *fields = json_object_get(json_array_get(logs, i), "fields");

		for (j = 0; j < json_array_size(fields); j++)
			take_field(row, json_array_get(fields, j));
	}
}

/* --- processes --- */

static const char *host_name(const json_t *process)
{
	const json_t *tags = json_object_get(process, "tags");
	size_t i;

	for (i = 0; i < json_array_size(tags); i++) {
		const json_t *tag = json_array_get(tags, i);

		if (!strcasecmp(text_of(tag, "key"), "hostname") || !strcasecmp(text_of(tag, "key"), "host.name"))
			return text_of(tag, "value");
	}
	return "";
}

/* Hosts are compared only where all are known. */
static void take_processes(struct reading *rd, json_t *processes)
{
	const char *key;
	json_t *process;

	rd->processes = processes;
	rd->told_hosts = true;
	json_object_foreach(processes, key, process) if (!*host_name(process)) rd->told_hosts = false;
}

static int take_process(struct reading *rd, struct span *row, const json_t *span)
{
	const json_t *process = json_object_get(rd->processes, text_of(span, "processID"));
	uint64_t name, *at;

	if (!process)
		process = json_object_get(span, "process");
	if (!json_is_object(process))
		return -EINVAL;
	row->service = keep(rd, text_of(process, "serviceName"));
	if (!rd->told_hosts)
		return 0;
	name = keep(rd, host_name(process));
	at = map_get(&rd->hosts, name);
	row->host = (uint32_t)(at ? *at : rd->hosts.count);
	if (!at && map_set(&rd->hosts, name, rd->hosts.count) < 0)
		rd->make.failed = true;
	return 0;
}

/* --- spans --- */

static int take_span(struct reading *rd, const json_t *span)
{
	const json_t *tags = json_object_get(span, "tags");
	const char *id = text_of(span, "spanID");
	uint64_t begin, duration;
	struct span *row;
	size_t i;

	if (!*id || !time_of(span, "startTime", &begin) || !time_of(span, "duration", &duration))
		return -EINVAL;
	row = spans_make_row(&rd->make);
	if (!row)
		return -ENOMEM;
	*row = (struct span) { .trace = { rd->trace[0], rd->trace[1] },
			       .id = jaeger_id(id),
			       .parent = SPAN_NONE,
			       .first_child = SPAN_NONE,
			       .next = SPAN_NONE,
			       .kind = SPAN_INTERNAL,
			       .begin_ns = begin,
			       .end_ns = begin + duration,
			       .operation = keep(rd, text_of(span, "operationName")) };
	row->time_ns[TIME_UNKNOWN] = duration;
	if (take_process(rd, row, span) < 0) {
		rd->make.s.count--;
		return -EINVAL;
	}
	for (i = 0; i < json_array_size(tags); i++)
		take_tag(rd, row, json_array_get(tags, i));
	take_logs(row, json_object_get(span, "logs"));
	return 0;
}

/* The name of its parent; "": none. */
static const char *parent_of(const json_t *span)
{
	const json_t *refs = json_object_get(span, "references");
	const char *parent = text_of(span, "parentSpanID");
	size_t i;

	for (i = 0; i < json_array_size(refs); i++) {
		const json_t *ref = json_array_get(refs, i);

		if (!strcmp(text_of(ref, "refType"), "CHILD_OF"))
			parent = text_of(ref, "spanID");
	}
	return parent;
}

static void take_parent(struct reading *rd, struct span *row, const json_t *span)
{
	const char *parent = parent_of(span);
	const uint64_t *at = *parent ? map_get(&rd->ids, jaeger_id(parent)) : NULL;

	row->evidence = EVIDENCE_ROOT;
	if (at && &rd->make.s.rows[*at] != row) {
		row->parent = (uint32_t)*at;
		row->evidence = EVIDENCE_ID;
		row->confidence = 100;
	} else if (*parent) {
		row->flags |= SPAN_INCOMPLETE;
		rd->stats.orphans++;
	}
}

/* Rows of the trace follow from row `first` on, in the order of the spans that were not left out. */
static int take_trace(struct reading *rd, const json_t *trace)
{
	json_t *spans = json_object_get(trace, "spans");
	size_t n = json_array_size(spans), i, first = rd->make.s.count;
	CLEANUP_FREE size_t *rows = calloc(n + 1, sizeof(*rows));
	int r = rows ? 0 : -ENOMEM;

	map_fini(&rd->ids);
	trace_id(text_of(trace, "traceID"), rd->trace);
	take_processes(rd, json_object_get(trace, "processes"));
	for (i = 0; r >= 0 && i < n; i++) {
		r = take_span(rd, json_array_get(spans, i));
		rows[i] = r < 0 ? SIZE_MAX : rd->make.s.count - 1;
		if (r == -EINVAL) {
			rd->stats.left_out++;
			r = 0;
		} else if (r >= 0 && !map_get(&rd->ids, rd->make.s.rows[rows[i]].id)) {
			r = map_set(&rd->ids, rd->make.s.rows[rows[i]].id, rows[i]);
		}
	}
	for (i = 0; r >= 0 && i < n && first < rd->make.s.count; i++)
		if (rows[i] != SIZE_MAX)
			take_parent(rd, &rd->make.s.rows[rows[i]], json_array_get(spans, i));
	return r;
}

static int take_all(struct reading *rd, json_t *root, struct err *err)
{
	json_t *data = json_object_get(root, "data");
	size_t i;
	int r = 0;

	if (json_is_array(json_object_get(root, "spans")))
		return take_trace(rd, root);
	data = json_is_array(root) ? root : data;
	if (!json_is_array(data))
		return err_set(err, EINVAL, "this JSON has no list \"data\" of traces, as Jaeger writes them");
	for (i = 0; r >= 0 && i < json_array_size(data); i++)
		r = take_trace(rd, json_array_get(data, i));
	return r;
}

int jaeger_read(const char *text, size_t len, struct spans *ret, struct jaeger_stats *stats, struct err *err)
{
	struct reading rd = { 0 };
	json_error_t where;
	json_t *root = json_loadb(text, len, 0, &where);
	int r;

	if (!root)
		return err_set(err, EINVAL, "line %d, column %d: this is no JSON: %s", where.line, where.column,
			       where.text);
	r = take_all(&rd, root, err);
	json_decref(root);
	if (r >= 0)
		r = spans_make_link(&rd.make, ret);
	if (r == -ENOMEM)
		err_set(err, ENOMEM, "out of memory for the spans of a file");
	map_fini(&rd.ids);
	map_fini(&rd.hosts);
	spans_make_fini(&rd.make);
	if (r >= 0 && stats)
		*stats = rd.stats;
	return r;
}
