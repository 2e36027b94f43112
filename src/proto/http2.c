/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http2 - HTTP/2 (RFC 9113), and gRPC in it ("gRPC over HTTP2", PROTOCOL-HTTP2.md of its documentation).
 *
 * Units: the header of a frame, with its payload unless that is a block of header fields; of those what is there.  A
 * message lasts from its HEADERS to END_STREAM.  Streams are interleaved: what lies between belongs to others, too.
 *
 * Behind bytes that were not followed streams may have ended unseen: those that do not go on with the next frame, end there
 * (PROTO_TOUCHED), because nothing else would ever end them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/hpack.h"
#include "proto/internal.h"

#define HEADER 9
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_BYTES 24
#define RESETS 32
#define LENGTH_LIKELY (1u << 20) /* of a frame that is to be recognised */

enum type {
	DATA,
	HEADERS,
	PRIORITY,
	RST_STREAM,
	SETTINGS,
	PUSH_PROMISE,
	PING,
	GOAWAY,
	WINDOW_UPDATE,
	CONTINUATION,
	TYPES
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 32 };
enum { NO_ERROR = 0, REFUSED_STREAM = 7, CANCEL = 8 };
#define NOTE_PERHAPS_GRPC \
	(1ull << 32) /* proto_note(): the number of the stream, and whether content-type was not known */
enum { GRPC_CANCELLED = 1, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14 };

/* What the fields of a block say that we ask. */
struct fields {
	char method[PROTO_OPERATION];
	char resource[PROTO_RESOURCE], path[PROTO_RESOURCE];
	char authority[PROTO_ID_TEXT];
	char message[PROTO_ERROR_TEXT];
	struct proto_ids ids;
	int32_t status, grpc_status; /* -1: not told */
	bool grpc, content;	     /* its content-type says that it is, or something at all */
	bool unknown;		     /* a field was that we could not decode */
	bool cut;		     /* bytes of the block were not kept */
};

struct side {
	struct hpack *hpack;
	struct fields f;
	uint64_t begin;	 /* of the frame with the block's beginning */
	uint32_t stream; /* whose */
	uint32_t left;	 /* bytes of the block that are still to come in this frame */
	uint32_t padding;
	uint8_t flags;
	bool in_block, end_stream, promise, lost;
};

struct http2 {
	struct side sides[2];	/* [asks] */
	uint32_t reset[RESETS]; /* streams that were, the oldest given up: what is still said on them is nothing new */
	uint32_t nresets;
};

struct frame {
	uint32_t len, stream;
	uint8_t type, flags;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct frame read_header(const uint8_t *p)
{
	return (struct frame) {
		.len = be32(p) >> 8,
		.type = p[3],
		.flags = p[4],
		.stream = be32(p + 5),
	};
}

/* RFC 9113, section 6: which flags a type has, which length, and whether it belongs to a stream. */
static bool is_valid(const struct frame *f)
{
	static const struct {
		uint8_t flags;
		bool stream, connection;
		uint32_t least, most;
	} types[TYPES] = {
		[DATA] = { END_STREAM | PADDED, true, false, 0, UINT32_MAX },
		[HEADERS] = { END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY, true, false, 1, UINT32_MAX },
		[PRIORITY] = { 0, true, false, 5, 5 },
		[RST_STREAM] = { 0, true, false, 4, 4 },
		[SETTINGS] = { ACK, false, true, 0, 600 },
		[PUSH_PROMISE] = { END_HEADERS | PADDED, true, false, 4, UINT32_MAX },
		[PING] = { ACK, false, true, 8, 8 },
		[GOAWAY] = { 0, false, true, 8, UINT32_MAX },
		[WINDOW_UPDATE] = { 0, true, true, 4, 4 },
		[CONTINUATION] = { END_HEADERS, true, false, 0, UINT32_MAX },
	};

	if (f->type >= TYPES || f->flags & ~types[f->type].flags || f->stream >> 31)
		return false;
	if (f->type == SETTINGS && (f->len % 6 || (f->flags && f->len)))
		return false;
	return (f->stream ? types[f->type].stream : types[f->type].connection) && f->len >= types[f->type].least &&
	       f->len <= types[f->type].most;
}

/* ---- fields ---- */

static bool is(struct hpack_text t, const char *what)
{
	return t.len == strlen(what) && !memcmp(t.at, what, t.len);
}

static bool begins_with(struct hpack_text t, const char *what)
{
	return t.len >= strlen(what) && !memcmp(t.at, what, strlen(what));
}

static int32_t number(struct hpack_text t)
{
	int32_t v = 0;

	if (!t.len || t.len > 6)
		return -1;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return -1;
		v = v * 10 + (t.at[i] - '0');
	}
	return v;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* grpc-message is percent-encoded. */
static void put_message(struct fields *f, struct hpack_text t)
{
	char text[4 * PROTO_ERROR_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < t.len && n < sizeof(text); i++) {
		if (t.at[i] == '%' && i + 2 < t.len && hex(t.at[i + 1]) >= 0 && hex(t.at[i + 2]) >= 0) {
			text[n++] = (char)(hex(t.at[i + 1]) << 4 | hex(t.at[i + 2]));
			i += 2;
		} else {
			text[n++] = t.at[i];
		}
	}
	proto_text(f->message, sizeof(f->message), text, n);
}

static void take_field(void *arg, struct hpack_text name, struct hpack_text value)
{
	struct fields *f = arg;

	if (!name.at || !value.at) {
		f->unknown = true;
	} else if (is(name, ":method")) {
		proto_text(f->method, sizeof(f->method), value.at, value.len);
	} else if (is(name, ":path")) {
		proto_path(f->resource, sizeof(f->resource), value.at, value.len);
		proto_text(f->path, sizeof(f->path), value.at, value.len);
	} else if (is(name, ":authority") || (is(name, "host") && !f->authority[0])) {
		proto_text(f->authority, sizeof(f->authority), value.at, value.len);
	} else if (is(name, ":status")) {
		f->status = number(value);
	} else if (is(name, "content-type")) {
		f->content = true;
		f->grpc |= begins_with(value, "application/grpc") && !begins_with(value, "application/grpc-web");
	} else if (is(name, "grpc-status")) {
		f->grpc_status = number(value);
	} else if (is(name, "grpc-message")) {
		put_message(f, value);
	} else {
		(void)proto_id_header(&f->ids, name.at, name.len, value.at, value.len);
	}
}

static void fields_reset(struct fields *f)
{
	memset(f, 0, sizeof(*f));
	f->status = f->grpc_status = -1;
}

/* ---- exchanges ---- */

/* What may have been gRPC, and nothing has shown that it was. */
static void settle_doubt(struct proto_exchange *x)
{
	if (*proto_note(x) & NOTE_PERHAPS_GRPC && strcmp(x->protocol, "grpc") != 0)
		x->flags |= PROTO_TOUCHED;
}

static void end_message(struct proto_conn *c, struct proto_exchange *x, bool asks, uint64_t end)
{
	if (!asks)
		settle_doubt(x);
	if (asks)
		proto_ask_end(c, x, end);
	else
		proto_answer_end(c, x, end);
}

static void put_grpc(struct proto_exchange *x, const struct fields *f)
{
	x->protocol = "grpc";
	if (f->path[0])
		memcpy(x->resource, f->path, sizeof(x->resource));
}

static void on_request(struct proto_conn *c, struct side *s, uint64_t end)
{
	struct proto_exchange *x = proto_asking(c, s->stream);
	const struct fields *f = &s->f;

	if (!x) { /* else these are trailers */
		if (!f->method[0] && !f->path[0] && !f->unknown)
			return; /* of a request that began before the recording */
		x = proto_ask(c, s->stream, s->begin);
		if (!x)
			return;
		*proto_note(x) = s->stream;
		memcpy(x->operation, f->method, sizeof(x->operation));
		memcpy(x->resource, f->resource, sizeof(x->resource));
		if (f->authority[0])
			memcpy(x->peer, f->authority, sizeof(x->peer));
		x->ids = f->ids;
		if (f->cut || !f->method[0] || (!f->path[0] && strcmp(f->method, "CONNECT") != 0))
			x->flags |= PROTO_TOUCHED;
		if (f->unknown && !f->content && !strcmp(f->method, "POST"))
			*proto_note(x) |= NOTE_PERHAPS_GRPC;
		if (f->grpc)
			put_grpc(x, f);
	}
	if (s->end_stream)
		proto_ask_end(c, x, end);
}

static const char *grpc_name(int32_t status)
{
	static const char *const names[] = {
		"OK",	     "CANCELLED",	"UNKNOWN",	     "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
		"NOT_FOUND", "ALREADY_EXISTS",	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED",   "OUT_OF_RANGE",	"UNIMPLEMENTED",     "INTERNAL",	   "UNAVAILABLE",
		"DATA_LOSS", "UNAUTHENTICATED",
	};

	return status >= 0 && (size_t)status < ARRAY_LEN(names) ? names[status] : "status out of range";
}

/* Who asked may have cancelled: that is no failure. */
static void put_grpc_status(struct proto_exchange *x, int32_t status, const char *message)
{
	char text[PROTO_ERROR_TEXT + 32];

	x->status = status;
	if (!status)
		return;
	if (status != GRPC_CANCELLED)
		x->flags |= PROTO_FAILED;
	(void)snprintf(text, sizeof(text), "%s%s%s", grpc_name(status), message[0] ? ": " : "", message);
	proto_text(x->error, sizeof(x->error), text, strlen(text));
}

static void put_status(struct proto_exchange *x, const struct fields *f)
{
	bool grpc = !strcmp(x->protocol, "grpc");

	if (!grpc && (f->grpc || f->grpc_status >= 0)) {
		put_grpc(x, f);
		grpc = true;
	}
	if (grpc && f->grpc_status >= 0) {
		put_grpc_status(x, f->grpc_status, f->message);
		return;
	}
	if (f->status < 0)
		return;
	if (!grpc)
		x->status = f->status;
	if (grpc ? f->status != 200 : f->status >= 500) {
		x->flags |= PROTO_FAILED;
		(void)snprintf(x->error, sizeof(x->error), "%d", f->status);
	}
}

static bool was_reset(const struct http2 *h, uint32_t stream)
{
	for (size_t i = 0; i < ARRAY_LEN(h->reset); i++) {
		if (h->reset[i] == stream)
			return true;
	}
	return false;
}

/* Pushed, or the trailers of what began before the recording: no answer to anything. */
static bool is_stray(struct proto_conn *c, const struct http2 *h, const struct side *s)
{
	const struct fields *f = &s->f;

	if (proto_awaiting(c, s->stream))
		return false;
	return !(s->stream & 1) || was_reset(h, s->stream) || (f->status < 0 && f->grpc_status < 0 && !f->unknown);
}

static void on_response(struct proto_conn *c, const struct http2 *h, struct side *s, uint64_t end)
{
	struct proto_exchange *x = proto_answering(c, s->stream);
	const struct fields *f = &s->f;
	const bool trailers = x;
	bool last;

	if (f->status >= 100 && f->status < 200)
		return; /* informational: the answer follows */
	if (!x) {
		if (is_stray(c, h, s))
			return;
		x = proto_answer(c, s->stream, s->begin);
		if (!x)
			return;
		*proto_note(x) |= s->stream; /* it may have been noted that this is perhaps gRPC */
	}
	put_status(x, f);
	/* the status of gRPC stands in the last fields, which may be the only ones ("Trailers-Only") */
	last = trailers || (s->end_stream && !strcmp(x->protocol, "grpc"));
	if (f->cut || (f->unknown && f->grpc_status < 0 && (last || f->status < 0)))
		x->flags |= PROTO_TOUCHED;
	if (s->end_stream)
		end_message(c, x, false, end);
}

static void block_ends(struct proto_conn *c, struct http2 *h, struct side *s, bool asks, uint64_t end)
{
	if (!s->hpack || !hpack_end(s->hpack))
		s->f.unknown = true;
	s->in_block = false;
	if (s->promise)
		return;
	if (asks)
		on_request(c, s, end);
	else
		on_response(c, h, s, end);
}

static int32_t grpc_of_reset(uint32_t code)
{
	return code == CANCEL ? GRPC_CANCELLED : code == REFUSED_STREAM ? GRPC_UNAVAILABLE : GRPC_INTERNAL;
}

static const char *reset_name(uint32_t code)
{
	static const char *const names[] = {
		"NO_ERROR",
		"PROTOCOL_ERROR",
		"INTERNAL_ERROR",
		"FLOW_CONTROL_ERROR",
		"SETTINGS_TIMEOUT",
		"STREAM_CLOSED",
		"FRAME_SIZE_ERROR",
		"REFUSED_STREAM",
		"CANCEL",
		"COMPRESSION_ERROR",
		"CONNECT_ERROR",
		"ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY",
		"HTTP_1_1_REQUIRED",
	};

	return code < ARRAY_LEN(names) ? names[code] : "an unknown error";
}

static void on_reset(struct proto_conn *c, uint32_t stream, bool asks, uint64_t begin, uint32_t code)
{
	struct proto_exchange *x = proto_answering(c, stream);
	bool unanswered = !x;

	if (!x)
		x = proto_awaiting(c, stream);
	if (!x) { /* answered already: the rest of the request is not wanted, or will not be sent */
		x = proto_asking(c, stream);
		if (x)
			proto_drop(c, x);
		return;
	}
	if (!asks && unanswered)
		x = proto_answer(c, stream, begin);
	else if (unanswered)
		x->flags |= PROTO_UNANSWERED;
	if (!x)
		return;
	if (code != NO_ERROR && !(asks && code == CANCEL))
		x->flags |= PROTO_FAILED;
	if (code != NO_ERROR)
		(void)snprintf(x->error, sizeof(x->error), "reset by who %s: %s", asks ? "asked" : "answered",
			       reset_name(code));
	if (code != NO_ERROR && !strcmp(x->protocol, "grpc"))
		x->status = grpc_of_reset(code);
	settle_doubt(x);
	proto_drop(c, x);
}

/* Behind a loss: messages that do not go on with this frame are over. */
static void end_unseen(struct proto_conn *c, const struct side *s, bool asks, uint64_t offset, uint32_t stream)
{
	struct proto_exchange *x, *next;

	(void)s;
	for (x = proto_next(c, NULL); x; x = next) {
		next = proto_next(c, x);
		if (!proto_under_way(x, asks) || (uint32_t)*proto_note(x) == stream)
			continue;
		x->flags |= PROTO_TOUCHED;
		end_message(c, x, asks, offset);
	}
}

/* ---- frames ---- */

/* HEADERS, PUSH_PROMISE, CONTINUATION: what stands before and behind the fields. */
static int64_t block_begins(struct proto_conn *c, struct http2 *h, struct side *s, const struct proto_view *v,
			    const struct frame *f)
{
	uint32_t before = (f->flags & PADDED && f->type != CONTINUATION ? 1 : 0) +
			  (f->flags & WITH_PRIORITY && f->type == HEADERS ? 5 : 0) + (f->type == PUSH_PROMISE ? 4 : 0);

	if (v->have < HEADER + before)
		return PROTO_MORE;
	s->padding = f->flags & PADDED && f->type != CONTINUATION ? v->data[HEADER] : 0;
	if (before + s->padding > f->len)
		return PROTO_NONSENSE;
	if (f->type != CONTINUATION || !s->in_block || s->stream != f->stream) {
		fields_reset(&s->f);
		s->begin = v->offset;
		s->stream = f->stream;
		s->promise = f->type == PUSH_PROMISE;
		s->end_stream = f->type == HEADERS && f->flags & END_STREAM;
	}
	s->in_block = true;
	s->flags = f->flags;
	s->left = f->len - before - s->padding;
	if (!s->hpack && hpack_new(&s->hpack) < 0)
		return PROTO_LOST;
	if (s->left)
		return HEADER + before;
	if (f->flags & END_HEADERS)
		block_ends(c, h, s, v->asks, v->offset + HEADER + f->len);
	return HEADER + (int64_t)f->len;
}

static int64_t block_goes_on(struct proto_conn *c, struct http2 *h, struct side *s, const struct proto_view *v)
{
	uint32_t n = (uint32_t)MIN((size_t)s->left, v->have);

	if (!hpack_feed(s->hpack, v->data, n, take_field, &s->f))
		s->f.unknown = true;
	if (n < s->left && v->cut) {
		hpack_lost(s->hpack);
		s->f.unknown = s->f.cut = true;
		n = s->left;
	}
	s->left -= n;
	if (s->left)
		return n;
	if (s->flags & END_HEADERS)
		block_ends(c, h, s, v->asks, v->offset + n + s->padding);
	return (int64_t)n + s->padding;
}

static int64_t on_frame(struct proto_conn *c, struct http2 *h, struct side *s, const struct proto_view *v,
			const struct frame *f)
{
	const uint64_t end = v->offset + HEADER + f->len;
	struct proto_exchange *x;

	switch (f->type) {
	case HEADERS:
	case PUSH_PROMISE:
	case CONTINUATION:
		return block_begins(c, h, s, v, f);
	case DATA:
		x = v->asks ? proto_asking(c, f->stream) : proto_answering(c, f->stream);
		if (x && f->flags & END_STREAM)
			end_message(c, x, v->asks, end);
		break;
	case RST_STREAM:
		if (v->have < HEADER + 4 && !v->cut)
			return PROTO_MORE;
		h->reset[h->nresets++ % RESETS] = f->stream;
		if (v->have >= HEADER + 4)
			on_reset(c, f->stream, v->asks, v->offset, be32(v->data + HEADER));
		break;
	default:
		break;
	}
	return HEADER + (int64_t)f->len;
}

static bool is_preface(const struct proto_view *v)
{
	return v->asks && !memcmp(v->data, PREFACE, MIN(v->have, (size_t)PREFACE_BYTES));
}

static int64_t http2_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct http2 *h = state;
	struct side *s = &h->sides[v->asks];
	struct frame f;

	if (s->left)
		return block_goes_on(c, h, s, v);
	if (v->have >= 4 && is_preface(v))
		return v->have >= PREFACE_BYTES ? PREFACE_BYTES : PROTO_MORE;
	if (v->have < HEADER)
		return PROTO_MORE;
	f = read_header(v->data);
	if (f.type < TYPES && !is_valid(&f))
		return PROTO_NONSENSE;
	if (s->lost)
		end_unseen(c, s, v->asks, v->offset, f.stream);
	s->lost = false;
	return on_frame(c, h, s, v, &f);
}

/* Frames that follow one another; 0: none, or one is not valid.  *ret_exact: they end where the bytes do. */
static unsigned int chain(const struct proto_view *v, bool *ret_exact)
{
	uint64_t at = 0;
	unsigned int n = 0;

	*ret_exact = false;
	while (at + HEADER <= v->have) {
		struct frame f = read_header(v->data + at);

		if (!is_valid(&f) || f.len > LENGTH_LIKELY || (!n && f.type == CONTINUATION))
			return 0;
		n++;
		at += HEADER + (uint64_t)f.len;
		*ret_exact = at == v->fed;
	}
	return n;
}

static int http2_bid(const struct proto_view *v)
{
	bool exact;
	unsigned int n;

	if (v->have >= PREFACE_BYTES - 6 && is_preface(v))
		return PROTO_SURE;
	if (v->asks && v->offset == 0)
		return is_preface(v) ? PROTO_MAYBE : PROTO_NEVER;
	n = chain(v, &exact);
	if (!n || (v->offset == 0 && v->data[3] != SETTINGS))
		return PROTO_NEVER;
	if (n >= 2 && exact)
		return PROTO_SURE;
	return n >= 2 || exact ? PROTO_LIKELY : PROTO_MAYBE;
}

static bool http2_begins(void *state, const struct proto_view *v)
{
	bool exact;
	unsigned int n;

	(void)state;
	if (v->have >= PREFACE_BYTES && is_preface(v))
		return true;
	n = chain(v, &exact);
	return n >= 2 || (n && (exact || v->data[3] <= HEADERS));
}

static void http2_lost(struct proto_conn *c, void *state, bool asks)
{
	struct http2 *h = state;
	struct side *s = &h->sides[asks];

	(void)c;
	if (s->hpack)
		hpack_lost(s->hpack);
	s->left = 0;
	s->in_block = false;
	s->lost = true;
}

static void http2_fini(void *state)
{
	struct http2 *h = state;

	hpack_free(h->sides[0].hpack);
	hpack_free(h->sides[1].hpack);
}

const struct proto_ops proto_http2 = {
	.name = "http2",
	.stream = true,
	.by_id = true,
	.state_bytes = sizeof(struct http2),
	.bid = http2_bid,
	.begins = http2_begins,
	.read = http2_read,
	.lost = http2_lost,
	.fini = http2_fini,
};
