/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/check_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "peer/check_http.h"
#include "peer/check_tls.h"

/* ---- outcomes ---- */

static int ended(struct probe *p, enum check_outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int ended(struct probe *p, enum check_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	p->outcome = outcome;
	va_start(ap, fmt);
	(void)vsnprintf(p->text, sizeof(p->text), fmt, ap);
	va_end(ap);
	return 1;
}

static double ms(const struct probe *p, uint64_t now_ns)
{
	return now_ns > p->began_ns ? (double)(now_ns - p->began_ns) / 1e6 : 0;
}

static const char *word(const struct probe *p)
{
	return p->ask->kind == CHECK_UDP ? "udp" : "connect";
}

/* The network's word about a connection or a datagram. */
static int network_said(struct probe *p, int error, uint64_t now_ns)
{
	switch (error) {
	case ECONNREFUSED:
		return ended(p, CHECK_REFUSED, "%s: refused after %.1f ms", word(p), ms(p, now_ns));
	case ECONNRESET:
	case EPIPE:
		return ended(p, CHECK_CLOSED, "%s: reset after %.1f ms", word(p), ms(p, now_ns));
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ended(p, CHECK_UNREACHABLE, "%s: %s after %.1f ms", word(p),
			     error == EHOSTUNREACH ? "host unreachable" : "network unreachable", ms(p, now_ns));
	case ETIMEDOUT:
		return ended(p, CHECK_NO_CONNECT, "%s: no answer within %.0f ms", word(p), ms(p, now_ns));
	default:
		return ended(p, CHECK_NOT_SENT, "%s: %s", word(p), strerror(error));
	}
}

void probe_timeout(struct probe *p)
{
	unsigned limit = p->ask->timeout_ms;

	if (p->at == PROBE_CONNECT || p->ask->kind == CHECK_UDP)
		(void)ended(p, p->ask->kind == CHECK_UDP ? CHECK_SILENT : CHECK_NO_CONNECT,
			    "%s: no answer within %u ms", word(p), limit);
	else if (p->at == PROBE_SHAKE)
		(void)ended(p, CHECK_SILENT, "accepted, but no TLS handshake within %u ms", limit);
	else if (p->in_bytes)
		(void)ended(p, CHECK_SILENT, "accepted, but only %zu bytes of an answer within %u ms", p->in_bytes,
			    limit);
	else
		(void)ended(p, CHECK_SILENT, "accepted, but no answer within %u ms", limit);
}

/* ---- the connection ---- */

static socklen_t sockaddr_fill(struct sockaddr_storage *out, const struct sign_addr *a, uint16_t port)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = a->family;
	if (a->family == AF_INET) {
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, a->bytes, 4);
		return sizeof(*four);
	}
	six->sin6_port = htons(port);
	memcpy(&six->sin6_addr, a->bytes, 16);
	return sizeof(*six);
}

/* 0, or 1: it ended. */
static int open_socket(struct probe *p, const struct check_target *t)
{
	static const struct linger at_once = { 1, 0 };
	bool udp = p->ask->kind == CHECK_UDP;

	p->fd = socket(t->to.family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return ended(p, CHECK_NOT_SENT, "no socket: %s", strerror(errno));
	if (t->mark && setsockopt(p->fd, SOL_SOCKET, SO_MARK, &t->mark, sizeof(t->mark)))
		return ended(p, CHECK_NOT_SENT, "no right to mark packets (CAP_NET_ADMIN): %s", strerror(errno));
	if (t->mark && p->ask->interface[0] &&
	    setsockopt(p->fd, SOL_SOCKET, SO_BINDTODEVICE, p->ask->interface, (socklen_t)strlen(p->ask->interface)))
		return ended(p, CHECK_NOT_SENT, "cannot send by interface '%s': %s", p->ask->interface,
			     strerror(errno));
	/* without a RST each check would leave a port in TIME_WAIT for a minute */
	if (!udp)
		(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return 0;
}

int probe_start(struct probe *p, const struct check_ask *ask, const struct check_target *t, uint64_t now_ns)
{
	struct sockaddr_storage addr;
	socklen_t len = sockaddr_fill(&addr, &t->to, t->port);
	int r;

	*p = (struct probe) { .ask = ask, .fd = -1, .began_ns = now_ns };
	r = open_socket(p, t);
	if (r)
		return r;
	if (!connect(p->fd, (const struct sockaddr *)&addr, len))
		return probe_turn(p, now_ns);
	if (errno == EINPROGRESS)
		return 0;
	if (errno == ECONNREFUSED)
		return network_said(p, errno, now_ns);
	return ended(p, CHECK_NOT_SENT, "%s: %s", word(p), strerror(errno));
}

static ssize_t read_some(struct probe *p, void *data, size_t len)
{
	ssize_t n;

	if (p->tls)
		return check_tls_read(p->tls, data, len);
	n = recv(p->fd, data, len, 0);
	return n < 0 ? -errno : n;
}

static ssize_t write_some(struct probe *p, const void *data, size_t len)
{
	ssize_t n;

	if (p->tls)
		return check_tls_write(p->tls, data, len);
	n = send(p->fd, data, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* ---- HTTP ---- */

static int http_request(struct probe *p)
{
	char host[INET6_ADDRSTRLEN + 2] = "", text[INET6_ADDRSTRLEN];
	const struct check_ask *a = p->ask;

	if (!a->host[0] && inet_ntop(a->vip.family, a->vip.bytes, text, sizeof(text)))
		(void)snprintf(host, sizeof(host), a->vip.family == AF_INET6 ? "[%s]" : "%s", text);
	p->out_bytes = check_http_request(p->out, sizeof(p->out), a->path, a->host[0] ? a->host : host);
	p->in = malloc(CHECK_HTTP_BYTES);
	if (!p->in || !p->out_bytes)
		return ended(p, CHECK_NOT_SENT, "out of memory");
	p->at = PROBE_SEND;
	return 0;
}

/* What the status and the body say; whole: nothing more comes. */
static int http_judge(struct probe *p, bool whole, uint64_t now_ns)
{
	const struct check_ask *a = p->ask;
	struct check_http h;
	char expiry[64] = "";
	int r = check_http_head(p->in, p->in_bytes, &h);
	size_t body;

	if (r < 0)
		return ended(p, CHECK_BROKEN, "the answer is no HTTP");
	if (!r)
		return p->in_bytes == CHECK_HTTP_BYTES
			       ? ended(p, CHECK_BROKEN, "the head of the answer has more than %d bytes",
				       CHECK_HTTP_BYTES)
		       : whole ? ended(p, CHECK_CLOSED, "closed after %zu bytes of an answer", p->in_bytes)
			       : 0;
	if (h.status < a->status_from || h.status > a->status_to) {
		char wanted[16];

		(void)snprintf(wanted, sizeof(wanted), a->status_from == a->status_to ? "%u" : "%u-%u", a->status_from,
			       a->status_to);
		return ended(p, CHECK_STATUS, "HTTP %u, wanted %s", h.status, wanted);
	}
	body = p->in_bytes - h.head_bytes;
	if (a->text[0] && !memmem(p->in + h.head_bytes, body, a->text, strlen(a->text))) {
		if (!whole && p->in_bytes < CHECK_HTTP_BYTES && body < h.body_bytes)
			return 0;
		return ended(p, CHECK_OTHER_TEXT, "HTTP %u, but not the wanted text in its %zu bytes", h.status, body);
	}
	if (p->tls)
		check_tls_expiry(p->tls, expiry, sizeof(expiry));
	return ended(p, CHECK_PASSED, "HTTP %u after %.1f ms%s%s", h.status, ms(p, now_ns), expiry[0] ? "; " : "",
		     expiry);
}

static int turn_read(struct probe *p, uint64_t now_ns)
{
	for (;;) {
		ssize_t n = read_some(p, p->in + p->in_bytes, CHECK_HTTP_BYTES - p->in_bytes);
		int r;

		if (n == -EAGAIN || n == -EINTR)
			return 0;
		if (n < 0 && !p->in_bytes)
			return ended(p, CHECK_CLOSED, "accepted, but the connection was reset after %.1f ms",
				     ms(p, now_ns));
		if (!n && !p->in_bytes)
			return ended(p, CHECK_CLOSED, "accepted, but closed without an answer after %.1f ms",
				     ms(p, now_ns));
		p->in_bytes += n > 0 ? (size_t)n : 0;
		r = http_judge(p, n <= 0, now_ns);
		if (r || n <= 0 || p->in_bytes == CHECK_HTTP_BYTES)
			return r;
	}
}

static int turn_send(struct probe *p, uint64_t now_ns)
{
	while (p->out_at < p->out_bytes) {
		ssize_t n = write_some(p, p->out + p->out_at, p->out_bytes - p->out_at);

		if (n == -EAGAIN || n == -EINTR)
			return 0;
		if (n < 0)
			return ended(p, CHECK_CLOSED, "accepted, but closed before the request after %.1f ms",
				     ms(p, now_ns));
		p->out_at += (size_t)n;
	}
	p->at = PROBE_READ;
	return turn_read(p, now_ns);
}

/* ---- TLS ---- */

static int turn_shake(struct probe *p, uint64_t now_ns)
{
	struct err err = ERR_INIT;
	char expiry[64];
	int r = check_tls_shake(p->tls, &err);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return ended(p, CHECK_NO_TLS, "TLS handshake: %.80s", err.text);
	check_tls_expiry(p->tls, expiry, sizeof(expiry));
	if (check_tls_verified(p->tls, &err) < 0)
		return ended(p, CHECK_CERTIFICATE, "TLS: %.60s%s%s", err.text, expiry[0] ? "; " : "", expiry);
	if (p->ask->kind == CHECK_TLS)
		return ended(p, CHECK_PASSED, "%s handshake after %.1f ms%s%s", check_tls_version(p->tls),
			     ms(p, now_ns), expiry[0] ? "; " : "", expiry);
	r = http_request(p);
	return r ? r : turn_send(p, now_ns);
}

static int tls_begin(struct probe *p, uint64_t now_ns)
{
	struct err err = ERR_INIT;

	if (check_tls_new(p->fd, p->ask->host, p->ask->verify, &p->tls, &err) < 0)
		return ended(p, CHECK_NOT_SENT, "TLS: %.100s", err.text);
	p->at = PROBE_SHAKE;
	return turn_shake(p, now_ns);
}

/* ---- UDP ---- */

static int turn_udp(struct probe *p, uint64_t now_ns)
{
	char answer[2048];
	ssize_t n;

	if (p->at == PROBE_CONNECT) {
		p->at = PROBE_READ;
		if (send(p->fd, p->ask->send, p->ask->send_bytes, MSG_NOSIGNAL) < 0)
			return network_said(p, errno, now_ns);
	}
	n = recv(p->fd, answer, sizeof(answer), 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : network_said(p, errno, now_ns);
	if (p->ask->answer_bytes && !memmem(answer, (size_t)n, p->ask->answer, p->ask->answer_bytes))
		return ended(p, CHECK_OTHER_TEXT, "udp: an answer of %zd bytes without what is wanted", n);
	return ended(p, CHECK_PASSED, "udp: an answer of %zd bytes after %.1f ms", n, ms(p, now_ns));
}

/* ---- all ---- */

static int turn_connect(struct probe *p, uint64_t now_ns)
{
	int error = 0, r;
	socklen_t len = sizeof(error);
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	if (error)
		return network_said(p, error, now_ns);
	if (getpeername(p->fd, (struct sockaddr *)&peer, &peer_len))
		return 0; /* not yet */
	switch (p->ask->kind) {
	case CHECK_TCP:
		return ended(p, CHECK_PASSED, "connect: accepted after %.1f ms", ms(p, now_ns));
	case CHECK_HTTP:
		r = http_request(p);
		return r ? r : turn_send(p, now_ns);
	default:
		return tls_begin(p, now_ns);
	}
}

int probe_turn(struct probe *p, uint64_t now_ns)
{
	if (p->ask->kind == CHECK_UDP)
		return turn_udp(p, now_ns);
	switch (p->at) {
	case PROBE_CONNECT:
		return turn_connect(p, now_ns);
	case PROBE_SHAKE:
		return turn_shake(p, now_ns);
	case PROBE_SEND:
		return turn_send(p, now_ns);
	default:
		return turn_read(p, now_ns);
	}
}

bool probe_writes(const struct probe *p)
{
	if (p->ask->kind == CHECK_UDP)
		return false;
	if (p->tls)
		return check_tls_writes(p->tls);
	return p->at == PROBE_CONNECT || p->at == PROBE_SEND;
}

void probe_stop(struct probe *p)
{
	p->tls = check_tls_free(p->tls);
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	free(p->in);
	p->in = NULL;
}
