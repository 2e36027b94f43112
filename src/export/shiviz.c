/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shiviz - a log with vector clocks (Fidge 1988, Mattern 1989) for ShiViz (Beschastnikh et al., CACM 2016): its regular
 * expression, an empty line (there is one execution), then two lines an event.
 *
 * A timeline is a thread.  Events are taken in causal order, so each one's clock is the thread's own, raised by those of
 * its causes in other threads and by one.  Only events that are written count, but knowledge passes through all others:
 * so a < b between clocks says the same as order_happens_before().  Clocks of causes are kept until their last effect.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "export/internal.h"

static const char regular_expression[] = "(?<host>\\S+) (?<clock>\\{.*\\})\\n(?<event>.*)";

struct vector {
	uint32_t len, cap; /* timelines beyond len: 0 */
	uint32_t *n;
};

struct timeline {
	uint64_t start_ns;
	uint32_t host, tid, next; /* the thread that had this tid before, + 1 */
	char *name;
	struct vector now;
};

/* The clock of an event that has effects elsewhere. */
struct kept {
	struct vector v;
	uint32_t effects; /* that are still to come */
};

struct shiviz {
	struct export *x;
	struct err *err;
	struct timeline *lines;
	uint32_t nlines;
	struct map by_tid; /* host << 32 | tid -> the latest timeline + 1 */
	struct map kept;   /* event -> struct kept */
	struct vector loose;
	uint64_t bytes, first_ns;
	uint32_t effects;  /* of the event at hand */
	struct vector *at; /* its clock */
	int failed;
};

static int fail(struct shiviz *s, int code)
{
	s->failed = -code;
	if (code == E2BIG)
		return err_set(s->err, E2BIG,
			       "vector clocks of %u threads take more than %llu bytes: a query narrows them", s->nlines,
			       EXPORT_VECTOR_BYTES);
	return err_set(s->err, code, "out of memory for vector clocks of %u threads", s->nlines);
}

static int vector_grow(struct shiviz *s, struct vector *v, uint32_t len)
{
	uint32_t cap = len + len / 4 + 4, *grown;

	if (len > v->cap) {
		s->bytes += (cap - v->cap) * sizeof(*v->n);
		if (s->bytes > EXPORT_VECTOR_BYTES)
			return fail(s, E2BIG);
		grown = realloc(v->n, cap * sizeof(*grown));
		if (!grown)
			return fail(s, ENOMEM);
		memset(grown + v->cap, 0, (cap - v->cap) * sizeof(*grown));
		v->n = grown;
		v->cap = cap;
	}
	v->len = len > v->len ? len : v->len;
	return 0;
}

static int vector_raise(struct shiviz *s, struct vector *v, const struct vector *by)
{
	uint32_t i;

	if (vector_grow(s, v, by->len) < 0)
		return s->failed;
	for (i = 0; i < by->len; i++)
		v->n[i] = by->n[i] > v->n[i] ? by->n[i] : v->n[i];
	return 0;
}

static void vector_free(struct shiviz *s, struct vector *v)
{
	s->bytes -= v->cap * sizeof(*v->n);
	free(v->n);
	*v = (struct vector) { 0 };
}

static uint64_t event_key(struct order_ref a)
{
	return map_hash(a.id ^ (uint64_t)a.host << 48);
}

/* A word: `comm[tid]@place`, with a number behind it when the tid was there before. */
static char *line_name(struct export *x, const struct event *ev, unsigned int before)
{
	const char *comm = names_comm(x, ev->host, ev->h->tgid);
	char *name = NULL, *p;
	int n;

	if (before)
		n = asprintf(&name, "%s[%u]@%s#%u", comm, ev->h->tid, names_place(x, ev->host, ev->h->tgid),
			     before + 1);
	else
		n = asprintf(&name, "%s[%u]@%s", comm, ev->h->tid, names_place(x, ev->host, ev->h->tgid));
	for (p = n < 0 ? NULL : name; p && *p; p++)
		*p = *p <= ' ' || *p == '"' || *p == '\\' || *p == 0x7f ? '_' : *p;
	return n < 0 ? NULL : name;
}

static struct timeline *line_push(struct shiviz *s, const struct event *ev, uint64_t key, uint32_t next)
{
	struct timeline *all = s->lines, *t;
	unsigned int before = 0;
	uint32_t i;

	if (!(s->nlines & (s->nlines - 1)))
		all = realloc(all, (s->nlines ? 2 * (size_t)s->nlines : 1) * sizeof(*all));
	if (!all) {
		(void)fail(s, ENOMEM);
		return NULL;
	}
	s->lines = all;
	for (i = next; i; i = all[i - 1].next)
		before++;
	t = &all[s->nlines];
	*t = (struct timeline) { .start_ns = ev->h->start_ns, .host = ev->host, .tid = ev->h->tid, .next = next };
	t->name = line_name(s->x, ev, before);
	if (!t->name || map_set(&s->by_tid, key, s->nlines + 1) < 0) {
		free(t->name);
		(void)fail(s, ENOMEM);
		return NULL;
	}
	s->nlines++;
	return t;
}

static struct timeline *line_of(struct shiviz *s, const struct event *ev)
{
	uint64_t key = (uint64_t)ev->host << 32 | ev->h->tid;
	const uint64_t *latest = map_get(&s->by_tid, key);
	uint32_t first = latest ? (uint32_t)*latest : 0, i;

	for (i = first; i; i = s->lines[i - 1].next)
		if (s->lines[i - 1].start_ns == ev->h->start_ns)
			return &s->lines[i - 1];
	return line_push(s, ev, key, first);
}

static bool across(const struct order_edge *e)
{
	return e->kind != ORDER_PROGRAM && !e->ambiguous;
}

static bool count_effect(void *arg, const struct order_edge *e)
{
	struct shiviz *s = arg;

	s->effects += across(e);
	s->x->counts.edges += across(e) && !s->x->opts->wanted; /* else some ends are not written */
	return true;
}

static bool take_cause(void *arg, const struct order_edge *e)
{
	struct shiviz *s = arg;
	uint64_t key = event_key(e->from);
	const uint64_t *at = across(e) ? map_get(&s->kept, key) : NULL;
	struct kept *k = at ? (struct kept *)(uintptr_t)*at : NULL;

	if (!k)
		return true;
	if (vector_raise(s, s->at, &k->v) < 0)
		return false;
	if (!--k->effects) {
		(void)map_del(&s->kept, key);
		vector_free(s, &k->v);
		free(k);
	}
	return true;
}

static int keep(struct shiviz *s, struct order_ref a)
{
	struct kept *k = s->effects ? calloc(1, sizeof(*k)) : NULL;

	if (!s->effects)
		return 0;
	if (!k || map_set(&s->kept, event_key(a), (uintptr_t)k) < 0) {
		free(k);
		return fail(s, ENOMEM);
	}
	k->effects = s->effects;
	return vector_raise(s, &k->v, s->at);
}

static void put_clock(struct shiviz *s, const struct vector *v)
{
	struct buf *b = &s->x->line;
	const char *sep = "";
	uint32_t i;

	buf_char(b, '{');
	for (i = 0; i < v->len && i < s->nlines; i++) {
		if (!v->n[i])
			continue;
		buf_str(b, sep);
		buf_json(b, s->lines[i].name, strlen(s->lines[i].name));
		buf_printf(b, ":%u", v->n[i]);
		sep = ",";
	}
	buf_char(b, '}');
}

static void put_event(struct shiviz *s, const struct event *ev)
{
	struct buf *b = &s->x->line;
	struct event_value v;
	int i;

	buf_printf(b, "#%" PRIu64 " %+.6f s %s", ev->id, (double)(int64_t)(ev->boot_ns - s->first_ns) / 1e9,
		   ev->type->name);
	for (i = 0; i < ev->type->nfields; i++) {
		event_field_get(ev, &ev->type->fields[i], &v);
		if (v.kind == EVENT_STR ? !v.len : v.kind != EVENT_ADDR && v.kind != EVENT_CHARS && !v.u64)
			continue;
		buf_printf(b, " %s=", ev->type->fields[i].name);
		event_value_text(b, &ev->type->fields[i], &v);
	}
}

static int put(struct shiviz *s, const struct event *ev)
{
	struct timeline *t = line_of(s, ev);
	uint32_t own = t ? (uint32_t)(t - s->lines) : 0;

	if (!t)
		return s->failed;
	s->at = &t->now;
	(void)order_causes(s->x->order, (struct order_ref) { ev->host, ev->id }, take_cause, s);
	if (s->failed || !export_wanted(s->x, ev))
		return s->failed;
	if (vector_grow(s, &t->now, own + 1) < 0)
		return s->failed;
	t->now.n[own]++;
	buf_printf(&s->x->line, "%s ", t->name);
	put_clock(s, &t->now);
	buf_char(&s->x->line, '\n');
	put_event(s, ev);
	buf_char(&s->x->line, '\n');
	s->x->counts.events++;
	s->failed = export_flush(s->x, s->err);
	return s->failed;
}

/* An interrupt has no timeline, but may pass on what it knows. */
static int pass(struct shiviz *s, const struct event *ev)
{
	s->at = &s->loose;
	if (s->loose.len)
		memset(s->loose.n, 0, s->loose.len * sizeof(*s->loose.n));
	(void)order_causes(s->x->order, (struct order_ref) { ev->host, ev->id }, take_cause, s);
	if (!s->failed && ev->h->context != CONTEXT_RECORDER && export_wanted(s->x, ev))
		s->failed = export_leave_out(s->x, ev, s->err);
	return s->failed;
}

static bool step(void *arg, struct order_ref a, uint32_t clock)
{
	struct shiviz *s = arg;
	const struct event *ev = NULL;

	(void)clock;
	s->failed = s->x->opts->fetch(s->x->opts->arg, a, &ev, s->err);
	if (s->failed < 0)
		return false;
	s->failed = 0;
	if (ev->h->context == CONTEXT_TASK)
		(void)put(s, ev);
	else
		(void)pass(s, ev);
	s->effects = 0;
	if (!s->failed)
		(void)order_effects(s->x->order, a, count_effect, s);
	return !s->failed && keep(s, a) >= 0;
}

static int first_time(struct export *x, const struct event *ev, void *arg, struct err *err)
{
	(void)x;
	(void)err;
	*(uint64_t *)arg = ev->boot_ns;
	return -ECANCELED; /* one is enough */
}

static void shiviz_fini(struct shiviz *s)
{
	const struct map_slot *slot;
	size_t at = 0;
	uint32_t i;

	while ((slot = map_each(&s->kept, &at))) {
		struct kept *k = (struct kept *)(uintptr_t)slot->value;

		vector_free(s, &k->v);
		free(k);
	}
	for (i = 0; i < s->nlines; i++) {
		vector_free(s, &s->lines[i].now);
		free(s->lines[i].name);
	}
	vector_free(s, &s->loose);
	free(s->lines);
	map_fini(&s->kept);
	map_fini(&s->by_tid);
}

static int shiviz_write(struct export *x, struct err *err)
{
	struct shiviz s = { .x = x, .err = err };
	int r = export_each(x, first_time, &s.first_ns, err);

	if (r < 0 && r != -ECANCELED)
		return r;
	buf_printf(&x->line, "%s\n\n", regular_expression);
	order_causal(x->order, step, &s);
	shiviz_fini(&s);
	return s.failed;
}

const struct export_format export_shiviz = {
	.name = "shiviz",
	.about = "a log with vector clocks, for ShiViz",
	.ordered = true,
	.write = shiviz_write,
};
