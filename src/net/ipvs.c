/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipvs - lines of `ipvsadm-save -n` (ipvsadm(8)): `-A -t 10.0.0.10:443 -s wlc -p 300` is a service, and
 * `-a -t 10.0.0.10:443 -r 10.1.0.5:443 -m -w 10` one of its servers.
 */
#include "net/ipvs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "net/wish.h"
#include "packet/wire.h"

#define WORDS_MAX 48
#define LINES_MAX 200000

struct line {
	struct wish_if *f;
	struct wish_errors *cannot;
	unsigned number;
	char *words[WORDS_MAX];
	size_t count, at;
	bool adds_server, adds_service;
	/* what was said */
	char service[128], server[128], scheduler[24], persist[24];
	char way; /* m, g, i */
	bool gue, stateless;
	uint32_t weight;
};

#define CANNOT(l, ...) wish_complain((l)->cannot, (l)->number, __VA_ARGS__)

static const char *next_word(struct line *l)
{
	return l->at < l->count ? l->words[l->at++] : "";
}

static void take_service(struct line *l, const char *proto)
{
	(void)snprintf(l->service, sizeof(l->service), "%.110s/%s", next_word(l), proto);
}

static void take_weight(struct line *l)
{
	const char *text = next_word(l);
	uint64_t v;

	if (parse_number(text, &v) < 0 || v > 65535)
		CANNOT(l, "a weight is 0 to 65535, not '%.20s': 1 is taken", text);
	else
		l->weight = (uint32_t)v;
}

static void take_tunnel(struct line *l)
{
	const char *type = next_word(l);

	l->gue = !strcmp(type, "gue");
	if (!l->gue && strcmp(type, "ipip") != 0)
		CANNOT(l, "tunnels of type '%.20s': ipip is taken", type);
}

static bool is(const char *word, const char *brief, const char *full)
{
	return !strcmp(word, brief) || !strcmp(word, full);
}

/* What names the service or the server; false: the word is something else. */
static bool take_place(struct line *l, const char *w)
{
	if (is(w, "-A", "--add-service"))
		l->adds_service = true;
	else if (is(w, "-a", "--add-server"))
		l->adds_server = true;
	else if (is(w, "-t", "--tcp-service"))
		take_service(l, "tcp");
	else if (is(w, "-u", "--udp-service"))
		take_service(l, "udp");
	else if (is(w, "-r", "--real-server"))
		(void)snprintf(l->server, sizeof(l->server), "%s", next_word(l));
	else
		return false;
	return true;
}

static bool take_way(struct line *l, const char *w)
{
	if (is(w, "-m", "--masquerading"))
		l->way = 'm';
	else if (is(w, "-g", "--gatewaying"))
		l->way = 'g';
	else if (is(w, "-i", "--ipip"))
		l->way = 'i';
	else if (!strcmp(w, "--tun-type"))
		take_tunnel(l);
	else if (is(w, "-w", "--weight"))
		take_weight(l);
	else if (is(w, "-o", "--ops"))
		l->stateless = true;
	else if (is(w, "-s", "--scheduler"))
		(void)snprintf(l->scheduler, sizeof(l->scheduler), "%s", next_word(l));
	else if (is(w, "-p", "--persistent"))
		(void)snprintf(l->persist, sizeof(l->persist), "%s", next_word(l));
	else
		return false;
	return true;
}

/* What a wish has no word for; those with a value take it. */
static void take_other(struct line *l, const char *w)
{
	static const char *const valued[] = {
		"-f", "--fwmark-service", "--sctp-service", "-x", "--u-threshold", "-y",	 "--l-threshold",
		"-M", "--netmask",	  "--pe",	    "-b", "--sched-flags", "--tun-port", "--tun-flags"
	};
	const char *value = "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(valued); i++) {
		if (!strcmp(w, valued[i]))
			value = next_word(l);
	}
	if (is(w, "-f", "--fwmark-service"))
		CANNOT(l, "a service of a firewall mark (%.20s): VIPs have addresses", value);
	else if (!strcmp(w, "--sctp-service"))
		CANNOT(l, "SCTP (%.40s): VIPs are of TCP or UDP", value);
	else if (strcmp(value, "0") != 0)
		CANNOT(l, "'%.30s%s%.30s'", w, *value ? " " : "", value);
}

static void split(struct line *l, char *text)
{
	char *save = NULL, *w;

	for (w = strtok_r(text, " \t\r", &save); w && l->count < WORDS_MAX; w = strtok_r(NULL, " \t\r", &save))
		l->words[l->count++] = w;
	while (l->at < l->count) {
		const char *word = next_word(l);

		if (!take_place(l, word) && !take_way(l, word))
			take_other(l, word);
	}
}

/* ---- services ---- */

static void say_scheduler(struct line *l)
{
	if (!strcmp(l->scheduler, "mh") || !strcmp(l->scheduler, "wrr") || !*l->scheduler)
		return;
	CANNOT(l, "scheduler %s: connections are dealt by hash, in the proportion of weights%s", l->scheduler,
	       !strcmp(l->scheduler, "rr") ? "; make these equal" : "");
}

static void add_service(struct line *l)
{
	struct lb_wish_vip vip;
	struct err err = ERR_INIT;

	if (wish_vip_parse(l->service, &vip, &err) < 0) {
		CANNOT(l, "service '%.60s': %s", l->service, err.text);
		return;
	}
	if (l->stateless)
		vip.flags |= LB_VIP_STATELESS;
	if (*l->persist) {
		vip.flags |= LB_VIP_NO_SRC_PORT;
		CANNOT(l, "persistence of %s s: a client keeps its backend by hash, as long as backends do not change",
		       l->persist);
	}
	if (wish_vip_add(l->f, &vip, &err) < 0)
		CANNOT(l, "%s", err.text);
	say_scheduler(l);
}

/* ---- servers ---- */

/* ADDRESS:PORT; a missing port is 0. */
static int server_parse(struct line *l, const char *proto, struct lb_wish_vip *ret)
{
	struct err err = ERR_INIT;
	char text[160];

	(void)snprintf(text, sizeof(text), "%s/%s", l->server, proto);
	if (wish_vip_parse(text, ret, &err) == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%s:0/%s", l->server, proto);
	if (wish_vip_parse(text, ret, &err) == 0)
		return 0;
	CANNOT(l, "server '%.60s': %s", l->server, err.text);
	return -EINVAL;
}

/* One way for all servers of a VIP; tunnels may differ. */
static bool way_fits(struct line *l, struct wish_vip *v, enum wish_mode mode)
{
	enum wish_mode had = wish_vip_mode(&v->vip);

	if (!v->nbackends)
		wish_vip_mode_set(&v->vip, mode);
	else if (wish_mode_tunnel(mode) != wish_mode_tunnel(had) || (!wish_mode_tunnel(mode) && mode != had)) {
		CANNOT(l, "server %.60s: its VIP's other servers are reached by %s, it is left out", l->server,
		       wish_mode_name(had));
		return false;
	}
	return true;
}

static bool port_fits(struct line *l, struct wish_vip *v, enum wish_mode mode, uint16_t port)
{
	uint16_t other = port == v->vip.port ? 0 : port;

	if (mode != WISH_NAT) {
		if (other)
			CANNOT(l, "server %.60s: only NAT changes the port, %u stays", l->server, v->vip.port);
		return true;
	}
	if (!v->nbackends)
		v->vip.nat_port = other;
	if (v->vip.nat_port == other)
		return true;
	CANNOT(l, "server %.60s: its VIP's other servers have another port, it is left out", l->server);
	return false;
}

static void add_server(struct line *l)
{
	struct wish_backend b = { .weight = l->weight };
	enum wish_mode mode = l->way == 'm' ? WISH_NAT : l->way == 'i' ? (l->gue ? WISH_GUE : WISH_IPIP) : WISH_L2;
	struct lb_wish_vip vip, server;
	struct err err = ERR_INIT;
	struct wish_vip *v;

	if (wish_vip_parse(l->service, &vip, &err) < 0) {
		CANNOT(l, "service '%.60s': %s", l->service, err.text);
		return;
	}
	v = wish_vip_find(l->f, &vip);
	if (!v) {
		CANNOT(l, "server %.60s: there is no service %.60s before it", l->server, l->service);
		return;
	}
	if (server_parse(l, vip.proto == PROTO_TCP ? "tcp" : "udp", &server) < 0 || !way_fits(l, v, mode) ||
	    !port_fits(l, v, mode, server.port))
		return;
	b.addr = server.addr;
	b.mode = wish_mode_tunnel(mode) ? mode : WISH_IPIP;
	if (wish_backend_add(v, &b, &err) < 0)
		CANNOT(l, "%s", err.text);
}

static void read_line(struct wish_if *f, struct wish_errors *cannot, unsigned number, char *text)
{
	struct line l = { .f = f, .cannot = cannot, .number = number, .weight = 1, .way = 'g' };
	size_t before = cannot->count;

	split(&l, text);
	if (!l.count || *l.words[0] == '#')
		return;
	if (!*l.service && cannot->count != before)
		return; /* it was said why */
	if (!*l.service)
		CANNOT(&l, "this line names no service of TCP or UDP");
	else if (l.adds_service)
		add_service(&l);
	else if (l.adds_server)
		add_server(&l);
	else
		CANNOT(&l, "this line adds neither a service nor a server");
}

int ipvs_read(const char *text, size_t len, const char *interface, struct wish *ret, struct wish_errors *cannot)
{
	CLEANUP_FREE char *copy = strndup(text, len);
	char *line, *rest = copy;
	struct wish wish = { 0 };
	struct wish_if *f = wish_add(&wish, interface);
	unsigned number = 0;

	if (!copy || !f) {
		wish_fini(&wish);
		return -ENOMEM;
	}
	while (rest && number < LINES_MAX) {
		line = strsep(&rest, "\n");
		read_line(f, cannot, ++number, line);
	}
	*ret = wish;
	return 0;
}
