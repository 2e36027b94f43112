/* SPDX-License-Identifier: Apache-2.0 */
/* The line of an incident, and that of its end. */
#include <stdio.h>
#include <string.h>

#include "event/event.h"
#include "explain/facts.h"

#define WEIGHT_CAUSE 1000
#define WEIGHT_LIFTED 900
#define WEIGHT_EXIT 150

static const char *signal_text(uint32_t sig)
{
	const char *name = event_signal_name(sig);

	return name ? name : "a signal";
}

static void more_text(struct story_line *l, const struct incident *inc)
{
	size_t len = strlen(l->text);

	if (inc->times > 1)
		(void)snprintf(l->text + len, sizeof(l->text) - len, ", %s times, %.3f s in all",
			       count_text(inc->times), (double)inc->lasted_ns / 1e9);
	else if (inc->alike)
		(void)snprintf(l->text + len, sizeof(l->text) - len, "; and likewise %s more", count_text(inc->alike));
}

static void stop_text(const struct story *s, const struct incident *inc, struct story_line *l)
{
	if (inc->by_id)
		(void)snprintf(l->text, sizeof(l->text), "%s sent %s to %s", doer_text(s, inc->by),
			       signal_text(inc->number), actor_text(s, inc->victim));
	else
		(void)snprintf(l->text, sizeof(l->text), "%s was stopped by %s; who sent it was not recorded",
			       actor_text(s, inc->victim), signal_text(inc->number));
}

static void signal_line(const struct story *s, const struct incident *inc, struct story_line *l)
{
	const char *victim = actor_text(s, inc->victim), *sig = signal_text(inc->number);

	if (!inc->by_id)
		(void)snprintf(l->text, sizeof(l->text), "%s died of %s; who sent it was not recorded", victim, sig);
	else if (inc->by == CAST_NONE)
		(void)snprintf(l->text, sizeof(l->text), "%s died of %s, which the kernel sent it", victim, sig);
	else if (inc->by == inc->victim)
		(void)snprintf(l->text, sizeof(l->text), "%s died of %s, which it sent itself", victim, sig);
	else
		(void)snprintf(l->text, sizeof(l->text), "%s sent %s to %s, which died of it", doer_text(s, inc->by),
			       sig, victim);
}

static void exit_text(const struct story *s, const struct incident *inc, struct story_line *l)
{
	const struct actor *a = story_actor(s, inc->victim);

	(void)snprintf(l->text, sizeof(l->text), "%s ended by itself with status %u, %.3f s after it began",
		       actor_text(s, inc->victim), inc->number, (double)(a->died_ns - a->first_ns) / 1e9);
}

static void stranger_text(const struct story *s, uint32_t stranger, char text[160])
{
	text[0] = 0;
	if (stranger != CAST_NONE)
		(void)snprintf(text, 160, ", as %s ran there,", doer_text(s, stranger));
}

/* `(9 segments sent again by it, 5 to it)` */
static void cut_text(const struct story *s, const struct incident *inc, struct story_line *l)
{
	char after[160];
	double span = (double)inc->lasted_ns / 1e9;

	stranger_text(s, inc->stranger, after);
	if (inc->both)
		(void)snprintf(l->text, sizeof(l->text),
			       "nothing passed between %s and %s%s for %.3f s; %s segments were sent again in vain",
			       actor_text(s, inc->other), actor_text(s, inc->victim), after, span,
			       count_text(inc->own + inc->theirs));
	else
		(void)snprintf(l->text, sizeof(l->text),
			       "%s was cut off%s for %.3f s: it lived, but nothing passed to or from it (%s segments "
			       "sent again "
			       "by it, %s to it)",
			       actor_text(s, inc->victim), after, span, count_text(inc->own), count_text(inc->theirs));
}

static void cite_cut(const struct incident *inc, uint32_t host, struct story_line *l)
{
	l->inferred = true;
	line_cite(l, host, inc->id);
	line_cite(l, host, inc->by_id);
	line_cite(l, inc->theirs_host, inc->until_by_id);
}

static void cause_line(struct story *s, const struct incident *inc)
{
	uint32_t host = story_actor(s, inc->victim)->host;
	/* what passed last was still under way when it was cut */
	uint64_t at = inc->kind == INCIDENT_CUT ? inc->at_ns + 1 : inc->at_ns;
	struct story_line *l =
		line_add(s, at, host, inc->cause ? WEIGHT_CAUSE + inc->score / 10 : WEIGHT_EXIT + inc->score);

	if (!l)
		return;
	l->cause = inc->cause;
	if (inc->kind == INCIDENT_CUT) {
		cite_cut(inc, host, l);
	} else {
		line_cite(l, host, inc->by_id);
		line_cite(l, host, inc->id);
	}
	switch (inc->kind) {
	case INCIDENT_STOP:
		stop_text(s, inc, l);
		break;
	case INCIDENT_OOM:
		(void)snprintf(l->text, sizeof(l->text), "memory ran out: the kernel killed %s",
			       actor_text(s, inc->victim));
		break;
	case INCIDENT_SIGNAL:
		signal_line(s, inc, l);
		break;
	case INCIDENT_EXIT:
		exit_text(s, inc, l);
		break;
	case INCIDENT_CUT:
		cut_text(s, inc, l);
	}
	more_text(l, inc);
}

static void restart_text(const struct story *s, const struct incident *inc, struct story_line *l)
{
	const struct actor *next = story_actor(s, inc->until_by);

	line_cite(l, next->host, inc->until_id);
	if (next->parent != CAST_NONE)
		(void)snprintf(l->text, sizeof(l->text), "%s started %s, %.3f s after the death of %s",
			       actor_text(s, next->parent), actor_text(s, inc->until_by), (double)inc->lasted_ns / 1e9,
			       actor_text(s, inc->victim));
	else
		(void)snprintf(l->text, sizeof(l->text), "%s started, %.3f s after the death of %s",
			       actor_text(s, inc->until_by), (double)inc->lasted_ns / 1e9, actor_text(s, inc->victim));
}

static void went_on_text(const struct story *s, const struct incident *inc, struct story_line *l)
{
	uint32_t host = story_actor(s, inc->victim)->host;

	line_cite(l, host, inc->until_by_id);
	line_cite(l, host, inc->until_id);
	if (inc->until_by != CAST_NONE)
		(void)snprintf(l->text, sizeof(l->text), "%s let %s go on by SIGCONT, after %.3f s",
			       doer_text(s, inc->until_by), actor_text(s, inc->victim), (double)inc->lasted_ns / 1e9);
	else
		(void)snprintf(l->text, sizeof(l->text), "%s went on, after %.3f s", actor_text(s, inc->victim),
			       (double)inc->lasted_ns / 1e9);
}

static void end_line(struct story *s, const struct incident *inc)
{
	struct story_line *l;

	/* a cut ends with a message, which is told by who is heard again; more stops than one are told in one line */
	if (!inc->until_ns || inc->kind == INCIDENT_CUT || inc->times > 1)
		return;
	if (inc->kind != INCIDENT_STOP && inc->until_ns >= s->shutdown_ns)
		return;
	l = line_add(s, inc->until_ns, story_actor(s, inc->victim)->host, WEIGHT_LIFTED);
	if (!l)
		return;
	if (inc->kind == INCIDENT_STOP)
		went_on_text(s, inc, l);
	else
		restart_text(s, inc, l);
}

void tell_incident(struct story *s, const struct incident *inc)
{
	cause_line(s, inc);
	if (inc->cause)
		end_line(s, inc);
}
