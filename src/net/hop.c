/* SPDX-License-Identifier: Apache-2.0 */
#include "net/hop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/wish.h"

#define ASK_TURNS 50
#define ASK_TURN_MS 20
#define DISCARD_PORT 9 /* RFC 863: nobody answers; the packet makes the kernel ask for the neighbour */

/* ---- rtnetlink (RFC 3549), as much as is wanted here ---- */

struct request {
	struct nlmsghdr head;
	char body[128];
};

static void request_begin(struct request *q, uint16_t type, uint16_t flags, size_t body)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	q->head.nlmsg_type = type;
	q->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

static void request_attr(struct request *q, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

/* Calls each(arg, message) until it returns true. */
static int ask(const struct request *q, bool (*each)(void *arg, const struct nlmsghdr *m), void *arg)
{
	CLEANUP_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	_Alignas(struct nlmsghdr) char room[32768];
	bool many = q->head.nlmsg_flags & NLM_F_DUMP;

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
			if (m->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(m))->error ?: -ENOENT;
			if (each(arg, m))
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

/* ---- the route ---- */

struct route_answer {
	struct lb_addr gateway; /* family 0: none is needed */
	unsigned ifindex;
};

static bool route_read(void *arg, const struct nlmsghdr *m)
{
	struct route_answer *answer = arg;
	const struct rtmsg *route = NLMSG_DATA(m);
	const struct rtattr *a = RTM_RTA(route);
	size_t left = RTM_PAYLOAD(m);

	if (m->nlmsg_type != RTM_NEWROUTE)
		return false;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4)
			memcpy(&answer->ifindex, RTA_DATA(a), 4);
		if (a->rta_type == RTA_GATEWAY && (RTA_PAYLOAD(a) == 4 || RTA_PAYLOAD(a) == 16)) {
			answer->gateway.family = RTA_PAYLOAD(a) == 4 ? 4 : 6;
			memcpy(answer->gateway.addr, RTA_DATA(a), RTA_PAYLOAD(a));
		}
	}
	return true;
}

static int route_to(const struct lb_addr *to, struct route_answer *answer)
{
	struct rtmsg route = { .rtm_family = addr_family(to), .rtm_dst_len = (uint8_t)(8 * addr_bytes(to)) };
	struct request q;

	memset(answer, 0, sizeof(*answer));
	request_begin(&q, RTM_GETROUTE, 0, sizeof(route));
	memcpy(NLMSG_DATA(&q.head), &route, sizeof(route));
	request_attr(&q, RTA_DST, to->addr, addr_bytes(to));
	return ask(&q, route_read, answer);
}

/* ---- the neighbour ---- */

struct neighbour {
	struct lb_addr addr;
	unsigned ifindex;
	uint8_t mac[6];
};

static bool neighbour_read(void *arg, const struct nlmsghdr *m)
{
	struct neighbour *want = arg;
	const struct ndmsg *nd = NLMSG_DATA(m);
	const struct rtattr *a = (const void *)((const char *)nd + NLMSG_ALIGN(sizeof(*nd)));
	size_t left = m->nlmsg_len - NLMSG_LENGTH(sizeof(*nd));
	const uint8_t *mac = NULL;
	bool same = false;

	if (m->nlmsg_type != RTM_NEWNEIGH || (unsigned)nd->ndm_ifindex != want->ifindex ||
	    nd->ndm_state & (NUD_INCOMPLETE | NUD_FAILED))
		return false;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == addr_bytes(&want->addr))
			same = !memcmp(RTA_DATA(a), want->addr.addr, addr_bytes(&want->addr));
		if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == 6)
			mac = RTA_DATA(a);
	}
	if (same && mac)
		memcpy(want->mac, mac, 6);
	return same && mac;
}

static int neighbour_look(struct neighbour *want)
{
	struct ndmsg nd = { .ndm_family = addr_family(&want->addr), .ndm_ifindex = (int)want->ifindex };
	struct request q;

	request_begin(&q, RTM_GETNEIGH, NLM_F_DUMP, sizeof(nd));
	memcpy(NLMSG_DATA(&q.head), &nd, sizeof(nd));
	return ask(&q, neighbour_read, want);
}

static void provoke(const struct neighbour *want)
{
	CLEANUP_CLOSE int fd = socket(addr_family(&want->addr), SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(DISCARD_PORT) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons(DISCARD_PORT),
				    .sin6_scope_id = want->ifindex };
	char name[IF_NAMESIZE];

	if (fd < 0 || !if_indextoname(want->ifindex, name))
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
	memcpy(&four.sin_addr, want->addr.addr, 4);
	memcpy(&six.sin6_addr, want->addr.addr, 16);
	if (want->addr.family == 4)
		(void)sendto(fd, "", 0, MSG_DONTWAIT, (const struct sockaddr *)&four, sizeof(four));
	else
		(void)sendto(fd, "", 0, MSG_DONTWAIT, (const struct sockaddr *)&six, sizeof(six));
}

static int neighbour_find(struct neighbour *want)
{
	int i, r = neighbour_look(want);

	for (i = 0; r == -ENOENT && i < ASK_TURNS; i++) {
		if (i % 10 == 0)
			provoke(want);
		(void)poll(NULL, 0, ASK_TURN_MS);
		r = neighbour_look(want);
	}
	return r;
}

/* ---- both ---- */

static int own_read(const char *interface, struct hop *hop, struct err *err)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };
	struct ifaddrs *all = NULL, *a;

	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req))
		return err_errno(err, errno, "cannot read the MAC of interface '%s'", interface);
	memcpy(hop->own_mac, req.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFMTU, &req))
		return err_errno(err, errno, "cannot read the MTU of interface '%s'", interface);
	hop->mtu = (uint32_t)req.ifr_mtu;
	if (getifaddrs(&all))
		return err_errno(err, errno, "cannot read the addresses of interface '%s'", interface);
	for (a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, interface) != 0)
			continue;
		if (a->ifa_addr->sa_family == AF_INET && !hop->own4.family) {
			hop->own4.family = 4;
			memcpy(hop->own4.addr, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, 4);
		} else if (a->ifa_addr->sa_family ==
			   AF_INET6) { /* the last one: link-local addresses come last or alone */
			const struct in6_addr *six = &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr;

			if (hop->own6.family && IN6_IS_ADDR_LINKLOCAL(six))
				continue;
			hop->own6.family = 6;
			memcpy(hop->own6.addr, six, 16);
		}
	}
	freeifaddrs(all);
	return 0;
}

bool hop_forwards(const char *interface, unsigned family)
{
	char path[128];
	CLEANUP_FCLOSE FILE *f = NULL;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv%u/conf/%s/forwarding", family, interface);
	f = fopen(path, "re");
	return f && fgetc(f) == '1';
}

const char *hop_sysctl(const char *interface, unsigned family, char out[HOP_SYSCTL])
{
	char name[IF_NAMESIZE], *p;

	/* sysctl(8): a dot in a name is written as a slash */
	(void)snprintf(name, sizeof(name), "%s", interface);
	for (p = name; *p; p++) {
		if (*p == '.')
			*p = '/';
	}
	(void)snprintf(out, HOP_SYSCTL, "net.ipv%u.conf.%s.forwarding", family, name);
	return out;
}

/* The address whose MAC is wanted. */
static int next_address(const char *interface, unsigned ifindex, const struct lb_addr *to, struct lb_addr *ret,
			struct err *err)
{
	static const struct lb_addr anywhere = { .addr = { 0x08080808 }, .family = 4 };
	const struct lb_addr *where = to->family ? to : &anywhere;
	struct route_answer answer;
	char text[LB_ADDR_TEXT], sysctl[HOP_SYSCTL];
	int r = route_to(where, &answer);

	if (r < 0)
		return err_set(
			err, -r,
			"this host has no route to %s, so the next hop is unknown: say `router: ADDRESS` or `router: "
			"MAC` for interface '%s'",
			lb_addr_text(where, text), interface);
	if (answer.ifindex != ifindex)
		return err_set(
			err, EINVAL,
			"this host reaches %s by another interface than '%s': say `router: ADDRESS` or `router: MAC`",
			lb_addr_text(where, text), interface);
	if (!answer.gateway.family)
		return err_set(
			err, EINVAL,
			"backend %s is a neighbour of this host, others may be, too: let the kernel say where packets "
			"leave "
			"(`sysctl -w %s=1`), or say `router: ADDRESS` or `router: MAC`",
			lb_addr_text(where, text), hop_sysctl(interface, where->family, sysctl));
	*ret = answer.gateway;
	return 0;
}

int hop_find(const char *interface, unsigned ifindex, const char *router, const struct lb_addr *to, struct hop *ret,
	     struct err *err)
{
	struct neighbour want = { .ifindex = ifindex };
	struct hop hop = { 0 };
	char text[LB_ADDR_TEXT];
	int r = own_read(interface, &hop, err);

	if (r < 0)
		return r;
	hop.by_route = !strcmp(router, WISH_BY_ROUTES);
	if (hop.by_route || !wish_mac_parse(router, hop.router_mac)) {
		*ret = hop;
		return 0;
	}
	if (lb_addr_parse(router, &want.addr) < 0)
		r = next_address(interface, ifindex, to, &want.addr, err);
	if (r < 0)
		return r;
	r = neighbour_find(&want);
	if (r < 0)
		return err_set(
			err, EHOSTUNREACH,
			"the next hop %s does not answer on interface '%s', so its MAC is unknown: say `router: MAC`",
			lb_addr_text(&want.addr, text), interface);
	memcpy(hop.router_mac, want.mac, 6);
	*ret = hop;
	return 0;
}
