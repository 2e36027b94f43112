/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_SPAN_H
#define SAKER_EXPLAIN_SPAN_H
/*
 * span - requests as each end saw them, joined to traces: the rows that explain/requests makes, and that the path, the map,
 * the store of spans, the exports, the page and the command line read.
 *
 * A span of kind server lasts from the event that received the first byte of a request to the one that sent the last
 * byte of its response; one of kind client from the sending to the receiving.  Times are on the clock of the first host
 * (those of others corrected by the middle of the interval that order/offset gives); events keep their own.
 *
 * Threads: written by one, then read by any number.  Memory: sizeof(struct span) a span and the strings, each once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order/order.h"

#define SPAN_NONE UINT32_MAX

enum span_kind { SPAN_SERVER, SPAN_CLIENT, SPAN_INTERNAL, SPAN_KINDS };

/* What says that this span is the child of its parent, strongest first. */
enum span_evidence {
	EVIDENCE_ROOT,	  /* it has no parent */
	EVIDENCE_OFFSETS, /* the two ends of one connection: the same bytes */
	EVIDENCE_ID,	  /* an id in the messages */
	EVIDENCE_THREAD,  /* the thread or goroutine that had received the request, and nothing else since */
	EVIDENCE_HANDOFF, /* a hand-over between threads: futex, pipe, eventfd, socket, goroutine */
	EVIDENCE_ANSWER,  /* the thread that answered the request, since it had answered the one before */
	EVIDENCE_QUEUE,	  /* first come, first served */
	EVIDENCE_KINDS,
};

/* Where the time of a span went; they add up to its duration exactly. */
enum span_time {
	TIME_RUNNING,	    /* on a CPU */
	TIME_CPU_WAIT,	    /* could have run */
	TIME_LOCK,	    /* blocked on a futex or a lock of the kernel */
	TIME_DISK,	    /* on a disk */
	TIME_FAULT,	    /* on a page */
	TIME_SLEEP,	    /* slept because it wanted to */
	TIME_SEND_QUEUE,    /* its bytes waited in its own socket */
	TIME_FLIGHT,	    /* on the way, both directions */
	TIME_RETRANSMIT,    /* lost on the way and sent again */
	TIME_RECEIVE_QUEUE, /* arrived, and not yet read */
	TIME_CHILD,	    /* in another span that it waited for */
	TIME_QUEUE,	    /* handed over, and not yet taken up by a thread */
	TIME_OTHER,	    /* pipe, child process, device, ...: not one of the above */
	TIME_UNKNOWN,	    /* nobody saw (the probe was off, or events were lost) */
	TIME_KINDS,
};

enum span_flags {
	SPAN_FAILED = 1,     /* the response says so */
	SPAN_INCOMPLETE = 2, /* touched by loss: what is told may be incomplete */
	SPAN_TIMING = 4,     /* no parser followed: only the turns of the conversation */
	SPAN_UNANSWERED = 8, /* no response within the recording; internal: its end was not said */
	SPAN_UNASKED = 16,   /* its request was before the recording */
	SPAN_ENCRYPTED = 32, /* TLS that was not seen through */
	SPAN_AMBIGUOUS = 64, /* another parent is as likely */
	SPAN_ONE_WAY = 128,
};

struct span {
	uint64_t trace[2];		  /* high, low: deterministic, see requests.h */
	uint64_t id;			  /* likewise; never 0 */
	uint32_t parent;		  /* index, SPAN_NONE: a root, or its parent was not recorded */
	uint8_t kind, evidence, protocol; /* protocol: see spans_protocol() */
	uint8_t confidence;		  /* of the parent, percent */
	uint32_t flags;
	int32_t status;
	uint32_t host;
	uint32_t service, operation, resource, error,
		peer;		     /* spans_text(); peer: service at the other end, where known */
	uint32_t tgid, tid;	     /* who received (server) or sent (client) the request */
	uint64_t start_ns;	     /* of that thread */
	uint64_t begin_ns, end_ns;   /* on the clock of the first host */
	struct order_ref begin, end; /* events: first byte of the request, last byte of the response */
	uint64_t sock;		     /* cookie of its socket */
	uint64_t request_bytes, response_bytes;
	uint64_t time_ns[TIME_KINDS];
	uint32_t attributes;	    /* what its program said of it: spans_text(), see span_attribute_next() */
	uint32_t blame;		    /* index: whose doing the largest wait is: spans_text(), "": nobody's */
	uint32_t first_child, next; /* by begin_ns; SPAN_NONE */
};

/* A tree of spans. */
struct span_trace {
	uint32_t root, count; /* count: spans */
	uint64_t begin_ns, end_ns;
};

struct spans {
	struct span *rows; /* sorted by begin_ns */
	size_t count, cap;
	struct span_trace *traces; /* sorted by begin_ns */
	size_t ntraces, cap_traces;
	char *text; /* strings, each ends with NUL; offset 0: "" */
	size_t text_len, text_cap;
	const char *protocols[64]; /* static or borrowed from text */
	size_t nprotocols;
};

static inline const char *spans_text(const struct spans *s, uint32_t at)
{
	return s->text && at < s->text_len ? s->text + at : "";
}

static inline const char *spans_protocol(const struct spans *s, const struct span *span)
{
	return span->protocol < s->nprotocols ? s->protocols[span->protocol] : "";
}

/* The id of the trace of a root, where the messages carried none. */
void span_trace_id(uint64_t root_id, uint64_t ret[2]);

void spans_fini(struct spans *s); /* frees rows, traces and text; NULL ok */

const char *span_time_name(enum span_time t);	      /* "running", "waiting for a CPU", ... */
const char *span_time_key(enum span_time t);	      /* of JSON and queries: "running", "cpu_wait", ... */
const char *span_evidence_name(enum span_evidence e); /* "offsets", ... */
const char *span_kind_name(enum span_kind k);

/* A key and what it is: a text, or a number in decimal digits.  None of them ends with NUL. */
struct span_attribute {
	const char *key, *text;
	size_t key_len, text_len;
	bool number;
};

#define SPAN_ATTRIBUTE_NUMBER '\x1d' /* behind the key of a number */
#define SPAN_ATTRIBUTE_TEXT '\x1f'   /* likewise */
#define SPAN_ATTRIBUTE_END '\x1e'

/* *at: spans_text(s, span->attributes), then where the last call left it.  False: no more. */
bool span_attribute_next(const char **at, struct span_attribute *ret);

#endif
