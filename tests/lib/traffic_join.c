/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins what was sent with what was received, and writes it down. One JSON object a line:
 *
 * truth.jsonl	{"kind","conn","way","from":{"pid","tid","call"},"to":{...},"src","dst","rsrc","rdst",
 *		 "off","len","ranges":[[off,len],...]}  and "dgram":n for datagrams
 *	One line for each pair of a send and a receive call with bytes in common. off is the first
 *	common byte in the direction (first byte after SYN = 0), len all common bytes; there is more
 *	than one range where another writer's bytes lie between. src and dst as the sender's
 *	getsockname and getpeername say, rsrc and rdst as the receiver's getpeername and getsockname.
 *	Datagrams: off counts within the datagram, dgram is its number in the direction.
 *
 * calls.jsonl	{"pid","tid","call","sys","how","dir":"send|recv","kind","conn","way","fd","off","len",
 *		 "ranges","begin_ns","end_ns"}
 *	call counts the thread's calls that moved bytes, from 1; sys its message syscalls, failed and
 *	empty ones included: the messages of one sendmmsg or recvmmsg have one sys and several calls.
 *	tid null: io_uring with IOSQE_ASYNC; call then counts over the process in order of completion.
 *	off is null on sends of a direction with several writers. Ranges of bytes that nobody received
 *	are known with one writer only. Times are CLOCK_BOOTTIME.
 *
 * conns.jsonl	{"conn","kind","lossy","a":{"local","peer","cookie","netns","ino"},"b":{...}}
 *	cookie is SO_COOKIE, netns SO_NETNS_COOKIE, ino the socket's inode; null: nobody had that end.
 *	way "ab" is what end a sent. lossy: bytes may have been sent that nobody received.
 *
 * other.jsonl	{"pid","tid","after","what","conn","way","fd","error","len","ns"}
 *	What is no counted call: what = peek, eof, send_error, recv_error, send_zero, recv_zero,
 *	errqueue, connect. after: the thread's counted calls before it. error: an errno.
 *
 * summary.json	{"scenario","seed","kinds":{kind:{"conns","sends","recvs","sent","received","edges",
 *		 "split_sends","split_recvs"}}}
 */
#define _GNU_SOURCE 1
#include "traffic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct piece { /* a run of a receive call */
	struct call *call;
	struct run *run;
};

struct lane { /* what belongs to one stream */
	struct stream *st;
	struct call **sends;
	struct piece *pieces;
	size_t n_sends, n_pieces, pos;
};

struct totals {
	uint64_t conns, sends, recvs, sent, received, edges, split_sends, split_recvs;
};

static struct totals totals[KINDS];

static bool is_dgram(const struct stream *st)
{
	return st->conn->kind == KIND_UDP || st->conn->kind == KIND_UNIX_DGRAM;
}

static FILE *file_open(const char *dir, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		die("cannot write '%s': %s", path, strerror(errno));
	return f;
}

static void file_close(FILE *f)
{
	if (ferror(f) || fclose(f))
		die("cannot write the truth: %s", strerror(errno));
}

static void put_tid(FILE *f, const struct thr *t)
{
	fprintf(f, "\"pid\":%d,\"tid\":", t->pid);
	if (t->tid)
		fprintf(f, "%d", t->tid);
	else
		fprintf(f, "null");
}

static void put_ranges(FILE *f, const struct run *r)
{
	fprintf(f, "\"ranges\":[");
	for (const struct run *at = r; at; at = at->next)
		fprintf(f, "%s[%" PRIu64 ",%" PRIu64 "]", at == r ? "" : ",", at->off, at->len);
	fprintf(f, "]");
}

static const char *way_name(const struct stream *st)
{
	return st->way ? "ba" : "ab";
}

/* Edges */
static void edge_write(FILE *f, struct lane *l, struct call *from, struct call *to, struct run *runs)
{
	struct conn *c = l->st->conn;
	struct end *s = &c->end[l->st->way], *r = &c->end[!l->st->way];
	uint64_t len = 0;

	for (struct run *at = runs; at; at = at->next)
		len += at->len;
	fprintf(f, "{\"kind\":\"%s\",\"conn\":\"%s\",\"way\":\"%s\",\"from\":{", kind_names[c->kind], c->name,
		way_name(l->st));
	put_tid(f, from->thr);
	fprintf(f, ",\"call\":%u},\"to\":{", from->call);
	put_tid(f, to->thr);
	fprintf(f,
		",\"call\":%u},\"src\":\"%s\",\"dst\":\"%s\",\"rsrc\":\"%s\",\"rdst\":\"%s\","
		"\"off\":%" PRIu64 ",\"len\":%" PRIu64 ",",
		to->call, s->local, s->peer, r->peer, r->local, runs->off, len);
	if (is_dgram(l->st))
		fprintf(f, "\"dgram\":%" PRIu64 ",", from->k);
	put_ranges(f, runs);
	fprintf(f, "}\n");
	totals[c->kind].edges++;
}

static void run_append(struct run **list, uint64_t off, uint64_t len)
{
	struct run *r;

	for (; *list; list = &(*list)->next)
		if ((*list)->off + (*list)->len == off) {
			(*list)->len += len;
			return;
		}
	r = calloc(1, sizeof(*r));
	check(r, "no memory");
	*r = (struct run) { .off = off, .len = len };
	*list = r;
}

static void runs_free(struct run **list)
{
	while (*list) {
		struct run *next = (*list)->next;

		free(*list);
		*list = next;
	}
}

static uint64_t overlap(const struct call *s, const struct run *r, uint64_t *ret_off)
{
	uint64_t from = s->k > r->k ? s->k : r->k;
	uint64_t to = s->k + s->len < r->k + r->len ? s->k + s->len : r->k + r->len;

	*ret_off = r->off + (from - r->k);
	return s->w == r->w && from < to ? to - from : 0;
}

/* Both lists are sorted by (writer, byte of the writer): one walk finds all pairs in order */
static void lane_edges(FILE *f, struct lane *l)
{
	bool several = l->st->writers > 1;
	size_t first = 0;

	for (size_t i = 0; i < l->n_sends; i++) {
		struct call *s = l->sends[i], *to = NULL;
		struct run *common = NULL;
		uint64_t off, len;

		for (size_t j = first; j < l->n_pieces; j++) {
			struct piece *p = &l->pieces[j];

			if (p->run->w > s->w || (p->run->w == s->w && p->run->k >= s->k + s->len))
				break;
			len = overlap(s, p->run, &off);
			if (!len) {
				first = j + 1;
				continue;
			}
			if (to && to != p->call) {
				edge_write(f, l, s, to, common);
				runs_free(&common);
			}
			to = p->call;
			run_append(&common, off, len);
			if (several)
				run_append(&s->runs, off, len);
		}
		if (to)
			edge_write(f, l, s, to, common);
		runs_free(&common);
		if (!several)
			run_append(&s->runs, s->k, s->len);
	}
}

static void lane_dgrams(FILE *f, struct lane *l)
{
	size_t j = 0;

	for (size_t i = 0; i < l->n_sends; i++) {
		struct call *s = l->sends[i];

		run_append(&s->runs, 0, s->len);
		while (j < l->n_pieces && l->pieces[j].run->k < s->k)
			j++;
		if (j < l->n_pieces && l->pieces[j].run->k == s->k)
			edge_write(f, l, s, l->pieces[j].call, &(struct run) { .len = s->len });
		else if (!l->st->conn->lossy)
			die("%s: datagram %" PRIu64 " was not received", l->st->conn->name, s->k);
	}
}

/* Pieces too short to be recognised lie where the others leave room and the bytes fit */
static bool raw_fits(struct lane *l, const struct run *r, uint64_t k, uint64_t gap)
{
	char want[2 * RECORD];

	if (!r->raw || r->off != NO_OFF || r->len > gap)
		return false;
	bytes_fill(l->st, 0, k, want, r->len);
	return !memcmp(want, r->raw, r->len);
}

static struct run *raw_find(struct lane *l, uint64_t k, uint64_t gap)
{
	struct run *found = NULL;

	for (size_t i = 0; i < l->n_pieces; i++) {
		struct run *r = l->pieces[i].run;

		if (!raw_fits(l, r, k, gap))
			continue;
		if (found && found->len >= r->len)
			continue;
		found = r;
	}
	return found;
}

static int by_piece(const void *a, const void *b)
{
	const struct run *x = ((const struct piece *)a)->run, *y = ((const struct piece *)b)->run;

	if (x->w != y->w)
		return x->w < y->w ? -1 : 1;
	return x->k < y->k ? -1 : x->k > y->k;
}

static int by_send(const void *a, const void *b)
{
	const struct call *x = *(struct call *const *)a, *y = *(struct call *const *)b;

	if (x->w != y->w)
		return x->w < y->w ? -1 : 1;
	return x->k < y->k ? -1 : x->k > y->k;
}

static int by_dgram(const void *a, const void *b)
{
	const struct call *x = *(struct call *const *)a, *y = *(struct call *const *)b;

	return x->k < y->k ? -1 : x->k > y->k;
}

static void lane_place_raw(struct lane *l)
{
	uint64_t k = 0, end = l->st->writer[0].k;
	struct run *r;

	for (size_t i = 0; i < l->n_pieces; i++) /* the unplaced to the end */
		if (l->pieces[i].run->off == NO_OFF)
			l->pieces[i].run->k = UINT64_MAX;
	qsort(l->pieces, l->n_pieces, sizeof(*l->pieces), by_piece);
	for (size_t i = 0; k < end;) {
		bool known = i < l->n_pieces && l->pieces[i].run->k != UINT64_MAX;
		uint64_t next = known ? l->pieces[i].run->k : end;

		if (next == k) {
			k += l->pieces[i++].run->len;
			continue;
		}
		r = next > k ? raw_find(l, k, next - k) : NULL;
		if (!r)
			die("%s: nobody received byte %" PRIu64, l->st->conn->name, k);
		r->off = k;
		k += r->len;
	}
	for (size_t i = 0; i < l->n_pieces; i++)
		if (l->pieces[i].run->raw)
			l->pieces[i].run->k = l->pieces[i].run->off;
}

static void lane_join(FILE *f, struct lane *l)
{
	bool dgram = is_dgram(l->st);

	if (l->st->many_readers)
		lane_place_raw(l);
	if (l->n_pieces)
		qsort(l->pieces, l->n_pieces, sizeof(*l->pieces), by_piece);
	if (l->n_sends)
		qsort(l->sends, l->n_sends, sizeof(*l->sends), dgram ? by_dgram : by_send);
	(dgram ? lane_dgrams : lane_edges)(f, l);
}

/* Sorts all calls to their streams */
static void lanes_walk(struct lane *lanes, void (*fn)(struct lane *l, struct call *c))
{
	for (struct thr *t = atomic_load(&world->thrs); t; t = t->next)
		for (struct call *c = t->first; c; c = c->next)
			fn(&lanes[c->st->id], c);
}

static void lane_count(struct lane *l, struct call *c)
{
	if (!c->recv)
		l->n_sends++;
	for (struct run *r = c->runs; c->recv && r; r = r->next)
		l->n_pieces++;
}

static void lane_add(struct lane *l, struct call *c)
{
	if (!c->recv)
		l->sends[l->n_sends++] = c;
	for (struct run *r = c->runs; c->recv && r; r = r->next)
		l->pieces[l->n_pieces++] = (struct piece) { .call = c, .run = r };
}

static struct lane *lanes_make(void)
{
	struct lane *lanes = calloc(world->n_streams + 1, sizeof(*lanes));

	check(lanes, "no memory");
	lanes_walk(lanes, lane_count);
	for (uint32_t i = 0; i < world->n_streams; i++) {
		struct lane *l = &lanes[i];

		l->st = world->streams[i];
		l->sends = calloc(l->n_sends + 1, sizeof(*l->sends));
		l->pieces = calloc(l->n_pieces + 1, sizeof(*l->pieces));
		check(l->sends && l->pieces, "no memory");
		l->n_sends = l->n_pieces = 0;
	}
	lanes_walk(lanes, lane_add);
	return lanes;
}

/* The other files */
static void call_write(FILE *f, const struct call *c)
{
	const struct stream *st = c->st;
	struct totals *sum = &totals[st->conn->kind];
	bool split = c->runs && c->runs->next;

	fprintf(f, "{");
	put_tid(f, c->thr);
	fprintf(f,
		",\"call\":%u,\"sys\":%u,\"how\":\"%s\",\"dir\":\"%s\",\"kind\":\"%s\",\"conn\":\"%s\","
		"\"way\":\"%s\",\"fd\":%d,\"off\":",
		c->call, c->sys, c->how, c->recv ? "recv" : "send", kind_names[st->conn->kind], st->conn->name,
		way_name(st), c->fd);
	if (!c->runs || (!c->recv && !is_dgram(st) && st->writers > 1))
		fprintf(f, "null");
	else
		fprintf(f, "%" PRIu64, c->runs->off);
	fprintf(f, ",\"len\":%" PRIu64 ",", c->len);
	if (is_dgram(st))
		fprintf(f, "\"dgram\":%" PRIu64 ",", c->recv ? c->runs->k : c->k);
	put_ranges(f, c->runs);
	fprintf(f, ",\"begin_ns\":%" PRIu64 ",\"end_ns\":%" PRIu64 "}\n", c->begin, c->end);
	*(c->recv ? &sum->recvs : &sum->sends) += 1;
	*(c->recv ? &sum->received : &sum->sent) += c->len;
	*(c->recv ? &sum->split_recvs : &sum->split_sends) += split;
}

static void runs_merge(struct call *c)
{
	struct run *merged = NULL;

	if (!c->recv || is_dgram(c->st))
		return;
	for (struct run *r = c->runs; r; r = r->next)
		run_append(&merged, r->off, r->len);
	c->runs = merged;
}

static void write_calls(const char *dir)
{
	FILE *f = file_open(dir, "calls.jsonl");

	for (struct thr *t = atomic_load(&world->thrs); t; t = t->next)
		for (struct call *c = t->first; c; c = c->next) {
			runs_merge(c);
			call_write(f, c);
		}
	file_close(f);
}

static void write_others(const char *dir)
{
	FILE *f = file_open(dir, "other.jsonl");

	for (struct thr *t = atomic_load(&world->thrs); t; t = t->next)
		for (struct other *o = t->other_first; o; o = o->next) {
			fprintf(f, "{");
			put_tid(f, t);
			fprintf(f, ",\"after\":%u,\"what\":\"%s\",", o->after, o->what);
			if (o->st)
				fprintf(f, "\"conn\":\"%s\",\"way\":\"%s\",", o->st->conn->name, way_name(o->st));
			fprintf(f, "\"fd\":%d,\"error\":%d,\"len\":%" PRId64 ",\"ns\":%" PRIu64 "}\n", o->fd, o->error,
				o->len, o->ns);
		}
	file_close(f);
}

static void put_end(FILE *f, const char *name, const struct end *e)
{
	if (!e->set) {
		fprintf(f, ",\"%s\":null", name);
		return;
	}
	fprintf(f,
		",\"%s\":{\"local\":\"%s\",\"peer\":\"%s\",\"cookie\":%" PRIu64 ",\"netns\":%" PRIu64
		",\"ino\":%" PRIu64 "}",
		name, e->local, e->peer, e->cookie, e->netns, e->ino);
}

static void write_conns(const char *dir)
{
	FILE *f = file_open(dir, "conns.jsonl");

	for (struct conn *c = atomic_load(&world->conns); c; c = c->next) {
		fprintf(f, "{\"conn\":\"%s\",\"kind\":\"%s\",\"lossy\":%s", c->name, kind_names[c->kind],
			c->lossy ? "true" : "false");
		put_end(f, "a", &c->end[0]);
		put_end(f, "b", &c->end[1]);
		fprintf(f, "}\n");
		totals[c->kind].conns++;
	}
	file_close(f);
}

static void write_summary(const char *dir)
{
	FILE *f = file_open(dir, "summary.json");

	fprintf(f, "{\"scenario\":\"%s\",\"seed\":%" PRIu64 ",\"kinds\":{", world->scenario, world->o.seed);
	for (int i = 0, n = 0; i < KINDS; i++) {
		struct totals *t = &totals[i];

		if (!t->conns)
			continue;
		fprintf(f,
			"%s\"%s\":{\"conns\":%" PRIu64 ",\"sends\":%" PRIu64 ",\"recvs\":%" PRIu64 ",\"sent\":%" PRIu64
			",\"received\":%" PRIu64 ",\"edges\":%" PRIu64 ",\"split_sends\":%" PRIu64
			",\"split_recvs\":%" PRIu64 "}",
			n++ ? "," : "", kind_names[i], t->conns, t->sends, t->recvs, t->sent, t->received, t->edges,
			t->split_sends, t->split_recvs);
	}
	fprintf(f, "}}\n");
	file_close(f);
}

void join_write(const char *dir)
{
	struct lane *lanes = lanes_make();
	FILE *f = file_open(dir, "truth.jsonl");

	for (uint32_t i = 0; i < world->n_streams; i++)
		lane_join(f, &lanes[i]);
	file_close(f);
	write_calls(dir);
	write_others(dir);
	write_conns(dir);
	write_summary(dir);
	for (uint32_t i = 0; i < world->n_streams; i++) {
		free(lanes[i].sends);
		free(lanes[i].pieces);
	}
	free(lanes);
}
