/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/balancer_seen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/balancer_tables.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "net/lb/look.h"
#include "packet/wire.h"

static uint64_t addr_hash(const struct lb_addr *a)
{
	uint64_t words[2];

	memcpy(words, a->addr, sizeof(words));
	return map_hash(map_hash(words[0] ^ a->family) + words[1]);
}

static uint64_t vip_hash(const struct lb_wish_vip *v)
{
	return map_hash(addr_hash(&v->addr) ^ ((uint64_t)v->bits << 32 | (uint64_t)v->port << 8 | v->proto));
}

static bool vip_same(const struct lb_wish_vip *a, const struct lb_wish_vip *b)
{
	return !memcmp(&a->addr, &b->addr, sizeof(a->addr)) && a->bits == b->bits && a->port == b->port &&
	       a->proto == b->proto;
}

static void count_read(const struct chain *c, const char *map, uint32_t number, struct seen_count *ret)
{
	struct chain_count n = { 0 };

	(void)lb_look_count(c, map, number, &n);
	*ret = (struct seen_count) { n.packets, n.bytes };
}

bool seen_reason(const struct chain *c, uint32_t reason, struct seen_count *ret)
{
	struct chain_count n = { 0 };

	if (!chain_reason(reason) || chain_counted(c, (enum chain_reason)reason, &n))
		return false;
	*ret = (struct seen_count) { n.packets, n.bytes };
	return true;
}

/* Those of one hash stand behind one another. */
static uint64_t free_key(const struct map *m, uint64_t key)
{
	while (map_get(m, key))
		key++;
	return key;
}

static int see_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct seen *s = arg;
	struct seen_vip *v = &s->vips[s->nvips];
	struct seen_count fresh = { 0 };

	if (s->nvips == WISH_VIPS)
		return 0;
	memcpy(v->vip.addr.addr, key->addr, sizeof(key->addr));
	v->vip.addr.family = key->family;
	v->vip.bits = (uint8_t)(key->bits - 32);
	v->vip.port = WIRE16(key->port);
	v->vip.proto = key->proto;
	v->vip.flags = vip->flags;
	v->number = vip->number;
	count_read(s->c, "lb_vip_counts", vip->number, &v->sent);
	count_read(s->c, "lb_vip_syns", vip->number, &fresh);
	v->fresh = fresh.packets;
	return map_set(&s->by_vip, free_key(&s->by_vip, vip_hash(&v->vip)), ++s->nvips);
}

static int see_real(void *arg, uint32_t number, const struct lb_real *real)
{
	struct seen *s = arg;
	struct seen_real *r = &s->reals[s->nreals];

	memcpy(r->addr.addr, real->addr, sizeof(real->addr));
	r->addr.family = real->family;
	r->number = number;
	r->again = s->again ? s->again[number] : 0;
	count_read(s->c, "lb_real_counts", number, &r->sent);
	s->place[number] = (uint16_t)++s->nreals;
	return map_set(&s->by_addr, free_key(&s->by_addr, addr_hash(&r->addr)), s->nreals);
}

static int see_conn(void *arg, int cpu, const struct packet_flow *flow, const struct lb_conn *conn)
{
	struct seen *s = arg;

	(void)flow;
	if (cpu != s->cpu)
		s->at = 0;
	s->cpu = cpu;
	s->conns++;
	s->fullest = MAX(s->fullest, ++s->at);
	if (conn->real < LB_REALS && s->place[conn->real])
		s->reals[s->place[conn->real] - 1].conns++;
	return 0;
}

struct seen *seen_free(struct seen *s)
{
	if (!s)
		return NULL;
	map_fini(&s->by_vip);
	map_fini(&s->by_addr);
	free(s->vips);
	free(s->reals);
	free(s);
	return NULL;
}

struct seen *seen_new(const struct chain *c)
{
	struct seen *s = calloc(1, sizeof(*s));
	bool full;

	if (!s)
		return NULL;
	s->c = c;
	s->cpu = -2;
	s->vips = calloc(WISH_VIPS, sizeof(*s->vips));
	s->reals = calloc(LB_REALS, sizeof(*s->reals));
	if (!s->vips || !s->reals)
		return seen_free(s);
	s->again = lb_look_again(c);
	full = lb_look_vips(c, see_vip, s) == -ENOMEM || lb_look_reals(c, see_real, s) == -ENOMEM;
	lb_look_again_end(s->again);
	s->again = NULL;
	if (full)
		return seen_free(s);
	(void)lb_look_conns(c, see_conn, s);
	s->nfills = lb_fill_look(c, s->fills);
	return s;
}

const struct seen_vip *seen_vip(const struct seen *s, const struct lb_wish_vip *vip)
{
	uint64_t key = vip_hash(vip);
	const uint64_t *at;

	for (; s && (at = map_get(&s->by_vip, key)); key++)
		if (vip_same(&s->vips[*at - 1].vip, vip))
			return &s->vips[*at - 1];
	return NULL;
}

const struct seen_real *seen_real(const struct seen *s, const struct lb_addr *addr)
{
	uint64_t key = addr_hash(addr);
	const uint64_t *at;

	for (; s && (at = map_get(&s->by_addr, key)); key++)
		if (!memcmp(&s->reals[*at - 1].addr, addr, sizeof(*addr)))
			return &s->reals[*at - 1];
	return NULL;
}

/* ---- as JSON ---- */

static void count_json(struct buf *out, const struct seen_count *n)
{
	buf_printf(out, "\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64, n->packets, n->bytes);
}

void seen_reasons_json(struct buf *out, const struct chain *c, bool words)
{
	bool first = true;
	uint32_t i;

	buf_str(out, "\"reasons\":[");
	for (i = 1; i < CHAIN_REASONS; i++) {
		const struct chain_words *w = chain_reason(i);
		struct seen_count n;

		if (!seen_reason(c, i, &n))
			continue;
		buf_printf(out, "%s{\"reason\":\"%s\",\"stage\":\"%s\",\"kind\":\"%s\",", first ? "" : ",", w->name,
			   w->stage, w->kind);
		if (words)
			buf_printf(out, "\"text\":\"%s\",", w->text);
		count_json(out, &n);
		buf_char(out, '}');
		first = false;
	}
	buf_char(out, ']');
}

void seen_json(struct buf *out, const struct seen *s, const struct balancer *b)
{
	char text[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	size_t i;

	buf_str(out, "{\"interface\":");
	buf_json(out, b->attach.name, strlen(b->attach.name));
	buf_str(out, ",\"vips\":[");
	for (i = 0; i < s->nvips; i++) {
		buf_printf(out, "%s{\"vip\":\"%s\",\"new_connections\":%" PRIu64 ",", i ? "," : "",
			   wish_vip_text(&s->vips[i].vip, text), s->vips[i].fresh);
		count_json(out, &s->vips[i].sent);
		buf_char(out, '}');
	}
	buf_str(out, "],\"backends\":[");
	for (i = 0; i < s->nreals; i++) {
		buf_printf(out, "%s{\"backend\":\"%s\",\"connections\":%" PRIu64 ",\"syns_again\":%" PRIu64 ",",
			   i ? "," : "", lb_addr_text(&s->reals[i].addr, addr), s->reals[i].conns, s->reals[i].again);
		count_json(out, &s->reals[i].sent);
		buf_char(out, '}');
	}
	buf_printf(out, "],\"connections\":%" PRIu64 ",\"fullest\":%" PRIu64 ",\"room\":%u,", s->conns, s->fullest,
		   lb_look_room(b->chain));
	tables_json(out, s);
	buf_char(out, ',');
	seen_reasons_json(out, b->chain, false);
	buf_str(out, "}\n");
}

/* ---- for Prometheus ---- */

/* OpenMetrics has a counter's name without `_total` here. */
void seen_family(const struct seen_writing *w, const char *name, const char *type, const char *help)
{
	const char *suffix = !strcmp(type, "counter") && !w->open ? "_total" : "";

	buf_printf(w->out, "# HELP saker_lb_%s%s %s\n# TYPE saker_lb_%s%s %s\n", name, suffix, help, name, suffix,
		   type);
}

void seen_sample(const struct seen_writing *w, const char *name)
{
	buf_printf(w->out, "saker_lb_%s{interface=\"", name);
	buf_label(w->out, w->on);
	buf_char(w->out, '"');
}

static void single(const struct seen_writing *w, const char *name, const char *help, uint64_t value)
{
	seen_family(w, name, "gauge", help);
	seen_sample(w, name);
	buf_printf(w->out, "} %" PRIu64 "\n", value);
}

static void vips(const struct seen_writing *w, const struct seen *s, unsigned what)
{
	static const struct {
		const char *family, *name, *help;
	} rows[] = {
		{ "vip_packets", "vip_packets_total", "Packets sent on, by VIP." },
		{ "vip_bytes", "vip_bytes_total", "Bytes of packets sent on, by VIP." },
		{ "vip_new_connections", "vip_new_connections_total",
		  "SYNs sent on that had not come before, by VIP; those above the rate of new connections are not in "
		  "it." },
	};
	char text[WISH_VIP_TEXT];
	size_t i;

	seen_family(w, rows[what].family, "counter", rows[what].help);
	for (i = 0; i < s->nvips; i++) {
		const struct seen_vip *v = &s->vips[i];

		seen_sample(w, rows[what].name);
		buf_printf(w->out, ",vip=\"%s\"} %" PRIu64 "\n", wish_vip_text(&v->vip, text),
			   what == 0   ? v->sent.packets
			   : what == 1 ? v->sent.bytes
				       : v->fresh);
	}
}

static void reals(const struct seen_writing *w, const struct seen *s, unsigned what)
{
	static const struct {
		const char *family, *name, *type, *help;
	} rows[] = {
		{ "backend_packets", "backend_packets_total", "counter", "Packets sent, by backend." },
		{ "backend_bytes", "backend_bytes_total", "counter", "Bytes of packets sent, by backend." },
		{ "backend_connections", "backend_connections", "gauge",
		  "Entries of the connection tables, by backend." },
		{ "backend_syns_again", "backend_syns_again_total", "counter",
		  "SYNs that came again to a backend that had got them, by backend." },
	};
	char addr[LB_ADDR_TEXT];
	size_t i;

	seen_family(w, rows[what].family, rows[what].type, rows[what].help);
	for (i = 0; i < s->nreals; i++) {
		const struct seen_real *r = &s->reals[i];
		uint64_t value = what == 0   ? r->sent.packets
				 : what == 1 ? r->sent.bytes
				 : what == 2 ? r->conns
					     : r->again;

		seen_sample(w, rows[what].name);
		buf_printf(w->out, ",backend=\"%s\"} %" PRIu64 "\n", lb_addr_text(&r->addr, addr), value);
	}
}

void seen_prometheus(struct buf *out, const struct seen *s, const struct balancer *b, bool open)
{
	const struct seen_writing w = { .out = out, .on = b->attach.name, .open = open };
	uint32_t i;

	for (i = 0; i < 3; i++)
		vips(&w, s, i);
	for (i = 0; i < 4; i++)
		reals(&w, s, i);
	single(&w, "table_room", "Entries that one CPU's connection table has room for.", lb_look_room(b->chain));
	single(&w, "table_fullest", "Entries of the fullest CPU's connection table.", s->fullest);
	tables_prometheus(&w, s);
	seen_family(&w, "reason_packets", "counter", "Packets by verdict or note.");
	for (i = 1; i < CHAIN_REASONS; i++) {
		const struct chain_words *words = chain_reason(i);
		struct seen_count n;

		if (!seen_reason(b->chain, i, &n))
			continue;
		seen_sample(&w, "reason_packets_total");
		buf_printf(out, ",stage=\"%s\",kind=\"%s\",reason=\"%s\"} %" PRIu64 "\n", words->stage, words->kind,
			   words->name, n.packets);
	}
}
