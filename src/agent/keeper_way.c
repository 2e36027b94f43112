/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_way - the next hops follow the host's neighbours, routes, links and addresses.
 *
 * The kernel tells of changes (rtnetlink); then each interface is looked at anew (balancer_follow()), which costs a look at its wish and
 * its routes. So that a storm of changes costs little, as after a new table of routes, the next look waits for LOOK_SHARE times as long
 * as the last one took.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "agent/keeper_internal.h"
#include "agent/loop.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/hop.h"
#include "net/route.h"

#define LOOK_SHARE 20
#define LATE_NS (100 * NS_PER_MS)
#define MAC_TEXT 18

struct way_part {
	struct keeper *k;
	int fd;
	bool due;
	uint64_t next_ns;
};

static const char *mac_text(const uint8_t mac[6], char out[MAC_TEXT])
{
	(void)snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return out;
}

/* Says what is not as before, once. */
static void say_once(struct kept *i, const char *text)
{
	if (!strcmp(i->way_said, text))
		return;
	(void)snprintf(i->way_said, sizeof(i->way_said), "%s", text);
	if (*text)
		keeper_say(i->keeper, "interface '%s': %s", i->name, text);
}

static void say_new(struct kept *i, const struct balancer_way *w)
{
	char router[LB_ADDR_TEXT], from[MAC_TEXT], to[MAC_TEXT];

	if (memcmp(w->runs.router_mac, w->wanted.router_mac, 6) != 0)
		keeper_say(i->keeper, "interface '%s': the next hop %s has the MAC %s now, not %s: packets go there",
			   i->name, lb_addr_text(&w->router, router), mac_text(w->wanted.router_mac, to),
			   mac_text(w->runs.router_mac, from));
	else
		keeper_say(i->keeper, "interface '%s': its own address, MAC or MTU is another one: the balancer has it",
			   i->name);
}

/* Returns -EWOULDBLOCK: somebody changes it now. */
static int follow(struct kept *i)
{
	struct balancer_way w;
	struct err err = ERR_INIT;
	int r;

	if (!i->open || !i->b.chain || !i->wish.nifs)
		return 0;
	r = balancer_follow(&i->b, &i->wish.ifs[0], &w, &err);
	if (r == -EWOULDBLOCK)
		return r;
	if (r < 0) {
		say_once(i, err.text);
		return 0;
	}
	if (r > 0)
		say_new(i, &w);
	buf_char(&i->b.said, 0);
	if (i->b.said.data)
		i->b.said.data[strcspn(i->b.said.data, "\n")] = 0;
	say_once(i, i->b.said.data ? i->b.said.data : "");
	return 0;
}

static void follow_all(struct way_part *p)
{
	uint64_t began_ns = clock_boot_ns(), ended_ns;
	size_t i;

	p->due = false;
	for (i = 0; i < p->k->nkept; i++) {
		if (follow(p->k->kept[i]) < 0)
			p->due = true;
	}
	ended_ns = clock_boot_ns();
	p->next_ns = ended_ns + LOOK_SHARE * (ended_ns - began_ns);
}

/* A neighbour counts if the kernel keeps it for us, or if a person set it. */
static bool counts(const struct nlmsghdr *m)
{
	struct route_neighbour n;

	if (m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH)
		return m->nlmsg_type >= RTM_BASE;
	return route_neighbour_said(m, &n) && (n.ours || n.fixed);
}

static int part_turn(void *part, uint64_t now_ns)
{
	struct way_part *p = part;
	_Alignas(struct nlmsghdr) char room[32768];
	const struct nlmsghdr *m;
	ssize_t n;

	while ((n = recv(p->fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
		size_t left = (size_t)n;

		for (m = (const void *)room; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
			p->due = p->due || counts(m);
	}
	if (n < 0 && errno == ENOBUFS) /* some are lost */
		p->due = true;
	if (p->due && now_ns >= p->next_ns)
		follow_all(p);
	return 0;
}

static int late_turn(void *arg, uint64_t now_ns)
{
	struct way_part *p = arg;

	if (p->due && now_ns >= p->next_ns)
		follow_all(p);
	return 0;
}

static void part_wished(void *part)
{
	follow_all(part);
}

static int part_open(struct keeper *k, void **ret, struct err *err)
{
	struct way_part *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, ENOMEM, "out of memory");
	p->k = k;
	p->fd = route_listen();
	r = p->fd < 0 ? err_errno(err, -p->fd, "cannot hear of changes of neighbours and routes")
		      : loop_every(keeper_loop(k), LATE_NS, late_turn, p, err);
	if (r < 0) {
		if (p->fd >= 0)
			(void)close(p->fd);
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

static int part_fd(void *part)
{
	return ((struct way_part *)part)->fd;
}

static void part_close(void *part)
{
	struct way_part *p = part;

	(void)close(p->fd);
	free(p);
}

const struct keeper_part keeper_way = {
	.name = "way", .open = part_open, .fd = part_fd, .turn = part_turn, .wished = part_wished, .close = part_close
};
