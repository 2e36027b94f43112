/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - connections that are encrypted and not seen through: whom they are for, and their turns.
 *
 * The ClientHello (RFC 8446, section 4.1.2) tells the server's name and what will be spoken; it is the first exchange.  Behind
 * it all is turns (PROTO_ENCRYPTED).
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "proto/internal.h"

#define RECORD_HEADER 5
#define RECORD_MAX (16384 + 2048)
#define HANDSHAKE 22
#define APPLICATION_DATA 23
#define CLIENT_HELLO 1

enum { EXTENSION_NAME = 0, EXTENSION_ALPN = 16, EXTENSION_VERSIONS = 43 };

/* The bytes of a ClientHello that are there, or of a part of it. */
struct bytes {
	const uint8_t *at;
	size_t len;
};

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void skip(struct bytes *b, size_t n)
{
	n = MIN(n, b->len);
	b->at += n;
	b->len -= n;
}

/* What follows a length of so many bytes, as far as it is there; b goes behind it. */
static struct bytes take(struct bytes *b, unsigned int size)
{
	struct bytes part = { b->at, 0 };
	size_t n = 0;

	if (b->len < size) {
		b->len = 0;
		return part;
	}
	for (unsigned int i = 0; i < size; i++)
		n = n << 8 | b->at[i];
	skip(b, size);
	part.at = b->at;
	part.len = MIN(n, b->len);
	skip(b, n);
	return part;
}

struct hello {
	char name[PROTO_ID_TEXT];
	char alpn[64];
	uint32_t version; /* 0: not told */
	bool versions;	  /* it lists them */
};

static void take_name(struct hello *h, struct bytes b)
{
	struct bytes list = take(&b, 2), name;

	if (!list.len || list.at[0]) /* only names of hosts are defined */
		return;
	skip(&list, 1);
	name = take(&list, 2);
	proto_text(h->name, sizeof(h->name), name.at, name.len);
}

static void take_alpn(struct hello *h, struct bytes b)
{
	struct bytes list = take(&b, 2);
	char text[32];

	while (list.len) {
		struct bytes one = take(&list, 1);
		size_t n = strlen(h->alpn);

		proto_text(text, sizeof(text), one.at, one.len);
		(void)snprintf(h->alpn + n, sizeof(h->alpn) - n, "%s%s", n ? "," : "", text);
	}
}

/* The highest one; values such as 0x?a?a are there to be ignored (RFC 8701). */
static void take_versions(struct hello *h, struct bytes b)
{
	struct bytes list = take(&b, 1);

	h->versions = true;
	for (; list.len >= 2; skip(&list, 2)) {
		uint32_t version = be16(list.at);

		if ((version & 0xf0f) != 0xa0a && version >> 8 == 3 && version > h->version)
			h->version = version;
	}
}

static void take_extensions(struct hello *h, struct bytes b)
{
	while (b.len >= 4) {
		uint32_t type = be16(b.at);
		struct bytes data;

		skip(&b, 2);
		data = take(&b, 2);
		if (type == EXTENSION_NAME)
			take_name(h, data);
		else if (type == EXTENSION_ALPN)
			take_alpn(h, data);
		else if (type == EXTENSION_VERSIONS)
			take_versions(h, data);
	}
}

static void take_hello(struct hello *h, struct bytes b, bool cut)
{
	memset(h, 0, sizeof(*h));
	skip(&b, RECORD_HEADER + 4);
	h->version = b.len >= 2 ? be16(b.at) : 0;
	skip(&b, 2 + 32);
	(void)take(&b, 1); /* session */
	(void)take(&b, 2); /* ciphers */
	(void)take(&b, 1); /* compressions */
	skip(&b, 2);
	take_extensions(h, b);
	/* a list of versions overrides what stands at the beginning, and it may be in what was not kept */
	if (cut && !h->versions)
		h->version = 0;
}

static const char *version_name(uint32_t version)
{
	static const char *const names[] = { "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3" };

	return version >> 8 == 3 && (version & 255) < ARRAY_LEN(names) ? names[version & 255] : "TLS";
}

static bool is_record(const struct proto_view *v)
{
	uint32_t len = v->have >= RECORD_HEADER ? be16(v->data + 3) : 0;

	return len && len <= RECORD_MAX && v->data[0] >= 20 && v->data[0] <= 24 && v->data[1] == 3 && v->data[2] <= 4;
}

static bool is_hello(const struct proto_view *v)
{
	return is_record(v) && v->data[0] == HANDSHAKE && v->have > RECORD_HEADER &&
	       v->data[RECORD_HEADER] == CLIENT_HELLO;
}

static int tls_bid(const struct proto_view *v)
{
	uint32_t len;

	if (!is_record(v))
		return PROTO_NEVER;
	if (v->asks && is_hello(v))
		return PROTO_SURE;
	if (v->offset == 0)
		return v->asks ? PROTO_NEVER : PROTO_LIKELY;
	len = RECORD_HEADER + be16(v->data + 3);
	if (v->data[0] != APPLICATION_DATA || v->data[2] != 3)
		return PROTO_MAYBE;
	return len == v->fed ? PROTO_SURE : PROTO_LIKELY;
}

static bool tls_begins(void *state, const struct proto_view *v)
{
	(void)state;
	return is_record(v);
}

static void put_hello(struct proto_exchange *x, const struct hello *h)
{
	(void)snprintf(x->operation, sizeof(x->operation), "HELLO");
	(void)snprintf(x->resource, sizeof(x->resource), "%s%s%s", version_name(h->version), h->alpn[0] ? " " : "",
		       h->alpn);
}

/* The hello, or what was recognised in the middle. */
static int64_t tls_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct proto_exchange *x;
	struct hello h;

	(void)state;
	if (v->asks && v->data[0] == HANDSHAKE) {
		if (v->have < RECORD_HEADER)
			return PROTO_MORE;
		if (v->have < RECORD_HEADER + be16(v->data + 3) && !v->cut)
			return PROTO_MORE;
	}
	memset(&h, 0, sizeof(h));
	if (v->asks && is_hello(v))
		take_hello(&h, (struct bytes) { v->data, v->have }, v->have < RECORD_HEADER + be16(v->data + 3));
	proto_all(c, PROTO_ENCRYPTED, h.name);
	x = v->asks ? proto_ask(c, 0, v->offset) : NULL;
	if (x) {
		x->flags |= PROTO_TIMING;
		if (is_hello(v))
			put_hello(x, &h);
		if (is_hello(v) && v->have < RECORD_HEADER + be16(v->data + 3))
			x->flags |= PROTO_TOUCHED;
	}
	proto_turns(c, "tls");
	return PROTO_REST;
}

const struct proto_ops proto_tls = {
	.name = "tls",
	.stream = true,
	.bid = tls_bid,
	.begins = tls_begins,
	.read = tls_read,
};
