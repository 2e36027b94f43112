/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_REQUESTS_IN_H
#define SAKER_EXPLAIN_REQUESTS_IN_H
/*
 * requests_in - what the files of requests share; nobody else includes it but tests that make spans up.
 *
 * requests_collect.c (events -> acts) -> requests_conn.c (acts of a connection -> exchanges -> spans) ->
 * requests_flow.c (for whom each thread worked) -> requests_link.c (parents) -> requests_notes.c (what programs say of
 * themselves) -> requests_time.c (where the time went) -> requests_tree.c (sorted, with ids and traces).
 *
 * An act is an event that took part: a message, a hand-over between threads, a log line, a note.  Acts lie in the order in which
 * the events were added, which on one host is the order of its clock.
 */
#include "base/map.h"
#include "explain/requests.h"
#include "explain/who.h"
#include "order/order.h"
#include "proto/proto.h"

#define NONE UINT32_MAX
#define REQUESTS_HOSTS 256

enum act_kind {
	ACT_SEND,
	ACT_RECV,
	ACT_WRITE, /* pipe */
	ACT_READ,
	ACT_WAKE,  /* ended the wait of unit `other` */
	ACT_READY, /* made goroutine `other` run */
	ACT_FORK,  /* made thread `other` */
	ACT_LOG,
	ACT_CONNECT, /* `other`: the connection */
	ACT_NOTE,    /* `data`: its row of notes + 1 */
};

struct act {
	uint64_t boot_ns, id;
	uint64_t begin_ns;     /* of a send's call; else the same as boot_ns */
	uint64_t offset;       /* message: of its direction; wake: the object that was waited on */
	uint32_t thread, unit; /* unit: the goroutine, or the thread itself */
	uint32_t other;	       /* message: connection, NONE; hand-over: unit that was woken */
	uint32_t bytes;	       /* wake: enum waitkind, by what */
	uint32_t next;	       /* of the same connection */
	uint32_t data;	       /* payload: place in the arena / 8, 0: none */
	uint32_t span;	       /* that the message is part of; wake: for which its thread worked, in the end; NONE */
	uint32_t
		peer; /* messages of no span: act that received it; of one that received: the first that it was sent by */
	uint32_t also; /* the next that was sent to the same, NONE */
	uint8_t kind, what;
	uint16_t host;
	uint32_t switches; /* how often the thread had changed goroutines */
};

/* What is kept of a payload event, in the arena; the bytes follow. */
struct kept {
	uint64_t offset;
	uint32_t bytes, have;
	uint32_t next; /* of the same connection and direction, 0: none */
	uint16_t flags, pad;
};

/* A thread, or a goroutine (tid 0, start_ns its id). */
struct unit {
	uint64_t start_ns, goid, program;
	uint64_t timer_ns; /* threads: when a timer last ended its wait */
	uint32_t host, tgid, tid;
	uint64_t gone_ns;  /* threads: when it ended, 0: not seen */
	uint32_t now;	   /* threads: unit that runs on it */
	uint32_t switches; /* threads: changes of goroutine so far */
	uint32_t ran;	   /* its first row of `ran`, once sorted; NONE */
	uint32_t nran;
};

struct conn {
	uint64_t cookie, netns, listener;
	uint64_t peer; /* AF_UNIX: cookie of the other end */
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t isn, peer_isn, host;
	uint32_t tgid; /* who used it last */
	uint8_t family, socktype, protocol;
	int8_t client;	      /* as in proto_conn_opts */
	uint32_t first, last; /* acts */
	uint32_t connect;     /* act that began it, NONE */
	uint32_t mate;	      /* the other end, NONE */
	/* by direction, 0: received, 1: sent */
	uint32_t kept[2], kept_last[2]; /* payloads, 0: none */
	uint32_t latest[2];		/* datagrams: last act of the socket, NONE */
	uint32_t plain;			/* what TLS carries: a connection of its own, index + 1; 0: not seen */
};

/* What the building needs of a span besides its row; same index. */
struct more {
	uint32_t conn;
	uint32_t request[2], response[2];  /* acts with the first and the last byte, NONE */
	uint64_t offset;		   /* of the request, of the response if unasked */
	uint64_t trace[2], request_id;	   /* hashes: 0: none */
	uint32_t mate;			   /* span of the other end, NONE */
	uint32_t owner;			   /* client, internal: server span on whose behalf, NONE */
	uint32_t unit;			   /* internal: that began it */
	uint8_t how, sure, doubt;	   /* its evidence, percent; another is as likely */
	uint64_t raw_begin_ns, raw_end_ns; /* on its own host's clock */
};

/* A stretch of time in which a unit worked for a span. */
struct segment {
	uint32_t span, thread; /* thread NONE: which one is not known */
	uint32_t unit;
	uint64_t from_ns, to_ns;
	bool queue; /* handed over and not yet taken up */
};

struct ran_row {
	uint64_t since_ns, off_ns, wake_ns, end_ns, preempted_ns, short_ns, object;
	uint32_t thread;
	uint16_t what;
	bool timer; /* it ended the wait */
};

/* A thread waited long for a CPU, and somebody else ran there. */
struct held_row {
	uint64_t since_ns, end_ns, ran_ns;
	uint32_t thread, holder; /* holder: `NAME[PID]` */
};

/* A call that worked on a file, and took its time. */
struct file_row {
	uint64_t begin_ns, end_ns;
	uint32_t thread, path;
};

/* A program says something of itself (saker.h). */
struct note_row {
	uint64_t number; /* begin, end: the program's own number of the span */
	int64_t value;	 /* of a number */
	uint32_t act;
	uint32_t name, text; /* begin: its name; text, number: key, and what it is */
	uint32_t owner;	     /* span for which its thread worked then, NONE: for none */
	uint32_t next;	     /* of the same unit, before the owner is known */
	uint8_t what;	     /* enum notekind */
};

struct log_row {
	uint32_t act, span;
};

struct lost {
	uint64_t from_ns, to_ns;
	uint32_t host;
};

struct trouble {
	uint64_t boot_ns;
	uint32_t conn, what; /* event type */
};

#define ROWS(type)            \
	struct {              \
		type *rows;   \
		size_t count; \
	}

struct requests {
	struct requests_opts opts;
	struct who *who;
	const struct order *order;
	bool built;
	uint64_t bytes, left_out;
	ROWS(struct act) acts;
	ROWS(struct unit) units;
	ROWS(struct conn) conns;
	ROWS(struct ran_row) ran;
	ROWS(struct held_row) held; /* by thread and end, once sorted */
	ROWS(struct more) more;
	ROWS(struct segment) segments;
	ROWS(struct log_row) logs;
	ROWS(struct note_row) notes;
	ROWS(struct trouble) troubles;
	ROWS(struct lost) losses;
	ROWS(struct file_row) files;
	struct map unit_of, conn_of; /* hashed keys */
	struct map text_of;	     /* hash of a string -> its place */
	uint8_t *arena;
	size_t arena_len, arena_cap;
	struct spans spans;
	int64_t epoch_ns[REQUESTS_HOSTS]; /* wall clock - boot clock; 0: unknown */
	int64_t shift_ns[REQUESTS_HOSTS]; /* what to add to be on the clock of the first host */
	uint64_t last_ns[REQUESTS_HOSTS];
	uint32_t nhosts;
	struct order_ref *log_refs; /* sorted by span; as many as logs */
	uint32_t *log_first;	    /* by span, and one more */
	bool pipes;		    /* their events were recorded */
	bool failed;		    /* no memory */
};

/* Room for one more row; NULL: none, r->left_out or r->failed says why. */
void *requests_push(struct requests *r, void *array, size_t size);
#define PUSH(r, list) ((typeof((list).rows))requests_push(r, &(list), sizeof(*(list).rows)))

uint32_t requests_text(struct requests *r, const char *text); /* interned; place in spans.text */
uint32_t requests_conn_find(const struct requests *r, uint32_t host, uint64_t cookie); /* NONE */
const struct kept *requests_kept(const struct requests *r, uint32_t data);

/* requests_ran.c: rows of `ran` by thread; by act, whether its thread had waited for messages since the one before. */
void requests_index_ran(struct requests *r); /* and those of `held` */
size_t requests_held_from(const struct requests *r, uint32_t thread,
			  uint64_t ns);		  /* the first one that ends after ns */
bool requests_waits_for_message(uint16_t what);	  /* enum waitkind */
uint8_t *requests_idle(const struct requests *r); /* the caller frees it; NULL: no memory */

/* The stages of requests_build(), in this order; -ENOMEM. */
int requests_exchanges(struct requests *r); /* spans.rows, more */
int requests_flow(struct requests *r);	    /* owners by threads, segments, logs */
int requests_link(struct requests *r);	    /* parents */
int requests_notes(struct requests *r);	    /* spans of kind internal, attributes */
int requests_times(struct requests *r);	    /* time_ns, blame */
int requests_tree(struct requests *r);	    /* order, children, ids, traces */

bool requests_lost(const struct requests *r, uint32_t host, uint64_t from_ns, uint64_t to_ns); /* once linked */

static inline bool act_is_message(const struct act *a)
{
	return a->kind <= ACT_READ;
}

static inline uint64_t requests_time(const struct requests *r, uint32_t host, uint64_t boot_ns)
{
	return boot_ns + (uint64_t)(host < REQUESTS_HOSTS ? r->shift_ns[host] : 0);
}

#endif
