/* SPDX-License-Identifier: Apache-2.0 */
/* Names and lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "explain/facts.h"

#define TEXTS 8
#define SHORT_LIFE_NS NS_PER_S

static char *text_next(void)
{
	static __thread char texts[TEXTS][192];
	static __thread unsigned int at;

	return texts[at++ % TEXTS];
}

struct actor *story_actor(const struct story *s, uint32_t i)
{
	static struct actor stranger = { .comm = "unknown", .parent = CAST_NONE };

	return i < s->cast.count ? &s->cast.actors[i] : &stranger;
}

/* The namespace's name, else the host's where there are several, else "". */
static const char *where(const struct story *s, uint32_t i)
{
	const struct actor *a = story_actor(s, i);
	const char *place = cast_place(&s->cast, a);

	if (!*place && s->host_name)
		place = s->host_name(s->arg, a->host);
	return place;
}

const char *actor_text(const struct story *s, uint32_t i)
{
	const struct actor *a = story_actor(s, i);
	const char *place = where(s, i);
	char *text = text_next();

	if (i == CAST_NONE)
		return "the kernel";
	(void)snprintf(text, 192, "%s[%u]%s%s", a->comm[0] ? a->comm : "?", a->tgid, *place ? " on " : "", place);
	return text;
}

const char *doer_text(const struct story *s, uint32_t i)
{
	const struct actor *a = story_actor(s, i);
	char *text;

	if (i == CAST_NONE || a->parent == CAST_NONE || !a->exec_ns || !a->died_ns ||
	    a->died_ns - a->first_ns > SHORT_LIFE_NS)
		return actor_text(s, i);
	text = text_next();
	(void)snprintf(text, 192, "%s[%u]'s %s", story_actor(s, a->parent)->comm, story_actor(s, a->parent)->tgid,
		       actor_text(s, i));
	return text;
}

/* Is it the only one at its place that spoke with anybody in its time? */
static bool alone_there(const struct story *s, const struct actor *a)
{
	uint64_t end = a->died_ns ? a->died_ns : UINT64_MAX;
	size_t i;

	for (i = 0; i < s->cast.count; i++) {
		const struct actor *b = &s->cast.actors[i];

		if (b != a && b->ncontacts && cast_together(&s->cast, a, b) && b->first_ns < end &&
		    (!b->died_ns || b->died_ns > a->first_ns))
			return false;
	}
	return true;
}

const char *place_text(const struct story *s, uint32_t i)
{
	const char *place = where(s, i);

	return *place && i < s->cast.count && alone_there(s, story_actor(s, i)) ? place : actor_text(s, i);
}

const char *count_text(uint64_t n)
{
	return buf_thousands(text_next(), n);
}

struct story_line *line_add(struct story *s, uint64_t boot_ns, uint32_t host, uint32_t weight)
{
	if (s->nlines == s->lines_cap) {
		size_t cap = s->lines_cap ? s->lines_cap * 2 : 64;
		struct story_line *grown = realloc(s->lines, cap * sizeof(*grown));

		if (!grown) {
			s->left_out++;
			return NULL;
		}
		s->lines = grown;
		s->lines_cap = cap;
	}
	s->lines[s->nlines] = (struct story_line) { .boot_ns = boot_ns, .host = host, .weight = weight };
	return &s->lines[s->nlines++];
}

void line_cite(struct story_line *l, uint32_t host, uint64_t id)
{
	if (id && l->nrefs < STORY_REFS)
		l->refs[l->nrefs++] = (struct order_ref) { host, id };
}
