/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_DB_H
#define SAKER_EXPLAIN_SPANS_DB_H
/*
 * spans_db - the spans that were derived from a recording, kept beside it: a SQLite file that sqlite3 opens, too.
 *
 * TABLES.  A row of `blocks` has as many trees of spans as fill a page of the file, in order of begin: `spans` has their spans and
 * `logs` the events of their log lines (spans_blob.h).  `begin` is that of its first tree; `shortest` and `longest` are durations of
 * roots, so that who wants the slowest reads few blocks.  n counts from 1 on without gaps.  `ids` says in which block a trace is: in
 * `list` the first 32 bits of ids, sorted, and blocks; `first` is the first of these.
 * `strings`, `shapes` (what many spans have in common) and `threads` are what numbers in spans stand for; string 0 is "".
 *
 * A file holds what was derived from a recording as it was, which its key says, by this version of the derivation
 * (SPANS_DB_VERSION); whoever finds another key derives anew.  It is made in memory and put in the place of the old one
 * by a rename, so there is a whole one or none.  It can be deleted at any time.
 *
 * Threads: each spans_db by one.  Memory: writing, the file; reading, what is asked for and the strings it uses.
 * Failure: -ENOENT there is none, -ESTALE of another version or recording, -EBADMSG damaged.  Nothing in a file is trusted.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/span.h"

struct err;
struct spans_db;

/* Whatever changes what spans a recording gives makes it greater, and so does another layout. */
#define SPANS_DB_VERSION 9
#define SPANS_DB_NAME ".requests.sqlite" /* a dot: babeltrace2 takes every other file of a recording for a stream */

struct spans_db_about {
	const char *key;   /* of the recording, from store_fingerprint() and what was asked of requests */
	uint64_t left_out; /* requests_left_out() */
	size_t (*logs)(void *arg, uint32_t span,
		       const struct order_ref **ret); /* requests_logs(); NULL: there are none */
	void *arg;
};

/*
 * Writes dir/SPANS_DB_NAME, with the owner and (for reading and writing) the mode of the folder dir.
 * -EROFS, -EACCES, -ENOSPC, ...: nothing is changed.
 */
int spans_db_write(const char *dir, const struct spans *s, const struct spans_db_about *about, struct err *err);

/* Reading: life cycle.  key NULL: any. */
int spans_db_open(const char *dir, const char *key, struct spans_db **ret, struct err *err);
struct spans_db *spans_db_close(struct spans_db *db); /* NULL ok; returns NULL */
uint64_t spans_db_count(const struct spans_db *db);
uint64_t spans_db_left_out(const struct spans_db *db);

/* The log lines of spans that were read. */
struct span_logs {
	struct span_log_range {
		uint32_t first, count; /* in refs */
	} * rows;		       /* as the spans' */
	struct order_ref *refs;
	size_t count, cap;
};
void span_logs_fini(struct span_logs *l);
/* How many, and where: borrowed. */
size_t span_logs_of(const struct span_logs *l, uint32_t span, const struct order_ref **ret);

/*
 * Reading: spans.  The caller has spans_fini() *ret, and span_logs_fini() *ret_logs, which may be NULL.  Of a trace all trees that
 * have its id; -ENOENT: none.
 */
int spans_db_trace(struct spans_db *db, const uint64_t trace[2], struct spans *ret, struct span_logs *ret_logs,
		   struct err *err);
int spans_db_all(struct spans_db *db, struct spans *ret, struct span_logs *ret_logs, struct err *err);

enum spans_db_sort { SPANS_BY_BEGIN, SPANS_BY_DURATION };

/* What is 0 or NULL asks nothing.  Times as in struct span; begins from from_ns on and before to_ns. */
struct spans_db_filter {
	uint64_t from_ns, to_ns, min_ns, max_ns; /* min, max: duration */
	const char *service, *operation;	 /* of the root, exactly */
	uint32_t flags, flags_not;		 /* enum span_flags of any of its spans: one of these, none of those */
	const char *id;				 /* the first hexadecimal digits of its id, 16 at most */
	enum spans_db_sort sort;
	bool descending;
	uint32_t limit; /* 0: all */
};

/* A tree by its root; strings are borrowed until the function returns. */
struct spans_db_row {
	uint64_t trace[2];
	uint64_t begin_ns, end_ns;
	const char *service, *operation;
	uint32_t flags; /* of all its spans */
	uint32_t spans;
};
typedef int spans_db_row_fn(void *arg, const struct spans_db_row *row); /* below 0: ends the list, and is returned */

int spans_db_list(struct spans_db *db, const struct spans_db_filter *f, spans_db_row_fn *each, void *arg,
		  struct err *err);

#endif
