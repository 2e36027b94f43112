/* SPDX-License-Identifier: Apache-2.0 */
/* load - from recordings to a model: one pass over their events, then order, times, arrows; telling.c tells the story meanwhile. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/who.h"
#include "serve/grow.h"
#include "serve/telling.h"
#include "serve/walk.h"

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory for the recording's index");
}

static const char *host_name(void *arg, uint32_t host)
{
	const char *name = store_host_name(arg, host);

	return name ? name : "";
}

const char *mark_name(uint8_t mark)
{
	static const char *const names[MARKS] = { "", "log", "trouble", "signal", "life", "state" };

	return mark < MARKS ? names[mark] : "";
}

static uint8_t mark_of(const struct event *ev)
{
	switch (ev->type->id) {
	case EVENT_LOG:
		return EVENT_AS(log, ev)->level >= LEVEL_ERROR ? MARK_TROUBLE : MARK_LOG;
	case EVENT_LOSS:
	case EVENT_SHED:
	case EVENT_OOM_KILL:
	case EVENT_STOP:
	case EVENT_RETRANSMIT:
	case EVENT_RESET:
	case EVENT_SOCKERR:
		return MARK_TROUBLE;
	case EVENT_CONNECTED:
		return EVENT_AS(connected, ev)->error ? MARK_TROUBLE : MARK_NONE;
	case EVENT_EXIT:
		return EVENT_AS(exit, ev)->sig ? MARK_TROUBLE : MARK_LIFE;
	case EVENT_CHECK:
		return EVENT_AS(check, ev)->state == CHECKSTATE_FAILS ? MARK_TROUBLE : MARK_NONE;
	case EVENT_VERDICT:
		return EVENT_AS(verdict, ev)->action <= XDPACTION_DROP ? MARK_TROUBLE : MARK_NONE;
	case EVENT_REPORT:
	case EVENT_TOLD:
		return EVENT_AS(report, ev)->sign == SIGNKIND_LOAD ? MARK_STATE : MARK_NONE; /* every few seconds */
	case EVENT_SIGNAL:
	case EVENT_DELIVER:
	case EVENT_CONT:
		return MARK_SIGNAL;
	case EVENT_FORK:
	case EVENT_START:
	case EVENT_EXEC:
	case EVENT_JOIN:
		return MARK_LIFE;
	case EVENT_CLOCK:
	case EVENT_HOST:
	case EVENT_NETNS:
	case EVENT_COST:
	case EVENT_PROCESS:
	case EVENT_CGROUP:
	case EVENT_CONTAINER:
	case EVENT_INSIDE:
	case EVENT_SOCKET:
		return MARK_STATE;
	default:
		return MARK_NONE;
	}
}

/* --- one pass --- */

struct loading {
	struct model *m;
	struct map stopped; /* process lane -> index of stops + 1 */
	struct err *err;
};

static bool events_room(struct model_events *e)
{
	uint32_t cap = e->cap ? e->cap * 2 : 4096;
	struct {
		void **array;
		size_t size;
	} all[] = { { (void **)&e->t, sizeof(*e->t) },
		    { (void **)&e->id, sizeof(*e->id) },
		    { (void **)&e->lane, sizeof(*e->lane) },
		    { (void **)&e->type, sizeof(*e->type) },
		    { (void **)&e->mark, sizeof(*e->mark) } };
	size_t i;

	if (e->count < e->cap)
		return true;
	for (i = 0; i < ARRAY_LEN(all); i++) {
		void *grown = realloc(*all[i].array, cap * all[i].size);

		if (!grown)
			return false;
		*all[i].array = grown;
	}
	e->cap = cap;
	return true;
}

static bool host_room(struct model_host *h)
{
	uint32_t cap = h->cap ? h->cap * 2 : 4096;
	uint32_t *ids, *pos;

	if (h->count < h->cap)
		return true;
	ids = realloc(h->ids, cap * sizeof(*ids));
	if (ids)
		h->ids = ids;
	pos = realloc(h->pos, cap * sizeof(*pos));
	if (pos)
		h->pos = pos;
	if (!ids || !pos)
		return false;
	h->cap = cap;
	return true;
}

/* Times are on the boot clock of the event's host until all is known. */
static int keep(struct loading *l, const struct event *ev, uint32_t lane)
{
	struct model_events *e = &l->m->ev;
	struct model_host *h = &l->m->hosts[ev->host];

	if (e->count == NO_EVENT - 1)
		return err_set(l->err, E2BIG, "more than %u events cannot be served together", NO_EVENT - 1);
	if (!events_room(e) || !host_room(h))
		return no_memory(l->err);
	if (!h->count) {
		h->id_base = ev->id;
		h->first_ns = h->last_ns = ev->boot_ns;
	}
	if (ev->id - h->id_base > UINT32_MAX || (h->count && ev->id - h->id_base <= h->ids[h->count - 1]))
		return err_set(l->err, EBADMSG, "the events of recording '%s' have numbers that no recorder gives",
			       store_host_name(l->m->reader, ev->host));
	h->first_ns = MIN(h->first_ns, ev->boot_ns);
	h->last_ns = MAX(h->last_ns, ev->boot_ns);
	h->ids[h->count] = (uint32_t)(ev->id - h->id_base);
	h->pos[h->count++] = e->count;
	e->t[e->count] = (int64_t)ev->boot_ns;
	e->id[e->count] = (uint32_t)(ev->id - h->id_base);
	e->lane[e->count] = lane;
	e->type[e->count] = ev->type->id;
	e->mark[e->count++] = mark_of(ev);
	return 0;
}

static int keep_loss(struct loading *l, const struct event *ev)
{
	const struct event_loss *e = EVENT_AS(loss, ev);
	struct model *m = l->m;

	m->lost += e->count;
	if (!GROW(m->losses, m->nlosses, m->cap_losses))
		return no_memory(l->err);
	m->losses[m->nlosses++] = (struct model_loss) {
		(int64_t)e->from_ns, (int64_t)e->to_ns, e->count, ev->host, e->lost_type,
	};
	return 0;
}

static void keep_cost(struct loading *l, const struct event *ev)
{
	const struct event_cost *e = EVENT_AS(cost, ev);

	l->m->cost.kernel_ns += e->kernel_ns;
	l->m->cost.user_ns += e->user_ns;
	l->m->cost.rss_bytes = e->rss_bytes;
}

/* A stop of the whole process: from the first thread that stops to the first that goes on, or to its end. */
static int keep_stop(struct loading *l, const struct event *ev, uint32_t lane)
{
	struct model *m = l->m;
	uint64_t *at;

	lane = m->lanes[lane].kind == LANE_THREAD ? m->lanes[lane].parent : lane;
	at = map_get(&l->stopped, lane);
	if (ev->type->id == EVENT_STOP && (!at || !*at)) {
		if (!GROW(m->stops, m->nstops, m->cap_stops) || map_set(&l->stopped, lane, m->nstops + 1) < 0)
			return no_memory(l->err);
		m->stops[m->nstops++] = (struct model_stop) { (int64_t)ev->boot_ns, INT64_MAX, lane };
	} else if (ev->type->id != EVENT_STOP && at && *at) {
		m->stops[*at - 1].to = (int64_t)ev->boot_ns;
		*at = 0;
	}
	return 0;
}

static int take(struct loading *l, const struct event *ev)
{
	uint32_t lane;
	int r;

	who_learn(l->m->who, ev);
	lane = lane_of(l->m, ev);
	if (lane == NO_LANE)
		return no_memory(l->err);
	r = keep(l, ev, lane);
	if (r >= 0 && ev->type->id == EVENT_LOSS)
		r = keep_loss(l, ev);
	if (ev->type->id == EVENT_COST)
		keep_cost(l, ev);
	if (r >= 0 && (ev->type->id == EVENT_STOP || ev->type->id == EVENT_CONT || ev->type->id == EVENT_EXIT))
		r = keep_stop(l, ev, lane);
	if (r >= 0)
		r = order_add(l->m->order, ev, l->err);
	return r;
}

static int take_event(void *arg, const struct event *ev, struct err *err)
{
	struct loading *l = arg;

	(void)err; /* it is l->err */
	if (!l->m->ev.count)
		l->m->t0_unix_ns = store_host_epoch(l->m->reader, ev->host) + ev->boot_ns;
	l->m->payloads |= ev->type->id == EVENT_PAYLOAD;
	return take(l, ev);
}

/* --- all --- */

static int open_all(struct loading *l, const struct model_opts *opts)
{
	struct model *m = l->m;
	int r = store_open(opts->paths, opts->npaths, &m->reader, l->err);
	uint32_t i;

	if (r < 0)
		return r;
	m->nhosts = store_hosts(m->reader);
	m->hosts = calloc(m->nhosts, sizeof(*m->hosts));
	if (!m->hosts)
		return no_memory(l->err);
	for (i = 0; i < m->nhosts; i++)
		m->hosts[i].epoch_ns = store_host_epoch(m->reader, i);
	if (lanes_init(m) < 0 || who_new(host_name, m->reader, m->nhosts > 1, &m->who) < 0)
		return no_memory(l->err);
	r = order_new(NULL, &m->order, l->err);
	return r;
}

static int load_and_order(struct loading *l, const struct model_opts *opts)
{
	int r = open_all(l, opts);

	if (r >= 0) {
		struct store_stats st;

		/* in this order: what is no longer growing is there, and all that is counted will be read */
		l->m->growing = store_growing(l->m->reader);
		r = store_refresh(l->m->reader, l->err);
		store_reader_stats(l->m->reader, &st);
		l->m->seen = st.events;
	}
	if (r >= 0)
		r = walk(l->m->reader, opts, take_event, l, l->err);
	if (r >= 0) {
		struct store_stats st;

		store_reader_stats(l->m->reader, &st);
		l->m->damaged_blocks = st.damaged_blocks;
	}
	return r < 0 ? r : order_solve(l->m->order, l->err);
}

int model_load(const struct model_opts *opts, struct model **ret, struct err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	struct loading l = { .m = m, .stopped = MAP_INIT, .err = err };
	struct telling *t = NULL;
	int r, told;

	if (!m)
		return no_memory(err);
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_mutex_init(&m->deriving, NULL);
	r = telling_start(m, opts, &t, err);
	if (r >= 0)
		r = load_and_order(&l, opts);
	telling_go(t, r >= 0);
	if (r >= 0 && model_index(m) < 0)
		r = no_memory(err);
	told = telling_end(t, r < 0 ? NULL : err);
	r = r < 0 ? r : told;
	map_fini(&l.stopped);
	if (r < 0)
		model_free(m);
	else
		*ret = m;
	return r;
}
