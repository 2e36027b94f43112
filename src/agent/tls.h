/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_TLS_H
#define SAKER_AGENT_TLS_H
/*
 * tls - which recorded processes speak TLS, and hooks for those whose library Saker knows.
 *
 * It is told the files that processes run (agent/mapped.h): what holds OpenSSL, or is a Go program with crypto/tls, is
 * hooked, each file once.  A process that is seen to begin TLS (the first bytes of a connection are a ClientHello or
 * ServerHello) is looked at again; if nothing of it is hooked after a while, a tls_program event says that it is not seen
 * through, and why.
 *
 * Threads: one.  Memory: TLS_FILES_MAX files with their links; a number for each process that was met.
 * Failure: a process that is gone, or a file that cannot be read, is left alone.
 */
#include <stdint.h>

struct event_header;
struct kernel;
struct mapped_file;
struct tls;

#define TLS_FILES_MAX 1024

typedef int tls_emit_fn(void *arg, const struct event_header *h);

int tls_new(struct kernel *k, tls_emit_fn *emit, void *arg, struct tls **ret); /* -ENOMEM */
void tls_unhook(struct tls *t);						       /* NULL ok */
struct tls *tls_free(struct tls *t);					       /* NULL ok; returns NULL */

int tls_see_file(void *tls, const struct mapped_file *f); /* a mapped_fn; NULL ok */
int tls_exec(struct tls *t, uint32_t pid);		  /* NULL ok; it is another program from now on */
/* The system's own OpenSSL, ahead of a command that is only now going to be run. */
int tls_see_system(struct tls *t);	    /* NULL ok */
int tls_hello(struct tls *t, uint32_t pid); /* NULL ok; it begins to speak TLS */
int tls_tick(struct tls *t, uint64_t now);  /* NULL ok */

#endif
