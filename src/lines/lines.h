/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_LINES_LINES_H
#define SAKER_LINES_LINES_H
/*
 * lines - from the bytes that threads write to lines with level and time.
 *
 * Each thread's writes to one file are a stream, cut at line feeds.  A line is a record's head; what goes on with it (a
 * stack trace) is folded into the record, if it comes before hold_ns.  A record belongs to the thread that wrote its head,
 * and to the moment of the write that completed the head.  A line without its end waits for partial_ns; but a write of a
 * whole number of KiB that ends within a line is a full buffer of stdio: its rest comes with the next one of the file, whoever
 * writes that, and whenever.
 *
 * Records come out in the order of their threads' writes; lines_oldest() says from which moment on more may come.
 *
 * Threads: none shared.  Memory: LINES_STREAMS streams (the one that was idle for longest goes when another is needed), each
 * with a buffer of LINES_TEXT_MAX bytes while it is in use.
 * Failure: out of memory loses a piece, which counts as lost.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/header.h"
#include "lines/stamp.h"

#define LINES_STREAMS 4096
#define LINES_TEXT_MAX 7680 /* of one record; what is longer comes in parts */
#define LINES_HOLD_NS 50000000ULL
#define LINES_PARTIAL_NS 250000000ULL

struct lines;

/* Who wrote, and where to. */
struct lines_writer {
	struct event_header h; /* of the moment: time, thread, CPU */
	uint64_t file;	       /* tells files apart: inode, socket */
	uint64_t device;
	uint32_t fd;
	uint32_t where; /* enum logwhere */
};

struct lines_piece {
	struct lines_writer who;
	const char *data;
	size_t len;
	uint64_t lost; /* bytes of this thread that are missing before this piece */
	uint64_t left; /* bytes of the call that are not there, behind this piece (0: all are, or come with the next) */
	uint64_t written; /* by the call in all */
	bool first;	  /* of its call */
	bool last;
};

struct lines_record {
	const struct lines_writer *who;
	const char *text; /* ends with NUL, has none in it; borrowed */
	size_t len;
	uint64_t unix_ns; /* the time that it states, 0: none */
	uint32_t lines;	  /* folded into one */
	uint32_t flags;	  /* enum logflags */
	uint8_t level;
};

struct lines_opts {
	/* text may be changed in place, not its length; 0 or -errno, which ends the call that made the record */
	int (*record)(void *arg, const struct lines_record *r);
	void *arg;
	struct stamp_opts stamps;
};

/* Life cycle */
int lines_new(const struct lines_opts *opts, struct lines **ret); /* -ENOMEM */
struct lines *lines_free(struct lines *l);			  /* what waits is dropped */

/* Writing: 0, or what record() returned.  near: what time it is (unix ns), for stamps without a year. */
int lines_put(struct lines *l, const struct lines_piece *p, uint64_t near_ns);
/* Records and partial lines whose time is over at `now` (boot ns). */
int lines_tick(struct lines *l, uint64_t now);
/* The thread (0: all) writes no more: everything that waits comes out. */
int lines_end(struct lines *l, uint32_t tid, uint64_t start_ns);
/* Records of this moment or later may still come; UINT64_MAX: none waits. */
uint64_t lines_oldest(const struct lines *l);
/* Events before this moment are settled: what comes out later and was written before gets this moment. */
void lines_settled(struct lines *l, uint64_t boot_ns);

#endif
