/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_RECORDING_H
#define SAKER_STORE_RECORDING_H
/*
 * recording - one opened recording: its metadata, its types, its blocks; and a stream, which walks its blocks.
 *
 * Threads: none shared.  Memory: the index, and one block a stream.
 * Failure: damaged blocks are told to the stream's damage function and skipped.
 */
#include <stdbool.h>
#include <stdint.h>

#include "store/ctf/metadata.h"
#include "store/index.h"
#include "store/store.h"
#include "store/typemap.h"

struct recording {
	char *path;
	int dirfd;
	uint32_t host; /* place among those that are read together */
	struct metadata meta;
	char *metadata_damage; /* a sentence, or NULL */
	struct typemap map;
	bool renumbered; /* some types have other numbers here than on disk */
	struct index index;
	bool late;	      /* the index is not that of all blocks yet: recording_refresh() makes it so */
	unsigned int indexes; /* how often it was begun anew: the numbers of entries are others then */
	uint64_t epoch_ns;    /* 0: unknown */
	size_t epoch_blocks;  /* that were looked at for it */
	uint64_t read_blocks; /* for statistics */
};

/* Whether path is a directory with a metadata file. */
bool recording_here(const char *path);
/* Adds its run-time types to types; numbers that are taken there by others are changed on reading. */
enum recording_how {
	RECORDING_SHARED,
	RECORDING_LOCKED, /* the caller holds the lock, so what is unfinished will not grow */
	RECORDING_LATE,	  /* blocks are looked for when they are needed */
};
int recording_open(const char *path, uint32_t host, enum recording_how how, struct event_types *types,
		   struct recording **ret, struct err *err);
struct recording *recording_free(struct recording *rec); /* NULL ok; returns NULL */
int recording_refresh(struct recording *rec, struct err *err);
/* The entry of the block that should have the event, or NULL. */
struct index_entry *recording_entry(struct recording *rec, uint64_t id, struct err *err);
/* The metadata's text, from the copy if the file itself is damaged (*ret_damaged); the caller frees it. */
int recording_metadata(int dirfd, const char *path, char **ret, size_t *ret_len, bool *ret_damaged, struct err *err);

/* A walk over the blocks. */
struct stream {
	struct recording *rec;
	size_t next;	      /* entry after the loaded one */
	uint64_t expected_id; /* 0: any */
	size_t loaded;	      /* entry's number + 1, 0: none (entries move when the index grows) */
	int fd;		      /* of chunk fd_chunk; -1 */
	uint32_t fd_chunk;
	struct index_buf buf;
	struct block_cursor cursor;
	void (*damage)(void *arg, const char *sentence); /* may be NULL */
	void *arg;
};

void stream_init(struct stream *s, struct recording *rec);
void stream_fini(struct stream *s);
/* Makes the entry's block the current one: 0, or -EBADMSG when it is damaged (told, and marked). */
int stream_load(struct stream *s, size_t entry);
/* 1: *ret is the next event of the current block; 0: its end, or damage in it (told). */
int stream_next(struct stream *s, struct event *ret);
/* Tells that ids are missing before e, if so. */
void stream_gap(struct stream *s, const struct index_entry *e);

#endif
