/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_READ_H
#define SAKER_EXPLAIN_SPANS_READ_H
/* spans_read - what the lists of spans_db need of its reading half; for them only. */
#include <sqlite3.h>
#include <stdint.h>

struct err;
struct spans_db;

int spans_read_prepare(struct spans_db *db, const char *text, sqlite3_stmt **ret, struct err *err);
int spans_read_step(struct spans_db *db, sqlite3_stmt *st, struct err *err); /* 1: a row; 0: the end; -EBADMSG */
void spans_read_finalize(sqlite3_stmt **st);				     /* for CLEANUP() */
int spans_read_string(struct spans_db *db, uint32_t id, char **ret, struct err *err); /* the caller frees */
uint64_t spans_read_begin(const struct spans_db *db);				      /* of the first tree */

#endif
