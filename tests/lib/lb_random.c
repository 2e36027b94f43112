/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lb_random - random packets through the chain's programs and through the model: verdict and bytes must be equal.
 *
 * usage: lb_random PACKETS [SEED]: TAP.  Most packets are valid, to a VIP or beside it; many are then cut, or have bytes
 * changed; some are tunnels, errors, fragments, oversized, or noise.  Both run over the same packets in the same order, and
 * now and then weights change by a transaction: so their connection tables must agree, too.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "lb_model.h"
#include "packet/wire.h"

#define GUE_PORT 6080
#define VIPS 21
#define BACKENDS 6
#define CHANGES 20 /* of weights, during a run */

static enum chain_hook hook;
static uint64_t seed;
static struct model model;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

static bool one_in(uint32_t n)
{
	return !rnd(n);
}

static void die(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

static struct lb_addr addr_of(const char *text)
{
	struct lb_addr a;

	if (lb_addr_parse(text, &a) < 0)
		die(text);
	return a;
}

/* ---- the wish ---- */

static const struct {
	const char *addr;
	uint8_t bits;
	uint16_t port;
	uint8_t proto;
	uint32_t flags;
	uint16_t nat_port;
} vip_rows[VIPS] = {
	{ "10.200.1.1", 32, 80, 6, 0, 0 },
	{ "10.200.1.1", 32, 80, 17, LB_VIP_ROUTES, 0 },
	{ "10.200.1.2", 32, 0, 6, LB_VIP_SERVER_ID, 0 },
	{ "10.200.1.3", 32, 443, 17, LB_VIP_QUIC, 0 },
	{ "10.200.1.4", 32, 0, 17, LB_VIP_DPORT_HASH | LB_VIP_MIGRATE, 0 },
	{ "10.200.1.6", 32, 0, 6, LB_VIP_DPORT_HASH | LB_VIP_SERVER_ID | LB_VIP_ROUTES, 0 },
	{ "10.200.2.0", 24, 0, 6, LB_VIP_BOTH_PORTS | LB_VIP_STATELESS, 0 },
	{ "10.200.2.16", 28, 80, 6, LB_VIP_NO_SRC_PORT, 0 },
	{ "fc00:1::1", 128, 80, 6, LB_VIP_SERVER_ID | LB_VIP_ROUTES, 0 },
	{ "fc00:1::2", 128, 443, 17, LB_VIP_QUIC | LB_VIP_MIGRATE, 0 },
	{ "fc00:1::3", 128, 0, 17, LB_VIP_UDP_STABLE | LB_VIP_LOCAL, 0 },
	{ "fc00:2::", 64, 0, 6, 0, 0 },
	{ "10.200.3.1", 32, 80, 6, LB_VIP_NAT, 8080 },
	{ "10.200.3.2", 32, 81, 6, LB_VIP_NAT | LB_VIP_ROUTES,
	  8080 }, /* by the same backends, and a route to one of IPv6 */
	{ "10.200.3.3", 32, 0, 17, LB_VIP_NAT | LB_VIP_MIGRATE, 0 },
	{ "fc00:3::1", 128, 80, 6, LB_VIP_NAT | LB_VIP_SERVER_ID, 0 },
	{ "fc00:3::2", 128, 53, 17, LB_VIP_NAT, 5353 },
	{ "fc00:3::3", 128, 0, 6, LB_VIP_NAT, 80 }, /* by the same backends as two before, to the same port */
	{ "10.200.4.1", 32, 80, 6, LB_VIP_L2, 0 },
	{ "fc00:4::1", 128, 0, 17, LB_VIP_L2 | LB_VIP_STATELESS, 0 },
	{ "fc00:1::9", 128, 80, 6, 0, 0 }, /* has no backend */
};

static const char *const backend_rows[BACKENDS] = {
	"10.0.0.1", "10.0.0.2", "10.0.0.3", "fc00::1", "fc00::2", "fc00::3"
};

static struct lb_wish_vip vips[VIPS];
static struct lb_wish_backend backends[VIPS][BACKENDS];
static struct lb_wish_id ids[BACKENDS];
static struct lb_wish_route routes[4];
static struct lb_wish_decap decaps[3];
static struct lb_wish wish;

/* One tunnel for each address: IPIP for the first of each family, GUE for the others. */
static struct lb_wish_backend backend(uint32_t i)
{
	struct lb_wish_backend b = { .addr = addr_of(backend_rows[i]), .weight = i + 1 };

	b.flags = i % 3 ? LB_REAL_GUE : 0;
	if (i == 5)
		b.flags |= LB_REAL_LOCAL;
	memcpy(b.mac, "\2\0\0\7\7", 5);
	b.mac[5] = (uint8_t)i;
	return b;
}

static void fill_vips(void)
{
	uint32_t i, k;

	for (i = 0; i < VIPS; i++) {
		vips[i] = (struct lb_wish_vip) { .addr = addr_of(vip_rows[i].addr),
						 .bits = vip_rows[i].bits,
						 .port = vip_rows[i].port,
						 .proto = vip_rows[i].proto,
						 .flags = vip_rows[i].flags,
						 .nat_port = vip_rows[i].nat_port };
		/* NAT: only those of its family, three */
		k = vip_rows[i].flags & LB_VIP_NAT && vips[i].addr.family == 6 ? 3 : 0;
		vips[i].backends = &backends[i][k];
		vips[i].nbackends = vip_rows[i].flags & LB_VIP_NAT ? 3 : i + 1 < VIPS ? BACKENDS : 0;
		for (k = 0; k < BACKENDS; k++) {
			backends[i][k] = backend(k);
			backends[i][k].down = k == 1 && vip_rows[i].flags & LB_VIP_MIGRATE;
		}
	}
}

static void fill_wish(void)
{
	static const char *const nets[4] = { "192.168.0.0", "192.168.100.0", "fc00:2307::", "fc00:2307:0:1::" };
	static const uint8_t bits[4] = { 17, 24, 32, 64 };
	static const uint8_t mac[6] = { 0, 0, 0xde, 0xad, 0xbe, 0xaf };
	struct lb_config *c = &wish.config;
	uint32_t i;

	fill_vips();
	for (i = 0; i < BACKENDS; i++)
		ids[i] = (struct lb_wish_id) { .id = 1000 + i * 65536, .to = backend(i) };
	for (i = 0; i < 4; i++)
		routes[i] = (struct lb_wish_route) { .net = addr_of(nets[i]), .bits = bits[i], .to = backend(i + 1) };
	decaps[0] = (struct lb_wish_decap) { addr_of("10.7.0.1"), LB_DECAP_TO_HOST };
	decaps[1] = (struct lb_wish_decap) { addr_of("fc00:7::1"), LB_DECAP_AGAIN };
	decaps[2] = (struct lb_wish_decap) { addr_of("10.7.0.2"), LB_DECAP_RETURN };
	c->gue_src4 = addr_of("10.0.13.37").addr[0];
	memcpy(c->gue_src6, addr_of("fc00:2307::1337").addr, 16);
	memcpy(c->ipip_src6, addr_of("100::").addr, 12);
	c->ipip_src4[0] = 172;
	c->ipip_src4[1] = 16;
	c->gue_port = WIRE16(GUE_PORT);
	memcpy(c->router_mac, mac, 6);
	c->frame_max = 1514;
	c->flood_rate = UINT32_MAX;
	c->udp_idle_s = c->nat_idle_s = c->nat_short_s = 1000000;
	c->flags = LB_TELL_TOO_BIG | LB_DECAP_IPIP | LB_DECAP_GUE | LB_DECAP_STRICT | LB_DECAP_TTL;
	wish.vips = vips;
	wish.nvips = VIPS;
	wish.ids = ids;
	wish.nids = BACKENDS;
	wish.routes = routes;
	wish.nroutes = 4;
	wish.decaps = decaps;
	wish.ndecaps = 3;
}

/* ---- packets, made from the inside outwards: each maker puts a header before what is there ---- */

struct made {
	uint8_t room[MODEL_FRAME];
	size_t from; /* the packet is room[from..MODEL_FRAME) */
};

static size_t length(const struct made *m)
{
	return MODEL_FRAME - m->from;
}

static uint8_t *before(struct made *m, size_t n)
{
	m->from -= n;
	memset(m->room + m->from, 0, n);
	return m->room + m->from;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

struct ends {
	struct lb_addr src, dst;
};

/* A client, and a VIP's address (or one beside it) with a port that may be its. */
static struct ends pick_ends(uint16_t *port, uint8_t *proto)
{
	uint32_t i = rnd(VIPS);
	struct ends e = { .dst = vips[i].addr };
	uint8_t *src = (uint8_t *)e.src.addr, *dst = (uint8_t *)e.dst.addr;

	*port = vips[i].port && !one_in(20) ? vips[i].port : (uint16_t)(1 + rnd(3));
	*proto = one_in(20) ? (uint8_t)(23 - vips[i].proto) : vips[i].proto;
	e.src.family = e.dst.family;
	if (e.dst.family == 4) {
		memcpy(src, "\xc0\xa8\x64\x01", 4);
		src[2] = (uint8_t)(rnd(3) * 100);
		src[3] = (uint8_t)rnd(40);
		dst[3] = one_in(10) ? (uint8_t)rnd(64) : dst[3];
	} else {
		memcpy(src, "\xfc\x00\x23\x07", 4);
		src[3] = (uint8_t)(7 + rnd(2));
		src[7] = (uint8_t)rnd(3);
		src[12] = (uint8_t)rnd(3);
		src[15] = (uint8_t)rnd(20);
		dst[15] = one_in(10) ? (uint8_t)rnd(16) : dst[15];
	}
	return e;
}

static uint16_t client_port(void)
{
	return (uint16_t)(30000 + rnd(20));
}

/* A connection that has another source port at its backend, or NULL. */
static const struct packet_flow *renamed(void)
{
	return model.nrenamed ? &model.renamed[rnd(MIN(model.nrenamed, MODEL_RENAMED))] : NULL;
}

static void pick_end(struct lb_addr *a, const struct packet_flow *f, bool src)
{
	*a = (struct lb_addr) { .family = f->family };
	memcpy(a->addr, src ? f->src : f->dst, sizeof(a->addr));
}

static uint16_t host16(__be16 port)
{
	return (uint16_t)WIRE16(port);
}

/* NAT: the same two ends with a backend in the VIP's place, and turned round, as the backend's packets are. */
static void pick_reply(struct ends *e, uint16_t *from, uint16_t *port, uint8_t *proto)
{
	const struct lb_wish_vip *v = &vips[VIPS - 9 + rnd(6)];
	const struct packet_flow *other = one_in(3) ? renamed() : NULL;
	struct ends way;

	if (other) {
		pick_end(&e->src, other, true);
		pick_end(&e->dst, other, false);
		*from = host16(other->sport);
		*port = host16(other->dport);
		*proto = other->proto;
		return;
	}
	do
		way = pick_ends(from, proto);
	while (way.dst.family != v->addr.family);
	*proto = v->proto;
	*from = v->nat_port ? v->nat_port : v->port ? v->port : (uint16_t)(1 + rnd(3));
	*port = client_port();
	e->src = v->backends[rnd(3)].addr;
	e->dst = way.src;
}

static struct ends turned(const struct ends *e)
{
	struct ends t = { e->dst, e->src };

	return t;
}

static uint32_t pseudo(const struct ends *e, uint8_t proto, size_t n)
{
	size_t bytes = e->src.family == 4 ? 4 : 16;

	return (uint16_t)~sum16((const uint8_t *)e->src.addr, bytes, 0) +
	       (uint16_t)~sum16((const uint8_t *)e->dst.addr, bytes, 0) + proto + (uint32_t)n;
}

static void make_payload(struct made *m)
{
	size_t n = one_in(40) ? 1400 + rnd(200) : rnd(60), i;
	uint8_t *p;

	m->from = MODEL_FRAME;
	p = before(m, n);
	for (i = 0; i < n; i++)
		p[i] = (uint8_t)rnd(256);
	if (n < 16)
		return;
	switch (rnd(6)) {
	case 0: /* QUIC, short header */
		p[0] = 0x40;
		put16(p + 2, rnd(BACKENDS + 1));
		p[1] = 0x80;
		put16(p + 3, 1000);
		break;
	case 1: /* QUIC, long header, an id of 16 bits */
		p[0] = (uint8_t)(0xc0 | rnd(4) << 4);
		p[5] = (uint8_t)(4 + rnd(8));
		p[6] = (uint8_t)(0x40 | 1000 >> 10);
		p[7] = (uint8_t)(1000 >> 2);
		p[8] = (uint8_t)(1000 << 6);
		break;
	case 2:
		p[0] = 0x52;
		p[1] = (uint8_t)rnd(BACKENDS + 1);
		put16(p + 2, 1000);
		break;
	default:
		break;
	}
}

static void make_tcp(struct made *m, const struct ends *e, uint16_t from, uint16_t port)
{
	static const uint8_t flags[] = { 0x10, 0x10, 0x18, 0x02, 0x12, 0x04, 0x11 };
	size_t words = one_in(3) ? rnd(11) : 0;
	uint8_t *t = before(m, 20 + 4 * words);

	put16(t, from);
	put16(t + 2, port);
	t[12] = (uint8_t)((5 + words) << 4);
	t[13] = flags[rnd(sizeof(flags))];
	memset(t + 20, 1, 4 * words);
	if (words >= 2 && !one_in(4)) {
		uint32_t at = 20 + rnd((uint32_t)(4 * words - 5));

		t[at] = 0xb7;
		t[at + 1] = one_in(8) ? (uint8_t)rnd(9) : 6;
		put16(t + at + 2, 0xe803);
		t[at + 4] = (uint8_t)rnd(BACKENDS + 1);
		t[at + 5] = 0;
	} else if (words) {
		t[20] = (uint8_t)rnd(256);
		t[21] = (uint8_t)rnd(12);
	}
	put16(t + 16, sum16(t, length(m), pseudo(e, 6, length(m))));
}

static void make_udp(struct made *m, const struct ends *e, uint16_t from, uint16_t port, bool sum)
{
	uint8_t *u = before(m, 8);

	put16(u, from);
	put16(u + 2, port);
	put16(u + 4, (uint32_t)length(m));
	if (sum)
		put16(u + 6, sum16(u, length(m), pseudo(e, 17, length(m))));
}

static void make_ip(struct made *m, const struct ends *e, uint8_t proto)
{
	size_t n = length(m);
	uint8_t *ip;

	if (e->src.family == 6) {
		ip = before(m, 40);
		ip[0] = (uint8_t)(0x60 | (one_in(4) ? rnd(16) : 0));
		ip[1] = (uint8_t)(rnd(16) << 4);
		put16(ip + 4, (uint32_t)n);
		ip[6] = proto;
		ip[7] = (uint8_t)(one_in(10) ? rnd(3) : 64);
		memcpy(ip + 8, e->src.addr, 16);
		memcpy(ip + 24, e->dst.addr, 16);
		return;
	}
	ip = before(m, 20);
	ip[0] = 0x45;
	ip[1] = (uint8_t)(one_in(4) ? rnd(256) : 0);
	put16(ip + 2, (uint32_t)n + 20);
	put16(ip + 4, rnd(65536));
	put16(ip + 6, !one_in(30) ? 0x4000 : one_in(2) ? 0x2000 : rnd(65536));
	ip[8] = (uint8_t)(one_in(10) ? rnd(3) : 64);
	ip[9] = proto;
	memcpy(ip + 12, e->src.addr, 4);
	memcpy(ip + 16, e->dst.addr, 4);
	put16(ip + 10, sum16(ip, 20, 0));
}

/* Extension headers before what is there; returns the first one's number. */
static uint8_t make_extensions(struct made *m, uint8_t next)
{
	static const uint8_t kinds[] = { 0, 43, 60, 44 };
	uint32_t n = 1 + rnd(7);
	uint8_t *x, kind;

	while (n--) {
		kind = kinds[rnd(sizeof(kinds))];
		x = before(m, kind != 44 && one_in(3) ? 16 : 8);
		x[0] = next;
		x[1] = (uint8_t)(kind != 44 && length(m) > 8 && one_in(9) ? rnd(2) : 0);
		if (kind == 44)
			put16(x + 2, one_in(3) ? rnd(65536) : 0);
		next = kind;
	}
	return next;
}

static void make_icmp(struct made *m, const struct ends *e, bool error)
{
	static const uint8_t errors[] = { 3, 11, 12 };
	bool four = e->src.family == 4;
	uint8_t *i = before(m, 8);

	i[0] = (uint8_t)(one_in(2) ? (four ? 8 : 128) : rnd(four ? 14 : 5));
	if (error)
		i[0] = (uint8_t)(four ? errors[rnd(3)] : 1 + rnd(4));
	i[1] = (uint8_t)rnd(5);
	put16(i + 6, 1400);
	put16(i + 2, sum16(i, length(m), four ? 0 : pseudo(e, 58, length(m))));
}

static void make_link(struct made *m, int family)
{
	uint32_t tags = one_in(6) ? rnd(4) : 0, i;
	uint8_t *l;

	l = before(m, 2);
	put16(l, family == 4 ? 0x0800 : 0x86dd);
	for (i = 0; i < tags; i++) {
		l = before(m, 4);
		put16(l, i + 1 < tags || one_in(2) ? 0x8100 : 0x88a8);
		put16(l + 2, rnd(4096));
		/* the type stands before the tag that it names: here a tag is type and value, before the next type */
	}
	l = before(m, 12);
	memcpy(l, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
}

/* What an error quotes: a packet that the error's receiver once sent, or its beginning. */
static void make_quoted(struct made *m, const struct ends *e, uint16_t from, uint16_t port, uint8_t proto)
{
	size_t keep = e->src.family == 4 ? 28 : 48, less;

	m->from = MAX(m->from, MODEL_FRAME - 100);
	if (proto == 6)
		make_tcp(m, e, from, port);
	else
		make_udp(m, e, from, port, !one_in(5));
	make_ip(m, e, proto);
	if (one_in(2) || length(m) < keep)
		return;
	less = rnd((uint32_t)(length(m) - keep) + 1);
	memmove(m->room + m->from + less, m->room + m->from, length(m) - less);
	m->from += less;
}

/* TCP, UDP, or an ICMP message of or about them; down to IP. */
static struct ends make_inner(struct made *m)
{
	uint16_t port, from = client_port();
	bool error = one_in(10);
	uint8_t proto;
	struct ends e = pick_ends(&port, &proto), about;
	const struct packet_flow *other;

	/* a client whose own port is the one that another of its connections got */
	other = one_in(20) ? renamed() : NULL;
	if (other && other->family == e.dst.family) {
		pick_end(&e.src, other, false);
		from = host16(other->dport);
	}
	if (one_in(4))
		pick_reply(&e, &from, &port, &proto);
	about = turned(&e);
	make_payload(m);
	if (error)
		make_quoted(m, &about, port, from, proto);
	if (error && one_in(3)) /* from a router on the way */
		e.src = addr_of(e.src.family == 4 ? "10.9.0.1" : "fc00:9::1");
	if (error || one_in(15)) {
		make_icmp(m, &e, error);
		proto = e.src.family == 4 ? 1 : 58;
	} else if (proto == 6) {
		make_tcp(m, &e, from, port);
	} else {
		make_udp(m, &e, from, port, !one_in(10));
	}
	if (e.src.family == 6 && one_in(20))
		proto = make_extensions(m, proto);
	make_ip(m, &e, proto);
	return e;
}

static struct ends make_tunnel(struct made *m, int inner)
{
	static const char *const ends[] = { "10.7.0.1", "fc00:7::1", "10.7.0.2", "10.7.0.3", "fc00:7::2" };
	struct ends e = { .dst = addr_of(ends[one_in(2) ? 1 : rnd(5)]) };
	uint8_t *gue;

	e.src = addr_of(e.dst.family == 4 ? "10.8.0.1" : "fc00:8::1");
	if (one_in(2)) {
		make_ip(m, &e, inner == 4 ? 4 : 41);
		return e;
	}
	if (one_in(3)) { /* variant 0 */
		uint32_t words = rnd(3);

		gue = before(m, 4 + 4 * words);
		gue[0] = (uint8_t)(words | (one_in(8) ? 0x20 : 0));
		gue[1] = one_in(8) ? 59 : inner == 4 ? 4 : 41;
	}
	make_udp(m, &e, client_port(), GUE_PORT, false);
	make_ip(m, &e, 17);
	return e;
}

static void spoil(uint8_t *frame, size_t *n)
{
	uint32_t i, times;

	if (one_in(8) && *n > 15)
		*n = 14 + rnd((uint32_t)*n - 14);
	for (times = one_in(6) ? 1 + rnd(4) : 0, i = 0; i < times; i++)
		frame[12 + rnd((uint32_t)MIN(*n - 12, 90))] = (uint8_t)rnd(256);
}

static size_t make(uint8_t *frame)
{
	static struct made m;
	struct ends e;
	size_t n, i;

	if (one_in(100)) {
		n = 14 + rnd(100);
		for (i = 0; i < n; i++)
			frame[i] = (uint8_t)rnd(256);
		put16(frame + 12, one_in(2) ? 0x0800 : 0x86dd);
		return n;
	}
	e = make_inner(&m);
	if (one_in(6))
		e = make_tunnel(&m, e.src.family);
	make_link(&m, e.src.family);
	n = length(&m);
	memcpy(frame, m.room + m.from, n);
	if (one_in(10) && n < 1400) { /* padding */
		i = rnd(20);
		memset(frame + n, 0, i);
		n += i;
	}
	spoil(frame, &n);
	return n;
}

/* ---- comparing ---- */

static void show(const char *what, const uint8_t *frame, size_t n)
{
	size_t i;

	printf("# %s %zu ", what, n);
	for (i = 0; i < n && i < 180; i++)
		printf("%02x", frame[i]);
	printf("\n");
}

/* Verdicts of traffic control, as XDP says them. */
static uint32_t verdict_of(uint32_t retval)
{
	if (hook == CHAIN_ON_XDP)
		return retval;
	return retval == TC_ACT_SHOT		   ? MODEL_DROP
	       : retval == (uint32_t)TC_ACT_UNSPEC ? MODEL_PASS
	       : retval == TC_ACT_REDIRECT	   ? MODEL_TX
						   : UINT32_MAX;
}

static bool is_tagged(const uint8_t *frame)
{
	return (frame[12] == 0x81 && frame[13] == 0x00) || (frame[12] == 0x88 && frame[13] == 0xa8);
}

static bool compare(int program, unsigned long at)
{
	static uint8_t in[MODEL_FRAME], want[MODEL_FRAME], got[MODEL_FRAME];
	size_t n = make(in), nwant = n;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)n, .data_out = got,
		    .data_size_out = MODEL_FRAME);
	enum model_verdict verdict;

	/* the kernel takes the outermost tag off before traffic control sees a packet, but not before a test run does */
	if (hook == CHAIN_ON_TC && is_tagged(in))
		return true;
	memcpy(want, in, n);
	memset(want + n, 0, sizeof(want) - n);
	if (bpf_prog_test_run_opts(program, &opts)) {
		/* nor does it take one that is shorter than its IP header (6.18) */
		if (hook == CHAIN_ON_TC && errno == EINVAL && n < ETHER_BYTES + 40)
			return true;
		die(strerror(errno));
	}
	verdict = model_run(&model, want, &nwant);
	if (verdict_of(opts.retval) == verdict &&
	    (verdict == MODEL_DROP || (opts.data_size_out == nwant && !memcmp(got, want, nwant))))
		return true;
	printf("# packet %lu: verdict %u, the model's %u\n", at, opts.retval, verdict);
	show("in   ", in, n);
	show("got  ", got, opts.data_size_out);
	show("model", want, nwant);
	return false;
}

/* Other weights, some of them 0: connections must stay where they are, new ones must not. */
static void reweigh(struct lb *lb, const struct chain_plan *plan)
{
	struct err err = ERR_INIT;
	uint32_t i, k;

	for (i = 0; i < VIPS; i++) {
		for (k = 0; k < BACKENDS && !one_in(4); k++)
			backends[i][k].weight = rnd(4);
	}
	if (lb_apply(lb, &wish, plan, &err) < 0)
		die(err.text);
	if (model_rings(&model))
		die("out of memory");
}

static void tell_reasons(const struct chain *chain)
{
	struct chain_count count;
	uint32_t i;

	for (i = 0; i < CHAIN_REASONS; i++) {
		const struct chain_words *words = chain_reason(i);

		if (words && !chain_counted(chain, i, &count))
			printf("# %9llu %s: %s: %s\n", (unsigned long long)count.packets, words->stage, words->kind,
			       words->text);
	}
}

/* Connection tables are of CPUs, the model has one: all packets stay on this CPU. */
static void stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		die("cannot stay on one CPU");
}

int main(int argc, char **argv)
{
	const struct lb_opts opts = { .vips = VIPS, .conns = 1U << 20 };
	const struct chain_plan plan = { .stages = { "decap_stage", "lb_stage" }, .gue_port = GUE_PORT };
	unsigned long packets = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000, i, wrong = 0;
	struct err err = ERR_INIT;
	struct chain *chain;
	struct lb *lb;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 20261130;
	hook = argc > 3 && !strcmp(argv[3], "tc") ? CHAIN_ON_TC : CHAIN_ON_XDP;
	stay();
	fill_wish();
	if (chain_new(hook, &chain, &err) < 0 || lb_new(chain, &opts, &lb, &err) < 0 ||
	    lb_apply(lb, &wish, &plan, &err) < 0)
		die(err.text);
	if (model_init(&model, &wish, GUE_PORT))
		die("out of memory");
	for (i = 0; i < packets && wrong < 5; i++) {
		if (i && i % (packets / CHANGES + 1) == 0)
			reweigh(lb, &plan);
		wrong += !compare(chain_program(chain, "chain_entry"), i);
	}
	tell_reasons(chain);
	printf("%s 1 - %lu random packets: verdict and bytes are the model's\n1..1\n", wrong ? "not ok" : "ok", i);
	model_fini(&model);
	(void)lb_free(lb);
	(void)chain_free(chain);
	return wrong != 0;
}
