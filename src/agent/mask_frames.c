/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocols whose messages begin with their length.  Secret are: PostgreSQL's password messages ('p', which carry SASL too);
 * MySQL's answers to the server's challenge, from the greeting to the first command, and those of COM_CHANGE_USER; what
 * memcached's SASL commands carry; the headers that mask_hpack.c knows.  In all that may be text, mask_text.c looks further.
 */
#include <string.h>

#include "agent/mask_internal.h"
#include "base/cleanup.h"

#define PG_BODY_MAX (1U << 30)
#define H2_PREFACE 24
#define H2_CONTINUATION 9
#define MYSQL_SSL 0x800U
#define MYSQL_SECURE 0x8000U
#define MYSQL_LENENC 0x200000U

enum mask_body {
	BODY_TEXT,
	BODY_SECRET,  /* but for its first `visible` bytes */
	BODY_HEADERS, /* likewise, and less `pad` at its end */
	BODY_LOGIN,   /* MySQL's handshake response */
	BODY_CHANGE_USER,
	BODY_PLAIN,
};

static uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t le24(const uint8_t *b)
{
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;
}

/* --- headers of messages --- */

static size_t head_size(const struct mask_frames *f, int proto)
{
	switch (proto) {
	case RECOGNISED_POSTGRESQL:
		return f->nhead && !f->head[0] ? 4 : 5; /* the first one of a client has no type */
	case RECOGNISED_MYSQL:
		return 4;
	case RECOGNISED_HTTP2:
		return f->nhead > 2 && !memcmp(f->head, "PRI", 3) ? H2_PREFACE : 9;
	default:
		return 24;
	}
}

static void pg_begin(struct mask_frames *f)
{
	uint32_t len = be32(f->head + (f->head[0] ? 1 : 0));

	if (len < 4 || len > PG_BODY_MAX) {
		f->lost = true;
		return;
	}
	f->left = len - 4;
	if (f->head[0] == 'p')
		f->body = BODY_SECRET;
}

static void mysql_begin(struct mask_frames *f)
{
	f->left = le24(f->head);
	if (!f->head[3]) {
		f->authenticates = false; /* a command */
		f->phase = 0;
	} else if (f->authenticates) {
		f->body = f->phase++ ? BODY_SECRET : BODY_LOGIN;
	}
}

static void memcached_begin(struct mask_frames *f)
{
	if ((f->head[0] & 0xfe) != 0x80) {
		f->lost = true;
		return;
	}
	f->left = be32(f->head + 8);
	if (f->head[1] != 0x21 && f->head[1] != 0x22)
		return;
	f->body = BODY_SECRET;
	f->visible = ((uint64_t)f->head[2] << 8 | f->head[3]) + f->head[4];
}

static void h2_begin(struct mask_frames *f)
{
	uint8_t type = f->head[3], flags = f->head[4];

	if (!memcmp(f->head, "PRI", 3))
		return;
	f->left = (uint64_t)f->head[0] << 16 | (uint64_t)f->head[1] << 8 | f->head[2];
	if (type == 1 || type == 5 || type == H2_CONTINUATION) {
		f->body = BODY_HEADERS;
		if (type != H2_CONTINUATION || !f->block)
			mask_hpack_begin(&f->hpack);
		if (type != H2_CONTINUATION)
			f->visible = (flags & 8 ? 1 : 0) + (type == 1 && flags & 0x20 ? 5 : 0) + (type == 5 ? 4 : 0);
		f->block = !(flags & 4);
	} else if (type) {
		f->body = BODY_PLAIN;
	}
}

static void begin(struct mask_frames *f, int proto)
{
	f->pos = f->visible = 0;
	f->pad = 0;
	f->left = 0;
	f->body = BODY_TEXT;
	if (proto == RECOGNISED_POSTGRESQL)
		pg_begin(f);
	else if (proto == RECOGNISED_MYSQL)
		mysql_begin(f);
	else if (proto == RECOGNISED_HTTP2)
		h2_begin(f);
	else
		memcached_begin(f);
	f->nhead = 0;
	if (f->body == BODY_TEXT && proto != RECOGNISED_HTTP2)
		mask_text_reset(&f->text);
}

/* --- bodies --- */

static void secret_byte(struct mask_frames *f, uint8_t *at)
{
	*at = '*';
	f->secret_left--;
}

/*
 * What follows a user's name: with one byte of length, or with a number of variable length of which those that occur have one
 * byte; or a string with a NUL.  phase: 2: the name, 3: the length, 4: the secret, 5: the rest.
 */
static void login_byte(struct mask_frames *f, uint8_t *at)
{
	switch (f->phase) {
	case 2:
		if (*at)
			return;
		f->phase = f->capabilities & (MYSQL_LENENC | MYSQL_SECURE) ? 3 : 4;
		f->secret_left = UINT32_MAX;
		return;
	case 3:
		f->secret_left = *at < 251 ? *at : UINT32_MAX;
		f->phase = f->secret_left ? 4 : 5;
		return;
	case 4:
		if (f->secret_left == UINT32_MAX && !*at && !(f->capabilities & (MYSQL_LENENC | MYSQL_SECURE)))
			f->phase = 5;
		else if (f->secret_left == UINT32_MAX)
			*at = '*';
		else
			secret_byte(f, at);
		if (!f->secret_left)
			f->phase = 5;
		return;
	default:
		return;
	}
}

/* Capabilities, size, character set, 23 reserved bytes, the user's name */
static void login(struct mask_frames *f, uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++, f->pos++) {
		if (!f->pos)
			f->capabilities = 0;
		if (f->pos < 4)
			f->capabilities |= (uint32_t)data[i] << (8 * f->pos);
		if (f->pos == 31)
			f->phase = 2;
		if (f->pos >= 32)
			login_byte(f, data + i);
	}
}

/* The command's number, the user's name, one byte of length, and the secret */
static void change_user(struct mask_frames *f, uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++, f->pos++) {
		if (!f->pos) {
			f->phase = 2;
			f->capabilities = MYSQL_SECURE;
		} else {
			login_byte(f, data + i);
		}
	}
}

static void secret(struct mask_frames *f, uint8_t *data, size_t len)
{
	size_t n = f->pos < f->visible ? MIN(f->visible - f->pos, (uint64_t)len) : 0;

	memset(data + n, '*', len - n);
	f->pos += len;
}

static void headers(struct mask_frames *f, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t n = f->pos < f->visible ? MIN(f->visible - f->pos, (uint64_t)len) : 0, body;
	uint64_t rest;

	if (!f->pos && n && f->head[4] & 8)
		f->pad = data[0];
	f->pos += len;
	/* left counts what is behind these bytes as well */
	rest = f->left - len > f->pad ? 0 : f->pad - (f->left - len);
	body = rest < len - n ? len - n - rest : 0;
	mask_hpack(&f->hpack, words, data + n, body);
}

static void body_part(struct mask_frames *f, int proto, const struct mask_words *words, uint8_t *data, size_t len)
{
	if (proto == RECOGNISED_MYSQL && !f->pos && !f->head[3] && f->body == BODY_TEXT && len && data[0] == 0x11)
		f->body = BODY_CHANGE_USER;
	switch (f->body) {
	case BODY_TEXT:
		mask_text(&f->text, words, data, len);
		f->pos += len;
		break;
	case BODY_SECRET:
		secret(f, data, len);
		break;
	case BODY_HEADERS:
		headers(f, words, data, len);
		break;
	case BODY_LOGIN:
		login(f, data, len);
		break;
	case BODY_CHANGE_USER:
		change_user(f, data, len);
		break;
	default:
		break;
	}
}

static void body_end(struct mask_frames *f)
{
	if (f->body == BODY_LOGIN || f->body == BODY_CHANGE_USER) {
		f->authenticates = true;
		f->phase = 1;
	}
}

/* --- the whole --- */

void mask_frames(struct mask_frames *f, int proto, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		if (f->lost) {
			memset(data + at, '*', len - at);
			return;
		}
		if (f->left) {
			n = MIN(f->left, (uint64_t)(len - at));
			body_part(f, proto, words, data + at, n);
			f->left -= n;
			at += n;
			if (!f->left)
				body_end(f);
			continue;
		}
		f->head[f->nhead++] = data[at++];
		if (f->nhead == head_size(f, proto))
			begin(f, proto);
	}
}

void mask_frames_skip(struct mask_frames *f, uint64_t bytes)
{
	if (!bytes)
		return;
	if (f->lost || bytes > f->left) {
		mask_frames_lost(f);
		return;
	}
	f->left -= bytes;
	f->pos += bytes;
	mask_text_break(&f->text);
	if (f->body == BODY_HEADERS) {
		mask_hpack_lost(&f->hpack);
		f->body = BODY_SECRET;
		f->visible = 0;
	} else if (f->body == BODY_LOGIN || f->body == BODY_CHANGE_USER) {
		f->body = BODY_SECRET;
		f->authenticates = true;
		f->phase = 1;
	}
}

void mask_frames_lost(struct mask_frames *f)
{
	f->lost = true;
	f->left = 0;
	f->nhead = 0;
	f->block = false;
	mask_text_reset(&f->text);
	mask_hpack_lost(&f->hpack);
}

/* --- after a loss --- */

static bool pg_may_begin(const uint8_t *b)
{
	uint32_t len = be32(b + 1);

	return b[0] && strchr("QPBDEHSCFXpdcfRKTZ123nstAGWVvNI", b[0]) && len >= 4 && len < 1U << 24;
}

/* Types, flags and streams as RFC 9113, section 6 allows them */
static bool h2_may_begin(const uint8_t *b)
{
	static const uint8_t flags[] = { 0x09, 0x2d, 0, 0, 0x01, 0x0c, 0x01, 0, 0, 0x04 };
	uint32_t stream = be32(b + 5);
	bool of_connection = b[3] == 4 || b[3] == 6 || b[3] == 7;

	if (b[0] > 1 || b[3] >= sizeof(flags) || b[4] & ~flags[b[3]] || stream >> 31)
		return false;
	return of_connection ? !stream : stream || b[3] == 8;
}

static bool mysql_may_begin(const struct mask_frames *f, const uint8_t *b, uint32_t bytes)
{
	if (f->authenticates)
		return le24(b) + 4 == bytes;
	return !b[3] && le24(b) + 4 == bytes;
}

bool mask_frames_again(struct mask_frames *f, int proto, const struct recognise_head *h, uint32_t bytes)
{
	bool may = recognise(h, bytes) == proto;

	if (proto == RECOGNISED_POSTGRESQL)
		may |= bytes > 4 && pg_may_begin(h->b);
	else if (proto == RECOGNISED_HTTP2)
		may |= bytes > 8 && h2_may_begin(h->b);
	else if (proto == RECOGNISED_MYSQL)
		may |= bytes > 4 && mysql_may_begin(f, h->b, bytes);
	if (may)
		f->lost = false;
	return may;
}
