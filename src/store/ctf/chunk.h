/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_CTF_CHUNK_H
#define SAKER_STORE_CTF_CHUNK_H
/*
 * chunk - the write side of the stream's files: sealed blocks go in, chunk files begin, end and are retired.
 *
 * Threads: one writer.  Memory: a row for each chunk while there is a budget, else none.
 * Failure: a block that could not be written whole is cut away again; what was written before is whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/ctf/block.h"
#include "store/folder.h"

struct chunk_row {
	uint32_t number;
	uint64_t disk; /* bytes that it and its index take on disk, once it is closed */
	uint64_t events;
};

struct chunks {
	const struct folder *folder; /* borrowed */
	uint64_t max_bytes;	     /* 0: no budget */
	uint32_t chunk_bytes, block_bytes;
	uint32_t number;	   /* of the chunk that is written; 0: none yet */
	int fd, index_fd;	   /* -1: none */
	uint64_t size, index_size; /* of the chunk that is written */
	uint64_t closed;	   /* bytes on disk of the rows but the last */
	uint64_t other;		   /* and of all other files of the recording */
	uint64_t directory;	   /* and of the directory itself */
	struct chunk_row *rows;	   /* ring of those that are there, the one that is written last; with a budget */
	size_t nrows, cap_rows;
	uint64_t written, retired, retired_events; /* for statistics */
};

void chunks_init(struct chunks *c, const struct folder *folder, uint64_t max_bytes, uint32_t chunk_bytes,
		 uint32_t block_bytes);
void chunks_fini(struct chunks *c);

/* The next block begins a new chunk: it is to begin with a checkpoint. */
bool chunks_fresh(const struct chunks *c);
/* What other files of the recording take on disk, at most: it counts against the budget. */
void chunks_others(struct chunks *c, uint64_t bytes);
/* Writes a sealed block.  -ENOSPC and other errors of the system: nothing of it stays. */
int chunks_write(struct chunks *c, const struct block *b, struct err *err);

/* An entry of a sidecar index. */
struct chunk_index_row {
	uint64_t offset;
	struct block_header h;
};

#endif
