/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - what a query finds.  A query is asked of every event once, and what it found is kept as a bit for each event; the
 * last FILTERS queries are kept.  The events are read by a reader of its own, so that others need not wait.
 *
 * A single word or several that are no query are looked for in texts and in the names of processes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/who.h"
#include "query/query.h"
#include "serve/internal.h"
#include "store/store.h"

#define FILTERS 4
#define FOUND_DEFAULT 50
#define FOUND_MAX 500

struct bits {
	unsigned int holders; /* under serve.lock */
	uint32_t found;
	uint64_t words[];
};

struct filter {
	char *query;
	unsigned int generation;
	uint64_t used;
	struct bits *bits;
};

const uint64_t *bits_words(const struct bits *b)
{
	return b->words;
}

void bits_drop(struct serve *s, struct bits *b)
{
	bool last;

	if (!b)
		return;
	(void)pthread_mutex_lock(&s->lock);
	last = --b->holders == 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (last)
		free(b);
}

/* --- asking all events --- */

struct asking {
	struct serve *s;
	const struct model *m;
	struct store_reader *reader;
	struct query *query;
};

static uint64_t scope_since(void *arg, const struct event *ev)
{
	int64_t t = model_time(((struct asking *)arg)->m, ev->host, ev->boot_ns);

	return t > 0 ? (uint64_t)t : 0;
}

static int ask_all(struct asking *a, struct bits *bits, struct err *err)
{
	struct query_scope scope = who_scope(a->m->who, scope_since, a);
	struct store_read_opts ro = { .tgid = query_pid(a->query) };
	struct event_source *source;
	const struct event *ev;
	int r = store_read(a->reader, &ro, &source, err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, err)) > 0 && !a->s->stopping) {
		uint32_t event = model_find(a->m, (struct order_ref) { ev->host, ev->id });

		/* one that has come since the model was made has to wait for the next */
		if (event == NO_EVENT || !query_match(a->query, ev, &scope))
			continue;
		bits->words[event / 64] |= 1ULL << (event % 64);
		bits->found++;
	}
	event_source_close(source);
	return r;
}

/* `leader` or `connection refused`, quoted so that it is one value. */
static bool words_query(const char *text, char *out, size_t cap)
{
	char quote = strchr(text, '"') ? '\'' : '"';
	int n;

	if (strpbrk(text, "=<>~!|()") || strchr(text, quote) || strchr(text, '\\'))
		return false;
	n = snprintf(out, cap, "text~%c%s%c or process~%c%s%c", quote, text, quote, quote, text, quote);
	return n > 0 && (size_t)n < cap;
}

static int compile(struct asking *a, const char *text, struct serve_response *rs)
{
	char words[QUERY_TEXT_MAX];
	unsigned int column = 1;
	struct err err = ERR_INIT;

	if (query_compile(text, store_types(a->reader), &a->query, &column, &err) >= 0)
		return 0;
	if (words_query(text, words, sizeof(words)) &&
	    query_compile(words, store_types(a->reader), &a->query, NULL, NULL) >= 0)
		return 0;
	response_error(rs, 400, "%s", err.text);
	rs->body.data[--rs->body.len] = 0; /* the closing brace */
	buf_printf(&rs->body, ",\"at\":%u}", column);
	return -EINVAL;
}

static struct bits *bits_make(struct serve *s, const struct model *m, const char *text, struct serve_response *rs)
{
	struct asking a = { .s = s, .m = m };
	struct err err = ERR_INIT;
	struct bits *bits = calloc(1, sizeof(*bits) + ((size_t)m->ev.count / 64 + 1) * sizeof(uint64_t));
	int r = bits ? store_open(s->opts.paths, s->opts.npaths, &a.reader, &err)
		     : err_set(&err, ENOMEM, "out of memory");

	if (r < 0)
		response_error(rs, 500, "%s", err.text);
	if (r >= 0)
		r = compile(&a, text, rs);
	if (r >= 0) {
		r = ask_all(&a, bits, &err);
		if (r < 0)
			response_error(rs, 500, "%s", err.text);
	}
	query_free(a.query);
	store_reader_free(a.reader);
	if (r >= 0)
		return bits;
	free(bits);
	return NULL;
}

/* --- keeping --- */

static struct bits *kept(struct serve *s, const struct model *m, const char *text)
{
	struct bits *found = NULL;
	size_t i;

	(void)pthread_mutex_lock(&s->lock);
	for (i = 0; s->filters && i < FILTERS && !found; i++) {
		struct filter *f = &s->filters[i];

		if (!f->query || f->generation != m->generation || strcmp(f->query, text) != 0)
			continue;
		f->used = ++s->filter_clock;
		found = f->bits;
		found->holders++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

/* In place of the one that was not used for the longest time; without memory it is not kept. */
static void keep(struct serve *s, const struct model *m, const char *text, struct bits *bits)
{
	char *query = strdup(text);
	struct filter *f, old;
	size_t i;

	(void)pthread_mutex_lock(&s->lock);
	bits->holders = 1;
	if (!s->filters)
		s->filters = calloc(FILTERS, sizeof(*s->filters));
	f = s->filters;
	for (i = 1; f && i < FILTERS; i++)
		f = s->filters[i].used < f->used ? &s->filters[i] : f;
	old = f && query ? *f : (struct filter) { .query = query };
	if (f && query) {
		*f = (struct filter) { query, m->generation, ++s->filter_clock, bits };
		bits->holders++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	free(old.query);
	bits_drop(s, old.bits);
}

struct bits *bits_find(struct serve *s, struct model *m, const char *query, struct serve_response *rs)
{
	struct bits *bits = kept(s, m, query);

	if (bits)
		return bits;
	bits = bits_make(s, m, query, rs);
	if (bits)
		keep(s, m, query, bits);
	return bits;
}

void filters_free(struct serve *s)
{
	size_t i;

	for (i = 0; s->filters && i < FILTERS; i++) {
		free(s->filters[i].query);
		bits_drop(s, s->filters[i].bits);
	}
	free(s->filters);
	s->filters = NULL;
}

/* --- the endpoint --- */

static void found_json(struct model *m, struct buf *b, uint32_t event)
{
	union event_room room;
	struct event ev;

	buf_str(b, "{\"id\":");
	put_ref(b, m, event);
	buf_printf(b, ",\"t\":%" PRId64 ",\"clock\":%u,\"lane\":%u,\"type\":", m->ev.t[event], m->ev.clock[event],
		   m->ev.lane[event]);
	put_type(b, m, event);
	if (model_fetch(m, event, &room, &ev, NULL) >= 0) {
		buf_str(b, ",\"label\":");
		put_label(b, m, &ev);
	}
	buf_char(b, '}');
}

static void list_json(struct model *m, struct buf *b, const struct bits *bits, uint32_t from, uint32_t limit)
{
	uint32_t i = from, n = 0;

	buf_str(b, "{\"events\":[");
	for (; i < m->ev.count && n < limit; i++) {
		if (!bits->words[i / 64]) {
			i |= 63; /* none among these 64 */
			continue;
		}
		if (!bit_at(bits->words, i))
			continue;
		buf_str(b, n++ ? "," : "");
		found_json(m, b, i);
	}
	while (i < m->ev.count && !bit_at(bits->words, i))
		i++;
	buf_printf(b, "],\"total\":%u,\"more\":%s", bits->found, i < m->ev.count ? "true" : "false");
	if (i < m->ev.count) {
		buf_str(b, ",\"next\":");
		put_ref(b, m, i);
	}
	buf_char(b, '}');
}

/* `from`: an event, or ns since the beginning. */
static bool parse_from(const struct model *m, const struct serve_request *rq, uint32_t *ret)
{
	const char *text = request_param(rq, "from");
	double t = 0;

	*ret = 0;
	if (!text || !*text)
		return true;
	if (strchr(text, ':'))
		return request_event(m, rq, "from", ret);
	if (!request_number(rq, "from", &t) || t > 9e18 || t < -9e18)
		return false;
	*ret = model_at(m, (int64_t)t);
	return true;
}

void answer_search(struct serve *s, struct model *m, const struct serve_request *rq, struct serve_response *rs)
{
	const char *query = request_param(rq, "q");
	double limit = FOUND_DEFAULT;
	struct bits *bits;
	uint32_t from;

	if (!query || !*query || !request_number(rq, "limit", &limit) || !parse_from(m, rq, &from)) {
		response_error(rs, 400, "'q' is a query, 'from' an event or a time, 'limit' a number");
		return;
	}
	bits = bits_find(s, m, query, rs);
	if (!bits)
		return;
	limit = limit < 1 ? 1 : limit > FOUND_MAX ? FOUND_MAX : limit;
	(void)pthread_mutex_lock(&m->lock);
	list_json(m, &rs->body, bits, from, (uint32_t)limit);
	(void)pthread_mutex_unlock(&m->lock);
	bits_drop(s, bits);
}
