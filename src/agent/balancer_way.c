/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balancer_way - where an interface's packets go next: what a command finds out, and what follows changes from then on.
 *
 * With a router, its link address is in the balancer's configuration, so somebody must write another one: the agent (keeper_way.c), or the
 * next command.  By routes the kernel says for each packet; it knows of a neighbour what sockets made it ask, and packets of
 * XDP make it ask nothing, so it is told to keep these neighbours (net/route.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/chain.h"
#include "net/hop.h"
#include "net/lb/look.h"
#include "net/lb/way.h"
#include "net/route.h"
#include "net/wish_make.h"

/* So many different backends are looked for, and next hops kept: a balancer has few routers, and a link not many more neighbours. */
#define WAYS_BACKENDS 1024
#define WAYS_MAX 256

static bool is_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, 6) != 0;
}

/* Does anything need to know where packets leave?  *to: the first backend elsewhere; *six: one has an IPv6 address. */
static bool wish_sends(const struct wish_if *f, struct lb_addr *to, bool *six)
{
	bool sends = f->marks.count || f->routes.count || f->ids.count;
	size_t i, k;

	for (i = 0; i < f->nvips; i++) {
		for (k = 0; k < f->vips[i].nbackends; k++) {
			const struct wish_backend *b = &f->vips[i].backends[k];

			sends = true;
			*six = *six || b->addr.family == 6;
			if (!to->family && !b->local)
				*to = b->addr;
		}
	}
	return sends;
}

/* L2 asks the kernel for the MACs that are not said. */
static bool wants_kernel(const struct wish_if *f)
{
	size_t i, k;

	for (i = 0; i < f->nvips; i++) {
		for (k = 0; k < f->vips[i].nbackends && f->vips[i].vip.flags & LB_VIP_L2; k++) {
			if (!is_mac(f->vips[i].backends[k].mac))
				return true;
		}
	}
	return false;
}

/* A router that is silent just now, and is the one that was wished before: packets go on to where they go. */
static bool last_mac(struct balancer *b, const struct wish_if *f, struct hop *hop)
{
	struct lb_config runs;
	struct err none = ERR_INIT;
	struct wish kept;
	char text[LB_ADDR_TEXT];
	bool same;

	if (!b->chain || lb_look_config(b->chain, &runs) || runs.flags & LB_BY_ROUTE || !is_mac(runs.router_mac) ||
	    balancer_wish(b, &kept, &none) < 0)
		return false;
	same = kept.nifs && !strcmp(kept.ifs[0].router, f->router);
	wish_fini(&kept);
	if (!same)
		return false;
	memcpy(hop->router_mac, runs.router_mac, 6);
	buf_printf(&b->said,
		   "the next hop %s does not answer on interface '%s': packets go on to the MAC that it had\n",
		   lb_addr_text(&hop->router, text), b->attach.name);
	return true;
}

/* A chain that only opens tunnels needs no next hop; a host that forwards knows for each packet. */
static int next_hop(struct balancer *b, const struct wish_if *f, struct hop *hop, struct err *err)
{
	const char *name = b->attach.name, *router = f->router;
	struct lb_addr to = { 0 };
	char sysctl[HOP_SYSCTL];
	bool six = false, sends = wish_sends(f, &to, &six);
	bool forwards = hop_forwards(name, 4) && (!six || hop_forwards(name, 6));
	struct err why = ERR_INIT;
	int r;

	if ((!strcmp(router, WISH_BY_ROUTES) || wants_kernel(f)) && !forwards)
		return err_set(err, EINVAL,
			       "the kernel says where packets leave only where it forwards: `sysctl -w %s=1`%s",
			       hop_sysctl(name, 4, sysctl), six ? ", and the same of ipv6" : "");
	if (!sends && !router[0])
		router = "00:00:00:00:00:00";
	else if (!router[0] && forwards)
		router = WISH_BY_ROUTES;
	r = hop_find(name, b->attach.ifindex, router, &to, b->next, hop, &why);
	if (r == -EHOSTUNREACH && last_mac(b, f, hop))
		r = 0;
	return r < 0 ? err_set(err, -r, "%s", why.text) : 0;
}

int balancer_make(struct balancer *b, const struct wish_if *f, struct wish_made *ret, struct err *err)
{
	struct hop hop = { 0 };
	int r = next_hop(b, f, &hop, err);

	return r < 0 ? r : wish_make(f, &hop, ret, err);
}

/* ---- next hops by routes ---- */

struct ways {
	struct route_neighbour rows[WAYS_MAX];
	size_t count;
};

static int addr_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_addr));
}

static void way_add(struct ways *w, const struct lb_addr *backend)
{
	struct route_neighbour n = { .addr = *backend };
	struct route_way way;
	size_t i;

	if (route_to(backend, &way) < 0)
		return;
	n.ifindex = way.ifindex;
	if (way.gateway.family)
		n.addr = way.gateway;
	for (i = 0; i < w->count; i++) {
		if (w->rows[i].ifindex == n.ifindex && !addr_compare(&w->rows[i].addr, &n.addr))
			return;
	}
	if (w->count < WAYS_MAX)
		w->rows[w->count++] = n;
}

/* The next hops of the backends that the kernel is asked for; the caller frees.  NULL: none, or no memory. */
static struct ways *ways_of(const struct wish_if *f)
{
	CLEANUP_FREE struct lb_addr *addrs = calloc(WAYS_BACKENDS, sizeof(*addrs));
	struct ways *w = calloc(1, sizeof(*w));
	size_t i, k, n = 0;

	for (i = 0; addrs && w && i < f->nvips; i++) {
		for (k = 0; k < f->vips[i].nbackends && n < WAYS_BACKENDS; k++) {
			const struct wish_backend *b = &f->vips[i].backends[k];

			if (!b->local && !is_mac(b->mac))
				addrs[n++] = b->addr;
		}
	}
	if (n)
		qsort(addrs, n, sizeof(*addrs), addr_compare);
	for (i = 0; i < n; i++) {
		if (!i || addr_compare(&addrs[i], &addrs[i - 1]) != 0)
			way_add(w, &addrs[i]);
	}
	return w;
}

static bool by_routes(const struct balancer *b)
{
	struct lb_config runs;

	return b->chain && !lb_look_config(b->chain, &runs) && runs.flags & LB_BY_ROUTE;
}

void balancer_ways_ask(struct balancer *b, const struct wish_if *f)
{
	CLEANUP_FREE struct ways *w = by_routes(b) ? ways_of(f) : NULL;
	char text[LB_ADDR_TEXT];
	size_t i, silent;

	if (!w)
		return;
	silent = hop_ask(w->rows, w->count);
	for (i = 0; i < w->count && silent; i++) {
		if (w->rows[i].known)
			continue;
		buf_printf(&b->said,
			   "the next hop %s does not answer%s: until it does, packets that go there are left to this "
			   "host (LB_NO_NEIGHBOUR) or, with l2, dropped (LB_NO_MAC)\n",
			   lb_addr_text(&w->rows[i].addr, text), silent > 1 ? ", nor do others" : "");
		break;
	}
}

void balancer_ways_leave(struct balancer *b)
{
	route_neighbours_leave(b->attach.ifindex);
}

/* ---- what follows ---- */

int balancer_way(struct balancer *b, const struct wish_if *f, struct balancer_way *ret, struct err *err)
{
	CLEANUP(wish_made_fini) struct wish_made made = { 0 };
	struct hop hop = { 0 };
	int r = b->chain ? next_hop(b, f, &hop, err) : err_set(err, ENOENT, "nothing runs on interface '%s'", f->name);

	if (!r)
		r = wish_make(f, &hop, &made, err);
	if (!r && lb_look_config(b->chain, &ret->runs))
		r = err_set(err, EIO, "cannot read the balancer's configuration");
	if (r < 0)
		return r;
	ret->router = hop.router;
	ret->wanted = made.wish.config;
	ret->holds = lb_way_equal(&ret->runs, &ret->wanted);
	return 0;
}

int balancer_follow(struct balancer *b, const struct wish_if *f, struct balancer_way *ret, struct err *err)
{
	CLEANUP_FREE struct ways *w = by_routes(b) ? ways_of(f) : NULL;
	struct balancer lock;
	size_t i;
	int r;

	for (i = 0; w && i < w->count; i++)
		hop_keep(&w->rows[i]);
	b->next = HOP_KEEP;
	buf_reset(&b->said);
	r = balancer_way(b, f, ret, err);
	if (r < 0 || ret->holds)
		return r;
	r = balancer_try(&lock, b->attach.name, err);
	if (r < 0)
		return r;
	r = lock.chain ? lb_way_set(lock.chain, &ret->wanted, err) : 0;
	balancer_close(&lock);
	return r < 0 ? r : 1;
}
