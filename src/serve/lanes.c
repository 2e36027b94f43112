/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lanes - who did what: hosts, their processes, their threads.  Lanes get their numbers as they are met in the stream, so
 * that a recording that has grown gives the same numbers to those that were there before.
 *
 * Within a single recording each named network namespace is a host of its own.  Events without a thread (interrupts,
 * timers) lie on the process that they happened to, as far as that is known, else on the host.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "explain/title.h"
#include "explain/who.h"
#include "serve/model.h"
#include "store/store.h"

static uint64_t pair_key(uint32_t host, uint64_t number)
{
	return map_hash(number ^ (uint64_t)host << 44);
}

static uint64_t thread_key(uint32_t host, uint32_t tid, uint64_t start_ns)
{
	return map_hash(map_hash(tid + ((uint64_t)host << 32)) + start_ns);
}

static uint32_t lane_add(struct model *m, const struct lane *like)
{
	if (m->nlanes == m->cap_lanes) {
		uint32_t cap = m->cap_lanes ? m->cap_lanes * 2 : 64;
		struct lane *grown = realloc(m->lanes, cap * sizeof(*grown));

		if (!grown)
			return NO_LANE;
		m->lanes = grown;
		m->cap_lanes = cap;
	}
	m->lanes[m->nlanes] = *like;
	m->lanes[m->nlanes].first = INT64_MAX;
	m->lanes[m->nlanes].last = INT64_MIN;
	return m->nlanes++;
}

int lanes_init(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->nhosts; i++) {
		struct lane l = { .kind = LANE_HOST, .parent = NO_LANE, .host = i };

		(void)snprintf(l.name, sizeof(l.name), "%s", store_host_name(m->reader, i));
		m->hosts[i].lane = lane_add(m, &l);
		if (m->hosts[i].lane == NO_LANE)
			return -ENOMEM;
	}
	return 0;
}

static void set_name(struct lane *l, const char *comm)
{
	if (*comm)
		(void)snprintf(l->name, sizeof(l->name), "%s", comm);
}

/* --- processes --- */

static uint32_t process_find(const struct model *m, uint32_t host, uint32_t pid)
{
	const uint64_t *at = map_get(&m->process_of, pair_key(host, pid));

	return at ? (uint32_t)*at : NO_LANE;
}

static uint32_t process_new(struct model *m, uint32_t host, uint32_t pid, uint64_t start_ns)
{
	struct lane l = { .kind = LANE_PROCESS,
			  .parent = m->hosts[host].lane,
			  .host = host,
			  .pid = pid,
			  .tid = pid,
			  .start_ns = start_ns };
	uint32_t lane = m->hosts[host].lane;

	if (m->nlanes < LANES_MAX)
		lane = lane_add(m, &l);
	else
		m->lanes_left_out++;
	if (lane == NO_LANE || map_set(&m->process_of, pair_key(host, pid), lane) < 0)
		return NO_LANE;
	return lane;
}

/* The one that has this number now; another if the main thread says that it began at another moment. */
static uint32_t process_get(struct model *m, uint32_t host, uint32_t pid, uint32_t tid, uint64_t start_ns)
{
	uint32_t lane = process_find(m, host, pid);
	uint64_t start = pid == tid ? start_ns : 0;
	struct lane *l;

	if (lane == NO_LANE)
		return process_new(m, host, pid, start);
	l = &m->lanes[lane];
	if (l->kind == LANE_PROCESS && start && l->start_ns && l->start_ns != start)
		return process_new(m, host, pid, start);
	if (l->kind == LANE_PROCESS && start)
		l->start_ns = start;
	return lane;
}

/* --- threads --- */

static uint32_t thread_find(const struct model *m, uint32_t host, uint32_t tid, uint64_t start_ns)
{
	const uint64_t *at = map_get(&m->thread_of, thread_key(host, tid, start_ns));

	return at ? (uint32_t)*at : NO_LANE;
}

static uint32_t thread_get(struct model *m, uint32_t host, uint32_t pid, uint32_t tid, uint64_t start_ns)
{
	uint32_t lane = thread_find(m, host, tid, start_ns), parent;
	struct lane l = { .kind = LANE_THREAD, .host = host, .pid = pid, .tid = tid, .start_ns = start_ns };

	if (lane != NO_LANE)
		return lane;
	parent = process_get(m, host, pid, tid, start_ns);
	if (parent == NO_LANE)
		return NO_LANE;
	l.parent = parent;
	if (m->lanes[parent].kind == LANE_PROCESS)
		memcpy(l.name, m->lanes[parent].name, sizeof(l.name));
	lane = parent;
	if (m->nlanes < LANES_MAX)
		lane = lane_add(m, &l);
	else
		m->lanes_left_out++;
	if (lane == NO_LANE || map_set(&m->thread_of, thread_key(host, tid, start_ns), lane) < 0)
		return NO_LANE;
	return lane;
}

/* --- what events tell --- */

static void learn_fork(struct model *m, const struct event *ev, uint32_t self)
{
	const struct event_fork *e = EVENT_AS(fork, ev);
	uint32_t lane;

	if (!(e->flags & PROCFLAGS_THREAD)) {
		lane = process_find(m, ev->host, e->child_tgid);
		if (lane == NO_LANE || m->lanes[lane].ended || m->lanes[lane].start_ns != e->child_start_ns)
			(void)process_new(m, ev->host, e->child_tgid, e->child_start_ns);
	}
	lane = thread_get(m, ev->host, e->child_tgid, e->child_tid, e->child_start_ns);
	if (lane == NO_LANE)
		return;
	if (m->lanes[lane].kind == LANE_THREAD)
		set_name(&m->lanes[lane], event_string(ev, 0));
	lane = m->lanes[lane].kind == LANE_THREAD ? m->lanes[lane].parent : lane;
	if (m->lanes[lane].kind == LANE_PROCESS && !m->lanes[lane].name[0])
		set_name(&m->lanes[lane], event_string(ev, 0));
	(void)self;
}

static void learn_identity(struct model *m, const struct event *ev, uint32_t lane)
{
	struct lane *l = &m->lanes[lane];
	struct lane *p = l->kind == LANE_THREAD ? &m->lanes[l->parent] : l;
	const char *args = event_string(ev, 2);
	char title[TITLE_TEXT];

	if (l->kind == LANE_THREAD && l->pid == l->tid)
		set_name(l, event_string(ev, 0));
	if (p->kind != LANE_PROCESS)
		return;
	title_of(event_string(ev, 0), args, title, sizeof(title));
	set_name(p, title);
	if (*args)
		(void)snprintf(p->about, sizeof(p->about), "%s", args);
}

static void learn_exit(struct model *m, const struct event *ev, uint32_t lane)
{
	struct lane *l = &m->lanes[lane];
	struct lane *p = l->kind == LANE_THREAD ? &m->lanes[l->parent] : l;

	if (l->kind == LANE_THREAD)
		set_name(l, event_string(ev, 0));
	if (p->kind != LANE_PROCESS)
		return;
	if (!p->name[0])
		set_name(p, event_string(ev, 0));
	p->ended = p->ended || (EVENT_AS(exit, ev)->flags & EXITFLAGS_LAST_THREAD);
}

static uint32_t place_find(const struct model *m, uint32_t host, const char *name)
{
	uint32_t i;

	for (i = 0; i < m->nlanes; i++)
		if (m->lanes[i].kind == LANE_HOST && m->lanes[i].host == host && !strcmp(m->lanes[i].about, name))
			return i;
	return NO_LANE;
}

/* A lane of kind host for each container and named network namespace; its bare name stands in `about` until the end. */
static int learn_place(struct model *m, const struct event *ev)
{
	const char *name = event_string(ev, 0);
	struct lane l = { .kind = LANE_HOST, .parent = NO_LANE, .host = ev->host };
	bool container = ev->type->id == EVENT_CONTAINER;
	uint64_t key = container ? pair_key(ev->host, ~EVENT_AS(container, ev)->cgroup)
				 : pair_key(ev->host, EVENT_AS(netns, ev)->netns);
	uint32_t lane;

	if (!*name || map_get(&m->place_of, key) || m->place_of.count >= LANES_MAX)
		return 0;
	(void)snprintf(l.about, sizeof(l.about), "%s", name);
	lane = place_find(m, ev->host, l.about);
	if (lane == NO_LANE) {
		if (m->nhosts > 1)
			(void)snprintf(l.name, sizeof(l.name), "%.30s/%.30s", m->lanes[m->hosts[ev->host].lane].name,
				       name);
		else
			(void)snprintf(l.name, sizeof(l.name), "%s", name);
		lane = lane_add(m, &l);
	}
	return lane == NO_LANE ? -ENOMEM : map_set(&m->place_of, key, lane);
}

/* Where an event lies that no thread did. */
static uint32_t lane_without_thread(struct model *m, const struct event *ev)
{
	uint32_t lane = NO_LANE, pid;
	struct event_thread about;

	if (event_about(ev, &about))
		lane = thread_find(m, ev->host, about.tid, about.start_ns);
	pid = lane == NO_LANE ? who_pid(m->who, ev) : 0;
	if (pid)
		lane = process_find(m, ev->host, pid);
	return lane == NO_LANE ? m->hosts[ev->host].lane : lane;
}

uint32_t lane_of(struct model *m, const struct event *ev)
{
	uint32_t lane;

	if ((ev->type->id == EVENT_NETNS || ev->type->id == EVENT_CONTAINER) && learn_place(m, ev) < 0)
		return NO_LANE;
	lane = ev->h->tgid ? thread_get(m, ev->host, ev->h->tgid, ev->h->tid, ev->h->start_ns)
			   : lane_without_thread(m, ev);
	if (lane == NO_LANE)
		return NO_LANE;
	switch (ev->type->id) {
	case EVENT_FORK:
		learn_fork(m, ev, lane);
		break;
	case EVENT_PROCESS:
	case EVENT_EXEC:
		learn_identity(m, ev, lane);
		break;
	case EVENT_EXIT:
		learn_exit(m, ev, lane);
		break;
	default:
		break;
	}
	return lane;
}

/* --- at the end --- */

/* Where the process lived last: asked of who/ as an event that it does then. */
static uint32_t home_of(const struct model *m, const struct lane *l)
{
	struct event_header h = { .type = EVENT_STOP, .tgid = l->pid, .tid = l->pid };
	struct event ev = { .host = l->host, .type = event_static_type(EVENT_STOP), .h = &h };
	double since = (double)(l->last < l->first ? 0 : l->last);
	const char *place;
	uint32_t lane;

	/* back on the host's own clock; what the shift is off by does not matter to where it lived in the end */
	ev.boot_ns = (uint64_t)(since + m->hosts[l->host].shift_last) + m->t0_unix_ns - m->hosts[l->host].epoch_ns;
	place = who_place(m->who, &ev);
	lane = *place ? place_find(m, l->host, place) : NO_LANE;
	return lane == NO_LANE ? m->hosts[l->host].lane : lane;
}

static void sum_up(struct lane *to, const struct lane *from)
{
	to->events += from->events;
	to->log_lines += from->log_lines;
	to->first = MIN(to->first, from->first);
	to->last = MAX(to->last, from->last);
}

static void sum_events(struct model *m)
{
	uint32_t i;
	int kind;

	for (i = 0; i < m->ev.count; i++) {
		struct lane *l = &m->lanes[m->ev.lane[i]];

		l->events++;
		l->log_lines += m->ev.mark[i] == MARK_LOG || m->ev.type[i] == EVENT_LOG;
		l->first = MIN(l->first, m->ev.t[i]);
		l->last = MAX(l->last, m->ev.t[i]);
	}
	for (kind = LANE_THREAD; kind > LANE_HOST; kind--) {
		for (i = 0; i < m->nlanes; i++) {
			struct lane *l = &m->lanes[i];

			if (l->kind != kind)
				continue;
			if (kind == LANE_PROCESS)
				l->parent = home_of(m, l);
			sum_up(&m->lanes[l->parent], l);
		}
	}
}

/* Depth first: a lane's key is that of its parent, and behind it its own moment. */
struct drawn {
	int64_t first[3];
	uint32_t lane[3], self;
};

static struct drawn drawn_of(const struct model *m, uint32_t lane)
{
	struct drawn d = { .self = lane, .first = { INT64_MIN, INT64_MIN, INT64_MIN } };
	uint32_t at;

	for (at = lane; at != NO_LANE; at = m->lanes[at].parent) {
		int kind = m->lanes[at].kind;

		d.first[kind] = kind == LANE_HOST ? 0 : m->lanes[at].first;
		d.lane[kind] = at + 1;
	}
	return d;
}

/* Hosts in their order, a machine before the namespaces on it; the others by their first event. */
static int drawn_compare(const void *pa, const void *pb, void *arg)
{
	const struct drawn *a = pa, *b = pb;
	const struct model *m = arg;
	uint32_t ha = m->lanes[a->self].host, hb = m->lanes[b->self].host;
	int i;

	if (ha != hb)
		return ha < hb ? -1 : 1;
	for (i = 0; i < 3; i++) {
		if (a->first[i] != b->first[i])
			return a->first[i] < b->first[i] ? -1 : 1;
		if (a->lane[i] != b->lane[i])
			return a->lane[i] < b->lane[i] ? -1 : 1;
	}
	return 0;
}

static int order_lanes(struct model *m)
{
	CLEANUP_FREE struct drawn *all = malloc((m->nlanes + 1) * sizeof(*all));
	uint32_t i;

	m->drawing = malloc((m->nlanes + 1) * sizeof(*m->drawing));
	if (!all || !m->drawing)
		return -ENOMEM;
	for (i = 0; i < m->nlanes; i++)
		all[i] = drawn_of(m, i);
	qsort_r(all, m->nlanes, sizeof(*all), drawn_compare, m);
	for (i = 0; i < m->nlanes; i++) {
		m->drawing[i] = all[i].self;
		m->lanes[all[i].self].place = i;
	}
	return 0;
}

int lanes_done(struct model *m)
{
	uint32_t i;

	sum_events(m);
	for (i = 0; i < m->nlanes; i++)
		if (m->lanes[i].kind == LANE_HOST)
			m->lanes[i].about[0] = 0;
	return order_lanes(m);
}
