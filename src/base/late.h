/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_LATE_H
#define SAKER_BASE_LATE_H
/*
 * late - shared libraries that are loaded when they are first needed.  What few commands call need not be found, relocated and
 * paged in at every start: libcapstone has 77,000 relocations, libmicrohttpd brings GnuTLS and seven more.
 *
 *	#define CAPSTONE(X) X(cs_open) X(cs_close)
 *	CAPSTONE(LATE_POINTER)
 *	static const struct late_symbol capstone[] = { CAPSTONE(LATE_SYMBOL) };
 *	...
 *	r = late_load(CAPSTONE_SONAME, capstone, ARRAY_LEN(capstone), err);
 *	late_cs_open(...)
 *
 * A static program (SAKER_STATIC) has them in it; there late_load() does nothing.
 * Threads: any, each as often as it likes.  Memory: the library's, to the program's end.
 * Failure: the library, or a function of it, is not there; nothing may be called then.
 */
#include <stddef.h>

struct err;

struct late_symbol {
	const char *name;
	void **at;
};

#ifdef SAKER_STATIC
#define LATE_POINTER(f) static __typeof__(f) *late_##f = f;
#else
#define LATE_POINTER(f) static __typeof__(f) *late_##f;
#endif
#define LATE_SYMBOL(f) { #f, (void **)&late_##f },

/* -ELIBACC with a sentence. */
int late_load(const char *soname, const struct late_symbol *symbols, size_t n, struct err *err);

#endif
