/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/facts.h"

int story_new(const char *(*host_name)(void *arg, uint32_t host), void *arg, struct story **ret, struct err *err)
{
	struct story *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "out of memory");
	s->host_name = host_name;
	s->arg = arg;
	*ret = s;
	return 0;
}

void story_clock(struct story *s, uint32_t host, int64_t shift_ns)
{
	if (host < STORY_HOSTS)
		s->shift_ns[host] = shift_ns;
}

struct story *story_free(struct story *s)
{
	size_t i;

	if (!s)
		return NULL;
	cast_fini(&s->cast);
	socks_fini(&s->socks);
	map_fini(&s->by_type);
	free(s->signals.rows);
	free(s->stops.rows);
	free(s->ooms.rows);
	free(s->timers.rows);
	free(s->troubles.rows);
	free(s->logs.rows);
	for (i = 0; i < STORY_HOSTS; i++)
		free(s->messages[i].rows);
	free(s->incidents);
	free(s->acts.rows);
	free(s->lines);
	free(s);
	return NULL;
}

/* --- which lines, in which order --- */

static int line_by_weight(const void *pa, const void *pb)
{
	const struct story_line *a = pa, *b = pb;

	if (a->weight != b->weight)
		return (a->weight < b->weight) - (a->weight > b->weight);
	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

static int line_by_time(const void *pa, const void *pb)
{
	const struct story_line *a = pa, *b = pb;

	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

/* Must a stand before b, whatever the clocks of their hosts say? */
static bool precedes(const struct story *s, const struct story_line *a, const struct story_line *b)
{
	return a->nrefs && b->nrefs && a->host != b->host &&
	       order_happens_before(s->order, a->refs[0], b->refs[b->nrefs - 1]) == 1 &&
	       order_happens_before(s->order, b->refs[0], a->refs[a->nrefs - 1]) != 1;
}

/* By time; where the clocks of two hosts contradict the order, the order holds. */
static void sort_lines(struct story *s)
{
	size_t i, k;

	qsort(s->told, s->ntold, sizeof(*s->told), line_by_time);
	for (i = 1; i < s->ntold; i++)
		for (k = i; k > 0 && precedes(s, &s->told[k], &s->told[k - 1]); k--) {
			struct story_line swap = s->told[k];

			s->told[k] = s->told[k - 1];
			s->told[k - 1] = swap;
		}
}

void story_select(struct story *s)
{
	if (s->nlines > STORY_LINES)
		qsort(s->lines, s->nlines, sizeof(*s->lines), line_by_weight);
	s->ntold = MIN(s->nlines, (size_t)STORY_LINES);
	if (s->ntold)
		memcpy(s->told, s->lines, s->ntold * sizeof(*s->told));
	sort_lines(s);
}

/* --- the rest, in one sentence --- */

static void besides_part(struct buf *b, uint64_t n, const char *one, const char *many)
{
	if (n)
		buf_printf(b, "%s%s %s", b->len ? ", " : "", count_text(n), n == 1 ? one : many);
}

static void tell_besides(struct story *s)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	const struct besides *r = &s->besides;

	besides_part(&b, r->causes, "further stop, death or cut", "further stops, deaths or cuts");
	besides_part(&b, r->refused, "failed connect", "failed connects");
	besides_part(&b, r->resets, "reset", "resets");
	besides_part(&b, r->retransmits, "segment sent again", "segments sent again");
	besides_part(&b, r->exits, "process that ended with a status other than 0",
		     "processes that ended with a status other than 0");
	if (r->exits)
		buf_printf(&b, r->exits == 1 ? " (%s)" : " (the last: %s)", actor_text(s, r->last_exit));
	besides_part(&b, r->acts, "further action of an agent", "further actions of an agent");
	if (b.data)
		(void)snprintf(s->besides_text, sizeof(s->besides_text), "%.*s", (int)b.len, b.data);
}

/* --- telling --- */

/* What befell somebody and is no cause: told where there is none, else counted unless it followed. */
static void tell_minor(struct story *s, const struct incident *inc, const struct incident *first)
{
	const struct actor *v = first ? story_actor(s, first->victim) : NULL;
	bool followed = first && inc->at_ns >= first->at_ns &&
			(cast_spoke(v, v->ncontacts, inc->victim) || v->parent == inc->victim);

	if (!first || (followed && inc->kind == INCIDENT_EXIT && !story_actor(s, inc->victim)->accepted)) {
		tell_incident(s, inc);
	} else {
		s->besides.exits += inc->kind == INCIDENT_EXIT;
		s->besides.last_exit = inc->victim;
	}
}

static int tell_all(struct story *s)
{
	const struct incident *first = s->nincidents && s->incidents[0].cause ? &s->incidents[0] : NULL;
	size_t i;
	int r;

	for (i = 0; i < s->nincidents; i++) {
		if (!s->incidents[i].cause)
			tell_minor(s, &s->incidents[i], first);
		else if (i < CAUSES_MAX)
			tell_incident(s, &s->incidents[i]);
		else
			s->besides.causes++;
	}
	r = first ? tell_effects(s, first) : tell_slow(s);
	tell_troubles(s, first);
	tell_requests(s);
	tell_acts(s);
	return r;
}

int story_tell(struct story *s, const struct order *o, struct err *err)
{
	int r = story_contacts(s, o);

	s->order = o;
	if (r >= 0) {
		find_shutdown(s);
		find_stops(s);
		find_deaths(s);
		r = find_cuts(s);
	}
	if (r >= 0) {
		rank_incidents(s);
		r = tell_all(s);
	}
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory for the story");
	story_select(s);
	tell_besides(s);
	return 0;
}

size_t story_lines(const struct story *s, const struct story_line **ret)
{
	*ret = s->told;
	return s->ntold;
}

const char *story_besides(const struct story *s)
{
	return s->besides_text;
}

uint64_t story_left_out(const struct story *s)
{
	return s->left_out + s->signals.refused + s->stops.refused + s->ooms.refused + s->troubles.refused +
	       s->logs.refused;
}
