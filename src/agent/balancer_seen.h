/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_SEEN_H
#define SAKER_AGENT_BALANCER_SEEN_H
/*
 * balancer_seen - what the counters and the connection tables of a balancer that runs say, at one moment; for the command line, the
 * page and Prometheus.
 *
 * Threads: one for each struct.  Memory: 80 bytes a VIP, 64 a backend.  Failure: NULL where there is no memory; what cannot be read
 * counts as 0.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "net/lb/fill.h"
#include "net/lb/lb.h"

struct balancer;
struct buf;
struct chain;

struct seen_count { /* struct chain_count in numbers that PRIu64 fits */
	uint64_t packets, bytes;
};

struct seen_vip {
	struct lb_wish_vip vip;
	uint32_t number;
	struct seen_count sent;
	uint64_t fresh; /* new TCP connections */
};

struct seen_real {
	struct lb_addr addr;
	uint32_t number;
	struct seen_count sent;
	uint64_t conns; /* entries of the connection tables */
	uint64_t again; /* SYNs that came again (net/lb/look.h) */
};

struct seen {
	const struct chain *c; /* borrowed */
	struct seen_vip *vips;
	struct seen_real *reals;
	size_t nvips, nreals;
	const uint64_t *again;	     /* mapped, in seen_new() alone */
	uint16_t place[LB_REALS];    /* of a number in reals, plus 1 */
	struct map by_vip, by_addr;  /* hash -> place plus 1 */
	uint64_t conns, fullest, at; /* entries: of all tables, of the fullest, of the one at hand */
	int cpu;
	struct lb_fill fills[LB_FILL_TABLES];
	size_t nfills;
};

/* Life cycle */
struct seen *seen_new(const struct chain *c);
struct seen *seen_free(struct seen *s); /* NULL ok; returns NULL */

/* Reading.  NULL: it is not there, or s is NULL */
const struct seen_vip *seen_vip(const struct seen *s, const struct lb_wish_vip *vip);
const struct seen_real *seen_real(const struct seen *s, const struct lb_addr *addr);
bool seen_reason(const struct chain *c, uint32_t reason, struct seen_count *ret); /* false: there is no such reason */

/* Writing: what `saker lb stats` prints.  open: as OpenMetrics 1.0, else Prometheus's text format 0.0.4. */
void seen_json(struct buf *out, const struct seen *s, const struct balancer *b);
void seen_prometheus(struct buf *out, const struct seen *s, const struct balancer *b, bool open);
void seen_reasons_json(struct buf *out, const struct chain *c, bool words);

/* For balancer_tables.c: the heads of a family of metrics, and `saker_lb_NAME{interface="..."` without its end. */
struct seen_writing {
	struct buf *out;
	const char *on; /* the interface */
	bool open;
};
void seen_family(const struct seen_writing *w, const char *name, const char *type, const char *help);
void seen_sample(const struct seen_writing *w, const char *name);

static inline void seen_freep(struct seen **s)
{
	(void)seen_free(*s);
}

#endif
