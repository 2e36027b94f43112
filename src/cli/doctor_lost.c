/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor_lost.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "net/route.h"
#include "packet/wire.h"

#define RP_STRICT 1 /* RFC 3704; Documentation/networking/ip-sysctl.rst, rp_filter */

struct lost {
	struct buf *out;
	const char *interface;
	bool json;
	size_t count;
};

static void tell(struct lost *l, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void tell(struct lost *l, const char *what, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!l->json) {
		buf_printf(l->out, "  --  %-11s %s\n", what, text);
	} else {
		buf_printf(l->out, "%s{\"what\":\"%s\",\"text\":", l->count ? "," : "", what);
		buf_json(l->out, text, strlen(text));
		buf_char(l->out, '}');
	}
	l->count++;
}

/* ---- what is so ---- */

static int conf_one(const char *interface, const char *name)
{
	char path[128];
	CLEANUP_FCLOSE FILE *f = NULL;
	int v = 0;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", interface, name);
	f = fopen(path, "re");
	return f && fscanf(f, "%d", &v) == 1 ? v : 0;
}

/* The larger one of `all` and the interface's counts, of those that are asked here (include/linux/inetdevice.h). */
static int conf(const char *interface, const char *name)
{
	int all = conf_one("all", name), own = conf_one(interface, name);

	return MAX(all, own);
}

static bool addr_of(const struct ifaddrs *a, struct lb_addr *ret)
{
	*ret = (struct lb_addr) { 0 };
	if (!a->ifa_addr)
		return false;
	if (a->ifa_addr->sa_family == AF_INET) {
		ret->family = 4;
		memcpy(ret->addr, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, 4);
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		ret->family = 6;
		memcpy(ret->addr, &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr, 16);
	}
	return ret->family;
}

static bool is_within(const struct lb_addr *addr, const struct lb_wish_vip *vip)
{
	const uint8_t *a = (const uint8_t *)addr->addr, *n = (const uint8_t *)vip->addr.addr;
	unsigned whole = vip->bits / 8, rest = vip->bits % 8;

	return addr->family == vip->addr.family && !memcmp(a, n, whole) &&
	       (!rest || !((a[whole] ^ n[whole]) & (uint8_t)(0xff00U >> rest)));
}

/* ---- what is lost ---- */

static void vip_local(struct lost *l, const struct wish_vip *v, const struct ifaddrs *all)
{
	const struct ifaddrs *a;
	struct lb_addr addr;
	char text[WISH_VIP_TEXT], here[LB_ADDR_TEXT];

	for (a = all; a; a = a->ifa_next) {
		if (!addr_of(a, &addr) || !is_within(&addr, &v->vip))
			continue;
		(void)lb_addr_text(&addr, here);
		if (addr.family == 4 && !conf(l->interface, "accept_local"))
			tell(l, "VIP",
			     "%s: %s is an address of this host, too (%s): what comes in from it and is left to the "
			     "host, "
			     "as answers of backends that it forwards, is dropped as martian (accept_local is 0)",
			     wish_vip_text(&v->vip, text), here, a->ifa_name);
		else
			tell(l, "VIP",
			     "%s: %s is an address of this host, too (%s): what the balancer leaves to the host ends "
			     "here",
			     wish_vip_text(&v->vip, text), here, a->ifa_name);
		return;
	}
}

/* A strict filter drops what the host would answer by another interface.  from: an address that such packets have. */
static void strict(struct lost *l, const char *from, const char *packets)
{
	struct lb_addr addr;
	struct route_way way;
	char name[IF_NAMESIZE] = "?";

	if (conf(l->interface, "rp_filter") != RP_STRICT || lb_addr_parse(from, &addr) < 0)
		return;
	if (route_to(&addr, &way) < 0)
		tell(l, "rp_filter", "is 1 (strict) and there is no route to %s: %s are dropped", from, packets);
	else if (way.ifindex != if_nametoindex(l->interface))
		tell(l, "rp_filter", "is 1 (strict) and the way to %s is by '%s': %s are dropped", from,
		     if_indextoname(way.ifindex, name) ? name : "?", packets);
}

/* A backend must not answer questions for a VIP on its link. */
static void arp(struct lost *l, const struct ifaddrs *all)
{
	const struct ifaddrs *a;
	struct lb_addr addr;
	char text[LB_ADDR_TEXT];

	for (a = all; a && !conf(l->interface, "arp_ignore"); a = a->ifa_next) {
		if (!(a->ifa_flags & IFF_LOOPBACK) || !addr_of(a, &addr) || addr.family != 4 ||
		    *(const uint8_t *)addr.addr == IN_LOOPBACKNET)
			continue;
		tell(l, "arp_ignore",
		     "is 0: this host answers on '%s' who asks for %s, an address of '%s'; if it is a VIP and its "
		     "router is on "
		     "this link, packets come here past the balancer (arp_ignore 1 and arp_announce 2 end that)",
		     l->interface, lb_addr_text(&addr, text), a->ifa_name);
		return;
	}
}

/* The kernel's own ends of tunnels, where saker opens none. */
static void tunnels(struct lost *l, const struct wish_if *f)
{
	static const char *const names[] = { "tunl0", "ip6tnl0" };
	size_t i, there = 0;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (!if_nametoindex(names[i]))
			continue;
		there++;
		if (conf(names[i], "rp_filter") == RP_STRICT)
			tell(l, "rp_filter",
			     "of %s is 1 (strict): IPv4 packets of clients that come out of it are dropped, since "
			     "answers do not "
			     "go there",
			     names[i]);
	}
	if (!there && f && !f->nvips)
		tell(l, "tunnels",
		     "nobody opens any here: no `decap` is wished, and there is neither tunl0 nor ip6tnl0: IPIP "
		     "packets of a "
		     "balancer are lost");
}

static void lost_of(struct lost *l, const struct wish_if *f, const struct ifaddrs *all)
{
	bool opens = f && (f->decap_ipip || f->decap_gue);
	size_t i;

	for (i = 0; f && i < f->nvips; i++)
		vip_local(l, &f->vips[i], all);
	if (opens)
		strict(l, "8.8.8.8", "packets of clients that come out of tunnels");
	if (f && f->nvips && hop_forwards(l->interface, 4))
		strict(l, "172.16.0.1",
		       "tunnelled packets that are left to the host, since their next hop has no link address yet,");
	if (!f || !f->nvips)
		arp(l, all);
	if (!opens)
		tunnels(l, f);
}

void doctor_lost(struct buf *out, const char *interface, bool json)
{
	struct lost l = { .out = out, .interface = interface, .json = json };
	struct ifaddrs *all = NULL;
	struct balancer b;
	struct wish wish = { 0 };
	struct err none = ERR_INIT;

	if (getifaddrs(&all))
		all = NULL;
	if (!balancer_open(&b, interface, false, &none)) {
		(void)balancer_wish(&b, &wish, &none);
		balancer_close(&b);
	}
	if (json)
		buf_str(out, ",\"losses\":[");
	lost_of(&l, wish.nifs ? &wish.ifs[0] : NULL, all);
	if (json)
		buf_char(out, ']');
	wish_fini(&wish);
	freeifaddrs(all);
}
