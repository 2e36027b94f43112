/* SPDX-License-Identifier: Apache-2.0 */
/* load - from recordings to a model: one pass over their events, then order, times, arrows, the story. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "explain/story.h"
#include "explain/story_json.h"
#include "explain/who.h"
#include "serve/model.h"
#include "store/store.h"

#define SAME_CLOCK_NS 10000000

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
	case EVENT_SOCKET:
		return MARK_STATE;
	default:
		return MARK_NONE;
	}
}

/* --- one pass --- */

struct loading {
	struct model *m;
	struct story *story;
	struct map stopped; /* process lane -> index of stops + 1 */
	struct err *err;
};

static void *grow(void *array, uint32_t count, uint32_t *cap, size_t size)
{
	uint32_t more = *cap ? *cap * 2 : 64;
	void *grown;

	if (count < *cap)
		return array;
	grown = realloc(array, more * size);
	if (grown)
		*cap = more;
	return grown;
}

#define GROW(array, count, cap)                                              \
	({                                                                   \
		void *grown_ = grow(array, count, &(cap), sizeof(*(array))); \
		if (grown_)                                                  \
			(array) = grown_;                                    \
		grown_ != NULL;                                              \
	})

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
	if (r >= 0 && (ev->type->id == EVENT_STOP || ev->type->id == EVENT_CONT || ev->type->id == EVENT_EXIT))
		r = keep_stop(l, ev, lane);
	if (r >= 0)
		r = order_add(l->m->order, ev, l->err);
	if (r >= 0)
		r = story_add(l->story, ev, l->err);
	return r;
}

static int feed(struct loading *l, const struct model_opts *opts)
{
	struct store_read_opts ro = { .damage = opts->damage, .arg = opts->arg };
	struct event_source *source;
	const struct event *ev;
	int r = store_read(l->m->reader, &ro, &source, l->err);

	if (r < 0)
		return r;
	while ((r = event_source_next(source, &ev, l->err)) > 0) {
		if (!l->m->ev.count)
			l->m->t0_unix_ns = store_host_epoch(l->m->reader, ev->host) + ev->boot_ns;
		r = take(l, ev);
		if (r < 0)
			break;
	}
	event_source_close(source);
	return r;
}

/* --- times --- */

static double middle(const struct model_host *h)
{
	return (double)h->low_ns + ((double)h->high_ns - (double)h->low_ns) / 2;
}

/* How far the host's wall clock is from that of host 0 at a moment of host 0; false: not known from both sides. */
static bool clock_error(struct model *m, uint32_t host, uint64_t at, int64_t *low, int64_t *high)
{
	int64_t epochs = (int64_t)(m->hosts[host].epoch_ns - m->hosts[0].epoch_ns);
	struct order_offset o;
	int r = order_host_offset(m->order, 0, host, at, &o);

	if (r < 0 && r != -ENODATA)
		return false;
	*low = o.low_ns == INT64_MIN ? INT64_MIN : o.low_ns + epochs;
	*high = o.high_ns == INT64_MAX ? INT64_MAX : o.high_ns + epochs;
	return r >= 0;
}

/* Hosts without a wall clock have no place in time but by their messages: `epochs` is then off by decades. */
static void set_shift(struct model *m, uint32_t host)
{
	struct model_host *h = &m->hosts[host];
	uint64_t first = m->hosts[0].first_ns, last = m->hosts[0].last_ns;

	if (!host || store_same_boot(m->reader, 0, host))
		return;
	h->low_ns = INT64_MIN;
	h->high_ns = INT64_MAX;
	if (!m->hosts[0].count || !h->count)
		return;
	if (clock_error(m, host, last, &h->low_ns, &h->high_ns))
		h->shift_last = middle(h);
	if (clock_error(m, host, first, &h->low_ns, &h->high_ns))
		h->shift_first = middle(h);
}

int64_t model_time(const struct model *m, uint32_t host, uint64_t boot_ns)
{
	const struct model_host *h = &m->hosts[host];
	double span = (double)(h->last_ns - h->first_ns), part = 0;

	if (span > 0)
		part = (double)(int64_t)(boot_ns - h->first_ns) / span;
	return (int64_t)(boot_ns + h->epoch_ns - m->t0_unix_ns) -
	       (int64_t)(h->shift_first + (h->shift_last - h->shift_first) * part);
}

static void set_times(struct model *m)
{
	int64_t last = 0;
	uint32_t i;

	for (i = 0; i < m->nhosts; i++)
		set_shift(m, i);
	for (i = 0; i < m->ev.count; i++) {
		m->ev.t[i] = model_time(m, model_host_of(m, i), (uint64_t)m->ev.t[i]);
		last = MAX(last, m->ev.t[i]);
	}
	for (i = 0; i < m->nlosses; i++) {
		m->losses[i].from = model_time(m, m->losses[i].host, (uint64_t)m->losses[i].from);
		m->losses[i].to = model_time(m, m->losses[i].host, (uint64_t)m->losses[i].to);
	}
	for (i = 0; i < m->nstops; i++) {
		uint32_t host = m->lanes[m->stops[i].lane].host;

		m->stops[i].from = model_time(m, host, (uint64_t)m->stops[i].from);
		if (m->stops[i].to != INT64_MAX)
			m->stops[i].to = model_time(m, host, (uint64_t)m->stops[i].to);
	}
	m->span_ns = last;
}

/* --- in order of time --- */

struct moved {
	int64_t t;
	uint32_t from;
};

static int moved_compare(const void *pa, const void *pb)
{
	const struct moved *a = pa, *b = pb;

	if (a->t != b->t)
		return a->t < b->t ? -1 : 1;
	return (a->from > b->from) - (a->from < b->from);
}

#define PERMUTE(array, by, room, n)                                           \
	do {                                                                  \
		uint32_t i_;                                                  \
		for (i_ = 0; i_ < (n); i_++)                                  \
			((typeof(array))(room))[i_] = (array)[(by)[i_].from]; \
		memcpy(array, room, (n) * sizeof(*(array)));                  \
	} while (0)

static bool in_order(const struct model_events *e)
{
	uint32_t i;

	for (i = 1; i < e->count; i++)
		if (e->t[i] < e->t[i - 1])
			return false;
	return true;
}

static int sort_events(struct model *m)
{
	struct model_events *e = &m->ev;
	CLEANUP_FREE struct moved *by = NULL;
	CLEANUP_FREE void *room = NULL;
	uint32_t *places, i, k;

	if (in_order(e))
		return 0;
	by = malloc(e->count * sizeof(*by));
	room = malloc(e->count * sizeof(int64_t));
	if (!by || !room)
		return -ENOMEM;
	for (i = 0; i < e->count; i++)
		by[i] = (struct moved) { e->t[i], i };
	qsort(by, e->count, sizeof(*by), moved_compare);
	PERMUTE(e->t, by, room, e->count);
	PERMUTE(e->id, by, room, e->count);
	PERMUTE(e->lane, by, room, e->count);
	PERMUTE(e->type, by, room, e->count);
	PERMUTE(e->mark, by, room, e->count);
	places = room;
	for (i = 0; i < e->count; i++)
		places[by[i].from] = i;
	for (i = 0; i < m->nhosts; i++)
		for (k = 0; k < m->hosts[i].count; k++)
			m->hosts[i].pos[k] = places[m->hosts[i].pos[k]];
	return 0;
}

/* Ids without gaps need no list. */
static void trim_ids(struct model *m)
{
	uint32_t i;

	for (i = 0; i < m->nhosts; i++) {
		struct model_host *h = &m->hosts[i];

		if (!h->count || h->ids[h->count - 1] != h->count - 1)
			continue;
		free(h->ids);
		h->ids = NULL;
	}
}

uint32_t model_find(const struct model *m, struct order_ref ref)
{
	const struct model_host *h;
	uint32_t low = 0, high, id;

	if (ref.host >= m->nhosts)
		return NO_EVENT;
	h = &m->hosts[ref.host];
	if (!h->count || ref.id < h->id_base || ref.id - h->id_base > UINT32_MAX)
		return NO_EVENT;
	id = (uint32_t)(ref.id - h->id_base);
	if (!h->ids)
		return id < h->count ? h->pos[id] : NO_EVENT;
	high = h->count;
	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (h->ids[at] < id)
			low = at + 1;
		else
			high = at;
	}
	return low < h->count && h->ids[low] == id ? h->pos[low] : NO_EVENT;
}

uint32_t model_at(const struct model *m, int64_t t)
{
	uint32_t low = 0, high = m->ev.count;

	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (m->ev.t[at] < t)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

/* --- clocks --- */

static bool take_clock(void *arg, struct order_ref ref, uint32_t clock)
{
	struct model *m = arg;
	uint32_t at = model_find(m, ref);

	if (at != NO_EVENT)
		m->ev.clock[at] = clock;
	return true;
}

/* Counting sort by clock; within a clock by time. */
static int set_clocks(struct model *m)
{
	struct order_stats st;
	uint32_t i, sum = 0, count;

	order_get_stats(m->order, &st);
	m->max_clock = st.max_clock;
	m->ev.clock = calloc((size_t)m->ev.count + 1, sizeof(*m->ev.clock));
	m->by_clock = malloc(((size_t)m->ev.count + 1) * sizeof(*m->by_clock));
	m->clock_first = calloc((size_t)m->max_clock + 3, sizeof(*m->clock_first));
	if (!m->ev.clock || !m->by_clock || !m->clock_first)
		return -ENOMEM;
	order_causal(m->order, take_clock, m);
	for (i = 0; i < m->ev.count; i++)
		m->clock_first[m->ev.clock[i]]++;
	for (i = 0; i <= m->max_clock + 1; i++) {
		count = m->clock_first[i];
		m->clock_first[i] = sum;
		sum += count;
	}
	for (i = 0; i < m->ev.count; i++)
		m->by_clock[m->clock_first[m->ev.clock[i]]++] = i;
	memmove(m->clock_first + 1, m->clock_first, ((size_t)m->max_clock + 1) * sizeof(*m->clock_first));
	m->clock_first[0] = 0;
	return 0;
}

/* --- arrows --- */

static bool take_arrow(void *arg, const struct order_edge *e)
{
	struct model *m = arg;
	struct model_arrow a = { model_find(m, e->from), model_find(m, e->to), e->kind, e->ambiguous, e->after_loss };

	if (a.from == NO_EVENT || a.to == NO_EVENT)
		return true;
	if (!GROW(m->arrows, m->narrows, m->cap_arrows))
		return false;
	m->arrows[m->narrows++] = a;
	return true;
}

static int arrow_compare(const void *pa, const void *pb)
{
	const struct model_arrow *a = pa, *b = pb;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->to > b->to) - (a->to < b->to);
}

static int set_arrows(struct model *m)
{
	uint32_t i, blocks;
	int64_t reach = INT64_MIN;

	if (order_edges(m->order, false, take_arrow, m) < 0)
		return -ENOMEM;
	blocks = m->narrows / ARROW_BLOCK + 1;
	m->arrow_reach = malloc(blocks * sizeof(*m->arrow_reach));
	m->arrow_low = malloc(blocks * sizeof(*m->arrow_low));
	if (!m->arrow_reach || !m->arrow_low)
		return -ENOMEM;
	if (m->narrows)
		qsort(m->arrows, m->narrows, sizeof(*m->arrows), arrow_compare);
	for (i = 0; i < m->narrows; i++) {
		reach = MAX(reach, m->ev.t[m->arrows[i].to]);
		m->arrow_reach[i / ARROW_BLOCK] = reach;
	}
	for (i = m->narrows, reach = INT64_MAX; i-- > 0;) {
		reach = MIN(reach, m->ev.t[m->arrows[i].from]);
		reach = MIN(reach, m->ev.t[m->arrows[i].to]);
		m->arrow_low[i / ARROW_BLOCK] = reach;
	}
	return 0;
}

/* --- the story --- */

static int set_story(struct loading *l)
{
	struct model *m = l->m;
	int r = story_tell(l->story, m->order, l->err);

	if (r < 0)
		return r;
	story_json(&m->story, l->story, m->order, host_name, m->reader);
	return m->story.failed ? no_memory(l->err) : 0;
}

/* Clocks of two machines start at other moments; of one machine they are one, however exactly they were read. */
static void shift_story(struct loading *l)
{
	uint64_t first = l->m->hosts[0].epoch_ns;
	uint32_t i;

	for (i = 1; i < l->m->nhosts; i++) {
		int64_t shift = (int64_t)(l->m->hosts[i].epoch_ns - first);

		if (first && l->m->hosts[i].epoch_ns && (shift > SAME_CLOCK_NS || shift < -SAME_CLOCK_NS))
			story_clock(l->story, i, shift);
	}
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
	if (r >= 0)
		r = story_new(m->nhosts > 1 ? host_name : NULL, m->reader, &l->story, l->err);
	if (r >= 0)
		shift_story(l);
	return r;
}

static int index_all(struct loading *l)
{
	struct model *m = l->m;
	int r;

	trim_ids(m);
	set_times(m);
	r = sort_events(m);
	if (r >= 0)
		r = set_clocks(m);
	if (r >= 0)
		r = set_arrows(m);
	if (r >= 0)
		r = lanes_done(m);
	return r < 0 ? no_memory(l->err) : 0;
}

int model_load(const struct model_opts *opts, struct model **ret, struct err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	struct loading l = { .m = m, .stopped = MAP_INIT, .err = err };
	int r;

	if (!m)
		return no_memory(err);
	(void)pthread_mutex_init(&m->lock, NULL);
	r = open_all(&l, opts);
	if (r >= 0) {
		m->growing = store_growing(m->reader);
		r = feed(&l, opts);
	}
	if (r >= 0)
		r = order_solve(m->order, err);
	if (r >= 0)
		r = index_all(&l);
	if (r >= 0)
		r = set_story(&l);
	story_free(l.story);
	map_fini(&l.stopped);
	if (r < 0)
		model_free(m);
	else
		*ret = m;
	return r;
}

struct model *model_free(struct model *m)
{
	uint32_t i;

	if (!m)
		return NULL;
	for (i = 0; m->hosts && i < m->nhosts; i++) {
		free(m->hosts[i].ids);
		free(m->hosts[i].pos);
	}
	free(m->hosts);
	free(m->ev.t);
	free(m->ev.id);
	free(m->ev.lane);
	free(m->ev.clock);
	free(m->ev.type);
	free(m->ev.mark);
	free(m->lanes);
	free(m->drawing);
	free(m->arrows);
	free(m->arrow_reach);
	free(m->arrow_low);
	free(m->by_clock);
	free(m->clock_first);
	free(m->losses);
	free(m->stops);
	map_fini(&m->process_of);
	map_fini(&m->thread_of);
	map_fini(&m->place_of);
	buf_fini(&m->story);
	who_free(m->who);
	order_free(m->order);
	store_reader_free(m->reader);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
	return NULL;
}
