/* SPDX-License-Identifier: Apache-2.0 */
#include "stores.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Segments that the kernel sent again on this connection so far. */
static uint32_t resent(const struct wire *w)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(w->fd, IPPROTO_TCP, TCP_INFO, &info, &len) ? 0 : info.tcpi_total_retrans;
}

static int redis_string(struct wire *w, char *value, size_t cap)
{
	char *line = wire_line(w);
	long len;

	if (!line || *line != '$')
		return -1;
	len = strtol(line + 1, NULL, 10);
	*value = 0;
	if (len < 0)
		return 0;
	line = wire_take(w, (size_t)len + 2);
	if (line)
		snprintf(value, cap, "%.*s", (int)len, line);
	return line ? 0 : -1;
}

static int redis_once(struct wire *w, const char *key, const char *id, char *value, size_t cap)
{
	char out[256], none[16], *line;
	int len;

	if (!*id) {
		len = snprintf(out, sizeof(out), "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
		return wire_write(w, out, (size_t)len) || redis_string(w, value, cap) ? -1 : 0;
	}
	len = snprintf(out, sizeof(out), "*3\r\n$4\r\nMGET\r\n$%zu\r\n%s\r\n$%zu\r\nid:%s\r\n", strlen(key), key,
		       strlen(id) + 3, id);
	if (wire_write(w, out, (size_t)len))
		return -1;
	line = wire_line(w);
	return !line || strcmp(line, "*2") || redis_string(w, value, cap) || redis_string(w, none, sizeof(none)) ? -1
														 : 0;
}

int stores_redis(struct wires *p, const char *key, const char *id, char *value, size_t cap, uint32_t *ret_resent)
{
	struct wire *w = wires_get(p);
	uint32_t before;
	int ret;

	if (!w)
		return -1;
	before = resent(w);
	ret = redis_once(w, key, id, value, cap);
	*ret_resent = resent(w) - before;
	wires_put(p, w, !ret);
	return ret;
}

/* The next message: its type; *ret_body has *ret_len bytes; 0: failed */
static char query_message(struct wire *w, char **ret_body, size_t *ret_len)
{
	char *head = wire_take(w, 5), type;
	uint32_t len;

	if (!head)
		return 0;
	type = head[0];
	memcpy(&len, head + 1, 4);
	len = ntohl(len);
	if (len < 4)
		return 0;
	*ret_len = len - 4;
	*ret_body = wire_take(w, len - 4);
	return *ret_body ? type : 0;
}

/* The first column of a DataRow */
static void query_row(const char *body, size_t len, char *value, size_t cap)
{
	uint32_t size;

	if (len < 6)
		return;
	memcpy(&size, body + 2, 4);
	size = ntohl(size);
	if (size <= len - 6)
		snprintf(value, cap, "%.*s", (int)size, body + 6);
}

/* Up to ReadyForQuery */
static int query_answer(struct wire *w, char *value, size_t cap)
{
	char *body, type;
	size_t len;
	int failed = 0;

	while ((type = query_message(w, &body, &len)) && type != 'Z') {
		failed |= type == 'E';
		if (type == 'D' && cap && !*value)
			query_row(body, len, value, cap);
	}
	return type && !failed ? 0 : -1;
}

int stores_hello(struct wire *w)
{
	static const char words[] = "\0\0\0\0\0\3\0\0user\0postgres\0database\0shop\0";
	uint32_t len = htonl(sizeof(words));
	char out[sizeof(words)];

	memcpy(out, words, sizeof(words));
	memcpy(out, &len, 4);
	return wire_write(w, out, sizeof(out)) ? -1 : query_answer(w, NULL, 0);
}

int stores_query(struct wires *p, const char *sql, char *value, size_t cap)
{
	struct wire *w = wires_get(p);
	char out[512];
	size_t len = strlen(sql) + 1;
	uint32_t size = htonl((uint32_t)len + 4);
	int ret;

	if (!w)
		return -1;
	*value = 0;
	out[0] = 'Q';
	memcpy(out + 1, &size, 4);
	ret = snprintf(out + 5, sizeof(out) - 5, "%s", sql) < (int)sizeof(out) - 5 ? 0 : -1;
	if (!ret)
		ret = wire_write(w, out, len + 5) ? -1 : query_answer(w, value, cap);
	wires_put(p, w, !ret);
	return ret;
}
