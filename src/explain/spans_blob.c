/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/spans_blob.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define VARINT_MAX 10

enum head { HEAD_TRACE = 1, HEAD_TIMES = 2, HEAD_SOCK = 4, HEAD_BLAME = 8, HEAD_WORDS = 16, HEAD_ALL = 31 };

/* Which kind of time a bit is: what most spans have fits into a byte, and of that what tends to be longest is last. */
static const uint8_t time_of[TIME_KINDS] = {
	TIME_RUNNING, TIME_CPU_WAIT, TIME_FLIGHT,     TIME_RECEIVE_QUEUE, TIME_LOCK,  TIME_UNKNOWN, TIME_CHILD,
	TIME_DISK,    TIME_OTHER,    TIME_SEND_QUEUE, TIME_RETRANSMIT,	  TIME_SLEEP, TIME_QUEUE,   TIME_FAULT,
};

/* --- writing --- */

static void put(struct buf *b, uint64_t v)
{
	unsigned char bytes[VARINT_MAX];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (unsigned char)(v | 0x80);
	bytes[n++] = (unsigned char)v;
	buf_add(b, bytes, n);
}

static void put_signed(struct buf *b, uint64_t v)
{
	put(b, v << 1 ^ -(v >> 63));
}

static void put_fixed(struct buf *b, uint64_t v)
{
	v = htole64(v);
	buf_add(b, &v, sizeof(v));
}

static uint64_t sum_of(const struct span *s)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < TIME_KINDS; i++)
		sum += s->time_ns[i];
	return sum;
}

static void put_times(struct buf *b, const struct span *s, bool all)
{
	uint64_t mask = 0;
	int i, last = -1;

	for (i = 0; i < TIME_KINDS; i++) {
		if (s->time_ns[time_of[i]]) {
			mask |= 1U << i;
			last = i;
		}
	}
	put(b, mask);
	for (i = 0; i < TIME_KINDS; i++)
		if (s->time_ns[time_of[i]] && (all || i != last))
			put(b, s->time_ns[time_of[i]]);
}

static unsigned int head_of(const struct blob_tree *tree, const struct span_packed *p, const struct span *before)
{
	unsigned int head = 0;

	if (p->span.trace[0] != tree->trace[0] || p->span.trace[1] != tree->trace[1])
		head |= HEAD_TRACE;
	if (sum_of(&p->span) != p->span.end_ns - p->span.begin_ns)
		head |= HEAD_TIMES;
	if (p->span.sock == before->sock)
		head |= HEAD_SOCK;
	if (p->blame)
		head |= HEAD_BLAME;
	if (p->attributes)
		head |= HEAD_WORDS;
	return head;
}

static void put_span(struct buf *b, const struct blob_tree *tree, const struct span_packed *p, uint32_t self,
		     const struct span *before)
{
	const struct span *s = &p->span;
	unsigned int head = head_of(tree, p, before);

	put(b, head);
	if (head & HEAD_TRACE) {
		put_fixed(b, s->trace[0]);
		put_fixed(b, s->trace[1]);
	}
	put_signed(b, s->parent == SPAN_NONE ? 0 : (uint64_t)self - s->parent);
	if (!tree->derived || s->parent != SPAN_NONE)
		put_fixed(b, s->id);
	put(b, p->shape);
	put(b, p->resource);
	put(b, p->thread);
	if (head & HEAD_BLAME)
		put(b, p->blame);
	if (head & HEAD_WORDS)
		put(b, p->attributes);
	put_signed(b, s->begin_ns - before->begin_ns);
	put_signed(b, s->end_ns - s->begin_ns);
	put_signed(b, s->begin.id - before->begin.id);
	put_signed(b, s->end.id - s->begin.id);
	if (!(head & HEAD_SOCK))
		put(b, s->sock);
	put(b, s->request_bytes);
	put(b, s->response_bytes);
	put_times(b, s, head & HEAD_TIMES);
}

static uint64_t root_id(const struct span_packed *rows, size_t count)
{
	size_t i;

	for (i = 0; i + 1 < count && rows[i].span.parent != SPAN_NONE; i++)
		;
	return count ? rows[i].span.id : 0;
}

void spans_blob_write(struct blob_place *place, const struct blob_tree *tree, const struct span_packed *rows,
		      size_t count, struct buf *out)
{
	struct span first = { .begin_ns = tree->begin_ns, .begin.id = place->event, .sock = place->sock };
	size_t i;

	put(out, (uint64_t)count << 1 | tree->derived);
	if (tree->derived) {
		put_fixed(out, root_id(rows, count));
	} else {
		put_fixed(out, tree->trace[0]);
		put_fixed(out, tree->trace[1]);
	}
	put_signed(out, tree->begin_ns - place->begin_ns);
	put_signed(out, tree->after_ns);
	for (i = 0; i < count; i++)
		put_span(out, tree, &rows[i], (uint32_t)i, i ? &rows[i - 1].span : &first);
	*place = (struct blob_place) { tree->begin_ns, rows[0].span.begin.id, rows[0].span.sock };
}

/* --- reading --- */

struct cursor {
	const unsigned char *at, *end;
	bool bad;
};

static uint64_t get(struct cursor *c)
{
	uint64_t v = 0;
	unsigned int shift;

	for (shift = 0; shift < 7 * VARINT_MAX && c->at < c->end; shift += 7) {
		unsigned char byte = *c->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		/* One way to write a number only: no bits beyond 64, no empty last byte. */
		if ((shift == 63 && byte > 1) || (shift && !byte))
			break;
		return v;
	}
	c->bad = true;
	return 0;
}

static uint64_t get_signed(struct cursor *c)
{
	uint64_t v = get(c);

	return v >> 1 ^ -(v & 1);
}

static uint32_t get_u32(struct cursor *c)
{
	uint64_t v = get(c);

	if (v > UINT32_MAX)
		c->bad = true;
	return (uint32_t)v;
}

static uint64_t get_fixed(struct cursor *c)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->at) < sizeof(v)) {
		c->bad = true;
		return 0;
	}
	memcpy(&v, c->at, sizeof(v));
	c->at += sizeof(v);
	return le64toh(v);
}

static void get_times(struct cursor *c, struct span *s, bool all)
{
	uint64_t mask = get(c), left = s->end_ns - s->begin_ns;
	int i;

	if (mask >> TIME_KINDS) {
		c->bad = true;
		return;
	}
	for (i = 0; i < TIME_KINDS; i++) {
		if (!(mask & 1U << i))
			continue;
		s->time_ns[time_of[i]] = all || mask >> (i + 1) ? get(c) : left;
		left -= s->time_ns[time_of[i]];
		c->bad |= !s->time_ns[time_of[i]];
	}
	c->bad |= all != !!left;
}

static uint32_t get_parent(struct cursor *c, uint32_t self, size_t count)
{
	uint64_t back = get_signed(c), parent = self - back;

	if (!back)
		return SPAN_NONE;
	c->bad |= parent >= count;
	return (uint32_t)parent;
}

/* That of the root was told before, where the trace has its id from it. */
static void get_id(struct cursor *c, const struct blob_tree *tree, uint64_t root_id, struct span *s, uint32_t self,
		   size_t count)
{
	s->parent = get_parent(c, self, count);
	s->id = tree->derived && s->parent == SPAN_NONE ? root_id : get_fixed(c);
}

/* root_id: of a tree that is derived. */
static void get_span(struct cursor *c, const struct blob_tree *tree, uint64_t root_id, struct span_packed *p,
		     uint32_t self, size_t count, const struct span *before)
{
	struct span *s = &p->span;
	unsigned int head = get_u32(c);

	c->bad |= head > HEAD_ALL;
	s->trace[0] = head & HEAD_TRACE ? get_fixed(c) : tree->trace[0];
	s->trace[1] = head & HEAD_TRACE ? get_fixed(c) : tree->trace[1];
	get_id(c, tree, root_id, s, self, count);
	p->shape = get_u32(c);
	p->resource = get_u32(c);
	p->thread = get_u32(c);
	p->blame = head & HEAD_BLAME ? get_u32(c) : 0;
	p->attributes = head & HEAD_WORDS ? get_u32(c) : 0;
	s->begin_ns = before->begin_ns + get_signed(c);
	s->end_ns = s->begin_ns + get_signed(c);
	s->begin.id = before->begin.id + get_signed(c);
	s->end.id = s->begin.id + get_signed(c);
	s->sock = head & HEAD_SOCK ? before->sock : get(c);
	s->request_bytes = get(c);
	s->response_bytes = get(c);
	get_times(c, s, head & HEAD_TIMES);
	/* A head that says more than it had to is none of ours. */
	c->bad |= !c->bad && head != head_of(tree, p, before);
}

static int more_rows(struct blob_reader *rd, size_t count)
{
	struct span_packed *grown;

	if (count <= rd->cap)
		return 0;
	grown = realloc(rd->rows, 2 * count * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rd->rows = grown;
	rd->cap = 2 * count;
	return 0;
}

/* Returns the root's id, where that is told. */
static uint64_t get_tree(struct cursor *c, struct blob_reader *rd)
{
	uint64_t head = get(c), id = 0;

	rd->tree.derived = head & 1;
	rd->count = head >> 1;
	if (rd->tree.derived) {
		id = get_fixed(c);
		span_trace_id(id, rd->tree.trace);
	} else {
		rd->tree.trace[0] = get_fixed(c);
		rd->tree.trace[1] = get_fixed(c);
	}
	rd->tree.begin_ns = rd->place.begin_ns + get_signed(c);
	rd->tree.after_ns = get_signed(c);
	c->bad |= !rd->count || rd->count > (size_t)(c->end - c->at) / BLOB_SPAN_MIN;
	return id;
}

int spans_blob_next(struct blob_reader *rd, struct err *err)
{
	struct cursor c = { .at = rd->at, .end = rd->end };
	struct span first = { .begin.id = rd->place.event, .sock = rd->place.sock };
	size_t i = 0, roots = 0;
	uint64_t id;

	if (rd->at == rd->end)
		return 0;
	id = get_tree(&c, rd);
	if (c.bad)
		return err_set(err, EBADMSG, "damaged: %zu bytes cannot be the spans of a request",
			       (size_t)(rd->end - rd->at));
	if (more_rows(rd, rd->count) < 0)
		return err_set(err, ENOMEM, "out of memory for %zu spans", rd->count);
	memset(rd->rows, 0, rd->count * sizeof(*rd->rows));
	first.begin_ns = rd->tree.begin_ns;
	for (; i < rd->count && !c.bad; i++) {
		get_span(&c, &rd->tree, id, &rd->rows[i], (uint32_t)i, rd->count, i ? &rd->rows[i - 1].span : &first);
		roots += rd->rows[i].span.parent == SPAN_NONE;
	}
	if (c.bad || (rd->tree.derived && roots != 1))
		return err_set(err, EBADMSG, "damaged: span %zu of %zu of a request cannot be read", i, rd->count);
	rd->place = (struct blob_place) { rd->tree.begin_ns, rd->rows[0].span.begin.id, rd->rows[0].span.sock };
	rd->at = c.at;
	return 1;
}

void spans_blob_fini(struct blob_reader *rd)
{
	free(rd->rows);
	*rd = (struct blob_reader) { 0 };
}

/* --- log lines --- */

void spans_blob_write_logs(const struct span_packed *rows, size_t count, struct buf *out)
{
	size_t i, k, last = 0;

	for (i = 0; i < count; i++) {
		uint64_t id = rows[i].span.begin.id;

		if (!rows[i].nlogs)
			continue;
		put(out, i - last);
		put(out, rows[i].nlogs);
		for (k = 0; k < rows[i].nlogs; k++) {
			put(out, rows[i].logs[k].host);
			put_signed(out, rows[i].logs[k].id - id);
			id = rows[i].logs[k].id;
		}
		last = i;
	}
}

static void get_logs(struct cursor *c, struct span_packed *row, struct order_ref *refs, size_t room)
{
	uint64_t n = get(c), id = row->span.begin.id, k;

	c->bad |= !n || n > room;
	for (k = 0; k < n && !c->bad; k++) {
		refs[k].host = get_u32(c);
		refs[k].id = id += get_signed(c);
	}
	if (c->bad)
		return;
	row->logs = refs;
	row->nlogs = n;
}

int spans_blob_read_logs(const void *data, size_t len, struct span_packed *rows, size_t count, struct order_ref **ret,
			 struct err *err)
{
	struct cursor c = { .at = data, .end = (const unsigned char *)data + len };
	struct order_ref *refs = calloc(len / 2 + 1, sizeof(*refs)); /* each has two bytes at least */
	size_t at = 0, used = 0;

	if (!refs)
		return err_set(err, ENOMEM, "out of memory for the log lines of a request");
	while (c.at < c.end && !c.bad) {
		uint64_t step = get(&c);

		if (c.bad || step >= count - at || (used && !step)) {
			c.bad = true;
			break;
		}
		at += step;
		get_logs(&c, &rows[at], refs + used, len / 2 + 1 - used);
		used += rows[at].nlogs;
	}
	if (c.bad) {
		free(refs);
		return err_set(err, EBADMSG, "damaged: %zu bytes cannot be the log lines of a request", len);
	}
	*ret = refs;
	return 0;
}

void spans_blob_write_part(struct buf *block, size_t *last, size_t tree, const struct buf *logs)
{
	if (!logs->len)
		return;
	put(block, tree - *last);
	put(block, logs->len);
	buf_add(block, logs->data, logs->len);
	*last = tree;
}

int spans_blob_part(struct blob_parts *p, size_t tree, const void **ret, size_t *ret_len, struct err *err)
{
	struct cursor c = { .at = p->at, .end = p->end };
	uint64_t step, len;

	if (p->at == p->end)
		return 0;
	step = get(&c);
	c.bad |= p->begun && !step;
	if (!c.bad && p->tree + step > tree)
		return 0;
	len = get(&c);
	if (c.bad || p->tree + step != tree || !len || len > (size_t)(c.end - c.at))
		return err_set(err, EBADMSG, "damaged: these cannot be the log lines of requests");
	*ret = c.at;
	*ret_len = len;
	p->at = c.at + len;
	p->tree = tree;
	p->begun = true;
	return 1;
}

/* --- ids --- */

void spans_blob_write_id(struct buf *out, uint32_t before, struct blob_id id)
{
	put(out, id.high - before);
	put(out, id.block);
}

int spans_blob_id(const unsigned char **at, const unsigned char *end, struct blob_id *id, struct err *err)
{
	struct cursor c = { .at = *at, .end = end };
	uint32_t step;

	if (*at == end)
		return 0;
	step = get_u32(&c);
	c.bad |= step > UINT32_MAX - id->high;
	id->high += step;
	id->block = get_u32(&c);
	*at = c.at;
	return c.bad ? err_set(err, EBADMSG, "damaged: these cannot be ids of requests") : 1;
}
