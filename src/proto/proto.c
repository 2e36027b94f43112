/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto - connections: which protocol they speak.
 *
 * Until that is known the pieces are kept.  Each parser bids on what each side said first (the kept bytes of its first
 * turn), once in each role unless the roles are known.  PROTO_SURE decides at once; else both sides' bids are added when
 * the second one has spoken.  What nobody recognises is told as turns, and each turn is looked at again: attached in the
 * middle of a connection the first bytes may be anything.  A guess that reads nonsense NONSENSE_MAX times in a row (once, when it
 * has not read a single exchange) is given up, and not made again.
 */
#include "proto/proto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"

/* Each says what it cannot be; the order decides between equal bids. */
static const struct proto_ops *const registry[] = {
	&proto_http1,
	&proto_http2,
	&proto_redis,
	&proto_postgresql,
	&proto_mysql,
	&proto_tls,
	&proto_memcached_binary,
	&proto_dns,
	&proto_memcached,
};
#define NREGISTRY (sizeof(registry) / sizeof(registry[0]))
_Static_assert(NREGISTRY <= REGISTRY_MAX, "conn.h has room for each");

int proto_conn_new(const struct proto_conn_opts *opts, struct proto_conn **ret)
{
	struct proto_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->opts = *opts;
	c->name = "";
	c->last = -1;
	c->asker = opts->client < 0 ? -1 : opts->client != 0;
	*ret = c;
	return 0;
}

static void state_free(struct proto_conn *c)
{
	if (c->ops && c->ops->fini && c->state)
		c->ops->fini(c->state);
	free(c->state);
	c->state = NULL;
	c->ops = NULL;
}

struct proto_conn *proto_conn_free(struct proto_conn *c)
{
	if (!c)
		return NULL;
	open_fini(c);
	state_free(c);
	dir_fini(&c->dirs[0]);
	dir_fini(&c->dirs[1]);
	free(c->kept);
	free(c);
	return NULL;
}

const char *proto_conn_name(const struct proto_conn *c)
{
	return c->name;
}

static void adopt(struct proto_conn *c, const struct proto_ops *ops, int asker)
{
	state_free(c);
	c->state = ops->state_bytes ? calloc(1, ops->state_bytes) : NULL;
	c->ops = ops->state_bytes && !c->state ? &proto_turn : ops;
	c->name = c->ops == &proto_turn && c->opts.datagram ? "udp" : c->ops->name;
	c->asker = asker;
	memset(c->bids, 0, sizeof(c->bids));
	c->nonsense = c->good = c->doubt = 0;
	c->alone = ops->pipelines ? 0 : ALONE_MIN;
}

void proto_again(struct proto_conn *c)
{
	c->again = true;
}

void proto_turns(struct proto_conn *c, const char *name)
{
	c->to_turns = true;
	c->name = name;
}

/* ---- recognition ---- */

/* The first kept bytes of the first turn of a side. */
static bool first_words(const struct kept *k, bool sent, uint8_t *buf, size_t size, struct proto_view *v)
{
	uint64_t next = 0;

	memset(v, 0, sizeof(*v));
	for (uint32_t i = 0; i < k->n; i++) {
		const struct proto_piece *p = &k->pieces[i].p;
		size_t len = p->have < size - v->have ? p->have : size - v->have;

		if (p->sent != sent && v->fed)
			break;
		if (p->sent != sent)
			continue;
		if (!v->fed)
			v->offset = next = p->offset;
		if (p->offset != next || v->cut)
			break;
		memcpy(buf + v->have, k->bytes + k->pieces[i].at, len);
		v->have += len;
		v->fed += p->bytes;
		v->cut = len < p->bytes;
		next += p->bytes;
	}
	v->data = buf;
	return v->have > 0;
}

struct guess {
	const struct proto_ops *ops;
	int asker, certain;
};

static void bid_on(struct proto_conn *c, struct proto_view v[2], const bool spoke[2], struct guess *best)
{
	for (size_t i = 0; i < NREGISTRY; i++) {
		const struct proto_ops *ops = registry[i];

		if (c->tried >> i & 1 || !(c->opts.datagram ? ops->datagram : ops->stream))
			continue;
		for (int asker = 0; asker < 2; asker++) {
			int certain = 0;

			if (c->asker >= 0 && c->asker != asker)
				continue;
			for (int sent = 0; sent < 2; sent++) {
				v[sent].asks = sent == asker;
				v[sent].datagram = c->opts.datagram;
				if (spoke[sent])
					certain += ops->bid(&v[sent]);
			}
			if (certain > best->certain)
				*best = (struct guess) { ops, asker, certain };
		}
	}
}

static struct guess recognise(struct proto_conn *c)
{
	static const int needed[] = { PROTO_SURE, PROTO_LIKELY };
	uint8_t bytes[2][1024];
	struct proto_view v[2];
	bool spoke[2];
	struct guess best = { NULL, -1, 0 };

	for (int sent = 0; sent < 2; sent++)
		spoke[sent] = first_words(c->kept, sent, bytes[sent], sizeof(bytes[sent]), &v[sent]);
	bid_on(c, v, spoke, &best);
	if (best.certain < needed[spoke[0] && spoke[1]])
		best.ops = NULL;
	return best;
}

static void piece_feed(struct proto_conn *c, const struct proto_piece *p);

/* The kept pieces go to the parser as if they came now. */
static void replay(struct proto_conn *c)
{
	struct kept *k = c->kept;

	c->kept = NULL;
	for (uint32_t i = 0; k && i < k->n; i++) {
		struct proto_piece p = k->pieces[i].p;

		p.data = k->bytes + k->pieces[i].at;
		if (c->ops)
			piece_feed(c, &p);
		else
			proto_conn_feed(c, &p);
	}
	free(k);
}

static int first_speaker(const struct proto_conn *c)
{
	if (c->asker >= 0)
		return c->asker;
	return c->kept && c->kept->n ? c->kept->pieces[0].p.sent : 1;
}

static void settle_for_turns(struct proto_conn *c)
{
	adopt(c, &proto_turn, first_speaker(c));
	replay(c);
}

static bool keep(struct proto_conn *c, const struct proto_piece *p)
{
	struct kept *k = c->kept;

	if (!k)
		k = c->kept = calloc(1, sizeof(*k));
	if (!k)
		return false;
	struct kept_piece *kp = &k->pieces[k->n++];

	kp->p = *p;
	kp->at = k->len;
	if (kp->p.have > KEPT_BYTES - k->len)
		kp->p.have = KEPT_BYTES - k->len;
	if (kp->p.have)
		memcpy(k->bytes + k->len, p->data, kp->p.have);
	k->len += kp->p.have;
	return true;
}

static void undecided(struct proto_conn *c, const struct proto_piece *p)
{
	struct guess g;

	if (!keep(c, p)) {
		adopt(c, &proto_turn, first_speaker(c));
		piece_feed(c, p);
		return;
	}
	g = recognise(c);
	if (g.ops) {
		adopt(c, g.ops, g.asker);
		c->kept->n--; /* of this one there may be more than was kept */
		replay(c);
		proto_conn_feed(c, p);
	} else if (c->kept->n == KEPT_PIECES || c->kept->len == KEPT_BYTES) {
		settle_for_turns(c);
	}
}

/* ---- a known protocol ---- */

static void give_up(struct proto_conn *c)
{
	for (size_t i = 0; i < NREGISTRY; i++)
		if (registry[i] == c->ops)
			c->tried |= 1ULL << i;
	open_end(c, PROTO_TOUCHED);
	adopt(c, &proto_turn, c->asker);
	for (int i = 0; i < 2; i++)
		c->dirs[i].sync = true, c->dirs[i].have = 0, c->dirs[i].at = c->dirs[i].next;
}

/* A bid on the piece that begins a turn; with what was bid on the turn before: *ret_certain. */
static int bid_again(struct proto_conn *c, size_t i, int asker, struct proto_view *v, bool sent)
{
	const int before = c->bids[asker][i];
	int now;

	v->asks = sent == asker;
	now = v->have ? registry[i]->bid(v) : PROTO_NO;
	c->bids[asker][i] = (int8_t)now;
	if (now >= PROTO_SURE)
		return now;
	return now > 0 && before > 0 && now + before >= PROTO_LIKELY + PROTO_MAYBE ? PROTO_SURE : PROTO_NO;
}

/* A turn begins that nobody followed so far: perhaps now somebody knows it. */
static void look_again(struct proto_conn *c, const struct proto_piece *p)
{
	struct proto_view v = { .data = p->data,
				.have = p->have,
				.offset = p->offset,
				.fed = p->bytes,
				.cut = p->have < p->bytes,
				.datagram = c->opts.datagram };
	struct guess best = { NULL, -1, 0 };

	for (size_t i = 0; i < NREGISTRY; i++)
		for (int asker = 0; asker < 2; asker++) {
			int certain;

			if (c->tried >> i & 1 || !(v.datagram ? registry[i]->datagram : registry[i]->stream) ||
			    (c->opts.client >= 0 && c->opts.client != asker))
				continue;
			certain = bid_again(c, i, asker, &v, p->sent);
			if (certain > best.certain)
				best = (struct guess) { registry[i], asker, certain };
		}
	if (!best.ops)
		return;
	open_end(c, 0);
	adopt(c, best.ops, best.asker);
	c->doubt = best.ops->by_id ? 0 : DOUBT_TURNS; /* answers to questions that nobody knew may come */
	for (int i = 0; i < 2; i++)
		c->dirs[i].sync = false, c->dirs[i].have = 0, c->dirs[i].at = c->dirs[i].next;
}

/* What stands in the piece behind the last message of the protocol before belongs to the new one. */
static void rest_feed(struct proto_conn *c, const struct proto_piece *p)
{
	struct proto_dir *d = &c->dirs[p->sent];
	struct proto_piece q = *p;
	const uint64_t skip = c->again_at - p->offset;

	if (c->opts.datagram || c->again_at < p->offset || skip >= p->bytes)
		return;
	d->next = d->at = c->again_at;
	d->have = 0;
	q.offset += skip;
	q.bytes -= (uint32_t)skip;
	q.data += skip < q.have ? skip : 0;
	q.have = skip < q.have ? q.have - (uint32_t)skip : 0;
	undecided(c, &q);
}

static void piece_feed(struct proto_conn *c, const struct proto_piece *p)
{
	if (c->ops == &proto_turn && c->last != p->sent && !strcmp(c->name, c->opts.datagram ? "udp" : "tcp"))
		look_again(c, p);
	if (c->opts.datagram)
		dir_datagram(c, p);
	else
		dir_feed(c, p);
	if (c->to_turns) {
		const char *name = c->name;

		c->to_turns = c->again = false;
		adopt(c, &proto_turn, c->asker);
		c->name = name;
	}
	if (c->again) {
		c->again = false;
		proto_all(c, 0, "");
		open_end(c, 0);
		state_free(c);
		c->tried = 0;
		c->name = "";
		rest_feed(c, p);
	} else if (c->nonsense >= NONSENSE_MAX || (c->nonsense && !c->good)) {
		give_up(c);
	}
}

void proto_conn_feed(struct proto_conn *c, const struct proto_piece *p)
{
	struct proto_piece q = *p;

	if (!q.bytes && !c->opts.datagram)
		return;
	if (q.have > q.bytes)
		q.have = q.bytes;
	if (q.offset > UINT64_MAX / 4)
		return;
	if (c->ops)
		piece_feed(c, &q);
	else
		undecided(c, &q);
}

void proto_conn_end(struct proto_conn *c, uint64_t boot_ns)
{
	(void)boot_ns;
	if (!c->ops && c->kept)
		settle_for_turns(c);
	if (!c->ops)
		return;
	if (c->last >= 0 && !c->opts.datagram)
		open_turn(c, &c->dirs[c->last]);
	open_end(c, 0);
}
