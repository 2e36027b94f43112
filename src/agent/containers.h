/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CONTAINERS_H
#define SAKER_AGENT_CONTAINERS_H
/*
 * containers - which container a control group is, and what its runtime calls it.
 *
 * Asked are, in this order: the group's path; crun's and runc's state; the monitor (conmon) among the ancestors of a
 * process in it; the files of docker, containerd and podman.  What cannot be read is as if it were not there.
 * Threads: any, each its own objects.  Memory: a file at a time, FILE_MAX.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/cgroup.h"

/* path: of the control group; pid: a process that lives in it.  false: it is no container. */
bool containers_find(const char *path, uint32_t pid, struct cgroup_container *ret);

/* The same of the process itself, by whichever hierarchy tells it; ret_path: of that group. */
bool containers_of(uint32_t pid, struct cgroup_container *ret, char *ret_path, size_t cap);

/* Is it called so: by its name, its id, or the first 12 characters of that or more? */
bool containers_called(const struct cgroup_container *c, const char *name);

/*
 * A watch on the places where runtimes note that a container begins; NULL: none of them can be watched (or no memory).
 * containers_begun() does not wait: has one begun since the last call, or a moment ago (it may take a while until its
 * processes are there; asked for again less and less often)?
 */
struct containers_watch;
struct containers_watch *containers_watch_new(void);
struct containers_watch *containers_watch_free(struct containers_watch *w); /* NULL ok; returns NULL */
bool containers_begun(struct containers_watch *w);

#endif
