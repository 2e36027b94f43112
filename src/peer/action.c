/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/action.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define WORSE_LEAST \
	10 /* so many bad signs of others more than twice those before: more than chance and more than a tick */

void actions_fini(struct actions *a)
{
	if (!a)
		return;
	free(a->rows);
	*a = (struct actions) { 0 };
}

struct action *actions_running(const struct actions *a, const char *interface, const char *vip,
			       const struct sign_addr *addr)
{
	size_t i;

	for (i = a->count; i-- > 0;) {
		struct action *r = &a->rows[i];

		if (r->running && !strcmp(r->interface, interface) && !strcmp(r->vip, vip) &&
		    r->c.addr.family == addr->family && !memcmp(r->c.addr.bytes, addr->bytes, sizeof(addr->bytes)))
			return r;
	}
	return NULL;
}

static void make_room(struct actions *a)
{
	size_t i;

	if (a->count < ACTIONS_MAX)
		return;
	for (i = 0; i < a->count - 1 && a->rows[i].running; i++)
		;
	a->count--;
	a->left_out++;
	memmove(&a->rows[i], &a->rows[i + 1], (a->count - i) * sizeof(*a->rows));
}

struct action *actions_add(struct actions *a, const struct action *about)
{
	struct action *had = actions_running(a, about->interface, about->vip, &about->c.addr), *row;

	if (!a->rows)
		a->rows = calloc(ACTIONS_MAX, sizeof(*a->rows));
	if (!a->rows)
		return NULL;
	if (had && about->c.step) {
		had->c.share_after = about->c.share_after;
		had->c.state = about->c.state;
		had->running = about->c.share_after != HEALTH_WHOLE;
		return had;
	}
	if (had)
		action_end(had, VERDICT_ENDED, "another action about the same backend came");
	make_room(a);
	row = &a->rows[a->count++];
	*row = *about;
	row->number = a->next ? a->next : 1;
	a->next = row->number + 1;
	row->running = row->c.share_after != HEALTH_WHOLE;
	row->judge_ns = row->at_ns + ACTION_SETTLE_NS + row->window_ns;
	return row;
}

struct action *actions_due(const struct actions *a, uint64_t now_ns)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (a->rows[i].judge_ns && a->rows[i].judge_ns <= now_ns)
			return &a->rows[i];
	}
	return NULL;
}

void action_end(struct action *a, enum verdict verdict, const char *why)
{
	a->running = false;
	a->judge_ns = 0;
	if (a->verdict != VERDICT_OPEN)
		return; /* it was judged, and that stays said */
	a->verdict = verdict;
	(void)snprintf(a->verdict_why, sizeof(a->verdict_why), "%s", why);
}

/* ---- the verdict ---- */

static uint64_t bad_of_others(const struct health_figures *f)
{
	uint64_t all = f->again + f->resets + f->failed;

	return all > f->own_bad ? all - f->own_bad : 0;
}

static bool takes_out(const struct action *a)
{
	return a->c.what == ACTIONWHAT_EJECT || a->c.what == ACTIONWHAT_DOWN;
}

static void say_kept(struct action *a)
{
	const struct health_figures *b = &a->before, *f = &a->after;
	uint64_t bad = bad_of_others(f);
	double s = (double)a->window_ns / 1e9;

	if (!takes_out(a) && a->c.what != ACTIONWHAT_DRAIN) {
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "within %g s it got %" PRIu64 " packets, before %" PRIu64 "; %" PRIu64
			       " bad signs of it",
			       s, f->packets, b->packets, f->own_bad);
		return;
	}
	(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
		       "verified: within %g s it got %" PRIu64 " packets, before %" PRIu64 "; the others %" PRIu64
		       ", before %" PRIu64 "; of the others %" PRIu64 " SYNs again, RSTs and failed checks%s",
		       s, f->packets, b->packets, f->others, b->others, bad,
		       bad ? "" : ": nothing lost since, as far as is seen");
}

void action_judge(struct action *a, const struct health_figures *after)
{
	uint64_t before = bad_of_others(&a->before), now = bad_of_others(after);
	bool alone = a->c.sign != SIGNKIND_EXIT && a->c.sign != SIGNKIND_CHECK_FAILED && a->c.ejections <= 1;

	a->after = *after;
	a->judge_ns = 0;
	if (a->verdict != VERDICT_OPEN)
		return;
	if (a->c.mode != ACTIONMODE_LIVE) {
		a->verdict = VERDICT_SHADOW;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "only said: since then %" PRIu64 " SYNs again, RSTs and failed checks of it",
			       after->own_bad);
	} else if (takes_out(a) && now > 2 * before + WORSE_LEAST) {
		a->verdict = VERDICT_REVERTED;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "it made it worse: %" PRIu64
			       " SYNs again, RSTs and failed checks of the others, before %" PRIu64,
			       now, before);
	} else if (takes_out(a) && alone && after->passed && !after->own_bad) {
		a->verdict = VERDICT_REVERTED;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "the backend turned out to be well: %" PRIu64
			       " checks passed, nothing speaks against it any more",
			       after->passed);
	} else {
		a->verdict = VERDICT_KEPT;
		say_kept(a);
	}
}
