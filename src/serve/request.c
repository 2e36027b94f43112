/* SPDX-License-Identifier: Apache-2.0 */
/* request - who may ask, and what: method, length, host, origin, token; then the table of what there is. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/internal.h"
#include "serve/page.h"

#define JSON "application/json"

const char *request_param(const struct serve_request *rq, const char *name)
{
	unsigned int i;

	for (i = 0; i < rq->nparams; i++)
		if (!strcmp(rq->params[i].name, name))
			return rq->params[i].value;
	return NULL;
}

bool request_number(const struct serve_request *rq, const char *name, double *ret)
{
	const char *text = request_param(rq, name);
	char *end;
	double v;

	if (!text)
		return true;
	v = strtod(text, &end);
	if (end == text || *end || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

/* `host:id` */
bool request_event(const struct model *m, const struct serve_request *rq, const char *name, uint32_t *ret)
{
	const char *text = request_param(rq, name);
	struct order_ref ref = { 0 };
	char rest;

	*ret = NO_EVENT;
	if (text && sscanf(text, "%" SCNu32 ":%" SCNu64 "%c", &ref.host, &ref.id, &rest) == 2)
		*ret = model_find(m, ref);
	return *ret != NO_EVENT;
}

void response_fini(struct serve_response *rs)
{
	buf_fini(&rs->body);
}

void response_error(struct serve_response *rs, unsigned int status, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	rs->status = status;
	rs->type = JSON;
	rs->data = NULL;
	rs->etag = NULL;
	buf_reset(&rs->body);
	buf_str(&rs->body, "{\"error\":");
	buf_json(&rs->body, text, strlen(text));
	buf_char(&rs->body, '}');
}

/* --- who may ask --- */

/* In a time that does not depend on where the first difference is. */
static bool token_equal(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), i;
	unsigned char differ = la != lb;

	for (i = 0; i < lb; i++)
		differ |= (unsigned char)(a[la ? i % la : 0] ^ b[i]);
	return la && !differ;
}

static bool token_given(const struct serve *s, const struct serve_request *rq)
{
	const char *param = request_param(rq, "token"), *header = rq->authorization;

	if (header && !strncasecmp(header, "Bearer ", 7))
		return token_equal(header + 7, s->token);
	return param && token_equal(param, s->token);
}

/* The name in `name`, `name:port`, `[v6]:port`; false: none fits into out. */
static bool host_name_of(const char *host, char *out, size_t cap)
{
	size_t n;

	if (*host == '[') {
		host++;
		n = strcspn(host, "]");
		if (host[n] != ']' || (host[n + 1] && host[n + 1] != ':'))
			return false;
	} else {
		n = strcspn(host, ":");
		if (host[n] && strchr(host + n + 1, ':'))
			return false;
	}
	if (!n || n >= cap)
		return false;
	memcpy(out, host, n);
	out[n] = 0;
	return true;
}

/*
 * A name could be anybody's, pointed here by its owner; an address cannot.  So: the names and addresses of the loopback,
 * and where it listens elsewhere, any address.  The port may differ, as through a tunnel of ssh.
 */
static bool host_allowed(const struct serve *s, const char *host)
{
	unsigned char addr[16];
	char name[64];

	if (!host || !host_name_of(host, name, sizeof(name)))
		return false;
	if (!strcasecmp(name, "localhost") || !strcmp(name, "127.0.0.1") || !strcmp(name, "::1"))
		return true;
	return !s->loopback && (inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1);
}

/* A page may ask only if it came from here. */
static bool origin_allowed(const struct serve_request *rq)
{
	if (!rq->origin)
		return true;
	return rq->host && !strncmp(rq->origin, "http://", 7) && !strcasecmp(rq->origin + 7, rq->host);
}

/* --- what there is --- */

static const struct {
	const char *path;
	serve_answer_fn *answer;
	bool requests; /* they are derived first, if nobody has asked yet */
} endpoints[] = {
	{ "/api/actions", answer_actions, false }, { "/api/compare", answer_compare, true },
	{ "/api/cone", answer_cone, false },	   { "/api/event", answer_event, false },
	{ "/api/heat", answer_heat, true },	   { "/api/info", answer_info, false },
	{ "/api/lanes", answer_lanes, false },	   { "/api/groups", answer_groups, true },
	{ "/api/map", answer_map, true },	   { "/api/requests", answer_requests, true },
	{ "/api/search", answer_search, false },   { "/api/step", answer_step, false },
	{ "/api/story", answer_story, false },	   { "/api/trace", answer_trace, true },
	{ "/api/window", answer_window, false },   { "/metrics", answer_metrics, true },
};

static const struct page_file *page_find(const char *path)
{
	size_t i;

	for (i = 0; i < page_count; i++)
		if (!strcmp(page_files[i].path, path))
			return &page_files[i];
	return NULL;
}

static void answer_page(const struct page_file *f, const struct serve_request *rq, struct serve_response *rs)
{
	rs->type = f->type;
	rs->etag = f->etag;
	rs->data = f->data;
	rs->size = f->size;
	rs->status = 200;
	if (rq->if_none_match && !strcmp(rq->if_none_match, f->etag)) {
		rs->status = 304;
		rs->size = 0;
	}
}

bool serve_derive(struct serve *s, struct model *m, struct serve_response *rs)
{
	struct model_opts opts = { .paths = s->opts.paths, .npaths = s->opts.npaths };
	struct err err = ERR_INIT;

	if (model_derive(m, &opts, &err) >= 0)
		return true;
	response_error(rs, 500, "%s", err.text);
	return false;
}

static void answer_endpoint(struct serve *s, size_t i, const struct serve_request *rq, struct serve_response *rs)
{
	struct model *m = serve_hold(s, NULL);

	if (!m) {
		response_error(rs, 503, "%s", s->failed ? s->failure : "the server ends");
		return;
	}
	if (!endpoints[i].requests || serve_derive(s, m, rs))
		endpoints[i].answer(s, m, rq, rs);
	serve_drop(s, m);
}

static void answer_api(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	size_t i;

	rs->status = 200;
	rs->type = JSON;
	if (!strcmp(rq->path, "/api/balancer")) {
		answer_balancer(s, rq, rs);
		return;
	}
	if (!strcmp(rq->path, "/api/why")) {
		answer_why(s, rq, rs);
		return;
	}
	if (!s->opts.npaths) {
		answer_bare(s, rq, rs);
		return;
	}
	if (!strcmp(rq->path, "/api/live")) {
		answer_live(s, rq, rs);
		return;
	}
	for (i = 0; i < ARRAY_LEN(endpoints); i++) {
		if (!strcmp(rq->path, endpoints[i].path)) {
			answer_endpoint(s, i, rq, rs);
			return;
		}
	}
	response_error(rs, 404, "there is no such thing here");
}

/* Whether the request may have an answer; else rs has the refusal. */
static bool admitted(const struct serve *s, const struct serve_request *rq, bool public, struct serve_response *rs)
{
	if (strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
		response_error(rs, 405, "only GET and HEAD: nothing can be changed here");
	else if (rq->too_long)
		response_error(rs, 414, "the address has more than %d bytes", URL_MAX);
	else if (rq->nul)
		response_error(rs, 400, "a NUL in the address");
	else if (rq->too_many)
		response_error(rs, 400, "more than %d parameters", PARAMS_MAX);
	else if (!host_allowed(s, rq->host))
		response_error(rs, 403, "this server is not called so: use the address that it printed");
	else if (!origin_allowed(rq))
		response_error(rs, 403, "another site's page may not ask");
	else if (!public && !token_given(s, rq))
		response_error(rs, 401, "the token is missing or wrong: use the whole address that saker printed");
	else
		return true;
	return false;
}

void serve_answer(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	const struct page_file *page = page_find(rq->path);
	bool public = page && strcmp(rq->path, "/") != 0;

	if (!admitted(s, rq, public, rs))
		return;
	if (page)
		answer_page(page, rq, rs);
	else
		answer_api(s, rq, rs);
	if (rs->body.failed)
		response_error(rs, 500, "out of memory for the answer");
}
