/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_SHOW_H
#define SAKER_CLI_SHOW_H
/* show - what the files of `saker show` share: the command line, and what is open while it runs. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "explain/who.h"
#include "order/order.h"
#include "query/query.h"
#include "store/store.h"

#define SHOW_PATHS 64
#define SHOW_PROGRESS_EVERY (1U << 18) /* events */

enum show_order { SHOW_TIME, SHOW_CAUSAL, SHOW_THREAD };
enum show_what { SHOW_EVENTS, SHOW_EDGES, SHOW_UNMATCHED, SHOW_OFFSETS, SHOW_CAUSES, SHOW_EFFECTS };

struct show_args {
	const char *paths[SHOW_PATHS];
	unsigned int npaths;
	const char *query; /* NULL: all */
	enum show_what what;
	enum show_order order;
	const char *ref; /* of --causes and --effects */
	bool json, wall;
	uint64_t limit;		 /* UINT64_MAX: none */
	uint64_t depth;		 /* of trees; 0: as it fits */
	uint64_t from_ns, to_ns; /* since the recording began; to_ns UINT64_MAX: open */
};

struct show {
	const struct show_args *args;
	struct store_reader *reader;
	struct order *order; /* NULL unless what is asked needs it */
	struct query *query;
	struct query_scope scope;
	struct who *who;
	bool terminal, colour, progress, progress_told;
	uint64_t begun_ns;
	int write_errno;	/* of the standard output */
	uint64_t first_unix_ns; /* of the first event; on host 0's boot clock where the wall clock is unknown */
	uint64_t last_unix_ns;	/* of the last one; only where names are learnt before */
	uint64_t shown;
	struct buf line;
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;		 /* of show_fetch() */
	struct err *err; /* what stopped a callback; res is then negative */
	int res;
};

void show_progress(struct show *s, uint64_t events);
void show_progress_end(struct show *s);

/* show_line.c: one event */
uint64_t show_since_ns(const struct show *s, const struct event *ev);	 /* time since the recording began */
void show_ref(struct show *s, struct order_ref ref);			 /* `123`, or `host:123` of several */
void show_event(struct show *s, const struct event *ev, uint32_t clock); /* as text; clock 0: none */
void show_event_short(struct show *s, const struct event *ev);		 /* without id, padding and end of line */
void show_event_json(struct show *s, const struct event *ev, uint32_t clock);
const char *show_host(const struct show *s, uint32_t host); /* name where there are several, else NULL */
bool show_put(struct show *s); /* writes the line; false: enough, or it cannot be written */
int show_fetch(struct show *s, struct order_ref ref, struct event *ret);

/* show_events.c, show_edges.c, show_tree.c; each: 0, or -errno with s->err set */
int show_events(struct show *s);
int show_edges(struct show *s);
int show_unmatched(struct show *s);
int show_offsets(struct show *s);
int show_tree(struct show *s);
void show_edge_json(struct show *s, const struct order_edge *e, unsigned int depth); /* depth 0: none */

struct show_moment {
	uint32_t host;
	uint64_t boot_ns; /* on its clock */
};
/* When the cause began and when the effect was there; false: one of the events is gone. */
bool show_moments(struct show *s, const struct order_edge *e, struct show_moment *from, struct show_moment *to);
/* Bounds of the time from cause to effect, with the uncertainty between the hosts' clocks; false: unknown. */
bool show_latency(struct show *s, const struct show_moment *from, const struct show_moment *to, int64_t *low,
		  int64_t *high);
void show_latency_text(struct buf *b, int64_t low, int64_t high);

#endif
