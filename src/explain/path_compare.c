/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "explain/parts.h"
#include "explain/path.h"

#define SHOWN 20

struct difference {
	struct part part; /* names; ns and spans are not used */
	uint64_t ns[2];
	uint32_t spans[2];
};

static uint64_t size_of(const struct difference *d)
{
	return d->ns[0] > d->ns[1] ? d->ns[0] - d->ns[1] : d->ns[1] - d->ns[0];
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = size_of(a), y = size_of(b);

	if (x != y)
		return x > y ? -1 : 1;
	return parts_compare(&((const struct difference *)a)->part, &((const struct difference *)b)->part);
}

/* Two sorted lists into one.  Both views are of the same spans. */
static size_t merge(const struct part *parts[2], const size_t counts[2], struct difference *out)
{
	size_t at[2] = { 0, 0 }, n = 0;
	int i;

	while (at[0] < counts[0] || at[1] < counts[1]) {
		int cmp = at[0] == counts[0]   ? 1
			  : at[1] == counts[1] ? -1
					       : parts_compare(&parts[0][at[0]], &parts[1][at[1]]);
		struct difference *d = &out[n++];

		*d = (struct difference) { .part = cmp > 0 ? parts[1][at[1]] : parts[0][at[0]] };
		for (i = 0; i < 2; i++) {
			if (i ? cmp < 0 : cmp > 0)
				continue;
			d->ns[i] = parts[i][at[i]].ns;
			d->spans[i] = parts[i][at[i]].spans;
			at[i]++;
		}
	}
	qsort(out, n, sizeof(*out), by_size);
	return n;
}

/* The caller frees *ret. */
static size_t differences(struct buf *b, const struct path_view *one, const struct path_view *other,
			  struct difference **ret)
{
	struct part *parts[2] = { NULL, NULL };
	size_t counts[2] = { 0, 0 }, n = 0;

	*ret = NULL;
	if (parts_of(one->s, one->c, &parts[0], &counts[0]) < 0 ||
	    parts_of(other->s, other->c, &parts[1], &counts[1]) < 0)
		b->failed = true;
	else
		*ret = calloc(counts[0] + counts[1] + 1, sizeof(**ret));
	if (*ret)
		n = merge((const struct part *[]) { parts[0], parts[1] }, counts, *ret);
	else
		b->failed = true;
	free(parts[0]);
	free(parts[1]);
	return n;
}

static void head(struct buf *b, const char *what, const struct path_view *v)
{
	const struct span *root = &v->s->rows[v->root];

	buf_printf(b, "%s trace ", what);
	path_trace_id(b, root);
	buf_str(b, ": ");
	buf_text(b, spans_text(v->s, root->service), strlen(spans_text(v->s, root->service)));
	buf_char(b, ' ');
	buf_text(b, spans_text(v->s, root->operation), strlen(spans_text(v->s, root->operation)));
	buf_str(b, ", ");
	path_duration(b, root->end_ns - root->begin_ns);
	buf_printf(b, ", %zu spans\n", v->c->nplaces);
}

static void duration(struct buf *b, const char *sign, uint64_t ns)
{
	struct buf text = BUF_INIT;

	buf_str(&text, sign);
	path_duration(&text, ns);
	buf_printf(b, "%10s", text.data ? text.data : "");
	buf_fini(&text);
}

void path_compare_text(struct buf *b, const struct path_view *one, const struct path_view *other)
{
	struct difference *list;
	size_t n = differences(b, one, other, &list), i;

	head(b, "one:  ", one);
	head(b, "other:", other);
	buf_str(b, "\ntime on the critical path, the largest differences first:\n");
	buf_printf(b, "%10s%10s%10s  %s\n", "one", "other", "more", "where");
	for (i = 0; i < n && i < SHOWN; i++) {
		const struct difference *d = &list[i];
		const char *service = spans_text(one->s, d->part.service), *op = spans_text(one->s, d->part.operation);

		if (!size_of(d))
			break;
		duration(b, "", d->ns[0]);
		duration(b, "", d->ns[1]);
		duration(b, d->ns[0] >= d->ns[1] ? "+" : "-", size_of(d));
		buf_str(b, "  ");
		buf_text(b, service, strlen(service));
		buf_char(b, ' ');
		buf_text(b, op, strlen(op));
		buf_printf(b, ": %s", span_time_name((enum span_time)d->part.kind));
		if (d->spans[0] != d->spans[1])
			buf_printf(b, " (%u spans, %u in the other)", d->spans[0], d->spans[1]);
		buf_char(b, '\n');
	}
	if (i < n && size_of(&list[i]))
		buf_printf(b, "%zu smaller ones\n", n - i);
	free(list);
}

static uint64_t length(const struct path_view *v)
{
	return v->s->rows[v->root].end_ns - v->s->rows[v->root].begin_ns;
}

void path_compare_json(struct buf *b, const struct path_view *one, const struct path_view *other)
{
	struct difference *list;
	size_t n = differences(b, one, other, &list), i;

	buf_str(b, "{\"one\":\"");
	path_trace_id(b, &one->s->rows[one->root]);
	buf_str(b, "\",\"other\":\"");
	path_trace_id(b, &other->s->rows[other->root]);
	buf_printf(b, "\",\"one_ns\":%" PRIu64 ",\"other_ns\":%" PRIu64 ",\"differences\":[", length(one),
		   length(other));
	for (i = 0; i < n && (!one->most || i < one->most); i++) {
		const struct difference *d = &list[i];
		const char *service = spans_text(one->s, d->part.service), *op = spans_text(one->s, d->part.operation);

		buf_printf(b, "%s{\"service\":", i ? "," : "");
		buf_json(b, service, strlen(service));
		buf_str(b, ",\"operation\":");
		buf_json(b, op, strlen(op));
		buf_printf(b,
			   ",\"time\":\"%s\",\"one_ns\":%" PRIu64 ",\"other_ns\":%" PRIu64
			   ",\"one_spans\":%u,\"other_spans\":%u}",
			   span_time_key((enum span_time)d->part.kind), d->ns[0], d->ns[1], d->spans[0], d->spans[1]);
	}
	buf_printf(b, "],\"left_out\":%zu}", n - i);
	free(list);
}
