/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/check_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STATUS_BYTES 12 /* HTTP/1.1 200 */
#define LENGTH_DIGITS 18

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 section 4: HTTP/d.d SP ddd, then a space or the line's end. */
static int status_line(const char *data, size_t len, unsigned *ret)
{
	static const char form[] = "HTTP/d.d ddd";
	size_t i;

	for (i = 0; i < len && i < STATUS_BYTES; i++) {
		if (form[i] == 'd' ? !is_digit(data[i]) : data[i] != form[i])
			return -EPROTO;
	}
	if (len <= STATUS_BYTES)
		return 0;
	if (data[STATUS_BYTES] != ' ' && data[STATUS_BYTES] != '\r' && data[STATUS_BYTES] != '\n')
		return -EPROTO;
	*ret = (unsigned)(data[9] - '0') * 100 + (unsigned)(data[10] - '0') * 10 + (unsigned)(data[11] - '0');
	return 1;
}

static uint64_t content_length(const char *line, size_t len)
{
	static const char name[] = "content-length:";
	size_t at = sizeof(name) - 1, digits = 0;
	uint64_t n = 0;

	if (len < at || strncasecmp(line, name, at) != 0)
		return UINT64_MAX;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	for (; at < len && is_digit(line[at]) && digits < LENGTH_DIGITS; at++, digits++)
		n = n * 10 + (uint64_t)(line[at] - '0');
	return digits ? n : UINT64_MAX;
}

int check_http_head(const char *data, size_t len, struct check_http *ret)
{
	struct check_http h = { .body_bytes = UINT64_MAX };
	size_t at = 0;
	int r = status_line(data, len, &h.status);

	if (r <= 0)
		return r;
	for (;;) {
		const char *end = memchr(data + at, '\n', len - at);
		size_t line;
		uint64_t n;

		if (!end)
			return 0;
		line = (size_t)(end - data) - at;
		if (line && data[at + line - 1] == '\r')
			line--;
		if (!line)
			break;
		n = content_length(data + at, line);
		if (n != UINT64_MAX)
			h.body_bytes = n;
		at = (size_t)(end - data) + 1;
	}
	h.head_bytes = (size_t)((const char *)memchr(data + at, '\n', len - at) - data) + 1;
	*ret = h;
	return 1;
}

size_t check_http_request(char *out, size_t size, const char *path, const char *host)
{
	int n = snprintf(out, size,
			 "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: saker/" SAKER_VERSION
			 "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
			 path, host);

	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}
