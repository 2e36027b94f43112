/* SPDX-License-Identifier: Apache-2.0 */
/* Edges, messages without another end, and the offsets between the clocks of hosts. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/show.h"

static uint64_t sock_of(const struct event *ev)
{
	struct event_value v;
	int i = event_field_find(ev->type, "sock");

	if (i < 0)
		return 0;
	event_field_get(ev, &ev->type->fields[i], &v);
	return v.u64;
}

/* One end of an edge as a JSON object. */
static void end_json(struct show *s, const char *name, struct order_ref ref)
{
	const char *host = show_host(s, ref.host);
	struct event ev;
	int r = show_fetch(s, ref, &ev);

	if (r < 0) {
		s->res = r;
		return;
	}
	buf_printf(&s->line, "\"%s\":{", name);
	if (host) {
		buf_str(&s->line, "\"host\":");
		buf_json(&s->line, host, strlen(host));
		buf_char(&s->line, ',');
	}
	buf_printf(&s->line, "\"id\":%" PRIu64 ",\"type\":\"%s\",\"tgid\":%u,\"tid\":%u,\"sock\":%" PRIu64 "}", ref.id,
		   ev.type->name, ev.h->tgid, ev.h->tid, sock_of(&ev));
}

/* What is known of the time that the edge took; the two are one where both ends have one clock. */
static void latency_json(struct show *s, const struct order_edge *e)
{
	struct show_moment from, to;
	int64_t low, high;

	if (show_moments(s, e, &from, &to) && show_latency(s, &from, &to, &low, &high))
		buf_printf(&s->line, ",\"latency_low_ns\":%" PRId64 ",\"latency_high_ns\":%" PRId64, low, high);
}

void show_edge_json(struct show *s, const struct order_edge *e, unsigned int depth)
{
	buf_char(&s->line, '{');
	end_json(s, "from", e->from);
	buf_char(&s->line, ',');
	end_json(s, "to", e->to);
	buf_printf(&s->line, ",\"kind\":\"%s\",\"ambiguous\":%s,\"after_loss\":%s,\"offset\":%" PRIu64 ",\"bytes\":%u",
		   order_kind_name(e->kind), e->ambiguous ? "true" : "false", e->after_loss ? "true" : "false",
		   e->offset, e->bytes);
	if (e->early)
		buf_str(&s->line, ",\"early\":true");
	if (depth) {
		buf_printf(&s->line, ",\"depth\":%u", depth);
		latency_json(s, e);
	}
	buf_char(&s->line, '}');
}

static void edge_text(struct show *s, const struct order_edge *e)
{
	show_ref(s, e->from);
	buf_str(&s->line, e->ambiguous ? " ~> " : " -> ");
	show_ref(s, e->to);
	buf_printf(&s->line, "  %s", order_kind_name(e->kind));
	if (e->bytes)
		buf_printf(&s->line, ", %u bytes at offset %" PRIu64, e->bytes, e->offset);
	if (e->ambiguous)
		buf_str(&s->line, ", one of several candidates");
	if (e->early)
		buf_str(&s->line, ", before the call that sent it had ended");
	if (e->after_loss)
		buf_str(&s->line, ", beside a stretch with loss");
}

static bool edge_put(void *arg, const struct order_edge *e)
{
	struct show *s = arg;
	struct event ev;

	/* a query asks for the effect */
	if (s->query) {
		s->res = show_fetch(s, e->to, &ev);
		if (s->res < 0)
			return false;
		if (!query_match(s->query, &ev, &s->scope))
			return true;
	}
	buf_reset(&s->line);
	if (s->args->json)
		show_edge_json(s, e, 0);
	else
		edge_text(s, e);
	return s->res >= 0 && show_put(s);
}

/* Names that a query asks for are learnt before. */
static int learn_all(struct show *s)
{
	struct store_read_opts ro = { 0 };
	struct event_source *source;
	const struct event *ev;
	int r;

	if (!query_needs_scope(s->query))
		return 0;
	r = store_read(s->reader, &ro, &source, s->err);
	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, s->err)) > 0)
		who_learn(s->who, ev);
	event_source_close(source);
	return r;
}

int show_edges(struct show *s)
{
	int r = learn_all(s);

	if (r >= 0 && order_edges(s->order, false, edge_put, s) < 0)
		r = err_set(s->err, ENOMEM, "out of memory for the edges");
	return r < 0 ? r : s->res;
}

static bool unmatched_put(void *arg, struct order_ref ref, enum order_reason reason, uint64_t bytes)
{
	struct show *s = arg;

	buf_reset(&s->line);
	if (s->args->json) {
		buf_char(&s->line, '{');
		end_json(s, "event", ref);
		buf_printf(&s->line, ",\"bytes\":%" PRIu64 ",\"reason\":\"%s\"}", bytes, order_reason_text(reason));
	} else {
		show_ref(s, ref);
		buf_printf(&s->line, "  %" PRIu64 " bytes: %s", bytes, order_reason_text(reason));
	}
	return s->res >= 0 && show_put(s);
}

int show_unmatched(struct show *s)
{
	order_unmatched(s->order, unmatched_put, s);
	return s->res;
}

/* --- clocks --- */

bool show_moments(struct show *s, const struct order_edge *e, struct show_moment *from, struct show_moment *to)
{
	struct event ev;

	if (show_fetch(s, e->from, &ev) < 0)
		return false;
	*from = (struct show_moment) { ev.host, ev.boot_ns };
	/* a send's own time is its end, when bytes of it can have been received long ago */
	if (e->kind == ORDER_MESSAGE && ev.type->id == EVENT_SEND && EVENT_AS(send, &ev)->begin_ns)
		from->boot_ns = EVENT_AS(send, &ev)->begin_ns;
	if (show_fetch(s, e->to, &ev) < 0)
		return false;
	*to = (struct show_moment) { ev.host, ev.boot_ns };
	return true;
}

bool show_latency(struct show *s, const struct show_moment *from, const struct show_moment *to, int64_t *low,
		  int64_t *high)
{
	int64_t apart = (int64_t)(to->boot_ns - from->boot_ns);
	struct order_offset o;

	if (store_same_boot(s->reader, from->host, to->host)) {
		*low = *high = apart;
		return true;
	}
	if (order_host_offset(s->order, from->host, to->host, from->boot_ns, &o) < 0)
		return false;
	*low = apart - o.high_ns;
	*high = apart - o.low_ns;
	return true;
}

static void ns_text(struct buf *b, int64_t ns)
{
	double v = (double)ns;

	if (ns >= 1000000000 || ns <= -1000000000)
		buf_printf(b, "%.6f s", v / 1e9);
	else if (ns >= 1000000 || ns <= -1000000)
		buf_printf(b, "%.3f ms", v / 1e6);
	else
		buf_printf(b, "%.1f us", v / 1e3);
}

void show_latency_text(struct buf *b, int64_t low, int64_t high)
{
	ns_text(b, low);
	if (low == high)
		return;
	buf_str(b, " to ");
	ns_text(b, high);
}

static void bound_json(struct buf *b, const char *name, int64_t ns)
{
	buf_printf(b, ",\"%s\":", name);
	if (ns == INT64_MIN || ns == INT64_MAX)
		buf_str(b, "null");
	else
		buf_printf(b, "%" PRId64, ns);
}

static void bound_text(struct buf *b, int64_t ns)
{
	if (ns == INT64_MIN || ns == INT64_MAX)
		buf_str(b, "unknown");
	else
		ns_text(b, ns);
}

static void offset_json(struct show *s, uint32_t a, uint32_t b, const struct order_offset *o, uint64_t at_ns, bool same)
{
	buf_str(&s->line, "{\"a\":");
	buf_json(&s->line, store_host_name(s->reader, a), strlen(store_host_name(s->reader, a)));
	buf_str(&s->line, ",\"b\":");
	buf_json(&s->line, store_host_name(s->reader, b), strlen(store_host_name(s->reader, b)));
	buf_printf(&s->line,
		   ",\"same_clock\":%s,\"messages_ab\":%" PRIu64 ",\"messages_ba\":%" PRIu64 ",\"boot_ns\":%" PRIu64,
		   same ? "true" : "false", o->messages_ab, o->messages_ba, at_ns);
	bound_json(&s->line, "low_ns", o->low_ns);
	bound_json(&s->line, "high_ns", o->high_ns);
	buf_printf(&s->line, ",\"drift_low\":%.3f,\"drift_high\":%.3f}", o->drift_low, o->drift_high);
}

static void offset_text(struct show *s, uint32_t a, uint32_t b, const struct order_offset *o, uint64_t at_ns, bool same)
{
	uint64_t since = at_ns + store_host_epoch(s->reader, a) - s->first_unix_ns;

	buf_printf(&s->line, "%s - %s: ", store_host_name(s->reader, b), store_host_name(s->reader, a));
	if (same) {
		buf_str(&s->line, "one clock (the same boot of one machine)");
		return;
	}
	if (!o->messages_ab && !o->messages_ba) {
		buf_str(&s->line, "unknown: no message between them");
		return;
	}
	bound_text(&s->line, o->low_ns);
	buf_str(&s->line, " to ");
	bound_text(&s->line, o->high_ns);
	if (o->low_ns != INT64_MIN && o->high_ns != INT64_MAX) {
		buf_str(&s->line, ", ");
		ns_text(&s->line, o->high_ns - o->low_ns);
		buf_str(&s->line, " wide,");
	}
	buf_printf(&s->line, " at %+.3f s, drift %.1f to %.1f ns/s, from %" PRIu64 " and %" PRIu64 " messages",
		   (double)since / 1e9, o->drift_low, o->drift_high, o->messages_ab, o->messages_ba);
}

static void offset_line(struct show *s, uint32_t a, uint32_t b)
{
	bool same = store_same_boot(s->reader, a, b);
	struct order_offset o = { 0 };
	uint64_t at_ns = s->first_unix_ns - store_host_epoch(s->reader, a);

	if (!same)
		(void)order_host_offset_best(s->order, a, b, &at_ns, &o);
	buf_reset(&s->line);
	if (s->args->json)
		offset_json(s, a, b, &o, at_ns, same);
	else
		offset_text(s, a, b, &o, at_ns, same);
}

/* Boot-time clock of b minus that of a. */
int show_offsets(struct show *s)
{
	uint32_t hosts = store_hosts(s->reader), a, b;

	if (hosts < 2)
		return err_set(s->err, EINVAL, "one recording has one clock: name the recordings of several hosts");
	for (a = 0; a < hosts; a++) {
		for (b = a + 1; b < hosts; b++) {
			offset_line(s, a, b);
			if (!show_put(s))
				return s->res;
		}
	}
	return 0;
}
