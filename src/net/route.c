/* SPDX-License-Identifier: Apache-2.0 */
#include "net/route.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"

/* Who made an entry (NDA_PROTOCOL): a number that /etc/iproute2/rt_protos gives to nobody. */
#define OURS 83
#define LEAVE_MAX 1024

/* linux/neighbour.h from 5.16 on */
#ifndef NTF_EXT_MANAGED
#define NTF_EXT_MANAGED 1
#define NDA_FLAGS_EXT 15
#endif

/* ---- messages ---- */

struct request {
	struct nlmsghdr head;
	char body[128];
};

static void request_begin(struct request *q, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	memcpy(NLMSG_DATA(&q->head), body, len);
}

static void request_attr(struct request *q, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

/* Calls each(arg, message) until it returns true; an acknowledgement (NLM_F_ACK) is success, too. */
static int ask(const struct request *q, bool (*each)(void *arg, const struct nlmsghdr *m), void *arg)
{
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) char room[32768];
	bool many = (q->head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	bool order = q->head.nlmsg_flags & NLM_F_ACK;

	if (fd < 0 || send(fd, q, q->head.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, room, sizeof(room), 0);
		size_t left = n > 0 ? (size_t)n : 0;
		const struct nlmsghdr *m = (const void *)room;

		if (n <= 0)
			return n ? -errno : -ENOENT;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			if (m->nlmsg_type == NLMSG_DONE)
				return -ENOENT;
			if (m->nlmsg_type == NLMSG_ERROR) {
				int error = ((const struct nlmsgerr *)NLMSG_DATA(m))->error;

				return error || order ? error : -ENOENT;
			}
			if (each && each(arg, m))
				return 0;
		}
		if (!many)
			return -ENOENT;
	}
}

static size_t addr_bytes(const struct lb_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

static uint8_t addr_family(const struct lb_addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

/* ---- routes ---- */

static bool way_read(void *arg, const struct nlmsghdr *m)
{
	struct route_way *way = arg;
	const struct rtmsg *route = NLMSG_DATA(m);
	const struct rtattr *a = RTM_RTA(route);
	size_t left = RTM_PAYLOAD(m);

	if (m->nlmsg_type != RTM_NEWROUTE)
		return false;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4)
			memcpy(&way->ifindex, RTA_DATA(a), 4);
		if (a->rta_type == RTA_GATEWAY && (RTA_PAYLOAD(a) == 4 || RTA_PAYLOAD(a) == 16)) {
			way->gateway.family = RTA_PAYLOAD(a) == 4 ? 4 : 6;
			memcpy(way->gateway.addr, RTA_DATA(a), RTA_PAYLOAD(a));
		}
	}
	return true;
}

int route_to(const struct lb_addr *to, struct route_way *ret)
{
	struct rtmsg route = { .rtm_family = addr_family(to), .rtm_dst_len = (uint8_t)(8 * addr_bytes(to)) };
	struct request q;

	memset(ret, 0, sizeof(*ret));
	request_begin(&q, RTM_GETROUTE, 0, &route, sizeof(route));
	request_attr(&q, RTA_DST, to->addr, addr_bytes(to));
	return ask(&q, way_read, ret);
}

/* ---- neighbours ---- */

bool route_neighbour_said(const struct nlmsghdr *m, struct route_neighbour *ret)
{
	const struct ndmsg *nd = NLMSG_DATA(m);
	const struct rtattr *a = (const void *)((const char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	struct route_neighbour n = { 0 };
	size_t left;
	bool mac = false;

	if ((m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH) ||
	    m->nlmsg_len < NLMSG_LENGTH(sizeof(*nd)))
		return false;
	left = m->nlmsg_len - NLMSG_LENGTH(sizeof(*nd));
	n.ifindex = (unsigned)nd->ndm_ifindex;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t len = RTA_PAYLOAD(a);

		if (a->rta_type == NDA_DST && (len == 4 || len == 16)) {
			n.addr.family = len == 4 ? 4 : 6;
			memcpy(n.addr.addr, RTA_DATA(a), len);
		} else if (a->rta_type == NDA_LLADDR && len == 6) {
			memcpy(n.mac, RTA_DATA(a), 6);
			mac = true;
		} else if (a->rta_type == NDA_PROTOCOL && len == 1) {
			n.ours = *(const uint8_t *)RTA_DATA(a) == OURS;
		}
	}
	n.flags = nd->ndm_flags & NTF_ROUTER;
	n.fixed = nd->ndm_state & (NUD_PERMANENT | NUD_NOARP);
	n.known = mac && m->nlmsg_type == RTM_NEWNEIGH && nd->ndm_state &&
		  !(nd->ndm_state & (NUD_INCOMPLETE | NUD_FAILED));
	n.sure = n.known && nd->ndm_state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP);
	*ret = n;
	return n.addr.family;
}

static bool neighbour_read(void *arg, const struct nlmsghdr *m)
{
	struct route_neighbour *want = arg, n;

	if (!route_neighbour_said(m, &n) || n.ifindex != want->ifindex ||
	    memcmp(&n.addr, &want->addr, sizeof(n.addr)) != 0)
		return false;
	*want = n;
	return true;
}

int route_neighbour_look(struct route_neighbour *n)
{
	struct ndmsg nd = { .ndm_family = addr_family(&n->addr), .ndm_ifindex = (int)n->ifindex };
	struct request q;

	n->known = n->sure = n->fixed = n->ours = false;
	request_begin(&q, RTM_GETNEIGH, 0, &nd, sizeof(nd));
	request_attr(&q, NDA_DST, n->addr.addr, addr_bytes(&n->addr));
	return ask(&q, neighbour_read, n);
}

static int neighbour_set(const struct route_neighbour *n, uint16_t state, uint8_t flags, uint32_t more, uint8_t who)
{
	struct ndmsg nd = { .ndm_family = addr_family(&n->addr),
			    .ndm_ifindex = (int)n->ifindex,
			    .ndm_state = state,
			    .ndm_flags = flags };
	struct request q;

	request_begin(&q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &nd, sizeof(nd));
	request_attr(&q, NDA_DST, n->addr.addr, addr_bytes(&n->addr));
	if (more)
		request_attr(&q, NDA_FLAGS_EXT, &more, sizeof(more));
	if (who)
		request_attr(&q, NDA_PROTOCOL, &who, sizeof(who));
	return ask(&q, NULL, NULL);
}

int route_neighbour_ask(const struct route_neighbour *n, bool everybody)
{
	/* a use of an entry without an address asks everybody */
	if (n->known && !everybody)
		return neighbour_set(n, NUD_PROBE, n->flags, 0, 0);
	if (n->known)
		(void)neighbour_set(n, NUD_FAILED, n->flags, 0, 0);
	return neighbour_set(n, NUD_NONE, NTF_USE, 0, 0);
}

int route_neighbour_keep(const struct route_neighbour *n)
{
	/* the kernel would make an entry of an administrator's one that may age */
	return n->fixed ? 0 : neighbour_set(n, NUD_NONE, NTF_USE, NTF_EXT_MANAGED, OURS);
}

struct leaving {
	struct route_neighbour rows[LEAVE_MAX];
	size_t count;
	unsigned ifindex;
};

static bool leaving_read(void *arg, const struct nlmsghdr *m)
{
	struct leaving *l = arg;
	struct route_neighbour n;

	if (route_neighbour_said(m, &n) && n.ours && !n.fixed && n.ifindex == l->ifindex && l->count < LEAVE_MAX)
		l->rows[l->count++] = n;
	return false;
}

void route_neighbours_leave(unsigned ifindex)
{
	CLEANUP_FREE struct leaving *l = calloc(1, sizeof(*l));
	struct ndmsg nd = { .ndm_ifindex = (int)ifindex };
	struct request q;
	size_t i;

	if (!l)
		return;
	l->ifindex = ifindex;
	request_begin(&q, RTM_GETNEIGH, NLM_F_DUMP, &nd, sizeof(nd));
	(void)ask(&q, leaving_read, l);
	/* the same order without the flag; there is no protocol 0, so it is given that of the kernel */
	for (i = 0; i < l->count; i++)
		(void)neighbour_set(&l->rows[i], NUD_NONE, NTF_USE, 0, RTPROT_KERNEL);
}

int route_listen(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_NEIGH | RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
					       RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&to, sizeof(to)))
		return -errno;
	return TAKE_FD(fd);
}
