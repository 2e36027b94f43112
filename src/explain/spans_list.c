/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of spans_db.  By begin they follow the rows; a moment's row is found by halving, because rows are numbered by begin.
 * By duration they follow the index of each service, and the first of each are merged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/spans_db.h"
#include "explain/spans_read.h"
#include "explain/spans_sql.h"

#define ID_DIGITS 16

struct found {
	struct spans_db_row row;
	int64_t n;
	uint32_t service, operation;
};

struct list {
	struct spans_db *db;
	const struct spans_db_filter *f;
	int64_t first, last; /* rows */
	int64_t service, operation;
	uint64_t high_from, high_to; /* both in it */
	struct found *rows;
	size_t count;
	struct err *err;
};

static int one(struct spans_db *db, const char *text, int64_t arg, int64_t *ret, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	int r = spans_read_prepare(db, text, &st, err);

	if (r < 0)
		return r;
	(void)sqlite3_bind_int64(st, 1, arg);
	r = spans_read_step(db, st, err);
	if (r > 0 && sqlite3_column_type(st, 0) == SQLITE_NULL)
		return 0;
	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	return r;
}

/* The first row that begins at a moment or later. */
static int row_at(struct spans_db *db, uint64_t ns, int64_t rows, int64_t *ret, struct err *err)
{
	int64_t low = 1, high = rows + 1, begin;
	uint64_t base = spans_read_begin(db);

	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		int r = one(db, "SELECT begin FROM traces WHERE n = ?", middle, &begin, err);

		if (r < 0)
			return r;
		if (r && base + (uint64_t)begin < ns)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

static int find_rows(struct list *l)
{
	int64_t rows = 0;
	int r = one(l->db, "SELECT max(n) FROM traces WHERE n > ?", 0, &rows, l->err);

	l->first = 1;
	l->last = rows;
	if (r > 0 && l->f->from_ns)
		r = row_at(l->db, l->f->from_ns, rows, &l->first, l->err);
	if (r >= 0 && rows && l->f->to_ns) {
		r = row_at(l->db, l->f->to_ns, rows, &l->last, l->err);
		l->last--;
	}
	return r < 0 ? r : 0;
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

static void query_text(const struct list *l, bool by_duration, struct buf *b)
{
	const struct spans_db_filter *f = l->f;

	buf_str(b, "SELECT n, high, low, begin, duration, service, operation, flags, count FROM traces WHERE 1");
	if (f->from_ns || f->to_ns)
		buf_str(b, " AND n BETWEEN ?1 AND ?2");
	if (f->id)
		buf_str(b, " AND high >> 32 BETWEEN ?3 >> 32 AND ?4 >> 32 AND high BETWEEN ?3 AND ?4");
	if (by_duration || f->service)
		buf_str(b, " AND service = ?5");
	if (f->operation)
		buf_str(b, " AND operation = ?6");
	if (f->min_ns)
		buf_str(b, " AND duration >= ?7");
	if (f->max_ns)
		buf_str(b, " AND duration <= ?8");
	if (f->flags)
		buf_str(b, " AND flags & ?9");
	if (f->flags_not)
		buf_str(b, " AND NOT flags & ?10");
	buf_printf(b, " ORDER BY %s %s", by_duration ? "duration" : "n", f->descending ? "DESC" : "ASC");
	if (by_duration) /* equal ones by begin, whichever way */
		buf_str(b, ", n");
	if (f->limit)
		buf_printf(b, " LIMIT %u", f->limit);
}

static int take(struct list *l, sqlite3_stmt *st)
{
	struct found *grown = array_grown(l->rows, l->count, sizeof(*grown)), *row;
	uint64_t begin = spans_read_begin(l->db) + (uint64_t)sqlite3_column_int64(st, 3);

	if (!grown)
		return err_set(l->err, ENOMEM, "out of memory for a list of requests");
	l->rows = grown;
	row = &grown[l->count++];
	*row = (struct found) {
		.n = sqlite3_column_int64(st, 0),
		.service = (uint32_t)sqlite3_column_int64(st, 5),
		.operation = (uint32_t)sqlite3_column_int64(st, 6),
		.row = { .trace = { (uint64_t)spans_sql_high((uint64_t)sqlite3_column_int64(st, 1)),
				    (uint64_t)sqlite3_column_int64(st, 2) },
			 .begin_ns = begin,
			 .end_ns = begin + (uint64_t)sqlite3_column_int64(st, 4),
			 .flags = (uint32_t)sqlite3_column_int64(st, 7),
			 .spans = (uint32_t)sqlite3_column_int64(st, 8) },
	};
	return 0;
}

static int collect(struct list *l, bool by_duration)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	struct buf text = BUF_INIT;
	int64_t values[10] = { l->first,    l->last,	    spans_sql_high(l->high_from), spans_sql_high(l->high_to),
			       l->service,  l->operation,   (int64_t)l->f->min_ns,	  (int64_t)l->f->max_ns,
			       l->f->flags, l->f->flags_not };
	int r, i;

	query_text(l, by_duration, &text);
	r = text.failed ? err_set(l->err, ENOMEM, "out of memory for a list of requests")
			: spans_read_prepare(l->db, text.data, &st, l->err);
	buf_fini(&text);
	if (r < 0)
		return r;
	for (i = 0; i < 10; i++)
		(void)sqlite3_bind_int64(st, i + 1, values[i]);
	while ((r = spans_read_step(l->db, st, l->err)) > 0) {
		r = take(l, st);
		if (r < 0)
			break;
	}
	return r;
}

static int compare_duration(const void *a, const void *b, void *arg)
{
	const struct found *x = a, *y = b;
	uint64_t dx = x->row.end_ns - x->row.begin_ns, dy = y->row.end_ns - y->row.begin_ns;
	int order = dx < dy ? -1 : dx > dy;

	if (order)
		return *(const bool *)arg ? -order : order;
	return x->n < y->n ? -1 : 1;
}

/* Each service's first, merged. */
static int collect_services(struct list *l)
{
	bool descending = l->f->descending;
	int64_t last = -1;
	int r;

	for (;;) {
		r = one(l->db, "SELECT min(service) FROM traces WHERE service > ?", last, &l->service, l->err);
		if (r <= 0 || l->service <= last)
			break;
		last = l->service;
		r = collect(l, true);
		if (r < 0)
			return r;
		qsort_r(l->rows, l->count, sizeof(*l->rows), compare_duration, &descending);
		if (l->f->limit && l->count > l->f->limit) {
			l->count = l->f->limit;
			/* array_grown() takes the room from the count: it is at least this much */
		}
	}
	return r < 0 ? r : 0;
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

	if (r >= 0)
		r = find_rows(&l);
	if (r >= 0 && f->service)
		r = service = string_number(&l, f->service, &l.service);
	if (r >= 0 && f->operation)
		r = operation = string_number(&l, f->operation, &l.operation);
	if (r >= 0 && service && operation) {
		if (f->sort == SPANS_BY_BEGIN)
			r = collect(&l, false);
		else
			r = f->service ? collect(&l, true) : collect_services(&l);
	}
	if (r >= 0)
		r = hand_out(&l, each, arg);
	free(l.rows);
	return r;
}
