/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns - queries and responses of the domain name system (RFC 1035), in datagrams and on streams (4.2.2: two bytes of length).
 *
 * Paired by the message's id.  The question, which the response repeats, is all that is told, with the response code; that
 * a name does not exist (NXDOMAIN) is an answer and no failure.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "proto/internal.h"

#define HEADER 12

static const struct {
	uint16_t type;
	const char *name;
} types[] = {
	{ 1, "A" },	 { 2, "NS" },	   { 5, "CNAME" },  { 6, "SOA" },    { 12, "PTR" },
	{ 13, "HINFO" }, { 15, "MX" },	   { 16, "TXT" },   { 28, "AAAA" },  { 33, "SRV" },
	{ 35, "NAPTR" }, { 39, "DNAME" },  { 43, "DS" },    { 44, "SSHFP" }, { 46, "RRSIG" },
	{ 47, "NSEC" },	 { 48, "DNSKEY" }, { 50, "NSEC3" }, { 52, "TLSA" },  { 64, "SVCB" },
	{ 65, "HTTPS" }, { 251, "IXFR" },  { 252, "AXFR" }, { 255, "ANY" },  { 257, "CAA" },
};

static const char *const codes[] = { "NOERROR",	 "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
				     "YXDOMAIN", "YXRRSET", "NXRRSET",	"NOTAUTH",  "NOTZONE" };

static uint16_t be16(const uint8_t *s)
{
	return (uint16_t)(s[0] << 8 | s[1]);
}

struct question {
	char name[256];
	uint16_t type, class;
	bool whole;
};

/* The name and type at s: false, if they cannot be some. */
static bool question(const uint8_t *s, size_t have, struct question *q)
{
	size_t at = 0, out = 0;

	memset(q, 0, sizeof(*q));
	while (at < have && s[at]) {
		const size_t len = s[at];

		if (len > 63 || out + len + 1 >= sizeof(q->name))
			return false;
		if (out)
			q->name[out++] = '.';
		for (size_t i = 1; i <= len && at + i < have; i++) {
			if (s[at + i] <= ' ' || s[at + i] >= 0x7f)
				return false;
			q->name[out++] = (char)tolower(s[at + i]);
		}
		at += len + 1;
	}
	if (!out)
		q->name[out] = '.';
	if (at + 5 > have)
		return true;
	q->type = be16(s + at + 1);
	q->class = be16(s + at + 3);
	q->whole = true;
	return q->type && (q->class == 1 || q->class == 3 || q->class == 4 || q->class >= 254);
}

/* Can the bytes of a message be one, from the side that asks or answers?  *q: its question. */
static bool message(const uint8_t *s, size_t have, bool asks, struct question *q)
{
	if (have < HEADER)
		return false;
	if ((s[2] >> 7 & 1) == asks || (s[2] >> 3 & 15) != 0 || s[3] & 0x40)
		return false;
	if (be16(s + 4) != 1 || be16(s + 10) > 64)
		return false;
	if (asks && (be16(s + 6) || be16(s + 8) > 1 || be16(s + 10) > 2 || (s[3] & 15)))
		return false;
	return question(s + HEADER, have - HEADER, q);
}

static void say_type(struct proto_exchange *x, uint16_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type) {
			proto_text(x->operation, sizeof(x->operation), types[i].name, strlen(types[i].name));
			return;
		}
	(void)snprintf(x->operation, sizeof(x->operation), "TYPE%u", type);
}

static void say_question(struct proto_exchange *x, const struct question *q)
{
	const char *arpa = strstr(q->name, ".in-addr.arpa");

	if (!arpa)
		arpa = strstr(q->name, ".ip6.arpa");
	if (arpa)
		(void)snprintf(x->resource, sizeof(x->resource), "{n}%.20s", arpa);
	else
		proto_text(x->resource, sizeof(x->resource), q->name, strlen(q->name));
	if (q->whole)
		say_type(x, q->type);
	else
		x->flags |= PROTO_TOUCHED;
}

static void say_code(struct proto_exchange *x, const uint8_t *s)
{
	const uint8_t code = s[3] & 15;

	x->status = code;
	if (code)
		(void)snprintf(x->error, sizeof(x->error), "%s",
			       code < sizeof(codes) / sizeof(codes[0]) ? codes[code] : "unknown response code");
	if (code && code != 3)
		x->flags |= PROTO_FAILED;
}

/* A message at s of a unit that begins at v->offset and is so long. */
static void tell(struct proto_conn *c, const struct proto_view *v, const uint8_t *s, const struct question *q,
		 uint64_t len)
{
	struct proto_exchange *x;

	if (v->asks) {
		x = proto_awaiting(c, be16(s));
		if (x) { /* asked again, or the id is used again */
			x->flags |= PROTO_UNANSWERED;
			proto_drop(c, x);
		}
		x = proto_ask(c, be16(s), v->offset);
		if (x) {
			say_question(x, q);
			proto_ask_end(c, x, v->offset + len);
		}
		return;
	}
	x = proto_answer(c, be16(s), v->offset);
	if (!x)
		return;
	if (x->flags & PROTO_UNASKED)
		say_question(x, q);
	say_code(x, s);
	proto_answer_end(c, x, v->offset + len);
}

static int dns_bid(const struct proto_view *v)
{
	const size_t skip = v->datagram ? 0 : 2;
	struct question q;

	if (v->have < skip + HEADER)
		return PROTO_NO;
	if (!message(v->data + skip, v->have - skip, v->asks, &q))
		return PROTO_NEVER;
	if (!v->datagram && be16(v->data) < HEADER + 5)
		return PROTO_NEVER;
	if (!q.whole)
		return strlen(q.name) > 20 ? PROTO_LIKELY : PROTO_MAYBE;
	return q.class == 1 ? PROTO_SURE : PROTO_LIKELY;
}

static bool dns_begins(void *state, const struct proto_view *v)
{
	(void)state;
	return dns_bid(v) >= PROTO_LIKELY;
}

static int64_t dns_read(struct proto_conn *c, void *state, const struct proto_view *v)
{
	struct question q;
	uint64_t len;

	(void)state;
	if (v->datagram) {
		if (!message(v->data, v->have, v->asks, &q))
			return PROTO_NONSENSE;
		tell(c, v, v->data, &q, v->fed);
		return (int64_t)v->fed;
	}
	if (v->have < 2)
		return PROTO_MORE;
	len = be16(v->data) + 2u;
	if (len < 2 + HEADER)
		return PROTO_NONSENSE;
	if (v->have < len && !v->cut && v->have < 2 + HEADER + 260)
		return PROTO_MORE;
	if (v->have < 2 + HEADER)
		return PROTO_LOST;
	if (!message(v->data + 2, v->have - 2, v->asks, &q))
		return (v->data[4] >> 3 & 15) || (v->data[4] >> 7 & 1) != v->asks ? (int64_t)len : PROTO_NONSENSE;
	tell(c, v, v->data + 2, &q, len);
	return (int64_t)len;
}

const struct proto_ops proto_dns = {
	.name = "dns",
	.stream = true,
	.datagram = true,
	.by_id = true,
	.bid = dns_bid,
	.begins = dns_begins,
	.read = dns_read,
};
