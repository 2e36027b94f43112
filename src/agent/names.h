/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_NAMES_H
#define SAKER_AGENT_NAMES_H
/*
 * names - gives names to the numbers in events while the named things still live: network namespaces
 * (/run/netns, /proc/PID/ns/net) and cgroups (/proc/PID/cgroup).  Each new number becomes one event.
 *
 * Threads: one, and it may not hold sockets of its own namespace open across a call (setns).
 * Memory: two hash tables, bounded by NAMES_MAX entries each; beyond that names are no longer learnt.
 */
#include <stdint.h>

struct err;
struct event_header;
struct names;

typedef int names_emit_fn(void *arg, const struct event_header *h);

int names_new(names_emit_fn *emit, void *arg, struct names **ret); /* -ENOMEM */
struct names *names_free(struct names *n);			   /* NULL ok; returns NULL */

/* Tells the names of ns and cgroup if they are new; pid: a process that lives in them. */
int names_see(struct names *n, uint64_t netns, uint64_t cgroup, uint32_t pid);

/* Cookie of the namespace behind an nsfs path; 0: not one, or no right to enter. */
uint64_t names_netns_cookie(const char *path, uint64_t *ret_inode);

#endif
