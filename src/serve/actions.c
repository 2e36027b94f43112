/* SPDX-License-Identifier: Apache-2.0 */
/*
 * actions - what agents did to balancers, as recordings have it: each action with the events that it rests on, and with what was said of it
 * later (docs/design/api.md).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/internal.h"
#include "store/store.h"

#define ACTIONS_MAX 200 /* told at once */
#define EFFECTS_MAX 2000

struct effect_row {
	uint64_t key;
	uint32_t event, next; /* place of another one of the key, plus 1 */
};

struct effects {
	struct map by_key; /* key -> place of the last one, plus 1 */
	struct effect_row *rows;
	uint32_t count;
};

uint32_t actions_count(const struct model *m)
{
	uint32_t i, n = 0;

	for (i = 0; i < m->ev.count; i++)
		n += m->ev.type[i] == EVENT_ACTION;
	return n;
}

/* An action's number is its interface's and its host's. */
static uint64_t key_of(const struct model *m, uint32_t event, const struct event *ev, uint64_t number)
{
	const char *on = event_string(ev, 0);
	uint64_t h = map_hash(number) ^ model_host_of(m, event);

	for (; *on; on++)
		h = map_hash(h ^ (unsigned char)*on);
	return h;
}

static void effect_add(struct effects *f, struct model *m, uint32_t event)
{
	union event_room room;
	struct event ev;
	const uint64_t *last;
	uint64_t key;

	if (f->count == EFFECTS_MAX || model_fetch(m, event, &room, &ev, NULL) < 0)
		return;
	key = key_of(m, event, &ev, EVENT_AS(effect, &ev)->number);
	last = map_get(&f->by_key, key);
	f->rows[f->count] = (struct effect_row) { .key = key, .event = event, .next = last ? (uint32_t)*last : 0 };
	if (map_set(&f->by_key, key, f->count + 1) >= 0)
		f->count++;
}

/* The last EFFECTS_MAX of them. */
static void effects_find(struct effects *f, struct model *m)
{
	uint32_t i, all = 0, skip;

	for (i = 0; i < m->ev.count; i++)
		all += m->ev.type[i] == EVENT_EFFECT;
	skip = all > EFFECTS_MAX ? all - EFFECTS_MAX : 0;
	for (i = 0; i < m->ev.count; i++) {
		if (m->ev.type[i] == EVENT_EFFECT && skip)
			skip--;
		else if (m->ev.type[i] == EVENT_EFFECT)
			effect_add(f, m, i);
	}
}

static void event_head(struct buf *b, struct model *m, uint32_t event, const struct event *ev)
{
	buf_str(b, "{\"id\":");
	put_ref(b, m, event);
	buf_printf(b, ",\"t\":%" PRId64 ",\"lane\":%u,\"event\":", m->ev.t[event], m->ev.lane[event]);
	event_json(b, ev, m->nhosts > 1 ? store_host_name(m->reader, ev->host) : NULL);
}

/* From the last one back, so the page has the newest first; it wants the last. */
static void effects_json(struct buf *b, struct model *m, const struct effects *f, uint64_t key)
{
	const uint64_t *last = map_get(&f->by_key, key);
	uint32_t at = last ? (uint32_t)*last : 0;
	union event_room room;
	struct event ev;
	const char *sep = "";

	buf_str(b, ",\"effects\":[");
	for (; at; at = f->rows[at - 1].next) {
		if (model_fetch(m, f->rows[at - 1].event, &room, &ev, NULL) < 0)
			continue;
		buf_str(b, sep);
		event_head(b, m, f->rows[at - 1].event, &ev);
		buf_char(b, '}');
		sep = ",";
	}
	buf_char(b, ']');
}

static void action_json(struct buf *b, struct model *m, const struct effects *f, uint32_t event, const char **sep)
{
	union event_room room;
	struct event ev;
	uint64_t key;

	if (model_fetch(m, event, &room, &ev, NULL) < 0)
		return;
	key = key_of(m, event, &ev, EVENT_AS(action, &ev)->number);
	buf_str(b, *sep);
	event_head(b, m, event, &ev);
	buf_str(b, ",\"evidence\":");
	put_sides(b, m, event, true, false);
	effects_json(b, m, f, key);
	buf_char(b, '}');
	*sep = ",";
}

void answer_actions(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct effects f = { .rows = calloc(EFFECTS_MAX, sizeof(*f.rows)) };
	uint32_t all = actions_count(m), told = 0, i;
	struct buf *b = &rs->body;
	const char *sep = "";

	(void)s;
	(void)rq;
	if (!f.rows) {
		response_error(rs, 500, "out of memory");
		return;
	}
	(void)pthread_mutex_lock(&m->lock);
	effects_find(&f, m);
	buf_str(b, "{\"actions\":[");
	for (i = m->ev.count; i-- > 0 && told < ACTIONS_MAX;) {
		if (m->ev.type[i] != EVENT_ACTION)
			continue;
		action_json(b, m, &f, i, &sep);
		told++;
	}
	(void)pthread_mutex_unlock(&m->lock);
	buf_printf(b, "],\"left_out\":%u}", all - told);
	map_fini(&f.by_key);
	free(f.rows);
}
