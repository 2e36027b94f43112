/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPANS_SQL_H
#define SAKER_EXPLAIN_SPANS_SQL_H
/* spans_sql - what the writing and the reading half of spans_db share; for them only. */
#include <sqlite3.h>
#include <stdint.h>

#define SPANS_DB_APPLICATION 0x53616b72 /* "Sakr", PRAGMA application_id */
#define SPANS_SHAPE_COLUMNS 13

/* A row of `shapes`; what is a name is a number of `strings`. */
struct spans_shape {
	uint32_t kind, evidence, confidence, flags, status; /* status: as it is signed */
	uint32_t protocol, service, operation, error, peer;
	uint32_t host, begin_host, end_host;
};
_Static_assert(sizeof(struct spans_shape) == SPANS_SHAPE_COLUMNS * sizeof(uint32_t), "no holes: compared as bytes");

struct spans_thread {
	uint32_t tgid, tid;
	uint64_t start_ns;
};

#endif
