/* SPDX-License-Identifier: Apache-2.0 */
/* The writing half of spans_db: trees of spans, tables of what they have in common, a file that appears whole. */
#include "explain/spans_db.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "explain/spans_blob.h"
#include "explain/spans_sql.h"

static const char schema[] =
	"PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
	"CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE strings (id INTEGER PRIMARY KEY, text TEXT);"
	"CREATE TABLE threads (id INTEGER PRIMARY KEY, tgid INTEGER, tid INTEGER, start_ns INTEGER);"
	"CREATE TABLE shapes (id INTEGER PRIMARY KEY, kind INTEGER, evidence INTEGER, confidence INTEGER, flags "
	"INTEGER,"
	" status INTEGER, protocol INTEGER, service INTEGER, operation INTEGER, error INTEGER, peer INTEGER, host "
	"INTEGER,"
	" begin_host INTEGER, end_host INTEGER);"
	"CREATE TABLE blocks (n INTEGER PRIMARY KEY, begin INTEGER, shortest INTEGER, longest INTEGER, spans BLOB, "
	"logs "
	"BLOB);"
	"CREATE TABLE ids (n INTEGER PRIMARY KEY, first INTEGER, list BLOB);"
	"BEGIN;";

#define BLOB_BYTES 4000 /* of a row, with its head, so that it fills a page and needs no other */

/* Rows of one size, each once, numbered from 1 on. */
struct dict {
	char *rows;
	size_t size, count;
	struct map by;
};

struct writer {
	const struct spans *s;
	const struct spans_db_about *about;
	sqlite3 *sql;
	struct dict strings, shapes, threads; /* strings: offsets in text */
	uint32_t *root, *next;		      /* of each span: its root; the span behind it in its tree */
	uint32_t *first, *last;		      /* of each root: its tree's spans */
	struct span_packed *rows;	      /* of the tree at hand */
	size_t cap_rows;
	uint32_t *local;       /* of each span: its place in its tree */
	struct buf tree, logs; /* at hand */
	struct writer_block {
		struct buf spans, logs;
		struct blob_place place;
		uint64_t begin_ns, shortest_ns, longest_ns;
		size_t trees, last_logs;
	} block;
	struct blob_id *ids; /* of each tree */
	uint32_t nblocks;
	bool failed; /* out of memory */
};

static uint64_t hash_of(const char *row, size_t size)
{
	uint64_t h = size, word;
	size_t i;

	for (i = 0; i < size; i += 4) {
		uint32_t part;

		memcpy(&part, row + i, sizeof(part));
		word = part;
		h = map_hash(h ^ word);
	}
	return h;
}

/* 0: out of memory. */
static uint32_t dict_id(struct dict *d, const void *row)
{
	uint64_t h = hash_of(row, d->size), *at;
	char *grown;

	for (; (at = map_get(&d->by, h)); h++)
		if (!memcmp(d->rows + (*at - 1) * d->size, row, d->size))
			return (uint32_t)*at;
	grown = array_grown(d->rows, d->count, d->size);
	if (!grown)
		return 0;
	d->rows = grown;
	memcpy(d->rows + d->count * d->size, row, d->size);
	if (d->count >= UINT32_MAX || map_set(&d->by, h, d->count + 1) < 0)
		return 0;
	return (uint32_t)++d->count;
}

static void dict_fini(struct dict *d)
{
	free(d->rows);
	map_fini(&d->by);
}

static uint32_t known(struct writer *w, struct dict *d, const void *row)
{
	uint32_t id = dict_id(d, row);

	w->failed |= !id;
	return id;
}

/* 0: "". */
static uint32_t string_id(struct writer *w, uint32_t offset)
{
	return *spans_text(w->s, offset) ? known(w, &w->strings, &offset) : 0;
}

/* Protocols' names are not in the text of spans; they follow the offsets in there. */
static uint32_t protocol_id(struct writer *w, const struct span *s)
{
	uint32_t row = (uint32_t)w->s->text_len + s->protocol;

	return *spans_protocol(w->s, s) ? known(w, &w->strings, &row) : 0;
}

static const char *string_at(const struct writer *w, size_t nth)
{
	uint32_t at = ((const uint32_t *)w->strings.rows)[nth];

	return at < w->s->text_len ? w->s->text + at : w->s->protocols[at - w->s->text_len];
}

static void pack(struct writer *w, uint32_t at, struct span_packed *ret)
{
	const struct span *s = &w->s->rows[at];
	struct spans_shape shape = {
		.kind = s->kind,
		.evidence = s->evidence,
		.confidence = s->confidence,
		.flags = s->flags,
		.status = (uint32_t)s->status,
		.protocol = protocol_id(w, s),
		.service = string_id(w, s->service),
		.operation = string_id(w, s->operation),
		.error = string_id(w, s->error),
		.peer = string_id(w, s->peer),
		.host = s->host,
		.begin_host = s->begin.host,
		.end_host = s->end.host,
	};
	struct spans_thread thread = { s->tgid, s->tid, s->start_ns };

	ret->nlogs = w->about->logs ? w->about->logs(w->about->arg, at, &ret->logs) : 0;
	ret->span = *s;
	ret->span.parent = s->parent == SPAN_NONE ? SPAN_NONE : w->local[s->parent];
	ret->resource = string_id(w, s->resource);
	ret->blame = string_id(w, s->blame);
	ret->attributes = string_id(w, s->attributes);
	ret->shape = known(w, &w->shapes, &shape);
	ret->thread = known(w, &w->threads, &thread);
}

/* --- trees --- */

/* The root above a span; a way that is longer than there are spans, or leads out of them, has none. */
static uint32_t root_above(struct writer *w, uint32_t span)
{
	uint32_t at = span, root;
	size_t steps;

	for (steps = 0; w->root[at] == SPAN_NONE && w->s->rows[at].parent != SPAN_NONE; at = w->s->rows[at].parent)
		if (w->s->rows[at].parent >= w->s->count || steps++ > w->s->count)
			return SPAN_NONE;
	root = w->root[at] == SPAN_NONE ? at : w->root[at];
	for (at = span; w->root[at] == SPAN_NONE; at = w->s->rows[at].parent) {
		w->root[at] = root;
		if (at == root)
			break;
	}
	return root;
}

static int find_trees(struct writer *w, struct err *err)
{
	size_t n = w->s->count, i;
	uint32_t root;

	if (n >= SPAN_NONE)
		return err_set(err, E2BIG, "cannot store %zu spans", n);
	w->root = malloc((n + 1) * sizeof(*w->root));
	w->next = malloc((n + 1) * sizeof(*w->next));
	w->first = malloc((n + 1) * sizeof(*w->first));
	w->last = malloc((n + 1) * sizeof(*w->last));
	w->local = malloc((n + 1) * sizeof(*w->local));
	if (!w->root || !w->next || !w->first || !w->last || !w->local)
		return err_set(err, ENOMEM, "out of memory for the trees of %zu spans", n);
	for (i = 0; i < n; i++)
		w->root[i] = w->next[i] = w->first[i] = SPAN_NONE;
	for (i = 0; i < n; i++) {
		root = root_above(w, (uint32_t)i);
		if (root == SPAN_NONE)
			return err_set(err, EINVAL, "span %zu of %zu has no root", i, n);
		w->local[i] = w->first[root] == SPAN_NONE ? 0 : w->local[w->last[root]] + 1;
		if (w->first[root] == SPAN_NONE)
			w->first[root] = (uint32_t)i;
		else
			w->next[w->last[root]] = (uint32_t)i;
		w->last[root] = (uint32_t)i;
	}
	return 0;
}

/* --- SQL --- */

static int sql_error(const struct writer *w, struct err *err)
{
	int code = sqlite3_errcode(w->sql);

	return err_set(err, code == SQLITE_NOMEM ? ENOMEM : EIO, "cannot make the table of requests: %s",
		       sqlite3_errmsg(w->sql));
}

static int prepare(struct writer *w, const char *text, sqlite3_stmt **ret, struct err *err)
{
	return sqlite3_prepare_v2(w->sql, text, -1, ret, NULL) == SQLITE_OK ? 0 : sql_error(w, err);
}

static int done(struct writer *w, sqlite3_stmt *st, struct err *err)
{
	int r = sqlite3_step(st) == SQLITE_DONE ? 0 : sql_error(w, err);

	(void)sqlite3_reset(st);
	return r;
}

static void bind(sqlite3_stmt *st, const int64_t *values, int count)
{
	int i;

	for (i = 0; i < count; i++)
		(void)sqlite3_bind_int64(st, i + 1, values[i]);
}

static void cleanup_stmtp(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st);
}

static int pack_tree(struct writer *w, uint32_t root, size_t *ret_count, struct err *err)
{
	uint32_t at;
	size_t n = 0;

	for (at = w->first[root]; at != SPAN_NONE; at = w->next[at], n++) {
		if (n == w->cap_rows) {
			size_t cap = w->cap_rows ? 2 * w->cap_rows : 64;
			struct span_packed *grown = realloc(w->rows, cap * sizeof(*grown));

			if (!grown)
				return err_set(err, ENOMEM, "out of memory for the spans of a request");
			w->rows = grown;
			w->cap_rows = cap;
		}
		pack(w, at, &w->rows[n]);
	}
	*ret_count = n;
	return 0;
}

static int put_block(struct writer *w, sqlite3_stmt *st, struct err *err)
{
	struct writer_block *b = &w->block;
	int r;

	if (!b->trees)
		return 0;
	bind(st, (int64_t[]) { ++w->nblocks, (int64_t)b->begin_ns, (int64_t)b->shortest_ns, (int64_t)b->longest_ns },
	     4);
	(void)sqlite3_bind_blob64(st, 5, b->spans.data, b->spans.len, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(st, 6, b->logs.len ? b->logs.data : NULL, b->logs.len, SQLITE_STATIC);
	r = done(w, st, err);
	buf_reset(&b->spans);
	buf_reset(&b->logs);
	b->trees = b->last_logs = 0;
	return r;
}

/* Into the block, or a new one where that has no room. */
static int put_tree(struct writer *w, const struct blob_tree *tree, size_t count, sqlite3_stmt *st, struct err *err)
{
	struct writer_block *b = &w->block;
	struct blob_place place = b->place;
	int r;

	buf_reset(&w->tree);
	if (b->trees)
		spans_blob_write(&place, tree, w->rows, count, &w->tree);
	if (!b->trees || b->spans.len + b->logs.len + w->tree.len + w->logs.len > BLOB_BYTES) {
		r = put_block(w, st, err);
		if (r < 0)
			return r;
		b->begin_ns = tree->begin_ns;
		b->shortest_ns = UINT64_MAX;
		b->longest_ns = 0;
		place = (struct blob_place) { .begin_ns = tree->begin_ns };
		buf_reset(&w->tree);
		spans_blob_write(&place, tree, w->rows, count, &w->tree);
	}
	b->place = place;
	buf_add(&b->spans, w->tree.data, w->tree.len);
	spans_blob_write_part(&b->logs, &b->last_logs, b->trees++, &w->logs);
	return 0;
}

static int put_trace(struct writer *w, size_t i, sqlite3_stmt *st, struct err *err)
{
	const struct span_trace *t = &w->s->traces[i];
	const struct span *root = t->root < w->s->count ? &w->s->rows[t->root] : NULL;
	struct writer_block *b = &w->block;
	uint64_t derived[2], duration_ns;
	struct blob_tree tree;
	size_t count = 0;
	int r;

	if (!root || root->parent != SPAN_NONE || w->first[t->root] == SPAN_NONE)
		return err_set(err, EINVAL, "request %zu has no root", i + 1);
	r = pack_tree(w, t->root, &count, err);
	if (r < 0)
		return r;
	w->first[t->root] = SPAN_NONE; /* once */
	span_trace_id(root->id, derived);
	tree = (struct blob_tree) { .trace = { root->trace[0], root->trace[1] },
				    .begin_ns = t->begin_ns,
				    .after_ns = t->end_ns - root->end_ns,
				    .derived = root->trace[0] == derived[0] && root->trace[1] == derived[1] };
	buf_reset(&w->logs);
	spans_blob_write_logs(w->rows, count, &w->logs);
	r = put_tree(w, &tree, count, st, err);
	if (r < 0)
		return r;
	duration_ns = root->end_ns - root->begin_ns;
	b->shortest_ns = duration_ns < b->shortest_ns ? duration_ns : b->shortest_ns;
	b->longest_ns = duration_ns > b->longest_ns ? duration_ns : b->longest_ns;
	w->ids[i] = (struct blob_id) { (uint32_t)(root->trace[0] >> 32), w->nblocks + 1 };
	if (w->failed || w->tree.failed || w->logs.failed || b->spans.failed || b->logs.failed)
		return err_set(err, ENOMEM, "out of memory for the table of requests");
	return 0;
}

static int put_traces(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	size_t i, all = 0;
	int r = prepare(w, "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)", &st, err);

	w->ids = malloc((w->s->ntraces + 1) * sizeof(*w->ids));
	if (!w->ids)
		return err_set(err, ENOMEM, "out of memory for the ids of %zu requests", w->s->ntraces);
	for (i = 0; r >= 0 && i < w->s->ntraces; i++) {
		r = put_trace(w, i, st, err);
		all += w->s->traces[i].count;
	}
	if (r >= 0 && all != w->s->count)
		return err_set(err, EINVAL, "%zu spans are in %zu requests, but there are %zu", all, w->s->ntraces,
			       w->s->count);
	return r < 0 ? r : put_block(w, st, err);
}

static int by_id(const void *pa, const void *pb)
{
	const struct blob_id *a = pa, *b = pb;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return (a->block > b->block) - (a->block < b->block);
}

static int put_ids(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	CLEANUP(buf_fini) struct buf list = BUF_INIT;
	int r = prepare(w, "INSERT INTO ids VALUES (?, ?, ?)", &st, err);
	size_t i = 0;
	int64_t n = 0;

	qsort(w->ids, w->s->ntraces, sizeof(*w->ids), by_id);
	while (r >= 0 && i < w->s->ntraces) {
		uint32_t first = w->ids[i].high, before = first;

		buf_reset(&list);
		for (; i < w->s->ntraces && list.len < BLOB_BYTES; before = w->ids[i++].high)
			spans_blob_write_id(&list, before, w->ids[i]);
		if (list.failed)
			return err_set(err, ENOMEM, "out of memory for the table of requests");
		bind(st, (int64_t[]) { ++n, first }, 2);
		(void)sqlite3_bind_blob64(st, 3, list.data, list.len, SQLITE_STATIC);
		r = done(w, st, err);
	}
	return r;
}

static int put_strings(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	int r = prepare(w, "INSERT INTO strings VALUES (?, ?)", &st, err);
	size_t i;

	for (i = 0; r >= 0 && i < w->strings.count; i++) {
		(void)sqlite3_bind_int64(st, 1, (int64_t)i + 1);
		(void)sqlite3_bind_text(st, 2, string_at(w, i), -1, SQLITE_STATIC);
		r = done(w, st, err);
	}
	return r;
}

static int put_shapes(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	int r = prepare(w, "INSERT INTO shapes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &st, err);
	int64_t row[1 + SPANS_SHAPE_COLUMNS];
	uint32_t shape[SPANS_SHAPE_COLUMNS];
	size_t i;
	int k;

	for (i = 0; r >= 0 && i < w->shapes.count; i++) {
		memcpy(shape, w->shapes.rows + i * w->shapes.size, sizeof(shape));
		row[0] = (int64_t)i + 1;
		for (k = 0; k < SPANS_SHAPE_COLUMNS; k++)
			row[k + 1] = shape[k];
		row[5] = (int32_t)shape[4]; /* status */
		bind(st, row, 1 + SPANS_SHAPE_COLUMNS);
		r = done(w, st, err);
	}
	return r;
}

static int put_threads(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	int r = prepare(w, "INSERT INTO threads VALUES (?, ?, ?, ?)", &st, err);
	size_t i;

	for (i = 0; r >= 0 && i < w->threads.count; i++) {
		const struct spans_thread *t = (const struct spans_thread *)w->threads.rows + i;

		bind(st, (int64_t[]) { (int64_t)i + 1, t->tgid, t->tid, (int64_t)t->start_ns }, 4);
		r = done(w, st, err);
	}
	return r;
}

static int put_about(struct writer *w, struct err *err)
{
	CLEANUP(cleanup_stmtp) sqlite3_stmt *st = NULL;
	int r = prepare(w,
			"INSERT INTO about VALUES ('key', ?1), ('spans', ?2), ('left_out', ?3),"
			" ('program', 'saker " SAKER_VERSION "')",
			&st, err);
	char text[128];

	if (r < 0)
		return r;
	(void)sqlite3_bind_text(st, 1, w->about->key, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 2, (int64_t)w->s->count);
	(void)sqlite3_bind_int64(st, 3, (int64_t)w->about->left_out);
	r = done(w, st, err);
	(void)snprintf(text, sizeof(text), "PRAGMA application_id = %d; PRAGMA user_version = %d", SPANS_DB_APPLICATION,
		       SPANS_DB_VERSION);
	if (r >= 0 && sqlite3_exec(w->sql, text, NULL, NULL, NULL) != SQLITE_OK)
		r = sql_error(w, err);
	return r;
}

/* --- the file --- */

static int write_whole(int fd, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len < 1U << 30 ? len : 1U << 30);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The owner and the mode of the folder; who is not root may give nothing away, and keeps it. */
static int own(int dirfd, int fd)
{
	struct stat st;

	if (fstat(dirfd, &st))
		return -errno;
	if (!geteuid() && fchown(fd, st.st_uid, st.st_gid))
		return -errno;
	return fchmod(fd, st.st_mode & 0666) ? -errno : 0;
}

static int put_file(const char *dir, const unsigned char *data, size_t len, struct err *err)
{
	CLEANUP_CLOSE int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int fd = -1;
	char temporary[64];
	int r;

	if (dirfd < 0)
		return err_errno(err, errno, "cannot open '%s'", dir);
	(void)snprintf(temporary, sizeof(temporary), SPANS_DB_NAME ".%d", (int)getpid());
	(void)unlinkat(dirfd, temporary, 0);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot create '%s/%s'", dir, temporary);
	r = own(dirfd, fd);
	if (r >= 0)
		r = write_whole(fd, data, len);
	if (r >= 0 && (fsync(fd) || renameat(dirfd, temporary, dirfd, SPANS_DB_NAME) || fsync(dirfd)))
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, temporary, 0);
		return err_errno(err, -r, "cannot write '%s/" SPANS_DB_NAME "'", dir);
	}
	return 0;
}

static void writer_fini(struct writer *w)
{
	(void)sqlite3_close(w->sql);
	dict_fini(&w->strings);
	dict_fini(&w->shapes);
	dict_fini(&w->threads);
	free(w->root);
	free(w->next);
	free(w->first);
	free(w->last);
	free(w->local);
	free(w->rows);
	free(w->ids);
	buf_fini(&w->tree);
	buf_fini(&w->logs);
	buf_fini(&w->block.spans);
	buf_fini(&w->block.logs);
}

static int make(struct writer *w, struct err *err)
{
	int r = find_trees(w, err);

	if (r < 0)
		return r;
	if (sqlite3_open_v2(":memory:", &w->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK ||
	    sqlite3_exec(w->sql, schema, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(w, err);
	r = put_traces(w, err);
	if (r >= 0)
		r = put_ids(w, err);
	if (r >= 0)
		r = put_strings(w, err);
	if (r >= 0)
		r = put_shapes(w, err);
	if (r >= 0)
		r = put_threads(w, err);
	if (r >= 0)
		r = put_about(w, err);
	if (r >= 0 && sqlite3_exec(w->sql, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		r = sql_error(w, err);
	return r;
}

int spans_db_write(const char *dir, const struct spans *s, const struct spans_db_about *about, struct err *err)
{
	struct writer w = { .s = s,
			    .about = about,
			    .strings.size = sizeof(uint32_t),
			    .shapes.size = sizeof(struct spans_shape),
			    .threads.size = sizeof(struct spans_thread) };
	unsigned char *data = NULL;
	sqlite3_int64 len = 0;
	int r = make(&w, err);

	if (r >= 0) {
		data = sqlite3_serialize(w.sql, "main", &len, 0);
		r = data ? put_file(dir, data, (size_t)len, err)
			 : err_set(err, ENOMEM, "out of memory for the table of requests");
	}
	sqlite3_free(data);
	writer_fini(&w);
	return r;
}
