/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/story.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "event/event.h"
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

struct story *story_free(struct story *s)
{
	size_t i;

	if (!s)
		return NULL;
	cast_fini(&s->cast);
	map_fini(&s->by_type);
	free(s->signals.rows);
	free(s->stops.rows);
	free(s->ooms.rows);
	free(s->timers.rows);
	free(s->troubles.rows);
	free(s->logs.rows);
	for (i = 0; i < STORY_HOSTS; i++)
		free(s->messages[i].rows);
	free(s->lines);
	free(s);
	return NULL;
}

/* --- collecting --- */

int facts_add(struct facts *f, const struct fact *fact)
{
	if (f->count == FACTS_MAX) {
		f->refused++;
		return 0;
	}
	if (f->count == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct fact *grown = realloc(f->rows, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		f->rows = grown;
		f->cap = cap;
	}
	f->rows[f->count++] = *fact;
	return 0;
}

static int message_add(struct story *s, const struct event *ev, uint32_t actor)
{
	struct messages *m = &s->messages[ev->host % STORY_HOSTS];
	struct message row = { .id = ev->id,
			       .boot_ns = ev->boot_ns,
			       .begin_ns = ev->boot_ns,
			       .actor = actor,
			       .tid = ev->h->tid,
			       .sent = ev->type->id == EVENT_SEND || ev->type->id == EVENT_DGRAM_SEND };

	if (ev->host >= STORY_HOSTS || s->bytes + sizeof(row) > STORY_BYTES_MAX) {
		s->left_out++;
		return 0;
	}
	row.sock = EVENT_AS(recv, ev)->sock;
	if (ev->type->id == EVENT_SEND && EVENT_AS(send, ev)->begin_ns)
		row.begin_ns = EVENT_AS(send, ev)->begin_ns;
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 1024;
		struct message *grown = realloc(m->rows, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->rows = grown;
		m->cap = cap;
	}
	m->rows[m->count++] = row;
	s->bytes += sizeof(row);
	return 0;
}

static int add_signal(struct story *s, const struct event *ev, uint32_t actor)
{
	const struct event_signal *e = EVENT_AS(signal, ev);
	struct fact f = { .boot_ns = ev->boot_ns,
			  .id = ev->id,
			  .host = ev->host,
			  .actor = actor,
			  .target = cast_find(&s->cast, ev->host, e->target_tgid),
			  .number = e->sig,
			  .type = EVENT_SIGNAL };

	if (e->flags & SIGNALFLAGS_FROM_KERNEL)
		f.actor = CAST_NONE;
	return e->sig == SIGCHLD ? 0 : facts_add(&s->signals, &f);
}

/* A stop ends with the next continue of the same process. */
static int add_stop(struct story *s, const struct event *ev, uint32_t actor)
{
	struct fact f = { .boot_ns = ev->boot_ns,
			  .id = ev->id,
			  .host = ev->host,
			  .actor = actor,
			  .target = actor,
			  .number = EVENT_AS(deliver, ev)->sig,
			  .type = EVENT_STOP };
	size_t i;

	if (ev->type->id == EVENT_STOP)
		return facts_add(&s->stops, &f);
	for (i = s->stops.count; i-- > 0;) {
		if (s->stops.rows[i].target != actor)
			continue;
		if (!s->stops.rows[i].until_ns) {
			s->stops.rows[i].until_ns = ev->boot_ns;
			s->stops.rows[i].until_id = ev->id;
		}
		break;
	}
	return 0;
}

static int add_other(struct story *s, const struct event *ev, uint32_t actor)
{
	struct fact f = { .boot_ns = ev->boot_ns,
			  .id = ev->id,
			  .host = ev->host,
			  .actor = actor,
			  .target = actor,
			  .type = ev->type->id };

	switch (ev->type->id) {
	case EVENT_OOM_KILL:
		f.target = cast_find(&s->cast, ev->host, EVENT_AS(oom_kill, ev)->victim_tgid);
		return facts_add(&s->ooms, &f);
	case EVENT_TIMER:
		f.target = cast_find(&s->cast, ev->host, EVENT_AS(timer, ev)->target_tgid);
		f.number = EVENT_AS(timer, ev)->target_tid;
		return facts_add(&s->timers, &f);
	case EVENT_CONNECTED:
		f.number = (uint32_t)EVENT_AS(connected, ev)->error;
		return f.number ? facts_add(&s->troubles, &f) : 0;
	case EVENT_RESET:
		/* the answer to a SYN: the connect's own outcome says it */
		f.number = EVENT_AS(reset, ev)->direction;
		return EVENT_AS(reset, ev)->state == TCPSTATE_SYN_SENT ? 0 : facts_add(&s->troubles, &f);
	case EVENT_RETRANSMIT:
		return facts_add(&s->troubles, &f);
	case EVENT_LOG:
		return EVENT_AS(log, ev)->level >= LEVEL_ERROR ? facts_add(&s->logs, &f) : 0;
	default:
		return 0;
	}
}

static void count_event(struct story *s, const struct event *ev, uint32_t actor)
{
	uint64_t key = (uint64_t)(uintptr_t)ev->type, *n = map_get(&s->by_type, key);
	const struct event_cost *c = EVENT_AS(cost, ev);

	if (n)
		(*n)++;
	else
		(void)map_set(&s->by_type, key, 1);
	s->totals.events++;
	if (actor != CAST_NONE)
		s->cast.actors[actor].events++;
	if (ev->type->id == EVENT_LOSS)
		s->totals.lost += EVENT_AS(loss, ev)->count;
	if (ev->type->id != EVENT_COST)
		return;
	s->totals.cost_span_ns += c->span_ns;
	s->totals.cost_user_ns += c->user_ns;
	s->totals.cost_kernel_ns += c->kernel_ns;
}

int story_add(struct story *s, const struct event *ev, struct err *err)
{
	uint32_t actor;
	int r;

	if (!s->first_ns)
		s->first_ns = ev->boot_ns;
	s->last_ns = ev->boot_ns > s->last_ns ? ev->boot_ns : s->last_ns;
	cast_learn(&s->cast, ev);
	actor = ev->h->tgid ? cast_find(&s->cast, ev->host, ev->h->tgid) : CAST_NONE;
	count_event(s, ev, actor);
	switch (ev->type->id) {
	case EVENT_SEND:
	case EVENT_RECV:
	case EVENT_DGRAM_SEND:
	case EVENT_DGRAM_RECV:
		if (actor != CAST_NONE)
			s->cast.actors[actor].messages++;
		r = message_add(s, ev, actor);
		break;
	case EVENT_SIGNAL:
		r = add_signal(s, ev, actor);
		break;
	case EVENT_STOP:
	case EVENT_CONT:
		r = add_stop(s, ev, actor);
		break;
	default:
		r = add_other(s, ev, actor);
	}
	return r < 0 ? err_set(err, ENOMEM, "out of memory for the story") : 0;
}

/* --- names and lines --- */

const struct message *story_message(const struct story *s, struct order_ref a)
{
	const struct messages *m = &s->messages[a.host % STORY_HOSTS];
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->rows[mid].id < a.id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->count && m->rows[low].id == a.id ? &m->rows[low] : NULL;
}

struct actor *story_actor(const struct story *s, uint32_t i)
{
	static struct actor stranger = { .comm = "unknown" };

	return i < s->cast.count ? &s->cast.actors[i] : &stranger;
}

/* The namespace's name, else the host's where there are several, else "". */
static const char *where(const struct story *s, uint32_t i)
{
	const struct actor *a = story_actor(s, i);
	const char *place = cast_place(&s->cast, a);

	if (!*place && s->host_name)
		place = s->host_name(s->arg, a->host);
	return place;
}

const char *actor_text(const struct story *s, uint32_t i)
{
	static __thread char texts[4][96];
	static __thread unsigned int at;
	const struct actor *a = story_actor(s, i);
	const char *place = where(s, i);
	char *text = texts[at++ % 4];

	if (i == CAST_NONE)
		return "the kernel";
	(void)snprintf(text, sizeof(texts[0]), "%s[%u]%s%s", a->comm[0] ? a->comm : "?", a->tgid, *place ? " on " : "",
		       place);
	return text;
}

const char *place_text(const struct story *s, uint32_t i)
{
	const char *place = where(s, i);

	return *place ? place : actor_text(s, i);
}

struct story_line *line_add(struct story *s, uint64_t boot_ns, uint32_t host, uint32_t weight)
{
	if (s->nlines == s->lines_cap) {
		size_t cap = s->lines_cap ? s->lines_cap * 2 : 64;
		struct story_line *grown = realloc(s->lines, cap * sizeof(*grown));

		if (!grown) {
			s->left_out++;
			return NULL;
		}
		s->lines = grown;
		s->lines_cap = cap;
	}
	s->lines[s->nlines] = (struct story_line) { .boot_ns = boot_ns, .host = host, .weight = weight };
	return &s->lines[s->nlines++];
}

void line_cite(struct story_line *l, uint32_t host, uint64_t id)
{
	if (id && l->nrefs < STORY_REFS)
		l->refs[l->nrefs++] = (struct order_ref) { host, id };
}

void story_victim(struct story *s, uint32_t actor, uint64_t at_ns)
{
	if (s->victim != CAST_NONE && s->cause_ns <= at_ns)
		return;
	s->victim = actor;
	s->cause_ns = at_ns;
}

/* --- telling --- */

struct contacts_arg {
	struct story *s;
	int r;
};

static int contact_add(struct story *s, const struct message *from, const struct message *to, bool sent)
{
	const struct message *own = sent ? from : to;
	struct contact c = { .boot_ns = to->boot_ns,
			     .said_ns = from->begin_ns,
			     .id = own->id,
			     .other = sent ? to->actor : from->actor,
			     .sent = sent };

	if (s->bytes + sizeof(c) > STORY_BYTES_MAX) {
		s->left_out++;
		return 0;
	}
	s->bytes += sizeof(c);
	return cast_contact(&s->cast.actors[own->actor], &c);
}

static bool contact_edge(void *arg, const struct order_edge *e)
{
	struct contacts_arg *a = arg;
	const struct message *from, *to;

	if (e->kind != ORDER_MESSAGE || e->ambiguous)
		return true;
	from = story_message(a->s, e->from);
	to = story_message(a->s, e->to);
	if (!from || !to || from->actor == to->actor || from->actor == CAST_NONE || to->actor == CAST_NONE)
		return true;
	a->r = contact_add(a->s, from, to, true);
	if (a->r >= 0)
		a->r = contact_add(a->s, from, to, false);
	return a->r >= 0;
}

static int line_by_weight(const void *pa, const void *pb)
{
	const struct story_line *a = pa, *b = pb;

	return (a->weight < b->weight) - (a->weight > b->weight);
}

static int line_by_time(const void *pa, const void *pb)
{
	const struct story_line *a = pa, *b = pb;

	return (a->boot_ns > b->boot_ns) - (a->boot_ns < b->boot_ns);
}

int story_tell(struct story *s, const struct order *o, struct err *err)
{
	struct contacts_arg arg = { .s = s };

	order_edges(o, false, contact_edge, &arg);
	if (arg.r < 0)
		return err_set(err, ENOMEM, "out of memory for the story");
	cast_sort(&s->cast);
	s->victim = CAST_NONE;
	tell_deaths(s);
	tell_silence(s);
	tell_troubles(s);
	if (s->nlines > STORY_LINES) {
		qsort(s->lines, s->nlines, sizeof(*s->lines), line_by_weight);
		s->left_out += s->nlines - STORY_LINES;
		s->nlines = STORY_LINES;
	}
	if (s->nlines)
		qsort(s->lines, s->nlines, sizeof(*s->lines), line_by_time);
	return 0;
}

size_t story_lines(const struct story *s, const struct story_line **ret)
{
	*ret = s->lines;
	return s->nlines;
}

uint64_t story_left_out(const struct story *s)
{
	return s->left_out;
}
