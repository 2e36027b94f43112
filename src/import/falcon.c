/* SPDX-License-Identifier: Apache-2.0 */
/*
 * falcon - the JSON of Falcon (Neves, Machado, Pereira: Falcon, DSN 2018; github.com/fntneves/falcon), from its tracer,
 * its log4j appender, or its solver.
 *
 * An object has `type` (a name, or the name's number), `timestamp` (ms, wall clock of that host), `thread` "tid@host".
 * CREATE and JOIN have `child`; socket events `src`, `src_port`, `dst`, `dst_port`, `socket_type`, and SND and RCV `size`;
 * a datagram's `message` is its identity; LOG has `message`, and its level in `data`.  Falcon does not tell
 * processes: each thread is its own.
 *
 * Lines that are no objects belong to the LOG before them: log4j prints a stack trace over many lines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "import/internal.h"
#include "import/scan.h"

#define STAMP_MAX_MS (UINT64_MAX / 4 / NS_PER_MS) /* what a recording can hold */

/* Objects of programs, for which Saker has no events: types of the recording's own. */
struct event_falcon_step {
	struct event_header h;
	__u64 counter;
};

enum step { STEP_FIRST = EVENT_DYNAMIC_MIN };
static const char *const step_names[] = { "read",   "write",	  "lock",	   "unlock",	 "wait",
					  "notify", "notify_all", "handler_begin", "handler_end" };

struct falcon {
	struct import *imp;
	/* the log event that may still grow */
	bool pending;
	struct import_add log;
	uint32_t level;
	struct buf text;
};

/* One object. */
struct object {
	struct falcon *f;
	const json_t *o;
	struct import_add add;
	uint32_t host;
};

static int put(const struct object *ob, uint16_t type, void *fixed, const char *const *strings, struct err *err)
{
	return import_add(ob->f->imp, &ob->add, event_types_get(ob->f->imp->types, type), fixed, strings, err);
}

static const char *string(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

/* A number, or digits in a string as Falcon's solver writes them. */
static int number(const json_t *o, const char *name, uint64_t max, uint64_t *ret, struct err *err)
{
	const json_t *v = json_object_get(o, name);
	uint64_t n = 0;

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		n = (uint64_t)json_integer_value(v);
	else if (json_is_real(v) && json_real_value(v) >= 0 && json_real_value(v) < 9e15)
		n = (uint64_t)json_real_value(v);
	else if (!json_is_string(v) || parse_number(json_string_value(v), &n) < 0)
		return err_set(err, EBADMSG, "'%s' is missing or no number", name);
	if (n > max)
		return err_set(err, EBADMSG, "'%s' is larger than %" PRIu64, name, max);
	*ret = n;
	return 0;
}

/* The address as events have it: IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2). */
static int address(const json_t *o, const char *name, uint8_t ret[16], struct err *err)
{
	const char *text = string(o, name);

	memset(ret, 0, 16);
	if (text && inet_pton(AF_INET, text, ret + 12) == 1) {
		ret[10] = ret[11] = 0xff;
		return 0;
	}
	if (text && inet_pton(AF_INET6, text, ret) == 1)
		return 0;
	return err_set(err, EBADMSG, "'%s' is missing or no address", name);
}

/* Threads */
/* Its index. */
static int child_of(const struct object *ob, uint32_t *ret_thread, struct err *err)
{
	const char *child = string(ob->o, "child");
	int thread;

	if (!child)
		return err_set(err, EBADMSG, "'child' is missing");
	thread = import_thread_get(ob->f->imp, child, err);
	if (thread < 0)
		return thread;
	if (ob->f->imp->threads[thread].host != ob->host)
		return err_set(err, EBADMSG, "the child '%.80s' is on another host", child);
	*ret_thread = (uint32_t)thread;
	return 0;
}

static int take_create(struct object *ob, struct err *err)
{
	struct event_fork e = { .child_start_ns = 0 };
	int r = child_of(ob, &e.child_tid, err);

	return r < 0 ? r : put(ob, EVENT_FORK, &e, (const char *[]) { "", NULL }, err);
}

static int take_start(struct object *ob, struct err *err)
{
	struct event_start e = { .parent_tid = 0 };

	ob->add.rank = RANK_FIRST;
	return put(ob, EVENT_START, &e, NULL, err);
}

static int take_end(struct object *ob, struct err *err)
{
	struct event_exit e = { .code = 0 };

	ob->add.rank = RANK_LAST;
	return put(ob, EVENT_EXIT, &e, (const char *[]) { "", NULL }, err);
}

static int take_join(struct object *ob, struct err *err)
{
	struct event_join e = { .child_start_ns = 0 };
	int r = child_of(ob, &e.child_tid, err);

	return r < 0 ? r : put(ob, EVENT_JOIN, &e, NULL, err);
}

/* Logs */
static uint32_t level_of(const json_t *o)
{
	static const struct {
		const char *name;
		uint32_t level;
	} names[] = { { "TRACE", LEVEL_DEBUG },	 { "DEBUG", LEVEL_DEBUG }, { "INFO", LEVEL_INFO },
		      { "WARN", LEVEL_WARNING }, { "ERROR", LEVEL_ERROR }, { "FATAL", LEVEL_FATAL } };
	const char *level = string(json_object_get(o, "data"), "level");
	size_t i;

	for (i = 0; level && i < ARRAY_LEN(names); i++)
		if (!strncasecmp(level, names[i].name, strlen(names[i].name)))
			return names[i].level;
	return LEVEL_NONE;
}

static int take_log(struct object *ob, struct err *err)
{
	struct falcon *f = ob->f;
	const char *text = string(ob->o, "message");

	if (!text)
		return err_set(err, EBADMSG, "'message' is missing");
	f->pending = true;
	f->log = ob->add;
	f->level = level_of(ob->o);
	buf_reset(&f->text);
	buf_add(&f->text, text, strlen(text));
	return 0;
}

/* The pending log event is complete. */
static int flush_log(struct falcon *f, struct err *err)
{
	struct event_log e = { .level = f->level };

	if (!f->pending)
		return 0;
	f->pending = false;
	return import_add_text(f->imp, &f->log, &e, &f->text, "", err);
}

/* Sockets */
static int socket_like(const struct object *ob, bool local_is_src, struct import_sock *ret, struct err *err)
{
	const char *type = string(ob->o, "socket_type");
	uint64_t src_port = 0, dst_port = 0;
	int r;

	*ret = (struct import_sock) { .host = ob->host, .protocol = PROTOCOL_TCP };
	if (type && !strncasecmp(type, "UDP", 3))
		ret->protocol = PROTOCOL_UDP;
	r = address(ob->o, "src", local_is_src ? ret->local : ret->remote, err);
	if (r >= 0)
		r = address(ob->o, "dst", local_is_src ? ret->remote : ret->local, err);
	if (r >= 0)
		r = number(ob->o, "src_port", UINT16_MAX, &src_port, err);
	if (r >= 0)
		r = number(ob->o, "dst_port", UINT16_MAX, &dst_port, err);
	ret->local_port = (uint16_t)(local_is_src ? src_port : dst_port);
	ret->remote_port = (uint16_t)(local_is_src ? dst_port : src_port);
	return r;
}

/* The event's socket, and its index. */
static int socket_of(const struct object *ob, bool local_is_src, struct import_sock *ret, __u64 *ret_index,
		     struct err *err)
{
	int r = socket_like(ob, local_is_src, ret, err);

	if (r >= 0)
		r = import_sock_get(ob->f->imp, ret, err);
	if (r < 0)
		return r;
	*ret_index = (uint64_t)r;
	return 0;
}

static uint8_t family(const struct import_sock *s)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(s->remote, mapped, sizeof(mapped)) ? SOCKFAMILY_INET6 : SOCKFAMILY_INET;
}

static int take_connect(struct object *ob, struct err *err)
{
	struct event_connect e = { .sock = 0 };
	struct import_sock s;
	int r = socket_of(ob, true, &s, &e.sock, err);

	if (r < 0)
		return r;
	memcpy(e.remote, s.remote, sizeof(e.remote));
	e.remote_port = s.remote_port;
	e.family = family(&s);
	e.protocol = s.protocol;
	return put(ob, EVENT_CONNECT, &e, NULL, err);
}

static int take_accept(struct object *ob, struct err *err)
{
	struct event_accept e = { .sock = 0 };
	struct import_sock s;
	int r = socket_of(ob, false, &s, &e.sock, err);

	if (r < 0)
		return r;
	memcpy(e.local, s.local, sizeof(e.local));
	memcpy(e.remote, s.remote, sizeof(e.remote));
	e.local_port = s.local_port;
	e.remote_port = s.remote_port;
	e.family = family(&s);
	e.protocol = s.protocol;
	return put(ob, EVENT_ACCEPT, &e, NULL, err);
}

/* Falcon says which datagram it is; our own export writes the hash that we had. */
static uint64_t message_hash(const json_t *o)
{
	const char *text = string(o, "message"), *p;
	char *end;
	uint64_t h = 1;

	if (!text)
		return 0;
	if (strlen(text) == 16 && text[strspn(text, "0123456789abcdef")] == 0)
		return strtoull(text, &end, 16);
	for (p = text; *p; p++)
		h = map_hash(h + (unsigned char)*p);
	return h ? h : 1;
}

static int take_dgram(struct object *ob, bool sent, const struct import_sock *s, uint64_t index, uint32_t bytes,
		      struct err *err)
{
	struct event_dgram_send e = { .sock = index,
				      .hash = message_hash(ob->o),
				      .bytes = bytes,
				      .local_port = s->local_port,
				      .remote_port = s->remote_port,
				      .family = family(s),
				      .protocol = s->protocol };

	memcpy(e.local, s->local, sizeof(e.local));
	memcpy(e.remote, s->remote, sizeof(e.remote));
	return put(ob, sent ? EVENT_DGRAM_SEND : EVENT_DGRAM_RECV, &e, NULL, err);
}

static int take_message(struct object *ob, bool sent, struct err *err)
{
	struct event_send out = { .flags = MSGFLAGS_OFFSET_UNKNOWN };
	struct event_recv in = { .flags = MSGFLAGS_OFFSET_UNKNOWN };
	struct import_sock s;
	uint64_t bytes;
	int r = socket_of(ob, sent, &s, &out.sock, err);

	if (r >= 0)
		r = number(ob->o, "size", UINT32_MAX, &bytes, err);
	if (r < 0)
		return r;
	in.sock = out.sock;
	in.bytes = out.bytes = (uint32_t)bytes;
	if (s.protocol == PROTOCOL_UDP)
		return take_dgram(ob, sent, &s, out.sock, out.bytes, err);
	if (sent)
		return put(ob, EVENT_SEND, &out, NULL, err);
	return put(ob, EVENT_RECV, &in, NULL, err);
}

static int take_snd(struct object *ob, struct err *err)
{
	return take_message(ob, true, err);
}

static int take_rcv(struct object *ob, struct err *err)
{
	return take_message(ob, false, err);
}

/* Falcon does not say which end closes: the one that this host is known to have. */
static int take_end_of(struct object *ob, uint16_t type, struct err *err)
{
	struct event_shutdown e = { .sock = 0 };
	struct import_sock s;
	bool src = true;
	int r = socket_like(ob, true, &s, err);

	if (r >= 0 && import_sock_find(ob->f->imp, &s) < 0) {
		r = socket_like(ob, false, &s, err);
		src = r >= 0 && import_sock_find(ob->f->imp, &s) < 0;
	}
	if (r >= 0)
		r = socket_of(ob, src, &s, &e.sock, err);
	return r < 0 ? r : put(ob, type, &e, NULL, err);
}

static int take_close(struct object *ob, struct err *err)
{
	return take_end_of(ob, EVENT_CLOSE, err);
}

static int take_shutdown(struct object *ob, struct err *err)
{
	return take_end_of(ob, EVENT_SHUTDOWN, err);
}

/* What a program does with its variables and locks */
static int take_step(struct object *ob, unsigned int nth, struct err *err)
{
	const char *variable = string(ob->o, "variable"), *loc = string(ob->o, "loc");
	struct event_falcon_step e = { .counter = 0 };
	uint64_t counter = 0;
	int r = json_object_get(ob->o, "counter") ? number(ob->o, "counter", INT64_MAX, &counter, err) : 0;

	e.counter = counter;
	if (r < 0)
		return r;
	return put(ob, (uint16_t)(STEP_FIRST + nth), &e,
		   (const char *[]) { variable ? variable : "", loc ? loc : "", NULL }, err);
}

/* In the order of Falcon's EventType, whose numbers begin with 1. */
static const struct {
	const char *name;
	int (*take)(struct object *ob, struct err *err);
	unsigned int step; /* where take is NULL: in step_names */
} kinds[] = {
	{ "CREATE", take_create, 0 },
	{ "START", take_start, 0 },
	{ "END", take_end, 0 },
	{ "JOIN", take_join, 0 },
	{ "LOG", take_log, 0 },
	{ "R", NULL, 0 },
	{ "W", NULL, 1 },
	{ "SND", take_snd, 0 },
	{ "RCV", take_rcv, 0 },
	{ "CLOSE", take_close, 0 },
	{ "CONNECT", take_connect, 0 },
	{ "ACCEPT", take_accept, 0 },
	{ "SHUTDOWN", take_shutdown, 0 },
	{ "HANDLERBEGIN", NULL, 7 },
	{ "HANDLEREND", NULL, 8 },
	{ "LOCK", NULL, 2 },
	{ "UNLOCK", NULL, 3 },
	{ "WAIT", NULL, 4 },
	{ "NOTIFY", NULL, 5 },
	{ "NOTIFYALL", NULL, 6 },
};

static int kind_of(const json_t *o, struct err *err)
{
	const json_t *type = json_object_get(o, "type");
	const char *name = json_string_value(type);
	size_t i;

	if (json_is_integer(type) && json_integer_value(type) >= 1 &&
	    (uint64_t)json_integer_value(type) <= ARRAY_LEN(kinds))
		return (int)json_integer_value(type) - 1;
	for (i = 0; name && i < ARRAY_LEN(kinds); i++)
		if (!strcmp(name, kinds[i].name))
			return (int)i;
	if (name)
		return err_set(err, EBADMSG, "the type '%.40s' is unknown", name);
	return err_set(err, EBADMSG, "'type' is missing or unknown");
}

static int take_object(struct falcon *f, const json_t *o, struct err *err)
{
	struct object ob = { .f = f, .o = o, .add = { .seq = ++f->imp->objects, .rank = RANK_ANY } };
	const char *thread = string(o, "thread");
	int kind = kind_of(o, err), r;
	uint64_t ms;

	if (kind < 0)
		return kind;
	r = number(o, "timestamp", STAMP_MAX_MS, &ms, err);
	if (r < 0)
		return r;
	if (!thread)
		return err_set(err, EBADMSG, "'thread' is missing");
	r = import_thread_get(f->imp, thread, err);
	if (r < 0)
		return r;
	ob.add.thread = (uint32_t)r;
	ob.add.ns = ms * NS_PER_MS;
	ob.host = f->imp->threads[r].host;
	return kinds[kind].take ? kinds[kind].take(&ob, err) : take_step(&ob, kinds[kind].step, err);
}

static int on_object(void *arg, const json_t *o, uint64_t line, uint64_t lines, struct err *err)
{
	struct falcon *f = arg;
	struct err local = ERR_INIT;
	int r = flush_log(f, err);

	if (r < 0)
		return r;
	r = take_object(f, o, &local);
	if (r == -EBADMSG) {
		import_complain(f->imp, line, lines, local.text);
		return 0;
	}
	if (r < 0)
		*err = local;
	else if (f->pending)
		f->imp->counts.folded += lines - 1;
	return r;
}

static int on_text(void *arg, const char *text, uint64_t line, struct err *err)
{
	struct falcon *f = arg;

	(void)err;
	if (!f->pending || f->text.len + strlen(text) > IMPORT_LINE_MAX) {
		import_complain(f->imp, line, 1,
				f->pending ? "the log event grows over 1 MiB"
					   : "no JSON object, and no log event before it");
		return 0;
	}
	buf_char(&f->text, '\n');
	buf_str(&f->text, text);
	f->imp->counts.folded++;
	return 0;
}

/* What follows a bad line may belong to it, so not to the log event before it. */
static void on_bad(void *arg, uint64_t line, uint64_t lines, const char *why)
{
	struct falcon *f = arg;
	struct err err = ERR_INIT;

	if (flush_log(f, &err) < 0)
		import_complain(f->imp, line, 0, err.text);
	import_complain(f->imp, line, lines, why);
}

static int falcon_read(struct import *imp, FILE *file, const char *name, struct err *err)
{
	static const struct scan_ops ops = { .object = on_object, .text = on_text, .bad = on_bad };
	struct falcon f = { .imp = imp };
	struct scan_counts counts = { 0 };
	int r = scan_file(file, name, &ops, &f, &counts, err);

	if (r >= 0)
		r = flush_log(&f, err);
	buf_fini(&f.text);
	imp->counts.lines += counts.lines;
	imp->counts.blank += counts.blank;
	imp->counts.repaired += counts.repaired;
	return r;
}

static int falcon_types(struct event_types *types, struct err *err)
{
	static const struct event_field fields[] = {
		{ .name = "counter",
		  .kind = EVENT_U64,
		  .format = EVENT_FMT_DEC,
		  .size = 8,
		  .about = "how often before",
		  .offset = offsetof(struct event_falcon_step, counter) },
		{ .name = "variable", .kind = EVENT_STR, .format = EVENT_FMT_CHAR, .about = "what it is done to" },
		{ .name = "loc", .kind = EVENT_STR, .format = EVENT_FMT_CHAR, .about = "where in the program" },
	};
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < ARRAY_LEN(step_names); i++) {
		struct event_type type = { .id = (uint16_t)(STEP_FIRST + i),
					   .size = sizeof(struct event_falcon_step),
					   .nfields = ARRAY_LEN(fields),
					   .name = step_names[i],
					   .about = "a step of a program, as its instrumentation tells it",
					   .fields = fields };

		r = event_types_add(types, &type, err);
	}
	return r;
}

const struct import_format import_falcon = {
	.name = "falcon",
	.about = "JSON of Falcon's tracer, log4j appender or solver",
	.types = falcon_types,
	.read = falcon_read,
};
