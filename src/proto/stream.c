/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream - one direction of a connection: from pieces to what a parser reads.
 *
 * `at` is the place up to which the parser has read, `next` the one up to which bytes have passed.  at < next: kept bytes
 * lie in buf, and the parser wants more.  at > next: it skips.  As soon as at would lie on bytes that passed without being
 * kept, the direction is lost (!sync) until a piece begins with what can only be a beginning.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"

void dir_fini(struct proto_dir *d)
{
	free(d->buf);
	memset(d, 0, sizeof(*d));
}

const struct piece_ref *dir_ref(const struct proto_dir *d, uint64_t offset)
{
	for (uint32_t i = d->nrefs; i-- > 0;)
		if (d->refs[i].offset <= offset)
			return &d->refs[i];
	return d->nrefs ? &d->refs[0] : NULL;
}

/* Remembers the piece; forgets those that were read, and in the middle when there is no room. */
static void refs_add(struct proto_dir *d, const struct proto_piece *p)
{
	const uint64_t need = d->sync || !d->seen ? d->at : d->lost_from;
	uint32_t drop = 0;

	while (drop < d->nrefs && d->refs[drop].end <= need)
		drop++;
	if (!drop && d->nrefs == REFS) {
		memmove(&d->refs[1], &d->refs[2], (REFS - 2) * sizeof(d->refs[0]));
		d->nrefs--;
	} else if (drop) {
		d->nrefs -= drop;
		memmove(&d->refs[0], &d->refs[drop], d->nrefs * sizeof(d->refs[0]));
	}
	d->refs[d->nrefs++] = (struct piece_ref) {
		.offset = p->offset,
		.end = p->offset + p->bytes,
		.boot_ns = p->boot_ns,
		.begin_ns = p->sent && p->begin_ns ? p->begin_ns : p->boot_ns,
		.tag = p->tag,
	};
}

/* Nothing is known of what follows at the place. */
static void lose(struct proto_conn *c, struct proto_dir *d, uint64_t to, bool missing)
{
	if (d->sync || !d->seen)
		d->lost_from = missing ? to : d->at;
	d->soft = !missing && open_soft(c, d);
	if (!d->soft)
		open_lost(c, d, missing);
	if (c->ops->lost)
		c->ops->lost(c, c->state, dir_asks(c, d));
	d->have = 0;
	d->at = to;
	d->sync = false;
	d->seen = !missing;
}

/* Pieces up to the offset never came. */
static void missing(struct proto_conn *c, struct proto_dir *d, uint64_t to)
{
	if (d->at >= to)
		open_touch(c, d);
	else
		lose(c, d, to, true);
	d->next = to;
}

static int buf_add(struct proto_dir *d, const uint8_t *data, size_t len)
{
	if (d->have + len > d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 1024;
		uint8_t *more;

		while (cap < d->have + len)
			cap *= 2;
		more = realloc(d->buf, cap);
		if (!more)
			return -ENOMEM;
		d->buf = more;
		d->cap = cap;
	}
	if (data != d->buf)
		memmove(d->buf + d->have, data, len);
	d->have += len;
	return 0;
}

/* Reads units; returns how many of the bytes are done with.  *ret_lost: the rest cannot be followed. */
static size_t parse(struct proto_conn *c, struct proto_dir *d, const uint8_t *data, size_t have, bool cut,
		    bool *ret_lost)
{
	size_t done = 0;

	while (done < have) {
		const struct proto_view v = {
			.data = data + done,
			.have = have - done,
			.offset = d->at,
			.fed = d->next - d->at,
			.asks = dir_asks(c, d),
			.cut = cut,
			.datagram = c->opts.datagram,
		};
		int64_t n = c->ops->read(c, c->state, &v);

		if (n == PROTO_REST || (n > 0 && (uint64_t)n > UINT64_MAX / 2 - d->at)) {
			d->at = UINT64_MAX;
			return have;
		}
		if (c->again || c->to_turns) {
			c->again_at = n > 0 ? d->at + n : d->next;
			d->at = d->next;
			return have;
		}
		if (n == PROTO_MORE && !cut)
			return done;
		if (n <= 0) {
			c->nonsense += n == PROTO_NONSENSE;
			*ret_lost = true;
			return have;
		}
		d->at += n;
		done = (uint64_t)n < have - done ? done + n : have;
	}
	/* read exactly up to, or beyond, what was kept, but bytes have passed there */
	if (d->at < d->next)
		*ret_lost = true;
	return have;
}

static void parse_kept(struct proto_conn *c, struct proto_dir *d, const uint8_t *data, size_t have, bool cut)
{
	bool lost = false;
	size_t done = parse(c, d, data, have, cut, &lost);

	if (lost || (done < have && have - done >= PROTO_VIEW_MAX)) {
		lose(c, d, d->next, false);
		return;
	}
	if (data == d->buf && done < have)
		memmove(d->buf, d->buf + done, have - done);
	d->have = 0;
	if (done < have && buf_add(d, data == d->buf ? d->buf : data + done, have - done))
		lose(c, d, d->next, false);
}

/* A piece of an unfollowed direction: does the parser know where it is? */
static bool resync(struct proto_conn *c, struct proto_dir *d, const struct proto_piece *p, bool turned)
{
	const struct proto_view v = {
		.data = p->data,
		.have = p->have,
		.offset = p->offset,
		.fed = p->bytes,
		.asks = dir_asks(c, d),
		.cut = p->have < p->bytes,
		.mid = !turned && d->seen,
	};

	if (p->have && c->ops->continues && open_in_middle(c, d) && c->ops->continues(c->state, &v)) {
		d->sync = true;
		d->soft = false;
		d->at = p->offset;
		return true;
	}
	if (!p->have || !c->ops->begins(c->state, &v)) {
		if (turned)
			open_unfollowed(c, d, p->offset);
		d->at = d->next;
		d->seen = true;
		return false;
	}
	if (v.mid) /* how many messages were in what passed in this turn nobody knows */
		open_lost(c, d, false);
	d->soft = false;
	open_resync(c, d, p->offset);
	d->sync = true;
	d->at = p->offset;
	return true;
}

static void take(struct proto_conn *c, struct proto_dir *d, struct proto_piece *p, bool turned)
{
	const bool cut = p->have < p->bytes;

	if (d->at >= d->next)
		return;
	if (!d->sync && !resync(c, d, p, turned))
		return;
	if (d->at > p->offset && !d->have) { /* what was skipped ends inside */
		const uint64_t skip = d->at - p->offset;

		if (skip >= p->have) {
			lose(c, d, d->next, false);
			return;
		}
		p->data += skip;
		p->have -= skip;
	}
	if (!p->have && d->have == 0) {
		lose(c, d, d->next, false);
		return;
	}
	if (!d->have) {
		parse_kept(c, d, p->data, p->have, cut);
		return;
	}
	if (buf_add(d, p->data, p->have)) {
		lose(c, d, d->next, false);
		return;
	}
	parse_kept(c, d, d->buf, d->have, cut);
}

void dir_feed(struct proto_conn *c, const struct proto_piece *p)
{
	struct proto_dir *d = &c->dirs[p->sent], *other = &c->dirs[!p->sent];
	struct proto_piece q = *p;
	const bool turned = c->last != p->sent;

	if (!d->begun) {
		d->begun = true;
		d->from_start = q.offset == 0 || other->from_start;
		d->next = d->at = d->lost_from = d->from_start ? 0 : q.offset;
		d->sync = d->from_start;
		if (!d->from_start && !c->doubt && !c->ops->by_id && c->ops != &proto_turn)
			c->doubt = 1; /* responses to requests of before may be under way */
	}
	if (q.offset < d->next) { /* seen before */
		const uint64_t old = d->next - q.offset;

		if (old >= q.bytes)
			return;
		q.offset += old;
		q.bytes -= old;
		q.have = old < q.have ? q.have - old : 0;
		q.data += q.have ? old : 0;
	}
	if (turned && q.offset > d->next) /* the turn may have been earlier */
		open_touch(c, other);
	if (turned && c->last >= 0)
		open_turn(c, &c->dirs[c->last]);
	if (turned)
		d->soft = false;
	c->last = p->sent;
	if (q.offset > d->next)
		missing(c, d, q.offset);
	refs_add(d, &q);
	d->turn_from = q.offset;
	d->next = q.offset + q.bytes;
	take(c, d, &q, turned);
	open_settle(c, d);
}

void dir_datagram(struct proto_conn *c, const struct proto_piece *p)
{
	struct proto_dir *d = &c->dirs[p->sent];
	struct proto_piece q = *p;
	const struct proto_view v = {
		.data = p->data,
		.have = p->have,
		.fed = p->bytes,
		.asks = dir_asks(c, d),
		.cut = p->have < p->bytes,
		.datagram = true,
	};

	if (c->last != p->sent && c->last >= 0)
		open_turn(c, &c->dirs[c->last]);
	c->last = p->sent;
	q.offset = 0;
	d->nrefs = 0;
	d->at = 0;
	d->next = p->bytes;
	refs_add(d, &q);
	if (p->have && c->ops->read(c, c->state, &v) < 0)
		c->nonsense++;
}
