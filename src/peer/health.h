/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_HEALTH_H
#define SAKER_PEER_HEALTH_H
/*
 * health - what a VIP's backends are believed to be, and what follows from it: signs in, changes of shares out.
 *
 * A backend's share is what it gets of the weight that a person wishes, in 1/HEALTH_WHOLE.  Rules:
 *
 *  - `down`, share 0: the process that listened there has ended and no other listens, or `fall` checks in a row failed.  It lasts until
 *    a process listens again, or `rise` checks in a row pass; after its time it is looked at again, and tried where nobody knows.
 *  - `ejected`, share 0: within `window` it had so many SYNs again, RSTs, overflows or rises of the round-trip time, and more than
 *    HEALTH_OUTLIER times as many, by its share, as the median of the VIP's other backends that take connections: what all have is no
 *    backend's fault.  It lasts base_eject times the number of its recent ejections, at most max_eject.
 *  - `slow_start`: what comes back gets its share in steps.
 *  - `draining`: its host asks for no new connections.  `suspect`: something speaks against it, but not enough; that its host's agent is
 *    not heard is never more than that.
 *  - Never more than eject_max percent of the VIP's weight are out, and one backend stays: a change beyond is only said (shadow), and
 *    made when there is room.
 *  - What a person changed is left alone (health_yield()) until something good is heard of it, at most max_eject.
 *
 * Pure: time comes as a parameter, CLOCK_BOOTTIME, and does not go back.
 *
 * Threads: one.  Memory: about 1 kB a backend.  Failure: health_wish() alone, and then all is as before.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "peer/sign.h"

struct health;

#define HEALTH_WHOLE 1000
#define HEALTH_EVIDENCE 4
#define HEALTH_WHY 240
#define HEALTH_OUTLIER 3

struct health_rules {
	enum actionmode mode; /* ACTIONMODE_SHADOW, ACTIONMODE_LIVE */
	uint32_t rise, fall, eject_max;
	uint64_t base_eject_ns, max_eject_ns, slow_start_ns, window_ns, effect_ns;
	uint32_t again, resets, overflow;
	bool load;
	uint32_t load_step, load_min, load_max; /* percent */
	uint16_t port;				/* at the backends; 0: any */
	uint8_t proto;
};

struct health_wish {
	struct sign_addr addr;
	uint32_t weight; /* 0: a person drains it */
	bool down;	 /* a person says so */
};

/* A change of a backend's share: of what packets do, or (shadow) of what would be right. */
struct health_change {
	struct sign_addr addr;
	enum actionwhat what;
	enum actionmode mode;
	enum healthstate state;
	enum signkind sign; /* what it is for, first of all */
	uint32_t weight, share_before, share_after;
	uint32_t ejections; /* recent ones, with this */
	bool down;	    /* UDP flows are to leave it, too */
	bool step;	    /* goes on with what the change before began */
	uint64_t expiry_ns; /* 0: never */
	struct sign_event evidence[HEALTH_EVIDENCE];
	unsigned nevidence;
	char why[HEALTH_WHY];
};

/* How long something took: the mean of so many. */
struct health_took {
	uint64_t count, mean; /* count 0: nothing is known */
};

/* Within the rules' effect_ns; of the VIP, but for `packets`. */
struct health_figures {
	uint64_t fresh;		  /* new connections */
	uint64_t packets, others; /* to the backend, and to the VIP's others */
	uint64_t own_bad;	  /* again, resets and failed checks of this backend */
	uint64_t own_told;	  /* overflows and rises of the round-trip time that its host told */
	uint64_t again, resets, failed;
	uint64_t passed; /* checks of this backend that passed */
	/* of the backends that take connections: what clients meet.  Checks that passed, ns; round trips that hosts told of, us */
	struct health_took checks, rtts;
	/* likewise without this backend, so that before and after are of the same ones */
	struct health_took others_checks, others_rtts;
};

/* What is known of a backend; numbers are within the rules' window. */
struct health_view {
	struct sign_addr addr;
	uint32_t weight, share;
	enum healthstate state;
	bool shadow, silent;
	uint64_t since_ns, until_ns;
	const char *why, *check_text;
	uint32_t ejections, passes, fails;
	bool passing, failing;
	uint64_t check_ns, again, resets, overflow, failed, packets, load, rtt_us;
};

/* Life cycle */
struct health *health_new(void);	      /* NULL: out of memory */
struct health *health_free(struct health *h); /* NULL ok; returns NULL */

/* What is wished from now on; what is known of a backend that stays is kept.  -ENOMEM. */
int health_wish(struct health *h, const struct health_rules *rules, const struct health_wish *rows, size_t n,
		uint64_t now_ns);

/* What is seen. */
bool health_about(const struct health *h, const struct sign *s); /* is it about one of the backends? */
void health_sign(struct health *h, const struct sign *s, uint64_t now_ns);
void health_packets(struct health *h, size_t backend, uint32_t packets, uint64_t now_ns); /* sent since the last time */
void health_fresh(struct health *h, uint64_t connections, uint64_t now_ns); /* of the VIP, new since the last time */

/* What follows.  Calls each(arg, ...) for every change; *c is borrowed. */
typedef void (*health_fn)(void *arg, const struct health_change *c);
void health_turn(struct health *h, uint64_t now_ns, health_fn each, void *arg);
/* The same after a sign about one backend: of all only if that one changed, which may have made room for others. */
void health_turn_of(struct health *h, const struct sign_addr *addr, uint64_t now_ns, health_fn each, void *arg);

/* A person changed what an action had changed. */
void health_yield(struct health *h, const struct sign_addr *addr, uint64_t now_ns);
/* An action turned out wrong: the backend gets its share again. */
void health_take_back(struct health *h, const struct sign_addr *addr, uint64_t now_ns, health_fn each, void *arg,
		      const char *why);
/* What an agent before this one did, and holds until its time. */
void health_adopt(struct health *h, const struct sign_addr *addr, enum healthstate state, uint32_t share, bool down,
		  uint64_t since_ns, uint64_t until_ns, uint32_t ejections, const char *why);

/* Reading */
size_t health_count(const struct health *h);
void health_view(const struct health *h, size_t backend, uint64_t now_ns, struct health_view *ret);
int health_find(const struct health *h, const struct sign_addr *addr); /* -ENOENT */
/* takes: the backend itself has connections in that stretch (of the others, it is known). */
void health_figures(const struct health *h, size_t backend, bool takes, uint64_t now_ns, struct health_figures *ret);
uint32_t health_out(const struct health *h); /* percent of the weight that is out */
const struct health_rules *health_rules(const struct health *h);

#endif
