/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mask_payload.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mask_internal.h"
#include "base/cleanup.h"

struct direction {
	uint64_t next; /* where the last piece ended */
	bool known;    /* there was one */
	bool cut;      /* text: bytes are missing before the next piece */
	union {
		struct mask_text text;
		struct mask_redis redis;
		struct mask_frames frames;
	};
};

struct mask_conn {
	const struct mask_words *words;
	uint8_t proto; /* enum recognised */
	bool client;   /* direction in which requests go, as in mask_piece.sent */
	struct direction direction[2];
};

_Static_assert(sizeof(struct mask_conn) <= MASK_CONN_BYTES, "what is kept of a connection");

/* --- life --- */

int mask_conn_new(const struct mask_words *words, struct mask_conn **ret)
{
	struct mask_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->words = words;
	*ret = c;
	return 0;
}

struct mask_conn *mask_conn_free(struct mask_conn *c)
{
	free(c);
	return NULL;
}

bool mask_conn_expects(const struct mask_conn *c, bool sent, uint64_t offset)
{
	const struct direction *d = &c->direction[sent];

	return d->known ? d->next == offset : !offset;
}

/* --- what it speaks --- */

/* Of protocols whose answers hold no secrets of their own only requests are followed. */
static bool framed(const struct mask_conn *c, bool sent)
{
	if (c->proto == RECOGNISED_HTTP2)
		return true;
	return sent == c->client && (c->proto == RECOGNISED_POSTGRESQL || c->proto == RECOGNISED_MYSQL ||
				     c->proto == RECOGNISED_MEMCACHED_BINARY);
}

/* Is the message that was recognised one of a client? */
static bool asks(uint8_t proto, const uint8_t *b)
{
	switch (proto) {
	case RECOGNISED_POSTGRESQL:
		return !b[0] || b[0] == 'Q' || b[0] == 'P' || b[0] == 'B';
	case RECOGNISED_MYSQL:
		return b[4] != 10;
	case RECOGNISED_MEMCACHED_BINARY:
		return b[0] == 0x80;
	default:
		return true;
	}
}

static void direction_begin(struct direction *d, uint8_t proto)
{
	memset(&d->frames, 0, sizeof(d->frames));
	if (!d->known)
		return;
	if (proto == RECOGNISED_REDIS)
		mask_redis_lost(&d->redis);
	else
		mask_frames_lost(&d->frames);
}

/* What was taken for text may be something else, and some turn to something else. */
static void speak(struct mask_conn *c, bool sent, uint8_t proto, const struct recognise_head *h)
{
	bool turns = proto == RECOGNISED_TLS || (proto == RECOGNISED_HTTP2 && h->b[0] == 'P');

	if (!proto || proto == c->proto || (c->proto && !(turns && c->proto != RECOGNISED_TLS)))
		return;
	c->proto = proto;
	c->client = asks(proto, h->b) ? sent : !sent;
	direction_begin(&c->direction[0], proto);
	direction_begin(&c->direction[1], proto);
	if (proto == RECOGNISED_MYSQL && h->b[4] == 10)
		c->direction[c->client].frames.authenticates = true;
}

/* --- text --- */

/* `1f40`, alone on its line: how long a chunk is, not what is left of a secret */
static bool chunk_size(const uint8_t *data, size_t len)
{
	size_t n;

	for (n = 0; n < len && n < 9 && isxdigit(data[n]); n++)
		;
	return n && n + 1 < len && data[n] == '\r' && data[n + 1] == '\n';
}

/* What the first word behind missing bytes is, nobody knows. */
static void mask_first_word(uint8_t *data, size_t len)
{
	size_t i;

	if (chunk_size(data, len))
		return;
	for (i = 0; i < len && data[i] > ' ' && !strchr("&\"',;<>{}", data[i]); i++)
		data[i] = '*';
}

static void text_piece(struct mask_conn *c, struct direction *d, const struct mask_piece *p, uint8_t proto)
{
	if (proto && proto == c->proto)
		mask_text_reset(&d->text); /* a message begins */
	else if (d->cut && d->text.value == MASK_NONE)
		mask_first_word(p->data, p->kept);
	d->cut = false;
	mask_text(&d->text, c->words, p->data, p->kept);
}

/* --- pieces --- */

/* Where a reply or a command may begin: a sign, and something short, or the end of the line */
static bool redis_may_begin(const struct recognise_head *h)
{
	size_t i;

	if (!h->b[0] || !strchr("*$+-:_#,(!=%~>", h->b[0]))
		return false;
	for (i = 1; i + 1 < RECOGNISE_BYTES && h->b[i] >= ' ' && h->b[i] < 127; i++)
		;
	return h->b[i] == '\r' || i + 1 == RECOGNISE_BYTES;
}

static void piece_mask(struct mask_conn *c, struct direction *d, const struct mask_piece *p, uint8_t proto,
		       const struct recognise_head *h)
{
	if (c->proto == RECOGNISED_TLS)
		return;
	if (c->proto == RECOGNISED_REDIS) {
		if (d->redis.lost && redis_may_begin(h))
			d->redis.lost = false;
		mask_redis(&d->redis, c->words, p->data, p->kept);
	} else if (framed(c, p->sent)) {
		if (d->frames.lost)
			(void)mask_frames_again(&d->frames, c->proto, h, p->bytes);
		mask_frames(&d->frames, c->proto, c->words, p->data, p->kept);
	} else {
		text_piece(c, d, p, proto);
	}
}

/* Bytes that were not kept, UINT64_MAX: nobody knows how many. */
static void piece_skip(struct mask_conn *c, struct direction *d, bool sent, uint64_t bytes)
{
	if (c->proto == RECOGNISED_REDIS) {
		mask_redis_skip(&d->redis, bytes);
	} else if (framed(c, sent)) {
		mask_frames_skip(&d->frames, bytes);
	} else {
		d->cut = true;
		mask_text_break(&d->text);
	}
}

void mask_payload(struct mask_conn *c, const struct mask_piece *p)
{
	struct direction *d = &c->direction[p->sent];
	struct recognise_head head = { 0 };
	uint8_t proto;

	memcpy(head.b, p->data, MIN(p->kept, (uint32_t)RECOGNISE_BYTES));
	proto = (uint8_t)recognise(&head, p->bytes);
	if (!mask_conn_expects(c, p->sent, p->offset))
		piece_skip(c, d, p->sent, UINT64_MAX);
	speak(c, p->sent, proto, &head);
	if (p->kept > MASK_PIECE_MAX) {
		memset(p->data, '*', p->kept);
		piece_skip(c, d, p->sent, UINT64_MAX);
	} else {
		piece_mask(c, d, p, proto, &head);
		if (p->kept < p->bytes)
			piece_skip(c, d, p->sent, p->bytes - p->kept);
	}
	d->next = p->offset + p->bytes;
	d->known = true;
}
