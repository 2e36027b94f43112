/* SPDX-License-Identifier: Apache-2.0 */
/* answer - what there is: recordings, hosts, lanes, the story, and whether it grows. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/describe.h"
#include "explain/who.h"
#include "serve/internal.h"
#include "store/store.h"

#define LIVE_SECONDS 20
#define LABEL_MAX 240

void put_number(struct buf *b, const char *name, int64_t v)
{
	buf_str(b, name);
	if (v < 0)
		buf_char(b, '-');
	buf_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void put_ref(struct buf *b, const struct model *m, uint32_t event)
{
	buf_char(b, '"');
	buf_u64(b, model_host_of(m, event));
	buf_char(b, ':');
	buf_u64(b, model_id(m, event));
	buf_char(b, '"');
}

void put_type(struct buf *b, const struct model *m, uint32_t event)
{
	const struct event_type *type = event_types_get(store_types(m->reader), m->ev.type[event]);
	const char *name = type ? type->name : "unknown";

	buf_json(b, name, strlen(name));
}

int model_fetch(struct model *m, uint32_t event, union event_room *room, struct event *ret, struct err *err)
{
	return store_fetch(m->reader, model_host_of(m, event), model_id(m, event), room, sizeof(*room), ret, err);
}

void put_label(struct buf *b, struct model *m, const struct event *ev)
{
	struct buf text = BUF_INIT;
	const char *log = ev->type->id == EVENT_LOG ? event_string(ev, 0) : NULL;
	size_t at, len;

	if (log)
		buf_add(&text, log, strnlen(log, LABEL_MAX));
	else
		describe(&text, m->who, store_types(m->reader), ev);
	at = text.len && text.data[0] == ' ';
	len = text.len - at;
	/* not in the middle of a character */
	for (len = len > LABEL_MAX ? LABEL_MAX : len;
	     len && len < text.len - at && (text.data[at + len] & 0xc0) == 0x80;)
		len--;
	buf_json(b, text.data ? text.data + at : "", len);
	buf_fini(&text);
}

/* --- info --- */

static void bound_json(struct buf *b, const char *name, int64_t v)
{
	if (v == INT64_MIN || v == INT64_MAX)
		buf_printf(b, "\"%s\":null", name);
	else
		buf_printf(b, "\"%s\":%" PRId64, name, v);
}

static void host_json(struct buf *b, const struct model *m, uint32_t i)
{
	const struct model_host *h = &m->hosts[i];
	const char *name = store_host_name(m->reader, i);

	buf_printf(b, "%s{\"id\":%u,\"name\":", i ? "," : "", i);
	buf_json(b, name, strlen(name));
	buf_printf(b, ",\"lane\":%u,\"events\":%u,\"offset\":{", h->lane, h->count);
	bound_json(b, "low", h->low_ns);
	buf_char(b, ',');
	bound_json(b, "high", h->high_ns);
	buf_printf(b, ",\"shift\":%.0f}}", h->shift_first);
}

static void recordings_json(struct buf *b, const struct model *m, const struct serve *s)
{
	uint32_t i;

	buf_str(b, "\"recordings\":[");
	for (i = 0; i < m->nhosts; i++) {
		const char *dir = store_path(m->reader, i), *name = strrchr(dir, '/');

		name = name && name[1] ? name + 1 : dir;
		buf_str(b, i ? ",{\"name\":" : "{\"name\":");
		buf_json(b, name, strlen(name));
		buf_str(b, ",\"host\":");
		buf_json(b, store_host_name(m->reader, i), strlen(store_host_name(m->reader, i)));
		buf_str(b, ",\"dir\":");
		buf_json(b, dir, strlen(dir));
		buf_char(b, '}');
	}
	buf_str(b, "],\"hosts\":[");
	for (i = 0; i < m->nhosts; i++)
		host_json(b, m, i);
	buf_char(b, ']');
	(void)s;
}

static void growth_json(struct buf *b, const struct model *m, const struct serve *s, unsigned int generation)
{
	buf_printf(b,
		   "\"generation\":%u,\"span_ns\":%" PRId64 ",\"events\":%u,\"lost\":%" PRIu64
		   ",\"max_clock\":%u,\"live\":%s",
		   generation, m->span_ns, m->ev.count, m->lost, m->max_clock,
		   s->opts.live && m->growing && !s->failed ? "true" : "false");
	if (s->failed) { /* what is there is shown, and will not grow */
		buf_str(b, ",\"failure\":");
		buf_json(b, s->failure, strlen(s->failure));
	}
}

/* The names of the types that there are events of. */
static void types_json(struct buf *b, const struct model *m)
{
	CLEANUP_FREE bool *there = calloc(UINT16_MAX + 1, sizeof(*there));
	const char *sep = "";
	uint32_t i;

	buf_str(b, ",\"types\":[");
	for (i = 0; there && i < m->ev.count; i++)
		there[m->ev.type[i]] = true;
	for (i = 0; there && i <= UINT16_MAX; i++) {
		const struct event_type *type = there[i] ? event_types_get(store_types(m->reader), (uint16_t)i) : NULL;

		if (!type)
			continue;
		buf_str(b, sep);
		buf_json(b, type->name, strlen(type->name));
		sep = ",";
	}
	buf_char(b, ']');
}

void answer_info(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct buf *b = &rs->body;
	struct order_stats st;
	int i;

	(void)rq;
	order_get_stats(m->order, &st);
	buf_str(b, "{\"version\":\"" SAKER_VERSION "\",");
	recordings_json(b, m, s);
	buf_printf(b, ",\"t0\":\"%" PRIu64 "\",", m->t0_unix_ns);
	growth_json(b, m, s, m->generation);
	buf_printf(b, ",\"balancer\":%s", s->opts.lb ? "true" : "false");
	buf_printf(b, ",\"actions\":%u", actions_count(m));
	types_json(b, m);
	buf_printf(b, ",\"lanes\":%u,\"lanes_left_out\":%u,\"arrows\":%u,\"cycle\":%zu,\"kinds\":[", m->nlanes,
		   m->lanes_left_out, m->narrows, st.cycle);
	for (i = 0; i < ORDER_KINDS; i++)
		buf_printf(b, "%s{\"name\":\"%s\",\"edges\":%" PRIu64 "}", i ? "," : "", order_kind_name(i),
			   st.edges[i]);
	buf_str(b, "]}");
}

void answer_live(struct serve *s, const struct serve_request *rq, struct serve_response *rs)
{
	double generation = -1;
	unsigned int now;
	struct model *m;

	if (!request_number(rq, "generation", &generation)) {
		response_error(rs, 400, "'generation' is no number");
		return;
	}
	if (generation >= 0 && generation <= UINT32_MAX)
		serve_wait(s, (unsigned int)generation, LIVE_SECONDS);
	m = serve_hold(s, &now);
	if (!m) {
		response_error(rs, 503, "%s", s->failed ? s->failure : "the server ends");
		return;
	}
	buf_char(&rs->body, '{');
	growth_json(&rs->body, m, s, now);
	buf_char(&rs->body, '}');
	serve_drop(s, m);
}

void answer_story(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *requests = request_param(rq, "requests");

	/* with the line of the slow ones: that takes its time */
	if (requests && !strcmp(requests, "1") && m->payloads && !serve_derive(s, m, rs))
		return;
	(void)pthread_mutex_lock(&m->lock);
	buf_add(&rs->body, m->story.data, m->story.len);
	(void)pthread_mutex_unlock(&m->lock);
}

/* --- lanes --- */

static void lane_json(struct buf *b, const struct model *m, uint32_t lane)
{
	static const char *const kinds[] = { "host", "process", "thread" };
	const struct lane *l = &m->lanes[lane];

	buf_printf(b, "{\"id\":%u,\"kind\":\"%s\",\"parent\":", lane, kinds[l->kind]);
	if (l->parent == NO_LANE)
		buf_str(b, "null");
	else
		buf_u64(b, l->parent);
	buf_str(b, ",\"name\":");
	buf_json(b, l->name, strlen(l->name));
	buf_str(b, ",\"about\":");
	buf_json(b, l->about, strlen(l->about));
	buf_printf(b, ",\"host\":%u,\"pid\":%u,\"tid\":%u", l->host, l->pid, l->tid);
	if (l->first <= l->last)
		buf_printf(b, ",\"first\":%" PRId64 ",\"last\":%" PRId64, l->first, l->last);
	else
		buf_str(b, ",\"first\":null,\"last\":null");
	buf_printf(b, ",\"events\":%u,\"log_lines\":%u}", l->events, l->log_lines);
}

void answer_lanes(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *sep = "";
	uint32_t i;

	(void)s;
	(void)rq;
	buf_char(&rs->body, '[');
	for (i = 0; i < m->nlanes; i++) {
		uint32_t lane = m->drawing[i];

		if (!m->lanes[lane].events)
			continue;
		buf_str(&rs->body, sep);
		lane_json(&rs->body, m, lane);
		sep = ",";
	}
	buf_char(&rs->body, ']');
}
