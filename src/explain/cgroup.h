/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_CGROUP_H
#define SAKER_EXPLAIN_CGROUP_H
/*
 * cgroup - what the path of a control group says: the systemd unit and the container that live in it.
 *
 * Paths come from the kernel, their components from whoever made the groups: nothing is taken for granted, what does not
 * fit is left out.
 * Threads: any.  Memory: the caller's.
 */
#include <stdbool.h>

#define CGROUP_TEXT 128 /* a name of a unit or container, with its NUL */

struct cgroup_container {
	char id[CGROUP_TEXT];
	char name[CGROUP_TEXT]; /* where the path has it (LXC, nspawn), else "" */
	const char *runtime;	/* `podman`, `docker`, ...; "" where the path does not tell */
};

/*
 * The innermost service, scope, socket, mount or swap on the path, as systemd names them: `nginx.service`.  false: there is
 * none (slices alone are none).
 */
bool cgroup_unit(const char *path, char ret[CGROUP_TEXT]);

/* The innermost container on the path, as docker, podman, containerd, CRI-O, LXC and systemd-nspawn name the groups. */
bool cgroup_container(const char *path, struct cgroup_container *ret);

/* The start of an id of 64 hexadecimal digits, as docker and podman print them; other ids as they are. */
void cgroup_short_id(const char *id, char ret[CGROUP_TEXT]);

#endif
