/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_SERVE_H
#define SAKER_SERVE_SERVE_H
/*
 * serve - recordings over HTTP: the page, and the JSON behind it (docs/design/api.md).
 *
 * Only GET and HEAD; nothing can be changed through it.  Every answer wants the token, but for the files of the page,
 * which are the same for everybody.  Host and Origin are checked, so that no other site's page reaches it by a name that
 * it points here (DNS rebinding).
 *
 * Threads: serve_start() makes its own; the others are called by one.
 * Memory: the index of what is served (about 90 bytes an event with order/, while it loads twice that; model.h) and
 * SERVE_CONNECTIONS answers of bounded size.
 * Failure: a recording that cannot be read is an error of serve_start() or, once it is live, is told by the API.
 */
#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct serve;

#define SERVE_ADDRESS "127.0.0.1"
#define SERVE_PORT 7070
#define SERVE_PORTS 20 /* that are tried where none was asked for */
#define SERVE_CONNECTIONS 64
#define SERVE_TOKEN_MAX 128

/* A balancer that runs is another module's; serve only asks, and only these. */
enum serve_lb_ask {
	SERVE_LB_STATE, /* text: VIPs between spaces, whose backends are told, too; the answer is JSON: docs/design/api.md */
	SERVE_LB_METRICS, /* in Prometheus's text format */
	SERVE_LB_OPENMETRICS,
	SERVE_LB_WHY, /* text: SRC:PORT > VIP:PORT/tcp; what becomes of a packet of it, as `saker lb why --json` says it */
};

struct serve_lb_question {
	enum serve_lb_ask what;
	char on[16];	  /* interface; "": the first */
	const char *text; /* what it is about; "": nothing more */
};

/* 0 with the answer in *out, or -errno with *err set.  Any thread. */
typedef int serve_lb_fn(void *arg, const struct serve_lb_question *q, struct buf *out, struct err *err);

struct serve_opts {
	const char *const *paths; /* recordings; borrowed until serve_free() */
	unsigned int npaths;	  /* 0: only what lb tells */
	serve_lb_fn *lb;	  /* NULL: no balancer is looked at */
	void *lb_arg;
	const char *address; /* NULL: SERVE_ADDRESS */
	uint16_t port;
	bool port_given;				 /* else the next free one is taken where `port` is in use */
	const char *token;				 /* NULL: random */
	bool live;					 /* follow recordings that grow */
	void (*damage)(void *arg, const char *sentence); /* told each bad block; may be NULL */
	void *arg;
};

/* Listens, then loads in a thread of its own; requests that come before wait. */
int serve_start(const struct serve_opts *opts, struct serve **ret, struct err *err);
struct serve *serve_free(struct serve *s);    /* NULL ok; stops; returns NULL */
const char *serve_url(const struct serve *s); /* with the token; borrowed */
/* Waits until all is loaded: 0, or what went wrong. */
int serve_loaded(struct serve *s, struct err *err);

#endif
