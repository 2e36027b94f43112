/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_ready(const struct wire *w)
{
	return memmem(w->buf + w->begin, w->end - w->begin, "\r\n\r\n", 4);
}

/* The value of the header line when it is of that name, else NULL */
static const char *header_is(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static void header_copy(char *out, size_t cap, const char *line, const char *name)
{
	const char *value = header_is(line, name);

	if (value)
		snprintf(out, cap, "%s", value);
}

int http_read(struct wire *w, struct http_request *ret)
{
	char *line = wire_line(w), connection[16] = "";

	if (!line)
		return w->end == w->begin ? 0 : -1;
	memset(ret, 0, sizeof(*ret));
	if (sscanf(line, "GET %127s HTTP/1.", ret->path) != 1)
		return -1;
	while ((line = wire_line(w)) && *line) {
		header_copy(ret->id, sizeof(ret->id), line, "X-Request-ID");
		header_copy(ret->fault, sizeof(ret->fault), line, "X-Shop-Fault");
		header_copy(connection, sizeof(connection), line, "Connection");
	}
	ret->close = !strcasecmp(connection, "close");
	return line ? 1 : -1;
}

int http_answer(struct wire *w, int status, const char *body)
{
	char out[2048];
	int len = snprintf(out, sizeof(out),
			   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
			   status == 200   ? "OK"
			   : status == 404 ? "Not Found"
					   : "Internal Server Error",
			   strlen(body), body);

	return len < (int)sizeof(out) ? wire_write(w, out, (size_t)len) : -1;
}

static int get_answer(struct wire *w, char *body, size_t cap)
{
	char *line = wire_line(w);
	size_t len = 0;
	int status;

	if (!line || sscanf(line, "HTTP/1.1 %d", &status) != 1)
		return 0;
	while ((line = wire_line(w)) && *line) {
		const char *value = header_is(line, "Content-Length");

		if (value)
			len = strtoul(value, NULL, 10);
	}
	line = line ? wire_take(w, len) : NULL;
	if (!line)
		return 0;
	if (cap)
		snprintf(body, cap, "%.*s", (int)len, line);
	return status;
}

static int get_once(struct wire *w, const char *path, const char *id, const char *fault, char *body, size_t cap)
{
	char out[512];
	int len = snprintf(out, sizeof(out), "GET %s HTTP/1.1\r\nHost: shop\r\n%s%s%s%s%s%s\r\n", path,
			   *id ? "X-Request-ID: " : "", id, *id ? "\r\n" : "", *fault ? "X-Shop-Fault: " : "", fault,
			   *fault ? "\r\n" : "");

	return wire_write(w, out, (size_t)len) ? 0 : get_answer(w, body, cap);
}

int http_get(struct wires *p, const char *path, const char *id, const char *fault, char *body, size_t cap)
{
	struct wire *w = wires_get(p);
	int status;

	if (!w)
		return 0;
	status = get_once(w, path, id, fault, body, cap);
	wires_put(p, w, status != 0);
	return status;
}
