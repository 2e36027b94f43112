/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_BLOB_H
#define SAKER_EXPLAIN_SPANS_BLOB_H
/*
 * spans_blob - the spans of trees as the few bytes that are stored of them.
 *
 * What many spans have in common (names, hosts, threads) stands in tables of spans_db and is a number here.
 *
 * FORMAT.  Numbers are LEB128; signed ones zigzag first (as protobuf's sint64).  Trees stand behind one another in a block.  Of each:
 *	how many spans it has, twice, and 1 more if its trace's id is that which its root's gives (span_trace_id())
 *	then the root's id, 8 bytes; else the trace's, 16 bytes, high first
 *	begin, from that of the tree before it (the block's for the first), signed; how much later than the root its last span ends,
 *	signed
 * then for each span, in order of begin:
 *	head, bits: 1 its trace id is not that of the tree: 16 bytes of it follow, high first; 2 its times do not add up
 *	to its duration: all are given; 4 its socket is that of the span before it; 8 blame is given; 16 attributes are
 *	id, 8 bytes, unless the tree told it; parent: how many spans back it stands, signed, 0: none
 *	shape, resource, thread, blame and attributes if the head says so: numbers of spans_db's tables
 *	begin, from that of the span before it (the tree's for the first), signed; duration, signed
 *	event of its begin, from that of the span before it (the first of the tree before for the first); of its end, from that of its
 *	begin: both signed
 *	socket, if the head says so; bytes of the request and of the response
 *	a bit for each kind of time that is not 0 (time_of), then those times but the last: it is what is left of the
	duration
 *
 * Log lines that belong to spans stand in bytes of their own: for each span that has some how far it is behind the one before it
 * that had, how many they are, and of each the host and the event's id, from that of the line before it (the span's begin for the
 * first), signed.  Those of a block: for each tree that has some how far it is behind the one before that had, and how many bytes
 * follow.
 *
 * Where ids are to be found: the first 4 bytes of a trace's id, from those before, and the number of its block; sorted.
 *
 * Threads: any.  Memory: sizeof(struct span_packed) a span; no more spans are made room for than the bytes could hold.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct buf;
struct err;

#define BLOB_SPAN_MIN 12 /* bytes of the smallest span */

struct span_packed {
	struct span span; /* without strings, thread, kind, protocol, ..: those are in the tables; parent: index here */
	uint32_t shape, resource, blame, thread, attributes;
	const struct order_ref *logs; /* borrowed */
	size_t nlogs;
};

struct blob_tree {
	uint64_t trace[2], begin_ns;
	uint64_t after_ns; /* how much later than the root its last span ends */
	bool derived;	   /* the trace's id is what its root's gives */
};

/* From where the numbers of the next tree are counted.  Of the first one in a block: its begin, and zeroes. */
struct blob_place {
	uint64_t begin_ns, event, sock;
};

/* Moves the place on.  out->failed: out of memory. */
void spans_blob_write(struct blob_place *place, const struct blob_tree *tree, const struct span_packed *rows,
		      size_t count, struct buf *out);

struct blob_reader {
	const unsigned char *at, *end; /* what is left of the block; borrowed */
	struct blob_place place;
	/* the tree that was read last; the rows belong to the reader */
	struct blob_tree tree;
	struct span_packed *rows;
	size_t count, cap;
};

/* 1: a tree was read; 0: the end; -EBADMSG: such bytes are never written. */
int spans_blob_next(struct blob_reader *rd, struct err *err);
void spans_blob_fini(struct blob_reader *rd); /* zeroed ok */

/* Nothing is written where no span has any. */
void spans_blob_write_logs(const struct span_packed *rows, size_t count, struct buf *out);
/* Sets logs and nlogs of rows that were read before; they point into *ret, which the caller frees.  -EBADMSG. */
int spans_blob_read_logs(const void *data, size_t len, struct span_packed *rows, size_t count, struct order_ref **ret,
			 struct err *err);

/* Of a block: of the tree-th (from 0 on) of its trees; *last: 0 to begin with. */
void spans_blob_write_part(struct buf *block, size_t *last, size_t tree, const struct buf *logs);

struct blob_parts {
	const unsigned char *at, *end; /* borrowed */
	size_t tree;		       /* that the next part is of */
	bool begun;
};

/* The part of that tree, of which all before were asked for: 1; 0: it has none; -EBADMSG. */
int spans_blob_part(struct blob_parts *p, size_t tree, const void **ret, size_t *ret_len, struct err *err);

struct blob_id {
	uint32_t high, block; /* the upper half of trace[0] */
};

void spans_blob_write_id(struct buf *out, uint32_t before, struct blob_id id); /* before: high of the one before, 0 */
/* The next one, which takes the place of *id.  1; 0: the end; -EBADMSG. */
int spans_blob_id(const unsigned char **at, const unsigned char *end, struct blob_id *id, struct err *err);

#endif
