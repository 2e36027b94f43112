/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/parts_kept.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"

struct parts_kept {
	const struct spans *s;
	pthread_mutex_t lock; /* of what follows */
	struct parts_rows rows;
	size_t most_rows, requests;
	struct place {
		uint32_t first, count; /* count 0: not kept, since each request has a part */
	} * places;		       /* by trace */
	struct part *keys;
	size_t nkeys;
	struct map by;
};

int parts_kept_new(const struct spans *s, size_t most_bytes, struct parts_kept **ret, struct err *err)
{
	struct parts_kept *k = calloc(1, sizeof(*k));

	if (k)
		k->places = calloc(s->ntraces + 1, sizeof(*k->places));
	if (!k || !k->places) {
		free(k);
		return err_set(err, ENOMEM, "out of memory for the parts of %zu requests", s->ntraces);
	}
	k->s = s;
	k->most_rows = MIN(most_bytes / sizeof(struct part_ns), (size_t)UINT32_MAX);
	(void)pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return 0;
}

struct parts_kept *parts_kept_free(struct parts_kept *k)
{
	if (!k)
		return NULL;
	(void)pthread_mutex_destroy(&k->lock);
	free(k->rows.rows);
	free(k->places);
	free(k->keys);
	map_fini(&k->by);
	free(k);
	return NULL;
}

/* Of those that have the same hash each has the next free number behind it. */
static int key_of(struct parts_kept *k, const struct part *p, uint32_t *ret)
{
	uint64_t h = map_hash(map_hash((uint64_t)p->service << 32 | p->operation) + p->kind), *at;
	struct part *grown;

	for (; (at = map_get(&k->by, h)); h++) {
		*ret = (uint32_t)*at;
		if (!parts_compare(&k->keys[*at], p))
			return 0;
	}
	grown = array_grown(k->keys, k->nkeys, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	k->keys = grown;
	k->keys[k->nkeys] = (struct part) { .service = p->service, .operation = p->operation, .kind = p->kind };
	if (map_set(&k->by, h, k->nkeys) < 0)
		return -ENOMEM;
	*ret = (uint32_t)k->nkeys++;
	return 0;
}

static int room(struct parts_rows *to, size_t more)
{
	size_t cap = to->cap ? to->cap : 64;
	struct part_ns *grown;

	if (to->count + more <= to->cap)
		return 0;
	while (cap < to->count + more)
		cap *= 2;
	grown = realloc(to->rows, cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	to->rows = grown;
	to->cap = cap;
	return 0;
}

static void append(struct parts_rows *to, const struct part_ns *rows, size_t n)
{
	memcpy(to->rows + to->count, rows, n * sizeof(*rows));
	to->count += n;
}

/* k->lock is held.  What there is no memory for is not kept. */
static void keep(struct parts_kept *k, uint32_t trace, const struct part_ns *rows, size_t n)
{
	if (k->places[trace].count || !n || k->rows.count + n > k->most_rows || room(&k->rows, n) < 0)
		return;
	k->places[trace] = (struct place) { (uint32_t)k->rows.count, (uint32_t)n };
	append(&k->rows, rows, n);
	k->requests++;
}

static int work_out(struct parts_kept *k, uint32_t trace, struct parts_rows *to, struct err *err)
{
	CLEANUP_FREE struct part *parts = NULL;
	size_t n = 0, i, from = to->count;
	struct critical c;
	int r = critical_find(k->s, k->s->traces[trace].root, &c, err);

	if (r < 0)
		return r;
	r = parts_of(k->s, &c, &parts, &n);
	critical_fini(&c);
	if (r >= 0)
		r = room(to, n);
	(void)pthread_mutex_lock(&k->lock);
	for (i = 0; r >= 0 && i < n; i++) {
		struct part_ns *row = &to->rows[from + i];

		row->ns = parts[i].ns;
		r = key_of(k, &parts[i], &row->key);
	}
	if (r >= 0)
		keep(k, trace, to->rows + from, n);
	(void)pthread_mutex_unlock(&k->lock);
	if (r >= 0)
		to->count += n;
	return r < 0 ? err_set(err, ENOMEM, "out of memory for the parts of a request") : 0;
}

int parts_kept_get(struct parts_kept *k, uint32_t trace, struct parts_rows *to, struct err *err)
{
	const struct place *p = &k->places[trace];
	bool kept;
	int r = 0;

	(void)pthread_mutex_lock(&k->lock);
	kept = p->count;
	if (kept)
		r = room(to, p->count);
	if (kept && r >= 0)
		append(to, k->rows.rows + p->first, p->count);
	(void)pthread_mutex_unlock(&k->lock);
	if (r < 0)
		return err_set(err, ENOMEM, "out of memory for the parts of a request");
	return kept ? 0 : work_out(k, trace, to, err);
}

int parts_kept_keys(struct parts_kept *k, struct part **ret, size_t *ret_count)
{
	struct part *copy;

	(void)pthread_mutex_lock(&k->lock);
	copy = malloc((k->nkeys + 1) * sizeof(*copy));
	if (copy && k->nkeys)
		memcpy(copy, k->keys, k->nkeys * sizeof(*copy));
	*ret_count = k->nkeys;
	(void)pthread_mutex_unlock(&k->lock);
	*ret = copy;
	return copy ? 0 : -ENOMEM;
}

size_t parts_kept_requests(struct parts_kept *k)
{
	size_t n;

	(void)pthread_mutex_lock(&k->lock);
	n = k->requests;
	(void)pthread_mutex_unlock(&k->lock);
	return n;
}
