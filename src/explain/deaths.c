/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was stopped, killed or died, and by whom.
 *
 * What matters is what the others missed: a process that ends together with those it spoke with is a
 * shutdown and is not told.  Polite signals (TERM, INT, HUP, QUIT) are nobody's fault either, unless others
 * went on without the process.
 */
#include <signal.h>
#include <stdio.h>

#include "event/event.h"
#include "explain/facts.h"

#define GO_ON_NS NS_PER_S /* so long the others must have gone on to have missed somebody */
#define WEIGHT_CAUSE 1000
#define WEIGHT_EFFECT 500
#define MISSED_CONTACTS 10

/* Did somebody who spoke with i still speak (with anyone) GO_ON_NS after `at`? */
bool actor_missed(const struct story *s, uint32_t i, uint64_t at)
{
	const struct actor *a = story_actor(s, i);
	size_t n;

	if (a->ncontacts < MISSED_CONTACTS)
		return false;
	for (n = a->ncontacts; n-- > 0;) {
		const struct actor *peer = story_actor(s, a->contacts[n].other);

		if (peer->ncontacts && peer->contacts[peer->ncontacts - 1].boot_ns > at + GO_ON_NS)
			return true;
		if (a->ncontacts - n > 1000)
			break;
	}
	return false;
}

static const char *signal_text(uint32_t sig)
{
	const char *name = event_signal_name(sig);

	return name ? name : "a signal";
}

/* The signal that made the stop, or the death, of `target` at `at`. */
static const struct fact *signal_before(const struct story *s, uint32_t target, uint32_t sig, uint64_t at)
{
	size_t i;

	for (i = s->signals.count; i-- > 0;) {
		const struct fact *f = &s->signals.rows[i];

		if (f->boot_ns <= at && f->target == target && f->number == sig)
			return f;
	}
	return NULL;
}

static void tell_stop(struct story *s, const struct fact *stop)
{
	const struct fact *sent = signal_before(s, stop->target, stop->number, stop->boot_ns);
	const struct fact *went_on = stop->until_ns ? signal_before(s, stop->target, SIGCONT, stop->until_ns) : NULL;
	struct story_line *l = line_add(s, sent ? sent->boot_ns : stop->boot_ns, stop->host, WEIGHT_CAUSE);

	if (!l)
		return;
	l->cause = true;
	story_victim(s, stop->target, l->boot_ns);
	if (sent)
		line_cite(l, sent->host, sent->id);
	line_cite(l, stop->host, stop->id);
	(void)snprintf(l->text, sizeof(l->text), "%s sent %s to %s", sent ? actor_text(s, sent->actor) : "somebody",
		       signal_text(stop->number), actor_text(s, stop->target));
	if (!stop->until_ns)
		return;
	l = line_add(s, stop->until_ns, stop->host, WEIGHT_EFFECT + 100);
	if (!l)
		return;
	if (went_on)
		line_cite(l, went_on->host, went_on->id);
	line_cite(l, stop->host, stop->until_id);
	(void)snprintf(l->text, sizeof(l->text), "%s let %s go on; it had been stopped for %.3f s",
		       went_on ? actor_text(s, went_on->actor) : "somebody", actor_text(s, stop->target),
		       (double)(stop->until_ns - stop->boot_ns) / 1e9);
}

static void tell_oom(struct story *s, const struct fact *oom)
{
	const struct actor *a = story_actor(s, oom->target);
	struct story_line *l = line_add(s, oom->boot_ns, oom->host, WEIGHT_CAUSE + 1);

	if (!l)
		return;
	l->cause = true;
	story_victim(s, oom->target, l->boot_ns);
	line_cite(l, oom->host, oom->id);
	line_cite(l, oom->host, a->died_id);
	(void)snprintf(l->text, sizeof(l->text), "memory ran out: the kernel killed %s", actor_text(s, oom->target));
}

static bool was_oom(const struct story *s, uint32_t actor)
{
	size_t i;

	for (i = 0; i < s->ooms.count; i++)
		if (s->ooms.rows[i].target == actor)
			return true;
	return false;
}

static void tell_death(struct story *s, uint32_t i)
{
	const struct actor *a = story_actor(s, i);
	const struct fact *sent = a->exit_sig ? signal_before(s, i, a->exit_sig, a->died_ns) : NULL;
	bool violent = a->exit_sig && a->exit_sig != SIGTERM && a->exit_sig != SIGINT && a->exit_sig != SIGHUP &&
		       a->exit_sig != SIGPIPE && a->exit_sig != SIGQUIT;
	struct story_line *l;

	if (was_oom(s, i) || (!a->exit_sig && !a->exit_code) || !actor_missed(s, i, a->died_ns))
		return;
	l = line_add(s, sent ? sent->boot_ns : a->died_ns, a->host, violent ? WEIGHT_CAUSE : WEIGHT_EFFECT);
	if (!l)
		return;
	l->cause = violent || !a->exit_sig;
	if (l->cause)
		story_victim(s, i, l->boot_ns);
	if (sent)
		line_cite(l, sent->host, sent->id);
	line_cite(l, a->host, a->died_id);
	if (sent && sent->actor != CAST_NONE && sent->actor != i)
		(void)snprintf(l->text, sizeof(l->text), "%s sent %s to %s, which died of it",
			       actor_text(s, sent->actor), signal_text(a->exit_sig), actor_text(s, i));
	else if (a->exit_sig)
		(void)snprintf(l->text, sizeof(l->text), "%s died of %s", actor_text(s, i), signal_text(a->exit_sig));
	else
		(void)snprintf(l->text, sizeof(l->text), "%s ended by itself with status %d", actor_text(s, i),
			       a->exit_code);
}

void tell_deaths(struct story *s)
{
	size_t i;

	for (i = 0; i < s->stops.count; i++)
		tell_stop(s, &s->stops.rows[i]);
	for (i = 0; i < s->ooms.count; i++)
		tell_oom(s, &s->ooms.rows[i]);
	for (i = 0; i < s->cast.count; i++)
		if (s->cast.actors[i].died_ns)
			tell_death(s, (uint32_t)i);
}
