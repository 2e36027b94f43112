/* SPDX-License-Identifier: Apache-2.0 */
#include "net/hop.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/route.h"
#include "net/wish.h"

#define ASK_TURNS 60
#define ASK_SOON 10 /* turns of 1 ms; the others: */
#define ASK_TURN_MS 20
#define ASK_EVERYBODY 25 /* until this turn only that one is asked whom the kernel knows */

/* ---- neighbours ---- */

/*
 * One turn of those that have not answered; returns how many are left.  All are asked, also those that the kernel has heard
 * of lately: a router may have been replaced a moment ago.
 */
static size_t ask_turn(struct route_neighbour *rows, size_t n, unsigned turn)
{
	size_t i, left = 0;

	for (i = 0; i < n; i++) {
		if (turn && rows[i].sure)
			continue;
		(void)route_neighbour_look(&rows[i]);
		if (rows[i].fixed || (turn && rows[i].sure))
			continue;
		left++;
		/* who had the link address may be no more */
		if (!turn || turn == ASK_EVERYBODY)
			(void)route_neighbour_ask(&rows[i], turn);
	}
	return left;
}

size_t hop_ask(struct route_neighbour *rows, size_t n)
{
	size_t i, unknown = 0;
	unsigned turn;

	for (turn = 0; ask_turn(rows, n, turn) && turn < ASK_TURNS; turn++)
		(void)poll(NULL, 0, turn < ASK_SOON ? 1 : ASK_TURN_MS);
	for (i = 0; i < n; i++) {
		unknown += !rows[i].known;
		(void)route_neighbour_keep(&rows[i]);
	}
	return unknown;
}

void hop_keep(struct route_neighbour *n)
{
	(void)route_neighbour_look(n);
	if (!n->ours)
		(void)route_neighbour_keep(n);
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
	struct route_way answer;
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

int hop_find(const char *interface, unsigned ifindex, const char *router, const struct lb_addr *to, enum hop_how how,
	     struct hop *ret, struct err *err)
{
	struct route_neighbour want = { .ifindex = ifindex };
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
	hop.to_sender = !strcmp(router, WISH_TO_SENDER);
	if (lb_addr_parse(router, &want.addr) < 0)
		r = next_address(interface, ifindex, to, &want.addr, hop.to_sender ? NULL : err);
	if (r < 0 && hop.to_sender)
		*ret = hop;
	if (r < 0)
		return hop.to_sender ? 0 : r;
	hop.router = want.addr;
	if (how == HOP_ASK)
		(void)hop_ask(&want, 1);
	else if (how == HOP_KEEP)
		hop_keep(&want);
	else
		(void)route_neighbour_look(&want);
	if (want.known)
		memcpy(hop.router_mac, want.mac, 6);
	*ret = hop;
	return want.known || hop.to_sender
		       ? 0
		       : err_set(err, EHOSTUNREACH,
				 "the next hop %s does not answer on interface '%s', so its MAC is unknown: is it up? "
				 "`router: MAC` says it without asking",
				 lb_addr_text(&want.addr, text), interface);
}
