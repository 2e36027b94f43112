/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs say of themselves (packaging/saker.h) as spans within the requests that their threads work for.
 *
 * - A note becomes a span of kind internal if its thread (or goroutine) worked for a request when it began; others are left out,
 *   as are ends whose beginnings were before the recording.
 * - It ends where its end was said, by whichever thread of the process, and with its request at the latest.  Whose end was not
 *   said ends with the one that it began in, with its thread, or with its request, and is SPAN_UNANSWERED.
 * - Its parent is the innermost that its thread had begun, for the same request, and that lasts at least as long: one that
 *   outlasts the one in which it began stands beside that.
 * - Requests that its thread makes within it, and lines that it writes, are its own; those that outlast it are the request's.
 * - Words and numbers speak of the innermost of their thread that has not ended, else of the request.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "event/event.h"
#include "explain/requests_in.h"

#define LOOK_UP 64	  /* notes around one, that are looked at */
#define ATTRIBUTES_MAX 64 /* of a span */

/* Of a note that begins a span; same index. */
struct said {
	uint64_t begin_ns, end_ns; /* end: 0 until it is known */
	uint32_t outer;		   /* the one of its unit in which it began, NONE */
	uint32_t end;		   /* act, NONE: it was not said */
	uint32_t span;		   /* what it became, NONE */
	bool ended;		   /* so far */
};

/* What lies in the time of notes, by act. */
struct inside {
	uint32_t act, row;
	enum { INSIDE_NOTE, INSIDE_LOG, INSIDE_CLIENT } kind;
};

struct notes {
	struct requests *r;
	struct said *said;
	uint32_t *top;	 /* by unit: the innermost that has not ended, NONE */
	uint32_t *about; /* by note, log line, client span (in that order): the note that it lies in, or ends; NONE */
	struct inside *inside;
	size_t ninside;
};

static const struct act *act_of(const struct requests *r, uint32_t note)
{
	return &r->acts.rows[r->notes.rows[note].act];
}

static uint64_t number_key(const struct requests *r, uint32_t note)
{
	const struct act *a = act_of(r, note);
	uint64_t process = (uint64_t)a->host << 32 | r->units.rows[a->thread].tgid;

	return map_hash(map_hash(process + 1) + r->notes.rows[note].number);
}

/* --- which lies in which --- */

static int by_act(const void *pa, const void *pb)
{
	const struct inside *a = pa, *b = pb;

	return (a->act > b->act) - (a->act < b->act);
}

static int collect(struct notes *n)
{
	const struct requests *r = n->r;
	size_t most = r->notes.count + r->logs.count + r->spans.count, i;

	n->inside = malloc((most + 1) * sizeof(*n->inside));
	n->about = malloc((most + 1) * sizeof(*n->about));
	n->said = calloc(r->notes.count + 1, sizeof(*n->said));
	n->top = malloc((r->units.count + 1) * sizeof(*n->top));
	if (!n->inside || !n->about || !n->said || !n->top)
		return -ENOMEM;
	memset(n->about, 0xff, (most + 1) * sizeof(*n->about));
	memset(n->top, 0xff, (r->units.count + 1) * sizeof(*n->top));
	for (i = 0; i < r->notes.count; i++)
		n->inside[n->ninside++] = (struct inside) { r->notes.rows[i].act, (uint32_t)i, INSIDE_NOTE };
	for (i = 0; i < r->logs.count; i++)
		n->inside[n->ninside++] = (struct inside) { r->logs.rows[i].act, (uint32_t)i, INSIDE_LOG };
	for (i = 0; i < r->spans.count; i++)
		if (r->spans.rows[i].kind == SPAN_CLIENT && r->more.rows[i].request[0] != NONE)
			n->inside[n->ninside++] =
				(struct inside) { r->more.rows[i].request[0], (uint32_t)i, INSIDE_CLIENT };
	qsort(n->inside, n->ninside, sizeof(*n->inside), by_act);
	return 0;
}

static size_t about_at(const struct requests *r, const struct inside *x)
{
	return x->row + (x->kind == INSIDE_LOG ? r->notes.count : 0) +
	       (x->kind == INSIDE_CLIENT ? r->notes.count + r->logs.count : 0);
}

/* Those at the top that have ended, or whose requests have. */
static void drop(struct notes *n, uint32_t unit, uint64_t now_ns)
{
	const struct requests *r = n->r;

	while (n->top[unit] != NONE) {
		const struct said *s = &n->said[n->top[unit]];
		uint32_t owner = r->notes.rows[n->top[unit]].owner;

		if (!s->ended && (owner == NONE || r->more.rows[owner].raw_end_ns >= now_ns))
			break;
		n->top[unit] = s->outer;
	}
}

/* The innermost of the unit that is said for that request. */
static uint32_t innermost(const struct notes *n, uint32_t unit, uint32_t owner)
{
	uint32_t at = owner == NONE ? NONE : n->top[unit], looked;

	for (looked = 0; at != NONE && looked < LOOK_UP; at = n->said[at].outer, looked++)
		if (n->r->notes.rows[at].owner == owner && !n->said[at].ended)
			return at;
	return NONE;
}

/* Which ends belong to which begins: in `about` of each end, and `end` of each begin. */
static int pair(struct notes *n)
{
	const struct requests *r = n->r;
	struct map open = MAP_INIT;
	uint64_t *at;
	uint32_t i;
	int e = 0;

	for (i = 0; e >= 0 && i < r->notes.count; i++) {
		if (r->notes.rows[i].what == NOTEKIND_BEGIN) {
			n->said[i].end = n->said[i].span = NONE;
			e = map_set(&open, number_key(r, i), i);
		} else if (r->notes.rows[i].what == NOTEKIND_END && (at = map_get(&open, number_key(r, i))) &&
			   n->said[*at].end == NONE) {
			n->said[*at].end = r->notes.rows[i].act;
			n->about[i] = (uint32_t)*at;
		}
	}
	map_fini(&open);
	return e;
}

/* With it end those that began in it and whose ends were forgotten. */
static void finish(struct notes *n, uint32_t note)
{
	uint32_t at = n->top[act_of(n->r, note)->unit], looked;

	for (looked = 0; at != NONE && at != note && looked < LOOK_UP; at = n->said[at].outer, looked++)
		if (at > note && n->said[at].end == NONE)
			n->said[at].ended = true;
	n->said[note].ended = true;
}

static void on_note(struct notes *n, uint32_t i)
{
	const struct act *a = act_of(n->r, i);

	switch (n->r->notes.rows[i].what) {
	case NOTEKIND_BEGIN:
		n->said[i].begin_ns = a->boot_ns;
		n->said[i].outer = n->top[a->unit];
		n->top[a->unit] = i;
		break;
	case NOTEKIND_END:
		if (n->about[i] != NONE)
			finish(n, n->about[i]);
		break;
	default:
		n->about[i] = innermost(n, a->unit, n->r->notes.rows[i].owner);
	}
}

static void nest(struct notes *n)
{
	const struct requests *r = n->r;
	size_t i;

	for (i = 0; i < n->ninside; i++) {
		const struct inside *x = &n->inside[i];
		const struct act *a = &r->acts.rows[x->act];

		drop(n, a->unit, a->boot_ns);
		if (x->kind == INSIDE_NOTE)
			on_note(n, x->row);
		else
			n->about[about_at(r, x)] = innermost(n, a->unit,
							     x->kind == INSIDE_LOG ? r->logs.rows[x->row].span
										   : r->spans.rows[x->row].parent);
	}
}

/* --- spans --- */

static bool is_told(const struct requests *r, uint32_t note)
{
	const struct note_row *row = &r->notes.rows[note];
	const struct act *a = act_of(r, note);

	return row->what == NOTEKIND_BEGIN && row->owner != NONE &&
	       r->more.rows[row->owner].raw_begin_ns <= a->boot_ns && r->more.rows[row->owner].raw_end_ns >= a->boot_ns;
}

/* The one around it that is a span of the same request, and lasts at least until then; NONE. */
static uint32_t around(const struct notes *n, uint32_t note, uint32_t owner, uint64_t end_ns)
{
	uint32_t looked;

	for (looked = 0; note != NONE && looked < LOOK_UP; note = n->said[note].outer, looked++)
		if (n->said[note].span != NONE && n->r->notes.rows[note].owner == owner &&
		    n->said[note].end_ns >= end_ns)
			return note;
	return NONE;
}

static void set_end(struct notes *n, uint32_t note, uint32_t owner)
{
	const struct requests *r = n->r;
	struct said *s = &n->said[note];
	uint64_t last = r->more.rows[owner].raw_end_ns, gone = r->units.rows[act_of(r, note)->thread].gone_ns;
	uint32_t outer = around(n, s->outer, owner, s->begin_ns);

	if (s->end != NONE) {
		s->end_ns = r->acts.rows[s->end].boot_ns < last ? r->acts.rows[s->end].boot_ns : last;
		return;
	}
	s->end_ns = last;
	if (gone >= s->begin_ns && gone < s->end_ns)
		s->end_ns = gone;
	if (outer != NONE && n->said[outer].end_ns < s->end_ns)
		s->end_ns = n->said[outer].end_ns;
}

static uint64_t within(const struct span *s, uint64_t ns)
{
	return ns < s->begin_ns ? s->begin_ns : ns > s->end_ns ? s->end_ns : ns;
}

static void describe(const struct notes *n, uint32_t note, struct span *s, struct more *m)
{
	const struct requests *r = n->r;
	const struct said *x = &n->said[note];
	uint32_t owner = r->notes.rows[note].owner, outer = around(n, x->outer, owner, x->end_ns);
	const struct span *of = &r->spans.rows[owner];
	const struct act *a = act_of(r, note);
	const struct unit *t = &r->units.rows[a->thread];

	*m = (struct more) { .conn = NONE,
			     .request = { NONE, NONE },
			     .response = { NONE, NONE },
			     .offset = a->id,
			     .mate = NONE,
			     .owner = owner,
			     .unit = a->unit,
			     .raw_begin_ns = x->begin_ns,
			     .raw_end_ns = x->end_ns };
	s->kind = SPAN_INTERNAL;
	s->parent = outer == NONE ? owner : n->said[outer].span;
	s->first_child = s->next = SPAN_NONE;
	s->evidence = EVIDENCE_THREAD;
	s->confidence = 100;
	s->protocol = UINT8_MAX;
	s->host = a->host;
	s->service = of->service;
	s->operation = r->notes.rows[note].name;
	s->tgid = t->tgid;
	s->tid = t->tid;
	s->start_ns = t->start_ns;
	s->begin_ns = within(of, requests_time(r, a->host, x->begin_ns));
	s->end_ns = within(of, requests_time(r, a->host, x->end_ns));
	s->begin = (struct order_ref) { a->host, a->id };
	s->end = x->end == NONE ? of->end : (struct order_ref) { a->host, r->acts.rows[x->end].id };
	s->flags = (x->end == NONE ? SPAN_UNANSWERED : 0) |
		   (requests_lost(r, a->host, x->begin_ns, x->end_ns) ? SPAN_INCOMPLETE : 0);
}

static int make_spans(struct notes *n)
{
	struct requests *r = n->r;
	uint32_t i;

	for (i = 0; i < r->notes.count && !r->failed; i++) {
		struct more *m = is_told(r, i) ? PUSH(r, r->more) : NULL;
		struct span *s = m ? requests_push(r, &r->spans, sizeof(*s)) : NULL;

		if (!s) {
			r->more.count -= m != NULL;
			continue;
		}
		set_end(n, i, r->notes.rows[i].owner);
		describe(n, i, s, m);
		n->said[i].span = (uint32_t)(r->spans.count - 1);
	}
	return r->failed ? -ENOMEM : 0;
}

/* --- what lies in them --- */

static void move_into(struct notes *n)
{
	struct requests *r = n->r;
	size_t i;

	for (i = 0; i < n->ninside; i++) {
		const struct inside *x = &n->inside[i];
		uint32_t at = n->about[about_at(r, x)];

		if (at == NONE)
			continue;
		if (x->kind == INSIDE_LOG) {
			at = around(n, at, r->logs.rows[x->row].span, r->acts.rows[x->act].boot_ns);
			if (at != NONE)
				r->logs.rows[x->row].span = n->said[at].span;
		} else if (x->kind == INSIDE_CLIENT) {
			at = around(n, at, r->spans.rows[x->row].parent, r->more.rows[x->row].raw_end_ns);
			if (at != NONE)
				r->spans.rows[x->row].parent = n->said[at].span;
		}
	}
}

/* --- words and numbers --- */

struct word {
	uint32_t span, note;
};

static int by_span(const void *pa, const void *pb)
{
	const struct word *a = pa, *b = pb;

	if (a->span != b->span)
		return a->span < b->span ? -1 : 1;
	return (a->note > b->note) - (a->note < b->note);
}

/* Without the bytes that separate. */
static void put(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_char(b, strchr("\x1d\x1e\x1f", *text) ? '?' : *text);
}

static void put_word(struct buf *b, const struct requests *r, const struct note_row *row)
{
	if (b->len)
		buf_char(b, SPAN_ATTRIBUTE_END);
	put(b, spans_text(&r->spans, row->name));
	if (row->what == NOTEKIND_NUMBER) {
		buf_printf(b, "%c%" PRId64, SPAN_ATTRIBUTE_NUMBER, row->value);
	} else {
		buf_char(b, SPAN_ATTRIBUTE_TEXT);
		put(b, spans_text(&r->spans, row->text));
	}
}

/* Words [from, to) are of one span; of one key the last counts. */
static void set_words(struct requests *r, const struct word *words, size_t from, size_t to)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	size_t i, k;

	if (to - from > ATTRIBUTES_MAX) {
		r->left_out += to - from - ATTRIBUTES_MAX;
		to = from + ATTRIBUTES_MAX;
	}
	for (i = from; i < to; i++) {
		const struct note_row *row = &r->notes.rows[words[i].note];

		for (k = i + 1; k < to && r->notes.rows[words[k].note].name != row->name; k++)
			;
		if (k == to && row->name)
			put_word(&b, r, row);
	}
	r->failed |= b.failed;
	if (b.data)
		r->spans.rows[words[from].span].attributes = requests_text(r, b.data);
}

static int say_words(struct notes *n)
{
	struct requests *r = n->r;
	struct word *words = malloc((r->notes.count + 1) * sizeof(*words));
	size_t count = 0, at, end;
	uint32_t i;

	if (!words)
		return -ENOMEM;
	for (i = 0; i < r->notes.count; i++) {
		const struct note_row *row = &r->notes.rows[i];
		uint32_t about = n->about[i] == NONE ? NONE : n->said[n->about[i]].span;

		if ((row->what != NOTEKIND_TEXT && row->what != NOTEKIND_NUMBER) || row->owner == NONE)
			continue;
		words[count++] = (struct word) { about == NONE ? row->owner : about, i };
	}
	qsort(words, count, sizeof(*words), by_span);
	for (at = 0; at < count; at = end) {
		for (end = at + 1; end < count && words[end].span == words[at].span;)
			end++;
		set_words(r, words, at, end);
	}
	free(words);
	return r->failed ? -ENOMEM : 0;
}

int requests_notes(struct requests *r)
{
	struct notes n = { .r = r };
	int e = 0;

	if (!r->notes.count)
		return 0;
	e = collect(&n);
	if (e >= 0)
		e = pair(&n);
	if (e >= 0) {
		nest(&n);
		e = make_spans(&n);
	}
	if (e >= 0) {
		move_into(&n);
		e = say_words(&n);
	}
	free(n.inside);
	free(n.about);
	free(n.said);
	free(n.top);
	return e < 0 ? e : 0;
}
