/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_BIG_H
#define SAKER_ORDER_BIG_H
/*
 * big - arrays that may be larger than memory.
 *
 * Small ones lie on the heap, each larger one is its own anonymous mapping; once the sum of all exceeds the limit, what grows next moves into an
 * unlinked file in $TMPDIR (else /tmp), reserved in advance so that a full disk is an error and no SIGBUS.
 * An array's data moves when it grows: keep indices, not pointers.
 *
 * Threads: none shared while growing.  Failure: NULL, and struct big_memory.failed is set (sticky).
 */
#include <stddef.h>
#include <stdint.h>

#define BIG_SPARES 12

struct big_memory {
	uint64_t limit;	    /* bytes that may be anonymous; 0: no limit */
	uint64_t anonymous; /* bytes mapped so */
	uint64_t total;	    /* with those in files */
	int failed;	    /* errno of the first failure */
	/* large mappings that were given up, to be used again: page faults cost more than clearing does */
	struct {
		void *data;
		size_t cap;
	} spares[BIG_SPARES];
};

struct big {
	void *data;
	size_t len; /* bytes in use */
	size_t cap; /* bytes that are there; see on_heap() */
	int file;   /* descriptor + 1, 0: anonymous */
};

void big_fini(struct big_memory *m, struct big *b);
void *big_grow(struct big_memory *m, struct big *b, size_t bytes);   /* slow path of big_room() */
void *big_sized(struct big_memory *m, struct big *b, size_t bytes);  /* fresh, exactly so large, any content */
void *big_zeroed(struct big_memory *m, struct big *b, size_t bytes); /* and all zero */
void big_release(struct big_memory *m);				     /* unmaps the spares */
void big_trim(struct big_memory *m, struct big *b);		     /* gives back what is not in use */

/* Room for `bytes` more at the returned place. */
static inline void *big_room(struct big_memory *m, struct big *b, size_t bytes)
{
	void *at;

	if (b->len + bytes > b->cap && !big_grow(m, b, bytes))
		return NULL;
	at = (char *)b->data + b->len;
	b->len += bytes;
	return at;
}

#define BIG_PUSH(m, b, type) ((type *)big_room(m, b, sizeof(type)))
#define BIG_AT(b, type) ((type *)(b)->data)
#define BIG_COUNT(b, type) ((b)->len / sizeof(type))

#endif
