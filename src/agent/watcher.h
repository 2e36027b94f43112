/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_WATCHER_H
#define SAKER_AGENT_WATCHER_H
/*
 * watcher - the agent on a backend's host: looks on while it records who uses its ports (agent/record.h), makes signs of it (agent/watch.h),
 * and tells balancers (peer/link.h).
 *
 * Each sign that was sent is an event `report` of the recording, which names the event that it rests on.
 *
 * Threads: one.  Memory: the recorder's, and a connection for each balancer.
 * Failure: what keeps the recording from beginning or going on; a balancer that is away is said, and tried again.
 */
#include <signal.h>
#include <stdint.h>

#include "agent/listeners.h"
#include "peer/secret.h"
#include "peer/sign.h"

struct err;
struct keeper_opts;
struct page;

#define WATCHER_BALANCERS 8
#define WATCHER_ADDRS 48 /* FRAME_ADDRS */
#define WATCHER_PORTS 32

struct watcher_to {
	char address[64];
	uint16_t port;
};

struct watcher_opts {
	struct watcher_to to[WATCHER_BALANCERS];
	unsigned int nto;
	const char *key; /* file */
	struct sign_addr addrs[WATCHER_ADDRS];
	unsigned int naddrs;
	struct listeners_port ports[WATCHER_PORTS];
	unsigned int nports;
	const char *load_of;	    /* control group whose load is told; NULL: the host's */
	const char *dir;	    /* of the recording; NULL: none */
	uint64_t max_bytes;	    /* of it; 0: no limit */
	struct keeper_opts *keeper; /* whose part it has, too: this host is a balancer and a backend; NULL: not so */
	struct page *page;	    /* that shows it, and is not recorded; NULL: none */
};

/* Until *stop is a signal's number.  SIGTERM: the balancers are asked for no new connections first. */
int watcher_run(const struct watcher_opts *opts, volatile sig_atomic_t *stop, struct err *err);

#endif
