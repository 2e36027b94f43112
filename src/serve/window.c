/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - what is to be drawn of a stretch of time, or of logical time: the rows that are visible, and all that lies on
 * lanes folded into them.
 *
 * A row with few events gets each of them, one with many gets bins that count them.  Answers are bounded by MARKS_MAX and
 * bundle.h, whatever the recording's size.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "serve/bundle.h"
#include "serve/internal.h"
#include "store/store.h"

#define ROWS_MAX 2048
#define MARKS_MAX 20000
#define PX_MAX 8192
#define PX_DEFAULT 1200
#define LABELS_MAX 2000	    /* events with labels; each is fetched from its recording */
#define LABEL_BLOCKS_MAX 40 /* blocks that are read for them */

struct bin {
	uint32_t n, log, trouble;
};

struct row {
	uint32_t lane;
	uint32_t count; /* events within */
	uint32_t first; /* of them in window.events; only where each is shown */
	bool each;
};

struct window {
	struct model *m;
	double from, to, width; /* width: of a bin */
	uint32_t low, high;	/* events on the axis */
	uint32_t nrows, nbins, px;
	bool logical;
	struct row *rows;
	uint32_t *row_of;	/* by lane; NO_LANE: not visible */
	struct bin *bins;	/* by row, then bin */
	uint32_t *events;	/* that are shown each, by row, then time */
	const uint64_t *filter; /* bits of the events that are asked for; NULL: all */
	uint64_t total;
	uint32_t labels;
	uint64_t blocks;
};

static uint32_t event_at(const struct window *w, uint32_t i)
{
	return w->logical ? w->m->by_clock[i] : i;
}

static int64_t x_of(const struct window *w, uint32_t event)
{
	return w->logical ? w->m->ev.clock[event] : w->m->ev.t[event];
}

static bool asked(const struct window *w, uint32_t event)
{
	return !w->filter || bit_at(w->filter, event);
}

/* --- what is asked --- */

static uint32_t clock_at(const struct model *m, double clock)
{
	if (clock <= 0)
		return 0;
	return clock > m->max_clock ? m->ev.count : m->clock_first[(uint32_t)clock];
}

static void set_range(struct window *w)
{
	if (w->logical) {
		w->low = clock_at(w->m, w->from);
		w->high = clock_at(w->m, w->to);
	} else {
		w->low = model_at(w->m, (int64_t)w->from);
		w->high = model_at(w->m, (int64_t)w->to);
	}
	w->high = MAX(w->low, w->high);
}

static bool row_add(struct window *w, uint64_t lane)
{
	if (lane >= w->m->nlanes || w->nrows == ROWS_MAX)
		return false;
	if (w->row_of[lane] == NO_LANE) {
		w->rows[w->nrows] = (struct row) { .lane = (uint32_t)lane };
		w->row_of[lane] = w->nrows++;
	}
	return true;
}

/* `3,17,4`; absent: the hosts */
static bool parse_rows(struct window *w, const char *text)
{
	uint32_t i;
	char *end;

	for (i = 0; !text && i < w->m->nlanes; i++)
		if (w->m->lanes[i].kind == LANE_HOST && w->m->lanes[i].events && !row_add(w, i))
			return true; /* so many hosts are not drawn */
	while (text && *text) {
		unsigned long lane = strtoul(text, &end, 10);

		if (end == text || *text == '-' || (*end && *end != ',') || !row_add(w, lane))
			return false;
		text = *end ? end + 1 : end;
	}
	return true;
}

/* Each lane's row: its own, or that of the nearest lane above it that has one. */
static void inherit_rows(struct window *w)
{
	uint32_t i, at;
	int kind;

	for (kind = LANE_PROCESS; kind <= LANE_THREAD; kind++)
		for (i = 0; i < w->m->nlanes; i++) {
			at = w->m->lanes[i].parent;
			if (w->m->lanes[i].kind == kind && w->row_of[i] == NO_LANE && at != NO_LANE)
				w->row_of[i] = w->row_of[at];
		}
}

static bool parse(struct window *w, const struct serve_request *rq, struct serve_response *rs)
{
	const char *axis = request_param(rq, "axis");
	double px = PX_DEFAULT;

	w->logical = axis && !strcmp(axis, "logical");
	if (axis && !w->logical && strcmp(axis, "wall") != 0) {
		response_error(rs, 400, "there is no axis of that name: wall or logical");
		return false;
	}
	w->from = w->logical ? 1 : 0;
	w->to = w->logical ? w->m->max_clock + 1.0 : (double)w->m->span_ns + 1;
	if (!request_number(rq, "from", &w->from) || !request_number(rq, "to", &w->to) ||
	    !request_number(rq, "px", &px) || w->from > 9e18 || w->from < -9e18 || w->to > 9e18 || w->to < -9e18) {
		response_error(rs, 400, "'from', 'to' and 'px' are numbers");
		return false;
	}
	w->px = px < 1 ? 1 : px > PX_MAX ? PX_MAX : (uint32_t)px;
	w->to = w->to > w->from ? w->to : w->from + 1;
	if (!parse_rows(w, request_param(rq, "lanes"))) {
		response_error(rs, 400, "'lanes' is a list of at most %d numbers of lanes", ROWS_MAX);
		return false;
	}
	return true;
}

/* --- counting --- */

static uint32_t bin_of(const struct window *w, uint32_t event)
{
	uint32_t bin = (uint32_t)(((double)x_of(w, event) - w->from) / w->width);

	return bin < w->nbins ? bin : w->nbins - 1;
}

static void count_events(struct window *w)
{
	const struct model_events *e = &w->m->ev;
	uint32_t i, event, row;

	for (i = w->low; i < w->high; i++) {
		struct bin *b;

		event = event_at(w, i);
		row = w->row_of[e->lane[event]];
		if (row == NO_LANE || !asked(w, event))
			continue;
		w->rows[row].count++;
		b = &w->bins[(size_t)row * w->nbins + bin_of(w, event)];
		b->n++;
		b->log += e->mark[event] == MARK_LOG || e->type[event] == EVENT_LOG;
		b->trouble += e->mark[event] == MARK_TROUBLE;
	}
}

/* Rows with no more events than bins could be drawn show each. */
static int pick_events(struct window *w)
{
	uint32_t i, row, event, sum = 0, most = MIN(2 * w->px, MARKS_MAX / (w->nrows ? w->nrows : 1));

	for (row = 0; row < w->nrows; row++) {
		struct row *r = &w->rows[row];

		w->total += r->count;
		r->each = r->count && r->count <= most;
		r->first = sum;
		sum += r->each ? r->count : 0;
	}
	w->labels = sum <= LABELS_MAX ? sum : 0;
	w->events = malloc((sum + 1) * sizeof(*w->events));
	if (!w->events)
		return -ENOMEM;
	for (i = w->low; sum && i < w->high; i++) {
		event = event_at(w, i);
		row = w->row_of[w->m->ev.lane[event]];
		if (row == NO_LANE || !w->rows[row].each || !asked(w, event))
			continue;
		w->events[w->rows[row].first++] = event;
	}
	for (row = 0; row < w->nrows; row++)
		w->rows[row].first -= w->rows[row].each ? w->rows[row].count : 0;
	return 0;
}

/* --- writing --- */

static uint64_t blocks_read(const struct model *m)
{
	struct store_stats st;

	store_reader_stats(m->reader, &st);
	return st.read_blocks;
}

/* As long as that needs few blocks of the recording. */
static void label_json(struct window *w, struct buf *b, uint32_t event)
{
	union event_room room;
	struct event ev;

	if (!w->labels || model_fetch(w->m, event, &room, &ev, NULL) < 0)
		return;
	buf_str(b, ",\"label\":");
	json_label(b, w->m, &ev);
	if (--w->labels % 16 == 0 && blocks_read(w->m) - w->blocks > LABEL_BLOCKS_MAX)
		w->labels = 0;
}

static void event_json_short(struct window *w, struct buf *b, uint32_t event)
{
	const struct model_events *e = &w->m->ev;

	buf_str(b, "{\"id\":");
	json_ref(b, w->m, event);
	buf_printf(b, ",\"t\":%" PRId64 ",\"clock\":%u,\"type\":", e->t[event], e->clock[event]);
	json_type(b, w->m, event);
	buf_printf(b, ",\"mark\":\"%s\"", mark_name(e->mark[event]));
	label_json(w, b, event);
	buf_char(b, '}');
}

static void row_events_json(struct window *w, struct buf *b, const struct row *r)
{
	uint32_t i;

	buf_str(b, ",\"events\":[");
	for (i = 0; i < r->count; i++) {
		if (i)
			buf_char(b, ',');
		event_json_short(w, b, w->events[r->first + i]);
	}
	buf_char(b, ']');
}

static void row_bins_json(const struct window *w, struct buf *b, uint32_t row)
{
	const struct bin *bins = &w->bins[(size_t)row * w->nbins];
	const char *sep = "";
	uint32_t i;

	buf_str(b, ",\"bins\":[");
	for (i = 0; i < w->nbins; i++) {
		if (!bins[i].n)
			continue;
		buf_printf(b, "%s{\"x\":%.0f,\"n\":%u", sep, w->from + i * w->width, bins[i].n);
		if (bins[i].log)
			buf_printf(b, ",\"log\":%u", bins[i].log);
		if (bins[i].trouble)
			buf_printf(b, ",\"trouble\":%u", bins[i].trouble);
		buf_char(b, '}');
		sep = ",";
	}
	buf_char(b, ']');
}

static void rows_json(struct window *w, struct buf *b)
{
	uint32_t row;

	buf_printf(b, "{\"from\":%.0f,\"to\":%.0f,\"bin\":%.3f,\"lanes\":[", w->from, w->to, w->width);
	w->blocks = blocks_read(w->m);
	for (row = 0; row < w->nrows; row++) {
		const struct row *r = &w->rows[row];

		buf_printf(b, "%s{\"id\":%u,\"count\":%u", row ? "," : "", r->lane, r->count);
		if (r->each || !r->count)
			row_events_json(w, b, r);
		else
			row_bins_json(w, b, row);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

/* --- arrows --- */

static void arrow_take(struct window *w, struct bundles *all, const struct model_arrow *a)
{
	const struct model_events *e = &w->m->ev;
	int64_t x0 = x_of(w, a->from), x1 = x_of(w, a->to);
	uint32_t row0 = w->row_of[e->lane[a->from]], row1 = w->row_of[e->lane[a->to]];

	if ((double)MAX(x0, x1) < w->from || (double)MIN(x0, x1) >= w->to || (row0 == NO_LANE && row1 == NO_LANE))
		return;
	if (!asked(w, a->from) && !asked(w, a->to))
		return;
	if (row0 == row1)
		all->inside++;
	else if (row0 == NO_LANE || row1 == NO_LANE)
		all->elsewhere++;
	else
		bundles_add(all, a, row0, row1, x0, x1);
}

/* By time an arrow lies between its ends, which may both be outside; clocks of its ends always increase. */
static void arrows_take(struct window *w, struct bundles *all)
{
	const struct model *m = w->m;
	uint32_t i = 0;

	while (i < m->narrows) {
		const struct model_arrow *a = &m->arrows[i];

		if (!w->logical && i % ARROW_BLOCK == 0) {
			if ((double)m->arrow_low[i / ARROW_BLOCK] >= w->to)
				break;
			if ((double)m->arrow_reach[i / ARROW_BLOCK] < w->from) {
				i += ARROW_BLOCK;
				continue;
			}
		}
		arrow_take(w, all, a);
		i++;
	}
}

static void bundle_json(const struct window *w, struct buf *b, const struct bundle *u, const char *sep)
{
	const struct model_events *e = &w->m->ev;

	buf_printf(b, "%s{\"from\":", sep);
	json_ref(b, w->m, u->arrow.from);
	buf_str(b, ",\"to\":");
	json_ref(b, w->m, u->arrow.to);
	buf_printf(b, ",\"kind\":\"%s\"", order_kind_name(u->arrow.kind));
	if (u->arrow.ambiguous)
		buf_str(b, ",\"ambiguous\":true");
	if (u->arrow.after_loss)
		buf_str(b, ",\"after_loss\":true");
	buf_printf(b,
		   ",\"t0\":%" PRId64 ",\"t1\":%" PRId64
		   ",\"clock0\":%u,\"clock1\":%u,\"lane0\":%u,\"lane1\":%u,\"n\":%u}",
		   e->t[u->arrow.from], e->t[u->arrow.to], e->clock[u->arrow.from], e->clock[u->arrow.to],
		   w->rows[u->row0].lane, w->rows[u->row1].lane, u->n);
}

static int arrows_json(struct window *w, struct buf *b, uint64_t *ret_left_out)
{
	struct bundles all;
	uint32_t i;
	int r = bundles_init(&all, w->from, w->width);

	if (r < 0)
		return r;
	arrows_take(w, &all);
	bundles_finish(&all);
	buf_str(b, ",\"arrows\":[");
	for (i = 0; i < all.count; i++)
		bundle_json(w, b, &all.rows[i], i ? "," : "");
	buf_printf(b, "],\"inside\":%" PRIu64 ",\"elsewhere\":%" PRIu64, all.inside, all.elsewhere);
	*ret_left_out = all.left_out;
	bundles_fini(&all);
	return 0;
}

/* --- losses and stops: of time, so with logical time there are none --- */

static void losses_json(const struct window *w, struct buf *b)
{
	const struct model *m = w->m;
	const char *sep = "";
	uint32_t i, row;
	size_t limit = b->len + 256 * 1024;

	buf_str(b, ",\"losses\":[");
	for (i = 0; i < m->nlosses && !w->logical && b->len < limit; i++) {
		const struct model_loss *l = &m->losses[i];

		if ((double)l->to < w->from || (double)l->from >= w->to)
			continue;
		for (row = 0; row < w->nrows; row++) {
			if (m->lanes[w->rows[row].lane].host != l->host)
				continue;
			buf_printf(b, "%s{\"lane\":%u,\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"count\":%" PRIu64 "}",
				   sep, w->rows[row].lane, l->from, l->to, l->count);
			sep = ",";
		}
	}
	buf_char(b, ']');
}

static void stops_json(const struct window *w, struct buf *b)
{
	const struct model *m = w->m;
	const char *sep = "";
	size_t limit = b->len + 256 * 1024;
	uint32_t i;

	buf_str(b, ",\"stopped\":[");
	for (i = 0; i < m->nstops && !w->logical && b->len < limit; i++) {
		const struct model_stop *s = &m->stops[i];
		uint32_t row = w->row_of[s->lane];

		if (row == NO_LANE || (double)s->to < w->from || (double)s->from >= w->to)
			continue;
		buf_printf(b, "%s{\"lane\":%u,\"of\":%u,\"from\":%" PRId64 ",\"to\":%" PRId64 "}", sep,
			   w->rows[row].lane, s->lane, s->from, s->to == INT64_MAX ? m->span_ns : s->to);
		sep = ",";
	}
	buf_char(b, ']');
}

/* --- all --- */

static int window_json(struct window *w, struct buf *b)
{
	uint64_t arrows_left = 0;
	int r;

	w->nbins = MARKS_MAX / (w->nrows ? w->nrows : 1);
	w->nbins = MIN(w->px, w->nbins);
	w->width = (w->to - w->from) / w->nbins;
	w->bins = calloc((size_t)w->nrows * w->nbins + 1, sizeof(*w->bins));
	if (!w->bins)
		return -ENOMEM;
	count_events(w);
	r = pick_events(w);
	if (r < 0)
		return r;
	rows_json(w, b);
	r = arrows_json(w, b, &arrows_left);
	if (r < 0)
		return r;
	losses_json(w, b);
	stops_json(w, b);
	buf_printf(b,
		   ",\"total\":%" PRIu64 ",\"left_out\":{\"events\":%" PRIu64 ",\"arrows\":%" PRIu64
		   "},\"generation\":%u}",
		   w->total, (uint64_t)0, arrows_left, w->m->generation);
	return 0;
}

static int window_init(struct window *w)
{
	uint32_t i;

	w->rows = calloc(ROWS_MAX, sizeof(*w->rows));
	w->row_of = malloc((w->m->nlanes + 1) * sizeof(*w->row_of));
	if (!w->rows || !w->row_of)
		return -ENOMEM;
	for (i = 0; i < w->m->nlanes; i++)
		w->row_of[i] = NO_LANE;
	return 0;
}

static void window_fini(struct window *w)
{
	free(w->rows);
	free(w->row_of);
	free(w->bins);
	free(w->events);
}

void answer_window(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	struct window w = { .m = m };
	const char *query = request_param(rq, "q");
	struct bits *bits = NULL;

	if (window_init(&w) < 0) {
		response_error(rs, 500, "out of memory");
	} else if (parse(&w, rq, rs)) {
		bits = query && *query ? bits_find(s, m, query, rs) : NULL;
		w.filter = bits ? bits_words(bits) : NULL;
		inherit_rows(&w);
		set_range(&w);
		(void)pthread_mutex_lock(&m->lock);
		if (rs->status == 200 && window_json(&w, &rs->body) < 0)
			response_error(rs, 500, "out of memory");
		(void)pthread_mutex_unlock(&m->lock);
		bits_drop(s, bits);
	}
	window_fini(&w);
}
