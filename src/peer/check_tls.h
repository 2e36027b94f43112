/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_CHECK_TLS_H
#define SAKER_PEER_CHECK_TLS_H
/*
 * check_tls - TLS of a check, over a connected socket that does not wait; by OpenSSL, which is loaded at the first one.
 *
 * Threads: one.  Memory: OpenSSL's, some 40 KB for each.  Failure: sentences without the check's name.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct check_tls;
struct err;

/* host: the server name that is asked for, and, with verify, that the certificate must be for; empty: none.  -ELIBACC, -ENOMEM. */
int check_tls_new(int fd, const char *host, bool verify, struct check_tls **ret, struct err *err);
struct check_tls *check_tls_free(struct check_tls *t); /* NULL ok; returns NULL; the socket stays open */

/* 1: done; -EAGAIN: check_tls_writes() says for what it waits; else -EPROTO, *err says why. */
int check_tls_shake(struct check_tls *t, struct err *err);
bool check_tls_writes(const struct check_tls *t);
/* Bytes, 0 at the end, -EAGAIN, -EPROTO. */
ssize_t check_tls_read(struct check_tls *t, void *data, size_t len);
ssize_t check_tls_write(struct check_tls *t, const void *data, size_t len);

/* After the handshake: "TLSv1.3". */
const char *check_tls_version(const struct check_tls *t);
/* 0: the certificate is valid (with verify), or was not to be; else -EPROTO, *err says why. */
int check_tls_verified(const struct check_tls *t, struct err *err);
/* "its certificate expires in 12 days", "its certificate expired 3 days ago"; empty: unknown. */
void check_tls_expiry(const struct check_tls *t, char *out, size_t size);

#endif
