/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_STORY_H
#define SAKER_EXPLAIN_STORY_H
/*
 * story - what happened, in at most STORY_LINES sentences, found by general rules: who was stopped, killed or
 * died, and by whom; who was cut off; who fell silent and for how long; which timer ended a wait, whose answer was
 * waited for; what lifted it; resets, retransmissions, refused connections; log lines at level error; what makes slow
 * requests slow; what an agent did about backends, and what came of it.  No rule knows
 * any application.
 *
 * Use: story_add() every event, then order_solve(), then story_tell().  Every line says whether it was observed
 * or inferred, and cites events.
 *
 * Threads: one.  Memory: about 40 bytes a message event and 32 for each end of a matched message, 24 a timer, at most
 * STORY_BYTES_MAX; beyond that the rest is counted (story_left_out()).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order/order.h"

struct story;
struct err;
struct spans;
struct event;

#define STORY_LINES 8
#define STORY_REFS 3
#define STORY_BYTES_MAX (1ULL << 30)

struct story_line {
	uint64_t boot_ns; /* on the clock of host 0 */
	uint32_t host;
	bool cause;    /* a death, a stop or a cut, not only what followed from it */
	bool inferred; /* put together from the cited events; else each part was observed */
	bool leads;    /* observed, and the first cited event happens before the second */
	unsigned int nrefs;
	struct order_ref refs[STORY_REFS];
	uint32_t weight;   /* what is dropped first when there are too many */
	uint64_t trace[2]; /* a request that shows it; 0, 0: it is not about requests */
	char text[640];
};

/* host_name(arg, host) names the hosts of several recordings; NULL: there is one, and it needs no name. */
int story_new(const char *(*host_name)(void *arg, uint32_t host), void *arg, struct story **ret, struct err *err);
struct story *story_free(struct story *s); /* NULL ok; returns NULL */

/* Before events of the host are added: what to add to its times so that they are on the clock of host 0. */
void story_clock(struct story *s, uint32_t host, int64_t shift_ns);
int story_add(struct story *s, const struct event *ev, struct err *err);
/*
 * Where there are any, once: what makes the slow ones slow is told in one line.  They are read there only.  After story_tell() the
 * lines are chosen anew; its order must still be there.
 */
int story_requests(struct story *s, const struct spans *spans, struct err *err);
int story_tell(struct story *s, const struct order *o, struct err *err);

/* After story_tell(): lines in an order of time that keeps causes before effects; borrowed. */
size_t story_lines(const struct story *s, const struct story_line **ret);
/* What else was seen and is likely another matter, in half a line; "": nothing. */
const char *story_besides(const struct story *s);
uint64_t story_left_out(const struct story *s); /* facts for which there was no room */

/* How many events, by what; borrowed names. */
struct story_count {
	const char *name; /* a place, a type */
	uint32_t tgid;	  /* processes only */
	uint64_t events;
};
/* by: 'h' places, 'p' processes, 't' types; most first.  Returns how many were written to out (at most cap). */
size_t story_counts(const struct story *s, char by, struct story_count *out, size_t cap);

struct story_totals {
	uint64_t first_ns, last_ns, events, lost;
	uint64_t shed; /* how often the recorder left out a further kind of events to keep its budget */
	uint64_t cost_span_ns, cost_user_ns, cost_kernel_ns; /* of the recorder, as it told */
	unsigned int causes;
};
void story_totals(const struct story *s, struct story_totals *ret);

#endif
