/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_TABLES_H
#define SAKER_AGENT_BALANCER_TABLES_H
/*
 * balancer_tables - what `saker lb stats` says of each table: how full it is and will be (net/lb/fill.h), what was found in it and what
 * was not.
 *
 * Threads: any.  Memory: none kept.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/fill.h"

struct buf;
struct seen;
struct seen_writing;

#define TABLES_UNCOUNTED UINT64_MAX

struct table_looks {
	const char *table, *about; /* for people */
	uint64_t hits, misses;	   /* or TABLES_UNCOUNTED */
};

#define TABLES_LOOKS 8
/* Made of the counters of verdicts and notes; returns how many rows were filled. */
size_t tables_looks(const struct seen *s, struct table_looks rows[TABLES_LOOKS]);

/* "connections of CPU 0: ", and one line: "full in about 12 s at 40 new a second; from then on ...". */
void tables_name_text(struct buf *out, const struct lb_fill *f);
void tables_fill_text(struct buf *out, const struct lb_fill *f);
void tables_text(struct buf *out, const struct seen *s);
/* Only what is urgent, a line each. */
void tables_urgent(struct buf *out, const struct seen *s);
/* "tunnels":[...],"tables":[...],"lookups":[...] */
void tables_json(struct buf *out, const struct seen *s);
void tables_prometheus(const struct seen_writing *w, const struct seen *s);

#endif
