/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "explain/dominant.h"
#include "explain/path.h"

#define SHOWN 8
#define SENTENCE_SHARE 0.2 /* of the difference that a part must make to be named as the reason */

static void name(struct buf *b, const struct spans *s, uint32_t service, uint32_t operation, uint8_t kind)
{
	const char *at = spans_text(s, service), *op = spans_text(s, operation);

	buf_text(b, at, strlen(at));
	if (*op) {
		buf_char(b, ' ');
		buf_text(b, op, strlen(op));
	}
	buf_printf(b, ": %s", span_time_name((enum span_time)kind));
}

static void duration(struct buf *b, int width, const char *sign, double ns)
{
	struct buf text = BUF_INIT;

	buf_str(&text, sign);
	path_duration(&text, (uint64_t)(fabs(ns) + 0.5));
	buf_printf(b, "%*s", width, text.data ? text.data : "");
	buf_fini(&text);
}

static void thousands(struct buf *b, uint64_t n)
{
	char text[BUF_THOUSANDS];

	buf_str(b, buf_thousands(text, n));
}

static void shares(struct buf *b, const struct spans *s, const struct dominant_share *list, size_t n, uint32_t requests)
{
	size_t i;

	for (i = 0; i < n && i < SHOWN && list[i].share >= 0.005; i++) {
		buf_printf(b, "  %5.1f %%", 100 * list[i].share);
		duration(b, 11, "", (double)list[i].ns / requests);
		buf_str(b, "  ");
		name(b, s, list[i].service, list[i].operation, list[i].kind);
		if (list[i].requests != requests)
			buf_printf(b, " (in %u of %u)", list[i].requests, requests);
		buf_char(b, '\n');
	}
}

static void effects(struct buf *b, const struct spans *s, const struct dominant *d)
{
	size_t i;

	if (!d->enough) {
		buf_printf(b,
			   "\ntoo few requests to say what distinguishes the slow ones: that needs %u of them in the "
			   "slowest 10 %%\n",
			   DOMINANT_ENOUGH);
		return;
	}
	buf_printf(b, "\nwhat distinguishes the slowest %u %% (%u, from ", d->slow_percent, d->slow);
	path_duration(b, d->slow_from_ns);
	buf_printf(b, " on) from the normal ones (%u, between the quartiles); on average:\n", d->normal);
	buf_printf(b, "%11s%11s%11s\n", "slow", "normal", "more");
	duration(b, 11, "", d->slow_mean_ns);
	duration(b, 11, "", d->normal_mean_ns);
	duration(b, 11, "+", d->slow_mean_ns - d->normal_mean_ns);
	buf_str(b, "  all\n");
	for (i = 0; i < d->neffects && i < SHOWN; i++) {
		const struct dominant_effect *e = &d->effects[i];

		duration(b, 11, "", e->slow_ns);
		duration(b, 11, "", e->normal_ns);
		duration(b, 11, e->slow_ns >= e->normal_ns ? "+" : "-", e->slow_ns - e->normal_ns);
		buf_str(b, "  ");
		name(b, s, e->service, e->operation, e->kind);
		buf_printf(b, " (in %u of %u slow, %u of %u normal)\n", e->slow, d->slow, e->normal, d->normal);
	}
	if (d->neffects > SHOWN)
		buf_printf(b, "%zu smaller differences\n", d->neffects - SHOWN);
	if (!d->neffects)
		buf_str(b, "nothing that the numbers carry\n");
	buf_printf(b,
		   "inferred: %u parts tested (Mann-Whitney, or Fisher's exact test where few requests have the part; "
		   "two-sided, "
		   "p < 0.01 / %u)\n",
		   d->tested, d->tested);
}

void dominant_text(struct buf *b, const struct spans *s, const struct dominant *d)
{
	thousands(b, d->requests);
	buf_str(b, d->requests == 1 ? " request: p50 " : " requests: p50 ");
	path_duration(b, d->p50_ns);
	buf_str(b, ", p90 ");
	path_duration(b, d->p90_ns);
	buf_str(b, ", p99 ");
	path_duration(b, d->p99_ns);
	buf_str(b, ", slowest ");
	path_duration(b, d->max_ns);
	buf_char(b, '\n');
	if (d->left_out)
		buf_printf(b, "%u more have no beginning or no end in the recording, or need no answer\n", d->left_out);
	if (!d->requests)
		return;
	buf_printf(b, "\nthe time on the critical path around the median (%u requests), on average:\n", d->median);
	shares(b, s, d->median_shares, d->nmedian, d->median);
	buf_printf(b, "\nand of the slowest 1 %% (%u):\n", d->tail);
	shares(b, s, d->tail_shares, d->ntail, d->tail);
	effects(b, s, d);
}

static void key_json(struct buf *b, const struct spans *s, uint32_t service, uint32_t operation, uint8_t kind)
{
	buf_str(b, "{\"service\":");
	buf_json(b, spans_text(s, service), strlen(spans_text(s, service)));
	buf_str(b, ",\"operation\":");
	buf_json(b, spans_text(s, operation), strlen(spans_text(s, operation)));
	buf_printf(b, ",\"time\":\"%s\"", span_time_key((enum span_time)kind));
}

static void shares_json(struct buf *b, const struct spans *s, const char *key, const struct dominant_share *list,
			size_t n, uint32_t requests)
{
	size_t i;

	buf_printf(b, ",\"%s\":{\"requests\":%u,\"parts\":[", key, requests);
	for (i = 0; i < n; i++) {
		buf_str(b, i ? "," : "");
		key_json(b, s, list[i].service, list[i].operation, list[i].kind);
		buf_printf(b, ",\"requests\":%u,\"ns\":%" PRIu64 ",\"share\":%.6f}", list[i].requests, list[i].ns,
			   list[i].share);
	}
	buf_str(b, "]}");
}

void dominant_members_json(struct buf *b, const struct spans *s, const struct dominant *d)
{
	size_t i;

	buf_printf(b,
		   "\"requests\":%u,\"left_out\":%u,\"p50_ns\":%" PRIu64 ",\"p90_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64
		   ",\"max_ns\":%" PRIu64,
		   d->requests, d->left_out, d->p50_ns, d->p90_ns, d->p99_ns, d->max_ns);
	shares_json(b, s, "median", d->median_shares, d->nmedian, d->median);
	shares_json(b, s, "slowest", d->tail_shares, d->ntail, d->tail);
	buf_printf(b,
		   ",\"enough\":%s,\"slow\":%u,\"normal\":%u,\"slow_percent\":%u,\"slow_from_ns\":%" PRIu64
		   ",\"slow_mean_ns\":%.0f,\"normal_mean_ns\":%.0f,\"tested\":%u,\"effects\":[",
		   d->enough ? "true" : "false", d->slow, d->normal, d->slow_percent, d->slow_from_ns, d->slow_mean_ns,
		   d->normal_mean_ns, d->tested);
	for (i = 0; i < d->neffects; i++) {
		const struct dominant_effect *e = &d->effects[i];

		buf_str(b, i ? "," : "");
		key_json(b, s, e->service, e->operation, e->kind);
		buf_printf(b,
			   ",\"slow\":%u,\"normal\":%u,\"slow_mean_ns\":%.0f,\"normal_mean_ns\":%.0f,\"share\":%.6f,"
			   "\"delta\":%.6f,"
			   "\"p\":%.6g,\"test\":\"%s\",\"span\":\"%016" PRIx64 "\"}",
			   e->slow, e->normal, e->slow_ns, e->normal_ns, e->share, e->delta, e->p,
			   e->by_presence ? "fisher" : "mann-whitney", s->rows[e->row].id);
	}
	buf_char(b, ']');
}

void dominant_json(struct buf *b, const struct spans *s, const struct dominant *d)
{
	buf_char(b, '{');
	dominant_members_json(b, s, d);
	buf_char(b, '}');
}

void dominant_because(struct buf *b, const struct spans *s, const struct dominant_effect *e)
{
	const char *blame = spans_text(s, s->rows[e->row].blame);

	buf_str(b, "because of ");
	name(b, s, e->service, e->operation, e->kind);
	buf_str(b, " (");
	duration(b, 0, "", e->slow_ns);
	buf_str(b, " instead of ");
	duration(b, 0, "", e->normal_ns);
	buf_char(b, ')');
	if (*blame) {
		buf_str(b, "; in the slowest of them ");
		buf_text(b, blame, strlen(blame));
	}
}

bool dominant_sentence(struct buf *b, const struct spans *s, const struct dominant *d, uint32_t *ret_row)
{
	const struct dominant_effect *e = NULL;
	size_t i;

	for (i = 0; i < d->neffects && !e; i++)
		if (d->effects[i].slow_ns > d->effects[i].normal_ns && d->effects[i].share >= SENTENCE_SHARE)
			e = &d->effects[i];
	if (!e || e->kind == TIME_UNKNOWN) /* what nobody saw is no reason: a connection that stays silent on purpose */
		return false;
	buf_printf(b, "the slowest %u %% of ", d->slow_percent);
	thousands(b, d->requests);
	buf_str(b, " requests take ");
	duration(b, 0, "", d->slow_mean_ns - d->normal_mean_ns);
	buf_str(b, " longer than normal ones, ");
	if (e->share < 0.95)
		buf_printf(b, "%.0f %% of that ", 100 * e->share);
	dominant_because(b, s, e);
	*ret_row = e->row;
	return true;
}
