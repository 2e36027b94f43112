/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_jaeger - traces of others as JSON, and the critical paths of what was read.
 *
 * Any text is read or refused with a sentence.  Each span that is read is in one trace; the stretches of a trace's path lie
 * within its root and leave no moment of it out.
 */
#include <stdint.h>

#include "base/err.h"
#include "explain/critical.h"
#include "explain/jaeger.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void path(const struct spans *s, const struct span_trace *t)
{
	const struct span *root = &s->rows[t->root];
	struct err err = ERR_INIT;
	uint64_t covered = 0;
	struct critical c;
	size_t i;

	MUST(root->parent == SPAN_NONE && t->count >= 1);
	MUST(critical_find(s, t->root, &c, &err) >= 0);
	MUST(c.npath >= 1 && c.path[0].row == t->root && c.npath <= c.nplaces);
	MUST(c.nplaces <= t->count);
	for (i = 0; i < c.nsegments; i++) {
		MUST(c.segments[i].from_ns >= root->begin_ns && c.segments[i].to_ns <= root->end_ns);
		MUST(c.segments[i].from_ns < c.segments[i].to_ns);
		covered += c.segments[i].to_ns - c.segments[i].from_ns;
	}
	MUST(covered >= root->end_ns - root->begin_ns);
	MUST(c.saved_path_ns <= root->end_ns - root->begin_ns);
	critical_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct spans s;
	size_t i, n = 0;

	if (jaeger_read((const char *)data, size, &s, NULL, &err) < 0) {
		MUST(err.text[0]);
		return 0;
	}
	for (i = 0; i < s.ntraces; i++) {
		n += s.traces[i].count;
		path(&s, &s.traces[i]);
	}
	MUST(n == s.count);
	for (i = 0; i < s.count; i++) {
		const struct span *row = &s.rows[i];

		MUST(row->end_ns >= row->begin_ns && row->id);
		MUST(i == 0 || s.rows[i - 1].begin_ns <= row->begin_ns);
		MUST(row->service < s.text_len && row->operation < s.text_len && row->error < s.text_len);
	}
	spans_fini(&s);
	return 0;
}
