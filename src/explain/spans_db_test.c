/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back out of stored spans is what was put in, to the last field; lists against the same question asked of all
 * spans; what is older, of another recording, or damaged is never taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "explain/spans_blob.h"
#include "explain/spans_db.h"
#include "explain/spans_testing.h"

#define KEY "1-00112233"

struct scratch {
	char dir[64], file[128];
	struct made m;
	struct err err;
};

#define OK(s, call)                                               \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (s)->err.text); \
	} while (0)

static int setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/saker-spans-XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	(void)snprintf(s->file, sizeof(s->file), "%s/" SPANS_DB_NAME, s->dir);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;

	(void)chmod(s->dir, 0700);
	(void)unlink(s->file);
	(void)rmdir(s->dir);
	spans_fini(&s->m.s);
	free(s);
	return 0;
}

static void put(struct scratch *s)
{
	struct spans_db_about about = { .key = KEY, .left_out = 7 };

	OK(s, spans_db_write(s->dir, &s->m.s, &about, &s->err));
}

static struct spans_db *get(struct scratch *s)
{
	struct spans_db *db = NULL;

	OK(s, spans_db_open(s->dir, KEY, &db, &s->err));
	return db;
}

#define SAME(field) assert_true(x->field == y->field)
#define SAME_TEXT(field) assert_string_equal(spans_text(a, x->field), spans_text(b, y->field))

static void compare_span(const struct spans *a, const struct span *x, const struct spans *b, const struct span *y)
{
	int i;

	SAME(trace[0]), SAME(trace[1]), SAME(id), SAME(kind), SAME(evidence), SAME(confidence), SAME(flags),
		SAME(status);
	SAME(host), SAME(tgid), SAME(tid), SAME(start_ns), SAME(begin_ns), SAME(end_ns), SAME(sock);
	SAME(begin.host), SAME(begin.id), SAME(end.host), SAME(end.id), SAME(request_bytes), SAME(response_bytes);
	SAME_TEXT(service), SAME_TEXT(operation), SAME_TEXT(resource), SAME_TEXT(error), SAME_TEXT(peer),
		SAME_TEXT(blame);
	SAME_TEXT(attributes);
	assert_string_equal(spans_protocol(a, x), spans_protocol(b, y));
	for (i = 0; i < TIME_KINDS; i++)
		SAME(time_ns[i]);
}

static void compare_all(const struct spans *a, const struct spans *b)
{
	size_t i;

	assert_int_equal(a->count, b->count);
	assert_int_equal(a->ntraces, b->ntraces);
	for (i = 0; i < a->count; i++) {
		const struct span *x = &a->rows[i], *y = &b->rows[i];

		compare_span(a, x, b, y);
		SAME(parent), SAME(first_child), SAME(next);
	}
	for (i = 0; i < a->ntraces; i++) {
		const struct span_trace *x = &a->traces[i], *y = &b->traces[i];

		SAME(root), SAME(count), SAME(begin_ns), SAME(end_ns);
	}
}

static void compare_read(struct scratch *s)
{
	struct spans_db *db = get(s);
	struct spans all;

	OK(s, spans_db_all(db, &all, NULL, &s->err));
	compare_all(&s->m.s, &all);
	assert_int_equal(spans_db_count(db), s->m.s.count);
	assert_int_equal(spans_db_left_out(db), 7);
	spans_fini(&all);
	spans_db_close(db);
}

static void test_all(void **state)
{
	static const size_t spans[] = { 1, 2, 3, 7 };
	struct scratch *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_LEN(spans); i++) {
		spans_fini(&s->m.s);
		made_requests(&s->m, 500, spans[i]);
		put(s);
		compare_read(s);
	}
	spans_fini(&s->m.s);
	put(s); /* none at all */
	compare_read(s);
}

/* Every field at its ends. */
static void test_extremes(void **state)
{
	struct scratch *s = *state;
	struct span *x;
	size_t i;

	made_requests(&s->m, 3, 7);
	for (i = 0; i < s->m.s.count; i++) {
		x = &s->m.s.rows[i];
		x->flags = UINT32_MAX;
		x->status = i & 1 ? INT32_MIN : INT32_MAX;
		x->tgid = x->tid = UINT32_MAX;
		x->id = x->start_ns = x->sock = x->request_bytes = x->response_bytes = UINT64_MAX - i;
		x->begin.id = i & 1 ? 0 : UINT64_MAX;
		x->end.id = i & 2 ? 0 : UINT64_MAX;
		x->end.host = x->host + 1;
		x->trace[1] ^= i & 1 ? 0 : 1ULL << 63; /* a middle of a trace whose beginning was not recorded */
		x->time_ns[TIME_FAULT] = i & 1 ? UINT64_MAX : 1;
		x->end_ns = i & 1 ? x->begin_ns - 5 : UINT64_MAX;
		x->blame = made_text(&s->m, i & 1 ? "" : "kswapd0");
		x->attributes = made_text(&s->m, i & 2 ? ""
						       : "items\x1d"
							 "12");
		x->resource = made_text(&s->m, i & 1 ? "\xff\x01" : "GET 'x'; DROP TABLE traces");
	}
	/* A tree's id is that of its root. */
	put(s);
	compare_read(s);
}

static void test_trace(void **state)
{
	struct scratch *s = *state;
	struct spans_db *db;
	size_t i, k, n;

	made_requests(&s->m, 300, 7);
	/* Two trees of one trace. */
	for (i = 0; i < s->m.s.count; i++)
		if (s->m.s.rows[i].trace[0] == map_hash(5))
			memcpy(s->m.s.rows[i].trace, s->m.s.rows[s->m.s.traces[9].root].trace,
			       sizeof(s->m.s.rows[i].trace));
	put(s);
	db = get(s);
	for (i = 0; i < s->m.s.ntraces; i++) {
		const uint64_t *id = s->m.s.rows[s->m.s.traces[i].root].trace;
		struct spans got;

		OK(s, spans_db_trace(db, id, &got, NULL, &s->err));
		for (k = n = 0; k < s->m.s.count; k++)
			if (s->m.s.rows[k].trace[0] == id[0])
				compare_span(&s->m.s, &s->m.s.rows[k], &got, &got.rows[n++]);
		assert_int_equal(got.count, n);
		assert_int_equal(got.ntraces, i == 4 || i == 9 ? 2 : 1);
		assert_int_equal(got.rows[got.traces[0].root].parent, SPAN_NONE);
		spans_fini(&got);
	}
	assert_int_equal(spans_db_trace(db, (uint64_t[]) { 1, 2 }, &(struct spans) { 0 }, NULL, &s->err), -ENOENT);
	spans_db_close(db);
}

/* --- log lines --- */

static const struct order_ref lines[] = { { 0, 5 }, { 0, 900 }, { 1, 7 }, { UINT32_MAX, UINT64_MAX } };

/* Some spans have some of them. */
static size_t lines_of(void *arg, uint32_t span, const struct order_ref **ret)
{
	const struct spans *s = arg;
	size_t n = s->rows[span].id % 5;

	*ret = lines + (n ? ARRAY_LEN(lines) - n : 0);
	return n;
}

static void check_lines(const struct spans *s, const struct span_logs *logs)
{
	const struct order_ref *got = NULL, *want;
	size_t i, n;

	for (i = 0; i < s->count; i++) {
		n = lines_of((void *)(uintptr_t)s, (uint32_t)i, &want);
		assert_int_equal(span_logs_of(logs, (uint32_t)i, &got), n);
		for (; n; n--)
			assert_true(got[n - 1].host == want[n - 1].host && got[n - 1].id == want[n - 1].id);
	}
}

static void test_logs(void **state)
{
	struct scratch *s = *state;
	struct spans_db_about about = { .key = KEY, .logs = lines_of, .arg = &s->m.s };
	struct span_logs logs;
	struct spans_db *db;
	struct spans got;

	made_requests(&s->m, 300, 7);
	OK(s, spans_db_write(s->dir, &s->m.s, &about, &s->err));
	db = get(s);
	OK(s, spans_db_all(db, &got, &logs, &s->err));
	check_lines(&got, &logs);
	spans_fini(&got);
	span_logs_fini(&logs);
	OK(s, spans_db_trace(db, s->m.s.rows[s->m.s.traces[5].root].trace, &got, &logs, &s->err));
	assert_int_equal(got.count, 7);
	check_lines(&got, &logs);
	spans_fini(&got);
	span_logs_fini(&logs);
	spans_db_close(db);
	put(s); /* none */
	db = get(s);
	OK(s, spans_db_all(db, &got, &logs, &s->err));
	assert_int_equal(logs.count, 0);
	spans_fini(&got);
	span_logs_fini(&logs);
	spans_db_close(db);
}

/* --- lists --- */

struct expected {
	struct scratch *s;
	const struct spans_db_filter *f;
	uint32_t rows[1000]; /* of traces */
	size_t count, seen;
	uint32_t flags[1000];
};

static bool fits(const struct expected *e, size_t i)
{
	const struct spans *s = &e->s->m.s;
	const struct span_trace *t = &s->traces[i];
	const struct span *root = &s->rows[t->root];
	const struct spans_db_filter *f = e->f;
	uint64_t ns = root->end_ns - root->begin_ns;
	char id[20];

	(void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)root->trace[0]);
	return t->begin_ns >= f->from_ns && (!f->to_ns || t->begin_ns < f->to_ns) && ns >= f->min_ns &&
	       (!f->max_ns || ns <= f->max_ns) && (!f->service || !strcmp(f->service, spans_text(s, root->service))) &&
	       (!f->operation || !strcmp(f->operation, spans_text(s, root->operation))) &&
	       (!f->flags || e->flags[i] & f->flags) && !(e->flags[i] & f->flags_not) &&
	       (!f->id || !strncasecmp(f->id, id, strlen(f->id)));
}

static int compare_place(const void *a, const void *b, void *arg)
{
	const struct expected *e = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct spans *s = &e->s->m.s;
	const struct span *rx = &s->rows[s->traces[x].root], *ry = &s->rows[s->traces[y].root];
	uint64_t dx = rx->end_ns - rx->begin_ns, dy = ry->end_ns - ry->begin_ns;
	int order = e->f->sort == SPANS_BY_DURATION ? (dx > dy) - (dx < dy) : (x > y) - (x < y);

	if (!order)
		return (x > y) - (x < y);
	return e->f->descending ? -order : order;
}

static int check_row(void *arg, const struct spans_db_row *row)
{
	struct expected *e = arg;
	const struct spans *s = &e->s->m.s;
	const struct span_trace *t;
	const struct span *root;

	assert_true(e->seen < e->count);
	t = &s->traces[e->rows[e->seen]];
	root = &s->rows[t->root];
	assert_true(row->trace[0] == root->trace[0] && row->trace[1] == root->trace[1]);
	assert_true(row->begin_ns == t->begin_ns && row->end_ns == root->end_ns);
	assert_string_equal(row->service, spans_text(s, root->service));
	assert_string_equal(row->operation, spans_text(s, root->operation));
	assert_int_equal(row->spans, t->count);
	assert_int_equal(row->flags, e->flags[e->rows[e->seen++]]);
	return 0;
}

static void flags_of_trees(struct expected *e)
{
	const struct spans *s = &e->s->m.s;
	size_t i, k;

	for (i = 0; i < s->ntraces; i++)
		for (k = 0; k < s->count; k++)
			if (s->rows[k].trace[0] == s->rows[s->traces[i].root].trace[0])
				e->flags[i] |= s->rows[k].flags;
}

static void check_list(struct scratch *s, struct spans_db *db, const struct spans_db_filter *f, struct expected *e)
{
	size_t i;

	e->f = f;
	e->count = e->seen = 0;
	for (i = 0; i < s->m.s.ntraces; i++)
		if (fits(e, i))
			e->rows[e->count++] = (uint32_t)i;
	qsort_r(e->rows, e->count, sizeof(e->rows[0]), compare_place, e);
	if (f->limit && e->count > f->limit)
		e->count = f->limit;
	OK(s, spans_db_list(db, f, check_row, e, &s->err));
	assert_int_equal(e->seen, e->count);
}

static int stop(void *arg, const struct spans_db_row *row)
{
	(void)row;
	return ++*(int *)arg == 3 ? -ECANCELED : 0;
}

static void test_lists(void **state)
{
	struct scratch *s = *state;
	struct expected e = { .s = s };
	struct spans_db_filter f;
	struct spans_db *db;
	uint64_t middle;
	int sort, variant, n = 0;
	size_t i;

	made_requests(&s->m, 600, 3);
	for (i = 0; i < s->m.s.ntraces; i++) /* another two services, and equal durations */
		if (i % 3) {
			s->m.s.rows[s->m.s.traces[i].root].service = made_text(&s->m, i % 3 == 1 ? "api" : "");
			s->m.s.rows[s->m.s.traces[i].root].end_ns = s->m.s.traces[i].begin_ns + 5000000 * (1 + i % 2);
		}
	put(s);
	db = get(s);
	flags_of_trees(&e);
	middle = s->m.s.traces[300].begin_ns;
	for (sort = 0; sort < 4; sort++) {
		for (variant = 0; variant < 14; variant++) {
			f = (struct spans_db_filter) { .sort = sort & 1,
						       .descending = sort >> 1,
						       .limit = variant & 1 ? 7 : 0 };
			f.from_ns = variant == 1 || variant == 3 ? middle : 0;
			f.to_ns = variant == 2 || variant == 3 ? middle + 1000000 : 0;
			f.service = variant == 4 ? "web" : variant == 5 ? "" : variant == 6 ? "nobody" : NULL;
			f.operation = variant == 7 ? "GET" : variant == 8 ? "PUT" : NULL;
			f.min_ns = variant >= 9 && variant <= 10 ? 10000000 : 0;
			f.max_ns = variant == 10 || variant == 11 ? 12000000 : 0;
			f.flags = variant == 12 ? SPAN_FAILED : 0;
			f.flags_not = variant == 13 ? SPAN_FAILED : 0;
			check_list(s, db, &f, &e);
		}
	}
	for (i = 0; i < 40; i++) {
		char id[20];

		(void)snprintf(id, sizeof(id), "%016llX", (unsigned long long)map_hash(i + 1));
		id[1 + i % 16] = 0;
		f = (struct spans_db_filter) { .id = id };
		check_list(s, db, &f, &e);
	}
	f = (struct spans_db_filter) { .id = "no" };
	assert_int_equal(spans_db_list(db, &f, stop, &n, &s->err), -EINVAL);
	f = (struct spans_db_filter) { 0 };
	assert_int_equal(spans_db_list(db, &f, stop, &n, &s->err), -ECANCELED);
	assert_int_equal(n, 3);
	spans_db_close(db);
}

/* --- what is not taken --- */

static void test_refused(void **state)
{
	struct scratch *s = *state;
	struct spans_db *db = NULL;
	sqlite3 *sql;

	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -ENOENT);
	made_requests(&s->m, 10, 7);
	put(s);
	assert_int_equal(spans_db_open(s->dir, "2-00112233", &db, &s->err), -ESTALE);
	OK(s, spans_db_open(s->dir, NULL, &db, &s->err));
	db = spans_db_close(db);
	assert_int_equal(sqlite3_open(s->file, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -ESTALE);
	assert_int_equal(sqlite3_exec(sql, "PRAGMA application_id = 1", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -EBADMSG);
	(void)sqlite3_close(sql);
	assert_int_equal(truncate(s->file, 0), 0);
	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -EBADMSG);
	(void)unlink(s->file);
	assert_int_equal(symlink("/etc/passwd", s->file), 0);
	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -EBADMSG);
	(void)unlink(s->file);
	assert_int_equal(mkdir(s->file, 0700), 0);
	assert_int_equal(spans_db_open(s->dir, KEY, &db, &s->err), -EBADMSG);
	(void)rmdir(s->file);
}

static int nothing(void *arg, const struct spans_db_row *row)
{
	*(size_t *)arg += strlen(row->service) + strlen(row->operation);
	return 0;
}

/* Whatever the bytes are: an error, or spans that can be walked. */
static void read_damaged(struct scratch *s)
{
	struct spans_db_filter f = { .sort = SPANS_BY_DURATION, .service = NULL };
	struct spans_db *db = NULL;
	const struct order_ref *refs;
	struct span_logs logs;
	struct spans all;
	size_t n = 0, i, k;

	if (spans_db_open(s->dir, NULL, &db, &s->err) < 0)
		return;
	(void)spans_db_list(db, &f, nothing, &n, &s->err);
	if (spans_db_all(db, &all, &logs, &s->err) >= 0) {
		for (i = 0; i < all.count; i++)
			for (k = span_logs_of(&logs, (uint32_t)i, &refs); k; k--)
				n += refs[k - 1].host;
		span_logs_fini(&logs);
		for (i = 0; i < all.count; i++)
			n += strlen(spans_text(&all, all.rows[i].service)) + strlen(spans_protocol(&all, &all.rows[i]));
		spans_fini(&all);
	}
	spans_db_close(db);
}

static void test_damaged(void **state)
{
	struct scratch *s = *state;
	struct spans_db_about about = { .key = KEY, .logs = lines_of, .arg = &s->m.s };
	unsigned char byte;
	struct stat st;
	int fd, i;

	made_requests(&s->m, 60, 7);
	OK(s, spans_db_write(s->dir, &s->m.s, &about, &s->err));
	fd = open(s->file, O_RDWR);
	assert_true(fd >= 0 && !fstat(fd, &st));
	for (i = 0; i < 1500; i++) {
		off_t at = (off_t)made_random(&s->m, (uint64_t)st.st_size);

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= (unsigned char)(1 << i % 8);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		read_damaged(s);
		if (i % 5 < 4)
			continue;
		OK(s, spans_db_write(s->dir, &s->m.s, &about, &s->err)); /* anew, before nothing of it can be read */
		(void)close(fd);
		fd = open(s->file, O_RDWR);
		assert_true(fd >= 0);
	}
	(void)close(fd);
}

/* Cut anywhere; a byte beyond the head of SQLite is damaged in a place that counts. */
static void test_cut(void **state)
{
	struct scratch *s = *state;
	struct spans_db *db;
	struct spans all;
	struct stat st;

	made_requests(&s->m, 200, 7);
	put(s);
	assert_int_equal(stat(s->file, &st), 0);
	while (st.st_size > 4096) {
		st.st_size -= 4096;
		assert_int_equal(truncate(s->file, st.st_size), 0);
		if (spans_db_open(s->dir, KEY, &db, &s->err) < 0)
			continue;
		assert_int_equal(spans_db_all(db, &all, NULL, &s->err), -EBADMSG);
		spans_db_close(db);
	}
	put(s); /* a new one takes its place */
	compare_read(s);
}

static void test_owner(void **state)
{
	struct scratch *s = *state;
	struct stat st;

	made_requests(&s->m, 10, 7);
	assert_int_equal(chmod(s->dir, 0750), 0);
	if (!geteuid())
		assert_int_equal(chown(s->dir, 12345, 54321), 0);
	put(s);
	assert_int_equal(stat(s->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_uid, geteuid() ? geteuid() : 12345);
	put(s);
	compare_read(s);
	assert_int_equal(spans_db_write("/nowhere", &s->m.s, &(struct spans_db_about) { .key = "" }, &s->err), -ENOENT);
}

/* Spans that are no trees are not written. */
static void test_no_trees(void **state)
{
	struct spans_db_about about = { .key = KEY };
	struct scratch *s = *state;
	uint32_t root;

	made_requests(&s->m, 4, 7);
	root = s->m.s.traces[2].root;
	s->m.s.rows[root].parent = s->m.s.rows[root].first_child;
	assert_int_equal(spans_db_write(s->dir, &s->m.s, &about, &s->err), -EINVAL);
	s->m.s.rows[root].parent = (uint32_t)s->m.s.count;
	assert_int_equal(spans_db_write(s->dir, &s->m.s, &about, &s->err), -EINVAL);
	s->m.s.rows[root].parent = SPAN_NONE;
	s->m.s.ntraces--;
	assert_int_equal(spans_db_write(s->dir, &s->m.s, &about, &s->err), -EINVAL);
	s->m.s.ntraces++;
	put(s);
}

/* The bytes of FORMAT, written by hand from its words. */
static void test_format(void **state)
{
	static const unsigned char bytes[] = {
		4,  1,	  0,  0, 0, 0,	0,  0,	0,     /* 2 spans of the trace 1, 2 */
		2,  0,	  0,  0, 0, 0,	0,  0,	0, 14, /* begins with the block, its last span ends 7 behind the root */
		0,  0,	  1,  2, 3, 4,	5,  6,	7, 8,  5, 1, 3, /* head, no parent, id, shape 5, resource 1, thread 3 */
		0,  0xd0, 15, 6, 8, 9,	10, 11, /* at begin, 1000 ns, event 3 and 4 behind, socket, bytes */
		3,  0xe8, 6,			/* running 872, waiting for a CPU the rest */
		30, 2,	  1,  2, 3, 4,	5,  6,	7, 9, /* times that do not add up, same socket, blame, words; parent: one back */
		5,  0,	  3,  7, 4, 20, 4,  1,	0, 0,  0, 0, /* blame 7, words 4, 10 later, 2 ns, the event before it, bytes 0 */
		3,  8,	  7,  6, 5, 4,	3,  2,	1,	     /* another tree: of a span whose id gives the trace's */
		20, 0,	  4,  0, 5, 1,	3,  0,	0, 2,  0, 0, 0,
		0, /* 10 later; an event behind the first of the tree before */
	};
	struct blob_reader rd = { .at = bytes, .end = bytes + sizeof(bytes), .place.begin_ns = 100 };
	struct blob_place place = { .begin_ns = 100 };
	const struct span_packed *rows;
	struct buf out = BUF_INIT;
	struct scratch *s = *state;
	uint64_t derived[2];

	assert_int_equal(spans_blob_next(&rd, &s->err), 1);
	rows = rd.rows;
	assert_int_equal(rd.count, 2);
	assert_true(rd.tree.trace[0] == 1 && rd.tree.trace[1] == 2 && rd.tree.after_ns == 7 && !rd.tree.derived);
	assert_true(rows[0].span.id == 0x0807060504030201 && rows[0].span.trace[1] == 2 &&
		    rows[0].span.begin_ns == 100);
	assert_true(rows[0].span.end_ns == 1100 && rows[0].span.begin.id == 3 && rows[0].span.end.id == 7);
	assert_true(rows[0].span.sock == 9 && rows[0].span.request_bytes == 10 && rows[0].span.response_bytes == 11);
	assert_true(rows[0].span.time_ns[TIME_RUNNING] == 872 && rows[0].span.time_ns[TIME_CPU_WAIT] == 128);
	assert_true(rows[0].shape == 5 && rows[0].resource == 1 && rows[0].thread == 3 && !rows[0].blame);
	assert_true(rows[0].span.parent == SPAN_NONE && rows[1].span.parent == 0 && rows[1].blame == 7);
	assert_true(rows[1].span.begin_ns == 110 && rows[1].span.end_ns == 112 && rows[1].span.begin.id == 2);
	assert_true(rows[1].span.sock == 9 && rows[1].span.end.id == 2 && rows[1].attributes == 4);
	spans_blob_write(&place, &rd.tree, rd.rows, rd.count, &out);
	assert_int_equal(spans_blob_next(&rd, &s->err), 1);
	span_trace_id(0x0102030405060708, derived);
	assert_true(rd.count == 1 && rd.rows[0].span.id == 0x0102030405060708 && rd.rows[0].span.begin.id == 4);
	assert_true(rd.tree.trace[0] == derived[0] && rd.tree.trace[1] == derived[1] && rd.tree.begin_ns == 110);
	spans_blob_write(&place, &rd.tree, rd.rows, rd.count, &out);
	assert_int_equal(out.len, sizeof(bytes));
	assert_memory_equal(out.data, bytes, out.len);
	assert_int_equal(spans_blob_next(&rd, &s->err), 0);
	spans_blob_fini(&rd);
	buf_fini(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extremes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_logs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_trees, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
