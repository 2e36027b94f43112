/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange - the open exchanges of a connection: a list in the order of their requests.
 *
 * An exchange is told when both messages have a known end and the bytes up to there have passed, so that the times of
 * the pieces with their last bytes are known.  Messages without a known end are over when the conversation turns.
 *
 * Pairing by order is right only as long as no message is missed.  After a loss the connection is in doubt: everything
 * that is open or is paired is PROTO_TOUCHED until the conversation has turned DOUBT_TURNS times with nothing open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/conn.h"

static struct proto_open *open_of(struct proto_exchange *x)
{
	return (struct proto_open *)x;
}

static struct proto_dir *asking_dir(struct proto_conn *c)
{
	return &c->dirs[c->asker];
}

static struct proto_dir *answering_dir(struct proto_conn *c)
{
	return &c->dirs[!c->asker];
}

static void unlink_open(struct proto_conn *c, struct proto_open *o)
{
	if (o->prev)
		o->prev->next = o->next;
	else
		c->first = o->next;
	if (o->next)
		o->next->prev = o->prev;
	else
		c->last_open = o->prev;
	o->prev = NULL;
	o->next = c->spare;
	c->spare = o;
	c->nopen--;
}

/* Have bytes of the other side passed since it was asked, that nobody could follow, or that are not a whole unit? */
static bool passed_unseen(struct proto_conn *c, const struct proto_open *o)
{
	const struct proto_dir *d = answering_dir(c);

	return (!d->sync || d->have) && d->nrefs && d->refs[d->nrefs - 1].boot_ns >= o->x.request.first_ns;
}

static void tell(struct proto_conn *c, struct proto_open *o)
{
	const uint32_t s = o->state;

	if ((s & ASK_ENDS) && !(s & ASK_PAST))
		c->pending[c->asker]--;
	if ((s & ANSWER_ENDS) && !(s & ANSWER_PAST))
		c->pending[!c->asker]--;
	o->x.request.known = s & ASKED;
	o->x.response.known = s & ANSWERED;
	if (o->x.flags & PROTO_UNANSWERED && (s & MISSABLE || passed_unseen(c, o)))
		o->x.flags |= PROTO_TOUCHED;
	unlink_open(c, o);
	if (s & ANSWERED && s & ASKED) {
		c->good++;
		c->nonsense = 0;
	}
	c->opts.exchange(c->opts.arg, &o->x);
}

/* Its message of direction d has ended before the offset, which has passed. */
static void set_last(const struct proto_dir *d, struct proto_mark *m, uint64_t end)
{
	const struct piece_ref *r = dir_ref(d, end > m->offset ? end - 1 : end);

	m->end = end;
	m->last_ns = r ? r->boot_ns : m->first_ns;
	m->last_tag = r ? r->tag : m->first_tag;
}

static void set_first(const struct proto_dir *d, struct proto_mark *m, uint64_t begin)
{
	const struct piece_ref *r = dir_ref(d, begin);

	memset(m, 0, sizeof(*m));
	m->offset = m->end = begin;
	m->known = true;
	if (!r)
		return;
	m->first_ns = r->begin_ns;
	m->last_ns = r->boot_ns;
	m->first_tag = m->last_tag = r->tag;
}

static bool whole(const struct proto_open *o)
{
	if (o->x.flags & PROTO_ONE_WAY)
		return o->state & ASK_PAST;
	if (o->x.flags & PROTO_UNASKED)
		return o->state & ANSWER_PAST;
	return (o->state & (ASK_PAST | ANSWER_PAST)) == (ASK_PAST | ANSWER_PAST);
}

static struct proto_open *open_new(struct proto_conn *c)
{
	struct proto_open *o;

	if (c->nopen >= PROTO_OPEN_MAX) {
		c->first->x.flags |= PROTO_UNANSWERED;
		tell(c, c->first);
	}
	o = c->spare;
	if (o)
		c->spare = o->next;
	else if (!(o = malloc(sizeof(*o))))
		return NULL;
	o->id = o->note = 0;
	o->state = 0;
	o->x.protocol = c->name;
	o->x.flags = (c->asker ? PROTO_CLIENT : 0) | (c->doubt ? PROTO_TOUCHED : 0) | c->all_flags;
	o->x.status = 0;
	o->x.operation[0] = o->x.resource[0] = o->x.error[0] = 0;
	memcpy(o->x.peer, c->all_peer, sizeof(o->x.peer));
	memset(&o->x.request, 0, sizeof(o->x.request));
	memset(&o->x.response, 0, sizeof(o->x.response));
	memset(&o->x.ids, 0, offsetof(struct proto_ids, request_id) + 1);
	o->next = NULL;
	o->prev = c->last_open;
	if (o->prev)
		o->prev->next = o;
	else
		c->first = o;
	c->last_open = o;
	c->nopen++;
	return o;
}

struct proto_exchange *proto_ask(struct proto_conn *c, uint64_t id, uint64_t begin)
{
	struct proto_open *o;

	if (!c->ops->by_id)
		c->alone = proto_awaiting(c, 0) ? 0 : c->alone + 1;
	o = open_new(c);
	if (!o)
		return NULL;
	o->id = id;
	o->state = ASKED;
	set_first(asking_dir(c), &o->x.request, begin);
	return &o->x;
}

static struct proto_open *find(struct proto_conn *c, uint64_t id, uint32_t mask, uint32_t want)
{
	for (struct proto_open *o = c->first; o; o = o->next)
		if ((o->state & mask) == want && (!c->ops->by_id || o->id == id))
			return o;
	return NULL;
}

struct proto_exchange *proto_awaiting(struct proto_conn *c, uint64_t id)
{
	for (struct proto_open *o = c->first; o; o = o->next)
		if (proto_awaits(&o->x) && (!c->ops->by_id || o->id == id))
			return &o->x;
	return NULL;
}

static struct proto_exchange *answer(struct proto_conn *c, struct proto_open *o, uint64_t begin)
{
	if (c->doubt)
		o->x.flags |= PROTO_TOUCHED;
	o->state |= ANSWERED;
	set_first(answering_dir(c), &o->x.response, begin);
	return &o->x;
}

struct proto_exchange *proto_answer(struct proto_conn *c, uint64_t id, uint64_t begin)
{
	struct proto_exchange *x = proto_awaiting(c, id);

	return x ? answer(c, open_of(x), begin) : proto_unasked(c, id, begin);
}

struct proto_exchange *proto_unasked(struct proto_conn *c, uint64_t id, uint64_t begin)
{
	struct proto_open *o = open_new(c);

	if (!o)
		return NULL;
	o->id = id;
	o->x.flags |= PROTO_UNASKED;
	if (asking_dir(c)->soft && !c->ops->by_id) { /* there were more in what was not kept */
		c->doubt = DOUBT_TURNS;
		c->alone = 0;
	}
	return answer(c, o, begin);
}

struct proto_exchange *proto_asking(struct proto_conn *c, uint64_t id)
{
	struct proto_open *o;

	if (c->ops->by_id)
		o = find(c, id, ASKED | ASK_ENDS, ASKED);
	else /* only the newest can be without an end */
		for (o = c->last_open; o && !(o->state & ASKED); o = o->prev)
			;
	return o && !(o->state & ASK_ENDS) ? &o->x : NULL;
}

struct proto_exchange *proto_answering(struct proto_conn *c, uint64_t id)
{
	struct proto_open *o = find(c, id, ANSWERED | ANSWER_ENDS, ANSWERED);

	return o ? &o->x : NULL;
}

uint64_t proto_id(const struct proto_exchange *x)
{
	return ((const struct proto_open *)x)->id;
}

static void end_passed(struct proto_conn *c, struct proto_open *o, bool ask)
{
	struct proto_mark *m = ask ? &o->x.request : &o->x.response;

	set_last(ask ? asking_dir(c) : answering_dir(c), m, m->end);
	o->state |= ask ? ASK_PAST : ANSWER_PAST;
}

static void end_known(struct proto_conn *c, struct proto_open *o, bool ask, uint64_t end)
{
	struct proto_dir *d = ask ? asking_dir(c) : answering_dir(c);
	struct proto_mark *m = ask ? &o->x.request : &o->x.response;

	if (!(o->state & (ask ? ASKED : ANSWERED)) || o->state & (ask ? ASK_ENDS : ANSWER_ENDS))
		return;
	o->state |= ask ? ASK_ENDS : ANSWER_ENDS;
	m->end = end < m->offset ? m->offset : end;
	if (m->end <= d->next || c->opts.datagram)
		end_passed(c, o, ask);
	else
		c->pending[d == &c->dirs[1]]++;
	if (whole(o))
		tell(c, o);
}

uint64_t *proto_note(struct proto_exchange *x)
{
	return &open_of(x)->note;
}

struct proto_exchange *proto_next(struct proto_conn *c, struct proto_exchange *x)
{
	struct proto_open *o = x ? open_of(x)->next : c->first;

	return o ? &o->x : NULL;
}

bool proto_awaits(const struct proto_exchange *x)
{
	const struct proto_open *o = (const struct proto_open *)x;

	return (o->state & (ASKED | ANSWERED)) == ASKED && !(x->flags & PROTO_ONE_WAY);
}

bool proto_under_way(const struct proto_exchange *x, bool asks)
{
	const struct proto_open *o = (const struct proto_open *)x;

	return asks ? (o->state & (ASKED | ASK_ENDS)) == ASKED : (o->state & (ANSWERED | ANSWER_ENDS)) == ANSWERED;
}

void proto_all(struct proto_conn *c, uint32_t flags, const char *peer)
{
	c->all_flags = flags;
	(void)snprintf(c->all_peer, sizeof(c->all_peer), "%s", peer);
}

void proto_ask_end(struct proto_conn *c, struct proto_exchange *x, uint64_t end)
{
	end_known(c, open_of(x), true, end);
}

void proto_answer_end(struct proto_conn *c, struct proto_exchange *x, uint64_t end)
{
	end_known(c, open_of(x), false, end);
}

/* What has no end yet, ends with what has passed. */
static void end_here(struct proto_conn *c, struct proto_open *o)
{
	static const uint32_t begun[2] = { ANSWERED, ASKED }, past[2] = { ANSWER_PAST, ASK_PAST },
			      ends[2] = { ANSWER_ENDS, ASK_ENDS };

	for (int ask = 0; ask < 2; ask++) {
		const struct proto_dir *d = ask ? asking_dir(c) : answering_dir(c);
		struct proto_mark *m = ask ? &o->x.request : &o->x.response;

		if (!(o->state & begun[ask]) || o->state & past[ask])
			continue;
		if (o->state & ends[ask])
			o->x.flags |= PROTO_TOUCHED; /* its end never came */
		if (!c->opts.datagram)
			set_last(d, m, d->next > m->offset ? d->next : m->offset);
	}
}

void proto_drop(struct proto_conn *c, struct proto_exchange *x)
{
	end_here(c, open_of(x));
	tell(c, open_of(x));
}

void open_settle(struct proto_conn *c, struct proto_dir *d)
{
	const bool ask = dir_asks(c, d);
	const uint32_t mask = ask ? ASK_ENDS | ASK_PAST : ANSWER_ENDS | ANSWER_PAST;
	struct proto_open *next;

	for (struct proto_open *o = c->first; o && c->pending[d == &c->dirs[1]]; o = next) {
		next = o->next;
		if ((o->state & mask) != (ask ? ASK_ENDS : ANSWER_ENDS) ||
		    (ask ? o->x.request.end : o->x.response.end) > d->next)
			continue;
		c->pending[d == &c->dirs[1]]--;
		end_passed(c, o, ask);
		if (whole(o))
			tell(c, o);
	}
}

/* A request that was not answered in what was followed: in what was not, perhaps, else never. */
static void give_up(struct proto_conn *c, struct proto_open *o)
{
	struct proto_dir *d = answering_dir(c);

	o->x.flags |= PROTO_TOUCHED;
	if (!d->sync && d->seen && d->next > d->lost_from) {
		o->state |= ANSWERED;
		set_first(d, &o->x.response, d->lost_from);
		end_known(c, o, false, d->next);
		return;
	}
	o->x.flags |= PROTO_UNANSWERED;
	end_here(c, o);
	tell(c, o);
}

static void give_up_all(struct proto_conn *c, uint64_t before)
{
	struct proto_open *next;

	for (struct proto_open *o = c->first; o; o = next) {
		next = o->next;
		if ((o->state & (ASKED | ASK_PAST | ANSWERED)) == (ASKED | ASK_PAST) && o->x.request.offset < before)
			give_up(c, o);
	}
}

void open_turn(struct proto_conn *c, struct proto_dir *d)
{
	const bool ask = dir_asks(c, d), rest = d->at == UINT64_MAX;
	struct proto_exchange *x;

	if (rest)
		d->at = d->next;
	if (c->ops->by_id)
		return;
	x = ask ? proto_asking(c, 0) : proto_answering(c, 0);
	if (x && (rest || !d->sync))
		end_known(c, open_of(x), ask, d->next);
	if (ask || !c->doubt)
		return;
	give_up_all(c, UINT64_MAX);
	c->doubt--;
}

bool open_in_middle(struct proto_conn *c, struct proto_dir *d)
{
	return !c->ops->by_id && (dir_asks(c, d) ? proto_asking(c, 0) : proto_answering(c, 0));
}

bool open_soft(struct proto_conn *c, struct proto_dir *d)
{
	if (c->ops->by_id || c->doubt || c->alone < ALONE_MIN)
		return false;
	if (!dir_asks(c, d))
		return proto_answering(c, 0) && !proto_awaiting(c, 0);
	return proto_asking(c, 0) == proto_awaiting(c, 0) && proto_awaiting(c, 0);
}

void open_touch(struct proto_conn *c, struct proto_dir *d)
{
	const bool ask = dir_asks(c, d);

	for (struct proto_open *o = c->first; o; o = o->next)
		if (ask ? (o->state & (ASKED | ASK_PAST)) == ASKED || c->doubt : !(o->state & ANSWER_PAST))
			o->x.flags |= PROTO_TOUCHED;
}

void open_lost(struct proto_conn *c, struct proto_dir *d, bool missing)
{
	if (!c->ops->by_id)
		c->doubt = DOUBT_TURNS;
	open_touch(c, d);
	if (missing && !c->ops->by_id && !dir_asks(c, d))
		give_up_all(c, asking_dir(c)->turn_from);
}

void open_resync(struct proto_conn *c, struct proto_dir *d, uint64_t begin)
{
	const bool ask = dir_asks(c, d);
	struct proto_exchange *x;

	for (struct proto_open *o = c->first; o && !ask; o = o->next)
		o->state |= o->state & ANSWERED ? 0 : MISSABLE;
	if (c->ops->by_id)
		return;
	x = ask ? proto_asking(c, 0) : proto_answering(c, 0);
	if (x)
		end_known(c, open_of(x), ask, begin);
}

void open_unfollowed(struct proto_conn *c, struct proto_dir *d, uint64_t begin)
{
	const bool ask = dir_asks(c, d);
	struct proto_exchange *x;

	if (c->ops->by_id || open_in_middle(c, d))
		return;
	if (!ask && !proto_awaiting(c, 0))
		return;
	x = ask ? proto_ask(c, 0, begin) : proto_answer(c, 0, begin);
	if (x)
		x->flags |= PROTO_TOUCHED | (ask ? PROTO_TIMING : 0);
	if (ask ? c->alone < ALONE_MIN : proto_awaiting(c, 0) != NULL) /* it may be more than one message */
		open_lost(c, d, false);
}

/* Is a message under way that says itself where it ends, and has not? */
static bool unfinished(struct proto_conn *c, const struct proto_open *o)
{
	const struct proto_dir *d = answering_dir(c);

	if (c->ops->by_id)
		return proto_under_way(&o->x, false) || proto_under_way(&o->x, true);
	return proto_under_way(&o->x, false) && d->sync && d->at != UINT64_MAX;
}

void open_end(struct proto_conn *c, uint32_t flags)
{
	while (c->first) {
		struct proto_open *o = c->first;

		o->x.flags |= flags;
		if (!(o->state & ANSWERED) && !(o->x.flags & PROTO_ONE_WAY))
			o->x.flags |= PROTO_UNANSWERED;
		if (unfinished(c, o))
			o->x.flags |= PROTO_TOUCHED;
		end_here(c, o);
		tell(c, o);
	}
}

void open_fini(struct proto_conn *c)
{
	struct proto_open *lists[2] = { c->first, c->spare }, *next;

	for (int i = 0; i < 2; i++)
		for (struct proto_open *o = lists[i]; o; o = next) {
			next = o->next;
			free(o);
		}
	c->first = c->last_open = c->spare = NULL;
	c->nopen = 0;
}
