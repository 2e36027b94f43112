/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_BLOB_H
#define SAKER_EXPLAIN_SPANS_BLOB_H
/*
 * spans_blob - the spans of one tree as the few bytes that are stored of them.
 *
 * What many spans have in common (names, hosts, threads) stands in tables of spans_db and is a number here.
 *
 * FORMAT.  Numbers are LEB128; signed ones zigzag first (as protobuf's sint64).  First how many spans there are, then for
 * each, in order of begin:
 *	head, bits: 1 its trace id is not that of the tree: 16 bytes of it follow, high first; 2 its times do not add up
 *	to its duration: all are given; 4 its socket is that of the span before it; 8 blame is given; 16 attributes are
 *	id, 8 bytes; parent: how many spans back it stands, signed, 0: none
 *	shape, resource, thread, blame and attributes if the head says so: numbers of spans_db's tables
 *	begin, from that of the span before it (the tree's for the first), signed; duration, signed
 *	event of its begin, from that of the span before it; of its end, from that of its begin: both signed
 *	socket, if the head says so; bytes of the request and of the response
 *	a bit for each kind of time that is not 0 (time_of), then those times but the last: it is what is left of the
	duration
 *
 * Log lines that belong to spans stand in bytes of their own: for each span that has some how far it is behind the one before it
 * that had, how many they are, and of each the host and the event's id, from that of the line before it (the span's begin for the
 * first), signed.
 *
 * Threads: any.  Memory: sizeof(struct span_packed) a span; no more spans are made room for than the bytes could hold.
 */
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct buf;
struct err;

#define BLOB_SPAN_MIN 19 /* bytes of the smallest span */

struct span_packed {
	struct span span; /* without strings, thread, kind, protocol, ..: those are in the tables; parent: index here */
	uint32_t shape, resource, blame, thread, attributes;
	const struct order_ref *logs; /* borrowed */
	size_t nlogs;
};

/* What stands beside the bytes. */
struct blob_tree {
	uint64_t trace[2], begin_ns;
};

/* out->failed: out of memory. */
void spans_blob_write(const struct blob_tree *tree, const struct span_packed *rows, size_t count, struct buf *out);
/* -EBADMSG: such bytes are never written.  *ret: the caller frees. */
int spans_blob_read(const struct blob_tree *tree, const void *data, size_t len, struct span_packed **ret,
		    size_t *ret_count, struct err *err);

/* Nothing is written where no span has any. */
void spans_blob_write_logs(const struct span_packed *rows, size_t count, struct buf *out);
/* Sets logs and nlogs of rows that were read before; they point into *ret, which the caller frees.  -EBADMSG. */
int spans_blob_read_logs(const void *data, size_t len, struct span_packed *rows, size_t count, struct order_ref **ret,
			 struct err *err);

#endif
