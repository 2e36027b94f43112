/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_RECORD_H
#define SAKER_AGENT_RECORD_H
/*
 * record - one recording from start to end: probes, rings and store wired together.
 *
 * Threads: the caller's only.  Memory: STORE_PENDING_MAX, the store's tables, and the rings.
 * Failure: a full disk or a broken store ends the recording with the reason; what was written is whole.
 */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/goroutines.h"

struct err;

#define RECORD_PAYLOAD 256 /* bytes of a message by default */
#define RECORD_FLIGHT_PARENT "/var/lib/saker"
#define RECORD_FLIGHT_DIR RECORD_FLIGHT_PARENT "/flight" /* of the flight recorder, and what freeze takes by default */

struct event_header;

/*
 * Somebody who looks on while events are recorded, and adds some of his own.  All on the recorder's thread, in this order: begin, ready()
 * of record_run(), see and tick, end.
 */
struct record_observer {
	void (*begin)(void *arg, int (*put)(void *put_arg, const struct event_header *h), void *put_arg);
	void (*see)(void *arg,
		    const struct event_header *h); /* each event of the kernel, before it is stored; borrowed */
	int (*tick)(void *arg, uint64_t now_ns);   /* every 10 ms at latest; < 0 ends the recording */
	/* Processes that are to be recorded from now on, too, at most cap: how many; asked after each tick.  NULL: none ever */
	size_t (*more)(void *arg, uint32_t *ret_pids, size_t cap);
	void (*end)(void *arg); /* put still works */
	void *arg;
};

struct record_opts {
	const char *dir;			/* NULL: nothing is stored; only for an observer */
	const struct record_observer *observer; /* NULL: none */
	/* whom: any of these together */
	char *const *command; /* NULL-terminated, run until it ends; NULL: none */
	bool as_root;	      /* the command keeps root */
	uint64_t ignored;     /* bit per signal that the caller ignored, and the command is to ignore */
	const uint32_t *pids;
	size_t npids;
	const char *unit, *container, *cgroup, *netns;
	uint16_t port;
	bool all;
	/* what: bits OBSERVE_* */
	uint32_t observe, demanded; /* of the demanded ones each must be possible on this host */
	const char *const *logs;    /* patterns of files that are logs, besides standard output and error */
	size_t nlogs;
	uint32_t payload;	  /* so many of the first bytes of messages, at most PAYLOAD_MAX; 0: none */
	const char *const *masks; /* names of secrets besides those that are known (agent/mask_payload.h) */
	size_t nmasks;
	/* how */
	uint64_t duration_ns;  /* 0: until stopped */
	uint64_t max_bytes;    /* 0: no limit */
	uint32_t page_tgid;    /* process that serves it, and is not to be recorded; 0: none */
	bool flight;	       /* what an earlier run left at dir is set aside */
	uint64_t ring_bytes;   /* 0: default */
	double budget_percent; /* of one CPU; 0: no limit */
	enum goroutines_how goroutines;
	const char *packets;	   /* interface whose packets' verdicts are recorded, too; NULL: none */
	const char *const *probes; /* dynamic ones, as on the command line */
	size_t nprobes;
};

struct record_result {
	uint64_t events, bytes, lost, produced, missed, late, retired;
	uint64_t span_ns, user_ns, kernel_ns; /* kernel_ns 0: not measured */
	uint64_t rss_bytes;
	int exit_code; /* of the command */
	int left;      /* process id of the command if it did not end when it was asked to, 0: it did */
	bool measured_kernel;
};

/*
 * ready(arg) is called once all is attached.  *stop, a signal's number, ends the recording: a command is asked to end as
 * well and is recorded until it does, for some seconds; -1 ends it at once.
 */
int record_run(const struct record_opts *opts, volatile sig_atomic_t *stop, void (*ready)(void *arg), void *arg,
	       struct record_result *ret, struct err *err);

#endif
