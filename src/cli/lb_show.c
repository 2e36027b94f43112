/* SPDX-License-Identifier: Apache-2.0 */
/* lb_show - what a balancer is, has done, and which connections it knows. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/balancer.h"
#include "agent/balancer_said.h"
#include "agent/balancer_seen.h"
#include "agent/balancer_tables.h"
#include "agent/checks_doc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/lb.h"
#include "cli/lb_health.h"
#include "net/attach_tc.h"
#include "net/lb/look.h"
#include "packet/wire.h"

#define MAC_TEXT 18

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

static void show_vip(struct buf *out, const struct wish_vip *v, const struct seen *s, const struct lb_health *h)
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
	for (i = 0; i < v->nbackends; i++) {
		show_backend(out, &v->backends[i], s);
		lb_health_backend(out, h, &v->vip, &v->backends[i].addr);
	}
}

static void show_state(struct buf *out, const struct balancer *b)
{
	enum attach_tc_how egress = attach_tc_look(&b->attach, BALANCER_EGRESS, true);
	enum attach_tc_how ingress = attach_tc_look(&b->attach, BALANCER_INGRESS, false);
	char text[64];

	buf_printf(out, "%s: ", b->attach.name);
	if (!attach_ours(&b->attach) && b->attach.program)
		buf_printf(out, "not attached: the interface has the XDP program %s\n",
			   attach_program_text(b->attach.program, text, sizeof(text)));
	else if (!attach_ours(&b->attach))
		buf_str(out, "not attached (`saker apply` attaches what is kept)\n");
	else
		buf_printf(out, "%s, program %s\n", attach_mode_text(b->attach.mode),
			   attach_program_text(b->attach.program, text, sizeof(text)));
	if (egress != ATTACH_TC_NONE)
		buf_printf(out, "  checks and marks: a program on the way out, by a %s of traffic control\n",
			   attach_tc_how_name(egress));
	if (ingress != ATTACH_TC_NONE)
		buf_printf(out, "  sources of tunnels: a program on the way in, by a %s of traffic control\n",
			   attach_tc_how_name(ingress));
	if (b->guarded)
		buf_printf(out, "  this change waits to be confirmed: %.0f s are left\n",
			   b->guard_boot_ns > clock_boot_ns() ? (double)(b->guard_boot_ns - clock_boot_ns()) / 1e9
							      : 0.0);
}

static const char *mac_text(const uint8_t mac[6], char out[MAC_TEXT])
{
	(void)snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return out;
}

/* Where packets go next, and whether that is still so by what the kernel knows; false: nothing is sent, or it cannot be said. */
static bool look_way(struct balancer *b, const struct wish *w, struct balancer_way *ret)
{
	static const uint8_t none[6];
	struct err err = ERR_INIT;

	if (!w->nifs || !attach_ours(&b->attach) || balancer_way(b, &w->ifs[0], ret, &err) < 0)
		return false;
	return ret->runs.flags & (LB_BY_ROUTE | LB_TO_SENDER) || memcmp(ret->runs.router_mac, none, 6) != 0;
}

static void show_way(struct buf *out, struct balancer *b, const struct wish *w)
{
	struct balancer_way way;
	char router[LB_ADDR_TEXT], runs[MAC_TEXT], now[MAC_TEXT];

	if (!look_way(b, w, &way))
		return;
	if (way.runs.flags & LB_BY_ROUTE) {
		buf_str(out, "  packets go next where this host's routes say\n");
		return;
	}
	if (way.runs.flags & LB_TO_SENDER) {
		buf_str(out, "  packets go back to the MAC that they came from\n");
		return;
	}
	buf_printf(out, "  packets go next to the MAC %s", mac_text(way.runs.router_mac, runs));
	if (way.router.family)
		buf_printf(out, ", of %s", lb_addr_text(&way.router, router));
	if (memcmp(way.runs.router_mac, way.wanted.router_mac, 6) != 0)
		buf_printf(out, "; but that has the MAC %s now: `saker apply` or `saker agent` brings packets there",
			   mac_text(way.wanted.router_mac, now));
	buf_char(out, '\n');
}

static void way_json(struct buf *out, struct balancer *b, const struct wish *w)
{
	struct balancer_way way;
	char text[LB_ADDR_TEXT];
	bool by_mac;

	if (!look_way(b, w, &way)) {
		buf_str(out, ",\"next_hop\":null");
		return;
	}
	by_mac = !(way.runs.flags & (LB_BY_ROUTE | LB_TO_SENDER));
	buf_printf(out, ",\"next_hop\":{\"by\":\"%s\",\"holds\":%s",
		   by_mac			  ? "mac"
		   : way.runs.flags & LB_BY_ROUTE ? "routes"
						  : "sender",
		   way.holds ? "true" : "false");
	if (by_mac)
		buf_printf(out, ",\"mac\":\"%s\"", mac_text(way.runs.router_mac, text));
	if (by_mac && way.router.family)
		buf_printf(out, ",\"address\":\"%s\"", lb_addr_text(&way.router, text));
	buf_char(out, '}');
}

static void show_json(struct buf *out, struct balancer *b, const struct wish *w, const struct lb_health *h)
{
	buf_str(out, "{\"interface\":");
	buf_json(out, b->attach.name, strlen(b->attach.name));
	buf_printf(out,
		   ",\"attached\":%s,\"mode\":\"%s\",\"program\":%u,\"unconfirmed\":%s,\"egress\":\"%s\",\"ingress\":"
		   "\"%s\",\"wish\":",
		   attach_ours(&b->attach) ? "true" : "false", attach_mode_name(b->attach.mode), b->attach.program,
		   b->guarded ? "true" : "false", attach_tc_how_name(attach_tc_look(&b->attach, BALANCER_EGRESS, true)),
		   attach_tc_how_name(attach_tc_look(&b->attach, BALANCER_INGRESS, false)));
	wish_json(w, out);
	way_json(out, b, w);
	lb_health_json(out, h);
	buf_str(out, "}\n");
}

int lb_show(const struct lb_args *a, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	CLEANUP(wish_fini) struct wish wish = { 0 };
	CLEANUP(seen_freep) struct seen *s = NULL;
	struct lb_health health;
	struct balancer b;
	size_t i;
	int r = balancer_open(&b, a->on, false, err);

	if (r < 0)
		return r;
	lb_health_open(&health, &b);
	r = balancer_wish(&b, &wish, err);
	if (!r && a->json) {
		show_json(&out, &b, &wish, &health);
	} else if (!r) {
		s = b.chain ? seen_new(b.chain) : NULL;
		show_state(&out, &b);
		show_way(&out, &b, &wish);
		if (s)
			tables_urgent(&out, s);
		lb_health_head(&out, &health);
		for (i = 0; wish.nifs && i < wish.ifs[0].nvips; i++)
			show_vip(&out, &wish.ifs[0].vips[i], s, &health);
	}
	lb_health_close(&health);
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
		struct seen_count n;

		if (seen_reason(c, i, &n) && n.packets)
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
	for (i = 0; i < s->nreals; i++) {
		buf_printf(out, "  %-42s %12" PRIu64 " packets %14" PRIu64 " bytes %8" PRIu64 " connections",
			   lb_addr_text(&s->reals[i].addr, addr), s->reals[i].sent.packets, s->reals[i].sent.bytes,
			   s->reals[i].conns);
		if (s->reals[i].again)
			buf_printf(out, " %8" PRIu64 " SYNs again", s->reals[i].again);
		buf_char(out, '\n');
	}
	buf_printf(out, "connections: %" PRIu64 "; the fullest CPU's table has %" PRIu64 " of %" PRIu64 "\n", s->conns,
		   s->fullest, room);
	tables_text(out, s);
	stats_reasons(out, c);
}

static int stats_prometheus(struct buf *out, const struct seen *s, const struct balancer *b, struct err *err)
{
	CLEANUP(said_fini) struct said said = { 0 };

	seen_prometheus(out, s, b, false);
	if (said_refresh(&said, b) < 0)
		return err_set(err, ENOMEM, "out of memory");
	said_prometheus(out, &said, b->attach.name);
	return 0;
}

/* What the agent's checks found is in a file; seen_json() wrote an object, which gets one key more. */
static void stats_checks(struct buf *out, const struct lb_args *a, const struct balancer *b)
{
	struct err err = ERR_INIT;
	json_t *doc = NULL;
	char *text;
	int r = checks_doc_read(b, &doc, &err);

	if (r < 0 && r != -ENOENT)
		(void)fprintf(stderr, "saker lb: %s\n", err.text);
	if (r < 0)
		return;
	if (a->prometheus) {
		checks_doc_prometheus(out, doc, b->attach.name, false);
	} else if (!a->json) {
		checks_doc_text(out, doc);
	} else if (out->len > 2 && !strcmp(out->data + out->len - 2, "}\n")) {
		text = json_dumps(doc, JSON_COMPACT);
		out->len -= 2;
		buf_printf(out, ",\"checks\":%s}\n", text ? text : "null");
		free(text);
	}
	json_decref(doc);
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
		r = stats_prometheus(&out, s, &b, err);
	else if (a->json)
		seen_json(&out, s, &b);
	else
		stats_text(&out, s, b.chain);
	if (s)
		stats_checks(&out, a, &b);
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
