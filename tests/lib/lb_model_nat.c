/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model's NAT: addresses and ports are written, then each checksum is mended by every word that is not what it was
 * (RFC 1624, equation 3, word by word).
 */
#include <string.h>

#include "lb_model.h"
#include "lb_model_packet.h"
#include "packet/hash.h"

#define TRIES 8

/* An end of a connection, as bytes; and, if it is not NULL, the port that the other end gets. */
struct end {
	const uint8_t *addr, *port, *other;
};

static void mend(uint8_t *sum, const uint8_t *was, const uint8_t *is, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < n; i += 2) {
		if (is + i != sum && memcmp(was + i, is + i, 2) != 0)
			put16(sum, model_sum_changed(get16(sum), get16(was + i), get16(is + i)));
	}
	/* the last byte of an odd number has a 0 behind it (RFC 1071) */
	if (n & 1 && was[n - 1] != is[n - 1])
		put16(sum, model_sum_changed(get16(sum), (unsigned)was[n - 1] << 8, (unsigned)is[n - 1] << 8));
}

static void put_port(uint8_t *at, const uint8_t *port, uint8_t *sum)
{
	uint8_t was[2];

	memcpy(was, at, 2);
	memcpy(at, port, 2);
	if (sum)
		mend(sum, was, at, 2);
}

/* The packet at `ip`, whose transport header is at `t` and ends at `end`: its source or its destination becomes another. */
static void translate(uint8_t *ip, uint8_t *t, const uint8_t *end, int proto, bool src, const struct end *to)
{
	bool four = ip[0] >> 4 == 4;
	size_t n = four ? 4 : 16, header = four ? 20 : 40;
	uint8_t was[40], *addr = ip + (four ? 12 : 8) + (src ? 0 : n);
	uint8_t *sum = t + (proto == 6 ? 16 : 6);

	memcpy(was, ip, header);
	memcpy(addr, to->addr, n);
	if (four)
		mend(ip + 10, was, ip, 20);
	if (proto != 6 && proto != 17)
		return; /* an ICMP message: its checksum is mended with all of it */
	if (sum + 2 > end || (proto == 17 && !get16(sum)))
		sum = NULL;
	if (sum)
		mend(sum, was + (addr - ip), addr, n);
	put_port(t + (src ? 0 : 2), to->port, sum);
	if (to->other)
		put_port(t + (src ? 2 : 0), to->other, sum);
	if (sum && proto == 17 && !get16(sum))
		put16(sum, 0xffff);
}

static void translate_error(struct packet *p, bool src, const struct end *to)
{
	static uint8_t was[MODEL_FRAME];
	uint8_t *ip = p->at + p->link, *icmp = p->at + p->l4, *quoted = p->at + p->inner;
	size_t header = p->family == 4 ? (quoted[0] & 15U) * 4 : 40, n = p->family == 4 ? 4 : 16;
	uint8_t *addr = ip + (p->family == 4 ? 12 : 8) + (src ? 0 : n);

	memcpy(was, p->at, p->bytes);
	translate(ip, icmp, icmp, p->proto, src, to);
	translate(quoted, quoted + header, ip + p->told, p->flow.proto, !src, to);
	mend(icmp + 2, was + p->inner, quoted, p->bytes - p->inner);
	if (p->family == 6)
		mend(icmp + 2, was + (addr - p->at), addr, n);
}

/* To the router, with one hop less. */
static enum model_verdict leave(struct model *m, struct packet *p, bool src, const struct end *to)
{
	uint8_t *ip = p->at + p->link, was[20];
	unsigned ttl = p->family == 4 ? 8 : 7;

	if (ip[ttl] <= 1)
		return MODEL_DROP;
	memcpy(was, ip, sizeof(was));
	ip[ttl]--;
	if (p->family == 4)
		mend(ip + 10, was, ip, 20);
	if (p->error)
		translate_error(p, src, to);
	else
		translate(ip, p->at + p->l4, p->at + p->bytes, p->proto, src, to);
	memcpy(p->at + 6, p->at, 6);
	memcpy(p->at, m->wish->config.router_mac, 6);
	return MODEL_TX;
}

static struct model_nat *nat_of(struct model *m, const struct packet_flow *key)
{
	uint32_t at = (hash_flow(key) ^ key->proto) * 2654435761U;

	for (at %= MODEL_FLOWS; m->nats[at].used; at = (at + 1) % MODEL_FLOWS) {
		if (!memcmp(&m->nats[at].key, key, sizeof(*key)))
			break;
	}
	return &m->nats[at];
}

/* Whether an entry is that of a flow to a VIP; other: the client's port if the entry is not under it, or 0. */
static bool is_of(const struct model_nat *e, const struct packet_flow *f, uint16_t other)
{
	return e->used && !memcmp(e->addr, f->dst, 16) && e->port == f->dport && e->other == other;
}

static void add(struct model *m, struct model_nat *e, const struct packet_flow *key, const struct packet_flow *f,
		uint16_t other)
{
	e->used = true;
	e->key = *key;
	e->port = f->dport;
	e->other = other;
	memcpy(e->addr, f->dst, 16);
	if (other)
		m->renamed[m->nrenamed++ % MODEL_RENAMED] = *key;
}

/* Eight ports that follow from the flow: of 1024..65535, or, in place of one below 1024, of 600..1023. */
static uint16_t port_at(const struct packet_flow *f, unsigned i)
{
	uint32_t dst = f->family == 4 ? f->dst[0] : hash_4words(f->dst, 512);
	uint32_t hash = hash_2words(hash_flow(f), dst, 0x6e617470 + f->proto);
	unsigned low = get16((const uint8_t *)&f->sport) < 1024 ? 600 : 1024, n = low == 600 ? 424 : 64512;
	uint16_t port;

	put16((uint8_t *)&port, low + (hash % 65536 + i * (hash / 65536 | 1)) % n);
	return port;
}

/* The own port's entry is another's: the key gets another port.  False: there is none. */
static bool rename_port(struct model *m, const struct packet *p, struct packet_flow *key)
{
	const struct packet_flow *f = &p->flow;
	struct model_nat *e;
	unsigned i;

	for (i = 0; i < TRIES && f->sport; i++) {
		key->dport = port_at(f, i);
		if (is_of(nat_of(m, key), f, f->sport))
			return true;
	}
	for (i = 0; i < TRIES && f->sport && !p->error; i++) {
		key->dport = port_at(f, i);
		e = nat_of(m, key);
		if (e->used || key->dport == f->sport)
			continue;
		if (!(p->tcp_flags & 4))
			add(m, e, key, f, f->sport);
		return true;
	}
	return false;
}

enum model_verdict model_nat_send(struct model *m, struct packet *p, const struct lb_wish_vip *v,
				  const struct lb_wish_backend *to)
{
	const struct packet_flow *f = &p->flow;
	struct packet_flow key = { .proto = f->proto, .family = f->family, .sport = f->dport, .dport = f->sport };
	struct end end = { (const uint8_t *)to->addr.addr, (const uint8_t *)&key.sport, NULL };
	struct model_nat *e;

	if (to->addr.family != p->family)
		return MODEL_DROP;
	if (v->nat_port)
		put16((uint8_t *)&key.sport, v->nat_port);
	memcpy(key.src, to->addr.addr, 16);
	memcpy(key.dst, f->src, 16);
	e = nat_of(m, &key);
	if (is_of(e, f, 0))
		return leave(m, p, false, &end);
	if (e->used) {
		if (!rename_port(m, p, &key))
			return MODEL_DROP;
		end.other = (const uint8_t *)&key.dport;
	} else if (p->error) {
		return MODEL_DROP;
	} else if (!(p->tcp_flags & 4)) {
		add(m, e, &key, f, 0);
	}
	return leave(m, p, false, &end);
}

bool model_nat_knows(struct model *m, const struct packet *p)
{
	return nat_of(m, &p->flow)->used;
}

enum model_verdict model_nat_reply(struct model *m, struct packet *p)
{
	const struct model_nat *e = nat_of(m, &p->flow);
	struct end end = { (const uint8_t *)e->addr, (const uint8_t *)&e->port,
			   e->other ? (const uint8_t *)&e->other : NULL };

	return e->used ? leave(m, p, true, &end) : MODEL_PASS;
}
