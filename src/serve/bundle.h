/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_BUNDLE_H
#define SAKER_SERVE_BUNDLE_H
/*
 * bundle - arrows that would be drawn on one another become one, with their number: those of one kind between the same two rows
 * that begin in one pixel and end in one.  Where there are too many bundles still, pixels count two by two as one, and so on.
 *
 * Threads: none shared.  Memory: BUNDLE_ROOM bundles.
 */
#include <stddef.h>
#include <stdint.h>

#include "serve/model.h"

#define BUNDLES_MAX 4000
#define BUNDLE_ROOM (4 * BUNDLES_MAX)
#define BUNDLE_SLOTS 32768 /* power of two, twice the room */

struct bundle {
	struct model_arrow arrow; /* the first of them */
	uint32_t row0, row1;
	int64_t at0, at1; /* pixels */
	uint32_t n;
};

struct bundles {
	struct bundle *rows;
	uint32_t *slots; /* index + 1 */
	uint32_t count;
	unsigned int coarse; /* pixels were joined so often */
	uint64_t inside;     /* arrows between lanes that are folded into one row */
	uint64_t elsewhere;  /* arrows with an end on no row */
	uint64_t left_out;
};

int bundles_init(struct bundles *all); /* -ENOMEM */
void bundles_fini(struct bundles *all);
/* n arrows from one pixel to another. */
void bundles_add(struct bundles *all, const struct model_arrow *a, uint32_t row0, uint32_t row1, int64_t at0,
		 int64_t at1, uint32_t n);
/* Now at most BUNDLES_MAX are there: the largest, if pixels cannot get any larger; the others are counted. */
void bundles_finish(struct bundles *all);

#endif
