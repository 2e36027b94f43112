/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper_begin - what an agent before this one left: its actions by KEY.health, and by KEY.overlay what holds of them.
 *
 * What holds is taken over with its time; what is over is taken off.  Numbers of actions go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/health_doc.h"
#include "agent/keeper_internal.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

static void event_of(const json_t *object, struct sign_event *ret)
{
	*ret = (struct sign_event) { .host = health_doc_hex(object, "host"),
				     .boot_ns = health_doc_u64(object, "boot_ns"),
				     .seq = health_doc_u64(object, "seq"),
				     .cpu = (uint16_t)health_doc_u64(object, "cpu") };
}

static void took_of(const json_t *object, const char *count, const char *mean, struct health_took *ret)
{
	*ret = (struct health_took) { health_doc_u64(object, count), health_doc_u64(object, mean) };
}

static void figures_of(const json_t *object, struct health_figures *ret)
{
	ret->fresh = health_doc_u64(object, "new");
	ret->packets = health_doc_u64(object, "packets");
	ret->others = health_doc_u64(object, "others");
	ret->again = health_doc_u64(object, "again");
	ret->resets = health_doc_u64(object, "resets");
	ret->failed = health_doc_u64(object, "failed");
	ret->own_bad = health_doc_u64(object, "own_bad");
	took_of(object, "checks", "check_ns", &ret->checks);
	took_of(object, "rtts", "rtt_us", &ret->rtts);
	took_of(object, "others_checks", "others_check_ns", &ret->others_checks);
	took_of(object, "others_rtts", "others_rtt_us", &ret->others_rtts);
}

/* An action as it was written; false: it is none. */
static bool action_of(const struct kept *i, const json_t *row, struct action *a)
{
	const json_t *effect = json_object_get(row, "effect"), *evidence = json_object_get(row, "evidence"), *words;
	struct lb_addr addr;
	uint32_t k;

	*a = (struct action) { .number = health_doc_u64(row, "number"),
			       .at_ns = health_doc_u64(row, "at_boot_ns"),
			       .at_unix_ns = health_doc_u64(row, "at_unix_ns") };
	if (!a->number || lb_addr_parse(health_doc_text(row, "backend"), &addr) < 0)
		return false;
	(void)snprintf(a->interface, sizeof(a->interface), "%s", i->name);
	(void)snprintf(a->vip, sizeof(a->vip), "%s", health_doc_text(row, "vip"));
	a->c.addr = sign_addr_of(&addr);
	a->c.what = (enum actionwhat)health_doc_value("what", health_doc_text(row, "what"));
	a->c.mode = strcmp(health_doc_text(row, "mode"), "live") ? ACTIONMODE_SHADOW : ACTIONMODE_LIVE;
	a->c.state = (enum healthstate)health_doc_value("state", health_doc_text(row, "state"));
	a->c.sign = (enum signkind)health_doc_value("sign", health_doc_text(row, "sign"));
	a->c.share_before = (uint32_t)health_doc_u64(row, "share_before");
	a->c.share_after = (uint32_t)health_doc_u64(row, "share_after");
	a->c.weight = (uint32_t)health_doc_u64(row, "weight");
	a->c.ejections = (uint32_t)health_doc_u64(row, "ejections");
	a->c.expiry_ns = health_doc_u64(row, "expiry_boot_ns");
	(void)snprintf(a->c.why, sizeof(a->c.why), "%s", health_doc_text(row, "why"));
	event_of(json_object_get(row, "event"), &a->event);
	for (k = 0; k < HEALTH_EVIDENCE && k < json_array_size(evidence); k++)
		event_of(json_array_get(evidence, k), &a->c.evidence[a->c.nevidence++]);
	a->running = json_is_true(json_object_get(row, "running"));
	a->verdict = (enum verdict)health_doc_value("verdict", health_doc_text(effect, "verdict"));
	(void)snprintf(a->verdict_why, sizeof(a->verdict_why), "%s", health_doc_text(effect, "why"));
	a->window_ns = health_doc_u64(effect, "window_ns");
	words = json_object_get(effect, "decided");
	for (k = 0; k < json_array_size(words); k++)
		a->decided |= health_doc_value("decided", json_string_value(json_array_get(words, k)));
	figures_of(json_object_get(effect, "before"), &a->before);
	figures_of(json_object_get(effect, "after"), &a->after);
	return true;
}

/* The row of an action that holds; NULL. */
static const struct overlay_row *row_of(const struct overlay *o, const struct action *a)
{
	size_t k;

	for (k = 0; k < o->count; k++) {
		if (o->rows[k].action == a->number)
			return &o->rows[k];
	}
	return NULL;
}

static void take_action(struct kept *i, const json_t *row, const struct overlay *before, const struct overlay *now)
{
	struct action a, *added;

	if (i->actions.count >= ACTIONS_MAX || !action_of(i, row, &a))
		return;
	i->actions.next = a.number;
	added = actions_add(&i->actions, &a);
	if (!added)
		return;
	*added = a;
	if (!a.running)
		return;
	if (a.c.mode != ACTIONMODE_LIVE) {
		action_end(added, VERDICT_ENDED, "the agent ended; it was only said");
		return;
	}
	if (row_of(now, &a))
		return;
	added->verdict = VERDICT_OPEN;
	if (row_of(before, &a))
		action_end(added, VERDICT_EXPIRED, "its time was over while no agent ran: taken back at the start");
	else
		action_end(added, VERDICT_YIELDED,
			   "it did not hold any more when the agent began: a person changed the same backend, or "
			   "packets were served anew");
	kept_effect(i, added, HEALTHSTATE_UNKNOWN);
}

static void adopt(struct kept *i, const struct overlay *o)
{
	size_t k, n;

	for (k = 0; k < i->ngroups; k++) {
		struct group *g = i->groups[k];

		for (n = 0; n < o->count; n++) {
			const struct overlay_row *r = &o->rows[n];
			struct sign_addr addr = sign_addr_of(&r->backend);
			const struct action *a = actions_running(&i->actions, i->name, g->text, &addr);
			enum healthstate state = a	    ? a->c.state
						 : r->down  ? HEALTHSTATE_DOWN
						 : r->share ? HEALTHSTATE_SLOW_START
							    : HEALTHSTATE_EJECTED;

			if (overlay_find(o, &g->vip, &r->backend) == r)
				health_adopt(g->health, &addr, state, r->share, r->down, r->since_ns, r->until_ns,
					     a ? a->c.ejections : 1, a ? a->c.why : "an agent before this one did it");
			i->actions.next = MAX(i->actions.next, r->action + 1);
		}
	}
}

/* Takes off what does not hold any more; *o is what does. */
static void take_off(struct kept *i, struct overlay *o)
{
	struct wish_if copy;
	struct balancer b;
	struct err err = ERR_INIT;
	size_t dropped = 0;
	int r;

	if (i->wish.nifs && wish_if_copy(&copy, &i->wish.ifs[0])) {
		dropped = overlay_lay(o, &copy, clock_boot_ns());
		wish_if_fini(&copy);
	}
	if (!dropped)
		return;
	r = balancer_open(&b, i->name, true, &err);
	if (r >= 0) {
		overlay_fini(o);
		balancer_overlay(&b, o);
		r = balancer_lay(&b, o, &err);
		balancer_close(&b);
	}
	keeper_say(i->keeper,
		   r < 0 ? "interface '%s': what is over cannot be taken back: %s"
			 : "interface '%s': what was over is taken back",
		   i->name, err.text);
}

void kept_begin(struct kept *i, uint64_t now_ns)
{
	struct overlay before, now;
	struct err err = ERR_INIT;
	json_t *doc = NULL;
	size_t k;

	(void)now_ns;
	balancer_overlay(&i->b, &before);
	balancer_overlay(&i->b, &now);
	take_off(i, &now);
	if (health_doc_read(&i->b, &doc, &err) >= 0) {
		const json_t *rows = json_object_get(doc, "actions");

		for (k = 0; health_doc_same_boot(doc) && k < json_array_size(rows); k++)
			take_action(i, json_array_get(rows, k), &before, &now);
		i->actions.next = MAX(health_doc_u64(json_object_get(doc, "agent"), "next"), (uint64_t)1);
		json_decref(doc);
	}
	adopt(i, &now);
	overlay_fini(&before);
	overlay_fini(&now);
}
