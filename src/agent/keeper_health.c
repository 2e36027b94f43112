/* SPDX-License-Identifier: Apache-2.0 */
/* keeper_health - from an interface's wish and its balancer's counters to peer/health.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/balancer_tables.h"
#include "agent/keeper_internal.h"
#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/lb/look.h"
#include "packet/wire.h"

#define FILL_NS (5 * NS_PER_SEC) /* a look at the tables of two CPUs takes some ms */

struct sign_addr sign_addr_of(const struct lb_addr *addr)
{
	struct sign_addr a = { .family = addr->family == 6 ? AF_INET6 : AF_INET };

	memcpy(a.bytes, addr->addr, addr->family == 6 ? 16 : 4);
	return a;
}

struct lb_addr lb_addr_of(const struct sign_addr *addr)
{
	struct lb_addr a = { .family = addr->family == AF_INET6 ? 6 : 4 };

	memcpy(a.addr, addr->bytes, addr->family == AF_INET6 ? 16 : 4);
	return a;
}

/* ---- groups ---- */

static struct group *group_free(struct group *g)
{
	if (!g)
		return NULL;
	(void)health_free(g->health);
	free(g->counts);
	free(g);
	return NULL;
}

static void rules_of(const struct wish_if *f, const struct wish_vip *v, struct health_rules *ret, bool *off)
{
	struct wish_health h;

	wish_health_of(f, v, &h);
	*off = h.mode == WISH_OFF;
	*ret = (struct health_rules) {
		.mode = h.mode == WISH_LIVE ? ACTIONMODE_LIVE : ACTIONMODE_SHADOW,
		.rise = h.rise,
		.fall = h.fall,
		.eject_max = h.eject_max,
		.base_eject_ns = h.base_eject_s * NS_PER_SEC,
		.max_eject_ns = h.max_eject_s * NS_PER_SEC,
		.slow_start_ns = h.slow_start_s * NS_PER_SEC,
		.window_ns = h.window_s * NS_PER_SEC,
		.effect_ns = h.effect_s * NS_PER_SEC,
		.again = h.syn_again,
		.resets = h.resets,
		.overflow = h.overflow,
		.load = h.load == WISH_SWITCH_ON,
		.load_step = h.load_step,
		.load_min = h.load_min,
		.load_max = h.load_max,
		.port = v->vip.nat_port ? v->vip.nat_port : v->vip.port,
		.proto = v->vip.proto,
	};
}

static struct group *group_find(struct kept *i, const struct wish_vip *v)
{
	struct group **grown, *g;
	size_t k;

	for (k = 0; k < i->ngroups; k++) {
		g = i->groups[k];
		if (g->vip.port == v->vip.port && g->vip.proto == v->vip.proto && g->vip.bits == v->vip.bits &&
		    !memcmp(&g->vip.addr, &v->vip.addr, sizeof(g->vip.addr)))
			return g;
	}
	grown = array_grown(i->groups, i->ngroups, sizeof(struct group *));
	g = grown ? calloc(1, sizeof(*g)) : NULL;
	if (grown)
		i->groups = grown;
	if (!g || !(g->health = health_new()))
		return group_free(g);
	g->vip = v->vip;
	(void)wish_vip_text(&v->vip, g->text);
	return i->groups[i->ngroups++] = g;
}

static int see_real(void *arg, uint32_t number, const struct lb_real *real)
{
	struct kept *i = arg;
	struct lb_addr addr = { .family = real->family };
	struct sign_addr a;
	size_t k;
	int at;

	memcpy(addr.addr, real->addr, sizeof(addr.addr));
	a = sign_addr_of(&addr);
	for (k = 0; k < i->ngroups; k++) {
		at = health_find(i->groups[k]->health, &a);
		if (at >= 0)
			i->groups[k]->counts[at].number = number;
	}
	return 0;
}

static int see_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct kept *i = arg;
	size_t k;

	for (k = 0; k < i->ngroups; k++) {
		struct group *g = i->groups[k];

		if (g->vip.port != WIRE16(key->port) || g->vip.proto != key->proto || g->vip.bits != key->bits - 32 ||
		    g->vip.addr.family != key->family || memcmp(g->vip.addr.addr, key->addr, sizeof(key->addr)) != 0)
			continue;
		g->fresh_known = g->fresh_known && g->number == vip->number;
		g->number = vip->number;
	}
	return 0;
}

static int group_wish(struct kept *i, const struct wish_vip *v, uint64_t now_ns)
{
	struct group *g = group_find(i, v);
	CLEANUP_FREE struct health_wish *rows = calloc(v->nbackends ? v->nbackends : 1, sizeof(*rows));
	struct tally_of *counts = calloc(v->nbackends ? v->nbackends : 1, sizeof(*counts));
	struct health_rules rules;
	size_t k;

	if (!g || !rows || !counts) {
		free(counts);
		return -ENOMEM;
	}
	for (k = 0; k < v->nbackends; k++)
		rows[k] = (struct health_wish) { sign_addr_of(&v->backends[k].addr), v->backends[k].weight,
						 v->backends[k].down };
	free(g->counts);
	g->counts = counts;
	g->seen = true;
	rules_of(&i->wish.ifs[0], v, &rules, &g->off);
	return health_wish(g->health, &rules, rows, v->nbackends, now_ns);
}

static void forget_gone(struct kept *i)
{
	size_t k, n = 0;

	for (k = 0; k < i->npending; k++) {
		if (i->pending[k].group->seen)
			i->pending[n++] = i->pending[k];
	}
	i->npending = n;
	for (k = n = 0; k < i->ngroups; k++) {
		if (i->groups[k]->seen)
			i->groups[n++] = i->groups[k];
		else
			(void)group_free(i->groups[k]);
	}
	i->ngroups = n;
}

/* ---- a person's changes ---- */

static bool is_pending(const struct kept *i, const struct group *g, const struct sign_addr *addr)
{
	size_t k;

	for (k = 0; k < i->npending; k++) {
		if (i->pending[k].group == g && !memcmp(&i->pending[k].c.addr, addr, sizeof(*addr)))
			return true;
	}
	return false;
}

/* What was laid over a backend and is no more, was taken away by a person. */
static void look_for_yield(struct kept *i, struct group *g, const struct overlay *o, uint64_t now_ns)
{
	struct health_view v;
	struct lb_addr addr;
	struct action *a;
	size_t k;

	for (k = 0; k < health_count(g->health); k++) {
		health_view(g->health, k, now_ns, &v);
		addr = lb_addr_of(&v.addr);
		if (v.share == HEALTH_WHOLE || overlay_find(o, &g->vip, &addr) || is_pending(i, g, &v.addr))
			continue;
		health_yield(g->health, &v.addr, now_ns);
		a = actions_running(&i->actions, i->name, g->text, &v.addr);
		if (!a)
			continue;
		a->verdict = VERDICT_OPEN;
		action_end(a, VERDICT_YIELDED, "a person changed the same backend");
		kept_effect(i, a, HEALTHSTATE_SUSPECT);
	}
}

void kept_wished(struct kept *i, uint64_t now_ns)
{
	const struct wish_if *f = i->wish.nifs ? &i->wish.ifs[0] : NULL;
	struct overlay o = { 0 };
	size_t k;

	for (k = 0; k < i->ngroups; k++)
		i->groups[k]->seen = false;
	for (k = 0; f && k < f->nvips; k++) {
		if (group_wish(i, &f->vips[k], now_ns) < 0)
			keeper_say(i->keeper, "interface '%s': out of memory for the health of a VIP", i->name);
	}
	forget_gone(i);
	lb_look_again_end(i->again);
	i->again = i->open && i->b.chain ? lb_look_again(i->b.chain) : NULL;
	if (i->open && i->b.chain)
		(void)lb_look_reals(i->b.chain, see_real, i);
	if (i->open && i->b.chain)
		(void)lb_look_vips(i->b.chain, see_vip, i);
	if (!i->begun && i->open) {
		i->begun = true;
		kept_begin(i, now_ns);
		return;
	}
	if (i->open)
		balancer_overlay(&i->b, &o);
	for (k = 0; k < i->ngroups; k++)
		look_for_yield(i, i->groups[k], &o, now_ns);
	overlay_fini(&o);
}

/* ---- turns ---- */

static void group_turn(struct kept *i, struct group *g, uint64_t now_ns)
{
	struct kept_at at = { i, g, now_ns };

	health_turn(g->health, now_ns, kept_change, &at);
}

void kept_sign(struct kept *i, const struct sign *s, uint64_t now_ns)
{
	struct kept_at at;
	size_t k;

	for (k = 0; k < i->ngroups; k++) {
		struct sign_addr vip = sign_addr_of(&i->groups[k]->vip.addr);

		if (s->vip.family && memcmp(&s->vip, &vip, sizeof(vip)) != 0)
			continue;
		if (!health_about(i->groups[k]->health, s))
			continue;
		health_sign(i->groups[k]->health, s, now_ns);
		/* of this one alone: with thousands of backends there are thousands of signs */
		at = (struct kept_at) { i, i->groups[k], now_ns };
		health_turn_of(i->groups[k]->health, &s->backend, now_ns, kept_change, &at);
	}
	if (i->npending)
		kept_act(i, now_ns);
}

/*
 * Of a backend that drains: is its last connection gone?  Tables keep entries of connections that have ended, so it is packets that tell: where none
 * went there for so long, only connections may be left on which the client is silent.
 */
static void look_for_drained(struct kept *i, struct group *g, size_t k, uint64_t now_ns)
{
	uint32_t idle_s = i->wish.ifs[0].udp_idle_s;
	struct tally_of *c = &g->counts[k];
	char text[LB_ADDR_TEXT], why[HEALTH_WHY];
	struct health_view v;
	struct lb_addr addr;
	struct action *a;

	health_view(g->health, k, now_ns, &v);
	if (v.state != HEALTHSTATE_DRAINING || now_ns < MAX(c->busy_ns, v.since_ns) + idle_s * NS_PER_SEC) {
		c->drained = c->drained && v.state == HEALTHSTATE_DRAINING && c->busy_ns != now_ns;
		return;
	}
	a = actions_running(&i->actions, i->name, g->text, &v.addr);
	if (c->drained || (a && a->verdict == VERDICT_OPEN)) /* judged first */
		return;
	c->drained = true;
	addr = lb_addr_of(&v.addr);
	(void)snprintf(why, sizeof(why),
		       "none is left: no packet went to it for %u s, so its last connection is gone or silent", idle_s);
	if (!a) {
		keeper_say(i->keeper, "%s: %s drains from %s: %s", i->name, lb_addr_text(&addr, text), g->text, why);
		return;
	}
	(void)snprintf(a->verdict_why, sizeof(a->verdict_why), "%s", why);
	kept_effect(i, a, v.state);
}

/* New connections since the last time. */
static void sample_fresh(struct kept *i, struct group *g, uint64_t now_ns)
{
	struct chain_count n = { 0 };

	if (!g->number || lb_look_count(i->b.chain, "lb_vip_syns", g->number, &n))
		return;
	if (g->fresh_known && n.packets > g->fresh)
		health_fresh(g->health, n.packets - g->fresh, now_ns);
	g->fresh = n.packets;
	g->fresh_known = true;
}

static void sample_packets(struct kept *i, struct group *g, uint64_t now_ns)
{
	size_t k;

	for (k = 0; k < health_count(g->health); k++) {
		struct tally_of *c = &g->counts[k];
		struct chain_count n = { 0 };

		if (!c->number || lb_look_count(i->b.chain, "lb_real_counts", c->number, &n))
			continue;
		if (c->known && n.packets > c->packets)
			health_packets(g->health, k, (uint32_t)(n.packets - c->packets), now_ns);
		if (!c->known || n.packets > c->packets)
			c->busy_ns = now_ns;
		c->packets = n.packets;
		c->known = true;
		look_for_drained(i, g, k, now_ns);
	}
}

/* SYNs that came again since the last time: reading them costs nothing, so it is done at each tick. */
static void sample_again(struct kept *i, struct group *g, uint64_t now_ns)
{
	size_t k;

	for (k = 0; k < health_count(g->health); k++) {
		struct tally_of *c = &g->counts[k];
		struct health_view v;
		struct sign s = { .kind = SIGN_SYN_AGAIN, .proto = g->vip.proto, .boot_ns = now_ns };
		uint64_t all;

		if (!c->number)
			continue;
		all = __atomic_load_n(&i->again[c->number], __ATOMIC_RELAXED);
		if (c->again_known && all > c->again) {
			health_view(g->health, k, now_ns, &v);
			s.backend = v.addr;
			s.value = all - c->again;
			s.port = health_rules(g->health)->port;
			(void)snprintf(s.text, sizeof(s.text), "the balancer saw SYNs again that it had passed on");
			health_sign(g->health, &s, now_ns);
		}
		c->again = all;
		c->again_known = true;
	}
}

/* A table that will be full soon, or where entries in use give way, is said once, until there is none. */
static void look_for_full(struct kept *i)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct lb_fill rows[LB_FILL_TABLES];
	size_t n = lb_fill_look(i->b.chain, rows), k;

	for (k = 0; k < n && !lb_fill_urgent(&rows[k]); k++)
		;
	if (k < n && !i->filling) {
		tables_name_text(&text, &rows[k]);
		tables_fill_text(&text, &rows[k]);
		if (text.len && !text.failed)
			keeper_say(i->keeper, "%s: %.*s", i->name, (int)text.len - 1, text.data);
	}
	i->filling = k < n;
}

void kept_turn(struct kept *i, uint64_t now_ns)
{
	bool sample = i->open && i->b.chain && now_ns >= i->sampled_ns + NS_PER_SEC / 2;
	size_t k;

	if (sample)
		i->sampled_ns = now_ns;
	for (k = 0; k < i->ngroups; k++) {
		if (sample) {
			sample_fresh(i, i->groups[k], now_ns);
			sample_packets(i, i->groups[k], now_ns);
		}
		if (i->again)
			sample_again(i, i->groups[k], now_ns);
		group_turn(i, i->groups[k], now_ns);
	}
	if (sample && now_ns >= i->filled_ns + FILL_NS) {
		i->filled_ns = now_ns;
		look_for_full(i);
	}
	kept_judge(i, now_ns);
	if (i->npending)
		kept_act(i, now_ns);
}

void kept_end(struct kept *i)
{
	size_t k;

	for (k = 0; k < i->ngroups; k++)
		(void)group_free(i->groups[k]);
	lb_look_again_end(i->again);
	free(i->groups);
	free(i->pending);
	actions_fini(&i->actions);
}
