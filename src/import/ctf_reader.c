/* SPDX-License-Identifier: Apache-2.0 */
#include "import/ctf_reader.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include <babeltrace2/babeltrace.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "import/ctf_field.h"

#define TRACES_MAX 1024
#define FOLDERS_DEEP 32

static const char *const identity[] = { "vtid", "tid", "vpid", "pid", "procname", NULL };

struct reader {
	FILE *out;
	struct buf frame;
	struct map types; /* event class -> its number */
	uint32_t ntypes;
	struct ctf_values values;
	uint64_t last_ns;
	bool failed; /* the other end is gone, or there is no memory */
};

static void frame_send(struct reader *r, enum ctf_frame_kind kind)
{
	struct ctf_frame f = { kind, (uint32_t)r->frame.len };

	r->failed |= r->frame.failed || f.length > CTF_FRAME_MAX || fwrite(&f, sizeof(f), 1, r->out) != 1 ||
		     (f.length && fwrite(r->frame.data, f.length, 1, r->out) != 1);
	buf_reset(&r->frame);
}

static void frame_text(struct reader *r, const char *text)
{
	buf_add(&r->frame, text ? text : "", text ? strnlen(text, 255) : 0);
	buf_char(&r->frame, 0);
}

static void tell(struct reader *r, enum ctf_frame_kind kind, const char *text)
{
	buf_printf(&r->frame, "%.1000s", text);
	buf_char(&r->frame, 0);
	frame_send(r, kind);
}

/* Types */
static void type_send(struct reader *r, const struct ctf_shape *s, const char *name)
{
	uint32_t head[3] = { s->numbers, s->texts, s->left_out }, i;

	buf_add(&r->frame, head, sizeof(head));
	frame_text(r, name && name[0] ? name : "ctf_event");
	for (i = 0; i < s->numbers + s->texts; i++) {
		buf_char(&r->frame, (char)s->fields[i].kind);
		frame_text(r, s->fields[i].name);
	}
	frame_send(r, CTF_TYPE);
}

static uint32_t type_of(struct reader *r, const bt_event_class *class)
{
	const uint64_t *known = map_get(&r->types, (uint64_t)(uintptr_t) class);
	const bt_stream_class *stream = bt_event_class_borrow_stream_class_const(class);
	struct ctf_shape s = { .numbers = 0 };

	if (known)
		return (uint32_t)*known;
	ctf_shape_add(&s, bt_event_class_borrow_payload_field_class_const(class), NULL);
	ctf_shape_add(&s, bt_stream_class_borrow_event_common_context_field_class_const(stream), identity);
	ctf_shape_add(&s, bt_event_class_borrow_specific_context_field_class_const(class), identity);
	ctf_shape_finish(&s);
	type_send(r, &s, bt_event_class_get_name(class));
	r->failed |= map_set(&r->types, (uint64_t)(uintptr_t) class, r->ntypes) < 0;
	return r->ntypes++;
}

/* Events */
static uint64_t context_number(const bt_event *ev, const char *first, const char *second)
{
	const bt_field *common = bt_event_borrow_common_context_field_const(ev);
	const bt_field *own = bt_event_borrow_specific_context_field_const(ev);
	uint64_t v;

	return ctf_member_number(common, first, &v) || ctf_member_number(own, first, &v) ||
			       ctf_member_number(common, second, &v) || ctf_member_number(own, second, &v)
		       ? v
		       : 0;
}

static const char *process_name(const bt_event *ev)
{
	const char *name = ctf_member_text(bt_event_borrow_common_context_field_const(ev), "procname");

	return name ? name : ctf_member_text(bt_event_borrow_specific_context_field_const(ev), "procname");
}

static const char *host_name(const bt_trace *trace)
{
	const bt_value *v = bt_trace_borrow_environment_entry_value_by_name_const(trace, "hostname");

	return v && bt_value_is_string(v) ? bt_value_string_get(v) : NULL;
}

static void stream_name(struct reader *r, const bt_stream *stream)
{
	const char *name = bt_stream_get_name(stream), *slash = name ? strrchr(name, '/') : NULL;
	char text[32];

	(void)snprintf(text, sizeof(text), "stream %llu", (unsigned long long)bt_stream_get_id(stream));
	frame_text(r, slash ? slash + 1 : name ? name : text);
}

static int time_of(struct reader *r, const bt_message *m, const bt_event_class *class, uint64_t *ret_ns)
{
	const bt_stream_class *stream = bt_event_class_borrow_stream_class_const(class);
	int64_t ns;

	if (!bt_stream_class_borrow_default_clock_class_const(stream))
		ns = (int64_t)r->last_ns + 1; /* the order is all that is known */
	else if (bt_clock_snapshot_get_ns_from_origin(bt_message_event_borrow_default_clock_snapshot_const(m), &ns))
		ns = -1;
	if (ns < 0)
		return -ERANGE;
	*ret_ns = r->last_ns = (uint64_t)ns;
	return 0;
}

static void take_event(struct reader *r, const bt_message *m)
{
	const bt_event *ev = bt_message_event_borrow_event_const(m);
	const bt_event_class *class = bt_event_borrow_class_const(ev);
	const bt_stream *stream = bt_event_borrow_stream_const(ev);
	struct ctf_event e = { .type = type_of(r, class) };
	struct ctf_values *v = &r->values;

	if (time_of(r, m, class, &e.ns) < 0) {
		tell(r, CTF_COMPLAINT, "the event's time is before 1970 or does not fit 64 bits");
		return;
	}
	ctf_values_clear(v);
	ctf_values_add(v, bt_event_borrow_payload_field_const(ev), NULL);
	ctf_values_add(v, bt_event_borrow_common_context_field_const(ev), identity);
	ctf_values_add(v, bt_event_borrow_specific_context_field_const(ev), identity);
	e.cut = v->cut;
	e.tid = context_number(ev, "vtid", "tid");
	e.pid = context_number(ev, "vpid", "pid");
	buf_add(&r->frame, &e, sizeof(e));
	frame_text(r, host_name(bt_stream_borrow_trace_const(stream)));
	stream_name(r, stream);
	frame_text(r, process_name(ev));
	buf_add(&r->frame, v->numbers, v->n * sizeof(v->numbers[0]));
	buf_add(&r->frame, v->texts.data, v->texts.len);
	r->failed |= v->texts.failed;
	frame_send(r, CTF_EVENT);
}

/* What the tracer itself lost. */
static void take_discarded(struct reader *r, const bt_message *m, bool packets)
{
	char why[96] = "the tracer discarded packets here";
	uint64_t n;

	if (!packets && bt_message_discarded_events_get_count(m, &n) == BT_PROPERTY_AVAILABILITY_AVAILABLE)
		(void)snprintf(why, sizeof(why), "the tracer discarded %llu events here", (unsigned long long)n);
	else if (!packets)
		(void)snprintf(why, sizeof(why), "the tracer discarded events here");
	tell(r, CTF_COMPLAINT, why);
}

static void take_message(struct reader *r, const bt_message *m)
{
	switch (bt_message_get_type(m)) {
	case BT_MESSAGE_TYPE_EVENT:
		take_event(r, m);
		return;
	case BT_MESSAGE_TYPE_DISCARDED_EVENTS:
		take_discarded(r, m, false);
		return;
	case BT_MESSAGE_TYPE_DISCARDED_PACKETS:
		take_discarded(r, m, true);
		return;
	default:
		return;
	}
}

/* The sink */
static bt_graph_simple_sink_component_consume_func_status sink_consume(bt_message_iterator *it, void *data)
{
	struct reader *r = data;
	bt_message_array_const messages;
	uint64_t count = 0, i;
	int status = (int)bt_message_iterator_next(it, &messages, &count);

	if (status)
		return (bt_graph_simple_sink_component_consume_func_status)status;
	for (i = 0; i < count; i++) {
		if (!r->failed)
			take_message(r, messages[i]);
		bt_message_put_ref(messages[i]);
	}
	return r->failed ? BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_ERROR
			 : BT_GRAPH_SIMPLE_SINK_COMPONENT_CONSUME_FUNC_STATUS_OK;
}

/* The graph */
struct graph {
	bt_graph *graph;
	const bt_plugin *ctf, *utils;
	const bt_component_filter *muxer;
	unsigned int traces;
};

static void cleanup_graph(struct graph *g)
{
	bt_graph_put_ref(g->graph);
	bt_plugin_put_ref(g->ctf);
	bt_plugin_put_ref(g->utils);
}

/* What babeltrace2 says is wrong: its innermost cause, which names the file. */
static int bt_failed(struct err *err, const char *path)
{
	const bt_error *e = bt_current_thread_take_error();
	const char *why = "no reason was given";
	int r;

	if (e && bt_error_get_cause_count(e))
		why = bt_error_cause_get_message(bt_error_borrow_cause_by_index(e, 0));
	r = err_set(err, EBADMSG, "cannot read the trace '%s': %s", path, why);
	if (e)
		bt_error_release(e);
	return r;
}

static const bt_plugin *plugin(const char *name)
{
	const bt_plugin *p = NULL;

	(void)bt_plugin_find(name, BT_FALSE, BT_FALSE, BT_TRUE, BT_TRUE, BT_FALSE, &p);
	bt_current_thread_clear_error();
	return p;
}

static int graph_begin(struct graph *g, struct err *err)
{
	g->graph = bt_graph_create(0);
	g->ctf = plugin("ctf");
	g->utils = plugin("utils");
	if (!g->graph || !g->ctf || !g->utils)
		return err_set(err, ENOENT, "libbabeltrace2 has no plugins 'ctf' and 'utils' on this host");
	if (bt_graph_add_filter_component(g->graph,
					  bt_plugin_borrow_filter_component_class_by_name_const(g->utils, "muxer"),
					  "muxer", NULL, BT_LOGGING_LEVEL_NONE, &g->muxer))
		return err_set(err, ENOMEM, "out of memory for reading a trace");
	return 0;
}

/* Every stream of the source into the muxer, which has always one port more than are connected. */
static int connect_source(struct graph *g, const bt_component_source *source, const char *path, struct err *err)
{
	uint64_t ports = bt_component_source_get_output_port_count(source), i;

	for (i = 0; i < ports; i++) {
		uint64_t last = bt_component_filter_get_input_port_count(g->muxer) - 1;

		if (bt_graph_connect_ports(g->graph, bt_component_source_borrow_output_port_by_index_const(source, i),
					   bt_component_filter_borrow_input_port_by_index_const(g->muxer, last), NULL))
			return bt_failed(err, path);
	}
	return 0;
}

static int add_trace(struct graph *g, const char *path, struct err *err)
{
	const bt_component_class_source *class = bt_plugin_borrow_source_component_class_by_name_const(g->ctf, "fs");
	const bt_component_source *source = NULL;
	bt_value *params = bt_value_map_create(), *inputs = NULL;
	char name[32];
	int r = 0;

	(void)snprintf(name, sizeof(name), "trace%u", g->traces++);
	if (!params || bt_value_map_insert_empty_array_entry(params, "inputs", &inputs) ||
	    bt_value_array_append_string_element(inputs, path))
		r = err_set(err, ENOMEM, "out of memory for reading a trace");
	else if (bt_graph_add_source_component(g->graph, class, name, params, BT_LOGGING_LEVEL_NONE, &source))
		r = bt_failed(err, path);
	bt_value_put_ref(params);
	return r < 0 ? r : connect_source(g, source, path, err);
}

/* nftw() has no argument for its function. */
static struct {
	char *paths[TRACES_MAX];
	unsigned int count;
	bool full;
} found;

static int see_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *slash = strrchr(path, '/');

	(void)st;
	(void)where;
	if (type != FTW_F || !slash || strcmp(slash, "/metadata"))
		return 0;
	found.full = found.count == TRACES_MAX;
	if (!found.full)
		found.paths[found.count] = strndup(path, (size_t)(slash - path));
	found.count += !found.full && found.paths[found.count];
	return found.full;
}

static void found_clear(void)
{
	while (found.count)
		free(found.paths[--found.count]);
}

static int path_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_traces(struct graph *g, const char *path, struct err *err)
{
	unsigned int i;
	int r = 0;

	found.full = false;
	(void)nftw(path, see_file, FOLDERS_DEEP, FTW_PHYS);
	if (found.full)
		r = err_set(err, E2BIG, "'%s' has more than %d traces", path, TRACES_MAX);
	else if (!found.count)
		r = err_set(err, ENOENT, "'%s' has no CTF trace: there is no file 'metadata' in it or below", path);
	qsort(found.paths, found.count, sizeof(found.paths[0]), path_compare);
	for (i = 0; r >= 0 && i < found.count; i++)
		r = add_trace(g, found.paths[i], err);
	found_clear();
	return r;
}

static int run(struct graph *g, struct reader *r, const char *path, struct err *err)
{
	const bt_component_sink *sink = NULL;

	if (bt_graph_add_simple_sink_component(g->graph, "saker", NULL, sink_consume, NULL, r, &sink) ||
	    bt_graph_connect_ports(g->graph, bt_component_filter_borrow_output_port_by_index_const(g->muxer, 0),
				   bt_component_sink_borrow_input_port_by_index_const(sink, 0), NULL) ||
	    bt_graph_run(g->graph))
		return bt_failed(err, path);
	return 0;
}

void ctf_reader_run(const char *path, FILE *out)
{
	CLEANUP(cleanup_graph) struct graph g = { 0 };
	struct reader r = { .out = out };
	struct err err = ERR_INIT;
	int code = graph_begin(&g, &err);

	if (code >= 0)
		code = add_traces(&g, path, &err);
	if (code >= 0)
		code = run(&g, &r, path, &err);
	if (code < 0)
		tell(&r, CTF_FAILED, err.text);
	frame_send(&r, CTF_END);
	(void)fflush(out);
	map_fini(&r.types);
	buf_fini(&r.frame);
	buf_fini(&r.values.texts);
}
