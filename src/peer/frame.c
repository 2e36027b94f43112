/* SPDX-License-Identifier: Apache-2.0 */
/* frame - the layout is told in docs/formats/peer.md; everything is read through a cursor that knows its end. */
#include "peer/frame.h"

#include <string.h>
#include <sys/socket.h>

_Static_assert(8 + 1 + FRAME_NAME + 1 + FRAME_ADDRS * 17 <= FRAME_PAYLOAD, "a claim fits");

static size_t put(uint8_t *out, size_t at, uint64_t value, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		out[at + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
	return at + bytes;
}

struct cursor {
	const uint8_t *at, *end;
	bool broken;
};

static const uint8_t *take(struct cursor *c, size_t bytes)
{
	const uint8_t *at = c->at;

	if (c->broken || (size_t)(c->end - c->at) < bytes) {
		c->broken = true;
		return NULL;
	}
	c->at += bytes;
	return at;
}

static uint64_t get(struct cursor *c, size_t bytes)
{
	const uint8_t *in = take(c, bytes);
	uint64_t value = 0;
	size_t i;

	for (i = 0; in && i < bytes; i++)
		value = value << 8 | in[i];
	return value;
}

static bool whole(const struct cursor *c)
{
	return !c->broken && c->at == c->end;
}

void frame_head_put(uint8_t out[FRAME_HEAD], const struct frame_head *h)
{
	size_t at = put(out, 0, h->length, 4);

	at = put(out, at, h->type, 1);
	at = put(out, at, h->version, 1);
	at = put(out, at, h->zero, 2);
	at = put(out, at, h->session, 8);
	(void)put(out, at, h->sequence, 8);
}

void frame_head_get(const uint8_t in[FRAME_HEAD], struct frame_head *ret)
{
	struct cursor c = { in, in + FRAME_HEAD, false };

	ret->length = (uint32_t)get(&c, 4);
	ret->type = (uint8_t)get(&c, 1);
	ret->version = (uint8_t)get(&c, 1);
	ret->zero = (uint16_t)get(&c, 2);
	ret->session = get(&c, 8);
	ret->sequence = get(&c, 8);
}

/* --- text --- */

static size_t text_put(uint8_t *out, size_t at, const char *text, size_t cap)
{
	size_t len = strnlen(text, cap - 1);

	out[at++] = (uint8_t)len;
	memcpy(out + at, text, len);
	return at + len;
}

/* What it says goes to terminals and into recordings: no control characters. */
static void text_get(struct cursor *c, char *out, size_t cap)
{
	size_t len = (size_t)get(c, 1), i;
	const uint8_t *in;

	if (len >= cap)
		c->broken = true;
	in = take(c, len);
	for (i = 0; in && i < len; i++)
		out[i] = (char)(in[i] < ' ' || in[i] == 0x7f ? '?' : in[i]);
	out[in ? len : 0] = 0;
}

/* --- addresses --- */

static size_t addr_put(uint8_t *out, size_t at, const struct sign_addr *a)
{
	memset(out + at, 0, 16);
	memcpy(out + at, a->bytes, a->family == AF_INET ? 4 : 16);
	return at + 16;
}

static void addr_get(struct cursor *c, uint8_t family, struct sign_addr *ret)
{
	static const uint8_t zeros[12];
	const uint8_t *in = take(c, 16);

	*ret = (struct sign_addr) { .family = family };
	if (!in)
		return;
	memcpy(ret->bytes, in, 16);
	if ((family != AF_INET && family != AF_INET6) ||
	    (family == AF_INET && memcmp(in + 4, zeros, sizeof(zeros)) != 0))
		c->broken = true;
}

/* --- payloads --- */

size_t frame_claim_put(uint8_t *out, const struct frame_claim *cl)
{
	size_t at = put(out, 0, cl->host, 8), i;

	at = text_put(out, at, cl->name, sizeof(cl->name));
	out[at++] = (uint8_t)cl->naddrs;
	for (i = 0; i < cl->naddrs; i++) {
		out[at++] = cl->addrs[i].family;
		at = addr_put(out, at, &cl->addrs[i]);
	}
	return at;
}

bool frame_claim_get(const uint8_t *in, size_t len, struct frame_claim *ret)
{
	struct cursor c = { in, in + len, false };
	size_t i;

	ret->host = get(&c, 8);
	text_get(&c, ret->name, sizeof(ret->name));
	ret->naddrs = (size_t)get(&c, 1);
	if (!ret->naddrs || ret->naddrs > FRAME_ADDRS)
		return false;
	for (i = 0; i < ret->naddrs && !c.broken; i++) {
		uint8_t family = (uint8_t)get(&c, 1);

		addr_get(&c, family, &ret->addrs[i]);
	}
	return whole(&c);
}

size_t frame_welcome_put(uint8_t *out, const struct frame_welcome *w)
{
	size_t at = put(out, 0, w->host, 8);

	at = text_put(out, at, w->name, sizeof(w->name));
	return put(out, at, w->beat_ms, 4);
}

bool frame_welcome_get(const uint8_t *in, size_t len, struct frame_welcome *ret)
{
	struct cursor c = { in, in + len, false };

	ret->host = get(&c, 8);
	text_get(&c, ret->name, sizeof(ret->name));
	ret->beat_ms = (uint32_t)get(&c, 4);
	return whole(&c);
}

size_t frame_sign_put(uint8_t *out, const struct sign *s)
{
	size_t at = put(out, 0, s->kind, 1);

	at = put(out, at, s->proto, 1);
	at = put(out, at, s->backend.family, 1);
	at = put(out, at, 0, 1);
	at = put(out, at, s->port, 2);
	at = put(out, at, s->evidence.cpu, 2);
	at = addr_put(out, at, &s->backend);
	at = put(out, at, s->value, 8);
	at = put(out, at, s->evidence.host, 8);
	at = put(out, at, s->evidence.boot_ns, 8);
	at = put(out, at, s->evidence.seq, 8);
	return text_put(out, at, s->text, sizeof(s->text));
}

/* What a host may tell of: what only the balancer itself can see is none of it. */
static bool kind_told(uint8_t kind)
{
	switch (kind) {
	case SIGN_LISTENING:
	case SIGN_EXIT:
	case SIGN_RESETS:
	case SIGN_OVERFLOW:
	case SIGN_SLOW:
	case SIGN_LEAVING:
	case SIGN_LOAD:
	case SIGN_RTT:
		return true;
	default:
		return kind >= SIGN_KINDS; /* of a later build: passed over (session.c) */
	}
}

bool frame_sign_get(const uint8_t *in, size_t len, struct sign *ret)
{
	struct cursor c = { in, in + len, false };
	uint8_t kind = (uint8_t)get(&c, 1), family, zero;

	*ret = (struct sign) { .kind = (enum sign_kind)kind };
	ret->proto = (uint8_t)get(&c, 1);
	family = (uint8_t)get(&c, 1);
	zero = (uint8_t)get(&c, 1);
	ret->port = (uint16_t)get(&c, 2);
	ret->evidence.cpu = (uint16_t)get(&c, 2);
	addr_get(&c, family, &ret->backend);
	ret->value = get(&c, 8);
	ret->evidence.host = get(&c, 8);
	ret->evidence.boot_ns = get(&c, 8);
	ret->evidence.seq = get(&c, 8);
	text_get(&c, ret->text, sizeof(ret->text));
	return whole(&c) && kind_told(kind) && !zero && (!ret->proto || ret->proto == 6 || ret->proto == 17);
}
