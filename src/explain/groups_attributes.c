/* SPDX-License-Identifier: Apache-2.0 */
/* groups_attributes - what the requests of one group have, and those of the other have not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "explain/groups.h"
#include "explain/path.h"

#define SIGNIFICANT 0.01
#define NO_TRACE UINT32_MAX

struct tally {
	const struct spans *s;
	struct group_attribute *list;
	size_t n, cap;
	struct map places, words; /* of the list; where a word stands first, by the hash of it */
	uint32_t left_out;
	bool failed;
};

const char *group_attribute_name(uint8_t key)
{
	static const char *const names[ATTRIBUTE_KEYS] = {
		[ATTRIBUTE_WORD] = "word",	 [ATTRIBUTE_RESOURCE] = "resource", [ATTRIBUTE_OPERATION] = "operation",
		[ATTRIBUTE_BACKEND] = "backend", [ATTRIBUTE_STATUS] = "status",	    [ATTRIBUTE_ERROR] = "error",
		[ATTRIBUTE_BLAME] = "blame",	 [ATTRIBUTE_HOST] = "host",	    [ATTRIBUTE_CALLER] = "caller",
		[ATTRIBUTE_PROCESS] = "process", [ATTRIBUTE_SERVICE] = "service",
	};

	return key < ATTRIBUTE_KEYS ? names[key] : "";
}

/* A word is where it stands first in the texts; it ends as those of spans do. */
bool group_word(const struct spans *s, const struct group_attribute *a, struct span_attribute *ret)
{
	const char *at = spans_text(s, a->value);

	return a->key == ATTRIBUTE_WORD && span_attribute_next(&at, ret);
}

/* --- counting --- */

static struct group_attribute *add(struct tally *t, uint64_t hash, uint32_t service, uint8_t key, uint32_t value)
{
	if (t->n == GROUPS_ATTRIBUTES_MAX) {
		t->left_out++;
		return NULL;
	}
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 256;
		struct group_attribute *grown = realloc(t->list, cap * sizeof(*grown));

		t->failed |= !grown;
		if (!grown)
			return NULL;
		t->list = grown;
		t->cap = cap;
	}
	if (map_set(&t->places, hash, t->n) < 0) {
		t->failed = true;
		return NULL;
	}
	t->list[t->n] = (struct group_attribute) { .service = service, .key = key, .value = value, .last = NO_TRACE };
	return &t->list[t->n++];
}

static void count(struct tally *t, uint32_t trace, bool one, uint32_t service, uint8_t key, uint32_t value)
{
	uint64_t hash = map_hash(map_hash((uint64_t)service << 32 | value) + key), *at = map_get(&t->places, hash);
	struct group_attribute *a = at ? &t->list[*at] : add(t, hash, service, key, value);

	if (!a || a->last == trace)
		return;
	if (a->service != service || a->key != key || a->value != value) { /* its hash is another's: never mixed up */
		t->left_out++;
		return;
	}
	a->last = trace;
	a->set += map_hash(trace + 1ULL);
	if (one)
		a->one++;
	else
		a->other++;
	if (one && a->nexamples < GROUPS_EXAMPLES)
		a->examples[a->nexamples++] = trace;
}

static size_t word_size(const struct span_attribute *a)
{
	return a->key_len + 1 + a->text_len;
}

/* The same for each place at which it stands; 0: there was no room, or its hash is another's. */
static uint32_t word(struct tally *t, const struct span_attribute *a)
{
	uint64_t hash = word_size(a), *at;
	const char *first;
	size_t i;

	for (i = 0; i < word_size(a); i++)
		hash = map_hash(hash ^ (uint64_t)(unsigned char)a->key[i] << 32);
	at = map_get(&t->words, hash);
	if (!at && t->words.count < GROUPS_ATTRIBUTES_MAX) {
		if (map_set(&t->words, hash, (uint64_t)(a->key - t->s->text)) < 0)
			t->failed = true;
		return (uint32_t)(a->key - t->s->text);
	}
	first = at ? t->s->text + *at : NULL;
	if (!first || strncmp(first, a->key, word_size(a)) != 0 ||
	    (first[word_size(a)] && first[word_size(a)] != SPAN_ATTRIBUTE_END)) {
		t->left_out++;
		return 0;
	}
	return (uint32_t)*at;
}

static void count_words(struct tally *t, uint32_t trace, bool one, const struct span *row)
{
	const char *at = spans_text(t->s, row->attributes);
	struct span_attribute a;
	uint32_t value;

	while (row->attributes && span_attribute_next(&at, &a)) {
		value = word(t, &a);
		if (value)
			count(t, trace, one, row->service, ATTRIBUTE_WORD, value);
	}
}

static void count_span(struct tally *t, uint32_t trace, bool one, const struct span *row)
{
	const struct {
		uint8_t key;
		uint32_t value;
		bool there;
	} said[] = {
		{ ATTRIBUTE_SERVICE, row->service, true },
		{ ATTRIBUTE_OPERATION, row->operation, row->operation },
		{ ATTRIBUTE_RESOURCE, row->resource, row->resource },
		{ ATTRIBUTE_STATUS, (uint32_t)row->status, row->status },
		{ ATTRIBUTE_ERROR, row->error, row->error },
		{ ATTRIBUTE_BLAME, row->blame, row->blame },
		{ ATTRIBUTE_HOST, row->host, true },
		{ ATTRIBUTE_PROCESS, row->tgid, row->tgid },
		{ row->kind == SPAN_CLIENT ? ATTRIBUTE_BACKEND : ATTRIBUTE_CALLER, row->peer, row->peer },
	};
	size_t i;

	for (i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (said[i].there)
			count(t, trace, one, row->service, said[i].key, said[i].value);
	count_words(t, trace, one, row);
}

/* The slowest first: they are the examples. */
static void count_group(struct tally *t, const struct group *g, bool one)
{
	uint32_t i, trace, at, spans;
	unsigned int depth;

	for (i = g->count; i-- > 0 && !t->failed;) {
		trace = g->traces[i];
		at = SPAN_NONE;
		depth = spans = 0;
		while ((at = path_next(t->s, t->s->traces[trace].root, at, &depth)) != SPAN_NONE &&
		       spans++ < t->s->count)
			count_span(t, trace, one, &t->s->rows[at]);
	}
}

/* --- telling --- */

struct ordering {
	double one, other; /* requests in each group */
};

static double difference(const struct group_attribute *a, const struct ordering *o)
{
	return a->one / o->one - a->other / o->other;
}

/* Those of the same requests beside each other, the first in the order of the keys before the others. */
static int by_difference(const void *pa, const void *pb, void *arg)
{
	const struct group_attribute *a = pa, *b = pb;
	double x = difference(a, arg), y = difference(b, arg);

	if (x > y || x < y)
		return x > y ? -1 : 1;
	if (a->one != b->one)
		return a->one > b->one ? -1 : 1;
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

static bool testable(const struct group_attribute *a, const struct groups *g)
{
	uint32_t have = a->one + a->other;

	return have >= GROUPS_LEAST && have < g->one.count + g->other.count;
}

int groups_attributes(struct groups *g)
{
	struct tally t = { .s = g->s };
	struct ordering o = { g->one.count, g->other.count };
	size_t i, kept = 0;

	count_group(&t, &g->one, true);
	count_group(&t, &g->other, false);
	map_fini(&t.places);
	map_fini(&t.words);
	g->attributes = t.list;
	g->left_out = t.left_out;
	if (t.failed || !g->one.count || !g->other.count)
		return t.failed ? -ENOMEM : 0;
	for (i = 0; i < t.n; i++)
		g->tested += testable(&t.list[i], g);
	for (i = 0; i < t.n; i++) {
		struct group_attribute a = t.list[i];

		if (!testable(&a, g) || !(difference(&a, &o) > 0))
			continue;
		a.p = dominant_fisher(a.one, g->one.count, a.other, g->other.count);
		if (a.p < SIGNIFICANT / g->tested)
			t.list[kept++] = a;
	}
	g->nattributes = kept;
	if (kept)
		qsort_r(t.list, kept, sizeof(*t.list), by_difference, &o);
	for (i = 1; i < kept; i++)
		t.list[i].repeated = t.list[i].set == t.list[i - 1].set && t.list[i].one == t.list[i - 1].one &&
				     t.list[i].other == t.list[i - 1].other;
	return 0;
}
