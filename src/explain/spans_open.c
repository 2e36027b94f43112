/* SPDX-License-Identifier: Apache-2.0 */
/* The reading half of spans_db: opening, and what stands where in the file. */
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
#include "explain/spans_db.h"
#include "explain/spans_read.h"
#include "explain/spans_sql.h"

#define BLOB_BYTES_MAX (256 << 20)
#define PAGE 4096
#define TAIL_BYTES (512 << 10)

static int damaged(const struct spans_db *db, struct err *err)
{
	int code = sqlite3_errcode(db->sql);

	if (code == SQLITE_NOMEM)
		return err_set(err, ENOMEM, "out of memory for '%s'", db->path);
	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return err_set(err, EBADMSG, "'%s' is damaged", db->path);
	return err_set(err, EBADMSG, "'%s' is damaged: %s", db->path, sqlite3_errmsg(db->sql));
}

int spans_read_prepare(struct spans_db *db, const char *text, sqlite3_stmt **ret, struct err *err)
{
	return sqlite3_prepare_v2(db->sql, text, -1, ret, NULL) == SQLITE_OK ? 0 : damaged(db, err);
}

void spans_read_finalize(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st);
}

/* 1: a row; 0: the end. */
int spans_read_step(struct spans_db *db, sqlite3_stmt *st, struct err *err)
{
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return damaged(db, err);
	}
}

/* --- life cycle --- */

static int pragma(struct spans_db *db, const char *text, int64_t *ret, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	int r = spans_read_prepare(db, text, &st, err);

	if (r >= 0)
		r = spans_read_step(db, st, err);
	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	return r;
}

static int about(struct spans_db *db, const char *key, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	int r = spans_read_prepare(db, "SELECT name, value FROM about", &st, err);
	bool same = !key;

	while (r >= 0 && (r = spans_read_step(db, st, err)) > 0) {
		const char *name = (const char *)sqlite3_column_text(st, 0), *text;

		if (!name)
			continue;
		if (!strcmp(name, "spans"))
			db->spans = (uint64_t)sqlite3_column_int64(st, 1);
		else if (!strcmp(name, "left_out"))
			db->left_out = (uint64_t)sqlite3_column_int64(st, 1);
		else if (!strcmp(name, "key") && key && (text = (const char *)sqlite3_column_text(st, 1)))
			same = !strcmp(text, key);
	}
	if (r >= 0 && !same)
		return err_set(err, ESTALE, "'%s' was made of the recording as it was before", db->path);
	return r;
}

static int look(struct spans_db *db, const char *key, struct err *err)
{
	int64_t application = 0, version = 0;
	int r = pragma(db, "PRAGMA application_id", &application, err);

	if (r >= 0)
		r = pragma(db, "PRAGMA user_version", &version, err);
	if (r >= 0 && application != SPANS_DB_APPLICATION)
		return err_set(err, EBADMSG, "'%s' is damaged: it is no table of requests", db->path);
	if (r >= 0 && version != SPANS_DB_VERSION)
		return err_set(err, ESTALE, "'%s' was made by another version of saker", db->path);
	if (r >= 0)
		r = about(db, key, err);
	if (r >= 0)
		r = spans_read_prepare(db, "SELECT text FROM strings WHERE id = ?", &db->string, err);
	if (r >= 0)
		r = spans_read_prepare(db, "SELECT * FROM shapes WHERE id = ?", &db->shape, err);
	if (r >= 0)
		r = spans_read_prepare(db, "SELECT tgid, tid, start_ns FROM threads WHERE id = ?", &db->thread, err);
	if (r >= 0)
		r = spans_read_prepare(db, "SELECT begin, spans, logs FROM blocks WHERE n = ?", &db->block, err);
	return r;
}

/* The file is nobody's to lock or to write: immutable.  Its schema is not trusted with functions. */
static int open_file(struct spans_db *db, const char *dir, struct err *err)
{
	CLEANUP_FREE char *uri = NULL, *real = realpath(dir, NULL);
	struct buf b = BUF_INIT;
	const unsigned char *c;

	buf_str(&b, "file:");
	for (c = (const unsigned char *)(real ? real : dir); *c; c++)
		buf_printf(&b, *c <= ' ' || *c >= 0x7f || strchr("%?#", *c) ? "%%%02x" : "%c", *c);
	buf_str(&b, "/" SPANS_DB_NAME "?immutable=1");
	uri = buf_take(&b);
	if (!uri)
		return err_set(err, ENOMEM, "out of memory for '%s'", db->path);
	if (sqlite3_open_v2(uri, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOFOLLOW, NULL) !=
	    SQLITE_OK)
		return damaged(db, err);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_limit(db->sql, SQLITE_LIMIT_LENGTH, BLOB_BYTES_MAX);
	return 0;
}

/*
 * Whoever looks for a request reads a few pages here and there, one after another: of the lists of ids, strings, shapes and threads,
 * which stand at the end (spans_db.c).  Asked for together they come from a disk as one.
 */
static void read_ahead(const char *path, off_t size)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	(void)posix_fadvise(fd, 0, 4 * PAGE, POSIX_FADV_WILLNEED);
	(void)posix_fadvise(fd, size > TAIL_BYTES ? size - TAIL_BYTES : 0, TAIL_BYTES, POSIX_FADV_WILLNEED);
}

int spans_db_open(const char *dir, const char *key, struct spans_db **ret, struct err *err)
{
	struct spans_db *db = calloc(1, sizeof(*db));
	struct stat st;
	int r = 0;

	if (!db || asprintf(&db->path, "%s/" SPANS_DB_NAME, dir) < 0) {
		free(db);
		return err_set(err, ENOMEM, "out of memory for '%s'", dir);
	}
	if (lstat(db->path, &st))
		r = err_errno(err, errno, "cannot open '%s'", db->path);
	else if (!S_ISREG(st.st_mode))
		r = err_set(err, EBADMSG, "'%s' is no file", db->path);
	else if (access(db->path, R_OK))
		r = err_errno(err, errno, "cannot open '%s'", db->path);
	else
		read_ahead(db->path, st.st_size);
	if (!r)
		r = open_file(db, dir, err);
	if (r >= 0)
		r = look(db, key, err);
	if (r < 0)
		spans_db_close(db);
	else
		*ret = db;
	return r < 0 ? r : 0;
}

struct spans_db *spans_db_close(struct spans_db *db)
{
	if (!db)
		return NULL;
	(void)sqlite3_finalize(db->string);
	(void)sqlite3_finalize(db->shape);
	(void)sqlite3_finalize(db->thread);
	(void)sqlite3_finalize(db->block);
	(void)sqlite3_close(db->sql);
	free(db->path);
	free(db);
	return NULL;
}

uint64_t spans_db_count(const struct spans_db *db)
{
	return db->spans;
}

uint64_t spans_db_left_out(const struct spans_db *db)
{
	return db->left_out;
}

int spans_read_string(struct spans_db *db, uint32_t id, char **ret, struct err *err)
{
	char *text = NULL;
	int r = 1;

	if (id) {
		(void)sqlite3_bind_int64(db->string, 1, id);
		r = spans_read_step(db, db->string, err);
	}
	if (r > 0) {
		const char *got = id ? (const char *)sqlite3_column_text(db->string, 0) : "";

		text = got ? strdup(got) : NULL;
	}
	(void)sqlite3_reset(db->string);
	if (!text)
		return r < 0 ? r : err_set(err, EBADMSG, "'%s' is damaged: there is no string %u", db->path, id);
	*ret = text;
	return 0;
}

int spans_read_number(struct spans_db *db, const char *query, int64_t arg, int64_t *ret, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	int r = spans_read_prepare(db, query, &st, err);

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

/* --- blocks --- */

int spans_read_block(struct spans_db *db, uint32_t n, struct blob_reader *rd, struct blob_parts *ret_logs,
		     struct err *err)
{
	sqlite3_stmt *st = db->block;
	int r;

	(void)sqlite3_reset(st);
	(void)sqlite3_bind_int64(st, 1, n);
	r = spans_read_step(db, st, err);
	if (r <= 0)
		return r < 0 ? r : err_set(err, EBADMSG, "'%s' is damaged: there is no block %u", db->path, n);
	rd->at = sqlite3_column_blob(st, 1);
	rd->end = rd->at ? rd->at + sqlite3_column_bytes(st, 1) : NULL;
	rd->place = (struct blob_place) { .begin_ns = (uint64_t)sqlite3_column_int64(st, 0) };
	*ret_logs = (struct blob_parts) { .at = sqlite3_column_blob(st, 2) };
	ret_logs->end = ret_logs->at ? ret_logs->at + sqlite3_column_bytes(st, 2) : NULL;
	return 0;
}

int spans_read_next(struct spans_db *db, struct blob_reader *rd, struct err *err)
{
	int r = spans_blob_next(rd, err);

	return r < 0 ? err_prefix(err, "'%s'", db->path) : r;
}

static int by_number(const void *pa, const void *pb)
{
	const uint32_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* The last list that begins before these ids, in which they may begin, too; 1: the first. */
static int list_of(struct spans_db *db, uint32_t high, int64_t *ret, struct err *err)
{
	int64_t low = 1, top = 0, first;
	int r = spans_read_number(db, "SELECT max(n) FROM ids WHERE n > ?", 0, &top, err);

	while (r >= 0 && low < top) {
		int64_t middle = low + (top - low + 1) / 2;

		r = spans_read_number(db, "SELECT first FROM ids WHERE n = ?", middle, &first, err);
		if (r == 0)
			return err_set(err, EBADMSG, "'%s' is damaged: a list of ids is missing", db->path);
		if (r > 0 && first < high)
			low = middle;
		else
			top = middle - 1;
	}
	*ret = low;
	return r < 0 ? r : 0;
}

struct numbers {
	uint32_t *rows;
	size_t count;
};

/* 0: what comes later is beyond `to`. */
static int take_list(struct spans_db *db, sqlite3_stmt *st, uint32_t from, uint32_t to, struct numbers *out,
		     struct err *err)
{
	const unsigned char *at = sqlite3_column_blob(st, 1), *end = at + (at ? sqlite3_column_bytes(st, 1) : 0);
	int64_t first = sqlite3_column_int64(st, 0);
	struct blob_id id = { .high = (uint32_t)first };
	int r;

	if (first > to)
		return 0;
	while ((r = spans_blob_id(&at, end, &id, err)) > 0 && id.high <= to) {
		uint32_t *grown;

		if (id.high < from || (out->count && out->rows[out->count - 1] == id.block))
			continue;
		grown = array_grown(out->rows, out->count, sizeof(*grown));
		if (!grown)
			return err_set(err, ENOMEM, "out of memory for ids");
		out->rows = grown;
		out->rows[out->count++] = id.block;
	}
	return r < 0 ? err_prefix(err, "'%s'", db->path) : r == 0;
}

int spans_read_ids(struct spans_db *db, uint32_t from, uint32_t to, uint32_t **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	struct numbers out = { 0 };
	int64_t list = 1;
	size_t i, n = 0;
	int r = list_of(db, from, &list, err);

	if (r >= 0)
		r = spans_read_prepare(db, "SELECT first, list FROM ids WHERE n >= ? ORDER BY n", &st, err);
	if (r >= 0)
		(void)sqlite3_bind_int64(st, 1, list);
	while (r >= 0 && (r = spans_read_step(db, st, err)) > 0) {
		r = take_list(db, st, from, to, &out, err);
		if (r <= 0)
			break;
	}
	if (r < 0) {
		free(out.rows);
		return r;
	}
	if (out.count)
		qsort(out.rows, out.count, sizeof(*out.rows), by_number);
	for (i = 0; i < out.count; i++)
		if (!n || out.rows[n - 1] != out.rows[i])
			out.rows[n++] = out.rows[i];
	*ret = out.rows;
	*ret_n = n;
	return 0;
}

int spans_read_briefs(struct spans_db *db, struct spans_brief **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(spans_read_finalize) sqlite3_stmt *st = NULL;
	struct spans_brief *rows = NULL, *grown;
	size_t n = 0;
	int r = spans_read_prepare(db, "SELECT id, service, operation, flags FROM shapes ORDER BY id", &st, err);

	while (r >= 0 && (r = spans_read_step(db, st, err)) > 0) {
		grown = array_grown(rows, n, sizeof(*rows));
		if (!grown || sqlite3_column_int64(st, 0) != (int64_t)n + 1) {
			r = grown ? err_set(err, EBADMSG, "'%s' is damaged: shape %zu is missing", db->path, n + 1)
				  : err_set(err, ENOMEM, "out of memory for shapes");
			rows = grown ? grown : rows;
			break;
		}
		rows = grown;
		rows[n++] = (struct spans_brief) { (uint32_t)sqlite3_column_int64(st, 1),
						   (uint32_t)sqlite3_column_int64(st, 2),
						   (uint32_t)sqlite3_column_int64(st, 3) };
	}
	if (r < 0) {
		free(rows);
		return r;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}
