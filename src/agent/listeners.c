/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/listeners.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STATE_ESTABLISHED 1
#define STATE_CLOSE 7 /* of UDP sockets without a peer */
#define STATE_LISTEN 10
#define ROOM 32768

/* Sockets whose own port is in this range, and no others: the kernel looks, not we (include/uapi/linux/inet_diag.h). */
struct request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 req;
	struct nlattr filter;
	struct {
		struct inet_diag_bc_op at_least, least, at_most, most;
	} code;
};

/* What is asked for. */
struct question {
	uint8_t family, proto;
	uint32_t states, ext;
	uint16_t least, most;
};

typedef int (*socket_fn)(void *arg, const struct inet_diag_msg *m, size_t len);

int listeners_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval patience = { .tv_sec = 1 };

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static int ask(int fd, const struct question *what)
{
	struct request q = { .h = { .nlmsg_len = sizeof(q),
				    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
			     .req = { .sdiag_family = what->family,
				      .sdiag_protocol = what->proto,
				      .idiag_ext = (uint8_t)what->ext,
				      .idiag_states = what->states },
			     .filter = { .nla_len = sizeof(q.filter) + sizeof(q.code),
					 .nla_type = INET_DIAG_REQ_BYTECODE } };

	/* each test is two words; `no` leads behind the end, which is: not wanted */
	q.code.at_least = (struct inet_diag_bc_op) { INET_DIAG_BC_S_GE, 8, sizeof(q.code) + 4 };
	q.code.least.no = what->least;
	q.code.at_most = (struct inet_diag_bc_op) { INET_DIAG_BC_S_LE, 8, 8 + 4 };
	q.code.most.no = what->most;
	return send(fd, &q, sizeof(q), 0) < 0 ? -errno : 0;
}

/* 1: that was all; 0: there is more. */
static int answer_read(const char *room, size_t n, socket_fn each, void *arg)
{
	const struct nlmsghdr *h = (const void *)room;
	int r = 0;

	for (; r >= 0 && NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
				       ? -EBADMSG
				       : ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			r = each(arg, NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN);
	}
	return r;
}

static int sockets_each(int fd, const struct question *what, socket_fn each, void *arg)
{
	CLEANUP_FREE char *room = malloc(ROOM);
	int r = room ? ask(fd, what) : -ENOMEM;

	while (!r) {
		ssize_t n = recv(fd, room, ROOM, 0);

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : answer_read(room, (size_t)n, each, arg);
	}
	return r < 0 ? r : 0;
}

/* The place of the socket's port among them; n: it is none of them. */
static size_t place_of(const struct listeners_port *ports, size_t n, uint8_t proto, const struct inet_diag_msg *m)
{
	size_t i;

	for (i = 0; i < n && (ports[i].proto != proto || ports[i].port != ntohs(m->id.idiag_sport)); i++)
		;
	return i;
}

/* Asks for both families; 0 without asking where none of the ports is of this protocol. */
static int ports_each(int fd, const struct listeners_port *ports, size_t n, struct question what, socket_fn each,
		      void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	size_t i, found = 0;
	int r = 0;

	what.least = UINT16_MAX;
	what.most = 0;
	for (i = 0; i < n; i++) {
		if (ports[i].proto != what.proto)
			continue;
		what.least = MIN(what.least, ports[i].port);
		what.most = MAX(what.most, ports[i].port);
		found++;
	}
	for (i = 0; found && i < ARRAY_LEN(families) && r >= 0; i++) {
		what.family = families[i];
		r = sockets_each(fd, &what, each, arg);
	}
	return r;
}

/* The attribute, if it has at least so many bytes. */
static const void *attribute(const struct inet_diag_msg *m, size_t len, uint16_t type, size_t least)
{
	const char *at = (const char *)(m + 1), *end = (const char *)m + len;

	while ((size_t)(end - at) >= sizeof(struct nlattr)) {
		const struct nlattr *a = (const void *)at;

		if (a->nla_len < sizeof(*a) || a->nla_len > (size_t)(end - at))
			return NULL;
		if (a->nla_type == type)
			return a->nla_len >= sizeof(*a) + least ? a + 1 : NULL;
		at += MIN((size_t)NLA_ALIGN(a->nla_len), (size_t)(end - at));
	}
	return NULL;
}

/* --- who listens --- */

struct looked {
	const struct listeners_port *ports;
	size_t n;
	uint8_t proto;
	struct listeners *rows;
};

static int on_listener(void *arg, const struct inet_diag_msg *m, size_t len)
{
	struct looked *k = arg;
	size_t at = place_of(k->ports, k->n, k->proto, m);
	const uint32_t *memory = attribute(m, len, INET_DIAG_SKMEMINFO, (SK_MEMINFO_DROPS + 1) * sizeof(uint32_t));
	struct listeners *l = &k->rows[at];

	if (at == k->n)
		return 0;
	if (l->count < LISTENERS_MAX) {
		l->cookies[l->count] = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
		l->inodes[l->count] = m->idiag_inode;
	}
	l->count++;
	l->waiting += m->idiag_rqueue;
	l->room += k->proto == IPPROTO_TCP ? m->idiag_wqueue : memory ? memory[SK_MEMINFO_RCVBUF] : 0;
	l->drops += memory ? memory[SK_MEMINFO_DROPS] : 0;
	return 0;
}

int listeners_read(int fd, const struct listeners_port *ports, size_t n, struct listeners *ret)
{
	static const struct question whats[] = {
		{ .proto = IPPROTO_TCP, .states = 1U << STATE_LISTEN, .ext = 1U << (INET_DIAG_SKMEMINFO - 1) },
		{ .proto = IPPROTO_UDP, .states = 1U << STATE_CLOSE, .ext = 1U << (INET_DIAG_SKMEMINFO - 1) },
	};
	CLEANUP_FREE struct listeners *rows = calloc(n, sizeof(*rows));
	struct looked looked = { .ports = ports, .n = n, .rows = rows };
	size_t i;
	int r = rows ? 0 : -ENOMEM;

	for (i = 0; i < ARRAY_LEN(whats) && r >= 0; i++) {
		looked.proto = whats[i].proto;
		r = ports_each(fd, ports, n, whats[i], on_listener, &looked);
	}
	if (r >= 0)
		memcpy(ret, rows, n * sizeof(*rows));
	return r;
}

bool listeners_have(const struct listeners *l, uint64_t cookie)
{
	uint32_t i;

	for (i = 0; i < MIN(l->count, (uint32_t)LISTENERS_MAX); i++)
		if (l->cookies[i] == cookie)
			return true;
	return false;
}

/* --- who they are --- */

static bool is_one(const struct listeners *l, int dir, const char *fd)
{
	char target[64], *end;
	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);
	uint32_t inode, i;

	if (n < 0)
		return false;
	target[n] = 0;
	if (strncmp(target, "socket:[", 8) != 0)
		return false;
	inode = (uint32_t)strtoul(target + 8, &end, 10);
	for (i = 0; i < MIN(l->count, (uint32_t)LISTENERS_MAX); i++)
		if (l->inodes[i] == inode)
			return true;
	return false;
}

static bool holds(const struct listeners *l, const char *pid)
{
	char path[64];
	struct dirent *entry;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	while (d && !found && (entry = readdir(d)))
		found = is_one(l, dirfd(d), entry->d_name);
	if (d)
		(void)closedir(d);
	return found;
}

size_t listeners_holders(const struct listeners *l, uint32_t *ret_pids, size_t cap)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	size_t n = 0;

	while (d && n < cap && (entry = readdir(d)))
		if (isdigit((unsigned char)entry->d_name[0]) && holds(l, entry->d_name))
			ret_pids[n++] = (uint32_t)strtoul(entry->d_name, NULL, 10);
	if (d)
		(void)closedir(d);
	return n;
}

/* --- how long it takes --- */

struct trips {
	uint32_t rtt[LISTENERS_CONNECTIONS];
	struct listeners_rtt sum;
};

struct travelled {
	const struct listeners_port *ports;
	size_t n;
	struct trips *rows;
};

static int on_connection(void *arg, const struct inet_diag_msg *m, size_t len)
{
	struct travelled *all = arg;
	size_t at = place_of(all->ports, all->n, IPPROTO_TCP, m);
	struct trips *t = &all->rows[at];
	const struct tcp_info *info =
		attribute(m, len, INET_DIAG_INFO, offsetof(struct tcp_info, tcpi_rttvar)); /* what all kernels have */

	if (at == all->n || !info || !info->tcpi_rtt)
		return 0;
	/* the rest is read and passed over: an answer that is broken off spoils the next one */
	if (t->sum.connections < LISTENERS_CONNECTIONS)
		t->rtt[t->sum.connections++] = info->tcpi_rtt;
	t->sum.again += info->tcpi_retrans;
	return 0;
}

static int number_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int listeners_rtt(int fd, const struct listeners_port *ports, size_t n, struct listeners_rtt *ret)
{
	const struct question what = { .proto = IPPROTO_TCP,
				       .states = 1U << STATE_ESTABLISHED,
				       .ext = 1U << (INET_DIAG_INFO - 1) };
	CLEANUP_FREE struct trips *rows = calloc(n, sizeof(*rows));
	struct travelled all = { ports, n, rows };
	size_t i;
	int r = rows ? ports_each(fd, ports, n, what, on_connection, &all) : -ENOMEM;

	for (i = 0; i < n && r >= 0; i++) {
		struct trips *t = &rows[i];

		qsort(t->rtt, t->sum.connections, sizeof(t->rtt[0]), number_compare);
		t->sum.median_us = t->sum.connections ? t->rtt[t->sum.connections / 2] : 0;
		ret[i] = t->sum;
	}
	return r < 0 ? r : 0;
}
