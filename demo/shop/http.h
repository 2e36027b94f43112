/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOP_HTTP_H
#define SHOP_HTTP_H
/*
 * http - as much of HTTP/1.1 as the shop needs: requests without a body, answers with a Content-Length, keep-alive.
 *
 * Threads: none shared.  Memory: none of its own.
 */
#include <stdbool.h>

#include "wire.h"

struct http_request {
	char path[128];
	char id[48];	/* X-Request-ID, "": none */
	char fault[32]; /* X-Shop-Fault: what is planted here, KIND=MILLISECONDS, "": nothing */
	bool close;
};

bool http_ready(const struct wire *w); /* a whole request has arrived */
/* 1: a request, 0: the other end is done, -1: nonsense */
int http_read(struct wire *w, struct http_request *ret);
int http_answer(struct wire *w, int status, const char *body);
/* GET of a path over a pooled connection: the status; 0: no answer.  id, fault may be "". */
int http_get(struct wires *p, const char *path, const char *id, const char *fault, char *body, size_t cap);

#endif
