/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/causes.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/critical.h"
#include "explain/dominant.h"
#include "explain/parts.h"
#include "explain/path.h"

#define SIGNIFICANT 0.01
#define SHOWN 6

/* --- whose doing it is --- */

/* `NAME[PID] had that CPU ..`: the length of NAME; 0: the text names no process. */
static size_t process_in(const char *blame)
{
	const char *open = strchr(blame, '[');

	for (; open; open = strchr(open + 1, '[')) {
		size_t digits = strspn(open + 1, "0123456789");

		if (digits && open[1 + digits] == ']')
			return (size_t)(open - blame);
	}
	return 0;
}

/* `NAME:PORT`: the length of NAME */
static size_t without_port(const char *service)
{
	const char *colon = strrchr(service, ':');

	return colon && colon != service && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")]
		       ? (size_t)(colon - service)
		       : strlen(service);
}

static bool on_the_way(unsigned int kind)
{
	return kind == TIME_SEND_QUEUE || kind == TIME_FLIGHT || kind == TIME_RETRANSMIT || kind == TIME_RECEIVE_QUEUE;
}

static void name_it(struct cause *c, const char *text, size_t len)
{
	len = len < CAUSE_WHO ? len : CAUSE_WHO - 1;
	memcpy(c->who, text, len);
	c->who[len] = 0;
}

/* The cause of that kind of the span's time: kind, who and held. */
static struct cause cause_of(const struct spans *s, const struct span *row, uint8_t kind)
{
	const char *blame = spans_text(s, row->blame), *service = spans_text(s, row->service);
	size_t process = process_in(blame);
	struct cause c = { .kind = kind };

	/* A blame is of the largest wait; requests_blame.c has its words. */
	if (process && kind == TIME_CPU_WAIT)
		c.held = strstr(blame, "] had that CPU ") != NULL;
	else if (process && kind == TIME_LOCK)
		c.held = strstr(blame, ", let go") != NULL;
	else if (process && kind == TIME_SLEEP)
		c.held = strstr(blame, ", had a lock ") != NULL;
	if (c.held && kind == TIME_SLEEP)
		c.kind = TIME_LOCK;
	if (on_the_way(kind) && row->kind == SPAN_CLIENT && row->peer)
		service = spans_text(s, row->peer);
	if (c.held)
		name_it(&c, blame, process);
	else
		name_it(&c, service, without_port(service));
	return c;
}

/* --- requests and what they have --- */

struct entry {
	uint32_t cause, request, row;
	uint64_t ns, most_ns; /* most_ns: of the span `row` */
};

struct work {
	const struct spans *s;
	struct cause *causes; /* each once */
	uint32_t ncauses, cap_causes;
	struct entry *entries; /* by cause, then request; once added up: one each */
	size_t count, cap;
};

/* Kinds and names are few.  UINT32_MAX: no memory. */
static uint32_t cause_at(struct work *w, const struct cause *c)
{
	uint32_t i;

	for (i = 0; i < w->ncauses; i++)
		if (w->causes[i].kind == c->kind && w->causes[i].held == c->held && !strcmp(w->causes[i].who, c->who))
			return i;
	if (w->ncauses == w->cap_causes) {
		uint32_t cap = w->cap_causes ? 2 * w->cap_causes : 64;
		struct cause *grown = realloc(w->causes, cap * sizeof(*grown));

		if (!grown)
			return UINT32_MAX;
		w->causes = grown;
		w->cap_causes = cap;
	}
	w->causes[w->ncauses] = *c;
	return w->ncauses++;
}

static int add(struct work *w, uint32_t request, uint32_t row, uint8_t kind, uint64_t ns)
{
	struct cause c = cause_of(w->s, &w->s->rows[row], kind);
	uint32_t at = cause_at(w, &c);

	if (w->count == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 1024;
		struct entry *grown = realloc(w->entries, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->entries = grown;
		w->cap = cap;
	}
	w->entries[w->count++] = (struct entry) { at, request, row, ns, ns };
	return at == UINT32_MAX ? -ENOMEM : 0;
}

static int add_path(struct work *w, const struct critical *c, uint32_t request)
{
	size_t i, n;
	int r = 0;

	for (i = 0; r >= 0 && i < c->npath; i++) {
		struct part parts[TIME_KINDS];
		size_t k;

		n = parts_of_span(w->s, c, i, parts);
		for (k = 0; r >= 0 && k < n; k++)
			r = add(w, request, c->path[i].row, parts[k].kind, parts[k].ns);
	}
	return r;
}

static int by_cause(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;

	if (a->cause != b->cause)
		return a->cause < b->cause ? -1 : 1;
	if (a->request != b->request)
		return a->request < b->request ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

/* One entry a cause and request. */
static void add_up(struct work *w)
{
	size_t i, n = 0;

	if (w->count)
		qsort(w->entries, w->count, sizeof(*w->entries), by_cause);
	for (i = 0; i < w->count; i++) {
		struct entry *last = n ? &w->entries[n - 1] : NULL, *e = &w->entries[i];

		if (!last || last->cause != e->cause || last->request != e->request) {
			w->entries[n++] = *e;
			continue;
		}
		last->ns += e->ns;
		if (e->most_ns > last->most_ns) {
			last->most_ns = e->most_ns;
			last->row = e->row;
		}
	}
	w->count = n;
}

/* --- slow against normal --- */

/* Entries [at, end) are one cause; slow and normal have room for a value of each request of the sets. */
static struct cause compare(const struct work *w, const struct dominant_sets *x, size_t at, size_t end, uint64_t *slow,
			    uint64_t *normal)
{
	uint32_t nslow = x->count - x->slow_from, nnormal = x->normal_to - x->normal_from;
	struct cause c = w->causes[w->entries[at].cause];
	uint64_t most = 0;
	double delta;

	c.row = w->entries[at].row;
	for (; at < end; at++) {
		const struct entry *e = &w->entries[at];

		if (e->request >= x->slow_from) {
			slow[nslow - ++c.slow] = e->ns;
			if (e->most_ns > most) {
				most = e->most_ns;
				c.row = e->row;
			}
		} else if (e->request >= x->normal_from && e->request < x->normal_to) {
			normal[nnormal - ++c.normal] = e->ns;
		}
	}
	c.slow_ns = dominant_values(slow, nslow, c.slow);
	c.normal_ns = dominant_values(normal, nnormal, c.normal);
	c.by_presence = (double)(c.slow + c.normal) * nslow / ((double)nslow + nnormal) < DOMINANT_DENSE;
	c.p = c.by_presence ? dominant_fisher(c.slow, nslow, c.normal, nnormal)
			    : dominant_whitney(slow, nslow, normal, nnormal, &delta);
	return c;
}

static int by_difference(const void *pa, const void *pb)
{
	const struct cause *a = pa, *b = pb;
	double x = a->slow_ns - a->normal_ns, y = b->slow_ns - b->normal_ns;

	if (x != y)
		return x > y ? -1 : 1;
	return a->kind != b->kind ? a->kind - b->kind : strcmp(a->who, b->who);
}

static double mean_duration(const struct work *w, const struct dominant_sets *x, uint32_t from, uint32_t to)
{
	double sum = 0;
	uint32_t i;

	for (i = from; i < to; i++) {
		const struct span *root = &w->s->rows[w->s->traces[x->traces[i]].root];

		sum += (double)(root->end_ns - root->begin_ns);
	}
	return to > from ? sum / (to - from) : 0;
}

static int compare_all(const struct work *w, const struct dominant_sets *x, struct causes *ret)
{
	CLEANUP_FREE uint64_t *slow = calloc(ret->slow + 1, sizeof(*slow)),
			      *normal = calloc(ret->normal + 1, sizeof(*normal));
	double more = mean_duration(w, x, x->slow_from, x->count) - mean_duration(w, x, x->normal_from, x->normal_to);
	size_t at, end, i, kept = 0;

	ret->list = calloc(w->ncauses + 1, sizeof(*ret->list));
	if (!slow || !normal || !ret->list)
		return -ENOMEM;
	for (at = 0; at < w->count; at = end) {
		for (end = at + 1; end < w->count && w->entries[end].cause == w->entries[at].cause;)
			end++;
		ret->list[ret->tested] = compare(w, x, at, end, slow, normal);
		ret->tested += ret->list[ret->tested].slow || ret->list[ret->tested].normal;
	}
	for (i = 0; i < ret->tested; i++) {
		struct cause c = ret->list[i];

		c.share = more > 0 ? (c.slow_ns - c.normal_ns) / more : 0;
		if (c.slow_ns > c.normal_ns && c.p < SIGNIFICANT / ret->tested)
			ret->list[kept++] = c;
	}
	ret->count = kept;
	qsort(ret->list, kept, sizeof(*ret->list), by_difference);
	return 0;
}

static int add_request(struct work *w, const struct dominant_sets *x, uint32_t request, struct err *err)
{
	struct critical c;
	int r = critical_find(w->s, w->s->traces[x->traces[request]].root, &c, err);

	if (r < 0)
		return r;
	r = add_path(w, &c, request);
	critical_fini(&c);
	return r;
}

int causes_of(const struct spans *s, const uint32_t *traces, size_t n, struct causes *ret, struct err *err)
{
	struct work w = { .s = s };
	struct dominant_sets x = { 0 };
	int r = dominant_sets(s, traces, n, &x);
	uint32_t i;

	*ret = (struct causes) { 0 };
	ret->slow = x.count - x.slow_from;
	ret->normal = x.normal_to - x.normal_from;
	ret->enough = ret->slow >= DOMINANT_ENOUGH && ret->normal >= DOMINANT_ENOUGH;
	for (i = 0; r >= 0 && ret->enough && i < x.count; i++)
		if (i >= x.slow_from || (i >= x.normal_from && i < x.normal_to))
			r = add_request(&w, &x, i, err);
	if (r >= 0 && ret->enough) {
		add_up(&w);
		r = compare_all(&w, &x, ret);
	}
	free(x.traces);
	free(w.causes);
	free(w.entries);
	if (r >= 0)
		return 0;
	causes_fini(ret);
	return err_set(err, ENOMEM, "out of memory for the causes of %zu requests", traces ? n : s->ntraces);
}

void causes_fini(struct causes *c)
{
	free(c->list);
	*c = (struct causes) { 0 };
}

/* --- words --- */

void cause_words(struct buf *b, const struct cause *c)
{
	const char *word = c->held ? " held by " : on_the_way(c->kind) ? " to or from " : ", ";

	buf_str(b, span_time_name((enum span_time)c->kind));
	buf_str(b, word);
	buf_text(b, c->who, strlen(c->who));
}

static void duration(struct buf *b, const char *sign, double ns)
{
	struct buf text = BUF_INIT;

	buf_str(&text, sign);
	path_duration(&text, (uint64_t)(fabs(ns) + 0.5));
	buf_printf(b, "%11s", text.data ? text.data : "");
	buf_fini(&text);
}

void causes_text(struct buf *b, const struct spans *s, const struct causes *c)
{
	size_t i;

	if (!c->enough)
		return;
	buf_str(b, "\nwhat the slow ones take longer, by its kind and by whose doing it is:\n");
	for (i = 0; i < c->count && i < SHOWN; i++) {
		const struct cause *x = &c->list[i];
		const struct span *row = &s->rows[x->row];
		const char *service = spans_text(s, row->service), *op = spans_text(s, row->operation),
			   *blame = spans_text(s, row->blame);

		buf_printf(b, "  %5.1f %%", 100 * x->share);
		duration(b, "+", x->slow_ns - x->normal_ns);
		buf_str(b, "  ");
		cause_words(b, x);
		buf_printf(b, " (in %u of %u slow, %u of %u normal)\n%21s such as ", x->slow, c->slow, x->normal,
			   c->normal, "");
		buf_text(b, service, strlen(service));
		buf_char(b, ' ');
		buf_text(b, op, strlen(op));
		if (*blame) {
			buf_str(b, ": ");
			buf_text(b, blame, strlen(blame));
		}
		buf_char(b, '\n');
	}
	if (!c->count)
		buf_str(b, "nothing that the numbers carry\n");
	buf_str(b, "times, and who had a CPU or let go a lock, are observed; that this is why they are slow is "
		   "inferred\n");
}

void causes_json(struct buf *b, const struct spans *s, const struct causes *c)
{
	size_t i;

	buf_char(b, '[');
	for (i = 0; i < c->count; i++) {
		const struct cause *x = &c->list[i];

		buf_printf(b, "%s{\"time\":\"%s\",\"held\":%s,\"who\":", i ? "," : "",
			   span_time_key((enum span_time)x->kind), x->held ? "true" : "false");
		buf_json(b, x->who, strlen(x->who));
		buf_printf(b,
			   ",\"slow\":%u,\"normal\":%u,\"slow_mean_ns\":%.0f,\"normal_mean_ns\":%.0f,\"share\":%.6f,"
			   "\"p\":%.6g,\"test\":\"%s\",\"span\":\"%016" PRIx64 "\"}",
			   x->slow, x->normal, x->slow_ns, x->normal_ns, x->share, x->p,
			   x->by_presence ? "fisher" : "mann-whitney", s->rows[x->row].id);
	}
	buf_char(b, ']');
}
