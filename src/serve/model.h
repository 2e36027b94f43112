/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_MODEL_H
#define SAKER_SERVE_MODEL_H
/*
 * model - what is served of some recordings at one moment: their events in order of time, each on its lane, the arrows
 * between lanes, losses, stops, names and the story.  It does not change once it is made, but for the requests, which come when they
 * are asked for, and the line of the story about them; a recording that grows gets a new one.
 *
 * Time: ns since the first event (t0), on the wall clock of the first host: the middle of the interval in which a host's
 * clock differs from it, as the messages between them tell, is taken off.
 *
 * Threads: made by one, then read by any number; what fetches events from the recordings, or reads the story, holds model.lock.
 * Memory: 28 bytes an event, 12 an arrow, about 120 a thread and 300 a process; that of order/, who/ and one reader of store/.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "event/event.h"
#include "order/order.h"
#include "serve/levels.h"

struct err;
struct metrics_row;
struct parts_kept;
struct requests;
struct spans;
struct store_reader;
struct telling;
struct who;

#define NO_LANE UINT32_MAX
#define NO_EVENT UINT32_MAX
#define LANES_MAX 65536 /* more threads lie on their process's lane, more processes on their host's */
#define PARTS_KEPT_BYTES (64U << 20)
#define LANE_NAME 64
#define LANE_ABOUT 160

enum lane_kind { LANE_HOST, LANE_PROCESS, LANE_THREAD };

struct lane {
	uint64_t start_ns;   /* of the thread or process, 0: unknown */
	int64_t first, last; /* its own events and those of the lanes below it; first > last: none */
	uint32_t parent;     /* NO_LANE: a host */
	uint32_t host;	     /* recording */
	uint32_t pid, tid;
	uint32_t events, log_lines;
	uint32_t place; /* among all, in drawing order */
	uint8_t kind;	/* enum lane_kind */
	bool ended;	/* a process whose last thread is gone */
	char name[LANE_NAME];
	char about[LANE_ABOUT];
};

/* What an event means to a reader; the name is in the API. */
enum mark { MARK_NONE, MARK_LOG, MARK_TROUBLE, MARK_SIGNAL, MARK_LIFE, MARK_STATE, MARKS };
const char *mark_name(uint8_t mark);

/* Events by time; the place in these arrays is what the rest calls an event. */
struct model_events {
	uint32_t count, cap;
	int64_t *t;
	uint32_t *id; /* less its host's id_base */
	uint32_t *lane, *clock;
	uint16_t *type;
	uint8_t *mark;
};

/* One recording. */
struct model_host {
	uint64_t epoch_ns; /* Unix time of its boot_ns 0 */
	uint64_t id_base;
	uint32_t count, cap;
	uint32_t *ids;			/* in order of arrival, ascending, less id_base; NULL: dense */
	uint32_t *pos;			/* the event; in order of arrival */
	uint64_t first_ns, last_ns;	/* boot time */
	int64_t low_ns, high_ns;	/* its clock minus that of host 0; INT64_MIN, INT64_MAX: not known */
	double shift_first, shift_last; /* what is taken off its times at first_ns and at last_ns */
	uint32_t lane;
};

struct model_arrow {
	uint32_t from, to; /* events */
	uint8_t kind;	   /* enum order_kind */
	bool ambiguous, after_loss;
};

#define ARROW_BLOCK 256

/* Where arrows lie on an axis, by ARROW_BLOCK of them in the order of where they begin. */
struct arrow_axis {
	uint32_t *by;	/* places in model.arrows; NULL: as they are */
	int64_t *reach; /* the latest end of all up to there */
	int64_t *low;	/* the earliest end of all from there on */
};

struct model_loss {
	int64_t from, to;
	uint64_t count;
	uint32_t host;
	uint16_t type;
};

struct model_stop {
	int64_t from, to; /* INT64_MAX: until the end */
	uint32_t lane;	  /* process */
};

struct model {
	unsigned int holders, generation; /* live.c */
	pthread_mutex_t lock;
	struct store_reader *reader;
	struct order *order;
	struct who *who;
	struct lane *lanes;
	uint32_t nlanes, cap_lanes, lanes_left_out;
	uint32_t *drawing; /* lanes in drawing order */
	struct map process_of, thread_of, place_of;
	struct model_host *hosts;
	uint32_t nhosts;
	struct model_events ev;
	struct model_arrow *arrows; /* by the time of `from` */
	struct arrow_axis arrows_wall, arrows_logical;
	uint32_t narrows, cap_arrows;
	struct levels wall, logical;
	uint32_t *by_lane;     /* events by (lane, time) */
	uint32_t *lane_first;  /* nlanes + 1: where each lane begins there */
	uint32_t *by_clock;    /* events by (clock, time) */
	uint32_t *clock_first; /* max_clock + 2: where each clock begins there */
	uint32_t max_clock;
	struct model_loss *losses;
	uint32_t nlosses, cap_losses;
	struct model_stop *stops;
	uint32_t nstops, cap_stops;
	uint64_t t0_unix_ns, lost;
	int64_t span_ns;
	bool arrows_failed;
	uint64_t seen;		   /* events that were there when loading began, as store/ counts them */
	bool growing;		   /* somebody is recording into one of them */
	bool payloads;		   /* there are some: requests can be told */
	struct buf story;	   /* JSON; under lock */
	struct telling *telling;   /* telling.c: NULL once all is told */
	struct requests *requests; /* NULL: nobody has asked yet, see model_derive() */
	struct parts_kept *parts; /* of their critical paths, as far as they were asked for: at most PARTS_KEPT_BYTES */
	pthread_mutex_t deriving;
	bool derived;
	struct model_cost {
		uint64_t kernel_ns, user_ns; /* CPU time of the recorder */
		uint64_t rss_bytes;	     /* the last one told */
	} cost;
	struct metrics_row *rates; /* metrics.c */
	uint32_t nrates, cap_rates;
	uint64_t damaged_blocks;
};

struct model_opts {
	const char *const *paths;
	unsigned int npaths;
	void (*damage)(void *arg, const char *sentence);
	void *arg;
};

/* Life cycle */
int model_load(const struct model_opts *opts, struct model **ret, struct err *err);
struct model *model_free(struct model *m); /* NULL ok; returns NULL */

/* telling.c: derives the requests and their rates when it is first called, with a reader of its own; the story then tells of the slow
 * ones, too.  Any thread. */
int model_derive(struct model *m, const struct model_opts *opts, struct err *err);

/* lanes.c, while loading */
int lanes_init(struct model *m);			   /* -ENOMEM */
uint32_t lane_of(struct model *m, const struct event *ev); /* learns from ev, too; NO_LANE: out of memory */
int lanes_done(struct model *m);			   /* places, sums, drawing order; -ENOMEM */

/* index.c, when all events were loaded and order/ is solved */
int model_index(struct model *m); /* -ENOMEM */

/* metrics.c, when requests are known: rates, errors and durations by service and operation; -ENOMEM */
int metrics_rates(struct model *m, const struct spans *s, struct err *err);
void metrics_free(struct model *m);

/* Events */
static inline uint32_t model_host_of(const struct model *m, uint32_t event)
{
	return m->lanes[m->ev.lane[event]].host;
}

static inline uint64_t model_id(const struct model *m, uint32_t event)
{
	return m->hosts[model_host_of(m, event)].id_base + m->ev.id[event];
}

static inline struct order_ref model_ref(const struct model *m, uint32_t event)
{
	return (struct order_ref) { model_host_of(m, event), model_id(m, event) };
}

uint32_t model_find(const struct model *m, struct order_ref ref); /* NO_EVENT: none */
/* ns since t0 of a moment on a host's boot clock. */
int64_t model_time(const struct model *m, uint32_t host, uint64_t boot_ns);
/* First event not before t; among those of one lane: its place in by_lane. */
uint32_t model_at(const struct model *m, int64_t t);
uint32_t model_lane_at(const struct model *m, uint32_t lane, int64_t t);

#endif
