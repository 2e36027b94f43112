/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half of spans_db: spans, from blocks and the tables of what they have in common. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "explain/spans_db.h"
#include "explain/spans_read.h"
#include "explain/spans_sql.h"

/* What is being read; the maps lead from numbers in the file to places here. */
struct reading {
	struct spans_db *db;
	struct spans out;
	struct map strings, shapes, threads, protocols;
	struct shape_read {
		struct spans_shape s;
		uint8_t protocol;
	} * shape;
	struct spans_thread *thread;
	size_t nshapes, nthreads;
	struct span_logs logs;
	bool with_logs;
	struct err *err;
};

static void *grown(struct reading *rd, void *rows, size_t count, size_t *cap, size_t size, size_t more)
{
	size_t room = *cap ? *cap : 64;
	void *moved;

	if (count + more <= *cap)
		return rows;
	while (room < count + more)
		room *= 2;
	moved = room < SIZE_MAX / size ? realloc(rows, room * size) : NULL;
	if (!moved) {
		(void)err_set(rd->err, ENOMEM, "out of memory for spans");
		return NULL;
	}
	*cap = room;
	return moved;
}

/* Where a string stands in the text of what is read: in *ret. */
static int text_of(struct reading *rd, uint32_t id, uint32_t *ret)
{
	const uint64_t *had = map_get(&rd->strings, id);
	const char *text;
	char *moved;
	size_t len;
	int r;

	*ret = had ? (uint32_t)*had : 0;
	if (had || !id)
		return 0;
	(void)sqlite3_bind_int64(rd->db->string, 1, id);
	r = spans_read_step(rd->db, rd->db->string, rd->err);
	text = r > 0 ? (const char *)sqlite3_column_text(rd->db->string, 0) : NULL;
	len = text ? strlen(text) + 1 : 0;
	if (!text || rd->out.text_len + len >= UINT32_MAX) {
		(void)sqlite3_reset(rd->db->string);
		return r < 0 ? r
			     : err_set(rd->err, EBADMSG, "'%s' is damaged: there is no string %u", rd->db->path, id);
	}
	moved = grown(rd, rd->out.text, rd->out.text_len, &rd->out.text_cap, 1, len);
	if (moved) {
		rd->out.text = moved;
		memcpy(moved + rd->out.text_len, text, len);
		*ret = (uint32_t)rd->out.text_len;
		rd->out.text_len += len;
	}
	(void)sqlite3_reset(rd->db->string);
	return moved && map_set(&rd->strings, id, *ret) >= 0 ? 0
							     : err_set(rd->err, ENOMEM, "out of memory for strings");
}

static int protocol_of(struct reading *rd, uint32_t id, uint8_t *ret)
{
	const uint64_t *had = map_get(&rd->protocols, id);
	uint32_t text;
	int r;

	if (had) {
		*ret = (uint8_t)*had;
		return 0;
	}
	r = text_of(rd, id, &text);
	if (r < 0)
		return r;
	if (rd->out.nprotocols == ARRAY_LEN(rd->out.protocols))
		return err_set(rd->err, EBADMSG, "'%s' is damaged: more than %zu protocols", rd->db->path,
			       ARRAY_LEN(rd->out.protocols));
	*ret = (uint8_t)rd->out.nprotocols;
	/* The text still moves: the place for now, the string in the end. */
	rd->out.protocols[rd->out.nprotocols++] = (const char *)(uintptr_t)text;
	return map_set(&rd->protocols, id, *ret) < 0 ? err_set(rd->err, ENOMEM, "out of memory for protocols") : 0;
}

/* Strings' numbers become places in the text. */
static int shape_texts(struct reading *rd, struct shape_read *s)
{
	int r = protocol_of(rd, s->s.protocol, &s->protocol);

	if (r >= 0)
		r = text_of(rd, s->s.service, &s->s.service);
	if (r >= 0)
		r = text_of(rd, s->s.operation, &s->s.operation);
	if (r >= 0)
		r = text_of(rd, s->s.error, &s->s.error);
	if (r >= 0)
		r = text_of(rd, s->s.peer, &s->s.peer);
	return r;
}

static int shape_of(struct reading *rd, uint32_t id, const struct shape_read **ret)
{
	const uint64_t *had = map_get(&rd->shapes, id);
	uint32_t row[SPANS_SHAPE_COLUMNS];
	sqlite3_stmt *st = rd->db->shape;
	struct shape_read *moved, *s;
	int r, i;

	if (had) {
		*ret = &rd->shape[*had];
		return 0;
	}
	moved = array_grown(rd->shape, rd->nshapes, sizeof(*moved));
	if (!moved)
		return err_set(rd->err, ENOMEM, "out of memory for shapes");
	rd->shape = moved;
	(void)sqlite3_bind_int64(st, 1, id);
	r = spans_read_step(rd->db, st, rd->err);
	for (i = 0; i < SPANS_SHAPE_COLUMNS; i++)
		row[i] = (uint32_t)sqlite3_column_int64(st, i + 1);
	(void)sqlite3_reset(st);
	s = &rd->shape[rd->nshapes];
	memcpy(&s->s, row, sizeof(s->s));
	if (r < 0)
		return r;
	if (!r || s->s.kind >= SPAN_KINDS || s->s.evidence >= EVIDENCE_KINDS || s->s.confidence > 100)
		return err_set(rd->err, EBADMSG, "'%s' is damaged: there is no shape %u", rd->db->path, id);
	r = shape_texts(rd, s);
	if (r >= 0 && map_set(&rd->shapes, id, rd->nshapes++) < 0)
		return err_set(rd->err, ENOMEM, "out of memory for shapes");
	*ret = s;
	return r;
}

static int thread_of(struct reading *rd, uint32_t id, struct span *span)
{
	const uint64_t *had = map_get(&rd->threads, id);
	sqlite3_stmt *st = rd->db->thread;
	struct spans_thread *moved, t;
	int r;

	if (!had) {
		moved = array_grown(rd->thread, rd->nthreads, sizeof(*moved));
		if (!moved)
			return err_set(rd->err, ENOMEM, "out of memory for threads");
		rd->thread = moved;
		(void)sqlite3_bind_int64(st, 1, id);
		r = spans_read_step(rd->db, st, rd->err);
		t = (struct spans_thread) { (uint32_t)sqlite3_column_int64(st, 0),
					    (uint32_t)sqlite3_column_int64(st, 1),
					    (uint64_t)sqlite3_column_int64(st, 2) };
		(void)sqlite3_reset(st);
		if (r <= 0)
			return r < 0 ? r
				     : err_set(rd->err, EBADMSG, "'%s' is damaged: there is no thread %u", rd->db->path,
					       id);
		rd->thread[rd->nthreads] = t;
		if (map_set(&rd->threads, id, rd->nthreads++) < 0)
			return err_set(rd->err, ENOMEM, "out of memory for threads");
	}
	t = rd->thread[had ? *had : rd->nthreads - 1];
	span->tgid = t.tgid;
	span->tid = t.tid;
	span->start_ns = t.start_ns;
	return 0;
}

static int unpack(struct reading *rd, const struct span_packed *p, struct span *ret)
{
	const struct shape_read *s = NULL;
	int r = shape_of(rd, p->shape, &s);

	if (r < 0)
		return r;
	*ret = p->span;
	ret->kind = (uint8_t)s->s.kind;
	ret->evidence = (uint8_t)s->s.evidence;
	ret->confidence = (uint8_t)s->s.confidence;
	ret->flags = s->s.flags;
	ret->status = (int32_t)s->s.status;
	ret->protocol = s->protocol;
	ret->service = s->s.service;
	ret->operation = s->s.operation;
	ret->error = s->s.error;
	ret->peer = s->s.peer;
	ret->host = s->s.host;
	ret->begin.host = s->s.begin_host;
	ret->end.host = s->s.end_host;
	r = text_of(rd, p->resource, &ret->resource);
	if (r >= 0)
		r = text_of(rd, p->blame, &ret->blame);
	if (r >= 0)
		r = text_of(rd, p->attributes, &ret->attributes);
	return r < 0 ? r : thread_of(rd, p->thread, ret);
}

/* Of rows [base, base + count), which are the tree-th of its block. */
static int take_logs(struct reading *rd, struct blob_parts *logs, size_t tree, struct span_packed *rows, size_t count)
{
	CLEANUP_FREE struct order_ref *refs = NULL;
	const void *bytes = NULL;
	size_t base = rd->out.count, len = 0, i;
	void *moved;
	int r = spans_blob_part(logs, tree, &bytes, &len, rd->err);

	if (r > 0)
		r = spans_blob_read_logs(bytes, len, rows, count, &refs, rd->err);

	if (r < 0)
		return err_prefix(rd->err, "'%s'", rd->db->path);
	for (i = 0; i < count; i++) {
		rd->logs.rows[base + i] = (struct span_log_range) { (uint32_t)rd->logs.count, (uint32_t)rows[i].nlogs };
		if (!rows[i].nlogs)
			continue;
		moved = grown(rd, rd->logs.refs, rd->logs.count, &rd->logs.cap, sizeof(*refs), rows[i].nlogs);
		if (!moved || rd->logs.count + rows[i].nlogs > UINT32_MAX)
			return err_set(rd->err, ENOMEM, "out of memory for log lines");
		rd->logs.refs = moved;
		memcpy(rd->logs.refs + rd->logs.count, rows[i].logs, rows[i].nlogs * sizeof(*refs));
		rd->logs.count += rows[i].nlogs;
	}
	return 0;
}

/* Room for rows of a tree. */
static int more_rows(struct reading *rd, size_t count)
{
	size_t had = rd->out.cap;
	void *moved = grown(rd, rd->out.rows, rd->out.count, &rd->out.cap, sizeof(*rd->out.rows), count);

	if (!moved)
		return -ENOMEM;
	rd->out.rows = moved;
	if (!rd->with_logs || had == rd->out.cap)
		return 0;
	moved = realloc(rd->logs.rows, rd->out.cap * sizeof(*rd->logs.rows));
	if (!moved)
		return err_set(rd->err, ENOMEM, "out of memory for log lines");
	rd->logs.rows = moved;
	return 0;
}

/* Appends a tree; in parents stand places in all that is read. */
static int take_tree(struct reading *rd, const struct blob_reader *tree, struct blob_parts *logs, size_t nth)
{
	struct span_trace trace = { SPAN_NONE, (uint32_t)tree->count, tree->tree.begin_ns, tree->tree.after_ns };
	size_t count = tree->count, i, base = rd->out.count;
	void *moved;
	int r;

	if (base + count >= SPAN_NONE)
		return err_set(rd->err, E2BIG, "'%s' has more than %zu spans", rd->db->path, base);
	r = more_rows(rd, count);
	if (r >= 0 && rd->with_logs)
		r = take_logs(rd, logs, nth, tree->rows, count);
	for (i = 0; r >= 0 && i < count; i++) {
		struct span *s = &rd->out.rows[base + i];

		r = unpack(rd, &tree->rows[i], s);
		if (s->parent == SPAN_NONE && trace.root == SPAN_NONE)
			trace.root = (uint32_t)(base + i);
		else if (s->parent == SPAN_NONE && r >= 0)
			r = err_set(rd->err, EBADMSG, "'%s' is damaged: a request with two roots", rd->db->path);
		else
			s->parent += (uint32_t)base;
	}
	if (r >= 0 && trace.root == SPAN_NONE)
		return err_set(rd->err, EBADMSG, "'%s' is damaged: a request without a root", rd->db->path);
	moved = r < 0 ? NULL : grown(rd, rd->out.traces, rd->out.ntraces, &rd->out.cap_traces, sizeof(trace), 1);
	if (!moved)
		return r < 0 ? r : -ENOMEM;
	rd->out.count = base + count;
	rd->out.traces = moved;
	trace.end_ns += rd->out.rows[trace.root].end_ns; /* how much later than the root's */
	rd->out.traces[rd->out.ntraces++] = trace;
	return 0;
}

/* Of a block those trees whose trace that is; NULL: all. */
static int take_block(struct reading *rd, uint32_t n, const uint64_t *trace, struct blob_reader *tree)
{
	struct blob_parts logs;
	size_t nth;
	int r = spans_read_block(rd->db, n, tree, &logs, rd->err);

	for (nth = 0; r >= 0 && (r = spans_read_next(rd->db, tree, rd->err)) > 0; nth++) {
		const void *bytes;
		size_t len;

		if (!trace || (tree->tree.trace[0] == trace[0] && tree->tree.trace[1] == trace[1]))
			r = take_tree(rd, tree, &logs, nth);
		else if (rd->with_logs)
			r = spans_blob_part(&logs, nth, &bytes, &len, rd->err);
	}
	return r < 0 ? r : 0;
}

static int compare_begin(const void *a, const void *b, void *arg)
{
	const struct span *rows = arg, *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];

	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static uint32_t at(const uint32_t *places, uint32_t span)
{
	return span == SPAN_NONE ? SPAN_NONE : places[span];
}

/* All by begin, and the links between them.  Trees came in order of begin. */
static int join(struct reading *rd)
{
	struct spans *s = &rd->out;
	CLEANUP_FREE uint32_t *order = malloc((s->count + 1) * sizeof(*order));
	CLEANUP_FREE uint32_t *place = malloc((s->count + 1) * sizeof(*place));
	struct span_log_range *logs = rd->with_logs ? malloc((s->count + 1) * sizeof(*logs)) : NULL;
	struct span *rows = malloc((s->count + 1) * sizeof(*rows));
	size_t i;

	if (!order || !place || !rows || (rd->with_logs && !logs)) {
		free(rows);
		free(logs);
		return err_set(rd->err, ENOMEM, "out of memory for %zu spans", s->count);
	}
	for (i = 0; i < s->count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, s->count, sizeof(*order), compare_begin, s->rows);
	for (i = 0; i < s->count; i++) {
		place[order[i]] = (uint32_t)i;
		rows[i] = s->rows[order[i]];
		rows[i].first_child = rows[i].next = SPAN_NONE;
		if (logs)
			logs[i] = rd->logs.rows[order[i]];
	}
	for (i = s->count; i-- > 0;) {
		struct span *parent;

		rows[i].parent = at(place, rows[i].parent);
		if (rows[i].parent == SPAN_NONE)
			continue;
		parent = &rows[rows[i].parent];
		rows[i].next = parent->first_child;
		parent->first_child = (uint32_t)i;
	}
	for (i = 0; i < s->ntraces; i++)
		s->traces[i].root = place[s->traces[i].root];
	free(s->rows);
	free(rd->logs.rows);
	rd->logs.rows = logs;
	s->rows = rows;
	s->cap = s->count + 1;
	for (i = 0; i < s->nprotocols; i++)
		s->protocols[i] = s->text + (uintptr_t)s->protocols[i];
	return 0;
}

/* Trees whose parents go in circles would hang who walks them: each is reached from its root, or the file is damaged. */
static int check_trees(struct reading *rd)
{
	const struct spans *s = &rd->out;
	size_t i, reached = 0;

	for (i = 0; i < s->ntraces; i++) {
		uint32_t root = s->traces[i].root, span = root;

		while (span != SPAN_NONE) {
			reached++;
			if (s->rows[span].first_child != SPAN_NONE) {
				span = s->rows[span].first_child;
				continue;
			}
			while (span != root && s->rows[span].next == SPAN_NONE)
				span = s->rows[span].parent;
			span = span == root ? SPAN_NONE : s->rows[span].next;
		}
	}
	return reached == s->count ? 0
				   : err_set(rd->err, EBADMSG, "'%s' is damaged: a span without a root", rd->db->path);
}

void span_logs_fini(struct span_logs *l)
{
	free(l->rows);
	free(l->refs);
	*l = (struct span_logs) { 0 };
}

size_t span_logs_of(const struct span_logs *l, uint32_t span, const struct order_ref **ret)
{
	if (!l->rows)
		return 0;
	*ret = l->refs + l->rows[span].first;
	return l->rows[span].count;
}

/* Of the blocks, NULL: of the first n, the trees of a trace, NULL: all. */
static int read_blocks(struct spans_db *db, const uint32_t *blocks, size_t n, const uint64_t *trace, struct spans *ret,
		       struct span_logs *ret_logs, struct err *err)
{
	struct reading rd = { .db = db, .err = err, .with_logs = ret_logs };
	struct blob_reader tree = { 0 };
	size_t i;
	int r = 0;

	rd.out.text = grown(&rd, NULL, 0, &rd.out.text_cap, 1, 1);
	if (!rd.out.text)
		return -ENOMEM;
	rd.out.text[rd.out.text_len++] = 0;
	for (i = 0; r >= 0 && i < n; i++)
		r = take_block(&rd, blocks ? blocks[i] : (uint32_t)i + 1, trace, &tree);
	spans_blob_fini(&tree);
	(void)sqlite3_reset(db->block);
	if (r >= 0)
		r = join(&rd);
	if (r >= 0)
		r = check_trees(&rd);
	map_fini(&rd.strings);
	map_fini(&rd.shapes);
	map_fini(&rd.threads);
	map_fini(&rd.protocols);
	free(rd.shape);
	free(rd.thread);
	if (r < 0) {
		spans_fini(&rd.out);
		span_logs_fini(&rd.logs);
		return r;
	}
	*ret = rd.out;
	if (ret_logs)
		*ret_logs = rd.logs;
	return r;
}

int spans_db_trace(struct spans_db *db, const uint64_t trace[2], struct spans *ret, struct span_logs *ret_logs,
		   struct err *err)
{
	CLEANUP_FREE uint32_t *blocks = NULL;
	struct span_logs logs = { 0 };
	uint32_t high = (uint32_t)(trace[0] >> 32);
	struct spans got;
	size_t n = 0;
	int r = spans_read_ids(db, high, high, &blocks, &n, err);

	if (r >= 0)
		r = read_blocks(db, blocks ? blocks : &high, n, trace, &got, ret_logs ? &logs : NULL, err);
	if (r < 0)
		return r;
	if (!got.count) {
		spans_fini(&got);
		span_logs_fini(&logs);
		return err_set(err, ENOENT, "there is no request %016llx%016llx", (unsigned long long)trace[0],
			       (unsigned long long)trace[1]);
	}
	*ret = got;
	if (ret_logs)
		*ret_logs = logs;
	return 0;
}

int spans_db_all(struct spans_db *db, struct spans *ret, struct span_logs *ret_logs, struct err *err)
{
	struct span_logs logs = { 0 };
	struct spans got;
	int64_t n = 0;
	int r = spans_read_number(db, "SELECT max(n) FROM blocks WHERE n > ?", 0, &n, err);

	if (r >= 0 && (n < 0 || n > UINT32_MAX))
		return err_set(err, EBADMSG, "'%s' is damaged: it has %lld blocks", db->path, (long long)n);
	if (r >= 0)
		r = read_blocks(db, NULL, (size_t)n, NULL, &got, ret_logs ? &logs : NULL, err);
	if (r < 0)
		return r;
	if (got.count != db->spans) {
		size_t count = got.count;

		spans_fini(&got);
		span_logs_fini(&logs);
		return err_set(err, EBADMSG, "'%s' is damaged: %zu spans of %llu", db->path, count,
			       (unsigned long long)db->spans);
	}
	*ret = got;
	if (ret_logs)
		*ret_logs = logs;
	return 0;
}
