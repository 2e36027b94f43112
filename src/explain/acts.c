/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acts - what an agent did about backends, each in one causal line: what befell the backend, how the agent learned of it, what it did, and
 * what it measured then.
 *
 * From the action back along edges of evidence (order/match_evidence.c): where they lead to a death that a recording has, whose it was and
 * by whom is told from there; else the agent's own words are.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"
#include "explain/facts.h"

#define WEIGHT_ACT 1200 /* it ends the story of what others only begin */
#define ACTS_MAX 2048
#define ACTS_TOLD 2
#define WALK_MAX 64

struct act {
	uint64_t boot_ns, id, number;
	uint32_t host, what, mode, verdict;
	bool effect, out; /* out: the backend had something, and has nothing more */
	char interface[16], vip[64], backend[48], why[240];
};

static void addr_text(const uint8_t addr[16], char *out, size_t size)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;

	event_addr_text(&b, addr);
	(void)snprintf(out, size, "%s", b.data ? b.data : "?");
}

static void vip_text(struct act *a, const uint8_t addr[16], uint16_t port, uint8_t protocol)
{
	char text[48];

	addr_text(addr, text, sizeof(text));
	(void)snprintf(a->vip, sizeof(a->vip), strchr(text, ':') ? "[%s]:%u/%s" : "%s:%u/%s", text, port,
		       protocol == 17 ? "udp" : "tcp");
}

int acts_add(struct story *s, const struct event *ev)
{
	const struct event_action *e = EVENT_AS(action, ev);
	const struct event_effect *f = EVENT_AS(effect, ev);
	bool effect = ev->type->id == EVENT_EFFECT;
	struct act *a;

	if (!s->acts.rows)
		s->acts.rows = calloc(ACTS_MAX, sizeof(*s->acts.rows));
	if (!s->acts.rows)
		return -ENOMEM;
	if (s->acts.count == ACTS_MAX) {
		s->left_out++;
		return 0;
	}
	a = &s->acts.rows[s->acts.count++];
	*a = (struct act) { .boot_ns = ev->boot_ns, .id = ev->id, .host = ev->host, .effect = effect };
	if (effect) {
		a->number = f->number;
		a->verdict = f->verdict;
	} else {
		a->number = e->number;
		a->what = e->what;
		a->mode = e->mode;
		a->out = !e->share_after && e->share_before;
		addr_text(e->backend, a->backend, sizeof(a->backend));
		vip_text(a, e->vip, e->vip_port, e->vip_protocol);
	}
	(void)snprintf(a->interface, sizeof(a->interface), "%s", event_string(ev, 0));
	(void)snprintf(a->why, sizeof(a->why), "%s", event_string(ev, 1));
	return 0;
}

/* ---- back to a death ---- */

struct walk {
	struct order_ref rows[WALK_MAX];
	size_t count;
};

static bool walk_edge(void *arg, const struct order_edge *e)
{
	struct walk *w = arg;
	size_t i;

	if (e->kind == ORDER_PROGRAM || e->ambiguous)
		return true;
	for (i = 0; i < w->count; i++) {
		if (w->rows[i].host == e->from.host && w->rows[i].id == e->from.id)
			return true;
	}
	if (w->count < WALK_MAX)
		w->rows[w->count++] = e->from;
	return true;
}

/* The process whose end is evidence of the action; CAST_NONE: no recording has it. */
static uint32_t dead_of(const struct story *s, const struct act *a)
{
	struct walk w = { .rows = { { a->host, a->id } }, .count = 1 };
	size_t i;
	uint32_t k;

	for (i = 0; i < w.count; i++)
		(void)order_causes(s->order, w.rows[i], walk_edge, &w);
	for (i = 1; i < w.count; i++) {
		for (k = 0; k < s->cast.count; k++) {
			if (s->cast.actors[k].died_id == w.rows[i].id && s->cast.actors[k].host == w.rows[i].host)
				return k;
		}
	}
	return CAST_NONE;
}

/* Connections of its host that were reset from its death on, until the action. */
static uint64_t resets_of(const struct story *s, uint32_t dead, uint64_t until_ns)
{
	const struct actor *d = story_actor(s, dead);
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->troubles.count; i++) {
		const struct fact *f = &s->troubles.rows[i];

		n += f->type == EVENT_RESET && f->host == d->host && f->boot_ns + NS_PER_MS >= d->died_ns &&
		     f->boot_ns <= until_ns;
	}
	return n;
}

/* ---- the line ---- */

static void add_text(struct story_line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_text(struct story_line *l, const char *fmt, ...)
{
	size_t len = strlen(l->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(l->text + len, sizeof(l->text) - len, fmt, ap);
	va_end(ap);
}

static void death_part(const struct story *s, const struct act *a, uint32_t dead, struct story_line *l)
{
	const struct actor *d = story_actor(s, dead);
	const struct fact *f = d->exit_sig ? signal_before(s, dead, d->exit_sig, d->died_ns) : NULL;
	const char *sig = event_signal_name(d->exit_sig);
	uint64_t resets = resets_of(s, dead, a->boot_ns);

	line_cite(l, d->host, f ? f->id : d->died_id);
	if (f)
		add_text(l, "%s sent %s to %s → it ended", doer_text(s, f->actor), sig ? sig : "a signal",
			 actor_text(s, dead));
	else if (d->exit_sig)
		add_text(l, "%s died of %s", actor_text(s, dead), sig ? sig : "a signal");
	else
		add_text(l, "%s ended with status %d", actor_text(s, dead), d->exit_code);
	if (resets)
		add_text(l, " → its host saw %s reset%s", count_text(resets), resets == 1 ? "" : "s");
	if (d->host != a->host)
		add_text(l, " → the host told the balancer");
}

static const struct act *effect_of(const struct story *s, const struct act *a)
{
	size_t i;

	for (i = 0; i < s->acts.count; i++) {
		const struct act *e = &s->acts.rows[i];

		if (e->effect && e->number == a->number && e->host == a->host && !strcmp(e->interface, a->interface))
			return e;
	}
	return NULL;
}

static void tell_act(struct story *s, const struct act *a)
{
	struct story_line *l = line_add(s, a->boot_ns, a->host, WEIGHT_ACT);
	uint32_t dead = dead_of(s, a);
	const struct act *effect = effect_of(s, a);

	if (!l)
		return;
	if (dead != CAST_NONE)
		death_part(s, a, dead, l);
	else
		add_text(l, "%.120s", a->why);
	add_text(l,
		 a->mode == ACTIONMODE_LIVE ? " → %s was taken out of VIP %s"
					    : " → %s would have been taken out of VIP %s (shadow)",
		 a->backend, a->vip);
	add_text(l, " by action %llu", (unsigned long long)a->number);
	line_cite(l, a->host, a->id);
	if (dead != CAST_NONE && l->nrefs == 2)
		l->leads = order_happens_before(s->order, l->refs[0], l->refs[1]) == 1;
	if (!effect)
		return;
	line_cite(l, effect->host, effect->id);
	add_text(l, " → %s%s", effect->verdict == VERDICT_REVERTED ? "taken back: " : "", effect->why);
}

void tell_acts(struct story *s)
{
	bool live = false;
	size_t i, told = 0;

	for (i = 0; i < s->acts.count; i++)
		live = live || (s->acts.rows[i].out && s->acts.rows[i].mode == ACTIONMODE_LIVE);
	for (i = 0; i < s->acts.count; i++) {
		const struct act *a = &s->acts.rows[i];

		if (!a->effect && a->out && told < ACTS_TOLD && (!live || a->mode == ACTIONMODE_LIVE)) {
			tell_act(s, a);
			told++;
		} else if (!a->effect) {
			s->besides.acts++;
		}
	}
}
