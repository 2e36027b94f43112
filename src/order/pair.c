/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair - which two sockets are the ends of one connection.
 *
 * TCP: the initial sequence numbers are mirrored, whatever was translated in between (RFC 9293 section 3.4: each
 * end learns both).  Ends whose numbers are not known pair by their mirrored tuple, the k-th connection of
 * one side with the k-th of the other; where the counts differ nothing is guessed.  Loopback addresses mean
 * something within one namespace only; imports name parts of one machine as hosts.  AF_UNIX: the kernel names the peer's cookie.
 */
#include "order/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct end {
	uint64_t key;
	uint32_t sock;
	bool second; /* which side of the canonical form */
};

static void join_ends(struct order *o, uint32_t a, uint32_t b)
{
	SOCKS(o)[a].mate = b;
	SOCKS(o)[b].mate = a;
}

static bool is_inet(const struct order_sock *s)
{
	return s->family == AF_INET || s->family == AF_INET6;
}

static bool mirrored(const struct order_sock *a, const struct order_sock *b)
{
	return a->local_port == b->remote_port && a->remote_port == b->local_port &&
	       !memcmp(a->local, b->remote, sizeof(a->local)) && !memcmp(a->remote, b->local, sizeof(a->local));
}

static int end_compare(const void *pa, const void *pb)
{
	const struct end *a = pa, *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->second != b->second)
		return a->second ? 1 : -1;
	return (a->sock > b->sock) - (a->sock < b->sock);
}

/* AF_UNIX */
static void pair_unix(struct order *o, uint32_t i)
{
	const struct order_sock *s = &SOCKS(o)[i];
	uint32_t peer;

	if (!s->peer || s->mate != NONE || s->socktype == SOCK_DGRAM)
		return;
	peer = order_sock_find(o, s->host, s->peer);
	if (peer == NONE || SOCKS(o)[peer].mate != NONE)
		return;
	if (SOCKS(o)[peer].peer == s->cookie || !SOCKS(o)[peer].peer)
		join_ends(o, i, peer);
}

/* How well two ends with mirrored sequence numbers fit. */
static int isn_score(const struct order_sock *a, const struct order_sock *b)
{
	if (a->isn != b->peer_isn || a->peer_isn != b->isn)
		return 0;
	if (!mirrored(a, b))
		return 1;
	return a->host == b->host && a->netns == b->netns ? 3 : 2;
}

/* The one best partner of run[i] among run[0..n), n: none or several. */
static size_t isn_best(const struct order *o, const struct end *run, size_t n, size_t i)
{
	size_t best = n, j;
	int top = 0, score;
	bool several = false;

	for (j = 0; j < n; j++) {
		if (run[j].second == run[i].second)
			continue;
		score = isn_score(&SOCKS(o)[run[i].sock], &SOCKS(o)[run[j].sock]);
		several = score == top ? several || score : score < top && several;
		if (score > top) {
			top = score;
			best = j;
			several = false;
		}
	}
	return several ? n : best;
}

static void pair_isn_run(struct order *o, const struct end *run, size_t n)
{
	size_t i, j;

	if (n > ORDER_CANDIDATES_MAX)
		n = ORDER_CANDIDATES_MAX;
	for (i = 0; i < n; i++) {
		j = isn_best(o, run, n, i);
		if (j < n && isn_best(o, run, n, j) == i)
			join_ends(o, run[i].sock, run[j].sock);
		else if (n > 2)
			SOCKS(o)[run[i].sock].flags |= SOCK_AMBIGUOUS;
	}
}

static void for_runs(struct order *o, struct big *ends, void (*run)(struct order *, const struct end *, size_t))
{
	struct end *e = BIG_AT(ends, struct end);
	size_t n = BIG_COUNT(ends, struct end), i, j;

	if (n)
		qsort(e, n, sizeof(*e), end_compare);
	for (i = 0; i < n; i = j) {
		for (j = i + 1; j < n && e[j].key == e[i].key; j++)
			;
		run(o, &e[i], j - i);
	}
	ends->len = 0;
}

static void pair_isn(struct order *o, struct big *ends)
{
	uint32_t i;

	for (i = 0; i < NSOCKS(o); i++) {
		struct order_sock *s = &SOCKS(o)[i];
		struct end *e;

		if (!is_inet(s) || !s->isn || !s->peer_isn)
			continue;
		if (s->isn == s->peer_isn) {
			s->mate = mirrored(s, s) ? i : NONE; /* connected to itself */
			continue;
		}
		e = BIG_PUSH(&o->memory, ends, struct end);
		if (!e)
			return;
		e->second = s->isn > s->peer_isn;
		e->key = e->second ? (uint64_t)s->peer_isn << 32 | s->isn : (uint64_t)s->isn << 32 | s->peer_isn;
		e->sock = i;
	}
	for_runs(o, ends, pair_isn_run);
}

/* By tuple */
static uint64_t addr_hash(const uint8_t addr[16], uint16_t port)
{
	uint64_t part[2];

	memcpy(part, addr, sizeof(part));
	return map_hash(map_hash(part[0] + port) + part[1]);
}

static bool tuple_loopback(const struct order_sock *s)
{
	static const uint8_t v6[16] = { [15] = 1 }, mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(s->local, v6, sizeof(v6)) || (!memcmp(s->local, mapped, sizeof(mapped)) && s->local[12] == 127);
}

static bool by_tuple(const struct order_sock *s)
{
	return is_inet(s) && s->mate == NONE && s->flags & SOCK_TUPLE && !(s->flags & SOCK_AMBIGUOUS) &&
	       s->socktype != SOCK_DGRAM;
}

static void tuple_end(const struct order_sock *s, uint32_t i, bool within, struct end *ret)
{
	int side = memcmp(s->local, s->remote, sizeof(s->local));

	ret->second = side ? side > 0 : s->local_port > s->remote_port;
	ret->key = addr_hash(s->local, s->local_port) + addr_hash(s->remote, s->remote_port);
	if (within)
		ret->key += map_hash(s->netns + map_hash(s->host + 1));
	ret->sock = i;
}

static int first_compare(const void *pa, const void *pb, void *arg)
{
	const struct order *o = arg;
	const struct order_sock *a = &SOCKS(o)[((const struct end *)pa)->sock];
	const struct order_sock *b = &SOCKS(o)[((const struct end *)pb)->sock];

	if (a->first_ns != b->first_ns)
		return a->first_ns < b->first_ns ? -1 : 1;
	return (a > b) - (a < b);
}

/* One side's ends in time order, if time can order them and all have the same tuple. */
static bool sort_side(const struct order *o, struct end *e, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (SOCKS(o)[e[i].sock].host != SOCKS(o)[e[0].sock].host)
			return false;
	}
	qsort_r(e, n, sizeof(*e), first_compare, (void *)(uintptr_t)o);
	return true;
}

/* Whether time allows a and b to be one connection; clocks of different hosts say nothing. */
static bool may_pair(const struct order_sock *a, const struct order_sock *b)
{
	bool known = a->isn && a->peer_isn && b->isn && b->peer_isn;

	if (known || !mirrored(a, b))
		return false;
	return a->host != b->host || (a->first_ns <= b->last_ns && b->first_ns <= a->last_ns) ||
	       !(a->tx.count + a->rx.count) || !(b->tx.count + b->rx.count);
}

static void pair_tuple_run(struct order *o, const struct end *run, size_t n)
{
	struct end *e = (struct end *)(uintptr_t)run;
	size_t half, i;
	bool fits;

	for (half = 0; half < n && !e[half].second; half++)
		;
	if (!half || half == n)
		return;
	fits = n == 2 * half && sort_side(o, e, half) && sort_side(o, e + half, half);
	for (i = 0; fits && i < half; i++)
		fits = may_pair(&SOCKS(o)[e[i].sock], &SOCKS(o)[e[half + i].sock]);
	for (i = 0; i < half && fits; i++)
		join_ends(o, e[i].sock, e[half + i].sock);
	for (i = 0; i < n && !fits; i++)
		SOCKS(o)[e[i].sock].flags |= SOCK_AMBIGUOUS;
}

/* within: only ends in one namespace; else across, where the address is no loopback one, or an import's. */
static void pair_tuples(struct order *o, struct big *ends, bool within)
{
	uint32_t i;

	for (i = 0; i < NSOCKS(o); i++) {
		const struct order_sock *s = &SOCKS(o)[i];
		struct end *e;

		if (!by_tuple(s) || (!within && tuple_loopback(s) && !(s->flags & SOCK_IMPORTED)))
			continue;
		e = BIG_PUSH(&o->memory, ends, struct end);
		if (!e)
			return;
		tuple_end(s, i, within, e);
	}
	for_runs(o, ends, pair_tuple_run);
}

void order_pair(struct order *o)
{
	struct big ends = { 0 };
	uint32_t i;

	for (i = 0; i < NSOCKS(o); i++) {
		if (SOCKS(o)[i].family == AF_UNIX)
			pair_unix(o, i);
	}
	pair_isn(o, &ends);
	pair_tuples(o, &ends, true);
	pair_tuples(o, &ends, false);
	big_fini(&o->memory, &ends);
}
