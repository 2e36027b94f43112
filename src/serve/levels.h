/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_LEVELS_H
#define SAKER_SERVE_LEVELS_H
/*
 * levels - how many events each lane has in stretches of 2^shift ns (or clocks), and how many arrows go from host to host:
 * a level for each power of two, so that a picture of a long time need not look at every event.
 *
 * Stretches begin at multiples of their length: a picture that is moved shows the same bins.
 * Threads: made by one, then read by any number.  Memory: in all levels of one axis together at most a quarter as many cells (16 bytes)
 * and arrows (28) as there are events and arrows.
 */
#include <stdbool.h>
#include <stdint.h>

struct model;

#define LEVELS_MAX 24

struct level_cell {
	uint32_t lane;
	uint32_t n, log, trouble;
};

/* Arrows of one kind from one host to another that begin in one stretch and end in one. */
struct level_arrow {
	uint32_t from, to;     /* events of the first of them */
	uint32_t host0, host1; /* lanes */
	int32_t span;	       /* stretches from the one where they begin to the one where they end */
	uint32_t n;
	uint8_t kind;
	bool ambiguous, after_loss;
};

struct zoom {
	unsigned int shift;
	int64_t begin;	 /* number of the first stretch */
	uint32_t count;	 /* stretches */
	uint32_t *first; /* count + 1: cells of each */
	struct level_cell *cells;
	uint32_t *first_arrow; /* NULL: too many */
	struct level_arrow *arrows;
	int64_t longest; /* stretches that an arrow spans at most */
};

struct levels {
	struct zoom all[LEVELS_MAX]; /* each shift one more than the one before */
	unsigned int count;
};

int levels_make(struct levels *l, const struct model *m, bool logical); /* -ENOMEM */
void levels_fini(struct levels *l);
const struct zoom *levels_get(const struct levels *l, unsigned int shift); /* NULL: not kept */

#endif
