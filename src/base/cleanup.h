/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_BASE_CLEANUP_H
#define SAKER_BASE_CLEANUP_H
/*
 * cleanup - scope-bound ownership for user space: CLEANUP(free) and TAKE.
 *
 *	CLEANUP_FREE char *path = strdup(name);
 *	...
 *	return TAKE(path);		// the caller owns it now
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TAKE(p)                      \
	({                           \
		typeof(p) took_ = p; \
		(p) = NULL;          \
		took_;               \
	})

#define TAKE_FD(fd)               \
	({                        \
		int took_ = (fd); \
		(fd) = -1;        \
		took_;            \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                   \
	({                          \
		typeof(a) a_ = (a); \
		typeof(b) b_ = (b); \
		a_ < b_ ? a_ : b_;  \
	})
#define MAX(a, b)                   \
	({                          \
		typeof(a) a_ = (a); \
		typeof(b) b_ = (b); \
		a_ > b_ ? a_ : b_;  \
	})

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(cleanup_freep)
#define CLEANUP_CLOSE CLEANUP(cleanup_closep)
#define CLEANUP_FCLOSE CLEANUP(cleanup_fclosep)

#endif
