/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_act - changes are made, written down as events, and judged.
 *
 * A live change waits in `pending` until it is made: all of them as one transaction, under the balancer's lock, which is never waited for.
 * So an event of an action is written when packets see it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/diary.h"
#include "agent/health_doc.h"
#include "agent/keeper_internal.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#define RETRY_NS (NS_PER_SEC)

/* ---- events ---- */

static void write_event(struct keeper *k, void *fixed, const char *const *strings, struct sign_event *ret)
{
	struct err err = ERR_INIT;

	if (diary_write(k->diary, fixed, strings, ret, &err) >= 0 || k->failing)
		return;
	k->failing = true;
	keeper_say(k, "%s", err.text);
}

#define EVIDENCE(e, n, ev)                 \
	do {                               \
		(e)->host##n = (ev).host;  \
		(e)->ns##n = (ev).boot_ns; \
		(e)->seq##n = (ev).seq;    \
		(e)->cpu##n = (ev).cpu;    \
	} while (0)

static void action_event(struct kept *i, const struct group *g, struct action *a)
{
	const struct health_change *c = &a->c;
	struct sign_addr vip = sign_addr_of(&g->vip.addr);
	struct event_action e = { .h = { .type = EVENT_ACTION },
				  .number = a->number,
				  .expiry_ns = c->expiry_ns,
				  .what = c->what,
				  .mode = c->mode,
				  .state = c->state,
				  .sign = c->sign,
				  .share_before = c->share_before,
				  .share_after = c->share_after,
				  .weight = c->weight,
				  .vip_port = g->vip.port,
				  .vip_protocol = g->vip.proto,
				  .vip_bits = g->vip.bits };

	sign_addr_event(&vip, e.vip);
	sign_addr_event(&c->addr, e.backend);
	EVIDENCE(&e, 1, c->evidence[0]);
	EVIDENCE(&e, 2, c->evidence[1]);
	EVIDENCE(&e, 3, c->evidence[2]);
	EVIDENCE(&e, 4, c->evidence[3]);
	write_event(i->keeper, &e, (const char *[]) { i->name, c->why, NULL }, &a->event);
}

#define CUT32(n) ((uint32_t)MIN((uint64_t)(n), (uint64_t)UINT32_MAX))

void kept_effect(struct kept *i, struct action *a, enum healthstate state)
{
	struct lb_wish_vip vip = { 0 };
	struct sign_addr addr;
	struct event_effect e = { .h = { .type = EVENT_EFFECT },
				  .number = a->number,
				  .window_ns = a->window_ns,
				  .from_ns = a->at_ns + ACTION_SETTLE_NS,
				  .check_before_ns = a->before.checks.mean,
				  .check_after_ns = a->after.checks.mean,
				  .verdict = a->verdict,
				  .state = state,
				  .packets_before = CUT32(a->before.packets),
				  .packets_after = CUT32(a->after.packets),
				  .others_before = CUT32(a->before.others),
				  .others_after = CUT32(a->after.others),
				  .again_before = CUT32(a->before.again),
				  .again_after = CUT32(a->after.again),
				  .resets_before = CUT32(a->before.resets),
				  .resets_after = CUT32(a->after.resets),
				  .failed_before = CUT32(a->before.failed),
				  .failed_after = CUT32(a->after.failed),
				  .new_before = CUT32(a->before.fresh),
				  .new_after = CUT32(a->after.fresh),
				  .checks_before = CUT32(a->before.checks.count),
				  .checks_after = CUT32(a->after.checks.count),
				  .rtt_before_us = CUT32(a->before.rtts.mean),
				  .rtt_after_us = CUT32(a->after.rtts.mean),
				  .rtts_before = CUT32(a->before.rtts.count),
				  .rtts_after = CUT32(a->after.rtts.count),
				  .decided = (uint16_t)a->decided };
	char text[LB_ADDR_TEXT];
	struct lb_addr to = lb_addr_of(&a->c.addr);

	(void)wish_vip_parse(a->vip, &vip, NULL);
	addr = sign_addr_of(&vip.addr);
	e.vip_port = vip.port;
	e.vip_protocol = vip.proto;
	e.vip_bits = vip.bits;
	sign_addr_event(&addr, e.vip);
	sign_addr_event(&a->c.addr, e.backend);
	EVIDENCE(&e, 1, a->event);
	write_event(i->keeper, &e, (const char *[]) { i->name, a->verdict_why, NULL }, NULL);
	keeper_say(i->keeper, "%s: action %" PRIu64 " (%s %s of %s): %s: %s", i->name, a->number,
		   lb_addr_text(&to, text), health_doc_word("what", a->c.what), a->vip,
		   health_doc_word("verdict", a->verdict), a->verdict_why);
}

void kept_check(struct keeper *k, struct sign *s)
{
	bool passed = s->kind == SIGN_CHECK_PASSED;
	uint64_t key = s->port | (uint64_t)s->proto << 16, *had, word[4];
	struct event_check e = { .h = { .type = EVENT_CHECK },
				 .took_ns = passed ? s->value * 1000 : 0,
				 .state = passed ? CHECKSTATE_PASSES : CHECKSTATE_FAILS,
				 .in_row = 1,
				 .port = s->port,
				 .protocol = s->proto };

	memcpy(word, s->backend.bytes, sizeof(s->backend.bytes));
	memcpy(&word[2], s->vip.bytes, sizeof(s->vip.bytes));
	key = map_hash(map_hash(key ^ word[0]) ^ word[1] ^ s->backend.family);
	key = map_hash(map_hash(key ^ word[2]) ^ word[3]);
	had = map_get(&k->checks, key);
	if (had && (*had & 1) == passed) {
		if (!s->evidence.seq && !passed) /* it still says what it said then */
			s->evidence = (struct sign_event) { .host = diary_id(k->diary),
							    .seq = *had >> 1,
							    .cpu = diary_cpu(k->diary) };
		return;
	}
	EVIDENCE(&e, 1, s->evidence);
	sign_addr_event(&s->backend, e.backend);
	write_event(k, &e, (const char *[]) { s->text, NULL }, &s->evidence);
	(void)map_set(&k->checks, key, s->evidence.seq << 1 | passed);
}

/* ---- changes ---- */

static struct action *remember(struct kept *i, struct group *g, const struct health_change *c, uint64_t now_ns)
{
	struct action about = { .c = *c,
				.at_ns = now_ns,
				.at_unix_ns = clock_ns(CLOCK_REALTIME),
				.window_ns = health_rules(g->health)->effect_ns },
		      *a;
	char text[LB_ADDR_TEXT];
	struct lb_addr addr = lb_addr_of(&c->addr);
	int at = health_find(g->health, &c->addr);

	(void)snprintf(about.interface, sizeof(about.interface), "%s", i->name);
	(void)snprintf(about.vip, sizeof(about.vip), "%s", g->text);
	if (at >= 0)
		health_figures(g->health, (size_t)at, c->share_before, now_ns, &about.before);
	a = actions_add(&i->actions, &about);
	if (!a)
		return NULL;
	about.number = a->number;
	action_event(i, g, c->step ? &about : a);
	keeper_say(i->keeper, "%s: action %" PRIu64 "%s: %s of %s: %s, share %u -> %u of 1000: %s", i->name, a->number,
		   c->mode == ACTIONMODE_LIVE ? "" : " (shadow)", lb_addr_text(&addr, text), g->text,
		   health_doc_word("what", c->what), c->share_before, c->share_after, c->why);
	return a;
}

void kept_shadow(struct kept *i, struct group *g, const struct health_change *c, uint64_t now_ns)
{
	if (!g->off)
		(void)remember(i, g, c, now_ns);
}

void kept_change(void *arg, const struct health_change *c)
{
	struct kept_at *at = arg;
	struct kept *i = at->kept;
	struct pending *grown;

	if (c->mode != ACTIONMODE_LIVE) {
		kept_shadow(i, at->group, c, at->now_ns);
		return;
	}
	grown = realloc(i->pending, (i->npending + 1) * sizeof(*grown));
	if (!grown) {
		keeper_say(i->keeper, "out of memory for an action");
		return;
	}
	i->pending = grown;
	grown[i->npending++] = (struct pending) { .group = at->group, .c = *c };
}

static int put_rows(struct kept *i, struct overlay *o, uint64_t now_ns)
{
	uint64_t next = i->actions.next ? i->actions.next : 1;
	size_t k;
	int r = 0;

	for (k = 0; k < i->npending && r >= 0; k++) {
		const struct pending *p = &i->pending[k];
		const struct action *a = actions_running(&i->actions, i->name, p->group->text, &p->c.addr);
		struct overlay_row row = { .vip = p->group->vip,
					   .backend = lb_addr_of(&p->c.addr),
					   .share = p->c.share_after,
					   .down = p->c.down && !p->c.share_after,
					   .weight = p->c.weight,
					   .action = p->c.step && a ? a->number : next++,
					   .until_ns = p->c.expiry_ns,
					   .since_ns = now_ns };

		if (p->c.share_after == HEALTH_WHOLE)
			(void)overlay_drop(o, &row.vip, &row.backend);
		else
			r = overlay_put(o, &row);
	}
	return r;
}

/* Rows that did not hold: somebody changed the wish since this was decided. */
static void mark_gone(struct kept *i, const struct overlay *o)
{
	size_t k;

	for (k = 0; k < i->npending; k++) {
		struct pending *p = &i->pending[k];
		struct lb_addr addr = lb_addr_of(&p->c.addr);

		p->gone = p->c.share_after != HEALTH_WHOLE && !overlay_find(o, &p->group->vip, &addr);
	}
}

static int make(struct kept *i, uint64_t now_ns, struct err *err)
{
	struct balancer b;
	struct overlay o;
	int r = balancer_try(&b, i->name, err);

	if (r < 0)
		return r;
	balancer_overlay(&b, &o);
	r = put_rows(i, &o, now_ns);
	r = r < 0 ? err_set(err, -r, "there is no room for what is to be changed") : balancer_lay(&b, &o, err);
	mark_gone(i, &o);
	overlay_fini(&o);
	balancer_close(&b);
	return r;
}

void kept_act(struct kept *i, uint64_t now_ns)
{
	struct err err = ERR_INIT;
	size_t k;
	int r;

	if (now_ns < i->retry_ns)
		return;
	r = make(i, now_ns, &err);
	if (r == -EWOULDBLOCK)
		return; /* somebody changes it now: next time */
	if (r < 0) {
		i->retry_ns = now_ns + RETRY_NS;
		if (!i->failed)
			keeper_say(i->keeper, "interface '%s': an action cannot be made, and is tried again: %s",
				   i->name, err.text);
		i->failed = true;
		return;
	}
	i->failed = false;
	now_ns = clock_boot_ns();
	for (k = 0; k < i->npending; k++) {
		struct pending *p = &i->pending[k];

		if (p->gone)
			health_yield(p->group->health, &p->c.addr, now_ns);
		else
			(void)remember(i, p->group, &p->c, now_ns);
	}
	i->npending = 0;
}

/* ---- what became of it ---- */

static struct group *group_of(struct kept *i, const char *text)
{
	size_t k;

	for (k = 0; k < i->ngroups; k++) {
		if (!strcmp(i->groups[k]->text, text))
			return i->groups[k];
	}
	return NULL;
}

void kept_judge(struct kept *i, uint64_t now_ns)
{
	struct action *a;

	while ((a = actions_due(&i->actions, now_ns))) {
		struct group *g = group_of(i, a->vip);
		int at = g ? health_find(g->health, &a->c.addr) : -1;
		struct health_figures after;
		struct health_view v;
		struct kept_at where = { i, g, now_ns };

		if (at < 0) {
			action_end(a, VERDICT_ENDED, "the backend is wished no more");
			kept_effect(i, a, HEALTHSTATE_UNKNOWN);
			continue;
		}
		health_figures(g->health, (size_t)at,
			       a->c.mode == ACTIONMODE_LIVE ? a->c.share_after : a->c.share_before, now_ns, &after);
		action_judge(a, &after);
		health_view(g->health, (size_t)at, now_ns, &v);
		kept_effect(i, a, v.state);
		if (a->verdict == VERDICT_REVERTED)
			health_take_back(g->health, &a->c.addr, now_ns, kept_change, &where,
					 "the action is taken back");
	}
}
