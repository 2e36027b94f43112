/* SPDX-License-Identifier: Apache-2.0 */
#include "lb_model.h"
#include "lb_model_packet.h"

#include <stdlib.h>
#include <string.h>

#include "net/lb/endpoint.h"
#include "net/lb/maglev.h"
#include "packet/hash.h"

/* ---- checksums ---- */

static uint64_t add(uint64_t sum, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		sum += get16(p + i);
	return n & 1 ? sum + ((unsigned)p[n - 1] << 8) : sum;
}

static unsigned fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static void header_sum(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, ~fold(add(0, ip, 20)));
}

static uint64_t pseudo(const uint8_t *ip, unsigned proto, size_t bytes)
{
	bool four = ip[0] >> 4 == 4;

	return add(proto + bytes, ip + (four ? 12 : 8), four ? 8 : 32);
}

static bool is_cut(const struct packet *p)
{
	return p->link + p->told > p->bytes;
}

/* ---- choosing ---- */

static bool in_network(const uint8_t *addr, const struct lb_addr *net, unsigned bits)
{
	const uint8_t *want = (const uint8_t *)net->addr;
	unsigned i;

	for (i = 0; i < bits; i++) {
		if ((addr[i / 8] ^ want[i / 8]) >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static bool is_network(const struct lb_wish_vip *v)
{
	return v->bits < (v->addr.family == 4 ? 32 : 128);
}

static bool is_vip(const struct model *m, const struct packet *p)
{
	size_t i;

	for (i = 0; i < m->wish->nvips; i++) {
		const struct lb_wish_vip *v = &m->wish->vips[i];

		if (v->addr.family == p->family && in_network(p->vip, &v->addr, v->bits))
			return true;
	}
	return false;
}

/* Addresses before networks, ports before any port; of networks the longest. */
static const struct lb_wish_vip *find_vip(const struct model *m, const struct packet *p, bool *any)
{
	const struct lb_wish_vip *best = NULL;
	int rank, best_rank = -1;
	size_t i;

	for (i = 0; i < m->wish->nvips; i++) {
		const struct lb_wish_vip *v = &m->wish->vips[i];

		if (v->addr.family != p->family || v->proto != p->flow.proto ||
		    !in_network((const uint8_t *)p->flow.dst, &v->addr, v->bits) ||
		    (v->port && v->port != get16((const uint8_t *)&p->flow.dport)))
			continue;
		rank = (is_network(v) ? 0 : 1000) + (v->port ? 300 : 0) + v->bits;
		if (rank > best_rank) {
			best_rank = rank;
			best = v;
		}
	}
	*any = best && (is_network(best) || !best->port);
	return best;
}

static struct model_conn *conn_of(struct model *m, const struct packet_flow *key)
{
	uint32_t at = hash_flow(key) * 2654435761U + key->dst[0] + key->dst[3] + key->proto;

	for (at %= MODEL_FLOWS; m->conns[at].used; at = (at + 1) % MODEL_FLOWS) {
		if (!memcmp(&m->conns[at].key, key, sizeof(*key)))
			break;
	}
	return &m->conns[at];
}

static void remember(struct model *m, const struct packet_flow *key, const struct lb_wish_backend *to)
{
	struct model_conn *c = conn_of(m, key);

	c->key = *key;
	c->to = to;
	c->used = true;
}

static const struct lb_wish_backend *by_id(const struct model *m, uint32_t id)
{
	size_t i;

	for (i = 0; id && i < m->wish->nids; i++) {
		if (m->wish->ids[i].id == id)
			return &m->wish->ids[i].to;
	}
	return NULL;
}

static uint32_t quic_id(const struct packet *p)
{
	const uint8_t *q = p->at + p->payload, *c = q + 1;

	if (!fits(p, p->payload, 9))
		return 0;
	if (q[0] & 0x80) {
		if ((q[0] & 0x30) < 0x20 || q[5] < 8 || !fits(p, p->payload + 6, 8))
			return 0;
		c = q + 6;
	}
	switch (c[0] >> 6) {
	case 1:
		return (get16(c) << 8 | c[2]) >> 6 & 0xffff;
	case 2:
		return get16(c + 1) << 8 | c[3];
	case 3:
		return (uint32_t)get16(c + 1) << 16 | get16(c + 3);
	default:
		return 0;
	}
}

static uint32_t tcp_id(const struct packet *p)
{
	size_t at = p->l4 + 20;
	int n;

	for (n = 0; n < 15 && at < p->payload && fits(p, at, 1); n++) {
		const uint8_t *o = p->at + at;

		if (o[0] == 0)
			return 0;
		if (o[0] == 1) {
			at++;
			continue;
		}
		if (!fits(p, at, 2) || o[1] < 2 || at + o[1] > p->payload)
			return 0;
		if (o[0] == 0xb7 && o[1] != 6)
			return 0;
		if (o[0] == 0xb7)
			return fits(p, at, 6) ? o[2] | (uint32_t)o[3] << 8 | (uint32_t)o[4] << 16 | (uint32_t)o[5] << 24
					      : 0;
		at += o[1];
	}
	return 0;
}

static uint32_t udp_id(const struct packet *p)
{
	const uint8_t *u = p->at + p->payload;

	return fits(p, p->payload, 8) && u[0] == 0x52 ? get16(u + 1) << 8 | u[3] : 0;
}

static const struct lb_wish_backend *named(const struct model *m, const struct packet *p, uint32_t flags)
{
	if (p->error)
		return NULL;
	if (p->flow.proto == 17)
		return flags & LB_VIP_QUIC	   ? by_id(m, quic_id(p))
		       : flags & LB_VIP_UDP_STABLE ? by_id(m, udp_id(p))
						   : NULL;
	return flags & LB_VIP_SERVER_ID && !(p->tcp_flags & 2) ? by_id(m, tcp_id(p)) : NULL;
}

static const struct lb_wish_backend *routed(const struct model *m, const struct packet *p)
{
	const struct lb_wish_route *best = NULL;
	size_t i;

	for (i = 0; i < m->wish->nroutes; i++) {
		const struct lb_wish_route *r = &m->wish->routes[i];

		if (r->net.family == p->flow.family && in_network((const uint8_t *)p->flow.src, &r->net, r->bits) &&
		    (!best || r->bits > best->bits))
			best = r;
	}
	return best ? &best->to : NULL;
}

static const struct lb_wish_backend *in_ring(const struct model *m, const struct lb_wish_vip *v, struct packet_flow key)
{
	const uint16_t *ring = m->rings + (size_t)(v - m->wish->vips) * LB_RING;
	uint16_t place;

	if (v->flags & LB_VIP_DPORT_HASH) {
		key.sport = key.dport;
		memset(key.src, 0, sizeof(key.src));
	}
	place = ring[hash_flow(&key) % LB_RING];
	return place ? &v->backends[place - 1] : NULL;
}

static bool is_down(const struct lb_wish_vip *v, const struct lb_wish_backend *b)
{
	size_t i;

	for (i = 0; i < v->nbackends; i++) {
		if (!memcmp(&v->backends[i].addr, &b->addr, sizeof(b->addr)) && v->backends[i].down)
			return true;
	}
	return false;
}

static const struct lb_wish_backend *choose(struct model *m, const struct packet *p, const struct lb_wish_vip *v,
					    bool any, bool *by_port)
{
	const struct lb_wish_backend *to = named(m, p, v->flags);
	bool stateless = v->flags & LB_VIP_STATELESS;
	struct packet_flow key = p->flow;
	struct model_conn *c;

	if (any && !(v->flags & (LB_VIP_DPORT_HASH | LB_VIP_BOTH_PORTS)))
		key.dport = 0;
	if (v->flags & LB_VIP_NO_SRC_PORT)
		key.sport = 0;
	*by_port = false;
	if (to) {
		if (!stateless)
			remember(m, &key, to);
		return to;
	}
	*by_port = v->flags & LB_VIP_DPORT_HASH;
	c = conn_of(m, &key);
	if (!stateless && !(p->tcp_flags & 2) && c->used &&
	    !(key.proto == 17 && v->flags & LB_VIP_MIGRATE && is_down(v, c->to)))
		return c->to;
	to = v->flags & LB_VIP_ROUTES ? routed(m, p) : NULL;
	if (to)
		*by_port = false;
	else
		to = in_ring(m, v, key);
	if (to && !stateless && !(p->tcp_flags & 4))
		remember(m, &key, to);
	return to;
}

/* ---- what leaves ---- */

/* `more` bytes of room behind the link header; below 0: so many go.  New link addresses may be NULL. */
static void shift(struct packet *p, int more, unsigned type, const uint8_t *dst, const uint8_t *src)
{
	uint8_t link[22];

	memcpy(link, p->at, p->link);
	if (dst)
		memcpy(link, dst, 6);
	if (src)
		memcpy(link + 6, src, 6);
	put16(link + p->link - 2, type);
	memmove(p->at + p->link + (more > 0 ? more : 0), p->at + p->link - (more < 0 ? more : 0),
		p->bytes - p->link - (size_t)(more < 0 ? -more : 0));
	memcpy(p->at, link, p->link);
	p->bytes = (size_t)((long)p->bytes + more);
}

/* The transport's checksum at ip is right, as far as IP tells its length. */
static bool sums_right(const uint8_t *ip, size_t l4, size_t told, int proto)
{
	uint64_t sum = add(0, ip + l4, told - l4);

	if (ip[0] >> 4 == 4 && fold(add(0, ip, 20)) != 0xffff)
		return false;
	if (proto != 1)
		sum += pseudo(ip, (unsigned)proto, told - l4);
	return fold(sum) == 0xffff;
}

/* The outer UDP checksum; the inner packet's sum is what it is if its own are right, and else what right ones would make it. */
static unsigned outer_sum(const struct packet *p, const uint8_t *outer, const uint8_t *udp, const uint8_t *inner)
{
	size_t header = inner[0] >> 4 == 4 ? 20 : 40;
	uint64_t sum = pseudo(outer, 17, get16(udp + 4));

	sum = add(sum, udp, 6);
	if (p->proto == 17 && !get16(inner + header + 6))
		return 0;
	if (p->extensions)
		return 0;
	if (sums_right(inner, header, p->told, p->proto)) {
		sum = add(sum, inner, p->told);
	} else {
		sum = header == 40 ? add(sum, inner, 40) : sum;
		if (p->proto != 1)
			sum += 0xffff - fold(pseudo(inner, (unsigned)p->proto, p->told - header));
	}
	sum = ~fold(sum) & 0xffff;
	return sum ? (unsigned)sum : 0xffff;
}

struct sender {
	uint8_t last[4]; /* of the client's address */
	unsigned port;
	int family; /* 0: the address does not count */
};

static unsigned gue_sport(const struct sender *s, bool four)
{
	unsigned swapped = (s->port << 8 | s->port >> 8) & 0xffff;

	if (s->family == 6 && !four)
		return s->port ^ get16(s->last);
	return (four ? swapped : s->port) ^ (s->family ? get16(s->last + 2) : 0);
}

static void outer_ip(uint8_t *ip, const struct lb_config *c, const struct lb_wish_backend *to, const struct sender *s,
		     const struct packet *p)
{
	bool gue = to->flags & LB_REAL_GUE, four = to->addr.family == 4;
	size_t bytes = p->told + (gue ? 8 : 0);
	unsigned next = gue ? 17 : p->family == 4 ? 4 : 41;

	memset(ip, 0, four ? 20 : 40);
	if (!four) {
		ip[0] = (uint8_t)(0x60 | p->tos >> 4);
		ip[1] = (uint8_t)(p->tos << 4);
		put16(ip + 4, (unsigned)bytes);
		ip[6] = (uint8_t)next;
		ip[7] = 64;
		memcpy(ip + 8, c->gue_src6, 16);
		if (!gue) {
			memcpy(ip + 8, c->ipip_src6, 12);
			put16(ip + 20, get16(s->last) ^ s->port);
			memcpy(ip + 22, s->last + 2, 2);
		}
		memcpy(ip + 24, to->addr.addr, 16);
		return;
	}
	ip[0] = 0x45;
	ip[1] = p->tos;
	put16(ip + 2, (unsigned)bytes + 20);
	ip[8] = 64;
	ip[9] = (uint8_t)next;
	memcpy(ip + 12, &c->gue_src4, 4);
	if (!gue) {
		memcpy(ip + 12, c->ipip_src4, 2);
		ip[14] = (uint8_t)(s->port ^ s->last[2]);
		ip[15] = (uint8_t)(s->port >> 8 ^ s->last[3]);
	}
	memcpy(ip + 16, to->addr.addr, 4);
	header_sum(ip);
}

static void encap(struct model *m, struct packet *p, const struct lb_wish_vip *v, const struct lb_wish_backend *to,
		  bool by_port)
{
	bool gue = to->flags & LB_REAL_GUE, four = to->addr.family == 4;
	size_t header = four ? 20 : 40;
	struct sender s = { .port = get16((const uint8_t *)&p->flow.sport), .family = p->family };
	uint8_t mac[6], *ip = p->at + p->link, *udp;

	memcpy(s.last, &p->flow.src[p->family == 4 ? 0 : 3], 4);
	if (v->flags & LB_VIP_NO_SRC_PORT)
		s.port = 0;
	if (by_port) {
		s.family = 0;
		memset(s.last, 0, 4);
	}
	memcpy(mac, p->at, 6);
	shift(p, (int)(header + (gue ? 8 : 0)), four ? 0x0800 : 0x86dd, m->wish->config.router_mac, mac);
	outer_ip(ip, &m->wish->config, to, &s, p);
	if (!gue)
		return;
	udp = ip + header;
	put16(udp, gue_sport(&s, four));
	memcpy(udp + 2, &m->wish->config.gue_port, 2);
	put16(udp + 4, (unsigned)p->told + 8);
	put16(udp + 6, outer_sum(p, ip, udp, udp + 8));
}

static void turn_link(uint8_t *frame)
{
	uint8_t was[6];

	memcpy(was, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, was, 6);
}

static enum model_verdict too_big(const struct model *m, struct packet *p)
{
	bool four = p->family == 4;
	size_t quote = four ? 84 : 248, header = four ? 20 : 40, n = four ? 4 : 16;
	uint8_t *ip = p->at + p->link, *icmp = ip + header, *about = icmp + 8;
	unsigned mtu = m->wish->config.frame_max - (unsigned)p->link;
	uint64_t sum;

	if (!(m->wish->config.flags & LB_TELL_TOO_BIG) || p->error)
		return MODEL_DROP;
	p->bytes = p->link + quote;
	shift(p, (int)header + 8, four ? 0x0800 : 0x86dd, NULL, NULL);
	turn_link(p->at);
	memset(ip, 0, header + 8);
	ip[0] = four ? 0x45 : 0x60;
	put16(ip + (four ? 2 : 4), (unsigned)(quote + 8 + (four ? 20 : 0)));
	ip[four ? 8 : 7] = 64;
	ip[four ? 9 : 6] = four ? 1 : 58;
	memcpy(ip + (four ? 12 : 8), about + (four ? 16 : 24), n);
	memcpy(ip + (four ? 16 : 24), about + (four ? 12 : 8), n);
	if (four)
		header_sum(ip);
	icmp[0] = four ? 3 : 2;
	icmp[1] = four ? 4 : 0;
	put16(icmp + 6, mtu);
	sum = add(four ? 0 : pseudo(ip, 58, quote + 8), icmp, quote + 8);
	put16(icmp + 2, ~fold(sum));
	return MODEL_TX;
}

unsigned model_sum_changed(unsigned sum, unsigned from, unsigned to)
{
	return ~fold((uint64_t)(~sum & 0xffff) + (~from & 0xffff) + to) & 0xffff;
}

static enum model_verdict echo(struct packet *p)
{
	uint8_t *ip = p->at + p->link, *icmp = p->at + p->l4, was[16];
	size_t n = p->family == 4 ? 4 : 16, src = p->family == 4 ? 12 : 8;
	unsigned before = get16(ip + 8);

	memcpy(was, ip + src, n);
	memcpy(ip + src, ip + src + n, n);
	memcpy(ip + src + n, was, n);
	if (p->family == 4) {
		ip[8] = 64;
		put16(ip + 10, model_sum_changed(get16(ip + 10), before, get16(ip + 8)));
		put16(icmp + 2, fold((uint64_t)get16(icmp + 2) + 0x0800));
		icmp[0] = 0;
	} else {
		ip[7] = 64;
		put16(icmp + 2, model_sum_changed(get16(icmp + 2), 0x8000, 0x8100));
		icmp[0] = 129;
	}
	turn_link(p->at);
	return MODEL_TX;
}

static enum model_verdict relink(struct packet *p, const struct lb_wish_backend *to)
{
	memcpy(p->at + 6, p->at, 6);
	memcpy(p->at, to->mac, 6);
	return MODEL_TX;
}

static enum model_verdict balance(struct model *m, struct packet *p)
{
	const struct lb_wish_backend *to;
	const struct lb_wish_vip *v;
	bool any, by_port;

	if (!p->family)
		return MODEL_PASS;
	if (p->broken || p->fragment || p->options || is_cut(p))
		return is_vip(m, p) || (p->fragment && model_nat_knows(m, p)) ? MODEL_DROP : MODEL_PASS;
	if (p->echo)
		return is_vip(m, p) ? echo(p) : MODEL_PASS;
	if (!p->flow.family || (p->flow.proto != 6 && p->flow.proto != 17))
		return MODEL_PASS;
	v = find_vip(m, p, &any);
	if (!v)
		return model_nat_reply(m, p);
	if (p->bytes > m->wish->config.frame_max && !(v->flags & (LB_VIP_NAT | LB_VIP_L2)))
		return too_big(m, p);
	to = choose(m, p, v, any, &by_port);
	if (!to)
		return MODEL_DROP;
	if (v->flags & LB_VIP_LOCAL && to->flags & LB_REAL_LOCAL)
		return MODEL_PASS;
	if (v->flags & LB_VIP_NAT)
		return model_nat_send(m, p, v, to);
	if (v->flags & LB_VIP_L2)
		return relink(p, to);
	encap(m, p, v, to, by_port);
	return MODEL_TX;
}

/* ---- decapsulation ---- */

static uint32_t tunnel_end(const struct model *m, const struct packet *p)
{
	uint32_t flags = m->wish->config.flags;
	size_t i;

	if (!(p->tunnel && flags & LB_DECAP_IPIP) && !(p->gue && flags & LB_DECAP_GUE))
		return 0;
	if (!(flags & LB_DECAP_STRICT))
		return LB_DECAP_TO_HOST;
	for (i = 0; i < m->wish->ndecaps; i++) {
		const struct lb_wish_decap *d = &m->wish->decaps[i];

		if (d->addr.family == p->family && !memcmp(d->addr.addr, p->flow.dst, 16))
			return d->what;
	}
	return 0;
}

/* Takes the packet out of its tunnel; false: it is dropped. */
static bool strip(const struct model *m, struct packet *p)
{
	uint8_t *ip = p->at + p->link;
	unsigned version = fits(p, p->inner, 20) ? p->at[p->inner] >> 4 : 0, ttl;

	if ((version != 4 && version != 6) || (version == 6 && !fits(p, p->inner, 40)))
		return false;
	shift(p, (int)p->link - (int)p->inner, version == 4 ? 0x0800 : 0x86dd, NULL, NULL);
	if (!(m->wish->config.flags & LB_DECAP_TTL))
		return true;
	ttl = ip[version == 4 ? 8 : 7];
	if (ttl <= 1)
		return false;
	ip[version == 4 ? 8 : 7]--;
	if (version == 4)
		put16(ip + 10, model_sum_changed(get16(ip + 10), ttl << 8 | ip[9], (ttl - 1) << 8 | ip[9]));
	return true;
}

enum model_verdict model_run(struct model *m, uint8_t *frame, size_t *bytes)
{
	enum model_verdict verdict;
	struct packet p;
	uint32_t end = 0;

	model_parse(&p, frame, *bytes, m->gue_port);
	if (p.family && p.fragment && m->wish->config.flags & LB_DECAP_WHOLE)
		return MODEL_DROP;
	if (p.family && !p.broken && !p.fragment && !is_cut(&p))
		end = tunnel_end(m, &p);
	if (end) {
		if (!strip(m, &p))
			return MODEL_DROP;
		if (end == LB_DECAP_RETURN)
			turn_link(frame);
		*bytes = p.bytes;
		if (end != LB_DECAP_AGAIN)
			return end == LB_DECAP_RETURN ? MODEL_TX : MODEL_PASS;
		model_parse(&p, frame, p.bytes, m->gue_port);
	}
	verdict = balance(m, &p);
	*bytes = p.bytes;
	return verdict;
}

/* ---- life ---- */

static int ring_init(struct model *m, size_t vip)
{
	const struct lb_wish_vip *v = &m->wish->vips[vip];
	struct maglev_node *nodes = calloc(v->nbackends + 1, sizeof(*nodes));
	size_t i;
	int r;

	if (!nodes)
		return -1;
	for (i = 0; i < v->nbackends; i++)
		nodes[i] = (struct maglev_node) { endpoint_hash(&v->backends[i].addr), v->backends[i].weight,
						  (uint16_t)(i + 1) };
	r = maglev_fill(m->rings + vip * LB_RING, LB_RING, nodes, v->nbackends);
	free(nodes);
	return r == -2 /* nobody has a weight */ ? 0 : r;
}

int model_rings(struct model *m)
{
	size_t i;

	for (i = 0; i < m->wish->nvips; i++) {
		if (ring_init(m, i))
			return -1;
	}
	return 0;
}

int model_init(struct model *m, const struct lb_wish *wish, uint16_t gue_port)
{
	m->wish = wish;
	m->gue_port = gue_port;
	m->rings = calloc(wish->nvips, LB_RING * sizeof(*m->rings));
	m->conns = calloc(MODEL_FLOWS, sizeof(*m->conns));
	m->nats = calloc(MODEL_FLOWS, sizeof(*m->nats));
	return m->rings && m->conns && m->nats ? model_rings(m) : -1;
}

void model_fini(struct model *m)
{
	free(m->rings);
	free(m->conns);
	free(m->nats);
}
