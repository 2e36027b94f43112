/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of spans_db: the blocks that may have something are read, tree by tree.  By begin they follow one another; a moment's is
 * found by halving.  By duration those with the longest (or shortest) roots come first, and when the rest has none that is longer
 * than what was found already, that is all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/spans_db.h"
#include "explain/spans_read.h"
#include "explain/spans_sql.h"

#define ID_DIGITS 16
#define SPARE 256 /* rows beyond the limit, until those that are too many are dropped */

struct found {
	struct spans_db_row row;
	uint64_t n; /* by begin */
	uint32_t service, operation;
};

struct block {
	uint64_t bound_ns; /* the longest root in it, or the shortest */
	uint32_t n;
};

struct list {
	struct spans_db *db;
	const struct spans_db_filter *f;
	struct block *blocks; /* in the order in which they are read */
	size_t nblocks, cap_blocks;
	int64_t service, operation;
	uint64_t high_from, high_to; /* both in it */
	struct spans_brief *briefs;
	size_t nbriefs;
	struct found *rows;
	size_t count, cap;
	struct err *err;
};

/* The last block that begins before a moment; 1: the first. */
static int block_at(struct spans_db *db, uint64_t ns, int64_t blocks, int64_t *ret, struct err *err)
{
	int64_t low = 1, high = blocks, begin;

	while (low < high) {
		int64_t middle = low + (high - low + 1) / 2;
		int r = spans_read_number(db, "SELECT begin FROM blocks WHERE n = ?", middle, &begin, err);

		if (r < 0)
			return r;
		if (r && (uint64_t)begin < ns)
			low = middle;
		else
			high = middle - 1;
	}
	*ret = low;
	return 0;
}

static int add_block(struct list *l, uint32_t n, uint64_t bound_ns)
{
	if (l->nblocks == l->cap_blocks) {
		size_t cap = l->cap_blocks ? 2 * l->cap_blocks : 64;
		struct block *grown = realloc(l->blocks, cap * sizeof(*grown));

		if (!grown)
			return err_set(l->err, ENOMEM, "out of memory for a list of requests");
		l->blocks = grown;
		l->cap_blocks = cap;
	}
	l->blocks[l->nblocks++] = (struct block) { bound_ns, n };
	return 0;
}

static int find_by_id(struct list *l)
{
	CLEANUP_FREE uint32_t *blocks = NULL;
	size_t n = 0, i;
	int r = spans_read_ids(l->db, (uint32_t)(l->high_from >> 32), (uint32_t)(l->high_to >> 32), &blocks, &n,
			       l->err);

	for (i = 0; r >= 0 && i < n; i++)
		r = add_block(l, blocks[i], 0);
	return r;
}

static int find_by_begin(struct list *l)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	bool descending = l->f->descending;
	int64_t first = 1, last = 0;
	int r = spans_read_number(l->db, "SELECT max(n) FROM blocks WHERE n > ?", 0, &last, l->err);

	if (r > 0 && l->f->from_ns)
		r = block_at(l->db, l->f->from_ns, last, &first, l->err);
	if (r >= 0 && last && l->f->to_ns)
		r = block_at(l->db, l->f->to_ns, last, &last, l->err);
	if (r >= 0)
		r = spans_read_prepare(l->db,
				       "SELECT n, shortest, longest FROM blocks WHERE n BETWEEN ? AND ? ORDER BY n",
				       &st, l->err);
	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(st, 1, first);
	(void)sqlite3_bind_int64(st, 2, last);
	while (r >= 0 && (r = spans_read_step(l->db, st, l->err)) > 0)
		r = add_block(l, (uint32_t)sqlite3_column_int64(st, 0),
			      (uint64_t)sqlite3_column_int64(st, descending ? 2 : 1));
	return r;
}

static int by_bound(const void *a, const void *b, void *arg)
{
	const struct block *x = a, *y = b;
	int order = x->bound_ns < y->bound_ns ? -1 : x->bound_ns > y->bound_ns;

	if (order)
		return *(const bool *)arg ? -order : order;
	return x->n < y->n ? -1 : x->n > y->n;
}

static int find_blocks(struct list *l)
{
	bool descending = l->f->descending;
	int r = l->f->id ? find_by_id(l) : find_by_begin(l);
	size_t i;

	if (r < 0 || !l->nblocks)
		return r;
	if (l->f->sort == SPANS_BY_DURATION)
		qsort_r(l->blocks, l->nblocks, sizeof(*l->blocks), by_bound, &descending);
	else if (descending)
		for (i = 0; i < l->nblocks / 2; i++) {
			struct block swap = l->blocks[i];

			l->blocks[i] = l->blocks[l->nblocks - 1 - i];
			l->blocks[l->nblocks - 1 - i] = swap;
		}
	return 0;
}

/* 0: there is no such string; "" has 0 all the same, and says so. */
static int string_number(struct list *l, const char *text, int64_t *ret)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	int r;

	*ret = 0;
	if (!*text)
		return 1;
	r = spans_read_prepare(l->db, "SELECT id FROM strings WHERE text = ?", &st, l->err);
	if (r < 0)
		return r;
	(void)sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
	r = spans_read_step(l->db, st, l->err);
	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	return r;
}

/* The ids that begin with some digits. */
static int id_range(struct list *l)
{
	size_t n = strlen(l->f->id);
	char digits[ID_DIGITS + 1];

	if (!n || n > ID_DIGITS || strspn(l->f->id, "0123456789abcdefABCDEF") != n)
		return err_set(l->err, EINVAL, "'%s' is not the beginning of an id: 1 to %d hexadecimal digits",
			       l->f->id, ID_DIGITS);
	memset(digits, '0', ID_DIGITS);
	digits[ID_DIGITS] = 0;
	memcpy(digits, l->f->id, n);
	l->high_from = strtoull(digits, NULL, 16);
	l->high_to = l->high_from | (n == ID_DIGITS ? 0 : ~0ULL >> (4 * n));
	return 0;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct spans_db_filter *f = arg;
	const struct found *x = a, *y = b;
	uint64_t dx = x->row.end_ns - x->row.begin_ns, dy = y->row.end_ns - y->row.begin_ns;

	if (f->sort == SPANS_BY_BEGIN)
		return (x->n < y->n ? -1 : 1) * (f->descending ? -1 : 1);
	if (dx != dy)
		return (dx < dy ? -1 : 1) * (f->descending ? -1 : 1);
	return x->n < y->n ? -1 : 1; /* equal ones by begin, whichever way */
}

static void sort_rows(struct list *l)
{
	struct spans_db_filter f = *l->f;

	if (l->count)
		qsort_r(l->rows, l->count, sizeof(*l->rows), compare, &f);
	if (l->f->limit && l->count > l->f->limit)
		l->count = l->f->limit;
}

static bool wanted(const struct list *l, const struct found *x)
{
	const struct spans_db_filter *f = l->f;
	uint64_t duration = x->row.end_ns - x->row.begin_ns;

	return x->row.begin_ns >= f->from_ns && (!f->to_ns || x->row.begin_ns < f->to_ns) && duration >= f->min_ns &&
	       (!f->max_ns || duration <= f->max_ns) && (!f->flags || x->row.flags & f->flags) &&
	       !(x->row.flags & f->flags_not) && (!f->service || x->service == l->service) &&
	       (!f->operation || x->operation == l->operation) &&
	       (!f->id || (x->row.trace[0] >= l->high_from && x->row.trace[0] <= l->high_to));
}

static int describe(struct list *l, const struct blob_reader *t, struct found *ret)
{
	const struct span *root = NULL;
	size_t i;

	*ret = (struct found) { .row = { .trace = { t->tree.trace[0], t->tree.trace[1] },
					 .begin_ns = t->tree.begin_ns,
					 .spans = (uint32_t)t->count } };
	for (i = 0; i < t->count; i++) {
		const struct span_packed *p = &t->rows[i];

		if (!p->shape || p->shape > l->nbriefs)
			return err_set(l->err, EBADMSG, "'%s' is damaged: there is no shape %u", l->db->path, p->shape);
		ret->row.flags |= l->briefs[p->shape - 1].flags;
		if (root || p->span.parent != SPAN_NONE)
			continue;
		root = &p->span;
		ret->service = l->briefs[p->shape - 1].service;
		ret->operation = l->briefs[p->shape - 1].operation;
	}
	if (!root)
		return err_set(l->err, EBADMSG, "'%s' is damaged: a request without a root", l->db->path);
	ret->row.end_ns = ret->row.begin_ns + (root->end_ns - root->begin_ns);
	return 0;
}

static int take(struct list *l, const struct found *x)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct found *grown = realloc(l->rows, cap * sizeof(*grown));

		if (!grown)
			return err_set(l->err, ENOMEM, "out of memory for a list of requests");
		l->rows = grown;
		l->cap = cap;
	}
	l->rows[l->count++] = *x;
	return 0;
}

static int collect_block(struct list *l, uint32_t n, struct blob_reader *tree)
{
	struct blob_parts logs;
	struct found x;
	uint64_t nth;
	int r = spans_read_block(l->db, n, tree, &logs, l->err);

	for (nth = 0; r >= 0 && (r = spans_read_next(l->db, tree, l->err)) > 0; nth++) {
		r = describe(l, tree, &x);
		x.n = (uint64_t)n << 32 | nth;
		if (r >= 0 && wanted(l, &x))
			r = take(l, &x);
	}
	return r;
}

/* Nothing in this block and those behind it is before what was found. */
static bool enough(struct list *l, const struct block *b)
{
	const struct spans_db_row *last;
	uint64_t ns;

	if (!l->f->limit || l->count < l->f->limit)
		return false;
	if (l->f->sort == SPANS_BY_BEGIN)
		return true;
	if (l->f->id || /* nobody knows how long those are */
	    (l->f->limit > SPARE && l->count < (size_t)l->f->limit + SPARE) /* sorting costs, too */)
		return false;
	sort_rows(l);
	last = &l->rows[l->count - 1].row;
	ns = last->end_ns - last->begin_ns;
	return l->f->descending ? b->bound_ns < ns : b->bound_ns > ns;
}

static int collect(struct list *l)
{
	struct blob_reader tree = { 0 };
	size_t i;
	int r = spans_read_briefs(l->db, &l->briefs, &l->nbriefs, l->err);

	if (r >= 0)
		r = find_blocks(l);
	for (i = 0; r >= 0 && i < l->nblocks && !enough(l, &l->blocks[i]); i++)
		r = collect_block(l, l->blocks[i].n, &tree);
	spans_blob_fini(&tree);
	sort_rows(l);
	return r;
}

static int hand_out(struct list *l, spans_db_row_fn *each, void *arg)
{
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < l->count; i++) {
		CLEANUP_FREE char *service = NULL, *operation = NULL;

		r = spans_read_string(l->db, l->rows[i].service, &service, l->err);
		if (r >= 0)
			r = spans_read_string(l->db, l->rows[i].operation, &operation, l->err);
		if (r < 0)
			break;
		l->rows[i].row.service = service;
		l->rows[i].row.operation = operation;
		r = each(arg, &l->rows[i].row);
	}
	return r < 0 ? r : 0;
}

int spans_db_list(struct spans_db *db, const struct spans_db_filter *f, spans_db_row_fn *each, void *arg,
		  struct err *err)
{
	struct list l = { .db = db, .f = f, .err = err };
	int r = f->id ? id_range(&l) : 0, service = 1, operation = 1;

	if (r >= 0 && f->service)
		r = service = string_number(&l, f->service, &l.service);
	if (r >= 0 && f->operation)
		r = operation = string_number(&l, f->operation, &l.operation);
	if (r >= 0 && service && operation)
		r = collect(&l);
	if (r >= 0)
		r = hand_out(&l, each, arg);
	free(l.rows);
	free(l.blocks);
	free(l.briefs);
	return r;
}
