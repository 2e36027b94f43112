/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536

void buf_fini(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

char *buf_take(struct buf *b)
{
	char *data;

	buf_add(b, "", 0);
	data = b->failed ? NULL : b->data;
	if (!data)
		free(b->data);
	*b = (struct buf)BUF_INIT;
	return data;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = 0;
}

static bool buf_grow(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 256;
	char *data;

	if (b->failed || more > SIZE_MAX / 4 - b->len)
		goto fail;
	if (b->data && b->len + more < b->cap)
		return true;
	while (cap <= b->len + more)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		goto fail;
	b->data = data;
	b->cap = cap;
	return true;
fail:
	b->failed = true;
	return false;
}

char *buf_thousands(char out[BUF_THOUSANDS], uint64_t v)
{
	char plain[24], *at = out;
	int len = snprintf(plain, sizeof(plain), "%" PRIu64, v), i;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*at++ = ',';
		*at++ = plain[i];
	}
	*at = 0;
	return out;
}

void *buf_room(struct buf *b, size_t len)
{
	char *at;

	if (!buf_grow(b, len))
		return NULL;
	at = b->data + b->len;
	b->len += len;
	b->data[b->len] = 0;
	return at;
}

int buf_read(struct buf *b, int fd, size_t most)
{
	ssize_t n = 1;
	int e = 0;

	while (n > 0 && b->len <= most) {
		char *room = buf_room(b, READ_BYTES);

		if (!room)
			return -ENOMEM;
		n = read(fd, room, READ_BYTES);
		e = n < 0 ? errno : 0;
		b->len -= READ_BYTES - (size_t)(n > 0 ? n : 0);
		b->data[b->len] = 0;
	}
	return -e;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	void *at = buf_room(b, len);

	if (at && len)
		memcpy(at, data, len);
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_grow(b, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 where there is none. */
size_t buf_utf8_len(const unsigned char *s, size_t len)
{
	unsigned int cp;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
		return 0;
	cp = s[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if ((n == 3 && cp < 0x800) || (n == 4 && cp < 0x10000) || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	return n;
}

static void json_byte(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_str(b, "\\\"");
		break;
	case '\\':
		buf_str(b, "\\\\");
		break;
	case '\n':
		buf_str(b, "\\n");
		break;
	case '\t':
		buf_str(b, "\\t");
		break;
	case '\r':
		buf_str(b, "\\r");
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\u%04x", c);
		else
			buf_char(b, (char)c);
	}
}

void buf_json(struct buf *b, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i, n;

	buf_char(b, '"');
	for (i = 0; i < len; i += n ? n : 1) {
		n = buf_utf8_len(p + i, len - i);
		if (!n)
			buf_str(b, "\\ufffd");
		else if (n == 1)
			json_byte(b, p[i]);
		else
			buf_add(b, p + i, n);
	}
	buf_char(b, '"');
}

void buf_label(struct buf *b, const char *text)
{
	size_t len = strlen(text), i, n;

	for (i = 0; i < len; i += n) {
		n = buf_utf8_len((const unsigned char *)text + i, len - i);
		if (!n) {
			n = 1;
			buf_str(b, "\xef\xbf\xbd"); /* U+FFFD */
		} else if (text[i] == '\n') {
			buf_str(b, "\\n");
		} else {
			if (text[i] == '\\' || text[i] == '"')
				buf_char(b, '\\');
			buf_add(b, text + i, n);
		}
	}
}

static void control_text(struct buf *b, unsigned char c)
{
	if (c == '\n')
		buf_str(b, "\\n");
	else if (c == '\r')
		buf_str(b, "\\r");
	else if (c == '\t')
		buf_str(b, "\\t");
	else
		buf_printf(b, "\\x%02x", c);
}

void buf_text(struct buf *b, const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i, n;

	for (i = 0; i < len; i += n ? n : 1) {
		n = buf_utf8_len(p + i, len - i);
		/* C1 controls (U+0080..U+009F) drive terminals as well as C0 does */
		if (!n || (n == 1 && (p[i] < 0x20 || p[i] == 0x7f)) || (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)) {
			control_text(b, p[i]);
			n = 1;
		} else {
			buf_add(b, p + i, n);
		}
	}
}
