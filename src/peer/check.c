/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - the engine: a plan of what is due, places for what is in flight, and what is known of each target.
 *
 * The file descriptor is an epoll of a timer and of all sockets.  A place has a serial number, so that an event of a socket that was
 * closed in the same turn finds no other check in its place.
 */
#include "peer/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "peer/check_plan.h"
#include "peer/check_probe.h"

#define FLIGHT 256
#define RATE 5000
#define TURN_EVENTS 64 /* of a turn, and checks that it begins: others want their turns, too */
#define TIMER UINT64_MAX

struct row {
	struct check_target t;
	struct check_state s;
	uint64_t hash;
	uint64_t due_ns;   /* of the one in flight, or the next */
	bool flying, over; /* over: `once`, and it is done */
};

struct place {
	struct probe probe;
	uint32_t row;	 /* UINT32_MAX: free */
	uint32_t serial; /* of its use */
	uint64_t limit_ns, left;
	bool writes;
};

struct checks {
	struct checks_opts opts;
	int epoll, timer;
	uint64_t seed, armed_ns;
	struct check_ask *asks;
	struct hist *took; /* of each ask */
	size_t nasks;
	struct row *rows;
	size_t nrows, waiting;
	struct plan plan;
	struct place *places;
	uint32_t flying;
	uint64_t second, begun; /* how many began in this second */
};

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[CHECK_KINDS] = { "tcp", "http", "https", "tls", "udp" };

	return kind < CHECK_KINDS ? names[kind] : "?";
}

const char *check_outcome_name(enum check_outcome outcome)
{
	static const char *const names[CHECK_OUTCOMES] = {
		"passed", "refused",	"unreachable", "no_connection", "silent",      "closed",
		"status", "other_text", "broken",      "no_tls",	"certificate", "not_sent",
	};

	return outcome < CHECK_OUTCOMES ? names[outcome] : "?";
}

static uint64_t now(const struct checks *c)
{
	return c->opts.now ? c->opts.now() : clock_boot_ns();
}

/* ---- what is known of a target ---- */

static void health_follow(const struct check_ask *a, struct check_state *s, bool passed)
{
	bool before = s->outcome == CHECK_PASSED;

	s->in_row = s->checked_ns && before == passed ? s->in_row + 1 : 1;
	if (passed && s->in_row >= a->rise)
		s->health = CHECK_GOOD;
	if (!passed && s->in_row >= a->fall)
		s->health = CHECK_BAD;
}

static void sign_give(struct checks *c, const struct row *r)
{
	const struct check_ask *a = &c->asks[r->t.ask];
	struct sign s = { .kind = r->s.outcome == CHECK_PASSED ? SIGN_CHECK_PASSED : SIGN_CHECK_FAILED,
			  .backend = r->t.backend,
			  .vip = a->vip,
			  .port = a->vip_port,
			  .proto = a->vip_proto,
			  .value = r->s.took_ns / 1000,
			  .boot_ns = r->s.checked_ns };

	(void)snprintf(s.text, sizeof(s.text), "%s", r->s.text);
	if (c->opts.sign)
		c->opts.sign(c->opts.arg, &s);
}

static void row_said(struct checks *c, struct row *r, enum check_outcome outcome, const char *text, uint64_t began_ns)
{
	uint64_t now_ns = now(c);

	(void)snprintf(r->s.text, sizeof(r->s.text), "%s", text);
	r->s.counts[outcome]++;
	if (outcome != CHECK_NOT_SENT) {
		health_follow(&c->asks[r->t.ask], &r->s, outcome == CHECK_PASSED);
		r->s.outcome = outcome;
		r->s.checked_ns = now_ns;
		r->s.took_ns = now_ns > began_ns ? now_ns - began_ns : 0;
		if (outcome == CHECK_PASSED)
			(void)hist_add(&c->took[r->t.ask], r->s.took_ns / 1000, 1);
		sign_give(c, r);
	}
	if (c->opts.done) {
		struct check_state s = r->s;

		s.outcome = outcome;
		c->opts.done(c->opts.arg, &r->t, &s);
	}
}

/* ---- in flight ---- */

static uint64_t interval(const struct checks *c, const struct row *r)
{
	return c->asks[r->t.ask].interval_ms * NS_PER_MS;
}

static void row_again(struct checks *c, uint32_t number)
{
	struct row *r = &c->rows[number];

	if (c->opts.once && !r->over) {
		r->over = true;
		c->waiting--;
	}
	if (c->opts.once)
		return;
	r->due_ns = plan_after(r->due_ns, interval(c, r), now(c));
	plan_put(&c->plan, number, r->due_ns);
}

static void place_clear(struct checks *c, struct place *p)
{
	probe_stop(&p->probe);
	if (p->row < c->nrows)
		c->rows[p->row].flying = false;
	p->row = UINT32_MAX;
	p->serial++;
	c->flying--;
}

static uint64_t left_now(const struct checks *c, const struct row *r)
{
	return c->opts.left && r->t.mark ? c->opts.left(c->opts.arg, &r->t) : 0;
}

/* Nothing of it left by the program that knows the mark: then the backend had no part in what was seen. */
static void judge_sent(struct checks *c, struct place *p, const struct row *r)
{
	enum check_outcome o = p->probe.outcome;
	const char *interface = c->asks[r->t.ask].interface;

	if (!c->opts.left || !r->t.mark || (o != CHECK_NO_CONNECT && o != CHECK_UNREACHABLE && o != CHECK_SILENT) ||
	    left_now(c, r) != p->left)
		return;
	p->probe.outcome = CHECK_NOT_SENT;
	(void)snprintf(
		p->probe.text, sizeof(p->probe.text),
		"nothing left by '%s': no route to the VIP by it, its next hop is silent, or no program is on it",
		interface[0] ? interface : "any interface");
}

static void place_end(struct checks *c, struct place *p)
{
	uint32_t number = p->row;

	judge_sent(c, p, &c->rows[number]);
	row_said(c, &c->rows[number], p->probe.outcome, p->probe.text, p->probe.began_ns);
	place_clear(c, p);
	row_again(c, number);
}

static int place_watch(struct checks *c, struct place *p, int op)
{
	struct epoll_event e = { .data.u64 = (uint64_t)p->serial << 32 | (uint32_t)(p - c->places) };

	p->writes = probe_writes(&p->probe);
	e.events = p->writes ? EPOLLOUT : EPOLLIN;
	return epoll_ctl(c->epoll, op, p->probe.fd, &e);
}

static void row_begin(struct checks *c, uint32_t number)
{
	struct row *r = &c->rows[number];
	const struct check_ask *a = &c->asks[r->t.ask];
	uint64_t now_ns = now(c);
	struct place *p = c->places;

	while (p->row != UINT32_MAX)
		p++;
	p->row = number;
	p->left = left_now(c, r);
	p->limit_ns = now_ns + a->timeout_ms * NS_PER_MS;
	r->flying = true;
	r->s.late += now_ns > r->due_ns + interval(c, r);
	c->flying++;
	c->begun++;
	if (probe_start(&p->probe, a, &r->t, now_ns)) {
		place_end(c, p);
	} else if (place_watch(c, p, EPOLL_CTL_ADD)) {
		p->probe.outcome = CHECK_NOT_SENT;
		(void)snprintf(p->probe.text, sizeof(p->probe.text), "cannot watch the socket: %s", strerror(errno));
		place_end(c, p);
	}
}

static void place_turn(struct checks *c, uint64_t data)
{
	uint32_t at = (uint32_t)data;
	struct place *p = at < c->opts.flight ? &c->places[at] : NULL;

	if (!p || p->row == UINT32_MAX || p->serial != (uint32_t)(data >> 32))
		return;
	if (probe_turn(&p->probe, now(c)))
		place_end(c, p);
	else if (probe_writes(&p->probe) != p->writes)
		(void)place_watch(c, p, EPOLL_CTL_MOD);
}

static void places_timeout(struct checks *c, uint64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < c->opts.flight && c->flying; i++) {
		struct place *p = &c->places[i];

		if (p->row == UINT32_MAX || p->limit_ns > now_ns)
			continue;
		probe_timeout(&p->probe);
		place_end(c, p);
	}
}

/* ---- turns ---- */

/* The moment when there is something to do without a socket's being ready. */
static uint64_t next_moment(const struct checks *c, uint64_t now_ns)
{
	uint64_t next = PLAN_NEVER;
	uint32_t i;

	if (c->flying < c->opts.flight)
		next = plan_next(&c->plan);
	if (next < now_ns && c->begun >= c->opts.rate)
		next = (c->second + 1) * NS_PER_SEC;
	for (i = 0; i < c->opts.flight && c->flying; i++) {
		if (c->places[i].row != UINT32_MAX)
			next = MIN(next, c->places[i].limit_ns);
	}
	return next;
}

static void timer_arm(struct checks *c, uint64_t now_ns)
{
	uint64_t next = next_moment(c, now_ns);
	struct itimerspec at = { 0 };

	if (next == c->armed_ns && next > now_ns)
		return;
	c->armed_ns = next;
	if (next != PLAN_NEVER) {
		next = MAX(next, 1UL); /* 0 would disarm it */
		at.it_value.tv_sec = (time_t)(next / NS_PER_SEC);
		at.it_value.tv_nsec = (long)(next % NS_PER_SEC);
	}
	(void)timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void begin_due(struct checks *c, uint64_t now_ns)
{
	unsigned begun = 0;
	int64_t number;
	uint64_t due_ns;

	if (c->second != now_ns / NS_PER_SEC) {
		c->second = now_ns / NS_PER_SEC;
		c->begun = 0;
	}
	while (c->flying < c->opts.flight && c->begun < c->opts.rate && begun++ < TURN_EVENTS) {
		number = plan_take(&c->plan, now_ns, &due_ns);
		if (number < 0)
			return;
		row_begin(c, (uint32_t)number);
	}
}

int checks_turn(struct checks *c, uint64_t now_ns)
{
	struct epoll_event events[TURN_EVENTS];
	uint64_t expired;
	int n = epoll_wait(c->epoll, events, TURN_EVENTS, 0), i;

	(void)now_ns;
	for (i = 0; i < n; i++) {
		if (events[i].data.u64 != TIMER)
			place_turn(c, events[i].data.u64);
		else if (read(c->timer, &expired, sizeof(expired)) == sizeof(expired))
			c->armed_ns = 0;
	}
	places_timeout(c, now(c));
	begin_due(c, now(c));
	timer_arm(c, now(c));
	return 0;
}

/* ---- what is asked ---- */

static uint64_t mix(uint64_t h, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t word;

	for (; bytes; at += MIN(bytes, sizeof(word)), bytes -= MIN(bytes, sizeof(word))) {
		word = 0;
		memcpy(&word, at, MIN(bytes, sizeof(word)));
		h = map_hash(h ^ word) + 1;
	}
	return h;
}

static uint64_t target_hash(const struct checks *c, const struct check_ask *a, const struct check_target *t)
{
	uint64_t h = mix(c->seed, &t->backend, sizeof(t->backend));

	h = mix(h, &a->vip, sizeof(a->vip));
	h = mix(h, &a->vip_port, sizeof(a->vip_port));
	return mix(h, &a->vip_proto, sizeof(a->vip_proto));
}

static bool same_target(const struct check_ask *x, const struct check_target *a, const struct check_ask *y,
			const struct check_target *b)
{
	return !memcmp(&a->backend, &b->backend, sizeof(a->backend)) && !memcmp(&a->to, &b->to, sizeof(a->to)) &&
	       a->port == b->port && a->mark == b->mark && !memcmp(x, y, sizeof(*x));
}

/* What was known of those that are asked as before. */
static int rows_carry(const struct checks *from, struct checks *to)
{
	struct map by_hash = MAP_INIT;
	size_t i;
	int r = 0;

	for (i = 0; i < from->nrows && !r; i++)
		r = map_set(&by_hash, from->rows[i].hash, i);
	for (i = 0; i < to->nrows && !r; i++) {
		struct row *row = &to->rows[i];
		uint64_t *at = map_get(&by_hash, row->hash);
		const struct row *old = at ? &from->rows[*at] : NULL;

		if (!old || !same_target(&from->asks[old->t.ask], &old->t, &to->asks[row->t.ask], &row->t))
			continue;
		row->s = old->s;
		row->due_ns = old->due_ns;
	}
	map_fini(&by_hash);
	return r;
}

static void hists_carry(struct checks *from, struct checks *to)
{
	size_t i, k;

	for (i = 0; i < to->nasks; i++) {
		for (k = 0; k < from->nasks; k++) {
			if (memcmp(&from->asks[k], &to->asks[i], sizeof(to->asks[i])) != 0)
				continue;
			to->took[i] = from->took[k];
			from->took[k] = (struct hist)HIST_INIT;
			break;
		}
	}
}

static void asked_free(struct checks *c)
{
	size_t i;

	for (i = 0; c->took && i < c->nasks; i++)
		hist_fini(&c->took[i]);
	free(c->took);
	free(c->asks);
	free(c->rows);
	plan_fini(&c->plan);
	c->took = NULL;
	c->asks = NULL;
	c->rows = NULL;
	c->nasks = c->nrows = 0;
}

static int asked_make(struct checks *c, const struct check_ask *asks, size_t nasks, const struct check_target *targets,
		      size_t ntargets)
{
	uint64_t now_ns = now(c);
	size_t i;

	c->asks = calloc(nasks ? nasks : 1, sizeof(*c->asks));
	c->took = calloc(nasks ? nasks : 1, sizeof(*c->took));
	c->rows = calloc(ntargets ? ntargets : 1, sizeof(*c->rows));
	c->nasks = nasks;
	if (!c->asks || !c->took || !c->rows || plan_init(&c->plan, ntargets))
		return -ENOMEM;
	if (nasks)
		memcpy(c->asks, asks, nasks * sizeof(*asks));
	for (i = 0; i < ntargets; i++) {
		struct row *r = &c->rows[c->nrows];

		if (targets[i].ask >= nasks)
			continue;
		c->nrows++;
		r->t = targets[i];
		r->hash = target_hash(c, &c->asks[r->t.ask], &r->t);
		r->due_ns = c->opts.once ? now_ns : plan_first(r->hash, interval(c, r), now_ns);
	}
	c->waiting = c->nrows;
	return 0;
}

int checks_set(struct checks *c, const struct check_ask *asks, size_t nasks, const struct check_target *targets,
	       size_t ntargets, struct err *err)
{
	struct checks next = { .opts = c->opts, .seed = c->seed };
	uint32_t i;

	if (ntargets > CHECKS_MAX)
		return err_set(err, E2BIG, "%zu backends of VIPs are to be checked: at most %d are possible", ntargets,
			       CHECKS_MAX);
	if (asked_make(&next, asks, nasks, targets, ntargets) || rows_carry(c, &next)) {
		asked_free(&next);
		return err_set(err, ENOMEM, "out of memory");
	}
	hists_carry(c, &next);
	/* those in flight borrow from the old asks; their moment is past, so they begin again at once */
	for (i = 0; i < c->opts.flight; i++) {
		if (c->places[i].row != UINT32_MAX)
			place_clear(c, &c->places[i]);
	}
	asked_free(c);
	c->asks = next.asks;
	c->took = next.took;
	c->nasks = next.nasks;
	c->rows = next.rows;
	c->nrows = next.nrows;
	c->waiting = next.waiting;
	c->plan = next.plan;
	for (i = 0; i < c->nrows; i++)
		plan_put(&c->plan, i, c->rows[i].due_ns);
	c->armed_ns = 0;
	timer_arm(c, now(c));
	return 0;
}

/* ---- life cycle ---- */

static int open_fds(struct checks *c, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = TIMER };

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->epoll < 0 || c->timer < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->timer, &e))
		return err_errno(err, errno, "cannot make what checks wait by");
	return 0;
}

int checks_new(const struct checks_opts *opts, struct checks **ret, struct err *err)
{
	struct checks *c = calloc(1, sizeof(*c));
	uint32_t i;
	int r;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->opts = *opts;
	c->opts.flight = opts->flight ? opts->flight : FLIGHT;
	c->opts.rate = opts->rate ? opts->rate : RATE;
	c->epoll = c->timer = -1;
	c->places = calloc(c->opts.flight, sizeof(*c->places));
	for (i = 0; c->places && i < c->opts.flight; i++) {
		c->places[i].row = UINT32_MAX;
		c->places[i].probe.fd = -1;
	}
	if (getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed))
		c->seed = clock_boot_ns();
	r = c->places ? open_fds(c, err) : err_set(err, ENOMEM, "out of memory");
	if (r < 0) {
		(void)checks_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct checks *checks_free(struct checks *c)
{
	uint32_t i;

	if (!c)
		return NULL;
	for (i = 0; c->places && i < c->opts.flight; i++)
		probe_stop(&c->places[i].probe);
	free(c->places);
	asked_free(c);
	if (c->epoll >= 0)
		(void)close(c->epoll);
	if (c->timer >= 0)
		(void)close(c->timer);
	free(c);
	return NULL;
}

int checks_fd(const struct checks *c)
{
	return c->epoll;
}

/* ---- reading ---- */

size_t checks_count(const struct checks *c)
{
	return c->nrows;
}

const struct check_target *checks_target(const struct checks *c, size_t i, const struct check_state **ret_state)
{
	*ret_state = &c->rows[i].s;
	return &c->rows[i].t;
}

const struct check_ask *checks_ask(const struct checks *c, size_t i)
{
	return &c->asks[i];
}

const struct hist *checks_took(const struct checks *c, size_t ask)
{
	return &c->took[ask];
}

size_t checks_waiting(const struct checks *c)
{
	return c->waiting;
}
