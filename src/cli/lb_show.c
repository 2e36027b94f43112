/* SPDX-License-Identifier: Apache-2.0 */
/* lb_show - what a balancer is, has done, and which connections it knows. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"
#include "net/lb/look.h"
#include "packet/wire.h"

/* ---- what the counters say, in memory ---- */

struct tally { /* struct chain_count in numbers that PRIu64 fits */
	uint64_t packets, bytes;
};

struct seen_vip {
	struct lb_wish_vip vip;
	struct tally sent;
};

struct seen_real {
	struct lb_addr addr;
	uint32_t number;
	struct tally sent;
	uint64_t conns;
};

struct seen {
	const struct chain *c;
	struct seen_vip *vips;
	struct seen_real *reals;
	size_t nvips, nreals;
	uint16_t place[LB_REALS];    /* of a number in reals, plus 1 */
	uint64_t conns, fullest, at; /* entries: of all tables, of the fullest, of the one at hand */
	int cpu;
};

static void tally_read(const struct chain *c, const char *map, uint32_t number, struct tally *ret)
{
	struct chain_count n = { 0 };

	(void)lb_look_count(c, map, number, &n);
	*ret = (struct tally) { n.packets, n.bytes };
}

static bool reason_read(const struct chain *c, uint32_t reason, struct tally *ret)
{
	struct chain_count n = { 0 };

	if (!chain_reason(reason) || chain_counted(c, (enum chain_reason)reason, &n))
		return false;
	*ret = (struct tally) { n.packets, n.bytes };
	return true;
}

static int see_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct seen *s = arg;
	struct seen_vip *v = &s->vips[s->nvips];

	if (s->nvips == WISH_VIPS)
		return 0;
	memcpy(v->vip.addr.addr, key->addr, sizeof(key->addr));
	v->vip.addr.family = key->family;
	v->vip.bits = (uint8_t)(key->bits - 32);
	v->vip.port = WIRE16(key->port);
	v->vip.proto = key->proto;
	v->vip.flags = vip->flags;
	tally_read(s->c, "lb_vip_counts", vip->number, &v->sent);
	s->nvips++;
	return 0;
}

static int see_real(void *arg, uint32_t number, const struct lb_real *real)
{
	struct seen *s = arg;
	struct seen_real *r = &s->reals[s->nreals];

	memcpy(r->addr.addr, real->addr, sizeof(real->addr));
	r->addr.family = real->family;
	r->number = number;
	tally_read(s->c, "lb_real_counts", number, &r->sent);
	s->place[number] = (uint16_t)++s->nreals;
	return 0;
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

static void seen_free(struct seen *s)
{
	if (!s)
		return;
	free(s->vips);
	free(s->reals);
	free(s);
}

static void seen_freep(struct seen **s)
{
	seen_free(*s);
}

static struct seen *seen_new(const struct chain *c)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->c = c;
	s->cpu = -2;
	s->vips = calloc(WISH_VIPS, sizeof(*s->vips));
	s->reals = calloc(LB_REALS, sizeof(*s->reals));
	if (!s->vips || !s->reals) {
		seen_free(s);
		return NULL;
	}
	(void)lb_look_vips(c, see_vip, s);
	(void)lb_look_reals(c, see_real, s);
	(void)lb_look_conns(c, see_conn, s);
	return s;
}

static const struct seen_vip *seen_vip(const struct seen *s, const struct lb_wish_vip *vip)
{
	size_t i;

	for (i = 0; s && i < s->nvips; i++) {
		const struct lb_wish_vip *v = &s->vips[i].vip;

		if (!memcmp(&v->addr, &vip->addr, sizeof(v->addr)) && v->bits == vip->bits && v->port == vip->port &&
		    v->proto == vip->proto)
			return &s->vips[i];
	}
	return NULL;
}

static const struct seen_real *seen_real(const struct seen *s, const struct lb_addr *addr)
{
	size_t i;

	for (i = 0; s && i < s->nreals; i++) {
		if (!memcmp(&s->reals[i].addr, addr, sizeof(*addr)))
			return &s->reals[i];
	}
	return NULL;
}

/* Opens the interface, and says so where nothing runs. */
static int look_open(const struct lb_args *a, struct balancer *b, struct err *err)
{
	int r = balancer_open(b, a->on, false, err);

	if (r < 0)
		return r;
	if (b->chain)
		return 0;
	balancer_close(b);
	return err_set(err, ENOENT, "no balancer runs on interface '%s'", a->on);
}

/* ---- show ---- */

static void show_backend(struct buf *out, const struct wish_backend *b, const struct seen *s)
{
	const struct seen_real *r = seen_real(s, &b->addr);
	char text[LB_ADDR_TEXT];

	buf_printf(out, "    %-24s weight %-5u %-5s", b->name[0] ? b->name : lb_addr_text(&b->addr, text), b->weight,
		   wish_mode_name(b->mode));
	if (r)
		buf_printf(out, " %12" PRIu64 " packets %8" PRIu64 " connections", r->sent.packets, r->conns);
	buf_printf(out, "%s%s\n", b->down ? "  down" : "", b->weight ? "" : "  drains");
}

static void show_vip(struct buf *out, const struct wish_vip *v, const struct seen *s)
{
	const struct seen_vip *seen = seen_vip(s, &v->vip);
	char text[WISH_VIP_TEXT];
	uint32_t bit;
	size_t i;

	buf_printf(out, "  %-42s", wish_vip_text(&v->vip, text));
	if (seen)
		buf_printf(out, " %12" PRIu64 " packets %14" PRIu64 " bytes", seen->sent.packets, seen->sent.bytes);
	for (bit = 1; bit; bit <<= 1) {
		if (v->vip.flags & bit && wish_flag_name(bit))
			buf_printf(out, "  %s", wish_flag_name(bit));
	}
	buf_char(out, '\n');
	for (i = 0; i < v->nbackends; i++)
		show_backend(out, &v->backends[i], s);
}

static void show_state(struct buf *out, const struct balancer *b)
{
	char text[64];

	buf_printf(out, "%s: ", b->attach.name);
	if (b->attach.link < 0 && b->attach.program)
		buf_printf(out, "not attached: the interface has the XDP program %s\n",
			   attach_program_text(b->attach.program, text, sizeof(text)));
	else if (b->attach.link < 0)
		buf_str(out, "not attached (`saker apply` attaches what is kept)\n");
	else
		buf_printf(out, "%s XDP, program %s\n", attach_mode_name(b->attach.mode),
			   attach_program_text(b->attach.program, text, sizeof(text)));
	if (b->guarded)
		buf_printf(out, "  this change waits to be confirmed: %.0f s are left\n",
			   b->guard_boot_ns > clock_boot_ns() ? (double)(b->guard_boot_ns - clock_boot_ns()) / 1e9
							      : 0.0);
}

static void show_json(struct buf *out, const struct balancer *b, const struct wish *w)
{
	buf_str(out, "{\"interface\":");
	buf_json(out, b->attach.name, strlen(b->attach.name));
	buf_printf(out, ",\"attached\":%s,\"mode\":\"%s\",\"program\":%u,\"unconfirmed\":%s,\"wish\":",
		   b->attach.link >= 0 ? "true" : "false", attach_mode_name(b->attach.mode), b->attach.program,
		   b->guarded ? "true" : "false");
	wish_json(w, out);
	buf_str(out, "}\n");
}

int lb_show(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP(wish_fini) struct wish wish = { 0 };
	CLEANUP(seen_freep) struct seen *s = NULL;
	struct balancer b;
	size_t i;
	int r = balancer_open(&b, a->on, false, err);

	if (r < 0)
		return r;
	r = balancer_wish(&b, &wish, err);
	if (!r && a->json) {
		show_json(&out, &b, &wish);
	} else if (!r) {
		s = b.chain ? seen_new(b.chain) : NULL;
		show_state(&out, &b);
		for (i = 0; wish.nifs && i < wish.ifs[0].nvips; i++)
			show_vip(&out, &wish.ifs[0].vips[i], s);
	}
	balancer_close(&b);
	return r < 0 ? r : cli_put(&out, err);
}

/* ---- stats ---- */

static void stats_reasons(struct buf *out, const struct chain *c)
{
	uint32_t i;

	buf_str(out, "verdicts and notes\n");
	for (i = 1; i < CHAIN_REASONS; i++) {
		const struct chain_words *w = chain_reason(i);
		struct tally n;

		if (reason_read(c, i, &n) && n.packets)
			buf_printf(out, "  %-6s %-5s %14" PRIu64 "  %s\n", w->stage, w->kind, n.packets, w->text);
	}
}

static void stats_text(struct buf *out, const struct seen *s, const struct chain *c)
{
	char text[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	uint64_t room = lb_look_room(c);
	size_t i;

	buf_str(out, "VIPs\n");
	for (i = 0; i < s->nvips; i++)
		buf_printf(out, "  %-42s %12" PRIu64 " packets %14" PRIu64 " bytes\n",
			   wish_vip_text(&s->vips[i].vip, text), s->vips[i].sent.packets, s->vips[i].sent.bytes);
	buf_str(out, "backends\n");
	for (i = 0; i < s->nreals; i++)
		buf_printf(out, "  %-42s %12" PRIu64 " packets %14" PRIu64 " bytes %8" PRIu64 " connections\n",
			   lb_addr_text(&s->reals[i].addr, addr), s->reals[i].sent.packets, s->reals[i].sent.bytes,
			   s->reals[i].conns);
	buf_printf(out, "connections: %" PRIu64 "; the fullest CPU's table has %" PRIu64 " of %" PRIu64 "\n", s->conns,
		   s->fullest, room);
	stats_reasons(out, c);
}

static void count_json(struct buf *out, const struct tally *n)
{
	buf_printf(out, "\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64, n->packets, n->bytes);
}

static void reasons_json(struct buf *out, const struct chain *c)
{
	bool first = true;
	uint32_t i;

	buf_str(out, "\"reasons\":[");
	for (i = 1; i < CHAIN_REASONS; i++) {
		const struct chain_words *w = chain_reason(i);
		struct tally n;

		if (!reason_read(c, i, &n))
			continue;
		buf_printf(out, "%s{\"reason\":\"%s\",\"stage\":\"%s\",\"kind\":\"%s\",", first ? "" : ",", w->name,
			   w->stage, w->kind);
		count_json(out, &n);
		buf_char(out, '}');
		first = false;
	}
	buf_char(out, ']');
}

static void stats_json(struct buf *out, const struct seen *s, const struct balancer *b)
{
	char text[WISH_VIP_TEXT], addr[LB_ADDR_TEXT];
	size_t i;

	buf_str(out, "{\"interface\":");
	buf_json(out, b->attach.name, strlen(b->attach.name));
	buf_str(out, ",\"vips\":[");
	for (i = 0; i < s->nvips; i++) {
		buf_printf(out, "%s{\"vip\":\"%s\",", i ? "," : "", wish_vip_text(&s->vips[i].vip, text));
		count_json(out, &s->vips[i].sent);
		buf_char(out, '}');
	}
	buf_str(out, "],\"backends\":[");
	for (i = 0; i < s->nreals; i++) {
		buf_printf(out, "%s{\"backend\":\"%s\",\"connections\":%" PRIu64 ",", i ? "," : "",
			   lb_addr_text(&s->reals[i].addr, addr), s->reals[i].conns);
		count_json(out, &s->reals[i].sent);
		buf_char(out, '}');
	}
	buf_printf(out, "],\"connections\":%" PRIu64 ",\"fullest\":%" PRIu64 ",\"room\":%u,", s->conns, s->fullest,
		   lb_look_room(b->chain));
	reasons_json(out, b->chain);
	buf_str(out, "}\n");
}

/* ---- Prometheus: the text format 0.0.4 ---- */

static void prom_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP saker_lb_%s %s\n# TYPE saker_lb_%s %s\n", name, help, name, type);
}

static void prom_vips(struct buf *out, const struct seen *s, const char *on, bool bytes)
{
	char text[WISH_VIP_TEXT];
	size_t i;

	prom_head(out, bytes ? "vip_bytes_total" : "vip_packets_total", "counter",
		  bytes ? "Bytes of packets sent on, by VIP." : "Packets sent on, by VIP.");
	for (i = 0; i < s->nvips; i++)
		buf_printf(out, "saker_lb_vip_%s_total{interface=\"%s\",vip=\"%s\"} %" PRIu64 "\n",
			   bytes ? "bytes" : "packets", on, wish_vip_text(&s->vips[i].vip, text),
			   bytes ? s->vips[i].sent.bytes : s->vips[i].sent.packets);
}

static void prom_reals(struct buf *out, const struct seen *s, const char *on, unsigned what)
{
	static const struct {
		const char *name, *type, *help;
	} families[] = {
		{ "backend_packets_total", "counter", "Packets sent, by backend." },
		{ "backend_bytes_total", "counter", "Bytes of packets sent, by backend." },
		{ "backend_connections", "gauge", "Entries of the connection tables, by backend." },
	};
	char addr[LB_ADDR_TEXT];
	size_t i;

	prom_head(out, families[what].name, families[what].type, families[what].help);
	for (i = 0; i < s->nreals; i++) {
		const struct seen_real *r = &s->reals[i];

		buf_printf(out, "saker_lb_%s{interface=\"%s\",backend=\"%s\"} %" PRIu64 "\n", families[what].name, on,
			   lb_addr_text(&r->addr, addr),
			   what == 0   ? r->sent.packets
			   : what == 1 ? r->sent.bytes
				       : r->conns);
	}
}

static void stats_prometheus(struct buf *out, const struct seen *s, const struct balancer *b)
{
	const char *on = b->attach.name;
	uint32_t i;

	prom_vips(out, s, on, false);
	prom_vips(out, s, on, true);
	for (i = 0; i < 3; i++)
		prom_reals(out, s, on, i);
	prom_head(out, "table_room", "gauge", "Entries that one CPU's connection table has room for.");
	buf_printf(out, "saker_lb_table_room{interface=\"%s\"} %u\n", on, lb_look_room(b->chain));
	prom_head(out, "table_fullest", "gauge", "Entries of the fullest CPU's connection table.");
	buf_printf(out, "saker_lb_table_fullest{interface=\"%s\"} %" PRIu64 "\n", on, s->fullest);
	prom_head(out, "reason_packets_total", "counter", "Packets by verdict or note.");
	for (i = 1; i < CHAIN_REASONS; i++) {
		const struct chain_words *w = chain_reason(i);
		struct tally n;

		if (reason_read(b->chain, i, &n))
			buf_printf(out,
				   "saker_lb_reason_packets_total{interface=\"%s\",stage=\"%s\",kind=\"%s\",reason=\"%"
				   "s\"} %" PRIu64 "\n",
				   on, w->stage, w->kind, w->name, n.packets);
	}
}

int lb_stats(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP(seen_freep) struct seen *s = NULL;
	struct balancer b;
	int r = look_open(a, &b, err);

	if (r < 0)
		return r;
	s = seen_new(b.chain);
	if (!s)
		r = err_set(err, ENOMEM, "out of memory");
	else if (a->prometheus)
		stats_prometheus(&out, s, &b);
	else if (a->json)
		stats_json(&out, s, &b);
	else
		stats_text(&out, s, b.chain);
	balancer_close(&b);
	return r < 0 ? r : cli_put(&out, err);
}

/* ---- flows ---- */

struct flows {
	const struct lb_args *a;
	const struct chain *c;
	struct buf out;
	uint64_t count;
};

static const char *end_text(const __be32 addr[4], uint8_t family, __be16 port, char out[64])
{
	char text[INET6_ADDRSTRLEN];

	(void)inet_ntop(family == 4 ? AF_INET : AF_INET6, addr, text, sizeof(text));
	(void)snprintf(out, 64, family == 4 ? "%s:%u" : "[%s]:%u", text, WIRE16(port));
	return out;
}

static int put_flow(void *arg, int cpu, const struct packet_flow *f, const struct lb_conn *conn)
{
	struct flows *flows = arg;
	char src[64], dst[64], to[LB_ADDR_TEXT] = "gone";
	struct lb_real real;
	struct lb_addr addr = { 0 };

	if (flows->count++ >= flows->a->number)
		return 0;
	if (!lb_look_real(flows->c, conn->real, &real)) {
		memcpy(addr.addr, real.addr, sizeof(addr.addr));
		addr.family = real.family;
		(void)lb_addr_text(&addr, to);
	}
	(void)end_text(f->src, f->family, f->sport, src);
	(void)end_text(f->dst, f->family, f->dport, dst);
	if (flows->a->json)
		buf_printf(&flows->out,
			   "%s{\"source\":\"%s\",\"vip\":\"%s\",\"protocol\":\"%s\",\"backend\":\"%s\",\"cpu\":%d}",
			   flows->count > 1 ? "," : "", src, dst, f->proto == PROTO_TCP ? "tcp" : "udp", to, cpu);
	else
		buf_printf(&flows->out, "%-28s > %s/%s  to %s  (CPU %d)\n", src, dst,
			   f->proto == PROTO_TCP ? "tcp" : "udp", to, cpu);
	return 0;
}

int lb_flows(const struct lb_args *a, struct err *err)
{
	struct flows flows = { .a = a };
	struct balancer b;
	int r = look_open(a, &b, err);

	if (r < 0)
		return r;
	flows.c = b.chain;
	if (a->json)
		buf_str(&flows.out, "{\"flows\":[");
	r = lb_look_conns(b.chain, put_flow, &flows);
	if (r < 0)
		(void)err_errno(err, -r, "cannot read the connection tables");
	if (a->json)
		buf_printf(&flows.out, "],\"all\":%" PRIu64 "}\n", flows.count);
	else if (flows.count > a->number)
		(void)fprintf(stderr, "%" PRIu64 " more flows are not listed (--number)\n", flows.count - a->number);
	if (r >= 0)
		r = cli_put(&flows.out, err);
	buf_fini(&flows.out);
	balancer_close(&b);
	return r;
}
