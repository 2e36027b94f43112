/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_STORE_H
#define SAKER_STORE_STORE_H
/*
 * store - recordings: a CTF 1.8 trace directory that babeltrace2 opens, with time and process index.
 *
 * Writing: events are given roughly in time order and leave re-sorted, so that the stream is monotonic;
 * one that comes later than the window keeps its own time in a `late` event before it.  The stream lies
 * in chunk files; a byte budget deletes whole old chunks; each chunk begins with a checkpoint of what is
 * alive (processes, sockets, names, a clock pair).  Format and crash argument: store/ctf/FORMAT in chunk.c.
 *
 * Threads: one writer; any number of readers, also while it is being written.
 * Memory: writer bounded by block_bytes and the re-sorting window (STORE_PENDING_MAX bytes), reader by one block
 * a recording and its index.
 * Failure: full disk: -ENOSPC, what was written is whole.  Damaged blocks are named, counted and skipped.
 */
#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"

struct store_writer;
struct store_reader;
struct err;

#define STORE_BLOCK_BYTES (256 * 1024)
#define STORE_CHUNK_BYTES (16 * 1024 * 1024)
#define STORE_PENDING_MAX (16 * 1024 * 1024)

struct store_opts {
	const char *dir;		 /* created, mode 0700; must not exist or be empty */
	uint64_t max_bytes;		 /* 0: no limit; else the oldest chunks go first */
	uint32_t chunk_bytes;		 /* 0: STORE_CHUNK_BYTES, or a sixteenth of max_bytes if that is less */
	uint32_t block_bytes;		 /* 0: STORE_BLOCK_BYTES */
	uint32_t uid, gid;		 /* owner of what is made; UINT32_MAX: leave */
	const char *hostname;		 /* into the metadata */
	const char *boot_id;		 /* likewise; "" for imports */
	const struct event_types *types; /* borrowed as long as the writer lives */
};

/* Writing: life cycle */
int store_create(const struct store_opts *opts, struct store_writer **ret,
		 struct err *err);			  /* -EBUSY: another writer */
int store_close(struct store_writer *w, struct err *err); /* NULL ok; flushes; w is gone also on failure */

/*
 * Writing.  The event is copied.  cpu streams are merged: give each CPU's events in the order of its ring.
 * store_settle(w, boot_ns): all events before boot_ns have been given; they may leave the window.
 * store_flush: settled events go to disk now (call it at latest every second).
 */
int store_append(struct store_writer *w, const struct event_header *h, struct err *err);
int store_settle(struct store_writer *w, uint64_t boot_ns, struct err *err);
int store_flush(struct store_writer *w, struct err *err);

struct store_stats {
	uint64_t events, bytes, blocks, chunks, late, retired_chunks, retired_events;
	uint64_t damaged_blocks, damaged_bytes; /* reader only */
	uint64_t read_blocks;			/* reader only: loaded so far, a block read twice counts twice */
};
void store_writer_stats(const struct store_writer *w, struct store_stats *ret);

/*
 * Reading.  path is a recording, or a directory of recordings (one a host): then store_hosts() > 1 and the
 * events of all come merged by time.  damage(arg, sentence) is told each bad block; may be NULL.
 */
struct store_read_opts {
	uint64_t from_boot_ns, to_boot_ns; /* 0: open end; uses the time index */
	uint32_t tgid;			   /* 0: all; else blocks without it are skipped */
	void (*damage)(void *arg, const char *sentence);
	void *arg;
};
int store_open(const char *const *paths, unsigned int npaths, struct store_reader **ret, struct err *err);
/*
 * For a few store_fetch(), without looking at all there is: where blocks are is found out when they are needed.  Until store_refresh()
 * or store_read() epochs are 0 and statistics those of what was looked at.
 */
int store_open_late(const char *const *paths, unsigned int npaths, struct store_reader **ret, struct err *err);
struct store_reader *store_reader_free(struct store_reader *r);	     /* NULL ok; returns NULL */
const struct event_types *store_types(const struct store_reader *r); /* all recordings' types together */
unsigned int store_hosts(const struct store_reader *r);
/* The name in its metadata; where several have one, that of the recording's folder instead. */
const char *store_host_name(const struct store_reader *r, unsigned int host);
const char *store_path(const struct store_reader *r, unsigned int host); /* of its folder, as it was given */
/* Unix ns of boot_ns 0 on that host, from its clock events; 0: unknown. */
uint64_t store_host_epoch(const struct store_reader *r, unsigned int host);
/* Whether both are of one boot of one machine, whose clock they share; imports never are. */
bool store_same_boot(const struct store_reader *r, unsigned int a, unsigned int b);
/* Takes note of what was written since; store_read() does so by itself.  For store_reader_stats(). */
int store_refresh(struct store_reader *r, struct err *err);
/*
 * What the recordings are now, as a short text: another one once one of them has grown, was repaired, cut, or changed in any
 * way that shows in the sizes and times of its files.  A copy that keeps times has the same.
 */
#define STORE_FINGERPRINT_MAX 48
int store_fingerprint(const struct store_reader *r, char ret[STORE_FINGERPRINT_MAX], struct err *err);
/* Whether somebody is recording into one of them now. */
bool store_growing(const struct store_reader *r);
int store_read(struct store_reader *r, const struct store_read_opts *opts, struct event_source **ret, struct err *err);
/* One event by its id, copied into out; -ENOENT. */
int store_fetch(struct store_reader *r, unsigned int host, uint64_t id, void *out, size_t cap, struct event *ret,
		struct err *err);
void store_reader_stats(const struct store_reader *r, struct store_stats *ret);

/* Cuts torn tails, drops damaged blocks, rebuilds the index: after it babeltrace2 opens the recording.
 * report(arg, sentence) tells each thing done. */
int store_repair(const char *path, void (*report)(void *arg, const char *sentence), void *arg, struct err *err);

/*
 * Copies (with hard links where it can) the finished blocks of a recording, also while it is written: then all that
 * happened until now is in it.  uid, gid: owner of the copy, UINT32_MAX: leave.
 */
int store_freeze(const char *from, const char *to, uint32_t uid, uint32_t gid, struct err *err);

/*
 * A recording at dir whose recorder has ended, however, is renamed to dir.YYYYMMDD-HHMMSS (UTC, its last write); of
 * those the oldest are deleted while together they exceed keep_bytes, the latest never.  -EBUSY: it is being written.
 */
int store_set_aside(const char *dir, uint64_t keep_bytes, struct err *err);

#endif
