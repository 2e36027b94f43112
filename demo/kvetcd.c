/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcd's v3 JSON gateway over HTTP/1.1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kv.h"

/* Standard base64 (RFC 4648, section 4): text is shorter than 3/4 of the room. */
static void base64(const char *text, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text), i;

	for (i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			v |= (unsigned char)text[i + 2];
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[v & 63] : '=';
	}
	*out = 0;
}

/* Bytes of the reply that starts in c->reply: 0 while its head is not complete, -EPROTO when it has no length. */
static ssize_t reply_size(const struct kv_client *c)
{
	const char *end = strstr(c->reply, "\r\n\r\n"), *line;

	if (!end)
		return 0;
	for (line = c->reply; line < end; line = strstr(line, "\r\n") + 2) {
		if (strncasecmp(line, "Content-Length:", 15) == 0) {
			long n = strtol(line + 15, NULL, 10);

			if (n < 0 || n >= (long)sizeof(c->reply) - (end + 4 - c->reply))
				return -EPROTO;
			return end + 4 - c->reply + n;
		}
	}
	return -EPROTO;
}

/*
 * The HTTP status, or a negative error.  What comes with another status than 200 is not read (it may be chunked):
 * the connection ends then.
 */
static int receive(struct kv_client *c)
{
	size_t have = 0;

	c->reply[0] = 0;
	for (;;) {
		ssize_t n = kv_receive(c, c->reply + have, sizeof(c->reply) - 1 - have), size;
		int status = 0;

		if (n < 0)
			return (int)n;
		have += (size_t)n;
		c->reply[have] = 0;
		if (strstr(c->reply, "\r\n") && sscanf(c->reply, "HTTP/1.1 %d", &status) != 1)
			return -EPROTO;
		if (status && status != 200)
			return status;
		size = reply_size(c);
		if (size < 0 || (size && have > (size_t)size) || have == sizeof(c->reply) - 1)
			return -EPROTO;
		if (size && have == (size_t)size)
			return status;
	}
}

static int request(struct kv_client *c, const char *key, const char *value)
{
	char key64[64], value64[64] = "", body[192], head[512];
	int len, r;

	base64(key, key64);
	if (value)
		base64(value, value64);
	len = snprintf(body, sizeof(body), value ? "{\"key\":\"%s\",\"value\":\"%s\"}" : "{\"key\":\"%s\"}", key64,
		       value64);
	len = snprintf(head, sizeof(head),
		       "POST /v3/kv/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		       "Content-Length: %d\r\n\r\n%s",
		       value ? "put" : "range", c->endpoints[c->at], len, body);
	r = kv_send(c, head, (size_t)len);
	return r < 0 ? r : receive(c);
}

const struct kv_protocol kv_etcd = { .name = "etcd", .get = "range", .good = 200, .request = request };
