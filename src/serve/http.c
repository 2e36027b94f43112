/* SPDX-License-Identifier: Apache-2.0 */
/* http - libmicrohttpd around serve_answer(): one thread a connection, all bounded in number, size and time. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/late.h"
#include "serve/internal.h"

#define TOKEN_BYTES 16
#define IDLE_SECONDS 60
#define CONNECTION_MEMORY (64 * 1024)

/* clang-format off */
#define MICROHTTPD(X) \
	X(MHD_start_daemon) X(MHD_stop_daemon) X(MHD_add_response_header) X(MHD_create_response_from_buffer) \
	X(MHD_destroy_response) X(MHD_get_connection_values) X(MHD_lookup_connection_value) X(MHD_queue_response)
/* clang-format on */
MICROHTTPD(LATE_POINTER)
static const struct late_symbol microhttpd[] = { MICROHTTPD(LATE_SYMBOL) };

/* No other site may show or ask it, nothing that is not its own may run in it, and nobody keeps a copy. */
static const struct {
	const char *name, *value;
} security[] = {
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
	  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
};

/* --- one request --- */

static enum MHD_Result take_param(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct serve_request *rq = arg;

	(void)kind;
	rq->too_many = rq->nparams == PARAMS_MAX;
	if (rq->too_many)
		return MHD_NO;
	rq->params[rq->nparams++] = (struct serve_param) { name, value ? value : "" };
	return MHD_YES;
}

static void add_headers(struct MHD_Response *r, const struct serve_response *rs)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(security); i++)
		(void)late_MHD_add_response_header(r, security[i].name, security[i].value);
	(void)late_MHD_add_response_header(r, "Content-Type", rs->type);
	(void)late_MHD_add_response_header(r, "Cache-Control", rs->etag ? "no-cache" : "no-store");
	if (rs->etag)
		(void)late_MHD_add_response_header(r, "ETag", rs->etag);
	if (rs->status == 405)
		(void)late_MHD_add_response_header(r, "Allow", "GET, HEAD");
	if (rs->status == 401)
		(void)late_MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
}

static enum MHD_Result respond(struct MHD_Connection *c, struct serve_response *rs)
{
	struct MHD_Response *r;
	enum MHD_Result ok;

	if (rs->data) {
		r = late_MHD_create_response_from_buffer(rs->size, (void *)(uintptr_t)rs->data, MHD_RESPMEM_PERSISTENT);
	} else {
		size_t len = rs->body.len;
		char *data = buf_take(&rs->body);

		r = late_MHD_create_response_from_buffer(len, data ? data : (char *)(uintptr_t) "",
							 data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
		if (!r)
			free(data);
	}
	if (!r)
		return MHD_NO;
	add_headers(r, rs);
	ok = late_MHD_queue_response(c, rs->status, r);
	late_MHD_destroy_response(r);
	return ok;
}

/* What is kept of a request between the calls that it makes. */
static char uri_fine, uri_long, uri_nul, body_fine, body_long, body_nul;

static void *note_uri(void *arg, const char *uri, struct MHD_Connection *c)
{
	(void)arg;
	(void)c;
	if (strlen(uri) > URL_MAX)
		return &uri_long;
	return strstr(uri, "%00") ? &uri_nul : &uri_fine; /* of what is behind it nothing would be seen */
}

static bool first_call(void **state)
{
	if (*state == &uri_fine)
		*state = &body_fine;
	else if (*state == &uri_long)
		*state = &body_long;
	else if (*state == &uri_nul)
		*state = &body_nul;
	else
		return false;
	return true;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct serve_request rq = { .method = method, .path = url };
	struct serve_response rs = { 0 };
	enum MHD_Result ok;

	(void)version;
	(void)upload;
	if (first_call(state)) /* the headers are there; an answer now would end the connection */
		return MHD_YES;
	if (*upload_size) { /* a body: read and forgotten, the method is refused below */
		*upload_size = 0;
		return MHD_YES;
	}
	rq.too_long = *state == &body_long;
	rq.nul = *state == &body_nul;
	rq.host = late_MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	rq.origin = late_MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
	rq.authorization = late_MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	rq.accept = late_MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	rq.if_none_match = late_MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
	(void)late_MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, take_param, &rq);
	serve_answer(arg, &rq, &rs);
	ok = respond(c, &rs);
	response_fini(&rs);
	return ok;
}

/* --- listening --- */

static int make_token(struct serve *s, struct err *err)
{
	unsigned char random[TOKEN_BYTES];
	size_t i;

	if (s->opts.token) {
		if (strlen(s->opts.token) < 8 || strlen(s->opts.token) >= sizeof(s->token) ||
		    strspn(s->opts.token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
			    strlen(s->opts.token))
			return err_set(err, EINVAL, "a token has 8 to %zu letters, digits, - and _",
				       sizeof(s->token) - 1);
		(void)strcpy(s->token, s->opts.token);
		return 0;
	}
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_errno(err, errno, "cannot make a token");
	for (i = 0; i < sizeof(random); i++)
		(void)sprintf(s->token + 2 * i, "%02x", random[i]);
	return 0;
}

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int parse_address(struct serve *s, union address *ret, socklen_t *ret_len, struct err *err)
{
	*ret = (union address) { .v6 = { 0 } };
	if (inet_pton(AF_INET, s->address, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		s->loopback = (ntohl(ret->v4.sin_addr.s_addr) >> 24) == 127;
		*ret_len = sizeof(ret->v4);
	} else if (inet_pton(AF_INET6, s->address, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		s->loopback = IN6_IS_ADDR_LOOPBACK(&ret->v6.sin6_addr);
		*ret_len = sizeof(ret->v6);
	} else {
		return err_set(err, EINVAL, "'%s' is no address to listen on (try 127.0.0.1)", s->address);
	}
	return 0;
}

/* A listening socket; *port 0 is any free one and becomes that. */
static int listen_on(const union address *a, socklen_t len, uint16_t *port)
{
	CLEANUP_CLOSE int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	union address at = *a;
	int one = 1;

	if (fd < 0)
		return -errno;
	if (at.sa.sa_family == AF_INET)
		at.v4.sin_port = htons(*port);
	else
		at.v6.sin6_port = htons(*port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &at.sa, len) < 0 || listen(fd, SERVE_CONNECTIONS) < 0 || getsockname(fd, &at.sa, &len) < 0)
		return -errno;
	*port = ntohs(at.sa.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
	return TAKE_FD(fd);
}

static int listen_somewhere(struct serve *s, struct err *err)
{
	union address a;
	socklen_t len = 0;
	unsigned int tries = s->opts.port_given ? 1 : SERVE_PORTS, i;
	int fd = parse_address(s, &a, &len, err);

	for (i = 0; fd >= 0 && i < tries; i++) {
		uint16_t port = (uint16_t)(s->opts.port + i);

		fd = listen_on(&a, len, &port);
		s->port = port;
		if (fd >= 0)
			return fd;
		if (fd != -EADDRINUSE)
			return err_errno(err, -fd, "cannot listen on %s port %u", s->address, port);
		if (i + 1 < tries)
			fd = 0;
	}
	if (fd == -EADDRINUSE && s->opts.port_given)
		return err_set(err, EADDRINUSE,
			       "port %u of %s is in use by another program; choose one with --listen %s:PORT",
			       s->opts.port, s->address, s->address);
	if (fd == -EADDRINUSE)
		return err_set(err, EADDRINUSE, "ports %u to %u of %s are all in use; choose one with --listen %s:PORT",
			       s->opts.port, s->opts.port + tries - 1, s->address, s->address);
	return fd;
}

static int start(struct serve *s, int fd, struct err *err)
{
	unsigned int flags =
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC;

	s->daemon = late_MHD_start_daemon(flags, s->port, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, fd,
					  MHD_OPTION_CONNECTION_LIMIT, SERVE_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
					  IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
					  MHD_OPTION_URI_LOG_CALLBACK, note_uri, NULL, MHD_OPTION_THREAD_STACK_SIZE,
					  (size_t)(1024 * 1024), MHD_OPTION_END);
	if (s->daemon)
		return 0;
	(void)close(fd);
	return err_set(err, EIO, "cannot start the HTTP server");
}

static void set_url(struct serve *s)
{
	const char *format = strchr(s->address, ':') ? "http://[%s]:%u/?token=%s" : "http://%s:%u/?token=%s";

	(void)snprintf(s->url, sizeof(s->url), format, s->address, s->port, s->token);
}

static int serve_init(struct serve *s, const struct serve_opts *opts, struct err *err)
{
	pthread_condattr_t attr;
	int fd;

	s->opts = *opts;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)snprintf(s->address, sizeof(s->address), "%s", opts->address ? opts->address : SERVE_ADDRESS);
	if (late_load(SAKER_LATE_MICROHTTPD, microhttpd, ARRAY_LEN(microhttpd), err) < 0)
		return -err->code;
	if (make_token(s, err) < 0)
		return -err->code;
	fd = listen_somewhere(s, err);
	if (fd < 0)
		return fd;
	set_url(s);
	if (serve_load(s) < 0) {
		(void)close(fd);
		return err_set(err, EAGAIN, "cannot start a thread");
	}
	return start(s, fd, err);
}

int serve_start(const struct serve_opts *opts, struct serve **ret, struct err *err)
{
	struct serve *s = calloc(1, sizeof(*s));
	int r = s ? serve_init(s, opts, err) : err_set(err, ENOMEM, "out of memory");

	if (r < 0)
		serve_free(s);
	else
		*ret = s;
	return r;
}

struct serve *serve_free(struct serve *s)
{
	if (!s)
		return NULL;
	serve_stop_waiting(s);
	if (s->daemon)
		late_MHD_stop_daemon(s->daemon);
	serve_unload(s);
	filters_free(s);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

const char *serve_url(const struct serve *s)
{
	return s->url;
}
