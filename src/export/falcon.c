/* SPDX-License-Identifier: Apache-2.0 */
/*
 * falcon - JSON lines as Falcon's tracer and log4j appender write them (see import/falcon.c), in order of time.
 *
 * A native fork also gives the START of the child, as Falcon's own tracer makes it.  A datagram's `message` is the hash that we
 * have in place of an identity.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "export/internal.h"

#define PID_LIMIT 4194304 /* Linux gives no higher one; imports number threads with names from there on */

static void put_string(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, value, strlen(value));
}

/* `tid@place` */
static void put_thread(struct export *x, const char *name, uint32_t host, uint32_t tgid, uint32_t tid)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	const char *comm = tid > PID_LIMIT ? names_comm(x, host, tid) : "";

	if (comm[0])
		buf_str(&text, comm);
	else
		buf_u64(&text, tid);
	buf_char(&text, '@');
	buf_str(&text, names_place(x, host, tgid));
	buf_printf(&x->line, ",\"%s\":", name);
	buf_json(&x->line, text.data ? text.data : "", text.len);
}

static void begin(struct export *x, const struct event *ev, const char *type)
{
	uint64_t epoch = x->opts->host_epoch(x->opts->arg, ev->host);

	buf_printf(&x->line, "{\"type\":\"%s\",\"timestamp\":%" PRIu64, type,
		   (epoch + ev->boot_ns) / (uint64_t)NS_PER_MS);
}

static int end(struct export *x, struct err *err)
{
	buf_str(&x->line, "}\n");
	x->counts.events++;
	return export_flush(x, err);
}

static int put_plain(struct export *x, const struct event *ev, const char *type, struct err *err)
{
	begin(x, ev, type);
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	return end(x, err);
}

static int put_fork(struct export *x, const struct event *ev, struct err *err)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	int r;

	begin(x, ev, "CREATE");
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	put_thread(x, "child", ev->host, e->child_tgid, e->child_tid);
	r = end(x, err);
	if (r < 0 || ev->h->flags & EVENT_F_IMPORTED)
		return r;
	begin(x, ev, "START");
	put_thread(x, "thread", ev->host, e->child_tgid, e->child_tid);
	return end(x, err);
}

static int put_join(struct export *x, const struct event *ev, struct err *err)
{
	const struct event_join *e = EVENT_AS(join, ev);

	begin(x, ev, "JOIN");
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	put_thread(x, "child", ev->host, e->child_tgid, e->child_tid);
	return end(x, err);
}

static int put_log(struct export *x, const struct event *ev, struct err *err)
{
	static const char *const levels[] = { "", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
	uint32_t level = EVENT_AS(log, ev)->level;

	begin(x, ev, "LOG");
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	put_string(&x->line, "message", event_string(ev, 0));
	if (level && level < ARRAY_LEN(levels))
		buf_printf(&x->line, ",\"data\":{\"level\":\"%s\"}", levels[level]);
	return end(x, err);
}

/* Sockets */
static void addr_text(const uint8_t addr[16], char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(addr, mapped, sizeof(mapped)))
		(void)inet_ntop(AF_INET, addr + 12, out, INET6_ADDRSTRLEN);
	else
		(void)inet_ntop(AF_INET6, addr, out, INET6_ADDRSTRLEN);
}

/* Falcon's id of a connection is the same at both ends: the smaller end comes first. */
static void put_ends(struct export *x, const struct export_sock *s, bool local_is_src)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	const char *src = local_is_src ? local : remote, *dst = local_is_src ? remote : local;
	unsigned int src_port = local_is_src ? s->local_port : s->remote_port;
	unsigned int dst_port = local_is_src ? s->remote_port : s->local_port;
	int order;

	addr_text(s->local, local);
	addr_text(s->remote, remote);
	order = strcmp(src, dst);
	buf_str(&x->line, ",\"socket\":\"");
	if (order < 0 || (!order && src_port < dst_port))
		buf_printf(&x->line, "%s:%u-%s:%u", src, src_port, dst, dst_port);
	else
		buf_printf(&x->line, "%s:%u-%s:%u", dst, dst_port, src, src_port);
	buf_printf(&x->line, "\",\"socket_type\":\"%s\",\"src\":\"%s\",\"src_port\":%u,\"dst\":\"%s\",\"dst_port\":%u",
		   s->protocol == PROTOCOL_UDP ? "UDP" : "TCP", src, src_port, dst, dst_port);
}

struct socket_event {
	const char *type;
	const struct export_sock *s;
	bool local_is_src, sized;
	uint32_t bytes;
	uint64_t hash; /* 0: none */
};

static int put_socket(struct export *x, const struct event *ev, const struct socket_event *e, struct err *err)
{
	if (!e->s || (e->sized && !e->bytes && !(ev->h->flags & EVENT_F_IMPORTED)))
		return export_leave_out(x, ev, err);
	begin(x, ev, e->type);
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	put_ends(x, e->s, e->local_is_src);
	if (e->sized)
		buf_printf(&x->line, ",\"size\":%u", e->bytes);
	if (e->hash)
		buf_printf(&x->line, ",\"message\":\"%016" PRIx64 "\"", e->hash);
	return end(x, err);
}

/* All of these begin with the socket's cookie. */
static int put_stream(struct export *x, const struct event *ev, struct err *err)
{
	struct socket_event e = { .s = names_sock(x, ev->host, EVENT_AS(connect, ev)->sock), .local_is_src = true };

	switch (ev->type->id) {
	case EVENT_CONNECT:
		e.type = "CONNECT";
		break;
	case EVENT_ACCEPT:
		e.type = "ACCEPT";
		e.local_is_src = false;
		break;
	case EVENT_SEND:
		e.type = "SND";
		e.sized = true;
		e.bytes = EVENT_AS(send, ev)->bytes;
		break;
	case EVENT_RECV:
		e.type = "RCV";
		e.sized = true;
		e.local_is_src = false;
		e.bytes = EVENT_AS(recv, ev)->bytes;
		break;
	case EVENT_SHUTDOWN:
		e.type = "SHUTDOWN";
		break;
	default:
		e.type = "CLOSE";
	}
	return put_socket(x, ev, &e, err);
}

static int put_dgram(struct export *x, const struct event *ev, struct err *err)
{
	const struct event_dgram_send *d = EVENT_AS(dgram_send, ev);
	bool sent = ev->type->id == EVENT_DGRAM_SEND;
	struct export_sock s = { .local_port = d->local_port, .remote_port = d->remote_port, .protocol = PROTOCOL_UDP };
	struct socket_event e = {
		.type = sent ? "SND" : "RCV", .local_is_src = sent, .sized = true, .bytes = d->bytes, .hash = d->hash
	};

	memcpy(s.local, d->local, sizeof(s.local));
	memcpy(s.remote, d->remote, sizeof(s.remote));
	if (d->protocol == PROTOCOL_UDP)
		e.s = &s;
	return put_socket(x, ev, &e, err);
}

/* The steps of programs that an import declared itself. */
static int put_step(struct export *x, const struct event *ev, struct err *err)
{
	static const char *const names[][2] = {
		{ "read", "R" },
		{ "write", "W" },
		{ "lock", "LOCK" },
		{ "unlock", "UNLOCK" },
		{ "wait", "WAIT" },
		{ "notify", "NOTIFY" },
		{ "notify_all", "NOTIFYALL" },
		{ "handler_begin", "HANDLERBEGIN" },
		{ "handler_end", "HANDLEREND" },
	};
	int counter = event_field_find(ev->type, "counter"), variable = event_field_find(ev->type, "variable");
	struct event_value v;
	size_t i;

	for (i = 0; i < ARRAY_LEN(names) && strcmp(names[i][0], ev->type->name); i++)
		;
	if (i == ARRAY_LEN(names) || counter < 0 || variable < 0)
		return export_leave_out(x, ev, err);
	begin(x, ev, names[i][1]);
	put_thread(x, "thread", ev->host, ev->h->tgid, ev->h->tid);
	event_field_get(ev, &ev->type->fields[counter], &v);
	put_string(&x->line, "variable", event_string(ev, 0));
	buf_printf(&x->line, ",\"counter\":%" PRIu64, v.u64);
	put_string(&x->line, "loc", event_string(ev, 1));
	return end(x, err);
}

static int put(struct export *x, const struct event *ev, void *arg, struct err *err)
{
	(void)arg;
	if (ev->h->context == CONTEXT_RECORDER || !export_wanted(x, ev))
		return 0;
	if (!export_by_thread(ev))
		return export_leave_out(x, ev, err);
	switch (ev->type->id) {
	case EVENT_FORK:
		return put_fork(x, ev, err);
	case EVENT_START:
		return put_plain(x, ev, "START", err);
	case EVENT_EXIT:
		return put_plain(x, ev, "END", err);
	case EVENT_JOIN:
		return put_join(x, ev, err);
	case EVENT_LOG:
		return put_log(x, ev, err);
	case EVENT_CONNECT:
	case EVENT_ACCEPT:
	case EVENT_SEND:
	case EVENT_RECV:
	case EVENT_SHUTDOWN:
	case EVENT_CLOSE:
		return put_stream(x, ev, err);
	case EVENT_DGRAM_SEND:
	case EVENT_DGRAM_RECV:
		return put_dgram(x, ev, err);
	default:
		return put_step(x, ev, err);
	}
}

static int falcon_write(struct export *x, struct err *err)
{
	return export_each(x, put, NULL, err);
}

const struct export_format export_falcon = {
	.name = "falcon",
	.about = "JSON lines of Falcon",
	.write = falcon_write,
};
