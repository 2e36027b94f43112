/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - /metrics for Prometheus: requests, errors and durations by service and operation, and Saker's own health, in its text
 * format 0.0.4, or as OpenMetrics 1.0 where that is asked for.
 *
 * The number of rows is bounded: operations beyond METRICS_SERIES are counted under `other` of their service, services beyond
 * METRICS_SERVICES under the service `other`, so nothing goes uncounted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/parts_kept.h"
#include "explain/requests.h"
#include "export/spans.h"
#include "serve/grow.h"
#include "serve/internal.h"
#include "store/store.h"

#define METRICS_SERIES 1000 /* rows by service, operation and kind */
#define METRICS_SERVICES 200
#define OPERATION_MAX 128 /* bytes of an operation's name */

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PLAIN "text/plain; version=0.0.4; charset=utf-8"

static const char other[] = "other";

static const uint64_t bounds_us[] = { 100,   250,    500,    1000,   2500,    5000,    10000,	25000,
				      50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };

struct metrics_row {
	char *service, *operation;
	uint8_t kind; /* enum span_kind */
	uint64_t count, errors, incomplete, sum_ns;
	uint64_t buckets[ARRAY_LEN(bounds_us)]; /* each for itself */
};

/* --- rates --- */

struct rating {
	struct model *m;
	struct map rows, services; /* hash -> place + 1 */
	struct err *err;
};

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = map_hash(h ^ (unsigned char)*text);
	return map_hash(h + 1);
}

/* The place of a key's row, by its hash; those that have the same one stand behind it.  NULL: there is none yet. */
static struct metrics_row *row_of(struct rating *rt, uint64_t *hash, const char *service, const char *operation,
				  uint8_t kind)
{
	const uint64_t *at;

	for (; (at = map_get(&rt->rows, *hash)); ++*hash) {
		struct metrics_row *row = &rt->m->rates[*at - 1];

		if (row->kind == kind && !strcmp(row->service, service) && !strcmp(row->operation, operation))
			return row;
	}
	return NULL;
}

static struct metrics_row *find(struct rating *rt, const char *service, const char *operation, uint8_t kind)
{
	uint64_t hash = hash_text(hash_text(kind, service), operation);
	struct model *m = rt->m;
	struct metrics_row *row = row_of(rt, &hash, service, operation, kind);

	if (row)
		return row;
	if (!map_get(&rt->services, hash_text(0, service)) && strcmp(service, other) != 0) {
		if (rt->services.count >= METRICS_SERVICES)
			return find(rt, other, other, kind);
		if (map_set(&rt->services, hash_text(0, service), 1) < 0)
			return NULL;
	}
	if (m->nrates >= METRICS_SERIES && strcmp(operation, other) != 0)
		return find(rt, service, other, kind);
	if (!GROW(m->rates, m->nrates, m->cap_rates))
		return NULL;
	row = &m->rates[m->nrates];
	*row = (struct metrics_row) { .service = strdup(service), .operation = strdup(operation), .kind = kind };
	m->nrates++;
	return row->service && row->operation && map_set(&rt->rows, hash, m->nrates) >= 0 ? row : NULL;
}

static void count(struct metrics_row *row, const struct spans *s, const struct span *span)
{
	uint64_t ns = span->end_ns > span->begin_ns ? span->end_ns - span->begin_ns : 0;
	size_t i;

	row->count++;
	row->errors += span_error(s, span);
	row->incomplete += (span->flags & SPAN_INCOMPLETE) != 0;
	row->sum_ns += ns;
	for (i = 0; i < ARRAY_LEN(bounds_us); i++) {
		if (ns <= bounds_us[i] * 1000) {
			row->buckets[i]++;
			return;
		}
	}
}

static int rate(struct rating *rt, const struct spans *s)
{
	struct buf name = BUF_INIT;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < s->count; i++) {
		const struct span *span = &s->rows[i];
		struct metrics_row *row;

		buf_reset(&name);
		span_name(s, span, &name);
		if (!name.failed && name.len > OPERATION_MAX)
			name.data[OPERATION_MAX] = 0;
		row = name.failed ? NULL : find(rt, spans_text(s, span->service), name.data, span->kind);
		if (row)
			count(row, s, span);
		else
			r = err_set(rt->err, ENOMEM, "out of memory for the rates of requests");
	}
	buf_fini(&name);
	return r;
}

int metrics_rates(struct model *m, const struct spans *s, struct err *err)
{
	struct rating rt = { .m = m, .err = err };
	int r = rate(&rt, s);

	map_fini(&rt.rows);
	map_fini(&rt.services);
	return r;
}

void metrics_free(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->nrates; i++) {
		free(m->rates[i].service);
		free(m->rates[i].operation);
	}
	free(m->rates);
	(void)parts_kept_free(m->parts);
	(void)requests_free(m->requests);
}

/* --- text --- */

struct writing {
	struct buf *b;
	bool open; /* OpenMetrics */
};

/* OpenMetrics has a counter's name without `_total` here. */
static void put_family(const struct writing *w, const char *name, const char *type, const char *help)
{
	const char *suffix = !strcmp(type, "counter") && !w->open ? "_total" : "";

	buf_printf(w->b, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

/* {service=...,operation=...,kind=... without its end. */
static void put_labels(struct buf *b, const char *name, const struct metrics_row *row)
{
	buf_printf(b, "%s{service=\"", name);
	buf_label(b, row->service);
	buf_str(b, "\",operation=\"");
	buf_label(b, row->operation);
	buf_printf(b, "\",kind=\"%s\"", span_kind_name((enum span_kind)row->kind));
}

static void put_seconds(struct buf *b, uint64_t ns)
{
	buf_printf(b, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
}

static void put_counts(const struct writing *w, const struct model *m, const char *name, const char *help, size_t field)
{
	char total[64];
	uint32_t i;

	put_family(w, name, "counter", help);
	(void)snprintf(total, sizeof(total), "%s_total", name);
	for (i = 0; i < m->nrates; i++) {
		put_labels(w->b, total, &m->rates[i]);
		buf_printf(w->b, "} %" PRIu64 "\n", *(const uint64_t *)((const char *)&m->rates[i] + field));
	}
}

static void put_durations(const struct writing *w, const struct model *m)
{
	static const char name[] = "saker_request_duration_seconds";
	uint32_t i;
	size_t k;

	put_family(w, name, "histogram",
		   "How long requests took, as their server (kind server) or their client saw them.");
	for (i = 0; i < m->nrates; i++) {
		const struct metrics_row *row = &m->rates[i];
		uint64_t below = 0;

		for (k = 0; k < ARRAY_LEN(bounds_us); k++) {
			below += row->buckets[k];
			put_labels(w->b, "saker_request_duration_seconds_bucket", row);
			buf_printf(w->b, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds_us[k] / 1e6, below);
		}
		put_labels(w->b, "saker_request_duration_seconds_bucket", row);
		buf_printf(w->b, ",le=\"+Inf\"} %" PRIu64 "\n", row->count);
		put_labels(w->b, "saker_request_duration_seconds_sum", row);
		buf_str(w->b, "} ");
		put_seconds(w->b, row->sum_ns);
		buf_char(w->b, '\n');
		put_labels(w->b, "saker_request_duration_seconds_count", row);
		buf_printf(w->b, "} %" PRIu64 "\n", row->count);
	}
}

/* --- health --- */

static void put_single(const struct writing *w, const char *name, const char *type, const char *help, uint64_t value)
{
	put_family(w, name, type, help);
	buf_printf(w->b, "%s%s %" PRIu64 "\n", name, strcmp(type, "counter") ? "" : "_total", value);
}

/* Losses of the kernel's rings by type of event; what had no room when requests were derived. */
static void put_losses(const struct writing *w, const struct model *m)
{
	const struct event_types *types = store_types(m->reader);
	struct map sums = MAP_INIT;
	const struct map_slot *slot;
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < m->nlosses; i++) {
		const uint64_t *had = map_get(&sums, m->losses[i].type);

		w->b->failed |= map_set(&sums, m->losses[i].type, (had ? *had : 0) + m->losses[i].count) < 0;
	}
	put_family(w, "saker_lost", "counter",
		   "What is missing: events that the kernel had no room for, facts of requests.");
	while ((slot = map_each(&sums, &at))) {
		const struct event_type *type = event_types_get(types, (uint16_t)slot->key);

		buf_str(w->b, "saker_lost_total{stage=\"kernel\",type=\"");
		buf_label(w->b, type ? type->name : "unknown");
		buf_printf(w->b, "\"} %" PRIu64 "\n", slot->value);
	}
	buf_printf(w->b, "saker_lost_total{stage=\"requests\",type=\"fact\"} %" PRIu64 "\n",
		   m->requests ? requests_left_out(m->requests) : 0);
	map_fini(&sums);
}

static void put_build(const struct writing *w)
{
	put_family(w, "saker_build_info", "gauge", "The version of Saker.");
	buf_str(w->b, "saker_build_info{version=\"" SAKER_VERSION "\"} 1\n");
}

static void put_health(const struct writing *w, const struct model *m)
{
	put_single(w, "saker_events", "counter", "Events in what is served.", m->ev.count);
	put_losses(w, m);
	put_single(w, "saker_damaged_blocks", "counter", "Blocks of recordings that are damaged and were left out.",
		   m->damaged_blocks);
	put_single(w, "saker_recording", "gauge", "Whether somebody is recording into what is served.", m->growing);
	put_family(w, "saker_recorder_cpu_seconds", "counter", "CPU time that recording took, by its own account.");
	buf_str(w->b, "saker_recorder_cpu_seconds_total{where=\"kernel\"} ");
	put_seconds(w->b, m->cost.kernel_ns);
	buf_str(w->b, "\nsaker_recorder_cpu_seconds_total{where=\"recorder\"} ");
	put_seconds(w->b, m->cost.user_ns);
	buf_char(w->b, '\n');
	put_single(w, "saker_recorder_memory_bytes", "gauge",
		   "The recorder's resident memory besides its rings, as it last told.", m->cost.rss_bytes);
}

/* m NULL: there is no recording */
void answer_metrics(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct writing w = { .b = &rs->body, .open = rq->accept && strstr(rq->accept, "application/openmetrics-text") };

	rs->type = w.open ? OPENMETRICS : PLAIN;
	if (!m) {
		put_build(&w);
		balancer_metrics(s, &rs->body, w.open);
		buf_str(&rs->body, w.open ? "# EOF\n" : "");
		return;
	}
	put_counts(&w, m, "saker_requests", "Requests, as their server or their client saw them.",
		   offsetof(struct metrics_row, count));
	put_counts(&w, m, "saker_request_errors", "Requests that failed, by what the answer says.",
		   offsetof(struct metrics_row, errors));
	put_counts(&w, m, "saker_requests_incomplete", "Requests that loss of events has touched.",
		   offsetof(struct metrics_row, incomplete));
	put_durations(&w, m);
	put_build(&w);
	put_health(&w, m);
	balancer_metrics(s, &rs->body, w.open);
	if (w.open)
		buf_str(&rs->body, "# EOF\n");
}
