/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/story_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "explain/story.h"

#define COUNTS_MAX 64

struct hosts {
	const char *(*name)(void *arg, uint32_t host);
	void *arg;
};

static void counts_json(struct buf *b, const struct story *s, char by, const char *name)
{
	struct story_count counts[COUNTS_MAX];
	size_t i, n = story_counts(s, by, counts, COUNTS_MAX);

	buf_printf(b, ",\"%s\":[", name);
	for (i = 0; i < n; i++) {
		buf_str(b, i ? ",{\"name\":" : "{\"name\":");
		buf_json(b, counts[i].name, strlen(counts[i].name));
		if (by == 'p')
			buf_printf(b, ",\"pid\":%u", counts[i].tgid);
		buf_printf(b, ",\"events\":%" PRIu64 "}", counts[i].events);
	}
	buf_char(b, ']');
}

/* The events that it cites: by the names of their hosts, and as the page names them. */
static void refs_json(struct buf *b, const struct story_line *l, const struct hosts *hosts)
{
	unsigned int i;

	buf_str(b, ",\"events\":[");
	for (i = 0; i < l->nrefs; i++) {
		const char *name = hosts->name(hosts->arg, l->refs[i].host);

		buf_printf(b, "%s{\"host\":", i ? "," : "");
		buf_json(b, name, strlen(name));
		buf_printf(b, ",\"id\":%" PRIu64 "}", l->refs[i].id);
	}
	buf_str(b, "],\"refs\":[");
	for (i = 0; i < l->nrefs; i++)
		buf_printf(b, "%s\"%u:%" PRIu64 "\"", i ? "," : "", l->refs[i].host, l->refs[i].id);
	buf_char(b, ']');
}

static void line_json(struct buf *b, const struct story_line *l, const struct hosts *hosts, uint64_t first_ns)
{
	int64_t t = (int64_t)(l->boot_ns - first_ns);

	buf_printf(b,
		   "{\"boot_ns\":%" PRIu64 ",\"t\":%" PRId64
		   ",\"seconds\":%.6f,\"cause\":%s,\"inferred\":%s,\"leads\":%s,\"text\":",
		   l->boot_ns, t, (double)t / 1e9, l->cause ? "true" : "false", l->inferred ? "true" : "false",
		   l->leads ? "true" : "false");
	buf_json(b, l->text, strlen(l->text));
	refs_json(b, l, hosts);
	if (l->trace[0] || l->trace[1])
		buf_printf(b, ",\"trace\":\"%016" PRIx64 "%016" PRIx64 "\"", l->trace[0], l->trace[1]);
	buf_char(b, '}');
}

void story_json(struct buf *b, const struct story *s, const struct order *o,
		const char *(*host_name)(void *arg, uint32_t host), void *arg)
{
	const struct hosts hosts = { host_name, arg };
	const struct story_line *lines;
	size_t n = story_lines(s, &lines), i;
	struct story_totals t;
	struct order_stats st;

	story_totals(s, &t);
	order_get_stats(o, &st);
	buf_str(b, "{\"lines\":[");
	for (i = 0; i < n; i++) {
		if (i)
			buf_char(b, ',');
		line_json(b, &lines[i], &hosts, t.first_ns);
	}
	buf_printf(b,
		   "],\"causes\":%u,\"events\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"shed\":%" PRIu64
		   ",\"messages\":%" PRIu64 ",\"matched\":%" PRIu64 ",\"ambiguous\":%" PRIu64,
		   t.causes, t.events, t.lost, t.shed, st.messages, st.matched, st.ambiguous);
	buf_str(b, ",\"besides\":");
	buf_json(b, story_besides(s), strlen(story_besides(s)));
	buf_printf(b, ",\"span_ns\":%" PRIu64 ",\"left_out\":%" PRIu64, t.last_ns - t.first_ns, story_left_out(s));
	counts_json(b, s, 'h', "places");
	counts_json(b, s, 'p', "processes");
	counts_json(b, s, 't', "types");
	buf_char(b, '}');
}
