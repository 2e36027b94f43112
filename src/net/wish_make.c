/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wish_make.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "packet/wire.h"

/* Outer sources where none is said: Katran's, so that a receiver's rules fit for both. */
#define IPIP_SOURCE4_A 172
#define IPIP_SOURCE4_B 16
#define IPIP_SOURCE6 0x0100 /* 100::/64, RFC 6666 */

static struct lb_wish_backend backend_made(const struct wish_backend *b)
{
	return (struct lb_wish_backend) {
		.addr = b->addr,
		.weight = b->weight,
		.flags = (uint8_t)(wish_mode_flags(b->mode) | (b->local ? LB_REAL_LOCAL : 0)),
		.down = b->down,
		.mac = { b->mac[0], b->mac[1], b->mac[2], b->mac[3], b->mac[4], b->mac[5] },
		.ifindex = b->interface[0] ? if_nametoindex(b->interface) : 0,
	};
}

static struct lb_wish_id *ids_made(const struct wish_list *list)
{
	struct lb_wish_id *rows = calloc(list->count ? list->count : 1, sizeof(*rows));
	size_t i;

	for (i = 0; rows && i < list->count; i++)
		rows[i] = (struct lb_wish_id) { .id = list->rows[i].id, .to = backend_made(&list->rows[i].to) };
	return rows;
}

static struct lb_wish_route *routes_made(const struct wish_list *list)
{
	struct lb_wish_route *rows = calloc(list->count ? list->count : 1, sizeof(*rows));
	size_t i;

	for (i = 0; rows && i < list->count; i++)
		rows[i] = (struct lb_wish_route) { .net = list->rows[i].net,
						   .bits = list->rows[i].bits,
						   .to = backend_made(&list->rows[i].to) };
	return rows;
}

static int vips_made(const struct wish_if *f, struct wish_made *m)
{
	size_t i, k, n = 0;

	for (i = 0; i < f->nvips; i++)
		n += f->vips[i].nbackends;
	m->vips = calloc(f->nvips ? f->nvips : 1, sizeof(*m->vips));
	m->backends = calloc(n ? n : 1, sizeof(*m->backends));
	if (!m->vips || !m->backends)
		return -ENOMEM;
	for (i = n = 0; i < f->nvips; i++) {
		m->vips[i] = f->vips[i].vip;
		m->vips[i].backends = &m->backends[n];
		m->vips[i].nbackends = f->vips[i].nbackends;
		for (k = 0; k < f->vips[i].nbackends; k++)
			m->backends[n++] = backend_made(&f->vips[i].backends[k]);
	}
	return 0;
}

static uint32_t tunnel_bytes(const struct wish_backend *b)
{
	if (b->local)
		return 0;
	return (uint32_t)(b->addr.family == 4 ? sizeof(struct wire_ipv4) : sizeof(struct wire_ipv6)) +
	       (b->mode == WISH_GUE ? (uint32_t)sizeof(struct wire_udp) : 0);
}

/* The longest frame that leaves by the interface again after the longest of the tunnels; by routes, the kernel knows for each. */
static uint32_t frame_usual(const struct wish_if *f, const struct hop *hop)
{
	const struct wish_list *lists[] = { &f->routes, &f->ids };
	uint32_t whole = hop->mtu + ETHER_BYTES, most = 0;
	size_t i, k;

	if (hop->by_route)
		return whole + PACKET_VLANS_MAX * (uint32_t)sizeof(struct wire_vlan);
	for (i = 0; i < f->nvips; i++) {
		if (f->vips[i].vip.flags & (LB_VIP_NAT | LB_VIP_L2))
			continue;
		for (k = 0; k < f->vips[i].nbackends; k++)
			most = MAX(most, tunnel_bytes(&f->vips[i].backends[k]));
	}
	for (i = 0; i < ARRAY_LEN(lists); i++) {
		for (k = 0; k < lists[i]->count; k++)
			most = MAX(most, tunnel_bytes(&lists[i]->rows[k].to));
	}
	return whole - most;
}

static void config_made(const struct wish_if *f, const struct hop *hop, struct lb_config *c)
{
	const struct lb_addr *gue4 = f->gue_source4.family ? &f->gue_source4 : &hop->own4;
	const struct lb_addr *gue6 = f->gue_source6.family ? &f->gue_source6 : &hop->own6;

	c->gue_src4 = gue4->addr[0];
	memcpy(c->gue_src6, gue6->addr, sizeof(c->gue_src6));
	c->ipip_src4[0] = IPIP_SOURCE4_A;
	c->ipip_src4[1] = IPIP_SOURCE4_B;
	if (f->ipip_source4.family)
		memcpy(c->ipip_src4, f->ipip_source4.addr, 2);
	c->ipip_src6[0] = WIRE32((uint32_t)IPIP_SOURCE6 << 16);
	if (f->ipip_source6.family)
		memcpy(c->ipip_src6, f->ipip_source6.addr, sizeof(c->ipip_src6));
	c->gue_port = WIRE16(f->gue_port);
	memcpy(c->router_mac, hop->router_mac, 6);
	memcpy(c->own_mac, hop->own_mac, 6);
	c->frame_max = f->frame_max ? f->frame_max : frame_usual(f, hop);
	c->ring = f->ring;
	c->flood_rate = f->flood_rate;
	c->udp_idle_s = f->udp_idle_s;
	c->nat_idle_s = f->nat_idle_s;
	c->nat_udp_idle_s = f->nat_udp_idle_s;
	c->flags = (f->drop_too_big ? 0 : LB_TELL_TOO_BIG) | (f->decap_ipip ? LB_DECAP_IPIP : 0) |
		   (hop->by_route ? LB_BY_ROUTE : 0) | (hop->to_sender ? LB_TO_SENDER : 0) |
		   (f->decap_gue ? LB_DECAP_GUE : 0) | (f->decap_strict ? LB_DECAP_STRICT : 0) |
		   (f->decap_ttl ? LB_DECAP_TTL : 0) | (f->decap_whole ? LB_DECAP_WHOLE : 0);
}

static void plan_made(const struct wish_if *f, struct chain_plan *plan)
{
	size_t n = 0;

	if (f->decap_ipip || f->decap_gue)
		plan->stages[n++] = "decap_stage";
	if (f->nvips)
		plan->stages[n++] = "lb_stage";
	plan->gue_port = (uint16_t)f->gue_port;
	plan->sample = f->sample;
	plan->sample_drops = f->sample_drops;
}

static int backend_check(const struct wish_if *f, const struct wish_backend *b, const struct hop *hop, struct err *err)
{
	const struct lb_addr *said = b->addr.family == 4 ? &f->gue_source4 : &f->gue_source6;
	const struct lb_addr *own = b->addr.family == 4 ? &hop->own4 : &hop->own6;
	char text[LB_ADDR_TEXT];

	if (b->interface[0] && !if_nametoindex(b->interface))
		return err_set(err, ENODEV, "there is no interface '%s', by which backend %s is to be reached",
			       b->interface, lb_addr_text(&b->addr, text));
	if (b->mode == WISH_GUE && !b->local && !said->family && !own->family)
		return err_set(
			err, EADDRNOTAVAIL,
			"interface '%s' has no IPv%u address, so tunnels to backend %s have no source: say `gue: "
			"{source%u: ADDRESS}`",
			f->name, b->addr.family, lb_addr_text(&b->addr, text), b->addr.family);
	return 0;
}

static int backends_check(const struct wish_if *f, const struct hop *hop, struct err *err)
{
	const struct wish_list *lists[] = { &f->routes, &f->ids, &f->marks };
	size_t i, k;
	int r = 0;

	for (i = 0; i < f->nvips && !r; i++) {
		/* NAT and L2 have no tunnel */
		if (f->vips[i].vip.flags & LB_VIP_NAT)
			continue;
		for (k = 0; k < f->vips[i].nbackends && !r; k++)
			r = backend_check(f, &f->vips[i].backends[k], hop, err);
	}
	for (i = 0; i < ARRAY_LEN(lists); i++) {
		for (k = 0; k < lists[i]->count && !r; k++)
			r = backend_check(f, &lists[i]->rows[k].to, hop, err);
	}
	return r;
}

int wish_make(const struct wish_if *f, const struct hop *hop, struct wish_made *ret, struct err *err)
{
	struct wish_made m = { 0 };
	int r = backends_check(f, hop, err);

	if (r < 0)
		return r;
	m.ids = ids_made(&f->ids);
	m.marks = ids_made(&f->marks);
	m.routes = routes_made(&f->routes);
	if (!m.ids || !m.marks || !m.routes || vips_made(f, &m) < 0) {
		wish_made_fini(&m);
		return err_set(err, ENOMEM, "out of memory");
	}
	config_made(f, hop, &m.wish.config);
	plan_made(f, &m.plan);
	m.wish.vips = m.vips;
	m.wish.nvips = f->nvips;
	m.wish.ids = m.ids;
	m.wish.nids = f->ids.count;
	m.wish.marks = m.marks;
	m.wish.nmarks = f->marks.count;
	m.wish.routes = m.routes;
	m.wish.nroutes = f->routes.count;
	m.wish.decaps = f->decaps;
	m.wish.ndecaps = f->ndecaps;
	*ret = m;
	return 0;
}

void wish_made_fini(struct wish_made *m)
{
	if (!m)
		return;
	free(m->vips);
	free(m->backends);
	free(m->ids);
	free(m->marks);
	free(m->routes);
	memset(m, 0, sizeof(*m));
}
