/* SPDX-License-Identifier: Apache-2.0 */
#include "net/attach_tc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/attach.h"

/* include/uapi/linux/bpf.h from 6.6 on, commit e420bed02507 */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define LINK_TYPE_TCX 11

/* What tells our filter from others: nobody gives these by chance. */
#define FILTER_PRIORITY 23147
#define FILTER_HANDLE 0x5a6b

const char *attach_tc_how_name(enum attach_tc_how how)
{
	static const char *const names[] = { "none", "link", "filter" };

	return names[how];
}

static uint32_t program_id(int program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &bytes) ? 0 : info.id;
}

/* ---- the link ---- */

/* As much of struct bpf_link_info as is asked; a field of a union that older headers have not. */
struct tcx_info {
	uint32_t type, id, program, pad;
	uint32_t ifindex, attach;
	uint64_t more[8];
};

static void link_path(const struct attach_tc *t, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s", t->a->dir, t->name);
}

static void link_open(struct attach_tc *t)
{
	struct tcx_info info = { 0 };
	uint32_t bytes = sizeof(info);
	char path[PATH_MAX];
	int fd;

	link_path(t, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	/* of an interface that is gone the index is 0 */
	if (!bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.type == LINK_TYPE_TCX && info.ifindex == t->a->ifindex) {
		t->link = fd;
		t->how = ATTACH_TC_LINK;
		t->program = info.program;
		return;
	}
	(void)close(fd);
}

static int link_set(struct attach_tc *t, int program, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if (getenv("SAKER_NO_TCX")) /* as on kernels before 6.6 */
		return -EINVAL;
	fd = bpf_link_create(program, (int)t->a->ifindex, t->egress ? TCX_EGRESS : TCX_INGRESS, NULL);
	if (fd < 0)
		return -errno;
	link_path(t, path, sizeof(path));
	(void)unlink(path); /* of an interface that is no more */
	if (bpf_obj_pin(fd, path)) {
		(void)err_errno(err, errno, "cannot pin '%s'", path);
		(void)close(fd);
		return -EEXIST;
	}
	t->link = fd;
	t->how = ATTACH_TC_LINK;
	t->program = program_id(program);
	return 0;
}

/* ---- the filter ---- */

static enum bpf_tc_attach_point point(const struct attach_tc *t)
{
	return t->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

static bool is_named(uint32_t id, const char *name)
{
	CLEANUP_CLOSE int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &bytes) &&
	       !strncmp(info.name, name, sizeof(info.name) - 1);
}

/* libbpf prints what it does not find. */
static int silent(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int filter_ask(const struct attach_tc *t, enum bpf_tc_attach_point where, uint32_t *ret_program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)t->a->ifindex, .attach_point = where);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	libbpf_print_fn_t before = libbpf_set_print(silent);
	int r = bpf_tc_query(&hook, &opts);

	(void)libbpf_set_print(before);
	if (!r)
		*ret_program = opts.prog_id;
	return r;
}

static void filter_open(struct attach_tc *t)
{
	uint32_t id = 0;

	if (filter_ask(t, point(t), &id) || !is_named(id, t->name))
		return;
	t->how = ATTACH_TC_FILTER;
	t->program = id;
}

/* That we made clsact is kept as a map without a use of its own. */
static void made_path(const struct attach_tc *t, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/clsact", t->a->dir);
}

static void made_keep(const struct attach_tc *t)
{
	CLEANUP_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "clsact", 4, 4, 1, NULL);
	char path[PATH_MAX];

	made_path(t, path, sizeof(path));
	if (fd >= 0)
		(void)bpf_obj_pin(fd, path);
}

static int filter_set(struct attach_tc *t, int program, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)t->a->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY, .prog_fd = program,
		    .flags = t->how == ATTACH_TC_FILTER ? BPF_TC_F_REPLACE : 0);
	libbpf_print_fn_t before = libbpf_set_print(silent);
	int r = bpf_tc_hook_create(&hook);

	if (!r)
		made_keep(t);
	if (!r || r == -EEXIST) {
		hook.attach_point = point(t);
		r = bpf_tc_attach(&hook, &opts);
	}
	(void)libbpf_set_print(before);
	if (r == -EEXIST)
		return err_set(err, EEXIST, "interface '%s' has a filter of somebody else in the place of ours",
			       t->a->name);
	if (r < 0)
		return err_errno(err, -r, "cannot put '%s' on the traffic control of interface '%s'", t->name,
				 t->a->name);
	t->how = ATTACH_TC_FILTER;
	t->program = program_id(program);
	return 0;
}

/* How many filters one side of clsact has; -errno. */
static int filters(unsigned ifindex, uint32_t parent)
{
	struct {
		struct nlmsghdr head;
		struct tcmsg tc;
	} q = { .head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = RTM_GETTFILTER,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = parent } };
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) char room[32768];
	int n = 0;

	if (fd < 0 || send(fd, &q, sizeof(q), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t len = recv(fd, room, sizeof(room), 0);
		size_t left = len > 0 ? (size_t)len : 0;
		const struct nlmsghdr *m = (const void *)room;

		if (len <= 0)
			return len ? -errno : n;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
				return n;
			n += m->nlmsg_type == RTM_NEWTFILTER;
		}
	}
}

/* clsact, if it is ours and nobody uses it; one of ours on the other side will take it away. */
static void clsact_remove(const struct attach_tc *t)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)t->a->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char path[PATH_MAX];
	uint32_t id;

	made_path(t, path, sizeof(path));
	if (access(path, F_OK) || !filter_ask(t, t->egress ? BPF_TC_INGRESS : BPF_TC_EGRESS, &id))
		return;
	(void)unlink(path);
	if (!filters(t->a->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) &&
	    !filters(t->a->ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)))
		(void)bpf_tc_hook_destroy(&hook);
}

static int filter_detach(struct attach_tc *t, struct err *err)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)t->a->ifindex, .attach_point = point(t));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int r = bpf_tc_detach(&hook, &opts);

	if (r < 0 && r != -ENOENT)
		return err_errno(err, -r, "cannot take '%s' off the traffic control of interface '%s'", t->name,
				 t->a->name);
	clsact_remove(t);
	return 0;
}

/* ---- both ---- */

void attach_tc_open(struct attach_tc *t, const struct attach *a, const char *name, bool egress)
{
	*t = (struct attach_tc) { .a = a, .name = name, .egress = egress, .link = -1 };
	link_open(t);
	if (t->how == ATTACH_TC_NONE)
		filter_open(t);
}

void attach_tc_close(struct attach_tc *t)
{
	if (t->link >= 0)
		(void)close(t->link);
	t->link = -1;
}

enum attach_tc_how attach_tc_look(const struct attach *a, const char *name, bool egress)
{
	struct attach_tc t;

	attach_tc_open(&t, a, name, egress);
	attach_tc_close(&t);
	return t.how;
}

int attach_tc_set(struct attach_tc *t, int program, struct err *err)
{
	int r;

	if (t->how == ATTACH_TC_LINK) {
		if (bpf_link_update(t->link, program, NULL))
			return err_errno(err, errno, "cannot replace '%s' on interface '%s'", t->name, t->a->name);
		t->program = program_id(program);
		return 0;
	}
	r = t->how == ATTACH_TC_FILTER ? -EINVAL : link_set(t, program, err);
	/* older kernels know no such kind of link */
	return r == -EINVAL || r == -EOPNOTSUPP ? filter_set(t, program, err)
	       : r < 0 && r != -EEXIST ? err_errno(err, -r, "cannot put '%s' on interface '%s'", t->name, t->a->name)
				       : r;
}

int attach_tc_detach(struct attach_tc *t, struct err *err)
{
	char path[PATH_MAX];
	int r = 0;

	link_path(t, path, sizeof(path));
	if (t->how == ATTACH_TC_LINK && bpf_link_detach(t->link) && errno != ENOLINK)
		return err_errno(err, errno, "cannot take '%s' off interface '%s'", t->name, t->a->name);
	if (t->how == ATTACH_TC_FILTER)
		r = filter_detach(t, err);
	if (r < 0)
		return r;
	attach_tc_close(t);
	if (unlink(path) && errno != ENOENT)
		return err_errno(err, errno, "cannot remove '%s'", path);
	t->how = ATTACH_TC_NONE;
	t->program = 0;
	return 0;
}
