/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_READ_H
#define SAKER_EXPLAIN_SPANS_READ_H
/* spans_read - what the files of spans_db's reading half share; for them only. */
#include <sqlite3.h>
#include <stdint.h>

#include <stdbool.h>
#include <stddef.h>

#include "explain/spans_blob.h"

struct err;

struct spans_db {
	char *path;
	sqlite3 *sql;
	uint64_t spans, left_out;
	sqlite3_stmt *string, *shape, *thread, *block;
};

int spans_read_prepare(struct spans_db *db, const char *text, sqlite3_stmt **ret, struct err *err);
int spans_read_step(struct spans_db *db, sqlite3_stmt *st, struct err *err); /* 1: a row; 0: the end; -EBADMSG */
void spans_read_finalize(sqlite3_stmt **st);				     /* for CLEANUP() */
int spans_read_string(struct spans_db *db, uint32_t id, char **ret, struct err *err); /* the caller frees */
int spans_read_number(struct spans_db *db, const char *query, int64_t arg, int64_t *ret, struct err *err); /* 0: none */

/* A block: the reader keeps its rows from one to the next; what is borrowed is so until the next one.  -EBADMSG: there is none. */
int spans_read_block(struct spans_db *db, uint32_t n, struct blob_reader *rd, struct blob_parts *ret_logs,
		     struct err *err);
/* The next tree of the block: 1; 0: the end. */
int spans_read_next(struct spans_db *db, struct blob_reader *rd, struct err *err);
/* The blocks, sorted, that have traces whose ids' first 32 bits are between these; the caller frees *ret. */
int spans_read_ids(struct spans_db *db, uint32_t from, uint32_t to, uint32_t **ret, size_t *ret_n, struct err *err);
/* Of shapes from 1 on: service and operation (numbers of strings), flags; the caller frees *ret. */
struct spans_brief {
	uint32_t service, operation, flags;
};
int spans_read_briefs(struct spans_db *db, struct spans_brief **ret, size_t *ret_n, struct err *err);

#endif
