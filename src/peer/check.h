/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_CHECK_H
#define SAKER_PEER_CHECK_H
/*
 * check - asks backends whether they serve, again and again, as a client would.
 *
 * A check is a connection to the VIP's address from a socket with the backend's mark, which the interface's program leads to just that
 * backend (net/lb/health.bpf.c); its answers come back directly, as clients' do.  Where there is no tunnel (NAT), it goes to the
 * backend's own address.  What a check says of its backend is a sign (peer/sign.h); a check that could not be sent says nothing of it: it is
 * counted and told, and no sign is given.
 *
 * Each target has its moment within the interval, by a hash with a seed of this engine, so that checks are spread and two balancers do
 * not ask at once.  Sockets are bounded (`flight`), as are starts per second (`rate`); what has to wait is late, and counted.
 *
 * Threads: one.  No threads inside: a file descriptor that is readable when checks_turn() has something to do.
 * Memory: 400 bytes a target, 1 KB an ask, 20 KB a check in flight, 10 KB for each ask's histogram.
 * Failure: sentences; a target that cannot be asked does not keep others waiting.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hist.h"
#include "peer/sign.h"

struct checks;
struct err;

#define CHECKS_MAX 65536 /* targets */
#define CHECK_TEXT 120	 /* of what was seen */
#define CHECK_ASK_TEXT 200

enum check_kind { CHECK_TCP, CHECK_HTTP, CHECK_HTTPS, CHECK_TLS, CHECK_UDP, CHECK_KINDS };

enum check_outcome {
	CHECK_PASSED,
	CHECK_REFUSED,	   /* the port is closed */
	CHECK_UNREACHABLE, /* a router or host said so */
	CHECK_NO_CONNECT,  /* no answer to the connection's first packets */
	CHECK_SILENT,	   /* connected, and no answer, or half of one */
	CHECK_CLOSED,	   /* the connection ended before the answer */
	CHECK_STATUS,	   /* HTTP: another status than wanted */
	CHECK_OTHER_TEXT,  /* the answer is not what is wanted */
	CHECK_BROKEN,	   /* no HTTP */
	CHECK_NO_TLS,	   /* the handshake failed */
	CHECK_CERTIFICATE, /* it is not valid, and it was to be verified */
	CHECK_NOT_SENT,	   /* by this host's fault: says nothing of the backend */
	CHECK_OUTCOMES,
};

/* How the backends of one service are asked, and about what signs speak. */
struct check_ask {
	enum check_kind kind;
	uint32_t interval_ms, timeout_ms, rise, fall;
	uint16_t status_from, status_to;
	bool verify;
	char interface[16]; /* by which packets with a mark leave; empty: as routes say */
	char host[128], path[CHECK_ASK_TEXT], text[CHECK_ASK_TEXT];
	uint8_t send[CHECK_ASK_TEXT], answer[CHECK_ASK_TEXT];
	uint32_t send_bytes, answer_bytes;
	struct sign_addr vip; /* of signs */
	uint16_t vip_port;    /* of signs: at the backend; 0: all */
	uint8_t vip_proto;
};

struct check_target {
	uint32_t ask; /* which */
	uint32_t mark;
	struct sign_addr backend, to; /* to: what is connected to */
	uint16_t port;
	uint64_t tag; /* the caller's */
};

enum check_health { CHECK_UNKNOWN, CHECK_GOOD, CHECK_BAD };

struct check_state {
	enum check_health health;     /* by rise and fall */
	enum check_outcome outcome;   /* of the last check */
	uint32_t in_row;	      /* checks in a row that say the same, without those that were not sent */
	uint64_t checked_ns, took_ns; /* of the last one; CLOCK_BOOTTIME; 0: there was none */
	uint64_t counts[CHECK_OUTCOMES];
	uint64_t late;	       /* began more than an interval after its moment */
	char text[CHECK_TEXT]; /* of the last one */
};

struct checks_opts {
	sign_fn sign; /* NULL: nobody wants them */
	void *arg;    /* of all functions here */
	/* Packets that left with the target's mark so far: if none does, the check was not sent.  NULL: unknown. */
	uint64_t (*left)(void *arg, const struct check_target *t);
	/* After each check.  NULL ok */
	void (*done)(void *arg, const struct check_target *t, const struct check_state *s);
	uint64_t (*now)(void); /* NULL: CLOCK_BOOTTIME */
	uint32_t flight, rate; /* at most at once, and begun in a second; 0: 256, 5000 */
	bool once;	       /* each target once, at once */
};

/* Life cycle */
int checks_new(const struct checks_opts *opts, struct checks **ret, struct err *err);
struct checks *checks_free(struct checks *c); /* NULL ok; returns NULL */

/* What is to be asked from now on; copied.  Targets that were asked likewise keep what is known of them.  -E2BIG, -ENOMEM. */
int checks_set(struct checks *c, const struct check_ask *asks, size_t nasks, const struct check_target *targets,
	       size_t ntargets, struct err *err);
int checks_fd(const struct checks *c);
int checks_turn(struct checks *c, uint64_t now_ns);

/* Reading: borrowed until the next call */
size_t checks_count(const struct checks *c);
const struct check_target *checks_target(const struct checks *c, size_t i, const struct check_state **ret_state);
const struct check_ask *checks_ask(const struct checks *c, size_t i);
const struct hist *checks_took(const struct checks *c, size_t ask); /* us, of checks that passed */
size_t checks_waiting(const struct checks *c);			    /* `once`: not done yet */
const char *check_kind_name(enum check_kind kind);		    /* "tcp", ... */
const char *check_outcome_name(enum check_outcome outcome);	    /* "passed", "refused", ... */

#endif
