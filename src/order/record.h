/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_ORDER_RECORD_H
#define SAKER_ORDER_RECORD_H
/* record - the rows of the arrays in struct order: what is kept of threads, sockets, messages, edges. */
#include <stdbool.h>
#include <stdint.h>

#include "order/big.h"

#define NONE UINT32_MAX
#define LEAD_UNKNOWN UINT32_MAX
#define LEAD_MS (1U << 31)	/* the rest is in ms, rounded up */
#define ORDER_CANDIDATES_MAX 64 /* ambiguous edges kept for one receive */
#define SLOT_HINT_SHIFT 8

struct order_arrival {
	uint64_t boot_ns;
	uint32_t thread;
	uint32_t id; /* less the host's id_base */
};

enum order_thread_flags {
	THREAD_LOOSE = 1,    /* no program order */
	THREAD_UNSORTED = 2, /* an event came late: sort by time */
	THREAD_IMPORTED = 4,
	THREAD_GO = 16,		/* it ran goroutines: part of its events is theirs */
	THREAD_GOROUTINE = 32,	/* no thread: start_ns is the goroutine's id */
	THREAD_GO_PROCESS = 64, /* of a process that runs a Go program at some time */
	THREAD_MORE = 8,	/* while adding: its last event's call has another */
};

struct order_thread {
	uint64_t start_ns, last_ns;
	uint64_t call_ns, before_ns; /* ends of its last call, and of the one before */
	uint32_t host, tid, tgid;
	uint32_t count;
	uint32_t base;	   /* slot of its first event */
	uint32_t same_tid; /* the thread that had this tid before */
	uint32_t exit;	   /* its exit event, NONE; arrival number, then slot */
	uint32_t column;   /* in the reachability index, NONE */
	uint32_t cp_first; /* its first checkpoint there */
	uint32_t remap;	   /* THREAD_UNSORTED, THREAD_GO...: where order.remap has the slots of its events by place */
	uint32_t flags;
};

enum order_loss_class { LOSS_SEND, LOSS_RECV, LOSS_DGRAM_SEND, LOSS_DGRAM_RECV, LOSS_SIGNAL, LOSS_OTHER, LOSS_CLASSES };

struct order_loss {
	uint64_t from_ns, to_ns; /* sorted: to_ns is the latest so far */
};

struct order_host {
	uint64_t id_base, id_min, id_max; /* id_min > id_max: no events */
	uint64_t count;
	struct big ids;			 /* slots by id - id_min, or (sparse) slots sorted by id */
	struct big losses[LOSS_CLASSES]; /* struct order_loss; sorted by from_ns once solved */
	bool sparse;
	uint32_t loose;	  /* thread, NONE */
	uint64_t shed_ns; /* since then one or more kinds are left out */
	uint32_t shed;	  /* how many; 0: none */
	uint64_t agent;	  /* id by which agents name its events (match_evidence.c), 0: none */
	double shift_ns;  /* clock minus clock of the first host, for display */
};

/* One range of a stream. */
struct order_message {
	uint64_t offset;
	uint32_t bytes;
	uint32_t thread; /* flags above; while matching only the flags and the number matter */
	uint32_t node;	 /* place in the thread; while matching its slot */
	uint32_t lead;	 /* its earliest possible begin: event time - lead; LEAD_UNKNOWN */
};

enum order_message_flags {
	MESSAGE_UNKNOWN = 1U << 28, /* no offset: counted here */
	MESSAGE_COUNTED = 1U << 29, /* the recorder's own counter, taken when the call had ended */
	MESSAGE_AFTER_LOSS = 1U << 30,
	MESSAGE_IMPORTED = 1U << 31,
	MESSAGE_THREAD = MESSAGE_UNKNOWN - 1,
};

/*
 * The messages of one socket in one direction, in order of arrival: chunks in order.messages, each a row of struct
 * order_chunk and then that many messages.  So that matching a connection reads memory in long stretches.
 */
struct order_chunk {
	uint32_t next; /* row, NONE */
	uint32_t cap;
	uint32_t pad[4];
};
_Static_assert(sizeof(struct order_chunk) == sizeof(struct order_message), "a chunk's head is one row");

struct order_list {
	uint32_t first, last; /* chunks' rows */
	uint32_t at, left;    /* row for the next message, how many the last chunk still takes */
	uint32_t count;
};

/* A call on a pipe: order/match_pipe.c */
struct order_pipe_call {
	uint64_t boot_ns;
	uint64_t offset, other; /* own count before the call, the other direction's when it had ended */
	uint32_t sock, thread, node, lead;
	uint32_t units, bytes; /* units: bytes, or packets */
	uint32_t left;	       /* what the pipe held then, NONE: not known */
	uint32_t flags;	       /* enum order_pipe_flags */
};

#define PIPE_PACKET 4096 /* pipe(7): a write of more is several packets */

enum order_pipe_flags { PIPE_CALL_WROTE = 1, PIPE_CALL_PACKETS = 2 };

/* How far off a call's own count of its direction may be, as the other direction counts. */
struct order_shift {
	int64_t low, high;
	bool doubted; /* nothing exact follows from it */
	bool nowhere; /* and it may be anything */
};

enum order_sock_flags {
	SOCK_DESCRIBED = 1,
	SOCK_TUPLE = 2,
	SOCK_OPENED = 4, /* its beginning was seen */
	SOCK_IMPORTED = 8,
	SOCK_AMBIGUOUS = 16, /* several possible other ends */
	SOCK_TX_BASE = 32,   /* *_base are known */
	SOCK_BORN = 64,	     /* it was made while its process was recorded */
};

#define ORDER_PIPE 255 /* in place of an address family */

struct order_sock {
	struct order_list tx, rx; /* what each event needs comes first */
	uint64_t cookie, netns, peer;
	uint64_t first_ns, last_ns;
	uint64_t tx_base, rx_base;   /* offsets when first seen */
	uint64_t tx_total, rx_total; /* highest that was stated */
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t host, isn, peer_isn;
	uint8_t family, socktype, protocol, flags;
	uint32_t mate;		  /* the other end, NONE */
	uint32_t connect, accept; /* events, NONE */
};

/* Who sent to whom, seen from the sender's side in both events. */
struct order_flow {
	uint8_t from[16], to[16]; /* zero: unspecified.  AF_UNIX: cookies */
	uint64_t netns;		  /* loopback only */
	uint32_t host;		  /* loopback and AF_UNIX only, else NONE */
	uint32_t next;
	uint16_t from_port, to_port;
	uint8_t family, protocol, counted, pad;
};

struct order_dgram {
	uint64_t hash;
	uint32_t node, flow, bytes, lead;
	uint32_t flags; /* enum order_dgram_flags */
};

enum order_dgram_flags {
	DGRAM_RECV = 1,
	DGRAM_WHOLE = 2, /* nothing can have waited in its socket's queue when the recording began; or imported */
};

/* fork, start, join, signal, deliver, stop, cont, exit, timer, wake, block_done, block_wake */
struct order_task {
	uint64_t boot_ns;
	uint64_t start_ns; /* of the other thread */
	uint32_t node, host;
	uint32_t tgid, tid; /* the other thread; for deliver, stop, cont, exit: its own */
	uint32_t sender;    /* signal, deliver: process id */
	uint16_t type;
	uint8_t sig, result, flags, what, pad[2]; /* what: wake, enum waitkind */
};

/* goroutine, go_ready */
struct order_goroutine {
	uint64_t boot_ns, goid, by, program;
	uint32_t node;
	uint32_t number;   /* of the program */
	uint64_t since_ns; /* by 0: when the thread did something else before */
	uint32_t thread;
	uint16_t type, pad;
};

/* An event of a thread whose events do not simply lie side by side: THREAD_UNSORTED, THREAD_GO, THREAD_GO_PROCESS. */
struct order_row {
	uint64_t boot_ns;
	uint32_t n; /* arrival number */
	uint32_t thread, place;
	uint32_t unit; /* whose program order it is part of */
	uint32_t mark; /* see goroutine.c */
	uint32_t slot;
};

enum order_edge_flags {
	EDGE_AMBIGUOUS = 1,
	EDGE_AFTER_LOSS = 2,
	EDGE_EARLY = 4,	 /* late.c: received before the send's call ended; takes no part */
	EDGE_HIDDEN = 8, /* what is before that call happens before the receive: takes part, is told to nobody */
};

struct order_raw {
	uint64_t offset;
	uint32_t from, to, bytes;
	uint8_t kind, flags, pad[2];
};

/* A message whose send ended later than its receive; before: the last event before the send's call, NONE. */
struct order_late {
	struct order_raw e;
	uint32_t before;
};

/* Edges sorted by `to`. */
struct order_edges {
	uint32_t count;
	struct big from, offset, bytes, kind; /* u32, u64, u32, u8 (kind | flags << 4) */
};

struct order_unmatched {
	uint32_t slot, bytes;
	uint8_t reason, pad[3];
};

#endif
