/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 - HTTP/1.0 and 1.1 (RFC 9112).
 *
 * Units: a header (start line to the empty line), and of chunked bodies each chunk with its size line.  Bodies with a
 * Content-Length are part of their header's unit.  A header whose end was not kept is told as far as it goes, and the
 * message lasts until the conversation turns.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "proto/internal.h"

enum body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_REST };

struct http1 {
	bool chunked[2]; /* [asks]: in the middle of a chunked body */
	bool trailer[2]; /* [asks]: behind its last chunk */
};

struct head {
	size_t len; /* with the empty line; 0: its end is not there */
	enum body body;
	uint64_t length;
	bool websocket; /* Upgrade: websocket */
};

static const char *const methods[] = {
	"GET",	    "POST",	 "PUT",	   "HEAD",  "DELETE", "OPTIONS",  "PATCH",	 "CONNECT", "TRACE",
	"PROPFIND", "LOCK",	 "UNLOCK", "COPY",  "MOVE",   "MKCOL",	  "PROPPATCH",	 "REPORT",  "SEARCH",
	"NOTIFY",   "SUBSCRIBE", "BIND",   "PURGE", "LINK",   "M-SEARCH", "UNSUBSCRIBE",
};
#define NMETHODS (sizeof(methods) / sizeof(methods[0]))

/* The length of the method at the beginning with its blank, 0: none; what is there may end within it: -1. */
static int method_len(const struct proto_view *v)
{
	for (size_t i = 0; i < NMETHODS; i++) {
		const size_t n = strlen(methods[i]), have = v->have < n ? v->have : n;

		if (memcmp(v->data, methods[i], have))
			continue;
		if (v->have <= n)
			return -1;
		if (v->data[n] == ' ')
			return (int)n + 1;
	}
	return 0;
}

static bool target_begins(const struct proto_view *v, size_t method)
{
	const uint8_t *s = v->data + method;
	const size_t len = v->have - method;

	return !len || s[0] == '/' || s[0] == '*' || isalnum(s[0]);
}

/* "HTTP/1.x NNN": its length 12, 0: no, -1: perhaps */
static int status_line(const struct proto_view *v)
{
	static const char pattern[] = "HTTP/1.# ###";

	for (size_t i = 0; i < 12; i++) {
		if (i == v->have)
			return -1;
		if (pattern[i] == '#' ? !isdigit(v->data[i]) : v->data[i] != pattern[i])
			return 0;
	}
	return 12;
}

/* " HTTP/1.x" at the end of the first line; where there is no end of the line in sight: -1 */
static int request_line(const struct proto_view *v)
{
	const uint8_t *nl = memchr(v->data, '\n', v->have);
	size_t n;

	for (size_t i = 0; i < v->have && (!nl || v->data + i < nl); i++)
		if (v->data[i] < 0x20 && v->data[i] != '\r')
			return 0;
	if (!nl)
		return -1;
	n = nl - v->data;
	if (n && v->data[n - 1] == '\r')
		n--;
	return n >= 10 && !memcmp(v->data + n - 9, " HTTP/1.", 8) && isdigit(v->data[n - 1]);
}

static int http1_bid(const struct proto_view *v)
{
	int n, line;

	if (!v->asks) {
		n = status_line(v);
		return n > 0 ? PROTO_SURE : n < 0 ? PROTO_NO : PROTO_NEVER;
	}
	n = method_len(v);
	if (!n || (n > 0 && !target_begins(v, n)))
		return PROTO_NEVER;
	if (n < 0)
		return PROTO_NO;
	line = request_line(v);
	return line > 0 ? PROTO_SURE : line < 0 ? PROTO_LIKELY : PROTO_NEVER;
}

static bool http1_begins(void *state, const struct proto_view *v)
{
	struct http1 *h = state;
	bool yes;

	if (!v->asks)
		yes = status_line(v) > 0;
	else
		yes = method_len(v) > 0 && request_line(v) && target_begins(v, method_len(v));
	if (yes)
		h->chunked[v->asks] = h->trailer[v->asks] = false;
	return yes;
}

/* ---- headers ---- */

static bool is(const uint8_t *s, size_t len, const char *what)
{
	return len == strlen(what) && !strncasecmp((const char *)s, what, len);
}

/* Is the token in the list? */
static bool has_token(const uint8_t *s, size_t len, const char *what)
{
	while (len) {
		const uint8_t *comma = memchr(s, ',', len);
		size_t n = comma ? (size_t)(comma - s) : len, a = 0, b = n;

		while (a < b && (s[a] == ' ' || s[a] == '\t'))
			a++;
		while (b > a && (s[b - 1] == ' ' || s[b - 1] == '\t'))
			b--;
		if (is(s + a, b - a, what))
			return true;
		n += comma != NULL;
		s += n;
		len -= n;
	}
	return false;
}

static void length(struct head *h, const uint8_t *s, size_t len)
{
	uint64_t n = 0;

	if (h->body == BODY_CHUNKED || !len)
		return;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit(s[i]) || n > UINT64_MAX / 100)
			return;
		n = n * 10 + (s[i] - '0');
	}
	h->body = BODY_LENGTH;
	h->length = n;
}

static void header(struct head *h, struct proto_exchange *x, bool asks, const uint8_t *s, size_t len)
{
	const uint8_t *colon = memchr(s, ':', len), *value;
	size_t n, vlen;

	if (!colon)
		return;
	n = colon - s;
	value = colon + 1;
	vlen = len - n - 1;
	while (vlen && (*value == ' ' || *value == '\t'))
		value++, vlen--;
	while (vlen && (value[vlen - 1] == ' ' || value[vlen - 1] == '\t'))
		vlen--;
	if (is(s, n, "content-length")) {
		length(h, value, vlen);
	} else if (is(s, n, "transfer-encoding")) {
		h->body = has_token(value, vlen, "chunked") ? BODY_CHUNKED : BODY_REST;
	} else if (is(s, n, "upgrade")) {
		h->websocket |= has_token(value, vlen, "websocket");
	} else if (asks && is(s, n, "host")) {
		proto_text(x->peer, sizeof(x->peer), value, vlen);
	} else if (asks) {
		proto_id_header(&x->ids, s, n, value, vlen);
	}
}

/* Reads header lines from at on; the last line, if its end was not kept, is left out. */
static void headers(struct head *h, struct proto_exchange *x, const struct proto_view *v, size_t at)
{
	while (at < v->have) {
		const uint8_t *nl = memchr(v->data + at, '\n', v->have - at);
		size_t n;

		if (!nl)
			return;
		n = nl - (v->data + at);
		if (!n || (n == 1 && v->data[at] == '\r')) {
			h->len = at + n + 1;
			return;
		}
		header(h, x, v->asks, v->data + at, v->data[at + n - 1] == '\r' ? n - 1 : n);
		at += n + 1;
	}
}

/* Is the empty line there?  Looked for before anything is told: a header may come in many pieces. */
static bool is_whole(const struct proto_view *v)
{
	const uint8_t *at = v->data, *end = v->data + v->have;

	while ((at = memchr(at, '\n', end - at))) {
		at++;
		if (at < end && *at == '\n')
			return true;
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return true;
	}
	return false;
}

/* ---- requests ---- */

static void target(struct proto_exchange *x, const uint8_t *s, size_t len)
{
	const uint8_t *slash;
	size_t n = 0;

	if (len > 7 && (!strncasecmp((const char *)s, "http://", 7) ||
			(len > 8 && !strncasecmp((const char *)s, "https://", 8)))) {
		n = s[4] == ':' ? 7 : 8;
		slash = memchr(s + n, '/', len - n);
		proto_text(x->peer, sizeof(x->peer), s + n, slash ? (size_t)(slash - s) - n : len - n);
		n = slash ? (size_t)(slash - s) : len;
		if (!slash) {
			proto_text(x->resource, sizeof(x->resource), "/", 1);
			return;
		}
	}
	proto_path(x->resource, sizeof(x->resource), s + n, len - n);
}

/* The request line; where the headers begin, or v->have. */
static size_t first_line(struct proto_exchange *x, const struct proto_view *v, size_t method)
{
	const uint8_t *nl = memchr(v->data, '\n', v->have), *s = v->data + method;
	const size_t line = nl ? (size_t)(nl - v->data) : v->have;
	const uint8_t *blank = memchr(s, ' ', line - method);

	proto_upper(x->operation, sizeof(x->operation), v->data, method - 1);
	if (!strcmp(x->operation, "CONNECT"))
		proto_text(x->resource, sizeof(x->resource), s, blank ? (size_t)(blank - s) : line - method);
	else
		target(x, s, blank ? (size_t)(blank - s) : line - method);
	return nl ? line + 1 : v->have;
}

static int64_t body(struct proto_conn *c, struct http1 *h, const struct proto_view *v, const struct head *head,
		    struct proto_exchange *x)
{
	const uint64_t end = v->offset + head->len + head->length;

	h->chunked[v->asks] = h->trailer[v->asks] = false;
	if (head->body == BODY_CHUNKED) {
		h->chunked[v->asks] = true;
		return (int64_t)head->len;
	}
	if (head->body == BODY_REST)
		return PROTO_REST;
	if (v->asks)
		proto_ask_end(c, x, end);
	else
		proto_answer_end(c, x, end);
	return (int64_t)(head->len + head->length);
}

static int64_t request(struct proto_conn *c, struct http1 *h, const struct proto_view *v)
{
	const int method = method_len(v);
	struct proto_exchange *x;
	struct head head = { 0 };

	if (v->data[0] == '\r' || v->data[0] == '\n') /* RFC 9112, 2.2 */
		return 1;
	if (!method || (method > 0 && !target_begins(v, method)))
		return PROTO_NONSENSE;
	if (method < 0 || (!is_whole(v) && !v->cut))
		return PROTO_MORE;
	x = proto_ask(c, 0, v->offset);
	if (!x)
		return PROTO_LOST;
	headers(&head, x, v, first_line(x, v, method));
	if (!head.len)
		return PROTO_LOST;
	if (head.body == BODY_REST)
		head.body = BODY_NONE;
	return body(c, h, v, &head, x);
}

/* ---- responses ---- */

static void status(struct proto_exchange *x, const struct proto_view *v)
{
	const uint8_t *nl = memchr(v->data, '\n', v->have);
	size_t n = nl ? (size_t)(nl - v->data) : v->have;

	x->status = (v->data[9] - '0') * 100 + (v->data[10] - '0') * 10 + v->data[11] - '0';
	if (x->status >= 500) {
		x->flags |= PROTO_FAILED;
		if (n && v->data[n - 1] == '\r')
			n--;
		proto_text(x->error, sizeof(x->error), v->data + 9, n > 9 ? n - 9 : 0);
	}
}

/* 101, or 2xx to a CONNECT: another protocol follows. */
static int64_t switched(struct proto_conn *c, const struct proto_view *v, const struct head *head,
			struct proto_exchange *x)
{
	proto_answer_end(c, x, v->offset + head->len);
	if (head->websocket)
		proto_turns(c, "websocket");
	else
		proto_again(c);
	return (int64_t)head->len;
}

static int64_t response(struct proto_conn *c, struct http1 *h, const struct proto_view *v)
{
	struct head head = { 0 };
	struct proto_exchange *x, unused;
	const int line = status_line(v);
	bool connect;

	if (!line)
		return PROTO_NONSENSE;
	if (line < 0 || (!is_whole(v) && !v->cut))
		return PROTO_MORE;
	headers(&head, &unused, v, 12);
	if (v->data[9] == '1' && memcmp(v->data + 9, "101", 3)) /* informational: the answer follows */
		return head.len ? (int64_t)head.len : PROTO_LOST;
	x = proto_answer(c, 0, v->offset);
	if (!x)
		return PROTO_LOST;
	status(x, v);
	connect = !strcmp(x->operation, "CONNECT") && x->status / 100 == 2;
	if (!head.len)
		return PROTO_LOST;
	if (x->status == 101 || connect)
		return switched(c, v, &head, x);
	if (!strcmp(x->operation, "HEAD") || x->status == 204 || x->status == 304)
		head.body = BODY_NONE, head.length = 0;
	else if (head.body == BODY_NONE || (x->flags & (PROTO_UNASKED | PROTO_TOUCHED) && !proto_awaiting(c, 0)))
		head.body =
			BODY_REST; /* of a request that is not surely known the length may be a HEAD's, without a body */
	return body(c, h, v, &head, x);
}

/* ---- chunks ---- */

static int64_t chunks_end(struct proto_conn *c, struct http1 *h, const struct proto_view *v, size_t n)
{
	struct proto_exchange *x = v->asks ? proto_asking(c, 0) : proto_answering(c, 0);

	h->chunked[v->asks] = h->trailer[v->asks] = false;
	if (x && v->asks)
		proto_ask_end(c, x, v->offset + n);
	else if (x)
		proto_answer_end(c, x, v->offset + n);
	return (int64_t)n;
}

/* A line of the trailer; the empty one ends the message. */
static int64_t trailer(struct proto_conn *c, struct http1 *h, const struct proto_view *v)
{
	const uint8_t *nl = memchr(v->data, '\n', v->have);
	const size_t n = nl ? (size_t)(nl - v->data) : 0;

	if (!nl)
		return PROTO_MORE;
	if (!n || (n == 1 && v->data[0] == '\r'))
		return chunks_end(c, h, v, n + 1);
	return (int64_t)n + 1;
}

/* SIZE[;extensions] CRLF data CRLF */
static int64_t chunk(struct http1 *h, const struct proto_view *v)
{
	const uint8_t *nl = memchr(v->data, '\n', v->have);
	uint64_t size = 0;
	size_t i = 0;

	for (; i < v->have && i < 15 && isxdigit(v->data[i]); i++)
		size = size << 4 | (isdigit(v->data[i]) ? v->data[i] - '0' : (tolower(v->data[i]) - 'a' + 10));
	if (i < v->have && (!i || !strchr(";\r\n \t", v->data[i])))
		return PROTO_NONSENSE;
	if (!nl)
		return v->have > 4096 ? PROTO_LOST : PROTO_MORE;
	if (!size)
		h->trailer[v->asks] = true;
	return (int64_t)(nl - v->data) + 1 + (int64_t)size + (size ? 2 : 0);
}

static int64_t http1_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct http1 *h = state;

	if (h->trailer[v->asks])
		return trailer(c, h, v);
	if (h->chunked[v->asks])
		return chunk(h, v);
	return v->asks ? request(c, h, v) : response(c, h, v);
}

static void http1_lost(struct proto_conn *c, void *state, bool asks)
{
	struct http1 *h = state;

	(void)c;
	h->chunked[asks] = h->trailer[asks] = false;
}

const struct proto_ops proto_http1 = {
	.name = "http",
	.stream = true,
	.state_bytes = sizeof(struct http1),
	.bid = http1_bid,
	.begins = http1_begins,
	.read = http1_read,
	.lost = http1_lost,
};
