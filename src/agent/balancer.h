/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_H
#define SAKER_AGENT_BALANCER_H
/*
 * balancer - the packet functions of one interface, from wish to wish.
 *
 * There is no process that must run: programs and maps are pinned (net/attach.h, net/pin.h), the wish of the moment is a file,
 * and each command takes over what it finds, changes it as one transaction, and leaves.  A lock keeps commands apart.
 *
 * Kept in $SAKER_STATE, or /var/lib/saker: KEY.yaml, the wish that runs; while a change waits to be confirmed KEY.before, the
 * wish to go back to (empty: none), and KEY.pending; KEY.overlay and KEY.health, the agent's (docs/formats/health.md).  Written beside and renamed, so that a crash leaves the one or the other.
 *
 * Threads: one.  Memory: the wish, and what lb_new() takes.
 * Failure: what ran goes on, or runs again.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/attach.h"
#include "net/hop.h"
#include "net/overlay.h"
#include "net/pin.h"
#include "net/wish.h"

struct chain;
struct lb;
struct wish_made;

#define BALANCER_STATE "/var/lib/saker"

struct balancer {
	struct attach attach;
	char state[512];     /* folder */
	int lock;	     /* -1: only reads */
	struct chain *chain; /* NULL: nothing is pinned */
	struct lb *lb;	     /* after balancer_apply() */
	struct buf said;     /* what a person should know of the last apply, a line each */
	bool guarded;	     /* a change waits to be confirmed; this is its time */
	uint64_t guard_boot_ns;
	enum hop_how next; /* how the next hop's link address is found */
};

/* The program that sends checks and what has a mark of the wish's through tunnels (net/lb/health.bpf.c). */
#define BALANCER_EGRESS "health_egress"
/* The one that gives packets in tunnels to a second port of GUE the tunnel's source (the same file). */
#define BALANCER_INGRESS "source_ingress"

/* Life cycle.  write: alone, until closed; waits for others. */
int balancer_open(struct balancer *b, const char *interface, bool write, struct err *err);
void balancer_close(struct balancer *b);
/* To write, but without waiting: -EWOULDBLOCK: somebody changes it now. */
int balancer_try(struct balancer *b, const char *interface, struct err *err);

/* -EPERM, -ENOSYS: this process or kernel cannot do it; the two before ask this, too. */
int balancer_may(bool write, struct err *err);

/* The wish that is kept; *ret has no interface where there is none. */
int balancer_wish(const struct balancer *b, struct wish *ret, struct err *err);
/* Makes the wish run and keeps it.  confirm_s: goes back to what was before, unless balancer_confirm() comes in time; 0: stays. */
int balancer_apply(struct balancer *b, const struct wish_if *f, uint32_t confirm_s, struct err *err);
/*
 * Puts back what ran before a change whose time to be confirmed is over, and says so; to be called before the kept wish is read and
 * made to run again.  Returns 1 if it did, 0 if there is no such change.
 */
int balancer_overdue(struct balancer *b, struct err *err);
/* What is laid over the wish (balancer_overlay.c); of another boot, or unreadable (which is said): nothing. */
void balancer_overlay(struct balancer *b, struct overlay *ret);
/* Makes the kept wish run with this overlay from now on; rows that do not hold are dropped from it. */
int balancer_lay(struct balancer *b, struct overlay *o, struct err *err);
/* A person sets this backend: what is laid over it goes.  The wish is still to be applied. */
int balancer_yield(struct balancer *b, const struct lb_wish_vip *vip, const struct lb_addr *backend, struct err *err);
void balancer_boot_id(char out[64]);

/* -ENOENT: nothing waits. */
int balancer_confirm(struct balancer *b, struct err *err);
/* Takes the programs off; the kept wish goes, too. */
int balancer_detach(struct balancer *b, struct err *err);

/* What is kept of an interface that is gone, its pins among it. */
int balancer_forget(const char *interface, struct err *err);

/* Interfaces of this network namespace that have a wish or pins: calls each(arg, name); returns the first that is not 0. */
int balancer_each(int (*each)(void *arg, const char *interface), void *arg);

/* $SAKER_STATE, or what is usual. */
void balancer_folder(char *out, size_t size);

/* balancer_way.c: where packets go next. */
struct balancer_way {
	struct lb_addr router; /* family 0: its MAC was said, or routes say */
	struct lb_config runs, wanted;
	bool holds; /* what runs is what is wanted, as far as the link layer goes */
};
int balancer_way(struct balancer *b, const struct wish_if *f, struct balancer_way *ret, struct err *err);
/* Makes it so at once.  Returns 1 if anything was written; -EWOULDBLOCK: somebody changes the balancer now. */
int balancer_follow(struct balancer *b, const struct wish_if *f, struct balancer_way *ret, struct err *err);
/* By routes: asks for the next hops, says who does not answer in a second, and has the kernel keep them. */
void balancer_ways_ask(struct balancer *b, const struct wish_if *f);
void balancer_ways_leave(struct balancer *b);

/* What net/lb takes of a wish here and now, the next hop included; it borrows of f. */
int balancer_make(struct balancer *b, const struct wish_if *f, struct wish_made *ret, struct err *err);

/* For balancer_overlay.c */
int balancer_run(struct balancer *b, const struct wish_if *f, struct err *err);
int balancer_run_laid(struct balancer *b, const struct wish_if *f, struct err *err);
/* For balancer.c: puts those programs on the interface if the wish wants them, else takes them off; what fails is said, the rest runs. */
void balancer_beside(struct balancer *b, const struct wish_if *f);
int balancer_beside_detach(struct balancer *b, struct err *err);

/* balancer_pins.c: takes all pins away; one who is killed meanwhile leaves nothing that looks like a chain. */
int balancer_unpin(const struct balancer *b, struct err *err);
/* Ends what one who was killed began: a new chain that runs takes the old one's place, what does not run goes. */
int balancer_finish(struct balancer *b, struct err *err);
int balancer_take(struct balancer *b, struct err *err); /* b->chain, if there is one */

/* For guard.c */
int balancer_put_back(struct balancer *b, struct err *err);
int balancer_file_read(const struct balancer *b, const char *suffix, struct buf *ret, struct err *err); /* -ENOENT */
/* most: bytes; more is -E2BIG */
int balancer_file_read_most(const struct balancer *b, const char *suffix, size_t most, struct buf *ret,
			    struct err *err);
int balancer_file_write(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err);
/* The same, but not brought to the disk: for what is of no use after a restart of the host. */
int balancer_file_replace(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err);
/* The same in two steps: all that can go wrong for want of room does so in the first. */
int balancer_file_stage(const struct balancer *b, const char *suffix, const struct buf *text, struct err *err);
int balancer_file_settle(const struct balancer *b, const char *suffix, struct err *err);
void balancer_file_drop(const struct balancer *b, const char *suffix); /* what was staged */
void balancer_file_remove(const struct balancer *b, const char *suffix);
void balancer_path(const struct balancer *b, const char *suffix, char *out, size_t size);

/* guard.c: a process that puts the wish before back, unless the pending file goes first. */
int guard_start(struct balancer *b, const struct buf *before, uint32_t seconds, struct err *err);
void guard_watch(const struct balancer *b); /* returns in the command; the guard is a process of its own */
bool guard_pending(struct balancer *b);	    /* also fills b->guard_boot_ns */

#endif
