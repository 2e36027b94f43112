/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - what is told of messages: texts cut and cleaned, paths and keys without what varies from request to request, ids.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "proto/internal.h"

static char clean(uint8_t b)
{
	return b >= 0x20 && b != 0x7f ? (char)b : '?';
}

/* A UTF-8 sequence at data: its length, 0: none. */
static size_t utf8_len(const uint8_t *data, size_t len)
{
	const size_t n = data[0] >= 0xf0 && data[0] < 0xf5 ? 4 : data[0] >= 0xe0 ? 3 : data[0] >= 0xc2 ? 2 : 0;

	if (!n || n > len || data[0] >= 0xf5)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((data[i] & 0xc0) != 0x80)
			return 0;
	if ((data[0] == 0xe0 && data[1] < 0xa0) || (data[0] == 0xed && data[1] > 0x9f) ||
	    (data[0] == 0xf0 && data[1] < 0x90) || (data[0] == 0xf4 && data[1] > 0x8f))
		return 0;
	return n;
}

void proto_text(char *dst, size_t size, const void *data, size_t len)
{
	const uint8_t *s = data;
	size_t at = 0;

	for (size_t i = 0; i < len && at + 1 < size;) {
		size_t n = s[i] < 0x80 ? 0 : utf8_len(s + i, len - i);

		if (!n) {
			dst[at++] = s[i] < 0x80 ? clean(s[i]) : '?';
			i++;
			continue;
		}
		if (at + n >= size)
			break;
		memcpy(dst + at, s + i, n);
		at += n;
		i += n;
	}
	dst[at] = 0;
}

void proto_upper(char *dst, size_t size, const void *data, size_t len)
{
	proto_text(dst, size, data, len);
	for (; *dst; dst++)
		if (*dst >= 'a' && *dst <= 'z')
			*dst -= 'a' - 'A';
}

size_t proto_line(const void *data, size_t have, size_t *ret_len)
{
	const uint8_t *s = data, *nl = memchr(s, '\n', have);

	if (!nl)
		return 0;
	*ret_len = nl - s;
	if (nl > s && nl[-1] == '\r')
		(*ret_len)--;
	return nl - s + 1;
}

/* ---- what varies ---- */

static bool is_uuid(const char *s, size_t len)
{
	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

struct word_kind {
	size_t digits, hex, letters, others, tail; /* tail: digits at its end */
};

static struct word_kind count(const char *s, size_t len)
{
	struct word_kind k = { 0 };

	for (size_t i = 0; i < len; i++) {
		const unsigned char b = s[i];

		k.digits += isdigit(b) != 0;
		k.hex += isxdigit(b) != 0;
		k.letters += isalpha(b) != 0;
		k.others += !isalnum(b);
		k.tail = isdigit(b) ? k.tail + 1 : 0;
	}
	return k;
}

/* What stands for the word; *ret_keep: how many of its first characters stay. */
static const char *stands_for(const char *s, size_t len, bool key, size_t *ret_keep)
{
	const struct word_kind k = count(s, len);

	*ret_keep = 0;
	if (!k.digits)
		return NULL;
	if (is_uuid(s, len) || (k.hex == len && len >= 8 && k.letters) ||
	    (len >= 16 && k.digits >= 2 && k.letters >= 2 && k.tail < len / 2 && k.others <= 2))
		return "{id}";
	if (!k.letters && (k.digits == len || s[0] != '-' || k.others == 1))
		return "{n}";
	if (!k.tail || (!key && k.tail < 2) || (k.tail == len - 1 && (s[0] == 'v' || s[0] == 'V')))
		return NULL;
	*ret_keep = len - k.tail;
	return "{n}";
}

static void normalise(char *dst, size_t size, const void *data, size_t len, const char *seps, bool key)
{
	char text[PROTO_RESOURCE * 2];
	size_t at = 0, i = 0;

	proto_text(text, sizeof(text), data, len);
	while (text[i] && at + 1 < size) {
		size_t n = strcspn(text + i, seps), keep, have;
		const char *put = n ? stands_for(text + i, n, key, &keep) : NULL;

		if (!put)
			keep = n;
		for (have = 0; have < keep && at + 1 < size; have++)
			dst[at++] = text[i + have];
		if (put && at + strlen(put) < size) {
			memcpy(dst + at, put, strlen(put));
			at += strlen(put);
		}
		i += n;
		if (text[i] && at + 1 < size)
			dst[at++] = text[i++];
	}
	dst[at] = 0;
}

void proto_path(char *dst, size_t size, const void *data, size_t len)
{
	const uint8_t *s = data;
	size_t n = 0;

	while (n < len && s[n] != '?' && s[n] != '#')
		n++;
	normalise(dst, size, data, n, "/.,;:~=@", false);
}

void proto_key(char *dst, size_t size, const void *data, size_t len)
{
	char text[PROTO_RESOURCE * 2];

	proto_text(text, sizeof(text), data, len);
	normalise(dst, size, text, strlen(text), is_uuid(text, strlen(text)) ? "" : ":/. |", true);
}

/* ---- ids ---- */

static bool unhex(uint8_t *dst, size_t bytes, const uint8_t *s)
{
	for (size_t i = 0; i < bytes * 2; i++) {
		const uint8_t b = s[i];
		const int v = b >= '0' && b <= '9'   ? b - '0'
			      : b >= 'a' && b <= 'f' ? b - 'a' + 10
			      : b >= 'A' && b <= 'F' ? b - 'A' + 10
						     : -1;

		if (v < 0)
			return false;
		dst[i / 2] = (uint8_t)(dst[i / 2] << 4 | v);
	}
	return true;
}

static void trace_id(struct proto_ids *ids, const uint8_t *s, size_t len)
{
	uint8_t id[16] = { 0 };

	if (len == 32 ? unhex(id, 16, s) : len == 16 && unhex(id + 8, 8, s))
		memcpy(ids->trace, id, sizeof(id));
}

static void parent_id(struct proto_ids *ids, const uint8_t *s, size_t len)
{
	uint8_t id[8] = { 0 };

	if (len == 16 && unhex(id, 8, s))
		memcpy(ids->parent, id, sizeof(id));
}

/* 00-TRACE32-PARENT16-FLAGS (W3C Trace Context, 3.2.2) */
static void traceparent(struct proto_ids *ids, const uint8_t *s, size_t len)
{
	if (len < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || (s[0] == 'f' && s[1] == 'f'))
		return;
	trace_id(ids, s + 3, 32);
	parent_id(ids, s + 36, 16);
}

/* TRACE16 or 32-SPAN16[-SAMPLED[-PARENT16]] (B3, single header) */
static void b3(struct proto_ids *ids, const uint8_t *s, size_t len)
{
	const uint8_t *dash = memchr(s, '-', len);
	const size_t n = dash ? (size_t)(dash - s) : len;

	if (!dash || len - n < 17)
		return;
	trace_id(ids, s, n);
	parent_id(ids, dash + 1, 16);
}

static void request_id(struct proto_ids *ids, const uint8_t *s, size_t len)
{
	proto_text(ids->request_id, sizeof(ids->request_id), s, len);
}

bool proto_id_header(struct proto_ids *ids, const void *name, size_t name_len, const void *value, size_t value_len)
{
	static const struct {
		const char *name;
		void (*take)(struct proto_ids *ids, const uint8_t *s, size_t len);
	} headers[] = {
		{ "traceparent", traceparent }, { "b3", b3 },
		{ "x-b3-traceid", trace_id },	{ "x-b3-spanid", parent_id },
		{ "x-request-id", request_id },
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (strlen(headers[i].name) == name_len && !strncasecmp(headers[i].name, name, name_len)) {
			headers[i].take(ids, value, value_len);
			return true;
		}
	return false;
}
