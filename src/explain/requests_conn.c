/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acts of each connection, in order, become pieces for its parser, whose exchanges become spans.  What is known of
 * a message's bytes came as a payload event with the offset of its first byte: the two meet here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "explain/requests_in.h"

/* Where the feeding of one connection is. */
struct feed {
	struct requests *r;
	uint32_t conn;
	uint32_t kept[2]; /* the next payload, by direction */
};

/* --- exchanges --- */

static uint64_t text_hash(const char *text)
{
	uint64_t h = 0;

	for (; *text; text++)
		h = map_hash(h ^ (uint64_t)(unsigned char)*text << 32);
	return h;
}

static uint8_t protocol_of(struct requests *r, const char *name)
{
	struct spans *s = &r->spans;
	size_t i;

	for (i = 0; i < s->nprotocols; i++)
		if (s->protocols[i] == name || !strcmp(s->protocols[i], name))
			return (uint8_t)i;
	if (s->nprotocols == ARRAY_LEN(s->protocols))
		return 0;
	s->protocols[s->nprotocols] = name;
	return (uint8_t)s->nprotocols++;
}

/* The acts of a message, from its first to its last byte, are the span's. */
static void own_acts(struct requests *r, uint32_t span, uint32_t first, uint32_t last)
{
	uint32_t i, kind = first == NONE ? 0 : r->acts.rows[first].kind;

	for (i = first; i != NONE; i = i == last ? NONE : r->acts.rows[i].next)
		if (r->acts.rows[i].kind == kind)
			r->acts.rows[i].span = span;
}

static void ends_of(struct span *s, struct more *m, const struct proto_exchange *x)
{
	const struct proto_mark *first = x->request.known ? &x->request : &x->response;
	const struct proto_mark *last = x->response.known ? &x->response : &x->request;

	m->raw_begin_ns = first->first_ns;
	m->raw_end_ns = last->last_ns > first->first_ns ? last->last_ns : first->first_ns;
	m->offset = first->offset;
	m->request[0] = x->request.known ? (uint32_t)x->request.first_tag : NONE;
	m->request[1] = x->request.known ? (uint32_t)x->request.last_tag : NONE;
	m->response[0] = x->response.known ? (uint32_t)x->response.first_tag : NONE;
	m->response[1] = x->response.known ? (uint32_t)x->response.last_tag : NONE;
	s->request_bytes = x->request.known ? x->request.end - x->request.offset : 0;
	s->response_bytes = x->response.known ? x->response.end - x->response.offset : 0;
}

static void ids_of(struct more *m, const struct proto_ids *ids)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		m->trace[0] = m->trace[0] << 8 | ids->trace[i];
		m->trace[1] = m->trace[1] << 8 | ids->trace[8 + i];
	}
	if (ids->request_id[0])
		m->request_id = text_hash(ids->request_id);
}

static uint32_t flags_of(uint32_t f)
{
	return (f & PROTO_FAILED ? SPAN_FAILED : 0) | (f & PROTO_TIMING ? SPAN_TIMING : 0) |
	       (f & PROTO_UNANSWERED ? SPAN_UNANSWERED : 0) | (f & PROTO_UNASKED ? SPAN_UNASKED : 0) |
	       (f & PROTO_TOUCHED ? SPAN_INCOMPLETE : 0) | (f & PROTO_ONE_WAY ? SPAN_ONE_WAY : 0) |
	       (f & PROTO_ENCRYPTED ? SPAN_ENCRYPTED : 0);
}

/* Whose it is, and what it asks. */
static void describe(struct requests *r, struct span *s, const struct more *m, const struct proto_exchange *x)
{
	uint32_t first = m->request[0] != NONE ? m->request[0] : m->response[0];
	uint32_t last = m->response[1] != NONE ? m->response[1] : m->request[1];
	const struct act *a = &r->acts.rows[first];
	const struct unit *t = &r->units.rows[a->thread];

	s->host = a->host;
	s->tgid = t->tgid;
	s->tid = t->tid;
	s->start_ns = t->start_ns;
	s->sock = r->conns.rows[m->conn].cookie;
	s->begin = (struct order_ref) { a->host, a->id };
	s->end = (struct order_ref) { a->host, r->acts.rows[last].id };
	s->protocol = protocol_of(r, x->protocol);
	s->operation = requests_text(r, x->operation);
	s->resource = requests_text(r, x->resource);
	s->error = requests_text(r, x->error);
	s->status = x->status;
}

static void on_exchange(void *arg, const struct proto_exchange *x)
{
	struct feed *f = arg;
	struct requests *r = f->r;
	struct spans *spans = &r->spans;
	struct span *s;
	struct more *m;

	if (((x->flags & PROTO_TIMING) && !(x->flags & PROTO_ENCRYPTED) && !r->opts.timing) ||
	    (!x->request.known && !x->response.known))
		return;
	m = PUSH(r, r->more);
	s = m ? requests_push(r, spans, sizeof(*s)) : NULL;
	if (!s) {
		r->more.count -= m != NULL;
		return;
	}
	m->conn = f->conn;
	m->mate = m->owner = NONE;
	s->kind = x->flags & PROTO_CLIENT ? SPAN_CLIENT : SPAN_SERVER;
	s->flags = flags_of(x->flags);
	s->parent = s->first_child = s->next = SPAN_NONE;
	ends_of(s, m, x);
	ids_of(m, &x->ids);
	describe(r, s, m, x);
	s->begin_ns = requests_time(r, s->host, m->raw_begin_ns);
	s->end_ns = requests_time(r, s->host, m->raw_end_ns);
	own_acts(r, (uint32_t)(spans->count - 1), m->request[0], m->request[1]);
	own_acts(r, (uint32_t)(spans->count - 1), m->response[0], m->response[1]);
}

/* --- pieces --- */

static void feed_piece(struct proto_conn *c, const struct act *a, uint32_t tag, uint64_t offset, uint64_t bytes,
		       const struct kept *k)
{
	struct proto_piece p = { .offset = offset,
				 .boot_ns = a->boot_ns,
				 .begin_ns = a->begin_ns,
				 .tag = tag,
				 .bytes = (uint32_t)bytes,
				 .sent = a->kind == ACT_SEND };

	if (k) {
		p.data = (const uint8_t *)(k + 1);
		p.have = k->have < bytes ? k->have : (uint32_t)bytes;
	}
	proto_conn_feed(c, &p);
}

/* One act of a stream, cut where the next message's payload begins. */
static void feed_stream(struct feed *f, struct proto_conn *c, uint32_t tag)
{
	const struct act *a = &f->r->acts.rows[tag];
	uint32_t *next = &f->kept[a->kind == ACT_SEND];
	uint64_t at = a->offset, end = a->offset + a->bytes;

	while (at < end) {
		const struct kept *k = requests_kept(f->r, *next);
		uint64_t stop = end;

		while (k && k->offset < at) {
			*next = k->next;
			k = requests_kept(f->r, *next);
		}
		if (k && k->offset > at && k->offset < end)
			stop = k->offset;
		if (k && k->offset == at) {
			const struct kept *after = requests_kept(f->r, k->next);

			if (after && after->offset > at && after->offset < end)
				stop = after->offset;
			*next = k->next;
		} else {
			k = NULL;
		}
		feed_piece(c, a, tag, at, stop - at, k);
		at = stop;
	}
}

static int feed_conn(struct requests *r, uint32_t i)
{
	struct conn *c = &r->conns.rows[i];
	struct feed f = { .r = r, .conn = i, .kept = { c->kept[0], c->kept[1] } };
	struct proto_conn_opts opts = {
		.datagram = c->socktype == SOCKTYPE_DGRAM, .client = c->client, .exchange = on_exchange, .arg = &f
	};
	struct proto_conn *pc;
	uint32_t at;

	if (c->first == NONE || c->plain)
		return 0;
	if (proto_conn_new(&opts, &pc) < 0)
		return -ENOMEM;
	for (at = c->first; at != NONE; at = r->acts.rows[at].next) {
		const struct act *a = &r->acts.rows[at];

		if (opts.datagram || a->data)
			feed_piece(pc, a, at, opts.datagram ? 0 : a->offset, a->bytes, requests_kept(r, a->data));
		else
			feed_stream(&f, pc, at);
	}
	proto_conn_end(pc, r->last_ns[c->host]);
	(void)proto_conn_free(pc);
	return 0;
}

/* --- names --- */

/* What the process is called: its container, its unit, else the program. */
static const char *process_name(const struct requests *r, const struct span *s, uint64_t boot_ns)
{
	struct event_header h = { .boot_ns = boot_ns, .tgid = s->tgid, .tid = s->tid };
	struct event ev = { .boot_ns = boot_ns, .host = s->host, .type = event_static_type(EVENT_EXIT), .h = &h };
	const char *name = who_container(r->who, &ev);

	if (!*name)
		name = who_title(r->who, &ev);
	return *name ? name : "?";
}

static uint32_t service_of(struct requests *r, const struct span *s, const struct more *m)
{
	const struct conn *c = &r->conns.rows[m->conn];
	const char *name = process_name(r, s, m->raw_begin_ns);
	char text[160];

	if (s->kind != SPAN_SERVER || !c->local_port)
		return requests_text(r, name);
	(void)snprintf(text, sizeof(text), "%s:%u", name, c->local_port);
	return requests_text(r, text);
}

/* The ends of what TLS carries are those of its records. */
static void plain_ends(struct requests *r)
{
	uint32_t i;

	for (i = 0; i < r->conns.count; i++) {
		const struct conn *base = &r->conns.rows[i];
		struct conn *c = base->plain ? &r->conns.rows[base->plain - 1] : NULL, own;

		if (!c)
			continue;
		own = *c;
		*c = *base;
		c->plain = 0;
		c->tgid = own.tgid;
		c->first = own.first;
		c->last = own.last;
		c->kept[0] = c->kept[1] = c->kept_last[0] = c->kept_last[1] = 0;
		c->latest[0] = c->latest[1] = c->mate = NONE;
	}
}

int requests_exchanges(struct requests *r)
{
	uint32_t i;
	int n = 0;

	plain_ends(r);
	r->spans.protocols[r->spans.nprotocols++] = "";
	for (i = 0; i < r->conns.count && n >= 0 && !r->failed; i++)
		n = feed_conn(r, i);
	for (i = 0; i < r->spans.count; i++)
		r->spans.rows[i].service = service_of(r, &r->spans.rows[i], &r->more.rows[i]);
	/* What was said is known now; the later stages need the room, which is a third of all. */
	free(r->arena);
	r->arena = NULL;
	r->arena_len = r->arena_cap = 0;
	return n;
}
