/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_WATCH_H
#define SAKER_AGENT_WATCH_H
/*
 * watch - makes signs of what happens to one port of this host: of events as they are recorded, and of the kernel's own counts.
 *
 * An event of the recording says why, the kernel's list of listening sockets says whether: a server of many processes goes on
 * listening when one of them ends.  So after an event that may be the end of it the list is asked again and again, for a second.
 * What no event tells is polled: listening sockets and their drops every WATCH_POLL_NS, round trips and load every WATCH_SLOW_NS.
 *
 * Nothing is read here but what the caller hands over, so it can be tested without a kernel.
 * Threads: one.  Memory: the struct, and 16 bytes for each of at most WATCH_CONNECTIONS open connections.
 * Failure: none; of connections beyond these an RST that the closing process sends is not told.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/listeners.h"
#include "base/map.h"
#include "peer/sign.h"

struct event_header;

#define WATCH_POLL_NS 100000000ULL
#define WATCH_SLOW_NS 1000000000ULL
#define WATCH_CONNECTIONS 65536
#define WATCH_ENDED 32		     /* processes that ended, of which the listening one is looked for */
#define WATCH_LATE_NS 50000000ULL    /* what happened is in the recorder's hands by then */
#define WATCH_DOUBT_NS 1000000000ULL /* after an event: so long the list is asked in each turn */

/* Something that may be why the port's listening sockets change. */
struct watch_cause {
	struct sign_event event; /* boot_ns 0: none */
	uint64_t sock;		 /* of close and listen: its cookie */
	uint32_t tgid;
	char text[80];
};

struct watch {
	struct listeners_port port;
	bool host;				       /* it tells the host's load, too */
	void (*sign)(void *arg, const struct sign *s); /* backend is not filled in */
	void *arg;
	bool known, listening, leaving;
	struct listeners last;
	uint64_t doubt_ns, poll_ns, slow_ns; /* until; when next */
	uint64_t fewer_ns;		     /* since then fewer listen, and no event has said why; 0: not so */
	struct watch_cause ended[WATCH_ENDED], closed, begun;
	unsigned int nended; /* ever */
	/* since the last sign of it */
	uint64_t resets, resets_ns;
	struct sign_event reset;
	struct map
		accepted; /* cookies of the port's connections: when one is reset by who closes it, its port is forgotten already */
	uint64_t drops, rtt_us, rtt_told, rtt_ns, load_told, load_ns;
	bool slow;
	struct sign state; /* the last of LISTENING, EXIT: what a balancer that comes later is told */
};

/* host: it tells what is of the host and not of a port, too. */
void watch_init(struct watch *w, const struct listeners_port *port, bool host,
		void (*sign)(void *arg, const struct sign *s), void *arg);
void watch_fini(struct watch *w);

/* An event of the recording; host is the recording's id. */
void watch_event(struct watch *w, const struct event_header *h, uint64_t host);

/* Is the list of listening sockets wanted now?  Then watch_listeners(). */
bool watch_wants_listeners(const struct watch *w, uint64_t now_ns);
void watch_listeners(struct watch *w, const struct listeners *l, uint64_t now_ns);

/* Are round trips and load wanted now?  load: 1/1000 of what the host can do. */
bool watch_wants_slow(const struct watch *w, uint64_t now_ns);
void watch_slow(struct watch *w, const struct listeners_rtt *rtt, uint32_t load, uint64_t now_ns);

void watch_tick(struct watch *w, uint64_t now_ns); /* sums that are due */
void watch_leave(struct watch *w, uint64_t now_ns);
void watch_stay(struct watch *w, uint64_t now_ns); /* takes that back: says again what is the case */
/* Says again what is the case, to one who comes now. */
void watch_again(struct watch *w, uint64_t now_ns);

#endif
