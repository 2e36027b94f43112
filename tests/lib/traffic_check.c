/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check DIR - is the truth consistent in itself? Reads the files again and knows nothing of the run:
 *
 *	calls		each thread's are numbered 1..n and follow each other in time
 *	streams		sends cover [0, S) once, receives [0, R) once, R = S unless the connection is lossy
 *	edges		cover [0, R) once; each lies in both of its calls; the send began before the
 *			receive ended
 *	datagrams	each received once and by an edge of its own, each sent one received unless lossy
 *	summary		has the same totals
 *	forks		parents begin before their children, everything ends
 */
#define _GNU_SOURCE 1
#include "traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cover { /* one range of one line */
	const char *conn;
	int which; /* way * 4 + {0 send, 1 receive, 2 edge} */
	int64_t off, len, line;
};

struct known { /* a call */
	int64_t pid, tid, call, begin, end, dgram, len;
	const char *conn;
	int way;
	bool recv;
	json_t *o;
	int64_t edge_bytes;
	unsigned edges;
};

struct checker {
	json_t *calls, *edges, *conns, *forks; /* arrays of the lines' objects */
	json_t *by_name;		       /* connections */
	struct known *known;
	size_t n_known;
	struct cover *covers;
	size_t n_covers, max_covers;
	unsigned problems;
};

static void problem(struct checker *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct checker *k, const char *fmt, ...)
{
	va_list ap;

	if (k->problems++ >= 10)
		return;
	va_start(ap, fmt);
	fprintf(stderr, "traffic: check: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
}

static json_t *lines_load(const char *dir, const char *name, bool optional)
{
	json_t *all = json_array(), *o;
	char path[512], *line = NULL;
	json_error_t err;
	size_t size = 0, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f && optional)
		return all;
	if (!f)
		die("cannot open '%s': %s", path, strerror(errno));
	while (getline(&line, &size, f) > 0) {
		o = json_loads(line, 0, &err);
		n++;
		if (!json_is_object(o))
			die("%s:%zu: %s", path, n, o ? "no object" : err.text);
		json_array_append_new(all, o);
	}
	free(line);
	fclose(f);
	return all;
}

static int64_t num(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int by_call(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	return x->call < y->call ? -1 : x->call > y->call;
}

static void cover_add(struct checker *k, const json_t *o, int what, int64_t line)
{
	const json_t *ranges = json_object_get(o, "ranges"), *r;
	int way = !strcmp(str(o, "way"), "ba");
	size_t i;

	json_array_foreach(ranges, i, r)
	{
		if (k->n_covers == k->max_covers) {
			k->max_covers = k->max_covers * 2 + 1024;
			k->covers = realloc(k->covers, k->max_covers * sizeof(*k->covers));
			check(k->covers, "no memory");
		}
		k->covers[k->n_covers++] = (struct cover) {
			.conn = str(o, "conn"),
			.which = way * 4 + what,
			.line = line,
			.off = json_integer_value(json_array_get(r, 0)),
			.len = json_integer_value(json_array_get(r, 1)),
		};
	}
}

static int64_t ranges_sum(const json_t *o)
{
	const json_t *r;
	int64_t sum = 0;
	size_t i;

	json_array_foreach(json_object_get(o, "ranges"), i, r) sum += json_integer_value(json_array_get(r, 1));
	return sum;
}

static void calls_index(struct checker *k)
{
	json_t *o;
	size_t i;

	k->known = calloc(json_array_size(k->calls) + 1, sizeof(*k->known));
	check(k->known, "no memory");
	json_array_foreach(k->calls, i, o)
	{
		struct known *c = &k->known[k->n_known++];

		*c = (struct known) {
			.pid = num(o, "pid", -1),
			.tid = num(o, "tid", 0),
			.call = num(o, "call", -1),
			.begin = num(o, "begin_ns", -1),
			.end = num(o, "end_ns", -1),
			.dgram = num(o, "dgram", -1),
			.len = num(o, "len", -1),
			.conn = str(o, "conn"),
			.way = !strcmp(str(o, "way"), "ba"),
			.recv = !strcmp(str(o, "dir"), "recv"),
			.o = o,
		};
		if (!json_object_get(k->by_name, c->conn))
			problem(k, "calls.jsonl:%zu: connection '%s' is not in conns.jsonl", i + 1, c->conn);
		if (ranges_sum(o) != c->len)
			problem(k, "calls.jsonl:%zu: the ranges do not sum to len", i + 1);
		if (c->dgram < 0)
			cover_add(k, o, c->recv, (int64_t)i + 1);
	}
	qsort(k->known, k->n_known, sizeof(*k->known), by_call);
}

static void calls_check(struct checker *k)
{
	for (size_t i = 0; i < k->n_known; i++) {
		struct known *c = &k->known[i], *last = c - 1;
		bool first = !i || last->pid != c->pid || last->tid != c->tid;

		if (c->call != (first ? 1 : last->call + 1))
			problem(k, "thread %" PRId64 "/%" PRId64 ": call %" PRId64 " is out of sequence", c->pid,
				c->tid, c->call);
		if (c->begin > c->end || (!first && c->tid && c->begin < last->begin))
			problem(k, "thread %" PRId64 "/%" PRId64 ": call %" PRId64 " is out of time", c->pid, c->tid,
				c->call);
	}
}

static struct known *call_find(struct checker *k, const json_t *ref)
{
	struct known key = { .pid = num(ref, "pid", -1), .tid = num(ref, "tid", 0), .call = num(ref, "call", -1) };

	return bsearch(&key, k->known, k->n_known, sizeof(key), by_call);
}

/* Does every range of the edge lie in one of the call's? */
static bool ranges_in(const json_t *edge, const json_t *call)
{
	const json_t *e, *c;
	size_t i, j;

	json_array_foreach(json_object_get(edge, "ranges"), i, e)
	{
		int64_t off = json_integer_value(json_array_get(e, 0));
		int64_t end = off + json_integer_value(json_array_get(e, 1));
		bool in = false;

		json_array_foreach(json_object_get(call, "ranges"), j, c)
		{
			int64_t from = json_integer_value(json_array_get(c, 0));

			in |= from <= off && end <= from + json_integer_value(json_array_get(c, 1));
		}
		if (!in)
			return false;
	}
	return true;
}

static void edge_check(struct checker *k, const json_t *o, size_t line)
{
	struct known *from = call_find(k, json_object_get(o, "from"));
	struct known *to = call_find(k, json_object_get(o, "to"));
	int64_t dgram = num(o, "dgram", -1);

	if (!from || !to || from->recv || !to->recv) {
		problem(k, "truth.jsonl:%zu: names calls that are not in calls.jsonl", line);
		return;
	}
	if (strcmp(from->conn, to->conn) || strcmp(from->conn, str(o, "conn")) || from->way != to->way ||
	    from->dgram != dgram || to->dgram != dgram)
		problem(k, "truth.jsonl:%zu: its two calls are of different streams", line);
	if (!ranges_in(o, from->o) || !ranges_in(o, to->o) || ranges_sum(o) != num(o, "len", -1))
		problem(k, "truth.jsonl:%zu: the bytes are not those of its calls", line);
	if (from->begin >= to->end)
		problem(k, "truth.jsonl:%zu: received before it was sent", line);
	from->edges++;
	to->edges++;
	from->edge_bytes += num(o, "len", 0);
	to->edge_bytes += num(o, "len", 0);
	if (dgram < 0)
		cover_add(k, o, 2, (int64_t)line);
}

static bool lossy(struct checker *k, const char *conn)
{
	return json_is_true(json_object_get(json_object_get(k->by_name, conn), "lossy"));
}

static void edges_check(struct checker *k)
{
	json_t *o;
	size_t i;

	json_array_foreach(k->edges, i, o) edge_check(k, o, i + 1);
	for (i = 0; i < k->n_known; i++) {
		struct known *c = &k->known[i];
		bool loss_ok = !c->recv && lossy(k, c->conn);

		if (c->edge_bytes != c->len && !loss_ok)
			problem(k,
				"thread %" PRId64 "/%" PRId64 ": call %" PRId64 " has %" PRId64
				" bytes and its edges %" PRId64,
				c->pid, c->tid, c->call, c->len, c->edge_bytes);
		if (c->dgram >= 0 && c->edges != 1 && !loss_ok)
			problem(k, "%s: datagram %" PRId64 " has %u edges", c->conn, c->dgram, c->edges);
	}
}

static int by_cover(const void *a, const void *b)
{
	const struct cover *x = a, *y = b;
	int r = strcmp(x->conn, y->conn);

	if (r)
		return r;
	if (x->which != y->which)
		return x->which - y->which;
	return x->off < y->off ? -1 : x->off > y->off;
}

/* Checks one way of one connection, beginning at i; returns where the next begins */
static size_t stream_check(struct checker *k, size_t i)
{
	const char *conn = k->covers[i].conn;
	int way = k->covers[i].which / 4;
	int64_t end[3] = { 0 };

	for (; i < k->n_covers && !strcmp(k->covers[i].conn, conn) && k->covers[i].which / 4 == way; i++) {
		struct cover *c = &k->covers[i];
		int64_t *at = &end[c->which % 4];

		if (c->off != *at || c->len <= 0)
			problem(k, "%s.jsonl:%" PRId64 ": %s %s: expected byte %" PRId64 " next, got %" PRId64,
				c->which % 4 == 2 ? "truth" : "calls", c->line, conn, way ? "ba" : "ab", *at, c->off);
		*at = c->off + c->len;
	}
	if (end[1] > end[0] || (end[1] != end[0] && !lossy(k, conn)))
		problem(k, "%s: %" PRId64 " bytes sent, %" PRId64 " received", conn, end[0], end[1]);
	if (end[2] != end[1])
		problem(k, "%s: %" PRId64 " bytes received, edges up to %" PRId64, conn, end[1], end[2]);
	return i;
}

static size_t streams_check(struct checker *k)
{
	size_t n = 0;

	if (k->n_covers)
		qsort(k->covers, k->n_covers, sizeof(*k->covers), by_cover);
	for (size_t i = 0; i < k->n_covers; n++)
		i = stream_check(k, i);
	return n;
}

static void summary_check(struct checker *k, const char *dir)
{
	char path[512];
	json_error_t err;
	json_t *all, *kind;
	const char *name;
	int64_t sends = 0, recvs = 0, edges = 0;

	snprintf(path, sizeof(path), "%s/summary.json", dir);
	all = json_load_file(path, 0, &err);
	if (!all)
		die("%s: %s", path, err.text);
	json_object_foreach(json_object_get(all, "kinds"), name, kind)
	{
		sends += num(kind, "sends", 0);
		recvs += num(kind, "recvs", 0);
		edges += num(kind, "edges", 0);
	}
	if (sends + recvs != (int64_t)k->n_known || edges != (int64_t)json_array_size(k->edges))
		problem(k, "summary.json has other totals than the files");
	json_decref(all);
}

static void forks_check(struct checker *k)
{
	json_t *begun = json_object(), *o;
	int64_t root = 0;
	char key[32];
	size_t i;

	json_array_foreach(k->forks, i, o)
	{
		snprintf(key, sizeof(key), "%" PRId64, num(o, "tid", 0));
		if (json_object_get(begun, key))
			problem(k, "forks.jsonl:%zu: thread %s is there twice", i + 1, key);
		json_object_set(begun, key, o);
	}
	json_array_foreach(k->forks, i, o)
	{
		int64_t parent = num(o, "parent", 0);
		json_t *p;

		snprintf(key, sizeof(key), "%" PRId64, parent);
		p = json_object_get(begun, key);
		if (!p && !root)
			root = parent;
		if (!p && parent != root)
			problem(k, "forks.jsonl:%zu: nobody forked parent %s", i + 1, key);
		if (num(o, "begin_ns", 0) > num(o, "end_ns", 0) || (p && num(p, "begin_ns", 0) > num(o, "begin_ns", 0)))
			problem(k, "forks.jsonl:%zu: it is out of time", i + 1);
	}
	json_decref(begun);
}

int check_dir(const char *dir)
{
	struct checker k = {
		.calls = lines_load(dir, "calls.jsonl", false),
		.edges = lines_load(dir, "truth.jsonl", false),
		.conns = lines_load(dir, "conns.jsonl", false),
		.forks = lines_load(dir, "forks.jsonl", true),
		.by_name = json_object(),
	};
	size_t i, streams;
	json_t *o;

	json_array_foreach(k.conns, i, o)
	{
		if (json_object_get(k.by_name, str(o, "conn")))
			problem(&k, "conns.jsonl:%zu: the name is there twice", i + 1);
		json_object_set(k.by_name, str(o, "conn"), o);
	}
	calls_index(&k);
	calls_check(&k);
	edges_check(&k);
	streams = streams_check(&k);
	summary_check(&k, dir);
	forks_check(&k);
	printf("%zu connections, %zu streams, %zu calls, %zu edges, %zu forks: %u problems\n", json_array_size(k.conns),
	       streams, k.n_known, json_array_size(k.edges), json_array_size(k.forks), k.problems);
	free(k.known);
	free(k.covers);
	json_decref(k.by_name);
	json_decref(k.calls);
	json_decref(k.edges);
	json_decref(k.conns);
	json_decref(k.forks);
	return k.problems ? 1 : 0;
}
