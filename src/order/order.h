/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_ORDER_H
#define SAKER_ORDER_ORDER_H
/*
 * order - exact happens-before over the events of all hosts.
 *
 * Events are added once, in any order between threads and hosts (each thread's own events in their order);
 * order_solve() matches what was added, builds the graph and assigns logical clocks in O(V+E).
 * Edges: program order (task context only), create -> start, end -> join, signal -> delivery,
 * connect -> accept, send -> receive by byte range (or byte counts for imports), datagrams, AF_UNIX, wake-ups by
 * threads (those for a lock inside of the kernel are none: they order nothing that a program asked for).
 * Where the kernel shows no order an edge is ambiguous: kept apart with its candidates, it takes no part in
 * happens_before.  Nor does an early one: a call that waits in its middle may be woken by who has received its first
 * bytes, so that neither event happens before the other; what the sender did before the call happens before both.
 *
 * Threads: none shared while adding; after order_solve() any number may read.
 * Memory: at most 64 bytes an event with the index; arrays move to an unlinked file in $TMPDIR beyond
 * opts.memory_bytes.
 * Failure: a cycle (impossible in a faithful recording) is reported as a shortest one, clocks are then of the
 * graph without its last edge.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct order;
struct err;
struct event;

/* Names one event: host as in struct event, id likewise. */
struct order_ref {
	uint32_t host;
	uint64_t id;
};

enum order_kind {
	ORDER_PROGRAM, /* consecutive in one thread */
	ORDER_CREATE,  /* fork -> the child's first event */
	ORDER_JOIN,    /* the child's last event -> join */
	ORDER_SIGNAL,  /* signal -> deliver */
	ORDER_CONNECT, /* connect -> accept */
	ORDER_MESSAGE, /* send -> receive of at least one common byte, or of one datagram */
	ORDER_TIMER,   /* what armed or caused -> end of wait */
	ORDER_WAKE,    /* wake -> the woken thread's next event */
	ORDER_LOCK,    /* the same where it waited on a futex: a lock, a condition, a semaphore, the end of a thread */
	ORDER_DISK,    /* request -> its end, and -> the end of a wait for it -> what the woken thread did next */
	ORDER_GOROUTINE, /* what made a goroutine run; its end with its thread */
	ORDER_EVIDENCE,	 /* what an agent's report, action, ... rests on */
	ORDER_REPORT,	 /* what an agent reported -> what the other was told */
	ORDER_KINDS
};

struct order_edge {
	struct order_ref from, to;
	uint8_t kind;	 /* enum order_kind */
	bool ambiguous;	 /* one of several candidates for `to` */
	bool after_loss; /* derived next to a stretch with loss */
	bool early;	 /* received before the call that sent it had ended, and that call waited: see below */
	uint64_t offset; /* messages: first common byte of the direction */
	uint32_t bytes;	 /* messages: how many in common */
};

struct order_opts {
	uint64_t memory_bytes; /* 0: half of the machine's memory */
};

/* Life cycle */
int order_new(const struct order_opts *opts, struct order **ret, struct err *err); /* opts NULL ok */
struct order *order_free(struct order *o);					   /* NULL ok; returns NULL */

/* Writing */
int order_add(struct order *o, const struct event *ev, struct err *err); /* what is needed of ev is copied */
int order_solve(struct order *o, struct err *err);

/* Reading, after order_solve() */
/* 1: a happens before b (a != b); 0: not (b before a, concurrent, or equal); -ENOENT: no such event. */
int order_happens_before(const struct order *o, struct order_ref a, struct order_ref b);
/* Lamport clock: longest path from any root, 1 for roots; 0: no such event. */
uint32_t order_clock(const struct order *o, struct order_ref a);
/* All edges, grouped by `to` as order_causal() walks; return false from cb to stop.  Program order edges only if asked. */
typedef bool order_edge_fn(void *arg, const struct order_edge *e);
int order_edges(const struct order *o, bool with_program, order_edge_fn *cb, void *arg);
/* Edges into (causes) or out of (effects) one event, program order included.  -ENOENT. */
int order_causes(const struct order *o, struct order_ref a, order_edge_fn *cb, void *arg);
int order_effects(const struct order *o, struct order_ref a, order_edge_fn *cb, void *arg);
/* All events in an order that extends happens-before: by (clock, time corrected by host offset, host, id).  -ENOMEM. */
typedef bool order_ref_fn(void *arg, struct order_ref a, uint32_t clock);
int order_walk(const struct order *o, order_ref_fn *cb, void *arg);
/* All events in another order that extends it: that in which they were added, but none before its causes.  Where they
 * were added in the order of a recording, neighbours there stay near each other, so fetching each one is cheap. */
void order_causal(const struct order *o, order_ref_fn *cb, void *arg);

enum order_reason {
	ORDER_PEER_NOT_RECORDED, /* no event of the other end's socket */
	ORDER_PEER_UNKNOWN,	 /* the socket itself was never described */
	ORDER_BEFORE_RECORDING,	 /* the bytes were sent before the recording began */
	ORDER_AFTER_RECORDING,	 /* not received when it ended, or the connection was reset */
	ORDER_LOST,		 /* the other end has a stretch of loss there */
	ORDER_AMBIGUOUS,	 /* several candidates: see the ambiguous edges */
	ORDER_NO_OFFSET,	 /* AF_UNIX sockets that were open before, kTLS: no place in the stream */
	ORDER_REASONS
};
const char *order_reason_text(enum order_reason reason);
const char *order_kind_name(enum order_kind kind);

/* Messages with at least one byte that found no other end. */
typedef bool order_unmatched_fn(void *arg, struct order_ref a, enum order_reason reason, uint64_t bytes);
void order_unmatched(const struct order *o, order_unmatched_fn *cb, void *arg);

struct order_stats {
	uint64_t events, threads, goroutines, hosts, edges[ORDER_KINDS], ambiguous, bytes_of_memory;
	uint64_t messages, matched, unmatched[ORDER_REASONS]; /* messages: sends + receives with bytes */
	uint32_t max_clock;
	size_t cycle; /* length of the cycle that was found, 0: none */
};
void order_get_stats(const struct order *o, struct order_stats *ret);
const struct order_ref *order_cycle(const struct order *o, size_t *ret_len);

/*
 * Clock of host b minus clock of host a at boot time a_ns of a, as an interval, from messages in both
 * directions (each message: received not before sent).  It is true as long as neither clock was corrected by more than
 * 500 ppm.  drift: how fast they part on average between the first and the last message, in ns/s.  -ENODATA: no message in
 * one direction (then the bound that exists is set, the other is INT64_MIN or INT64_MAX).
 */
struct order_offset {
	int64_t low_ns, high_ns;
	double drift_low, drift_high;
	uint64_t messages_ab, messages_ba;
};
int order_host_offset(const struct order *o, uint32_t a, uint32_t b, uint64_t a_ns, struct order_offset *ret);
/* The same at a moment at which the interval is narrowest; *ret_a_ns is set if there is any message between them. */
int order_host_offset_best(const struct order *o, uint32_t a, uint32_t b, uint64_t *ret_a_ns, struct order_offset *ret);

#endif
