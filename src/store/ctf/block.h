/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_CTF_BLOCK_H
#define SAKER_STORE_CTF_BLOCK_H
/*
 * block - one CTF packet: how it is filled, sealed, checked and walked.  The layout is specified in chunk.c.
 *
 * Threads: none shared.  Memory: a block is one buffer of fixed size, given at block_init().
 * Failure: what is read from a file is believed only after block_check(); events only after block_next().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "store/typemap.h"

#define BLOCK_MAGIC 0xC1FC1FC1u
#define BLOCK_TGIDS 42
#define BLOCK_TGIDS_MANY UINT32_MAX
#define BLOCK_BYTES_MIN (16 * 1024)
#define BLOCK_BYTES_MAX (16 * 1024 * 1024)

enum block_flags {
	BLOCK_CHECKPOINT = 1, /* begins with (a part of) its chunk's checkpoint */
};

/* CTF packet.header and packet.context, as on disk, little endian. */
struct block_header {
	/* packet.header: what CTF asks for ... */
	uint32_t magic;
	uint8_t uuid[16];
	uint32_t stream_id;
	uint64_t instance_id;
	/* ... and our own, in a gap that CTF readers skip */
	uint64_t header_sum;  /* xxh64 of the header, this field as 0 */
	uint64_t content_sum; /* xxh64 of all bytes after the header */
	uint64_t block_seq;   /* running number in the recording, from 0 */
	uint64_t first_id;
	uint64_t own_begin_ns;	     /* earliest own time: less than begin_ns when the block has late events */
	uint32_t count;		     /* events with an id, that is without `late` markers */
	uint32_t late;		     /* `late` markers */
	uint32_t flags;		     /* enum block_flags */
	uint32_t ntgids;	     /* BLOCK_TGIDS_MANY: more than fit */
	uint32_t tgids[BLOCK_TGIDS]; /* processes whose events are here, ascending */
	/* packet.context */
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t content_bits; /* to the end of the last event's last field */
	uint64_t packet_bits;
};
_Static_assert(sizeof(struct block_header) == 288, "block header");

enum block_fault {
	BLOCK_OK,
	BLOCK_TORN,	   /* the file ends in the middle of it */
	BLOCK_BAD_HEADER,  /* no block header of this recording where one should be */
	BLOCK_BAD_CONTENT, /* checksum of the content */
	BLOCK_BAD_ORDER,   /* its event ids do not come after those of the block before */
	BLOCK_BAD_EVENT,   /* an event does not fit its type */
	BLOCK_UNREADABLE,  /* the system could not read it */
	BLOCK_GONE,	   /* its file was deleted meanwhile: retired, no damage */
};
const char *block_fault_text(enum block_fault fault);

/* Filling */
struct block {
	uint8_t *data; /* header, then events */
	size_t cap, used;
	size_t last;	  /* where the last event begins */
	uint64_t last_ns; /* time of the last event written in the whole recording */
	struct block_header h;
};

int block_init(struct block *b, size_t cap, const uint8_t uuid[16]); /* -ENOMEM */
void block_fini(struct block *b);
/* Empties it for the events from first_id on. */
void block_begin(struct block *b, uint64_t first_id);
static inline bool block_empty(const struct block *b)
{
	return b->used == sizeof(struct block_header);
}
/* false: no room.  An event older than last_ns is written as a `late` pair; *ret_late says so. */
bool block_add(struct block *b, const struct event_header *h, bool *ret_late);
/* Completes the header; the packet is data[0..used). */
void block_seal(struct block *b, const struct typemap *types, uint64_t block_seq);

/* Checking.  The header alone: */
bool block_header_valid(const struct block_header *h, const uint8_t uuid[16]);
static inline size_t block_bytes(const struct block_header *h)
{
	return (size_t)(h->packet_bits / 8);
}
bool block_has_tgid(const uint32_t *tgids, uint32_t n, uint32_t tgid);
/* Header and content; len is what there is at data. */
enum block_fault block_check(const void *data, size_t len, const uint8_t uuid[16]);

/* Walking a checked block.  Late pairs are folded; headers in data are changed (flags, type). */
struct block_cursor {
	uint8_t *at, *end;
	uint64_t id; /* of the next event */
	const struct typemap *types;
};
void block_walk(struct block_cursor *c, void *data, const struct typemap *types);
/* 1: *ret is set (but for host); 0: the end; -EBADMSG: what follows is no event, err (may be NULL) says why. */
int block_next(struct block_cursor *c, struct event *ret, struct err *err);

#endif
