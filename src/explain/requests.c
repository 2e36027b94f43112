/* SPDX-License-Identifier: Apache-2.0 */
/* requests - life cycle, what its files share, and the order of the stages. */
#include "explain/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/err.h"
#include "explain/requests_in.h"

#define REQUESTS_BYTES_MAX (6ULL << 30)

int requests_new(const struct requests_opts *opts, struct requests **ret, struct err *err)
{
	struct requests *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ENOMEM, "out of memory");
	if (opts)
		r->opts = *opts;
	if (who_new(r->opts.host_name, r->opts.arg, r->opts.host_name != NULL, &r->who) < 0) {
		(void)requests_free(r);
		return err_set(err, ENOMEM, "out of memory");
	}
	r->arena_len = sizeof(uint64_t); /* place 0: none */
	*ret = r;
	return 0;
}

struct requests *requests_free(struct requests *r)
{
	if (!r)
		return NULL;
	(void)who_free(r->who);
	free(r->acts.rows);
	free(r->units.rows);
	free(r->conns.rows);
	free(r->ran.rows);
	free(r->held.rows);
	free(r->more.rows);
	free(r->segments.rows);
	free(r->logs.rows);
	free(r->notes.rows);
	free(r->troubles.rows);
	free(r->losses.rows);
	free(r->files.rows);
	free(r->log_refs);
	free(r->log_first);
	free(r->arena);
	map_fini(&r->unit_of);
	map_fini(&r->conn_of);
	map_fini(&r->text_of);
	free(r->spans.rows);
	free(r->spans.traces);
	free(r->spans.text);
	free(r);
	return NULL;
}

void *requests_push(struct requests *r, void *array, size_t size)
{
	ROWS(char) *list = array;
	void *grown;

	if (r->bytes + size > REQUESTS_BYTES_MAX || list->count >= NONE - 1) {
		r->left_out++;
		return NULL;
	}
	grown = array_grown(list->rows, list->count, size);
	if (!grown) {
		r->failed = true;
		return NULL;
	}
	list->rows = grown;
	r->bytes += size;
	return memset((char *)grown + size * list->count++, 0, size);
}

uint32_t requests_text(struct requests *r, const char *text)
{
	struct spans *s = &r->spans;
	size_t n = strlen(text) + 1, i;
	uint64_t key = n, *at;

	if (n == 1)
		return 0;
	for (i = 0; i < n; i++)
		key = map_hash(key ^ (uint64_t)(unsigned char)text[i] << 32);
	at = map_get(&r->text_of, key);
	if (at)
		return (uint32_t)*at;
	if (s->text_len + n + 1 > s->text_cap) {
		size_t cap = s->text_cap ? s->text_cap * 2 : 4096;
		char *grown = cap < NONE && s->text_len + n + 1 <= cap ? realloc(s->text, cap) : NULL;

		if (!grown) {
			r->failed = true;
			return 0;
		}
		s->text = grown;
		s->text_cap = cap;
		if (!s->text_len)
			s->text[s->text_len++] = 0;
	}
	memcpy(s->text + s->text_len, text, n);
	if (map_set(&r->text_of, key, s->text_len) < 0)
		r->failed = true;
	s->text_len += n;
	return (uint32_t)(s->text_len - n);
}

const struct kept *requests_kept(const struct requests *r, uint32_t data)
{
	return data ? (const struct kept *)(const void *)(r->arena + (size_t)data * 8) : NULL;
}

/* --- clocks --- */

/* The middle of what the messages allow; of hosts that never spoke both ways, by their wall clocks. */
static void set_shifts(struct requests *r)
{
	struct order_offset off;
	uint64_t at;
	uint32_t h;

	for (h = 1; h < r->nhosts && h < REQUESTS_HOSTS; h++) {
		if (order_host_offset_best(r->order, 0, h, &at, &off) == 0)
			r->shift_ns[h] = -(off.low_ns / 2 + off.high_ns / 2);
		else if (r->epoch_ns[0] && r->epoch_ns[h])
			r->shift_ns[h] = r->epoch_ns[h] - r->epoch_ns[0];
	}
}

int requests_build(struct requests *r, const struct order *o, struct err *err)
{
	static int (*const stages[])(struct requests * r) = { requests_exchanges, requests_flow,  requests_link,
							      requests_notes,	  requests_times, requests_tree };
	size_t i;
	int n = 0;

	if (r->built)
		return err_set(err, EINVAL, "the requests were built before");
	r->built = true;
	r->order = o;
	set_shifts(r);
	for (i = 0; i < sizeof(stages) / sizeof(stages[0]) && n >= 0 && !r->failed; i++)
		n = stages[i](r);
	return n < 0 || r->failed ? err_set(err, ENOMEM, "out of memory for the requests") : 0;
}

const struct spans *requests_spans(const struct requests *r)
{
	return &r->spans;
}

size_t requests_logs(const struct requests *r, uint32_t span, const struct order_ref **ret)
{
	if (!r->log_first || span >= r->spans.count)
		return 0;
	*ret = r->log_refs + r->log_first[span];
	return r->log_first[span + 1] - r->log_first[span];
}

uint64_t requests_left_out(const struct requests *r)
{
	return r->left_out;
}
