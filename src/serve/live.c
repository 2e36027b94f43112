/* SPDX-License-Identifier: Apache-2.0 */
/* live - the model of now: loaded in a thread of its own, and again when the recordings have grown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "serve/internal.h"

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

static int load(struct serve *s)
{
	struct model_opts opts = {
		.paths = s->opts.paths, .npaths = s->opts.npaths, .damage = s->opts.damage, .arg = s->opts.arg
	};
	struct err err = ERR_INIT;
	struct model *m;
	int r = model_load(&opts, &m, &err);

	if (r >= 0) {
		publish(s, m);
		return 0;
	}
	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(s->failure, sizeof(s->failure), "%s", err.text);
	s->failed = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

static void *loader_main(void *arg)
{
	(void)load(arg);
	return NULL;
}

int serve_load(struct serve *s)
{
	int r = pthread_create(&s->loader, NULL, loader_main, s);

	s->loading = !r;
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
	struct model *m = serve_hold(s, NULL);

	if (!m)
		return err_set(err, EIO, "%s", s->failure);
	serve_drop(s, m);
	return 0;
}
