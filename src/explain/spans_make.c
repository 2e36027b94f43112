/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/spans_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

#define TEXT_MAX (1U << 30)

void spans_make_fini(struct spans_make *m)
{
	spans_fini(&m->s);
	map_fini(&m->texts);
	*m = (struct spans_make) { 0 };
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits. */
static uint64_t hash_text(const char *text, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return h;
}

static bool room_for_text(struct spans_make *m, size_t len)
{
	size_t need = m->s.text_len + len + 2, cap = m->s.text_cap ? m->s.text_cap : 256;
	char *grown;

	if (need > TEXT_MAX)
		return false;
	while (cap < need)
		cap *= 2;
	if (cap == m->s.text_cap)
		return true;
	grown = realloc(m->s.text, cap);
	if (!grown)
		return false;
	m->s.text = grown;
	m->s.text_cap = cap;
	return true;
}

uint32_t spans_make_text(struct spans_make *m, const char *text, size_t len)
{
	uint64_t key, *at;

	len = strnlen(text, len);
	if (!len || m->failed)
		return 0;
	for (key = hash_text(text, len); (at = map_get(&m->texts, key)); key++)
		if (!strncmp(m->s.text + *at, text, len) && !m->s.text[*at + len])
			return (uint32_t)*at;
	if (!room_for_text(m, len)) {
		m->failed = true;
		return 0;
	}
	if (!m->s.text_len)
		m->s.text[m->s.text_len++] = 0;
	if (map_set(&m->texts, key, m->s.text_len) < 0) {
		m->failed = true;
		return 0;
	}
	memcpy(m->s.text + m->s.text_len, text, len);
	m->s.text_len += len;
	m->s.text[m->s.text_len++] = 0;
	return (uint32_t)(m->s.text_len - len - 1);
}

struct span *spans_make_row(struct spans_make *m)
{
	struct span *grown = m->s.count < UINT32_MAX - 1 ? array_grown(m->s.rows, m->s.count, sizeof(*grown)) : NULL;

	if (!grown) {
		m->failed = true;
		return NULL;
	}
	m->s.rows = grown;
	grown += m->s.count++;
	*grown = (struct span) { .parent = SPAN_NONE, .first_child = SPAN_NONE, .next = SPAN_NONE };
	return grown;
}

static int by_begin(const void *a, const void *b, void *arg)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct span *rows = arg;

	if (rows[x].begin_ns != rows[y].begin_ns)
		return rows[x].begin_ns < rows[y].begin_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Rows by begin; their parents are the new indexes. */
static int sort(struct spans *s)
{
	CLEANUP_FREE uint32_t *order = calloc(s->count + 1, sizeof(*order));
	CLEANUP_FREE uint32_t *place = calloc(s->count + 1, sizeof(*place));
	struct span *rows = calloc(s->count + 1, sizeof(*rows));
	uint32_t i;

	if (!order || !place || !rows) {
		free(rows);
		return -ENOMEM;
	}
	for (i = 0; i < s->count; i++)
		order[i] = i;
	qsort_r(order, s->count, sizeof(*order), by_begin, s->rows);
	for (i = 0; i < s->count; i++)
		place[order[i]] = i;
	for (i = 0; i < s->count; i++) {
		rows[i] = s->rows[order[i]];
		rows[i].parent = rows[i].parent < s->count ? place[rows[i].parent] : SPAN_NONE;
	}
	free(s->rows);
	s->rows = rows;
	s->cap = s->count + 1;
	return 0;
}

/* root[i]: the root of row i.  Each row is passed at most twice: a walk ends at one whose root is known. */
static void find_roots(struct spans *s, uint32_t *root, uint32_t *walk)
{
	uint32_t i, at, up;

	memset(root, 0xff, s->count * sizeof(*root));
	memset(walk, 0xff, s->count * sizeof(*walk));
	for (i = 0; i < s->count; i++) {
		for (at = i; root[at] == SPAN_NONE; at = s->rows[at].parent) {
			if (walk[at] == i) { /* a circle */
				s->rows[at].parent = SPAN_NONE;
				s->rows[at].flags |= SPAN_INCOMPLETE;
			}
			walk[at] = i;
			if (s->rows[at].parent == SPAN_NONE)
				root[at] = at;
			if (root[at] != SPAN_NONE)
				break;
		}
		up = root[at];
		for (at = i; root[at] == SPAN_NONE; at = s->rows[at].parent)
			root[at] = up;
	}
}

static int link_rows(struct spans *s)
{
	CLEANUP_FREE uint32_t *root = calloc(s->count + 1, sizeof(*root));
	CLEANUP_FREE uint32_t *walk = calloc(s->count + 1, sizeof(*walk));
	struct span_trace *grown;
	uint32_t i;

	if (!root || !walk)
		return -ENOMEM;
	find_roots(s, root, walk);
	for (i = (uint32_t)s->count; i-- > 0;) {
		struct span *row = &s->rows[i];

		if (row->parent == SPAN_NONE)
			continue;
		row->next = s->rows[row->parent].first_child;
		s->rows[row->parent].first_child = i;
	}
	for (i = 0; i < s->count; i++) { /* roots come by begin, too; walk[root]: which trace it is */
		if (root[i] != i)
			continue;
		grown = array_grown(s->traces, s->ntraces, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->traces = grown;
		walk[i] = (uint32_t)s->ntraces;
		s->traces[s->ntraces++] = (struct span_trace) { i, 0, s->rows[i].begin_ns, s->rows[i].end_ns };
	}
	for (i = 0; i < s->count; i++)
		s->traces[walk[root[i]]].count++;
	return 0;
}

int spans_make_link(struct spans_make *m, struct spans *ret)
{
	int r = m->failed ? -ENOMEM : 0;

	if (r >= 0 && !m->s.text_len) {
		if (!room_for_text(m, 0))
			return -ENOMEM;
		m->s.text[m->s.text_len++] = 0;
	}
	if (r >= 0)
		r = sort(&m->s);
	if (r >= 0)
		r = link_rows(&m->s);
	if (r < 0)
		return r;
	*ret = m->s;
	m->s = (struct spans) { 0 };
	spans_make_fini(m);
	return 0;
}
