/* SPDX-License-Identifier: Apache-2.0 */
/* groups_json - two groups of requests in a sentence, and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "explain/groups.h"
#include "explain/path.h"

#define SHOWN 60	   /* differences; attributes */
#define ALSO_SHOWN 20	   /* attributes of the same requests */
#define SERVICES_SHOWN 60  /* of a group */
#define SENTENCE_SHARE 0.2 /* of the difference that a part must make to be named as the reason */

/* --- a sentence --- */

static void duration(struct buf *b, double ns)
{
	path_duration(b, (uint64_t)(fabs(ns) + 0.5));
}

static void counted(struct buf *b, uint32_t n, const char *one, const char *many)
{
	char text[BUF_THOUSANDS];

	buf_str(b, buf_thousands(text, n));
	buf_char(b, ' ');
	buf_str(b, n == 1 ? one : many);
}

static void the_one(struct buf *b, const struct groups *g)
{
	if (g->percent)
		buf_printf(b, "the slowest %u %% (", g->percent);
	else
		buf_str(b, "the chosen ones (");
	counted(b, g->one.count, "request", "requests");
	buf_str(b, g->one.count == 1 && !g->percent ? ") takes " : ") take ");
}

static void the_other(struct buf *b, const struct groups *g)
{
	buf_str(b, g->percent ? "normal ones (" : "the others (");
	counted(b, g->other.count, "request", "requests");
	buf_char(b, ')');
}

/* The largest part of the difference, if it is large enough to be the reason; one that the test carries goes before. */
static const struct dominant_effect *reason(const struct groups *g)
{
	size_t i;

	for (i = 0; i < g->d.neffects; i++)
		if (g->d.effects[i].share >= SENTENCE_SHARE && g->d.effects[i].carried)
			return &g->d.effects[i];
	for (i = 0; i < g->d.neffects && !g->d.enough; i++)
		if (g->d.effects[i].share >= SENTENCE_SHARE)
			return &g->d.effects[i];
	return NULL;
}

/* What it says: a text of the spans, or a number. */
static void value_text(struct buf *b, const struct spans *s, const struct group_attribute *a)
{
	const char *text = spans_text(s, a->value);
	struct span_attribute word;

	if (group_word(s, a, &word))
		buf_add(b, word.text, word.text_len);
	else if (a->key == ATTRIBUTE_STATUS || a->key == ATTRIBUTE_HOST || a->key == ATTRIBUTE_PROCESS)
		buf_printf(b, "%d", (int32_t)a->value);
	else
		buf_str(b, text);
}

static void key_text(struct buf *b, const struct spans *s, const struct group_attribute *a)
{
	struct span_attribute word;

	if (group_word(s, a, &word))
		buf_add(b, word.key, word.key_len);
	else
		buf_str(b, group_attribute_name(a->key));
}

/* `; 30 of 30 have resource /slow of back, 2 of 500 of the others` */
static void attribute_words(struct buf *b, const struct groups *g, const struct group_attribute *a)
{
	const char *service = spans_text(g->s, a->service);
	struct buf said = BUF_INIT;

	key_text(&said, g->s, a);
	buf_char(&said, ' ');
	value_text(&said, g->s, a);
	buf_printf(b, "; %u of %u have ", a->one, g->one.count);
	buf_text(b, said.data ? said.data : "", said.len);
	b->failed |= said.failed;
	buf_fini(&said);
	if (a->key != ATTRIBUTE_SERVICE && a->key != ATTRIBUTE_HOST) {
		buf_str(b, " at ");
		buf_text(b, service, strlen(service));
	}
	buf_printf(b, ", of the others %u of %u", a->other, g->other.count);
}

bool groups_sentence(struct buf *b, const struct groups *g)
{
	double more = g->one.mean_ns - g->other.mean_ns;
	const struct dominant_effect *e = reason(g);

	if (!g->one.count || !g->other.count) {
		buf_str(b, !g->one.count && g->percent ? "too few requests for a group of slow ones"
			   : !g->one.count	       ? "no request is in the chosen group"
						       : "there is no other request to compare with");
		return false;
	}
	the_one(b, g);
	if (!(fabs(more) >= 0.5)) {
		buf_str(b, "as long as ");
		the_other(b, g);
		return false;
	}
	duration(b, more);
	buf_str(b, more > 0 ? " longer than " : " less than ");
	the_other(b, g);
	buf_str(b, " on average, ");
	if (!e) {
		buf_str(b, "and no part of their time stands out as the reason");
	} else {
		if (e->share < 0.95)
			buf_printf(b, "%.0f %% of that ", 100 * e->share);
		dominant_because(b, g->s, e);
	}
	if (g->nattributes)
		attribute_words(b, g, &g->attributes[0]);
	return e && e->carried;
}

/* --- JSON --- */

static void text_json(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, "%s:", name);
	buf_json(b, text, strlen(text));
}

static void trace_json(struct buf *b, const struct groups *g, uint32_t trace)
{
	buf_char(b, '"');
	path_trace_id(b, &g->s->rows[g->s->traces[trace].root]);
	buf_char(b, '"');
}

/* A service's time in a group, by kind. */
struct service_time {
	uint32_t service;
	uint64_t ns, kind_ns[TIME_KINDS], most_ns[TIME_KINDS];
	uint32_t trace[TIME_KINDS];
};

static int by_time(const void *a, const void *b)
{
	const struct service_time *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return x->service < y->service ? -1 : x->service > y->service;
}

static int by_service(const void *a, const void *b)
{
	const struct dominant_share *x = a, *y = b;

	return x->service < y->service ? -1 : x->service > y->service;
}

/* Out has room for n; the shares are put in another order. */
static size_t sum_services(struct dominant_share *shares, size_t n, struct service_time *out)
{
	size_t i, count = 0;

	if (n)
		qsort(shares, n, sizeof(*shares), by_service);
	for (i = 0; i < n; i++) {
		struct service_time *t = count ? &out[count - 1] : NULL;
		uint8_t k = shares[i].kind;

		if (!t || t->service != shares[i].service) {
			t = &out[count++];
			*t = (struct service_time) { .service = shares[i].service };
		}
		t->ns += shares[i].ns;
		t->kind_ns[k] += shares[i].ns;
		if (shares[i].most_ns >= t->most_ns[k]) {
			t->most_ns[k] = shares[i].most_ns;
			t->trace[k] = shares[i].trace;
		}
	}
	if (count)
		qsort(out, count, sizeof(*out), by_time);
	return count;
}

static void times_json(struct buf *b, const struct groups *g, const struct service_time *t, uint32_t requests)
{
	const char *sep = "";
	unsigned int k;

	buf_str(b, "\"times\":[");
	for (k = 0; k < TIME_KINDS; k++) {
		if (!t->kind_ns[k])
			continue;
		buf_printf(b, "%s{\"time\":\"%s\",\"ns\":%.0f,\"trace\":", sep, span_time_key((enum span_time)k),
			   (double)t->kind_ns[k] / requests);
		trace_json(b, g, t->trace[k]);
		buf_char(b, '}');
		sep = ",";
	}
	buf_char(b, ']');
}

static void service_json(struct buf *b, const struct groups *g, const struct service_time *t, uint32_t requests)
{
	text_json(b, "{\"service\"", spans_text(g->s, t->service));
	buf_printf(b, ",\"ns\":%.0f,", (double)t->ns / requests);
	times_json(b, g, t, requests);
	buf_char(b, '}');
}

/* What all services have together. */
static struct service_time sum_all(const struct service_time *services, size_t n)
{
	struct service_time all = { 0 };
	unsigned int k;
	size_t i;

	for (i = 0; i < n; i++) {
		for (k = 0; k < TIME_KINDS; k++) {
			all.kind_ns[k] += services[i].kind_ns[k];
			if (services[i].most_ns[k] < all.most_ns[k] || !services[i].kind_ns[k])
				continue;
			all.most_ns[k] = services[i].most_ns[k];
			all.trace[k] = services[i].trace[k];
		}
	}
	return all;
}

static void group_json(struct buf *b, const struct groups *g, const struct group *group, struct dominant_share *shares,
		       size_t n)
{
	struct service_time *services = calloc(n + 1, sizeof(*services));
	size_t i, count = services ? sum_services(shares, n, services) : 0;
	struct service_time all = sum_all(services, count);

	b->failed |= !services;
	buf_printf(b,
		   "{\"requests\":%u,\"left_out\":%u,\"min_ns\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64
		   ",\"mean_ns\":%.0f,\"typical\":",
		   group->count, group->left_out, group->min_ns, group->p50_ns, group->max_ns, group->mean_ns);
	if (group->count)
		trace_json(b, g, group->traces[(group->count - 1) / 2]);
	else
		buf_str(b, "null");
	buf_char(b, ',');
	times_json(b, g, &all, group->count);
	buf_str(b, ",\"services\":[");
	for (i = 0; i < count && i < SERVICES_SHOWN; i++) {
		buf_str(b, i ? "," : "");
		service_json(b, g, &services[i], group->count);
	}
	buf_printf(b, "],\"services_left_out\":%zu}", count - i);
	free(services);
}

/* The trace that a span belongs to. */
static void trace_of_json(struct buf *b, const struct groups *g, uint32_t row)
{
	size_t steps;

	for (steps = 0; g->s->rows[row].parent != SPAN_NONE && steps < g->s->count; steps++)
		row = g->s->rows[row].parent;
	buf_char(b, '"');
	path_trace_id(b, &g->s->rows[row]);
	buf_char(b, '"');
}

static void differences_json(struct buf *b, const struct groups *g)
{
	size_t i;

	buf_str(b, ",\"differences\":[");
	for (i = 0; i < g->d.neffects && i < SHOWN; i++) {
		const struct dominant_effect *e = &g->d.effects[i];

		buf_str(b, i ? "," : "");
		text_json(b, "{\"service\"", spans_text(g->s, e->service));
		text_json(b, ",\"operation\"", spans_text(g->s, e->operation));
		buf_printf(b,
			   ",\"time\":\"%s\",\"one\":%u,\"other\":%u,\"one_ns\":%.0f,\"other_ns\":%.0f,\"share\":%.6f,"
			   "\"p\":%.6g,\"test\":\"%s\",\"inferred\":%s,\"trace\":",
			   span_time_key((enum span_time)e->kind), e->slow, e->normal, e->slow_ns, e->normal_ns,
			   e->share, e->p, e->by_presence ? "fisher" : "mann-whitney", e->carried ? "true" : "false");
		trace_of_json(b, g, e->row);
		buf_char(b, '}');
	}
	buf_printf(b, "],\"differences_left_out\":%zu", g->d.neffects - i);
}

struct host_names {
	const char *(*name)(void *arg, uint32_t host);
	void *arg;
};

static void attribute_json(struct buf *b, const struct groups *g, const struct group_attribute *a,
			   const struct host_names *hosts)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	const char *name = a->key == ATTRIBUTE_HOST && hosts->name ? hosts->name(hosts->arg, a->value) : NULL;

	if (name && *name)
		buf_str(&value, name);
	else
		value_text(&value, g->s, a);
	key_text(&key, g->s, a);
	text_json(b, "{\"service\"", spans_text(g->s, a->service));
	text_json(b, ",\"attribute\"", key.data ? key.data : "");
	text_json(b, ",\"value\"", value.data ? value.data : "");
	b->failed |= value.failed || key.failed;
	buf_fini(&key);
	buf_fini(&value);
}

/* Those that follow and are of the same requests.  Returns the place behind them. */
static size_t also_json(struct buf *b, const struct groups *g, size_t i, const struct host_names *hosts)
{
	size_t shown = 0, left_out = 0;

	buf_str(b, ",\"also\":[");
	for (; i < g->nattributes && g->attributes[i].repeated; i++) {
		if (shown == ALSO_SHOWN) {
			left_out++;
			continue;
		}
		buf_str(b, shown++ ? "," : "");
		attribute_json(b, g, &g->attributes[i], hosts);
		buf_char(b, '}');
	}
	buf_printf(b, "],\"also_left_out\":%zu", left_out);
	return i;
}

static void attributes_json(struct buf *b, const struct groups *g, const struct host_names *hosts)
{
	size_t i = 0, shown = 0, left_out = 0;
	uint32_t k;

	buf_str(b, ",\"attributes\":[");
	while (i < g->nattributes) {
		const struct group_attribute *a = &g->attributes[i++];

		if (shown == SHOWN) {
			left_out++;
			continue;
		}
		buf_str(b, shown++ ? "," : "");
		attribute_json(b, g, a, hosts);
		buf_printf(b, ",\"one\":%u,\"other\":%u,\"p\":%.6g,\"traces\":[", a->one, a->other, a->p);
		for (k = 0; k < a->nexamples; k++) {
			buf_str(b, k ? "," : "");
			trace_json(b, g, a->examples[k]);
		}
		buf_char(b, ']');
		i = also_json(b, g, i, hosts);
		buf_char(b, '}');
	}
	buf_printf(b, "],\"attributes_left_out\":%zu,\"attributes_tested\":%u,\"attributes_without_room\":%u", left_out,
		   g->tested, g->left_out);
}

void groups_json(struct buf *b, const struct groups *g, const char *(*host_name)(void *arg, uint32_t host), void *arg)
{
	const struct host_names hosts = { host_name, arg };
	struct buf said = BUF_INIT;
	bool inferred = groups_sentence(&said, g);

	text_json(b, "{\"sentence\"", said.data ? said.data : "");
	b->failed |= said.failed;
	buf_fini(&said);
	buf_printf(b,
		   ",\"inferred\":%s,\"percent\":%u,\"enough\":%s,\"tested\":%u,\"one\":", inferred ? "true" : "false",
		   g->percent, g->d.enough ? "true" : "false", g->d.tested);
	group_json(b, g, &g->one, g->d.tail_shares, g->d.ntail);
	buf_str(b, ",\"other\":");
	group_json(b, g, &g->other, g->d.median_shares, g->d.nmedian);
	differences_json(b, g);
	attributes_json(b, g, &hosts);
	buf_char(b, '}');
}
