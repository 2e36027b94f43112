/* SPDX-License-Identifier: Apache-2.0 */
/* live - the model of now: loaded in a thread of its own, and again when the recordings have grown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "serve/internal.h"
#include "store/store.h"

#define LOOK_NS (300 * NS_PER_MS)
#define LOAD_SHARE 4

struct model *serve_hold(struct serve *s, unsigned int *ret_generation)
{
	struct model *m;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->model && !s->failed && !s->stopping)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	m = s->model;
	if (m)
		m->holders++;
	if (ret_generation)
		*ret_generation = s->generation;
	(void)pthread_mutex_unlock(&s->lock);
	return m;
}

void serve_drop(struct serve *s, struct model *m)
{
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	last = --m->holders == 0;
	(void)pthread_mutex_unlock(&s->lock);
	if (last)
		model_free(m);
}

void serve_wait(struct serve *s, unsigned int generation, unsigned int seconds)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	(void)pthread_mutex_lock(&s->lock);
	while (!r && !s->stopping && !s->failed && s->generation == generation)
		r = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	(void)pthread_mutex_unlock(&s->lock);
}

static void publish(struct serve *s, struct model *m)
{
	struct model *old;

	(void)pthread_mutex_lock(&s->lock);
	old = s->model;
	m->holders = 1;
	m->generation = ++s->generation;
	s->model = m;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	if (old)
		serve_drop(s, old);
}

/* A model that is there stays when the next one cannot be had. */
static void tell_failure(struct serve *s, const struct err *err)
{
	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(s->failure, sizeof(s->failure), "%s", err->text);
	s->failed = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static int load(struct serve *s)
{
	struct model_opts opts = {
		.paths = s->opts.paths, .npaths = s->opts.npaths, .damage = s->opts.damage, .arg = s->opts.arg
	};
	struct err err = ERR_INIT;
	struct model *m;
	int r = model_load(&opts, &m, &err);

	if (r < 0)
		tell_failure(s, &err);
	else
		publish(s, m);
	return r;
}

/* Waits; false: the server ends. */
static bool pause_ns(struct serve *s, uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;
	struct timespec until = { .tv_sec = (time_t)(end / NS_PER_SEC), .tv_nsec = (long)(end % NS_PER_SEC) };
	bool stopping;
	int r = 0;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->stopping && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	stopping = s->stopping;
	(void)pthread_mutex_unlock(&s->lock);
	return !stopping;
}

/* Whether there is more than the model has, or it is known that no more will come. */
static bool has_grown(struct model *m)
{
	struct store_stats st;
	bool grown;

	(void)pthread_mutex_lock(&m->lock);
	(void)store_refresh(m->reader, NULL);
	store_reader_stats(m->reader, &st);
	grown = st.events > m->seen || !store_growing(m->reader);
	(void)pthread_mutex_unlock(&m->lock);
	return grown;
}

/* All is made anew each time, so it takes longer the longer it gets: LOAD_SHARE times as long is rested after each. */
static void follow(struct serve *s)
{
	uint64_t took = 0;

	while (s->model->growing) {
		uint64_t begin;

		if (!pause_ns(s, MAX(LOOK_NS, took * LOAD_SHARE)))
			return;
		while (!has_grown(s->model))
			if (!pause_ns(s, LOOK_NS))
				return;
		begin = clock_ns(CLOCK_MONOTONIC);
		if (load(s) < 0)
			return;
		took = clock_ns(CLOCK_MONOTONIC) - begin;
	}
}

static void *loader_main(void *arg)
{
	struct serve *s = arg;

	if (load(s) >= 0 && s->opts.live)
		follow(s);
	return NULL;
}

int serve_load(struct serve *s)
{
	int r = s->opts.npaths ? pthread_create(&s->loader, NULL, loader_main, s) : 0;

	s->loading = !r && s->opts.npaths;
	return -r;
}

void serve_stop_waiting(struct serve *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

void serve_unload(struct serve *s)
{
	serve_stop_waiting(s);
	if (s->loading)
		(void)pthread_join(s->loader, NULL);
	s->loading = false;
	if (s->model)
		serve_drop(s, s->model);
	s->model = NULL;
}

int serve_loaded(struct serve *s, struct err *err)
{
	struct model *m = s->opts.npaths ? serve_hold(s, NULL) : NULL;

	if (!m && s->opts.npaths)
		return err_set(err, EIO, "%s", s->failure);
	if (m)
		serve_drop(s, m);
	return 0;
}
