/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failed connects, resets and segments sent again, in groups: all of one kind at one other end (or, where that is
 * unknown, of one process).  Those of an incident's victim followed from it; with no incident all are told.  The rest
 * is counted: at start-up, while all is shut down, and of others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"
#include "explain/facts.h"

#define GROUPS_MAX 256
#define WHO_MAX 3
#define FEW 3 /* fewer segments sent again are not told */
#define MIRROR_NS (NS_PER_S / 100)
#define WEIGHT_REFUSED 400
#define WEIGHT_RESET 300
#define WEIGHT_RETRANSMIT 310
#define WEIGHT_LOG 350

struct group {
	struct fact *first, *last;
	uint32_t who[WHO_MAX], times[WHO_MAX], more;
	size_t count;
	bool mixed; /* to several targets */
};

struct groups {
	struct group rows[GROUPS_MAX];
	size_t count;
};

static bool of_victim(const struct incident *inc, const struct fact *f)
{
	return f->boot_ns >= inc->at_ns && (f->target == inc->victim || f->actor == inc->victim);
}

static bool same_group(const struct incident *inc, const struct fact *a, const struct fact *b)
{
	if (a->type != b->type || (a->type == EVENT_CONNECTED && a->number != b->number))
		return false;
	/* of an incident: what its victim did, and what others did to it */
	if (inc && a->type == EVENT_RESET)
		return true;
	if (inc)
		return (a->actor == inc->victim) == (b->actor == inc->victim);
	return a->target == b->target && (a->target != CAST_NONE || a->actor == b->actor);
}

/* The other end of the reset before it: one broken connection, seen twice. */
static bool is_mirror(const struct group *g, const struct fact *f)
{
	return g->last && f->type == EVENT_RESET && g->last->actor == f->target && g->last->target == f->actor &&
	       g->last->number != f->number && f->boot_ns - g->last->boot_ns < MIRROR_NS;
}

/* Counted for who is not the victim. */
static void group_count(struct group *g, const struct incident *inc, struct fact *f)
{
	uint32_t who = inc && f->type == EVENT_RESET && f->actor == inc->victim ? f->target : f->actor;
	size_t i;

	if (is_mirror(g, f))
		return;

	g->first = g->first ? g->first : f;
	g->mixed |= f->target != g->first->target;
	g->last = f;
	g->count++;
	for (i = 0; i < WHO_MAX && g->times[i] && g->who[i] != who; i++)
		;
	if (i == WHO_MAX) {
		g->more++;
		return;
	}
	g->who[i] = who;
	g->times[i]++;
}

/* Nobody listened there yet, and somebody did later: it was not ready. */
static bool at_start(const struct story *s, const struct fact *f)
{
	return f->type == EVENT_CONNECTED && !socks_service(&s->socks, f->sock, f->boot_ns) &&
	       socks_service_after(&s->socks, f->sock, f->boot_ns);
}

static bool is_told(const struct story *s, const struct incident *inc, const struct fact *f)
{
	if (f->told || f->boot_ns >= s->shutdown_ns || at_start(s, f))
		return false;
	return !inc || of_victim(inc, f);
}

static void group_all(struct story *s, const struct incident *inc, struct groups *groups)
{
	size_t i, k;

	for (i = 0; i < s->troubles.count; i++) {
		struct fact *f = &s->troubles.rows[i];

		if (!is_told(s, inc, f))
			continue;
		f->told = true;
		/* the line of a cut counts those that showed it; what TCP makes up afterwards is no news */
		if (inc && inc->kind == INCIDENT_CUT && f->type == EVENT_RETRANSMIT)
			continue;
		for (k = 0; k < groups->count && !same_group(inc, groups->rows[k].first, f); k++)
			;
		if (k == GROUPS_MAX)
			continue;
		groups->count += k == groups->count;
		group_count(&groups->rows[k], inc, f);
	}
}

/* ` (etcd[369] on node1 100, etcd[379] on node2 74)`, nothing where there is one only */
static void who_text(struct buf *b, const struct story *s, const struct group *g)
{
	size_t i;

	for (i = 0; i < WHO_MAX && g->times[i] && g->times[1]; i++)
		buf_printf(b, "%s%s %s", i ? ", " : " (", place_text(s, g->who[i]), count_text(g->times[i]));
	if (g->more)
		buf_printf(b, ", others %s", count_text(g->more));
	if (g->times[1])
		buf_char(b, ')');
}

/* `10.77.0.3:2380` */
static void address_text(struct buf *b, const struct story *s, const struct fact *f)
{
	const struct sock_row *r = f->sock < s->socks.count ? &s->socks.rows[f->sock] : NULL;

	if (!r)
		return;
	event_addr_text(b, r->remote);
	buf_printf(b, ":%u", r->remote_port);
}

/* Whom all of the group did it to: one process, an address, or several. */
static void target_text(struct buf *b, const struct story *s, const struct incident *inc, const struct group *g)
{
	const struct fact *f = g->first;
	uint32_t target = inc && (f->type == EVENT_RESET || f->actor != inc->victim) ? inc->victim : f->target;
	const struct actor *a = story_actor(s, target);

	if (inc && target != inc->victim && g->mixed)
		buf_str(b, "others");
	else if (target == CAST_NONE)
		address_text(b, s, f);
	else
		buf_printf(b, "%s%s", actor_text(s, target),
			   f->type == EVENT_CONNECTED && a->died_ns && a->died_ns <= f->boot_ns ? ", dead by then,"
												: "");
}

/* ECONNABORTED: the program closed the socket before there was an answer. */
static void refused_text(struct buf *b, const struct story *s, const struct incident *inc, const struct group *g)
{
	const char *error = event_errno_name((int)g->first->number), *many = g->count == 1 ? "" : "s";
	bool aborted = g->first->number == ECONNABORTED;

	if (aborted)
		buf_printf(b, "%s gave up %s connect%s to ", g->times[1] ? "others" : actor_text(s, g->who[0]),
			   count_text(g->count), many);
	else
		buf_printf(b, "%s connect%s%s%s to ", count_text(g->count), many, g->times[1] ? "" : " of ",
			   g->times[1] ? "" : actor_text(s, g->who[0]));
	target_text(b, s, inc, g);
	if (!aborted)
		buf_printf(b, " failed with %s", error ? error : "an error");
	if (g->first->target == CAST_NONE && g->first->number == ECONNREFUSED)
		buf_str(b, ": nobody that was recorded listened there");
}

static void group_text(struct buf *b, const struct story *s, const struct incident *inc, const struct group *g)
{
	const char *many = g->count == 1 ? "" : "s";

	if (g->first->type == EVENT_CONNECTED) {
		refused_text(b, s, inc, g);
	} else if (g->first->type == EVENT_RESET) {
		buf_printf(b, "%s reset%s ended %s%s%s with ", count_text(g->count), many,
			   g->count == 1 ? "a connection" : "connections", g->times[1] ? "" : " of ",
			   g->times[1] ? "" : actor_text(s, g->who[0]));
		target_text(b, s, inc, g);
	} else {
		buf_printf(b, "%s sent %s segment%s again to ", g->times[1] ? "others" : actor_text(s, g->who[0]),
			   count_text(g->count), many);
		target_text(b, s, inc, g);
	}
	if (g->last->boot_ns - g->first->boot_ns >= NS_PER_MS)
		buf_printf(b, " within %.3f s", (double)(g->last->boot_ns - g->first->boot_ns) / 1e9);
	who_text(b, s, g);
}

static void tell_group(struct story *s, const struct incident *inc, const struct group *g)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	uint32_t weight = g->first->type == EVENT_CONNECTED ? WEIGHT_REFUSED
			  : g->first->type == EVENT_RESET   ? WEIGHT_RESET
							    : WEIGHT_RETRANSMIT;
	struct story_line *l;

	if (g->first->type == EVENT_RETRANSMIT && g->count < FEW) {
		s->besides.retransmits += g->count;
		return;
	}
	l = line_add(s, g->first->boot_ns, g->first->host, weight + (g->count > 50 ? 50 : (uint32_t)g->count));
	if (!l)
		return;
	line_cite(l, g->first->host, g->first->id);
	if (g->count > 1)
		line_cite(l, g->last->host, g->last->id);
	group_text(&b, s, inc, g);
	if (b.data)
		(void)snprintf(l->text, sizeof(l->text), "%.*s", (int)b.len, b.data);
}

static void count_rest(struct story *s)
{
	size_t i;

	for (i = 0; i < s->troubles.count; i++) {
		const struct fact *f = &s->troubles.rows[i];

		if (f->told)
			continue;
		s->besides.refused += f->type == EVENT_CONNECTED;
		s->besides.resets += f->type == EVENT_RESET;
		s->besides.retransmits += f->type == EVENT_RETRANSMIT;
	}
}

/* What is complained of while all is being ended is no news. */
static void tell_logs(struct story *s)
{
	const struct fact *f = s->logs.rows;
	size_t count = 0, i;
	struct story_line *l;

	for (i = 0; i < s->logs.count; i++)
		count += f[i].boot_ns < s->shutdown_ns;
	l = count && f->boot_ns < s->shutdown_ns ? line_add(s, f->boot_ns, f->host, WEIGHT_LOG) : NULL;
	if (!l)
		return;
	line_cite(l, f->host, f->id);
	(void)snprintf(l->text, sizeof(l->text), "%s %s at level error, the first by %s: %s", count_text(count),
		       count == 1 ? "log line" : "log lines", actor_text(s, f->actor), s->log_text);
}

void tell_troubles(struct story *s, const struct incident *inc)
{
	struct groups *groups = calloc(1, sizeof(*groups));
	size_t i;

	if (!groups)
		return;
	group_all(s, inc, groups);
	for (i = 0; i < groups->count; i++)
		tell_group(s, inc, &groups->rows[i]);
	free(groups);
	count_rest(s);
	tell_logs(s);
}
