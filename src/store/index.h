/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_INDEX_H
#define SAKER_STORE_INDEX_H
/*
 * index - the list of a recording's blocks: where, when, which ids, which processes; damaged stretches are
 * entries too.  Taken from the sidecars as far as they agree with the chunks, else from the block headers.
 *
 * Threads: none shared.  Memory: 72 bytes a block and 4 for each process in it.
 * Failure: what is damaged becomes an entry with its fault; only the system's errors are errors.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/ctf/block.h"

struct err;

struct index_entry {
	uint64_t offset; /* in its chunk */
	uint64_t bytes;	 /* of the block, or of the damaged stretch */
	uint64_t begin_ns, end_ns, own_begin_ns;
	uint64_t first_id; /* 0 in a damaged stretch without a valid header */
	uint32_t count, late;
	uint32_t chunk;	 /* number */
	uint32_t ntgids; /* BLOCK_TGIDS_MANY: any */
	size_t tgids;	 /* where in index.tgids */
	uint8_t fault;	 /* enum block_fault */
};

struct index {
	struct index_entry *entries;
	size_t count, cap;
	uint32_t *tgids;
	size_t ntgids, cap_tgids;
	uint32_t chunk; /* the last one that was looked at, and how far */
	uint64_t chunk_at;
	uint64_t next_id; /* ids below it are taken */
	uint32_t chunks;
	bool locked; /* the caller holds the recording's lock, so nobody is writing */
};
#define INDEX_INIT           \
	{                    \
		.next_id = 1 \
	}

void index_fini(struct index *ix);
/* Adds what has come since the last call (everything, at the first).  -EIO etc. with a sentence. */
int index_refresh(struct index *ix, int dirfd, const char *path, const uint8_t uuid[16], struct err *err);
/*
 * Only the blocks of the chunk that has the event, if it is anywhere: the chunks' first blocks tell which.  Instead of what was known.
 * 1: done; 0: they do not tell, all must be looked at.
 */
int index_chunk_of(struct index *ix, int dirfd, const uint8_t uuid[16], uint64_t id);
/* The entry that holds the event, or NULL. */
struct index_entry *index_find(const struct index *ix, uint64_t id);
bool index_has_tgid(const struct index *ix, const struct index_entry *e, uint32_t tgid);

/* Reads and checks the block of an entry; buf grows as needed and belongs to the caller.  chunk_fd: of the
 * entry's chunk. */
struct index_buf {
	uint8_t *data;
	size_t cap;
};
enum block_fault index_load(const struct index_entry *e, int chunk_fd, const uint8_t uuid[16], struct index_buf *buf);

#endif
