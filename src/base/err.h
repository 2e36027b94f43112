/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_ERR_H
#define SAKER_BASE_ERR_H
/*
 * err - what went wrong, as a complete sentence that names the thing.
 *
 * A struct err lives on the caller's stack.  A function that takes one leaves it
 * untouched on success; on failure it writes one sentence (lower case, no full
 * stop: `cannot open recording 'x': no metadata file`) and returns -errno.
 * Libraries never print; cli/ and agent/ decide what to do with the sentence.
 *
 * Threads: none shared.  Memory: fixed, ERR_TEXT_MAX bytes; longer text is cut.
 */
#include <errno.h>
#include <stddef.h>

#define ERR_TEXT_MAX 512

struct err {
	int code; /* positive errno, 0: nothing happened */
	char text[ERR_TEXT_MAX];
};

#define ERR_INIT  \
	{         \
		0 \
	}

/* Writes code and sentence; err may be NULL.  Returns -code, for `return err_set(...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set(), and appends `: strerror(code)`. */
int err_errno(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts `context: ` before the sentence that is there; returns -err->code. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
