/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/telling.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "base/err.h"
#include "explain/parts_kept.h"
#include "explain/requests.h"
#include "explain/story.h"
#include "explain/story_json.h"
#include "serve/walk.h"

#define SAME_CLOCK_NS 10000000

struct telling {
	const struct model_opts *opts; /* until telling_end() */
	struct model *m;	       /* its order may be looked at once `solved` was posted, if `tell` is set */
	sem_t solved;
	bool tell, running;
	pthread_t thread;
	struct err err;
	int r;
	struct store_reader *reader; /* of the thread; the story's names are its */
	struct story *story;
};

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory for the story");
}

static const char *host_name(void *arg, uint32_t host)
{
	const char *name = store_host_name(arg, host);

	return name ? name : "";
}

/* --- the story --- */

/* Clocks of two machines start at other moments; of one machine they are one, however exactly they were read. */
static void shift_story(struct story *story, const struct store_reader *reader)
{
	uint64_t first = store_host_epoch(reader, 0), epoch;
	uint32_t i;

	for (i = 1; i < store_hosts(reader); i++) {
		int64_t shift = (int64_t)((epoch = store_host_epoch(reader, i)) - first);

		if (first && epoch && (shift > SAME_CLOCK_NS || shift < -SAME_CLOCK_NS))
			story_clock(story, i, shift);
	}
}

static int take_story(void *arg, const struct event *ev, struct err *err)
{
	return story_add(arg, ev, err);
}

/* As it stands now. */
static int write_story(struct telling *t, struct buf *ret, struct err *err)
{
	story_json(ret, t->story, t->m->order, host_name, t->reader);
	return ret->failed ? no_memory(err) : 0;
}

static int tell(struct telling *t)
{
	int r;

	shift_story(t->story, t->reader);
	r = walk(t->reader, NULL, take_story, t->story, &t->err);
	while (sem_wait(&t->solved) < 0 && errno == EINTR)
		;
	if (r < 0 || !t->tell)
		return r;
	r = story_tell(t->story, t->m->order, &t->err);
	return r < 0 ? r : write_story(t, &t->m->story, &t->err);
}

static void *telling_main(void *arg)
{
	struct telling *t = arg;

	t->r = store_open(t->opts->paths, t->opts->npaths, &t->reader, &t->err);
	if (t->r >= 0)
		t->r = story_new(store_hosts(t->reader) > 1 ? host_name : NULL, t->reader, &t->story, &t->err);
	if (t->r >= 0)
		t->r = tell(t);
	return NULL;
}

int telling_start(struct model *m, const struct model_opts *opts, struct telling **ret, struct err *err)
{
	struct telling *t = calloc(1, sizeof(*t));

	if (!t)
		return no_memory(err);
	t->m = m;
	t->opts = opts;
	(void)sem_init(&t->solved, 0, 0);
	t->running = !pthread_create(&t->thread, NULL, telling_main, t);
	if (!t->running) {
		telling_free(t);
		return err_set(err, EAGAIN, "cannot start a thread for the story");
	}
	*ret = t;
	return 0;
}

void telling_go(struct telling *t, bool solved)
{
	if (!t)
		return;
	t->tell = solved;
	(void)sem_post(&t->solved);
}

struct telling *telling_free(struct telling *t)
{
	if (!t)
		return NULL;
	story_free(t->story);
	store_reader_free(t->reader);
	(void)sem_destroy(&t->solved);
	free(t);
	return NULL;
}

int telling_end(struct telling *t, struct err *err)
{
	int r;

	if (!t)
		return 0;
	(void)pthread_join(t->thread, NULL);
	t->opts = NULL;
	r = t->r;
	if (r < 0 && err)
		*err = t->err;
	if (r >= 0 && t->tell && t->m->payloads)
		t->m->telling = t;
	else
		telling_free(t);
	return r;
}

/* --- the requests, once somebody asks for them --- */

static int take_request(void *arg, const struct event *ev, struct err *err)
{
	struct model *m = arg;

	/* the recording may have grown since the model was made */
	if (model_find(m, (struct order_ref) { ev->host, ev->id }) == NO_EVENT)
		return 0;
	return requests_add(m->requests, ev, err);
}

/* The story with the line of the slow ones in the place of that without. */
static int tell_slow(struct model *m, struct err *err)
{
	struct buf story = BUF_INIT, old;
	int r;

	if (!m->telling)
		return 0;
	r = story_requests(m->telling->story, requests_spans(m->requests), err);
	if (r >= 0)
		r = write_story(m->telling, &story, err);
	if (r >= 0) {
		(void)pthread_mutex_lock(&m->lock);
		old = m->story;
		m->story = story;
		(void)pthread_mutex_unlock(&m->lock);
		story = old;
	}
	buf_fini(&story);
	m->telling = telling_free(m->telling);
	return r;
}

static int derive(struct model *m, const struct model_opts *opts, struct err *err)
{
	struct store_reader *reader = NULL;
	struct requests_opts ro = { 0 };
	int r = store_open(opts->paths, opts->npaths, &reader, err);

	if (r >= 0) {
		ro.host_name = store_hosts(reader) > 1 ? host_name : NULL;
		ro.arg = reader;
		r = requests_new(&ro, &m->requests, err);
	}
	if (r >= 0)
		r = walk(reader, NULL, take_request, m, err);
	if (r >= 0)
		r = requests_build(m->requests, m->order, err);
	if (r >= 0)
		r = tell_slow(m, err);
	if (r >= 0)
		r = parts_kept_new(requests_spans(m->requests), PARTS_KEPT_BYTES, &m->parts, err);
	if (r >= 0)
		r = metrics_rates(m, requests_spans(m->requests), err);
	store_reader_free(reader);
	return r;
}

int model_derive(struct model *m, const struct model_opts *opts, struct err *err)
{
	int r = 0;

	(void)pthread_mutex_lock(&m->deriving);
	if (!m->derived) {
		r = derive(m, opts, err);
		if (r < 0) {
			m->parts = parts_kept_free(m->parts);
			m->requests = requests_free(m->requests);
		}
		m->derived = r >= 0;
	}
	(void)pthread_mutex_unlock(&m->deriving);
	return r;
}
