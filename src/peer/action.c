/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/action.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define WORSE_LEAST \
	10 /* so many bad signs of others more than twice those before: more than chance and more than a tick */

/* An ejection made the others slower: so many times, and by so much, which is more than a busy host's chance. */
#define SLOWER_TIMES 3
#define SLOWER_CHECK_NS 100000000ULL
#define SLOWER_RTT_US 20000

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

/* As many as if after it had come as many connections as before. */
static uint64_t expected(const struct action *a, const struct health_figures *after)
{
	uint64_t bad = bad_of_others(&a->before);

	return a->before.fresh && after->fresh > a->before.fresh ? bad * after->fresh / a->before.fresh : bad;
}

static bool known(const struct health_took *before, const struct health_took *after)
{
	return before->count >= ACTION_TOOK_LEAST && after->count >= ACTION_TOOK_LEAST;
}

static bool slower(const struct health_took *before, const struct health_took *after, uint64_t floor)
{
	return known(before, after) && after->mean > SLOWER_TIMES * before->mean && after->mean > before->mean + floor;
}

static const char *by_text(uint32_t decided)
{
	static const char *const texts[] = { "errors", "errors and checks' time", "errors and round trips",
					     "errors, checks' time and round trips" };

	return texts[(decided & EFFECTBY_CHECKS ? 1 : 0) + (decided & EFFECTBY_ROUND_TRIPS ? 2 : 0)];
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
	if (!f->others && !bad && !known(&b->others_checks, &f->others_checks) &&
	    !known(&b->others_rtts, &f->others_rtts)) {
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "not verified: within %g s no packets came to the others, before %" PRIu64
			       "; it got %" PRIu64 ", before %" PRIu64,
			       s, b->others, f->packets, b->packets);
		return;
	}
	a->decided = EFFECTBY_ERRORS | (known(&b->others_checks, &f->others_checks) ? EFFECTBY_CHECKS : 0) |
		     (known(&b->others_rtts, &f->others_rtts) ? EFFECTBY_ROUND_TRIPS : 0);
	(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
		       "verified by %s: within %g s it got %" PRIu64 " packets, before %" PRIu64 "; the others %" PRIu64
		       ", before %" PRIu64 "; of the others %" PRIu64 " SYNs again, RSTs and failed checks%s",
		       by_text(a->decided), s, f->packets, b->packets, f->others, b->others, bad,
		       bad ? "" : ": nothing lost since, as far as is seen");
}

/* Did it make it worse for the others?  Then it is said why.  That they are slower speaks for one that still serves, not for one that is dead. */
static bool worse(struct action *a)
{
	const struct health_figures *b = &a->before, *f = &a->after;
	uint64_t before = expected(a, f), now = bad_of_others(f);
	bool serves = a->c.what == ACTIONWHAT_EJECT;

	if (now > 2 * before + WORSE_LEAST) {
		a->decided = EFFECTBY_ERRORS;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "decided by errors: it made it worse: %" PRIu64
			       " SYNs again, RSTs and failed checks of the others, before %" PRIu64 "%s",
			       now, before, before == bad_of_others(b) ? "" : " (for as many new connections)");
	} else if (serves && slower(&b->others_checks, &f->others_checks, SLOWER_CHECK_NS)) {
		a->decided = EFFECTBY_CHECKS;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "decided by checks' time: it made it slower: checks of the others take %.3g ms (mean of "
			       "%" PRIu64 "), before %.3g ms (of %" PRIu64 ")",
			       (double)f->others_checks.mean / 1e6, f->others_checks.count,
			       (double)b->others_checks.mean / 1e6, b->others_checks.count);
	} else if (serves && slower(&b->others_rtts, &f->others_rtts, SLOWER_RTT_US)) {
		a->decided = EFFECTBY_ROUND_TRIPS;
		(void)snprintf(
			a->verdict_why, sizeof(a->verdict_why),
			"decided by round trips: it made it slower: those of the others take %.3g ms (mean of %" PRIu64
			" that hosts told), before %.3g ms (of %" PRIu64 ")",
			(double)f->others_rtts.mean / 1e3, f->others_rtts.count, (double)b->others_rtts.mean / 1e3,
			b->others_rtts.count);
	}
	return a->decided;
}

void action_judge(struct action *a, const struct health_figures *after)
{
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
	} else if (takes_out(a) && worse(a)) {
		a->verdict = VERDICT_REVERTED;
	} else if (takes_out(a) && alone && after->passed && !after->own_bad && !after->own_told) {
		a->verdict = VERDICT_REVERTED;
		a->decided = EFFECTBY_OWN_CHECKS;
		(void)snprintf(a->verdict_why, sizeof(a->verdict_why),
			       "decided by its own checks: the backend turned out to be well: %" PRIu64
			       " checks passed, nothing speaks against it any more",
			       after->passed);
	} else {
		a->verdict = VERDICT_KEPT;
		say_kept(a);
	}
}
