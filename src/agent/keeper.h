/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_KEEPER_H
#define SAKER_AGENT_KEEPER_H
/*
 * keeper - the agent of a host: keeps every interface that has a wish, hears what speaks for or against backends, acts, and looks
 * at what came of it.
 *
 * What packets do needs no agent (agent/balancer.h); this process may end and begin again at any time.  It takes a balancer's lock only
 * while it changes something, so that a person's commands work beside it, and what a person changes it leaves alone
 * (agent/overlay.h).
 *
 * What sees signs is a part (struct keeper_part), listed in keeper_parts.c: it offers a file descriptor and takes turns in the one
 * loop.  Parts pass signs to keeper_sign().
 *
 * Threads: one.  Memory: wishes, and what peer/health.h and peer/action.h say.
 * Failure: an interface that cannot be kept is said and tried again; a part that cannot begin ends the start.
 */
#include <stdint.h>

#include "net/wish.h"
#include "peer/sign.h"

struct chain;
struct diary;
struct err;
struct keeper;
struct loop;
struct page;

/* Who comes from that address may speak for that backend, too. */
struct keeper_peer {
	struct sign_addr from, backend;
};

struct keeper_opts {
	struct diary *diary;	/* of somebody else, who has the loop, too (keeper_step()); NULL: its own */
	const char *record_dir; /* of the agent's own recording; NULL: none */
	uint64_t max_bytes;	/* of it; 0: no limit */
	/* agents on backends' hosts (keeper_link.c) */
	char listen_address[64]; /* "": any */
	uint16_t listen_port;	 /* 0: none are heard */
	const char *key;	 /* file */
	const struct keeper_peer *peers;
	unsigned int npeers;
	struct page *page; /* that shows what is kept and recorded, once it is; NULL: none */
};

/* Life cycle.  opts is borrowed. */
int keeper_new(const struct keeper_opts *opts, struct keeper **ret, struct err *err);
struct keeper *keeper_free(struct keeper *k);	   /* NULL ok; returns NULL */
int keeper_run(struct keeper *k, struct err *err); /* until SIGINT or SIGTERM */
/* Or in somebody else's loop, who takes the signals: once, and then as often as he can, which does not wait. */
int keeper_begin(struct keeper *k, struct err *err);
int keeper_step(struct keeper *k, struct err *err);

/* For parts */
struct keeper_part {
	const char *name;
	/* *ret NULL: there is nothing to do for it. */
	int (*open)(struct keeper *k, void **ret, struct err *err);
	int (*fd)(void *part); /* readable: it wants a turn; asked once */
	int (*turn)(void *part, uint64_t now_ns);
	void (*wished)(void *part); /* NULL ok; the wishes are other ones than before, also after open() */
	void (*close)(void *part);
};
extern const struct keeper_part *const keeper_parts[]; /* NULL at the end */

const struct keeper_opts *keeper_options(const struct keeper *k);
struct diary *keeper_diary(struct keeper *k);
struct loop *keeper_loop(struct keeper *k);
/* A sign_fn; arg is the keeper. */
void keeper_sign(void *keeper, const struct sign *s);
/* A line for a person, on standard error. */
void keeper_say(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * Each interface: its wish as a person wants it, and its maps (NULL: nothing runs).  Both are the keeper's, until the next
 * wished().  Returns the first that is not 0.
 */
typedef int (*keeper_fn)(void *arg, const struct wish_if *wish, const struct chain *chain);
int keeper_each(const struct keeper *k, keeper_fn each, void *arg);

#endif
