/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_INTERNAL_H
#define SAKER_SERVE_INTERNAL_H
/*
 * internal - what the files of serve/ share; nobody else but its tests and fuzzers includes it.
 *
 * http.c (libmicrohttpd) -> request.c (who may ask what) -> answer.c, window.c, cause.c, search.c, spans.c, groups.c, traces.c (JSON) -> model
 */
#include <pthread.h>

#include "serve/model.h"
#include "serve/serve.h"

#define PARAMS_MAX 16
#define URL_MAX 8192 /* a list of a thousand lanes */

struct serve_param {
	const char *name, *value; /* value "" where there is none */
};

/* What was asked, decoded; strings are borrowed. */
struct serve_request {
	const char *method, *path;
	const char *host, *origin, *authorization, *accept; /* headers; NULL: absent */
	const char *if_none_match;
	struct serve_param params[PARAMS_MAX];
	unsigned int nparams;
	bool too_many; /* more parameters than that */
	bool too_long; /* the URL */
	bool nul;      /* it has one */
};

struct serve_response {
	unsigned int status;
	const char *type; /* media type */
	const char *etag; /* NULL: not to be kept by anybody */
	struct buf body;
	const void *data; /* instead of body: lives as long as the program */
	size_t size;
};

struct filter; /* search.c */

struct serve {
	/* never changes */
	char token[SERVE_TOKEN_MAX];
	char url[SERVE_TOKEN_MAX + 96];
	char address[64];
	uint16_t port;
	bool loopback; /* listens on it only */
	struct serve_opts opts;
	/* under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct model *model; /* NULL: not loaded yet */
	unsigned int generation;
	bool failed, stopping;
	char failure[512];
	struct filter *filters;
	uint64_t filter_clock;
	/* http.c, live.c */
	struct MHD_Daemon *daemon;
	pthread_t loader;
	bool loading;
};

/* request.c: fills *rs whatever was asked. */
void serve_answer(struct serve *s, const struct serve_request *rq, struct serve_response *rs);
/* Requests are derived, if nobody has asked yet; false: rs says why not. */
bool serve_derive(struct serve *s, struct model *m, struct serve_response *rs);
const char *request_param(const struct serve_request *rq, const char *name); /* NULL: absent */
bool request_number(const struct serve_request *rq, const char *name,
		    double *ret); /* absent: as it was; false: no number */
bool request_event(const struct model *m, const struct serve_request *rq, const char *name, uint32_t *ret);
void response_error(struct serve_response *rs, unsigned int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void response_fini(struct serve_response *rs);

uint32_t actions_count(const struct model *m); /* actions.c: of the recordings */

/* live.c: the model of now, which stays while it is held; NULL: there is none (*ret_why says why). */
struct model *serve_hold(struct serve *s, unsigned int *ret_generation);
void serve_drop(struct serve *s, struct model *m);
int serve_load(struct serve *s);	  /* starts the thread that loads and follows */
void serve_stop_waiting(struct serve *s); /* from now on nobody waits */
void serve_unload(struct serve *s);
void serve_wait(struct serve *s, unsigned int generation, unsigned int seconds); /* for another generation */

/* One endpoint each. */
typedef void serve_answer_fn(struct serve *s, struct model *m, const struct serve_request *rq,
			     struct serve_response *rs);
serve_answer_fn answer_info, answer_story, answer_lanes;				      /* answer.c */
serve_answer_fn answer_window;								      /* window.c */
serve_answer_fn answer_event, answer_cone, answer_step;					      /* cause.c */
serve_answer_fn answer_actions;								      /* actions.c */
serve_answer_fn answer_metrics;								      /* metrics.c */
serve_answer_fn answer_search;								      /* search.c */
serve_answer_fn answer_requests, answer_heat;						      /* spans.c */
serve_answer_fn answer_groups;								      /* groups.c */
serve_answer_fn answer_trace, answer_compare, answer_map;				      /* traces.c */
void answer_live(struct serve *s, const struct serve_request *rq, struct serve_response *rs); /* answer.c */

/* What needs no recording: balancer.c */
void answer_balancer(struct serve *s, const struct serve_request *rq, struct serve_response *rs);
void answer_why(struct serve *s, const struct serve_request *rq, struct serve_response *rs);
void answer_bare(struct serve *s, const struct serve_request *rq,
		 struct serve_response *rs); /* all, where there is none */
void balancer_metrics(struct serve *s, struct buf *out, bool open);

/* JSON of an event's parts */
void put_number(struct buf *b, const char *name, int64_t v);	    /* name: `,"t":` */
void put_ref(struct buf *b, const struct model *m, uint32_t event); /* "0:123" with its quotes */
void put_type(struct buf *b, const struct model *m, uint32_t event);
/* Fetches it; borrowed room; the caller holds m->lock. */
union event_room {
	struct event_header h;
	char bytes[EVENT_LENGTH_MAX];
};
int model_fetch(struct model *m, uint32_t event, union event_room *room, struct event *ret, struct err *err);
void put_label(struct buf *b, struct model *m, const struct event *ev); /* a literal */
/* Its causes, or its effects, as an array; program: also those of its own thread.  The caller holds m->lock. */
void put_sides(struct buf *b, struct model *m, uint32_t event, bool causes, bool program);

/* search.c: which events a query finds, as bits by event; NULL: rs tells what is wrong with it.  Hold until bits_drop(). */
struct bits;
const uint64_t *bits_words(const struct bits *b);
struct bits *bits_find(struct serve *s, struct model *m, const char *query, struct serve_response *rs);
void bits_drop(struct serve *s, struct bits *b);
void filters_free(struct serve *s);

/* spans.c: those of the recordings; NULL: none was looked for */
const struct spans *model_spans(const struct model *m);
/* t of the begin of a span */
int64_t model_span_time(const struct model *m, const struct spans *s, uint32_t span);
/* `,"t":1,"lane":2,"refs":["0:1","0:2"]`: its begin, and the events of begin and end, null where they are not there */
void put_span_place(struct buf *b, const struct model *m, const struct spans *s, uint32_t span);

/* A region of the heat map: t of the begin and duration in ns, the second of each not included. */
struct span_region {
	double from, to, min, max;
};
bool span_region_has(const struct span_region *a, const struct model *m, const struct spans *s, uint32_t span);
struct spans_found {
	uint32_t *rows;
	size_t n, total; /* total: requests in all */
};
/* Roots that are asked for; the caller frees f->rows.  False: rs says what is wrong. */
bool spans_find(const struct model *m, const struct serve_request *rq, struct spans_found *f,
		struct serve_response *rs);

static inline bool bit_at(const uint64_t *words, uint32_t i)
{
	return words[i / 64] >> (i % 64) & 1;
}

#endif
