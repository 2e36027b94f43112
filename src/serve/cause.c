/* SPDX-License-Identifier: Apache-2.0 */
/* cause - one event: its fields, its causes and effects, all that led to it, and the next one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/who.h"
#include "serve/internal.h"
#include "store/store.h"

#define LOG_NEAR 5	/* lines of the same thread before and after */
#define LOG_LOOK 100000 /* events that are looked at for them */
#define CONE_DEFAULT 2000
#define CONE_MAX 20000
#define SIDES_MAX 200 /* causes, and effects, that are listed */

static void place_json(struct buf *b, const struct model *m, uint32_t event)
{
	buf_printf(b, ",\"t\":%" PRId64 ",\"clock\":%u,\"lane\":%u", m->ev.t[event], m->ev.clock[event],
		   m->ev.lane[event]);
}

/* --- one event --- */

struct sides {
	struct model *m;
	struct buf *b;
	bool causes, program;
	unsigned int n;
	const char *sep;
};

static bool side_json(void *arg, const struct order_edge *e)
{
	struct sides *s = arg;
	uint32_t other = model_find(s->m, s->causes ? e->from : e->to);
	union event_room room;
	struct event ev;

	if (other == NO_EVENT || (e->kind == ORDER_PROGRAM && !s->program))
		return true;
	buf_printf(s->b, "%s{\"id\":", s->sep);
	put_ref(s->b, s->m, other);
	buf_printf(s->b,
		   ",\"kind\":\"%s\",\"ambiguous\":%s,\"after_loss\":%s,\"offset\":\"%" PRIu64
		   "\",\"bytes\":%u,\"type\":",
		   order_kind_name(e->kind), e->ambiguous ? "true" : "false", e->after_loss ? "true" : "false",
		   e->offset, e->bytes);
	put_type(s->b, s->m, other);
	place_json(s->b, s->m, other);
	if (model_fetch(s->m, other, &room, &ev, NULL) >= 0) {
		buf_str(s->b, ",\"what\":");
		put_label(s->b, s->m, &ev);
	}
	buf_char(s->b, '}');
	s->sep = ",";
	return ++s->n < SIDES_MAX;
}

static void text_json(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "\"%s\":", name);
	buf_json(b, text, strlen(text));
}

static void who_json(struct buf *b, const struct model *m, const struct event *ev)
{
	buf_str(b, ",\"who\":{");
	text_json(b, "host", who_host(m->who, ev));
	buf_char(b, ',');
	text_json(b, "place", who_place(m->who, ev));
	buf_char(b, ',');
	text_json(b, "process", who_title(m->who, ev));
	buf_char(b, ',');
	text_json(b, "unit", who_unit(m->who, ev));
	buf_char(b, ',');
	text_json(b, "container", who_container(m->who, ev));
	buf_printf(b, ",\"pid\":%u,\"tid\":%u}", who_pid(m->who, ev), ev->h->tid);
}

static void line_json(struct model *m, struct buf *b, uint32_t event, const char **sep)
{
	union event_room room;
	struct event ev;

	if (model_fetch(m, event, &room, &ev, NULL) < 0)
		return;
	buf_printf(b, "%s{\"id\":", *sep);
	put_ref(b, m, event);
	place_json(b, m, event);
	buf_str(b, ",\"text\":");
	put_label(b, m, &ev);
	buf_char(b, '}');
	*sep = ",";
}

/* Lines that its thread wrote around it. */
static void log_json(struct model *m, struct buf *b, uint32_t event)
{
	uint32_t near[2 * LOG_NEAR + 1], n = 0, i, look, lane = m->ev.lane[event];
	const char *sep = "";

	for (i = event, look = 0; i-- > 0 && n < LOG_NEAR && look < LOG_LOOK; look++)
		if (m->ev.lane[i] == lane && m->ev.type[i] == EVENT_LOG)
			near[n++] = i;
	for (i = 0; i < n / 2; i++) {
		uint32_t other = near[i];

		near[i] = near[n - 1 - i];
		near[n - 1 - i] = other;
	}
	for (i = event, look = 0; i < m->ev.count && n < 2 * LOG_NEAR && look < LOG_LOOK; i++, look++)
		if (m->ev.lane[i] == lane && m->ev.type[i] == EVENT_LOG)
			near[n++] = i;
	buf_str(b, ",\"log\":[");
	for (i = 0; i < n; i++)
		line_json(m, b, near[i], &sep);
	buf_char(b, ']');
}

void put_sides(struct buf *b, struct model *m, uint32_t event, bool causes, bool program)
{
	struct sides s = { .m = m, .b = b, .causes = causes, .program = program, .sep = "" };

	buf_char(b, '[');
	(void)(causes ? order_causes : order_effects)(m->order, model_ref(m, event), side_json, &s);
	buf_char(b, ']');
}

void answer_event(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct buf *b = &rs->body;
	struct err err = ERR_INIT;
	union event_room room;
	struct event ev;
	uint32_t event;

	(void)s;
	if (!request_event(m, rq, "id", &event)) {
		response_error(rs, 404, "there is no such event: 'id' is HOST:ID");
		return;
	}
	(void)pthread_mutex_lock(&m->lock);
	if (model_fetch(m, event, &room, &ev, &err) < 0) {
		response_error(rs, 404, "%s", err.text);
	} else {
		buf_str(b, "{\"id\":");
		put_ref(b, m, event);
		place_json(b, m, event);
		buf_printf(b, ",\"mark\":\"%s\",\"label\":", mark_name(m->ev.mark[event]));
		put_label(b, m, &ev);
		who_json(b, m, &ev);
		buf_str(b, ",\"event\":");
		event_json(b, &ev, m->nhosts > 1 ? store_host_name(m->reader, ev.host) : NULL);
		buf_str(b, ",\"causes\":");
		put_sides(b, m, event, true, true);
		buf_str(b, ",\"effects\":");
		put_sides(b, m, event, false, true);
		log_json(m, b, event);
		buf_char(b, '}');
	}
	(void)pthread_mutex_unlock(&m->lock);
}

/* --- the cone: all that led to it, or all that it led to --- */

struct cone {
	struct model *m;
	bool causes;
	uint32_t limit;
	uint32_t *events, count; /* breadth first; also the queue */
	struct map seen;
	struct buf arrows;
	const char *sep;
	bool truncated, failed;
};

static void cone_add(struct cone *c, uint32_t event)
{
	if (map_get(&c->seen, event))
		return;
	if (c->count == c->limit) {
		c->truncated = true;
		return;
	}
	c->failed = c->failed || map_set(&c->seen, event, 1) < 0;
	c->events[c->count++] = event;
}

static bool cone_step(void *arg, const struct order_edge *e)
{
	struct cone *c = arg;
	uint32_t from = model_find(c->m, e->from), to = model_find(c->m, e->to);

	if (from == NO_EVENT || to == NO_EVENT || e->ambiguous)
		return true;
	cone_add(c, c->causes ? from : to);
	if (e->kind == ORDER_PROGRAM || !map_get(&c->seen, c->causes ? from : to))
		return true;
	buf_printf(&c->arrows, "%s{\"from\":", c->sep);
	put_ref(&c->arrows, c->m, from);
	buf_str(&c->arrows, ",\"to\":");
	put_ref(&c->arrows, c->m, to);
	buf_printf(&c->arrows, ",\"kind\":\"%s\"}", order_kind_name(e->kind));
	c->sep = ",";
	return !c->failed;
}

static void cone_json(struct cone *c, struct buf *b)
{
	uint32_t i;

	for (i = 0; i < c->count && !c->failed; i++)
		(void)(c->causes ? order_causes : order_effects)(c->m->order, model_ref(c->m, c->events[i]), cone_step,
								 c);
	buf_str(b, "{\"events\":[");
	for (i = 0; i < c->count; i++) {
		buf_str(b, i ? ",{\"id\":" : "{\"id\":");
		put_ref(b, c->m, c->events[i]);
		place_json(b, c->m, c->events[i]);
		buf_char(b, '}');
	}
	buf_str(b, "],\"arrows\":[");
	if (c->arrows.len)
		buf_add(b, c->arrows.data, c->arrows.len);
	buf_printf(b, "],\"truncated\":%s}", c->truncated ? "true" : "false");
}

void answer_cone(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *dir = request_param(rq, "dir");
	double limit = CONE_DEFAULT;
	struct cone c = { .m = m, .causes = !dir || !strcmp(dir, "causes"), .seen = MAP_INIT, .sep = "" };
	uint32_t event;

	(void)s;
	if (!request_event(m, rq, "id", &event)) {
		response_error(rs, 404, "there is no such event: 'id' is HOST:ID");
		return;
	}
	if ((!c.causes && strcmp(dir, "effects") != 0) || !request_number(rq, "limit", &limit)) {
		response_error(rs, 400, "'dir' is causes or effects, 'limit' a number");
		return;
	}
	c.limit = limit < 1 ? 1 : limit > CONE_MAX ? CONE_MAX : (uint32_t)limit;
	c.events = malloc(c.limit * sizeof(*c.events));
	c.failed = !c.events;
	if (!c.failed) {
		cone_add(&c, event);
		cone_json(&c, &rs->body);
	}
	if (c.failed || c.arrows.failed)
		response_error(rs, 500, "out of memory");
	free(c.events);
	map_fini(&c.seen);
	buf_fini(&c.arrows);
}

/* --- the next --- */

struct neighbour {
	const struct model *m;
	bool next;
	uint32_t found;
};

static bool same_thread(void *arg, const struct order_edge *e)
{
	struct neighbour *n = arg;

	if (e->kind != ORDER_PROGRAM)
		return true;
	n->found = model_find(n->m, n->next ? e->to : e->from);
	return false;
}

/* By (clock, time): an order that extends happens-before. */
static uint32_t causal_neighbour(const struct model *m, uint32_t event, bool next)
{
	uint32_t i = m->clock_first[m->ev.clock[event]];

	while (i < m->ev.count && m->by_clock[i] != event)
		i++;
	if (next)
		return i + 1 < m->ev.count ? m->by_clock[i + 1] : NO_EVENT;
	return i ? m->by_clock[i - 1] : NO_EVENT;
}

void answer_step(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *dir = request_param(rq, "dir"), *axis = request_param(rq, "axis");
	struct neighbour n = { .m = m, .next = !dir || !strcmp(dir, "next"), .found = NO_EVENT };
	uint32_t event;

	(void)s;
	if (!request_event(m, rq, "id", &event)) {
		response_error(rs, 404, "there is no such event: 'id' is HOST:ID");
		return;
	}
	if ((!n.next && strcmp(dir, "prev") != 0) ||
	    (axis && strcmp(axis, "thread") != 0 && strcmp(axis, "causal") != 0)) {
		response_error(rs, 400, "'dir' is next or prev, 'axis' causal or thread");
		return;
	}
	if (axis && !strcmp(axis, "thread"))
		(void)(n.next ? order_effects : order_causes)(m->order, model_ref(m, event), same_thread, &n);
	else
		n.found = causal_neighbour(m, event, n.next);
	if (n.found == NO_EVENT) {
		buf_str(&rs->body, "{\"id\":null}");
		return;
	}
	buf_str(&rs->body, "{\"id\":");
	put_ref(&rs->body, m, n.found);
	place_json(&rs->body, m, n.found);
	buf_char(&rs->body, '}');
}
