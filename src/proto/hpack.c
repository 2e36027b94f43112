/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nghttp2/nghttp2.h>

#include "base/cleanup.h"
#include "proto/hpack.h"

#define STATIC_ENTRIES 61 /* RFC 7541, appendix A */
#define NUMBER_MAX (1u << 24)

struct hpack {
	nghttp2_hd_inflater *inflater; /* NULL: out of memory; everything is lost from then on */
	size_t nrest;
	uint8_t rest[HPACK_REST]; /* the beginning of a representation */
};

enum form { FORM_INDEXED, FORM_ADDED, FORM_SIZE, FORM_PLAIN };

/* One representation (RFC 7541, section 6). */
struct item {
	enum form form;
	uint32_t index; /* of the table; 0: the name stands here */
	size_t value;	/* where its value begins */
	size_t len;
};

/* Reads a number with a prefix of so many bits (section 5.1); 1: read, 0: not all is there, -1: none that we take. */
static int read_number(const uint8_t *data, size_t len, size_t *i, unsigned int bits, uint32_t *ret)
{
	uint32_t mask = (1u << bits) - 1, v;
	unsigned int shift;

	if (*i >= len)
		return 0;
	v = data[(*i)++] & mask;
	for (shift = 0; v >= mask && shift <= 21; shift += 7) {
		uint8_t byte;

		if (*i >= len)
			return 0;
		byte = data[(*i)++];
		v += (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
		v = shift == 21 ? NUMBER_MAX : v;
	}
	if (v >= NUMBER_MAX)
		return -1;
	*ret = v;
	return 1;
}

static int skip_string(const uint8_t *data, size_t len, size_t *i)
{
	uint32_t n = 0;
	int r = read_number(data, len, i, 7, &n);

	if (r <= 0)
		return r;
	if (n > HPACK_REST)
		return -1;
	if (n > len - *i)
		return 0;
	*i += n;
	return 1;
}

/* 1: read, 0: not all is there, -1: it is none. */
static int read_item(const uint8_t *data, size_t len, struct item *ret)
{
	static const struct {
		uint8_t bit;
		enum form form;
		unsigned int bits;
	} forms[] = {
		{ 0x80, FORM_INDEXED, 7 }, { 0x40, FORM_ADDED, 6 }, { 0x20, FORM_SIZE, 5 }, { 0, FORM_PLAIN, 4 }
	};
	size_t i = 0, f = 0;
	int r;

	while (forms[f].bit && !(data[0] & forms[f].bit))
		f++;
	ret->form = forms[f].form;
	r = read_number(data, len, &i, forms[f].bits, &ret->index);
	if (r > 0 && (ret->form == FORM_ADDED || ret->form == FORM_PLAIN)) {
		if (!ret->index)
			r = skip_string(data, len, &i);
		ret->value = i;
		if (r > 0)
			r = skip_string(data, len, &i);
	}
	ret->len = i;
	return r;
}

/* A block of one representation; false: libnghttp2 refuses it, and works no more. */
static bool inflate(nghttp2_hd_inflater *inflater, const uint8_t *data, size_t len, hpack_field_fn *field, void *arg)
{
	int flags = 0;

	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		nghttp2_nv nv;
		ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, data, len, 1);

		if (n < 0 || (!n && !flags))
			return false;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) && field)
			field(arg, (struct hpack_text) { (const char *)nv.name, nv.namelen },
			      (struct hpack_text) { (const char *)nv.value, nv.valuelen });
		data += n;
		len -= (size_t)n;
	}
	(void)nghttp2_hd_inflate_end_headers(inflater);
	return true;
}

static nghttp2_hd_inflater *inflater_new(void)
{
	nghttp2_hd_inflater *inflater = NULL;

	if (nghttp2_hd_inflate_new(&inflater))
		return NULL;
	/* How large the other end lets it be we may not have seen: its encoder says it, too, in the block. */
	(void)nghttp2_hd_inflate_change_table_size(inflater, HPACK_TABLE);
	return inflater;
}

static size_t put_number(uint8_t *out, uint8_t first, unsigned int bits, uint32_t v)
{
	uint32_t mask = (1u << bits) - 1;
	size_t n = 1;

	if (v < mask) {
		out[0] = (uint8_t)(first | v);
		return n;
	}
	out[0] = (uint8_t)(first | mask);
	for (v -= mask; v >= 0x80; v >>= 7)
		out[n++] = (uint8_t)(v | 0x80);
	out[n++] = (uint8_t)v;
	return n;
}

static bool put_entry(nghttp2_hd_inflater *inflater, const nghttp2_nv *nv)
{
	CLEANUP_FREE uint8_t *item = malloc(nv->namelen + nv->valuelen + 16);
	size_t n = 1;

	if (!item)
		return false;
	item[0] = 0x40;
	n += put_number(item + n, 0, 7, (uint32_t)nv->namelen);
	memcpy(item + n, nv->name, nv->namelen);
	n += nv->namelen;
	n += put_number(item + n, 0, 7, (uint32_t)nv->valuelen);
	memcpy(item + n, nv->value, nv->valuelen);
	return inflate(inflater, item, n + nv->valuelen, NULL, NULL);
}

/* What has met an error decodes no more; its table can still be read. */
static void rebuild(struct hpack *h)
{
	nghttp2_hd_inflater *old = h->inflater, *inflater = inflater_new();
	size_t i = nghttp2_hd_inflate_get_num_table_entries(old),
	       size = nghttp2_hd_inflate_get_max_dynamic_table_size(old);
	uint8_t resize[8];

	if (inflater && size <= HPACK_TABLE)
		(void)inflate(inflater, resize, put_number(resize, 0x20, 5, (uint32_t)size), NULL, NULL);
	for (; inflater && i > STATIC_ENTRIES; i--) {
		const nghttp2_nv *nv = nghttp2_hd_inflate_get_table_entry(old, i);

		if (!nv || !put_entry(inflater, nv))
			break;
	}
	nghttp2_hd_inflate_del(old);
	h->inflater = inflater;
}

int hpack_new(struct hpack **ret)
{
	CLEANUP_FREE struct hpack *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->inflater = inflater_new();
	if (!h->inflater)
		return -ENOMEM;
	*ret = TAKE(h);
	return 0;
}

struct hpack *hpack_free(struct hpack *h)
{
	if (h && h->inflater)
		nghttp2_hd_inflate_del(h->inflater);
	free(h);
	return NULL;
}

void hpack_lost(struct hpack *h)
{
	h->nrest = 0;
	if (h->inflater)
		nghttp2_hd_inflate_del(h->inflater);
	h->inflater = inflater_new();
}

/* Something takes the place in the table of an entry that could not be decoded. */
static void put_unknown(struct hpack *h)
{
	static const uint8_t unknown[] = { 0x40, 1, '?', 1, '?' };

	rebuild(h);
	if (h->inflater)
		(void)inflate(h->inflater, unknown, sizeof(unknown), NULL, NULL);
}

struct named {
	hpack_field_fn *field;
	void *arg;
};

static void without_name(void *arg, struct hpack_text name, struct hpack_text value)
{
	struct named *n = arg;

	name = (struct hpack_text) { NULL, 0 };
	n->field(n->arg, name, value);
}

/* A field whose name is an entry of the table that we do not know: its value, and its place, under another name. */
static bool decode_unnamed(struct hpack *h, const uint8_t *data, const struct item *item, hpack_field_fn *field,
			   void *arg)
{
	struct named n = { field, arg };
	uint8_t copy[HPACK_REST + 16] = { item->form == FORM_ADDED ? 0x40 : 0, 1, '?' };
	size_t len = item->len - item->value;

	memcpy(copy + 3, data + item->value, len);
	return inflate(h->inflater, copy, len + 3, without_name, &n);
}

static bool decode(struct hpack *h, const uint8_t *data, const struct item *item, hpack_field_fn *field, void *arg)
{
	const struct hpack_text none = { NULL, 0 };
	bool known = item->form == FORM_SIZE || item->index <= nghttp2_hd_inflate_get_num_table_entries(h->inflater);

	if (!known && item->form == FORM_INDEXED) {
		field(arg, none, none);
		return true;
	}
	if (known ? inflate(h->inflater, data, item->len, field, arg) : decode_unnamed(h, data, item, field, arg))
		return true;
	if (item->form == FORM_ADDED)
		put_unknown(h);
	else
		rebuild(h);
	field(arg, none, none);
	return false;
}

/* Decodes what is whole; the number of bytes that were, or -EBADMSG. */
static ssize_t decode_all(struct hpack *h, const uint8_t *data, size_t len, hpack_field_fn *field, void *arg, bool *all)
{
	size_t at = 0;

	while (at < len && h->inflater) {
		struct item item = { 0 };
		int r = read_item(data + at, len - at, &item);

		if (r < 0 || item.len > HPACK_REST)
			return -EBADMSG;
		if (!r)
			break;
		*all &= decode(h, data + at, &item, field, arg);
		at += item.len;
	}
	return (ssize_t)at;
}

bool hpack_feed(struct hpack *h, const uint8_t *data, size_t len, hpack_field_fn *field, void *arg)
{
	bool all = true;

	while (len) {
		size_t n = MIN(len, sizeof(h->rest) - h->nrest);
		ssize_t used;

		memcpy(h->rest + h->nrest, data, n);
		h->nrest += n;
		data += n;
		len -= n;
		used = decode_all(h, h->rest, h->nrest, field, arg, &all);
		if (used < 0 || (!used && h->nrest == sizeof(h->rest)) || !h->inflater) {
			hpack_lost(h);
			return false;
		}
		h->nrest -= (size_t)used;
		memmove(h->rest, h->rest + used, h->nrest);
	}
	return all;
}

bool hpack_end(struct hpack *h)
{
	if (!h->nrest)
		return h->inflater != NULL;
	hpack_lost(h);
	return false;
}
