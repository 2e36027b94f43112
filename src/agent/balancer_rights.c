/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer_rights - whether this process may do what a balancer takes, found out before anything is begun.
 *
 * Tables of a map of maps are opened by number, which wants CAP_SYS_ADMIN of the host's first user namespace (kernel/bpf/syscall.c); without it
 * they would look empty.  Asking for the first map's number wants the same, and is how it is tried here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/capability.h>

#include "agent/balancer.h"
#include "base/err.h"

static bool has(unsigned cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return !syscall(SYS_capget, &head, data) && data[cap / 32].effective & 1U << cap % 32;
}

int balancer_may(bool write, struct err *err)
{
	struct utsname host;
	uint32_t id;
	int r = bpf_map_get_next_id(0, &id) ? errno : 0;

	if (r == EPERM)
		return err_set(err, EPERM,
			       "this process may not look at packet programs: CAP_SYS_ADMIN is missing, which root "
			       "has, but in a "
			       "user namespace of its own has not");
	if (r == ENOSYS)
		return err_set(err, ENOSYS, "this kernel (Linux %s) has no BPF, which packet programs need",
			       uname(&host) ? "?" : host.release);
	if (r && r != ENOENT)
		return err_errno(err, r, "cannot look at packet programs");
	if (write && !has(CAP_NET_ADMIN))
		return err_set(
			err, EPERM,
			"this process may not put programs on interfaces: CAP_NET_ADMIN is missing, which root has");
	return 0;
}
