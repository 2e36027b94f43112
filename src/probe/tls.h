/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_TLS_USER_H
#define SAKER_PROBE_TLS_USER_H
/*
 * tls - hooks on TLS libraries, attached file by file.
 *
 * A hook stands in the file, so every process that runs it passes there; those that are not recorded pay for the trap and a
 * look at one bit.
 *
 * Threads: one.  Memory: the links.
 */
#include <stddef.h>

struct bpf_link;
struct err;
struct gotls;
struct kernel;

#define TLS_LINKS 40

struct tls_hooks {
	struct bpf_link *links[TLS_LINKS];
	size_t n;
};

/* OpenSSL at path.  -ENOENT: it has no SSL_read and SSL_write that can be found; on failure nothing stays. */
int tls_openssl_attach(struct kernel *k, const char *path, struct tls_hooks *ret, struct err *err);
/* A Go program at path; its gotls must have returns. */
int tls_go_attach(struct kernel *k, const char *path, const struct gotls *go, struct tls_hooks *ret, struct err *err);
void tls_detach(struct tls_hooks *h); /* zeroed ok */

#endif
