/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_FETCH_H
#define SAKER_STORE_FETCH_H
/*
 * fetch - single events by their ids, in any order: the blocks that were used last stay in memory, each with the
 * places of its events.
 *
 * Threads: none shared.  Memory: FETCH_BLOCKS blocks and 40 bytes for each event in them.
 * Failure: -ENOENT: no such event, or retired; -EBADMSG: its block is damaged.
 */
#include <stddef.h>
#include <stdint.h>

#include "store/recording.h"

#define FETCH_BLOCKS 32

struct fetch_block {
	struct stream stream;
	struct event *events; /* of the loaded block, in the order of their ids */
	size_t count, cap;
	uint64_t used;	      /* when, on the clock of fetch.used */
	unsigned int indexes; /* that of the recording when it was loaded */
};

struct fetch {
	struct fetch_block blocks[FETCH_BLOCKS];
	uint64_t used;
};

void fetch_init(struct fetch *f);
void fetch_fini(struct fetch *f);
/* *ret is borrowed until the next call. */
int fetch_event(struct fetch *f, struct recording *rec, uint64_t id, const struct event **ret, struct err *err);

#endif
