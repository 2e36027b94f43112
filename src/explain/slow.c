/* SPDX-License-Identifier: Apache-2.0 */
/* What makes the slow requests slow, in one line of the story: by explain/dominant, over the critical paths of all requests. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/dominant.h"
#include "explain/facts.h"

#define WORTH_NS 1000000 /* that slow requests must take longer */
#define WORTH_RATIO 2	 /* and how much more than normal ones, in all */

/* Cut to the room there is, between characters. */
static void copy(char *out, size_t room, const char *text)
{
	size_t len = strlen(text);

	if (len >= room)
		for (len = room - 1; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out, text, len);
	out[len] = 0;
}

int story_requests(struct story *s, const struct spans *spans, struct err *err)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct story_line *l = &s->slow;
	const struct span *row;
	struct dominant d;
	uint32_t at;
	int r = dominant_of(spans, NULL, 0, &d, err);

	if (r < 0)
		return r;
	if (d.enough && d.slow_mean_ns - d.normal_mean_ns >= WORTH_NS &&
	    d.slow_mean_ns >= WORTH_RATIO * d.normal_mean_ns && dominant_sentence(&b, spans, &d, &at) && b.data) {
		row = &spans->rows[at];
		*l = (struct story_line) { .boot_ns = row->begin_ns, .host = row->host, .inferred = true };
		memcpy(l->trace, row->trace, sizeof(l->trace));
		copy(l->text, sizeof(l->text), b.data);
		line_cite(l, row->begin.host, row->begin.id);
		line_cite(l, row->end.host, row->end.id);
	}
	dominant_fini(&d);
	if (s->order) { /* told already, without it */
		tell_requests(s);
		story_select(s);
	}
	return b.failed ? err_set(err, ENOMEM, "out of memory for the story") : 0;
}

void tell_requests(struct story *s)
{
	struct story_line *l = s->slow.nrefs ? line_add(s, 0, 0, 0) : NULL;
	uint32_t weight = s->incidents && s->nincidents && s->incidents[0].cause ? WEIGHT_SLOW_TOO : WEIGHT_SLOW;

	if (!l)
		return;
	*l = s->slow;
	l->weight = weight;
}
