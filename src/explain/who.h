/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_WHO_H
#define SAKER_EXPLAIN_WHO_H
/*
 * who - names for what events carry as numbers: processes, places, containers, the ends of sockets.
 *
 * Learnt from the events themselves, in the order in which they are read; what a process was before is kept, so an event
 * may be asked about at once or when all was read.  A namespace's or cgroup's name can come
 * after the first event that mentions it: who_learn_names() in a pass before the first makes them known from the
 * beginning.
 *
 * Threads: one.  Memory: about 80 bytes for each exec, fork and socket of the recording, WHO_MAX of each at most; beyond
 * that new ones stay without names.
 */
#include <stdbool.h>
#include <stdint.h>

#include "query/query.h"

struct event;
struct who; /* opaque */

#define WHO_MAX (1U << 20)

/* The ends of a socket, as its own host sees them; family 0: unknown. */
struct who_ends {
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint8_t family, protocol; /* enum sockfamily; enum protocol */
};

/* host_name: of a host of those that are read together; may give NULL.  several: there is more than one.  -ENOMEM */
int who_new(const char *(*host_name)(void *arg, uint32_t host), void *arg, bool several, struct who **ret);
struct who *who_free(struct who *w); /* NULL ok; returns NULL */

void who_learn_names(struct who *w, const struct event *ev); /* namespaces, cgroups, containers only */
void who_learn(struct who *w, const struct event *ev);

/*
 * Of the event's process, or of the one that it happened to: the one whose wait a timer ended, or who opened the socket;
 * "" where unknown.  Borrowed until something is learnt.
 */
const char *
who_place(const struct who *w,
	  const struct event *ev); /* container, or network namespace: its own, its socket's, its process's */
const char *who_host(const struct who *w,
		     const struct event *ev); /* the host of several, else the place if it has a name */
const char *who_process(const struct who *w, const struct event *ev);	   /* command name */
const char *who_title(const struct who *w, const struct event *ev);	   /* what people call it: title.h */
const char *who_container(const struct who *w, const struct event *ev);	   /* its name, else the start of its id */
const char *who_container_id(const struct who *w, const struct event *ev); /* all of it */
const char *who_unit(const struct who *w, const struct event *ev);	   /* of systemd */
const char *who_cgroup(const struct who *w, const struct event *ev);	   /* path */
uint64_t who_goroutine(const struct who *w, const struct event *ev);	   /* of a Go program; 0: none */
uint32_t who_pid(const struct who *w, const struct event *ev);		   /* 0: none */
/* What queries may ask of an event besides its fields: all of the above.  w is borrowed; the time is the caller's. */
struct query_scope who_scope(struct who *w, uint64_t (*since_ns)(void *time_arg, const struct event *ev),
			     void *time_arg);
bool who_sock(const struct who *w, const struct event *ev, struct who_ends *ret); /* of the event's socket */

#endif
