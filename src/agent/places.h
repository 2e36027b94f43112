/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_PLACES_H
#define SAKER_AGENT_PLACES_H
/*
 * places - gives names to the numbers in events while the named things still live: network namespaces
 * (/run/netns, /proc/PID/ns/net, containers) and cgroups (/proc/PID/cgroup), and which of these are containers.  Each new
 * number becomes one event, a container's two.
 *
 * Threads: one, and it may not hold sockets of its own namespace open across a call (setns).
 * Memory: three hash tables, bounded by NAMES_MAX entries each; beyond that names are no longer learnt.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;
struct event_header;
struct places;

typedef int places_emit_fn(void *arg, const struct event_header *h);

int places_new(places_emit_fn *emit, void *arg, struct places **ret); /* -ENOMEM */
struct places *places_free(struct places *n);			      /* NULL ok; returns NULL */

/* Tells the names of ns and cgroup if they are new; pid: a process that lives in them. */
int places_see(struct places *n, uint64_t netns, uint64_t cgroup, uint32_t pid);

/* From time to time, and at the end: tells the names of containers that their runtimes had not written down at first. */
int places_later(struct places *n, bool end);

/* Cookie of the namespace behind an nsfs path; 0: not one, or no right to enter. */
uint64_t places_netns_cookie(const char *path, uint64_t *ret_inode);

#endif
