/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/check_tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/late.h"

#define OPENSSL(X)                          \
	X(SSL_CTX_new)                      \
	X(SSL_CTX_set_default_verify_paths) \
	X(TLS_client_method)                \
	X(SSL_new)                          \
	X(SSL_free)                         \
	X(SSL_set_fd)                       \
	X(SSL_ctrl)                         \
	X(SSL_set1_host)                    \
	X(SSL_connect)                      \
	X(SSL_read)                         \
	X(SSL_write)                        \
	X(SSL_get_error)                    \
	X(SSL_get_version)                  \
	X(SSL_get_verify_result)            \
	X(SSL_get1_peer_certificate)        \
	X(X509_get0_notAfter)               \
	X(X509_free)                        \
	X(X509_verify_cert_error_string)    \
	X(ASN1_TIME_diff)                   \
	X(ERR_get_error)                    \
	X(ERR_clear_error)                  \
	X(ERR_reason_error_string)
OPENSSL(LATE_POINTER)
static const struct late_symbol openssl[] = { OPENSSL(LATE_SYMBOL) };

struct check_tls {
	SSL *ssl;
	bool verify, writes;
};

/* One for all: it has the certificates of those whom this host trusts. */
static SSL_CTX *context(struct err *err)
{
	static SSL_CTX *one;

	if (!one && late_load(SAKER_LATE_SSL, openssl, ARRAY_LEN(openssl), err) < 0)
		return NULL;
	if (!one) {
		one = late_SSL_CTX_new(late_TLS_client_method());
		if (one)
			(void)late_SSL_CTX_set_default_verify_paths(one);
		else
			(void)err_set(err, ENOMEM, "OpenSSL gives no context");
	}
	return one;
}

/* OpenSSL writes to the socket by write(): where the other side has closed it that would end the process. */
struct pipe_guard {
	sigset_t before;
	bool pending;
};

static void guard_begin(struct pipe_guard *g)
{
	sigset_t pipe, pending;

	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)sigpending(&pending);
	g->pending = sigismember(&pending, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, &g->before);
}

static void guard_end(const struct pipe_guard *g)
{
	static const struct timespec none;
	sigset_t pipe;

	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	while (!g->pending && sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR)
		;
	(void)pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

int check_tls_new(int fd, const char *host, bool verify, struct check_tls **ret, struct err *err)
{
	SSL_CTX *ctx = context(err);
	struct check_tls *t = ctx ? calloc(1, sizeof(*t)) : NULL;

	if (!ctx)
		return -ELIBACC;
	if (t)
		t->ssl = late_SSL_new(ctx);
	if (!t || !t->ssl || !late_SSL_set_fd(t->ssl, fd)) {
		(void)check_tls_free(t);
		return err_set(err, ENOMEM, "out of memory");
	}
	t->verify = verify;
	/* SSL_set_tlsext_host_name() is a macro of this */
	if (*host)
		(void)late_SSL_ctrl(t->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
				    (void *)(uintptr_t)host);
	if (*host && verify)
		(void)late_SSL_set1_host(t->ssl, host);
	*ret = t;
	return 0;
}

struct check_tls *check_tls_free(struct check_tls *t)
{
	if (!t)
		return NULL;
	if (t->ssl)
		late_SSL_free(t->ssl);
	free(t);
	return NULL;
}

bool check_tls_writes(const struct check_tls *t)
{
	return t->writes;
}

/* Why an operation went on no further. */
static int result(struct check_tls *t, int r)
{
	switch (late_SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		t->writes = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->writes = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -EPROTO;
	}
}

int check_tls_shake(struct check_tls *t, struct err *err)
{
	struct pipe_guard guard;
	const char *reason;
	unsigned long code;
	int r, failed;

	late_ERR_clear_error();
	guard_begin(&guard);
	errno = 0;
	r = late_SSL_connect(t->ssl);
	failed = errno;
	guard_end(&guard);
	if (r == 1)
		return 1;
	r = result(t, r);
	if (r == -EAGAIN)
		return r;
	code = late_ERR_get_error();
	reason = code ? late_ERR_reason_error_string(code) : NULL;
	return err_set(err, EPROTO, "%s",
		       reason		      ? reason
		       : failed == ECONNRESET ? "the connection was reset"
					      : "the connection ended");
}

ssize_t check_tls_read(struct check_tls *t, void *data, size_t len)
{
	struct pipe_guard guard;
	int n;

	late_ERR_clear_error();
	guard_begin(&guard);
	n = late_SSL_read(t->ssl, data, (int)MIN(len, (size_t)INT32_MAX));
	guard_end(&guard);
	return n > 0 ? n : result(t, n);
}

ssize_t check_tls_write(struct check_tls *t, const void *data, size_t len)
{
	struct pipe_guard guard;
	int n;

	late_ERR_clear_error();
	guard_begin(&guard);
	n = late_SSL_write(t->ssl, data, (int)MIN(len, (size_t)INT32_MAX));
	guard_end(&guard);
	return n > 0 ? n : result(t, n) ?: -EPROTO;
}

const char *check_tls_version(const struct check_tls *t)
{
	return late_SSL_get_version(t->ssl);
}

int check_tls_verified(const struct check_tls *t, struct err *err)
{
	long r = late_SSL_get_verify_result(t->ssl);

	if (!t->verify || r == X509_V_OK)
		return 0;
	return err_set(err, EPROTO, "%s", late_X509_verify_cert_error_string(r));
}

void check_tls_expiry(const struct check_tls *t, char *out, size_t size)
{
	X509 *certificate = late_SSL_get1_peer_certificate(t->ssl);
	int days = 0, seconds = 0;

	*out = 0;
	if (!certificate)
		return;
	if (late_ASN1_TIME_diff(&days, &seconds, NULL, late_X509_get0_notAfter(certificate))) {
		bool gone = days < 0 || seconds < 0;
		int n = abs(days ? days : seconds / 3600);

		(void)snprintf(out, size, "its certificate %s%d %s%s%s", gone ? "expired " : "expires in ", n,
			       days ? "day" : "hour", n == 1 ? "" : "s", gone ? " ago" : "");
	}
	late_X509_free(certificate);
}
