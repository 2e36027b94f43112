/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HPACK (RFC 7541) without a table of values: which bytes of a block of headers are a value, and whether its name is that of
 * a secret.
 *
 * Names are known by their index in the static table, or spelled; of the dynamic table only that is kept, for each name that
 * went in since the last loss.  A value whose name is not known is masked.  Values that are spelled in Huffman's code are
 * masked with the code of `*`, which has eight bits (0xf9, appendix B), so that who decodes the block goes on.  In the other
 * values secrets are looked for as in text; in a coded one all that follows a name is masked, to the value's end, and so
 * is what follows a `:` in `scheme://user:`.
 */
#include <ctype.h>
#include <string.h>

#include "agent/mask_internal.h"
#include "base/cleanup.h"

enum hpack_state {
	HPACK_FIELD,
	HPACK_NUMBER, /* more bytes of an index */
	HPACK_NAME_LENGTH,
	HPACK_NAME_NUMBER,
	HPACK_NAME_STRING,
	HPACK_VALUE_LENGTH,
	HPACK_VALUE_NUMBER,
	HPACK_VALUE_STRING,
	HPACK_SIZE,  /* of the table: a number that leads to nothing */
	HPACK_WRONG, /* all that follows is masked */
};

#define STATIC_NAMES 61
#define CODE_STAR 0xf9U

/* Appendix A: authorization, cookie, proxy-authorization, set-cookie */
static bool static_secret(uint32_t index)
{
	return index == 23 || index == 32 || index == 49 || index == 55;
}

/* Appendix B: codes of one length are consecutive numbers; of which characters, from which number on */
static const struct {
	uint32_t first;
	const char *characters;
} codes[20] = {
	[5] = { 0x0, "012aceiost" },
	[6] = { 0x14, " %-./3456789=A_bdfghlmnpru" },
	[7] = { 0x5c, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz" },
	[8] = { 0xf8, "&*,;XZ" },
	[10] = { 0x3f8, "!\"()?" },
	[11] = { 0x7fa, "'+|" },
	[12] = { 0xffa, "#>" },
	[13] = { 0x1ff9, "$@[]~" },
	[14] = { 0x3ffc, "^}" },
	[15] = { 0x7ffc, "<`{" },
	[19] = { 0x7fff0, "\\" },
};

/* Character of the code's bits, 0: not a printable one, or not yet. */
static uint8_t decode(uint32_t code, uint32_t bits)
{
	if (bits >= ARRAY_LEN(codes) || !codes[bits].characters || code < codes[bits].first ||
	    code - codes[bits].first >= strlen(codes[bits].characters))
		return 0;
	return (uint8_t)codes[bits].characters[code - codes[bits].first];
}

/* --- the dynamic table, as far as it is known --- */

static void table_add(struct mask_hpack *h)
{
	uint32_t at = h->inserted++ % HPACK_NAMES;

	h->names[at / 8] &= (uint8_t) ~(1U << at % 8);
	h->names[at / 8] |= (uint8_t)(h->secret << at % 8);
}

static bool table_secret(const struct mask_hpack *h, uint32_t index)
{
	uint32_t age = index - STATIC_NAMES - 1, at;

	if (age >= h->inserted || age >= HPACK_NAMES)
		return true;
	at = (h->inserted - 1 - age) % HPACK_NAMES;
	return h->names[at / 8] >> at % 8 & 1;
}

/* --- strings --- */

static void string_begin(struct mask_hpack *h)
{
	h->nname = 0;
	h->bits = h->nbits = h->fill = 0;
	h->masked = false;
	mask_text_reset(&h->text);
}

/* A character of a name, or of a value that is decoded: the end is kept. */
static void name_add(struct mask_hpack *h, uint8_t c)
{
	if (h->nname == sizeof(h->name)) {
		memmove(h->name, h->name + 1, sizeof(h->name) - 1);
		h->nname--;
	}
	h->name[h->nname++] = c;
}

/* Does a secret begin behind what was decoded last? */
static bool value_names(const struct mask_hpack *h, const struct mask_words *words)
{
	uint8_t last = h->name[h->nname - 1];
	size_t end = h->nname - 1U, i;

	if (last != '=' && last != ':')
		return false;
	while (end && (h->name[end - 1] == ']' || h->name[end - 1] == '"' || h->name[end - 1] == ' '))
		end--;
	if (mask_name_ends(words, h->name, end))
		return true;
	for (i = end; last == ':' && i > 2 && h->name[i - 1] != '@'; i--)
		if (!memcmp(h->name + i - 3, "://", 3))
			return true;
	return false;
}

/* From the bit `from` of this byte on: `*` and, where no more fits, ones, which the code ends with. */
static void fill_byte(struct mask_hpack *h, uint8_t *at, unsigned int from)
{
	uint32_t whole = h->to_fill & ~7U;
	unsigned int i;

	for (i = from; i < 8; i++, h->fill++) {
		uint8_t bit = (uint8_t)(0x80U >> i);
		bool one = h->fill >= whole || (CODE_STAR >> (7 - h->fill % 8) & 1);

		*at = (uint8_t)(one ? *at | bit : *at & ~bit);
	}
}

static void coded_mask(struct mask_hpack *h, uint8_t *at, unsigned int from)
{
	h->masked = true;
	h->fill = 0;
	h->to_fill = 8 * h->left - from;
	fill_byte(h, at, from);
}

/* What bit i of the byte completed is followed by a secret. */
static void coded_mask_behind(struct mask_hpack *h, uint8_t *at, unsigned int i)
{
	if (i < 7) {
		coded_mask(h, at, i + 1);
		return;
	}
	h->masked = h->left > 1;
	h->fill = 0;
	h->to_fill = 8 * (h->left - 1);
}

/* One bit; false: what is coded is no printable text. */
static bool coded_bit(struct mask_hpack *h, unsigned int bit, bool *ret_character)
{
	uint8_t c;

	h->bits = h->bits << 1 | bit;
	h->nbits++;
	c = decode(h->bits, h->nbits);
	*ret_character = c;
	if (c) {
		h->bits = h->nbits = 0;
		name_add(h, c);
	}
	return h->nbits < ARRAY_LEN(codes);
}

/* One byte of a coded string; left counts it. */
static void coded_byte(struct mask_hpack *h, const struct mask_words *words, uint8_t *at, bool value)
{
	uint8_t byte = *at;
	bool character;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		if (!coded_bit(h, byte >> (7 - i) & 1, &character)) {
			h->bits = h->nbits = 0;
			if (!value)
				continue;
			coded_mask(h, at, 0);
			return;
		}
		if (character && value && value_names(h, words)) {
			coded_mask_behind(h, at, i);
			return;
		}
	}
}

static void value_part(struct mask_hpack *h, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t i;

	if (!h->coded && h->secret) {
		memset(data, '*', len);
		h->left -= (uint32_t)len;
		return;
	}
	if (!h->coded) {
		mask_text(&h->text, words, data, len);
		h->left -= (uint32_t)len;
		return;
	}
	for (i = 0; i < len; i++, h->left--) {
		if (h->masked)
			fill_byte(h, data + i, 0);
		else
			coded_byte(h, words, data + i, true);
	}
}

static void name_part(struct mask_hpack *h, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++, h->left--) {
		if (h->coded)
			coded_byte(h, words, data + i, false);
		else
			name_add(h, data[i]);
	}
	if (h->left)
		return;
	h->secret = mask_name_ends(words, h->name, h->nname);
	h->state = HPACK_VALUE_LENGTH;
}

/* --- fields --- */

static void index_known(struct mask_hpack *h)
{
	uint32_t index = h->number;

	if (h->state == HPACK_SIZE || !h->named) {
		h->state = HPACK_FIELD;
		return;
	}
	if (!index) {
		h->state = HPACK_NAME_LENGTH;
		return;
	}
	h->secret = index > STATIC_NAMES ? table_secret(h, index) : static_secret(index);
	h->state = HPACK_VALUE_LENGTH;
}

static void value_begin(struct mask_hpack *h)
{
	string_begin(h);
	if (h->adds)
		table_add(h);
	h->state = h->left ? HPACK_VALUE_STRING : HPACK_FIELD;
	if (h->secret && h->coded) {
		h->masked = true;
		h->to_fill = 8 * h->left;
	}
}

static void name_begin(struct mask_hpack *h)
{
	string_begin(h);
	h->state = h->left ? HPACK_NAME_STRING : HPACK_WRONG;
}

static void field(struct mask_hpack *h, uint8_t b)
{
	unsigned int prefix = b & 0x80 ? 7 : b & 0x40 ? 6 : b & 0x20 ? 5 : 4;
	uint32_t most = (1U << prefix) - 1;

	h->named = !(b & 0x80);
	h->adds = !(b & 0x80) && b & 0x40;
	h->number = b & most;
	h->shift = 0;
	h->state = prefix == 5 ? HPACK_SIZE : HPACK_NUMBER;
	if (h->number < most)
		index_known(h);
}

/* The next byte of a number; true: it was the last. */
static bool number(struct mask_hpack *h, uint32_t *n, uint8_t b)
{
	if (h->shift > 21) {
		h->state = HPACK_WRONG;
		return false;
	}
	*n += (uint32_t)(b & 0x7f) << h->shift;
	h->shift = (uint8_t)(h->shift + 7);
	return !(b & 0x80);
}

static bool length(struct mask_hpack *h, uint8_t b, uint8_t more)
{
	h->coded = b & 0x80;
	h->left = b & 0x7f;
	h->shift = 0;
	if (h->left < 0x7f)
		return true;
	h->state = more;
	return false;
}

static void one_byte(struct mask_hpack *h, uint8_t *at)
{
	switch (h->state) {
	case HPACK_FIELD:
		field(h, *at);
		break;
	case HPACK_NUMBER:
	case HPACK_SIZE:
		if (number(h, &h->number, *at))
			index_known(h);
		break;
	case HPACK_NAME_LENGTH:
		if (length(h, *at, HPACK_NAME_NUMBER))
			name_begin(h);
		break;
	case HPACK_NAME_NUMBER:
		if (number(h, &h->left, *at))
			name_begin(h);
		break;
	case HPACK_VALUE_LENGTH:
		if (length(h, *at, HPACK_VALUE_NUMBER))
			value_begin(h);
		break;
	case HPACK_VALUE_NUMBER:
		if (number(h, &h->left, *at))
			value_begin(h);
		break;
	default:
		*at = '*';
		break;
	}
}

void mask_hpack(struct mask_hpack *h, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		if (h->state != HPACK_NAME_STRING && h->state != HPACK_VALUE_STRING) {
			one_byte(h, data + at);
			at++;
			continue;
		}
		n = MIN((size_t)h->left, len - at);
		if (h->state == HPACK_NAME_STRING) {
			name_part(h, words, data + at, n);
		} else {
			value_part(h, words, data + at, n);
			if (!h->left)
				h->state = HPACK_FIELD;
		}
		at += n;
	}
}

void mask_hpack_begin(struct mask_hpack *h)
{
	h->state = HPACK_FIELD;
}

void mask_hpack_lost(struct mask_hpack *h)
{
	h->inserted = 0;
	h->state = HPACK_WRONG;
}
