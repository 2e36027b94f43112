/* SPDX-License-Identifier: Apache-2.0 */
/* What story keeps of each event. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "event/event.h"
#include "explain/facts.h"

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

/* Room for one more of `size` bytes in the story's budget? */
static bool budget(struct story *s, size_t size)
{
	if (s->bytes + size > STORY_BYTES_MAX) {
		s->left_out++;
		return false;
	}
	s->bytes += size;
	return true;
}

static int message_add(struct story *s, const struct event *ev, uint32_t actor)
{
	struct messages *m = &s->messages[ev->host % STORY_HOSTS];
	struct message row = { .id = ev->id, .boot_ns = ev->boot_ns, .begin_ns = ev->boot_ns, .actor = actor };
	uint32_t sock = socks_of(&s->socks, ev->host, EVENT_AS(recv, ev)->sock, ev->boot_ns);

	/* the end of a stream is no message */
	if (ev->type->id == EVENT_RECV && !EVENT_AS(recv, ev)->bytes)
		return 0;
	if (ev->host >= STORY_HOSTS || !budget(s, sizeof(row)))
		return 0;
	row.sock = sock & 0x3fffffffU;
	row.sent = ev->type->id == EVENT_SEND || ev->type->id == EVENT_DGRAM_SEND;
	if (ev->type->id == EVENT_SEND && EVENT_AS(send, ev)->begin_ns)
		row.begin_ns = EVENT_AS(send, ev)->begin_ns + (uint64_t)s->shift_ns[ev->host];
	if (sock < s->socks.count && actor != CAST_NONE)
		s->socks.rows[sock].actor = actor;
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 1024;
		struct message *grown = realloc(m->rows, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->rows = grown;
		m->cap = cap;
	}
	m->rows[m->count++] = row;
	return 0;
}

static int timer_add(struct story *s, const struct event *ev)
{
	struct timers *t = &s->timers;
	uint32_t actor = cast_find(&s->cast, ev->host, EVENT_AS(timer, ev)->target_tgid);

	if (actor == CAST_NONE || !budget(s, sizeof(*t->rows)))
		return 0;
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 1024;
		struct timer *grown = realloc(t->rows, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->rows = grown;
		t->cap = cap;
	}
	t->rows[t->count++] = (struct timer) { ev->boot_ns, ev->id, ev->host, actor };
	return 0;
}

static struct fact fact_of(const struct event *ev, uint32_t actor)
{
	return (struct fact) { .boot_ns = ev->boot_ns,
			       .id = ev->id,
			       .host = ev->host,
			       .actor = actor,
			       .target = actor,
			       .sock = SOCK_NONE,
			       .type = ev->type->id };
}

/* The last stop of the process ends, if it still lasts: by the signal that continues it, or by its first step. */
static void stop_ended(struct story *s, uint32_t actor, uint64_t boot_ns, uint64_t id)
{
	size_t i, back = 0;

	for (i = s->stops.count; i-- > 0 && back++ < 1000;) {
		struct fact *stop = &s->stops.rows[i];

		if (stop->target != actor)
			continue;
		if (!stop->until_ns) {
			stop->until_ns = boot_ns;
			stop->until_id = id;
		}
		return;
	}
}

/* Is it no more than bookkeeping: children that end, urgent data, what runtimes send to their own threads? */
static bool is_idle(const struct fact *f, const struct event_signal *e)
{
	return e->sig == SIGCHLD || e->sig == SIGURG ||
	       (f->target == f->actor && !(e->flags & SIGNALFLAGS_GROUP) && e->sig != SIGABRT);
}

static int add_signal(struct story *s, const struct event *ev, uint32_t actor)
{
	const struct event_signal *e = EVENT_AS(signal, ev);
	struct fact f = fact_of(ev, actor);
	struct actor *target;

	f.target = cast_find(&s->cast, ev->host, e->target_tgid);
	f.number = e->sig;
	f.during = CAST_NONE;
	if (e->flags & SIGNALFLAGS_FROM_KERNEL) {
		f.during = ev->h->context == CONTEXT_TASK ? actor : CAST_NONE;
		f.actor = CAST_NONE;
	}
	if (is_idle(&f, e))
		return 0;
	if (f.target == CAST_NONE || s->signals.count == FACTS_MAX)
		return facts_add(&s->signals, &f);
	/* nothing is delivered of a SIGCONT without a handler, yet the process goes on */
	if (e->sig == SIGCONT || e->sig == SIGKILL)
		stop_ended(s, f.target, ev->boot_ns, ev->id);
	target = &s->cast.actors[f.target];
	f.before = target->last_signal;
	target->last_signal = (uint32_t)s->signals.count + 1;
	return facts_add(&s->signals, &f);
}

static int add_stop(struct story *s, const struct event *ev, uint32_t actor)
{
	struct fact f = fact_of(ev, actor);

	f.number = EVENT_AS(deliver, ev)->sig;
	if (ev->type->id == EVENT_STOP)
		return facts_add(&s->stops, &f);
	stop_ended(s, actor, ev->boot_ns, ev->id);
	return 0;
}

/* A refused connect, a reset, a retransmission: whose it is says the socket, the context may be anybody's. */
static int add_trouble(struct story *s, const struct event *ev, uint32_t actor, uint64_t cookie, uint32_t number)
{
	struct fact f = fact_of(ev, ev->h->context == CONTEXT_TASK ? actor : CAST_NONE);

	f.sock = socks_of(&s->socks, ev->host, cookie, ev->boot_ns);
	f.number = number;
	if (f.sock < s->socks.count && s->socks.rows[f.sock].actor != CAST_NONE)
		f.actor = s->socks.rows[f.sock].actor;
	f.target = CAST_NONE;
	return f.actor == CAST_NONE ? 0 : facts_add(&s->troubles, &f);
}

static int add_reset(struct story *s, const struct event *ev, uint32_t actor)
{
	const struct event_reset *e = EVENT_AS(reset, ev);

	/* the answer to a SYN: the connect's own outcome says it */
	if (e->state == TCPSTATE_SYN_SENT || !e->sock)
		return 0;
	return add_trouble(s, ev, actor, e->sock, e->direction);
}

static int log_add(struct story *s, const struct event *ev, const struct fact *f)
{
	const char *text = event_string(ev, 0);

	if (!s->logs.count)
		(void)snprintf(s->log_text, sizeof(s->log_text), "%.*s", (int)strcspn(text, "\n"), text);
	return facts_add(&s->logs, f);
}

static int add_other(struct story *s, const struct event *ev, uint32_t actor)
{
	struct fact f = fact_of(ev, actor);

	switch (ev->type->id) {
	case EVENT_OOM_KILL:
		f.target = cast_find(&s->cast, ev->host, EVENT_AS(oom_kill, ev)->victim_tgid);
		return facts_add(&s->ooms, &f);
	case EVENT_TIMER:
		return timer_add(s, ev);
	case EVENT_CONNECTED:
		return EVENT_AS(connected, ev)->error ? add_trouble(s, ev, actor, EVENT_AS(connected, ev)->sock,
								    (uint32_t)EVENT_AS(connected, ev)->error)
						      : 0;
	case EVENT_RESET:
		return add_reset(s, ev, actor);
	case EVENT_RETRANSMIT:
		return add_trouble(s, ev, actor, EVENT_AS(retransmit, ev)->sock, 0);
	case EVENT_LOG:
		return EVENT_AS(log, ev)->level >= LEVEL_ERROR ? log_add(s, ev, &f) : 0;
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
	if (ev->type->id == EVENT_SHED)
		s->totals.shed += EVENT_AS(shed, ev)->on;
	if (ev->type->id != EVENT_COST)
		return;
	s->totals.cost_span_ns += c->span_ns;
	s->totals.cost_user_ns += c->user_ns;
	s->totals.cost_kernel_ns += c->kernel_ns;
}

static int add_by_type(struct story *s, const struct event *ev, uint32_t actor)
{
	switch (ev->type->id) {
	case EVENT_SEND:
	case EVENT_RECV:
	case EVENT_DGRAM_SEND:
	case EVENT_DGRAM_RECV:
		if (actor != CAST_NONE)
			s->cast.actors[actor].messages++;
		return message_add(s, ev, actor);
	case EVENT_SIGNAL:
		return add_signal(s, ev, actor);
	case EVENT_STOP:
	case EVENT_CONT:
		return add_stop(s, ev, actor);
	case EVENT_ACTION:
	case EVENT_EFFECT:
		return acts_add(s, ev);
	default:
		socks_learn(&s->socks, ev, actor);
		return add_other(s, ev, actor);
	}
}

int story_add(struct story *s, const struct event *there, struct err *err)
{
	struct event here = *there; /* on the clock of host 0 */
	const struct event *ev = &here;
	uint32_t actor;

	here.boot_ns += (uint64_t)s->shift_ns[ev->host % STORY_HOSTS];
	if (!s->first_ns || ev->boot_ns < s->first_ns)
		s->first_ns = ev->boot_ns;
	s->last_ns = ev->boot_ns > s->last_ns ? ev->boot_ns : s->last_ns;
	cast_learn(&s->cast, ev);
	actor = ev->h->tgid ? cast_find(&s->cast, ev->host, ev->h->tgid) : CAST_NONE;
	count_event(s, ev, actor);
	return add_by_type(s, ev, actor) < 0 ? err_set(err, ENOMEM, "out of memory for the story") : 0;
}
