/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPORT_POST_H
#define SAKER_EXPORT_POST_H
/*
 * post - a body sent to an HTTP or HTTPS server, and its answer.
 *
 * libcurl does it, loaded when it is first needed: nothing else in saker needs it, and its own libraries take longer to load than
 * most commands run. Where it is missing (or saker is linked statically) that is said.
 *
 * Threads: each post by one.  Memory: an answer of at most POST_ANSWER_MAX bytes.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct err;
struct post;

#define POST_ANSWER_MAX (1U << 20)

struct post_opts {
	const char *url;	    /* http:// or https:// */
	const char *const *headers; /* "Name: value" */
	size_t nheaders;
	long timeout_ms;		  /* of one request */
	const char *ca_file, *cert, *key; /* PEM; NULL: the system's, none, none */
};

struct post_answer {
	long status;	    /* of HTTP */
	long retry_after_s; /* what it asks for, 0: nothing */
	struct buf body;    /* cut at POST_ANSWER_MAX */
};

int post_open(const struct post_opts *opts, struct post **ret, struct err *err); /* -ENOSYS: no libcurl */
struct post *post_close(struct post *p);					 /* NULL ok; returns NULL */
/* ret->body is emptied before. -ECONNREFUSED: nobody was there; -EIO: another reason for no answer; -EINVAL: the address. */
int post_send(struct post *p, const void *body, size_t len, struct post_answer *ret, struct err *err);

#endif
