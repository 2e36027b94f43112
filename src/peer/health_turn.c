/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_turn - what follows from what is known.
 *
 * First each backend gets the state that is right for it (judge()), and with it a share; then what packets see is brought there as far
 * as the mode and the ceiling allow (bring()).  So a change that could not be made is made as soon as it can.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "peer/health_internal.h"

#define SLOW_STEPS 10

struct turn {
	struct health *h;
	uint64_t now_ns;
	health_fn each;
	void *arg;
};

static bool is_out(enum healthstate state)
{
	return state == HEALTHSTATE_DOWN || state == HEALTHSTATE_EJECTED;
}

/* ---- the state that is right ---- */

static void set_why(struct backend *b, const char *why)
{
	if (why != b->why)
		(void)snprintf(b->why, sizeof(b->why), "%s", why);
}

static void enter(const struct turn *t, struct backend *b, enum healthstate state, enum signkind sign, const char *why)
{
	if (b->state != state)
		b->since_ns = t->now_ns;
	b->state = state;
	b->sign = sign;
	set_why(b, why);
}

/* Out, for longer each time. */
static void take_out(const struct turn *t, struct backend *b, enum healthstate state, enum signkind sign,
		     const char *why)
{
	const struct health_rules *r = &t->h->rules;

	if (!is_out(b->state) || state == b->state)
		b->ejections++;
	b->until_ns = t->now_ns + MIN(r->base_eject_ns * b->ejections, r->max_eject_ns);
	b->share = 0;
	b->slow_ns = 0;
	b->said = false;
	enter(t, b, state, sign, why);
}

static void whole(const struct turn *t, struct backend *b, enum healthstate state, const char *why)
{
	b->share = HEALTH_WHOLE;
	b->calm_ns = t->now_ns;
	enter(t, b, state, SIGNKIND_NONE, why);
}

static void come_back(const struct turn *t, struct backend *b, enum signkind sign, const char *why)
{
	b->presumed = false;
	memset(b->rolls, 0, sizeof(b->rolls)); /* what was counted is of before */
	if (b->applied == HEALTH_WHOLE) {      /* it was only said */
		whole(t, b, HEALTHSTATE_HEALTHY, why);
		return;
	}
	b->slow_ns = t->now_ns;
	b->until_ns = t->now_ns + t->h->rules.slow_start_ns;
	b->share = HEALTH_WHOLE / SLOW_STEPS;
	b->said = false;
	enter(t, b, HEALTHSTATE_SLOW_START, sign, why);
}

static bool dead(const struct backend *b, char why[HEALTH_WHY], enum signkind *sign)
{
	if (b->ended) {
		*sign = SIGNKIND_EXIT;
		(void)snprintf(why, HEALTH_WHY, "%s", b->end_text);
	} else if (b->failing) {
		*sign = SIGNKIND_CHECK_FAILED;
		(void)snprintf(why, HEALTH_WHY, "%u check%s in a row failed%s%s%s", b->fails, b->fails == 1 ? "" : "s",
			       b->silent ? ", and its host's agent is silent" : "", b->check_text[0] ? ": " : "",
			       b->check_text);
	}
	return b->ended || b->failing;
}

/* Of one that is out: does it come back? */
static void judge_out(const struct turn *t, struct backend *b, bool is_dead, enum signkind sign, const char *why)
{
	bool over = t->now_ns >= b->until_ns;

	if (is_dead && (b->state == HEALTHSTATE_EJECTED || (over && (b->failing || b->host_known)))) {
		take_out(t, b, HEALTHSTATE_DOWN, sign, why);
	} else if (is_dead && over) {
		b->ended = false; /* nobody knows: it is tried */
		come_back(t, b, SIGNKIND_NONE, "its time is over, and nothing is known of it: it is tried");
	} else if (!is_dead && over) {
		come_back(t, b, SIGNKIND_NONE, "its time is over");
	} else if (!is_dead && b->state == HEALTHSTATE_DOWN && !b->presumed) {
		come_back(t, b, b->passing ? SIGNKIND_CHECK_PASSED : SIGNKIND_LISTENING,
			  b->passing ? "its checks pass again" : "a process listens again");
	}
}

static void judge_slow(const struct turn *t, struct backend *b)
{
	uint64_t all = t->h->rules.slow_start_ns, since = t->now_ns - b->slow_ns;
	uint64_t most = MIN((uint64_t)SLOW_STEPS, (uint64_t)(all / NS_PER_SEC)), steps = MAX(2UL, most);
	uint32_t share = HEALTH_WHOLE / SLOW_STEPS;

	if (since >= all) {
		whole(t, b, HEALTHSTATE_HEALTHY, "it has had its whole share again");
		return;
	}
	share = (uint32_t)MAX((uint64_t)share, HEALTH_WHOLE * (since * steps / all) / steps);
	if (share > b->share)
		b->share = share;
}

static void judge_well(const struct turn *t, struct backend *b)
{
	const struct health_rules *r = &t->h->rules;
	char why[HEALTH_WHY] = "";
	bool known = b->passing || b->host_known || roll_sum(&b->rolls[ROLL_PACKETS], t->now_ns, r->window_ns);

	if (b->silent)
		(void)snprintf(why, sizeof(why), "its host's agent is not heard");
	else if (b->fails)
		(void)snprintf(why, sizeof(why), "%u check%s in a row failed: %s", b->fails, b->fails == 1 ? "" : "s",
			       b->check_text);
	else if (roll_sum(&b->rolls[ROLL_AGAIN], t->now_ns, r->window_ns) >= r->again)
		(void)snprintf(why, sizeof(why), "SYNs come again, but not clearly more than to others");
	if (why[0])
		enter(t, b, HEALTHSTATE_SUSPECT, SIGNKIND_NONE, why);
	else
		enter(t, b, known ? HEALTHSTATE_HEALTHY : HEALTHSTATE_UNKNOWN, SIGNKIND_NONE,
		      b->passing      ? "its checks pass"
		      : b->host_known ? "its host's agent has nothing to tell against it"
		      : known	      ? "nothing speaks against it"
				      : "nothing is known of it");
	if (b->ejections && t->now_ns - b->calm_ns > r->base_eject_ns) {
		b->ejections--;
		b->calm_ns = t->now_ns;
	}
}

static void judge_load(const struct turn *t, struct backend *b)
{
	if (!t->h->rules.load) {
		b->share = HEALTH_WHOLE;
	} else if (b->load_known && t->now_ns - b->load_ns > t->h->rules.window_ns) {
		uint32_t share = load_share(t->h, b);
		bool holds = share == HEALTH_WHOLE || t->now_ns + t->h->rules.max_eject_ns / 2 < b->until_ns;

		b->load_ns = t->now_ns;
		if (share == b->share && holds)
			return;
		b->share = share;
		b->until_ns = t->now_ns + t->h->rules.max_eject_ns;
		b->said = false;
		b->sign = SIGNKIND_LOAD;
		(void)snprintf(b->why, sizeof(b->why), "its host tells a load of %" PRIu64 " in 1000", b->load);
	}
}

/* What a person wants goes before all. */
static bool judge_person(const struct turn *t, struct backend *b)
{
	if (b->wish.weight && !b->wish.down)
		return false;
	b->share = b->applied = HEALTH_WHOLE;
	b->down_applied = false;
	enter(t, b, b->wish.down ? HEALTHSTATE_DOWN : HEALTHSTATE_DRAINING, SIGNKIND_NONE, "a person wants it");
	return true;
}

static void judge(const struct turn *t, struct backend *b)
{
	enum signkind sign = SIGNKIND_NONE;
	char why[HEALTH_WHY] = "";
	bool is_dead, hands_off = b->hands_off_ns > t->now_ns;

	if (judge_person(t, b))
		return;
	is_dead = dead(b, why, &sign);
	if (!is_dead && !is_out(b->state))
		sign = outlier_kind(t->h, b, t->now_ns, why);
	if (hands_off && (sign || b->leaving)) {
		whole(t, b, HEALTHSTATE_SUSPECT, b->why);
		(void)snprintf(b->why, sizeof(b->why), "a person changed it, so it is left alone%s%.120s",
			       why[0] ? ": " : "", why);
	} else if (is_out(b->state)) {
		judge_out(t, b, is_dead, sign, why);
	} else if (sign) {
		take_out(t, b, is_dead ? HEALTHSTATE_DOWN : HEALTHSTATE_EJECTED, sign, why);
	} else if (b->leaving) {
		b->share = 0;
		b->said = b->said && b->state == HEALTHSTATE_DRAINING;
		enter(t, b, HEALTHSTATE_DRAINING, SIGNKIND_LEAVING, "its host asks for no new connections");
	} else if (b->state == HEALTHSTATE_DRAINING) {
		come_back(t, b, SIGNKIND_LISTENING, "it takes connections again");
	} else if (b->state == HEALTHSTATE_SLOW_START) {
		judge_slow(t, b);
	} else {
		judge_well(t, b);
		judge_load(t, b);
	}
}

/* ---- what packets see ---- */

/* May this backend be taken out?  *why says why not. */
static bool room(const struct health *h, const struct backend *b, char why[HEALTH_WHY])
{
	uint64_t all = 0, out = b->wish.weight;
	size_t i, left = 0;

	for (i = 0; i < h->n; i++) {
		const struct backend *o = &h->rows[i];

		if (o->wish.down)
			continue;
		all += o->wish.weight;
		if (o != b && !o->applied && o->state != HEALTHSTATE_DRAINING)
			out += o->wish.weight;
		left += o != b && o->wish.weight && o->applied;
	}
	if (!left)
		(void)snprintf(why, HEALTH_WHY, "; not done: it is the last one that takes connections");
	else if (b->state != HEALTHSTATE_DRAINING && out * 100 > all * h->rules.eject_max)
		(void)snprintf(why, HEALTH_WHY, "; not done: more than %u %% of the VIP's weight would be out",
			       h->rules.eject_max);
	else
		return true;
	return false;
}

static enum actionwhat what_of(const struct backend *b)
{
	switch (b->state) {
	case HEALTHSTATE_EJECTED:
		return ACTIONWHAT_EJECT;
	case HEALTHSTATE_DOWN:
		return ACTIONWHAT_DOWN;
	case HEALTHSTATE_DRAINING:
		return ACTIONWHAT_DRAIN;
	case HEALTHSTATE_SLOW_START:
		return b->share == HEALTH_WHOLE / SLOW_STEPS ? ACTIONWHAT_RETURN : ACTIONWHAT_WEIGHT;
	default:
		return b->share == HEALTH_WHOLE ? ACTIONWHAT_RESTORE : ACTIONWHAT_WEIGHT;
	}
}

static void evidence_of(const struct backend *b, uint64_t now_ns, uint64_t window_ns, struct health_change *c)
{
	const struct proof *p = is_out(b->state) || b->state == HEALTHSTATE_DRAINING ? &b->bad : &b->good;
	unsigned i;

	for (i = 0; i < HEALTH_EVIDENCE; i++) { /* the latest first */
		unsigned k = (p->next + HEALTH_EVIDENCE - 1 - i) % HEALTH_EVIDENCE;

		if (p->at_ns[k] && (b->state == HEALTHSTATE_DOWN || p->at_ns[k] + window_ns > now_ns))
			c->evidence[c->nevidence++] = p->rows[k];
	}
}

static void tell(const struct turn *t, struct backend *b, enum actionmode mode, const char *more)
{
	bool out = is_out(b->state) && b->state == HEALTHSTATE_DOWN;
	struct health_change c = {
		.addr = b->wish.addr,
		.what = what_of(b),
		.mode = mode,
		.state = b->state,
		.sign = b->sign,
		.weight = b->wish.weight,
		.ejections = b->ejections,
		.share_before = b->applied,
		.share_after = b->share,
		.down = out,
		.step = b->slow_ns && b->share > HEALTH_WHOLE / SLOW_STEPS,
		.expiry_ns = b->share == HEALTH_WHOLE || b->state == HEALTHSTATE_DRAINING ? 0 : b->until_ns,
	};

	evidence_of(b, t->now_ns, t->h->rules.window_ns, &c);
	(void)snprintf(c.why, sizeof(c.why), "%.160s%s", b->why, more);
	b->said = true;
	b->shadowed = mode == ACTIONMODE_SHADOW && b->share != HEALTH_WHOLE;
	if (mode == ACTIONMODE_LIVE) {
		b->applied = b->share;
		b->down_applied = out;
		b->slow_ns = b->share == HEALTH_WHOLE ? 0 : b->slow_ns;
	}
	t->each(t->arg, &c);
}

static void bring(const struct turn *t, struct backend *b)
{
	const struct health_rules *r = &t->h->rules;
	bool same = b->applied == b->share;
	char more[HEALTH_WHY] = "";

	if (b->wish.down || !b->wish.weight)
		return;
	if (same && b->share == HEALTH_WHOLE && b->shadowed) {
		tell(t, b, ACTIONMODE_SHADOW, "; it had only been said");
		return;
	}
	if (r->mode != ACTIONMODE_LIVE) {
		if (b->applied != HEALTH_WHOLE) { /* it may not act any more */
			uint32_t share = b->share;

			b->share = HEALTH_WHOLE;
			tell(t, b, ACTIONMODE_LIVE, "; given back: health is no longer `live`");
			b->share = share;
		} else if (b->share != HEALTH_WHOLE && !b->said) {
			tell(t, b, ACTIONMODE_SHADOW, "");
		}
		return;
	}
	if (same && (b->said || b->share == HEALTH_WHOLE))
		return;
	if (b->share || !b->applied || room(t->h, b, more))
		tell(t, b, ACTIONMODE_LIVE, "");
	else if (!b->said)
		tell(t, b, ACTIONMODE_SHADOW, more);
}

void health_turn(struct health *h, uint64_t now_ns, health_fn each, void *arg)
{
	struct turn t = { h, now_ns, each, arg };
	size_t i;

	for (i = 0; i < h->n; i++)
		judge(&t, &h->rows[i]);
	/* who comes back first: that makes room */
	for (i = 0; i < h->n; i++) {
		if (h->rows[i].share)
			bring(&t, &h->rows[i]);
	}
	for (i = 0; i < h->n; i++) {
		if (!h->rows[i].share)
			bring(&t, &h->rows[i]);
	}
}

void health_turn_of(struct health *h, const struct sign_addr *addr, uint64_t now_ns, health_fn each, void *arg)
{
	struct turn t = { h, now_ns, each, arg };
	int i = health_find(h, addr);
	uint32_t before;

	if (i < 0)
		return;
	before = h->rows[i].applied;
	judge(&t, &h->rows[i]);
	bring(&t, &h->rows[i]);
	if (h->rows[i].applied != before)
		health_turn(h, now_ns, each, arg);
}

/* ---- from outside ---- */

void health_yield(struct health *h, const struct sign_addr *addr, uint64_t now_ns)
{
	int i = health_find(h, addr);
	struct turn t = { .h = h, .now_ns = now_ns };

	if (i < 0)
		return;
	h->rows[i].applied = HEALTH_WHOLE;
	h->rows[i].down_applied = h->rows[i].presumed = false;
	h->rows[i].hands_off_ns = now_ns + h->rules.max_eject_ns;
	whole(&t, &h->rows[i], HEALTHSTATE_SUSPECT, "a person changed it");
}

void health_take_back(struct health *h, const struct sign_addr *addr, uint64_t now_ns, health_fn each, void *arg,
		      const char *why)
{
	struct turn t = { h, now_ns, each, arg };
	int i = health_find(h, addr);

	if (i < 0 || !is_out(h->rows[i].state))
		return;
	h->rows[i].ended = false;
	come_back(&t, &h->rows[i], SIGNKIND_NONE, why);
	bring(&t, &h->rows[i]);
}

void health_adopt(struct health *h, const struct sign_addr *addr, enum healthstate state, uint32_t share, bool down,
		  uint64_t since_ns, uint64_t until_ns, uint32_t ejections, const char *why)
{
	int i = health_find(h, addr);
	struct backend *b = i < 0 ? NULL : &h->rows[i];

	if (!b)
		return;
	b->state = state;
	b->share = b->applied = share;
	b->down_applied = down;
	b->said = b->presumed = true;
	b->since_ns = since_ns;
	b->until_ns = until_ns;
	b->slow_ns = until_ns > h->rules.slow_start_ns ? until_ns - h->rules.slow_start_ns : 0;
	b->ejections = ejections;
	b->leaving = state == HEALTHSTATE_DRAINING;
	set_why(b, why);
}
