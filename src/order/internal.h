/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_INTERNAL_H
#define SAKER_ORDER_INTERNAL_H
/*
 * internal - what the files of order/ share; nobody else includes it.
 *
 * Adding gives each event an arrival number.  order_solve() then gives it a slot: the events of one thread lie
 * side by side in program order, so that the predecessor of slot s is s - 1 (but for the thread's first), and
 * the edges into a stretch of a thread are one stretch of the edge arrays.  Events outside program order
 * (interrupts, the recorder) share one "loose" thread a host, whose neighbours mean nothing.
 *
 * add.c threads.c -> pair.c match_*.c (raw edges) -> edges.c (sorted) -> clocks.c -> index.c; reach.c asks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "order/big.h"
#include "order/order.h"
#include "order/record.h"
#include "order/table.h"

struct order_bounds; /* offset.c */

struct order {
	struct big_memory memory;
	bool solved;
	uint32_t count;		     /* events */
	bool lost_any[LOSS_CLASSES]; /* on some host */
	/* adding */
	struct big arrival, messages, dgrams, tasks, pipe_calls, goroutines, evidence;
	struct big hosts, threads, socks, flows;
	struct table thread_table, sock_table, program_table, goroutine_table;
	struct table go_begun; /* goroutine.c: when each Go program began -> place in go_known */
	struct big go_known;   /* u64: since when its goroutines are told */
	struct map tid_map, flow_map;
	/* numbering */
	struct big remap;    /* u32: place of arrival -> slot */
	struct big stays;    /* u64: last slot of a goroutine on a thread << 32 | thread */
	struct big slot_of;  /* u32 by arrival number; after clocks.c in causal order */
	struct big time, id; /* u64, u32 by slot */
	struct big starts;   /* bits by slot: no predecessor in program order */
	struct big hint;     /* u32: thread of slot << SLOT_HINT_SHIFT */
	/* edges */
	struct big raw, raw_ambiguous;
	struct big late; /* struct order_late */
	struct order_edges exact;
	struct big in_first, out_first, out; /* u32; in by slot; out holds places in exact */
	struct big ambiguous, ambiguous_out; /* struct order_raw sorted by to; u32 by from */
	struct big unmatched;
	struct big clock; /* u32 by slot */
	struct big cycle; /* struct order_ref */
	/* reachability */
	struct big rows; /* u32 [checkpoint][column] */
	uint32_t columns, spacing;
	uint32_t tune_columns, tune_spacing; /* tests: the most columns, the spacing; 0: as index.c says */
	/* offsets */
	struct order_bounds *bounds;
	size_t nbounds;
	struct order_stats stats;
};

#define HOSTS(o) BIG_AT(&(o)->hosts, struct order_host)
#define THREADS(o) BIG_AT(&(o)->threads, struct order_thread)
#define SOCKS(o) BIG_AT(&(o)->socks, struct order_sock)
#define NTHREADS(o) ((uint32_t)BIG_COUNT(&(o)->threads, struct order_thread))
#define NSOCKS(o) ((uint32_t)BIG_COUNT(&(o)->socks, struct order_sock))
#define NHOSTS(o) ((uint32_t)BIG_COUNT(&(o)->hosts, struct order_host))
#define SLOT_OF(o) BIG_AT(&(o)->slot_of, uint32_t)
#define TIME(o) BIG_AT(&(o)->time, uint64_t)
#define CLOCK(o) BIG_AT(&(o)->clock, uint32_t)
#define IN_FIRST(o) BIG_AT(&(o)->in_first, uint32_t)
#define OUT_FIRST(o) BIG_AT(&(o)->out_first, uint32_t)
#define FROM(o) BIG_AT(&(o)->exact.from, uint32_t)

/* threads.c */
struct order_thread *order_thread_get(struct order *o, uint32_t host, uint32_t tid, uint64_t start_ns);
uint32_t order_thread_find(const struct order *o, uint32_t host, uint32_t tid, uint64_t start_ns);
uint32_t order_thread_last(const struct order *o, uint32_t host, uint32_t tid); /* then .same_tid */
uint32_t order_loose(struct order *o, uint32_t host); /* for events outside program order; NONE: no memory */
int order_number(struct order *o);
uint32_t order_slot(const struct order *o, struct order_ref a); /* NONE: no such event */
struct order_ref order_slot_ref(const struct order *o, uint32_t slot);
uint32_t order_thread_of(const struct order *o, uint32_t slot);
uint32_t order_after(const struct order *o, uint32_t thread, uint64_t ns);    /* its first slot at or after, NONE */
uint32_t order_place(const struct order *o, uint32_t thread, uint32_t place); /* slot of the place-th that came */
/* Sorts rows by unit or thread, then by time and arrival.  False: no memory. */
bool order_rows_group(struct order *o, struct order_row *rows, size_t count, bool by_unit);

static inline uint32_t order_slot_host(const struct order *o, uint32_t slot)
{
	return NHOSTS(o) == 1 ? 0 : THREADS(o)[order_thread_of(o, slot)].host;
}

/* The predecessor in program order, NONE: none. */
static inline uint32_t order_before(const struct order *o, uint32_t slot)
{
	return BIG_AT(&o->starts, uint64_t)[slot / 64] >> (slot % 64) & 1 ? NONE : slot - 1;
}

/* goroutine.c, in this order */
void order_goroutines_begin(struct order *o);
void order_goroutines_deal(struct order *o, struct order_row *rows, size_t count);
void order_goroutines_stays(struct order *o, const struct order_row *rows, size_t count);

/* sock.c */
struct order_sock *order_sock_get(struct order *o, uint32_t host, uint64_t cookie, uint64_t boot_ns);
struct order_sock *order_sock_again(struct order *o, struct order_sock *s);	    /* a new connection, same cookie */
struct order_sock *order_pipe_get(struct order *o, uint32_t host, uint64_t stream); /* both its ends in one */
uint32_t order_sock_find(const struct order *o, uint32_t host, uint64_t cookie);
uint32_t order_flow_get(struct order *o, const struct order_flow *flow);

/* The earliest time at which the event in that slot can have begun; 0: unknown. */
static inline uint64_t order_begin(const struct order *o, uint32_t slot, uint32_t lead)
{
	uint64_t ns = lead & LEAD_MS ? (lead & ~LEAD_MS) * 1000000ULL : lead, now = TIME(o)[slot];

	return lead == LEAD_UNKNOWN || ns > now ? 0 : now - ns;
}

/* loss.c: was an event of that class lost on the host in that time? */
void order_loss_add(struct order *o, uint32_t host, uint16_t type, uint64_t from_ns, uint64_t to_ns);
void order_losses_sort(struct order *o);
bool order_lost(const struct order *o, uint32_t host, enum order_loss_class what, uint64_t from_ns, uint64_t to_ns);

/* Matching; each writes raw edges */
void order_pair(struct order *o);
void order_match_tasks(struct order *o);
void order_match_signals(struct order *o);
void order_match_wakes(struct order *o);
void order_match_goroutines(struct order *o);
/* Every event passes here; n is its arrival number. */
void order_evidence_add(struct order *o, const struct event *ev, uint32_t n);
void order_match_evidence(struct order *o);
void order_match_streams(struct order *o);
/* One direction whose offsets were counted, or contradict each other; rows are by offset, node is the slot. */
struct order_side {
	struct order_message *m;
	uint32_t count, sock;
	bool numbered;			 /* datagrams: an offset is the number of a message, of any size */
	bool pipe;			 /* numbered: a write is as many packets as pages */
	const struct order_shift *shift; /* by message; NULL: both directions count alike */
};
void order_match_counted(struct order *o, const struct order_side *tx, const struct order_side *rx);
enum order_reason order_send_reason(const struct order *o, uint32_t from, uint64_t offset, uint64_t last, uint64_t ns);
enum order_reason order_recv_reason(const struct order *o, uint32_t to, uint64_t offset, uint64_t first);
void order_match_dgrams(struct order *o);
void order_match_pipes(struct order *o);
void order_match_numbered(struct order *o); /* AF_UNIX datagrams with a number; nodes are slots */

/* edges.c.  begin_ns: when the cause began (0: unknown), for the clock offsets and late.c. */
void order_edge_add(struct order *o, const struct order_raw *e, uint64_t begin_ns);
void order_late_add(struct order *o, const struct order_raw *e, uint64_t begin_ns);
void order_late_settle(struct order *o);
void order_unmatched_add(struct order *o, uint32_t slot, uint32_t bytes, enum order_reason reason);
int order_edges_sort(struct order *o);
void order_edge_drop(struct order *o, uint32_t place); /* becomes ambiguous; sort again */

/* clocks.c, cycle.c, index.c, offset.c */
int order_clocks(struct order *o);
void order_cycle_find(struct order *o, uint32_t slot, struct big *ret_slots, uint32_t *ret_edge);
int order_index(struct order *o);
void order_offset_point(struct order *o, uint32_t from_host, uint32_t to_host, uint64_t sent_ns, uint64_t received_ns);
void order_offset_solve(struct order *o);
void order_offset_fini(struct order *o);

#endif
