/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incidents of processes: who was stopped, killed or died, and by whom; and when all was shut down.
 *
 * What matters is what the others missed.  Polite signals (TERM, INT, HUP, QUIT) are nobody's fault unless others
 * went on without the process; the last stretch in which all that spoke are ended politely is a shutdown.
 * A death by another signal is always told.  Who ended by itself with a status other than 0 is a cause only if it
 * served others that went on.
 */
#include <signal.h>
#include <stdlib.h>

#include "event/event.h"
#include "explain/facts.h"

#define GO_ON_NS NS_PER_S	  /* so long the others must have gone on to have missed somebody */
#define MISSED_CONTACTS 10	  /* with fewer nobody was missed */
#define MAIN_MESSAGES 20	  /* with so many a process is one of the main ones */
#define POLITE_NS (10 * NS_PER_S) /* so long a polite signal may take */
#define SHUTDOWN_GAP_NS (2 * NS_PER_S)
#define SHUTDOWN_ONE_HAND_NS (10 * NS_PER_S) /* where the same process asks them */
#define COMMAND_NS (NS_PER_S / 2)	     /* who lives shorter, without messages, is a command of a script */
#define PASSED_ON_NS (NS_PER_S / 20)

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

static bool is_polite(uint32_t sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
}

/* The last signal to target up to `at`: the number sig, or for 0 any polite one that it did not send itself. */
const struct fact *signal_before(const struct story *s, uint32_t target, uint32_t sig, uint64_t at)
{
	uint32_t n = target < s->cast.count ? s->cast.actors[target].last_signal : 0;

	for (; n; n = s->signals.rows[n - 1].before) {
		const struct fact *f = &s->signals.rows[n - 1];

		if (f->boot_ns <= at && (sig ? f->number == sig : is_polite(f->number) && f->actor != target))
			return f;
	}
	return NULL;
}

struct incident *incident_add(struct story *s, const struct incident *like)
{
	struct incident *inc;

	if (!s->incidents)
		s->incidents = calloc(INCIDENTS_MAX, sizeof(*s->incidents));
	if (!s->incidents || s->nincidents == INCIDENTS_MAX) {
		s->left_out++;
		return NULL;
	}
	inc = &s->incidents[s->nincidents++];
	*inc = *like;
	return inc;
}

/* --- shutdown --- */

/* Who asked a to end; NULL: nobody, or too long before. */
static const struct fact *asked(const struct story *s, const struct actor *a)
{
	const struct fact *f = signal_before(s, (uint32_t)(a - s->cast.actors), 0, a->died_ns);

	return f && f->boot_ns + POLITE_NS > a->died_ns && (!a->exit_sig || is_polite(a->exit_sig)) ? f : NULL;
}

static int death_cmp(const void *pa, const void *pb)
{
	const struct actor *a = *(const struct actor *const *)pa, *b = *(const struct actor *const *)pb;

	return (a->died_ns < b->died_ns) - (a->died_ns > b->died_ns);
}

/* Does a's end belong to what began at start, with next's (NULL: a is the last that was asked)? */
static bool belongs(const struct story *s, const struct actor *a, const struct actor *next, uint64_t start)
{
	const struct fact *one = asked(s, a), *two = next ? asked(s, next) : NULL;
	bool same = !next || (one && two && one->actor == two->actor);

	return one && a->died_ns + (same ? SHUTDOWN_ONE_HAND_NS : SHUTDOWN_GAP_NS) >= start &&
	       cast_successor(&s->cast, (uint32_t)(a - s->cast.actors)) == CAST_NONE;
}

/* Deaths, the last first: as long as each was asked to, soon before the next, and nobody took the place. */
static void walk_back(struct story *s, const struct actor **dead, size_t count)
{
	const struct actor *next = NULL;
	uint64_t start = s->last_ns;
	size_t i;

	for (i = 0; i < count; i++) {
		/* who ended by itself says neither */
		if (!dead[i]->exit_sig && !asked(s, dead[i]))
			continue;
		if (!belongs(s, dead[i], next, start))
			break;
		next = dead[i];
		start = asked(s, next)->boot_ns < start ? asked(s, next)->boot_ns : start;
		s->shutdown_ns = start;
	}
}

void find_shutdown(struct story *s)
{
	const struct actor **dead = calloc(s->cast.count + 1, sizeof(struct actor *));
	size_t i, count = 0;
	bool alive = false;

	s->shutdown_ns = UINT64_MAX;
	if (!dead)
		return;
	for (i = 0; i < s->cast.count; i++) {
		const struct actor *a = &s->cast.actors[i];

		if (a->messages < MAIN_MESSAGES)
			continue;
		alive |= !a->died_ns;
		if (a->died_ns)
			dead[count++] = a;
	}
	qsort(dead, count, sizeof(struct actor *), death_cmp);
	if (!alive)
		walk_back(s, dead, count);
	free(dead);
}

/* --- stops --- */

/* The same stopped once more? Then it belongs to the incident that there is. */
static struct incident *stopped_before(struct story *s, const struct fact *stop)
{
	size_t i;

	for (i = s->nincidents; i-- > 0;)
		if (s->incidents[i].kind == INCIDENT_STOP && s->incidents[i].victim == stop->target)
			return &s->incidents[i];
	return NULL;
}

static void add_stop(struct story *s, const struct fact *stop)
{
	const struct fact *sent = signal_before(s, stop->target, stop->number, stop->boot_ns);
	const struct fact *went_on = stop->until_ns ? signal_before(s, stop->target, SIGCONT, stop->until_ns) : NULL;
	struct incident *inc = stopped_before(s, stop);

	if (!inc)
		inc = incident_add(s, &(struct incident) { .kind = INCIDENT_STOP,
							   .cause = true,
							   .victim = stop->target,
							   .by = sent ? sent->actor : CAST_NONE,
							   .number = stop->number,
							   .at_ns = sent ? sent->boot_ns : stop->boot_ns,
							   .by_id = sent ? sent->id : 0,
							   .id = stop->id,
							   .until_by = CAST_NONE });
	if (!inc)
		return;
	inc->times++;
	inc->until_ns = stop->until_ns;
	inc->until_id = stop->until_id;
	inc->until_by_id = went_on && went_on->id != stop->until_id ? went_on->id : 0;
	inc->until_by = went_on ? went_on->actor : CAST_NONE;
	inc->lasted_ns += (stop->until_ns ? stop->until_ns : s->last_ns) - stop->boot_ns;
}

void find_stops(struct story *s)
{
	size_t i;

	for (i = 0; i < s->stops.count; i++)
		add_stop(s, &s->stops.rows[i]);
}

/* --- deaths --- */

/* What ends its loss: somebody runs the same program at the same place. */
static void find_restart(const struct story *s, struct incident *inc)
{
	uint32_t next = cast_successor(&s->cast, inc->victim);

	inc->until_by = next;
	if (next == CAST_NONE)
		return;
	inc->until_ns = story_actor(s, next)->exec_ns;
	inc->until_id = story_actor(s, next)->exec_id;
	inc->lasted_ns = inc->until_ns - story_actor(s, inc->victim)->died_ns;
}

static void add_death(struct story *s, const struct incident *like)
{
	struct incident *inc = incident_add(s, like);

	if (inc && inc->cause)
		find_restart(s, inc);
}

static bool find_oom(struct story *s, uint32_t i)
{
	size_t k;

	for (k = 0; k < s->ooms.count; k++) {
		const struct fact *oom = &s->ooms.rows[k];

		if (oom->target != i)
			continue;
		add_death(s, &(struct incident) { .kind = INCIDENT_OOM,
						  .cause = true,
						  .victim = i,
						  .by = CAST_NONE,
						  .times = 1,
						  .at_ns = oom->boot_ns,
						  .by_id = oom->id,
						  .id = s->cast.actors[i].died_id });
		return true;
	}
	return false;
}

/*
 * With the first process of a pid namespace all others in it end: in its name, when it has ended itself, the kernel kills
 * them (zap_pid_ns_processes() in the kernel's pid_namespace.c).
 */
static bool ends_with_another(const struct story *s, const struct fact *sent)
{
	uint64_t died_ns;

	if (!sent || sent->number != SIGKILL || sent->actor != CAST_NONE || sent->during == CAST_NONE)
		return false;
	died_ns = story_actor(s, sent->during)->died_ns;
	return sent->during != sent->target && died_ns && died_ns <= sent->boot_ns;
}

static void find_killed(struct story *s, uint32_t i)
{
	const struct actor *a = &s->cast.actors[i];
	const struct fact *sent = signal_before(s, i, a->exit_sig, a->died_ns), *by = asked(s, a);
	bool polite = is_polite(a->exit_sig) || a->exit_sig == SIGPIPE;
	/* who did not end when asked to, at the end of all, is killed: no news */
	bool at_end = a->died_ns >= s->shutdown_ns && signal_before(s, i, 0, a->died_ns);

	/* a handler may send again to itself what another had sent */
	sent = by && sent && sent->actor == i ? by : sent;
	if (ends_with_another(s, sent))
		return;
	if (polite && (a->died_ns >= s->shutdown_ns || !actor_missed(s, i, a->died_ns)))
		return;
	add_death(s, &(struct incident) { .kind = INCIDENT_SIGNAL,
					  .cause = !at_end,
					  .victim = i,
					  .by = sent ? sent->actor : CAST_NONE,
					  .number = a->exit_sig,
					  .times = 1,
					  .at_ns = sent ? sent->boot_ns : a->died_ns,
					  .by_id = sent ? sent->id : 0,
					  .id = a->died_id });
}

/* A shell ends with the status of its last command. */
static bool passes_on(const struct story *s, uint32_t i)
{
	const struct actor *a = &s->cast.actors[i];
	size_t k;

	for (k = i + 1; k < s->cast.count; k++) {
		const struct actor *child = &s->cast.actors[k];

		if (child->first_ns > a->died_ns)
			break;
		if (child->parent == i && child->died_ns && child->died_ns <= a->died_ns &&
		    child->died_ns + PASSED_ON_NS > a->died_ns &&
		    (child->exit_code == a->exit_code ||
		     (child->exit_sig && a->exit_code == 128 + (int)child->exit_sig)))
			return true;
	}
	return false;
}

static void find_exit(struct story *s, uint32_t i)
{
	const struct actor *a = &s->cast.actors[i];
	bool wanted = signal_before(s, i, 0, a->died_ns) != NULL;
	bool command = !a->messages && a->died_ns - a->first_ns < COMMAND_NS;

	if (passes_on(s, i))
		return;
	if (wanted || command || a->died_ns >= s->shutdown_ns) {
		s->besides.exits += !wanted;
		s->besides.last_exit = i;
		return;
	}
	add_death(s, &(struct incident) { .kind = INCIDENT_EXIT,
					  .cause = a->accepted && actor_missed(s, i, a->died_ns),
					  .victim = i,
					  .by = CAST_NONE,
					  .number = (uint32_t)a->exit_code,
					  .times = 1,
					  .at_ns = a->died_ns,
					  .id = a->died_id });
}

void find_deaths(struct story *s)
{
	uint32_t i;

	for (i = 0; i < s->cast.count; i++) {
		if (!s->cast.actors[i].died_ns || find_oom(s, i))
			continue;
		if (s->cast.actors[i].exit_sig)
			find_killed(s, i);
		else if (s->cast.actors[i].exit_code)
			find_exit(s, i);
	}
}
