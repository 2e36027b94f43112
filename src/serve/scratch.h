/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_SCRATCH_H
#define SAKER_SERVE_SCRATCH_H
/* scratch - for tests and the fuzzer of serve/: a recording of what they put into it, and a server of it without sockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "event/event.h"
#include "serve/internal.h"
#include "store/store.h"

#define SCRATCH_EPOCH 1700000000000000000ULL
#define SCRATCH_TOKEN "token-of-the-test"

struct scratch {
	char dir[256], rec[300];
	const char *path;
	struct event_types *types;
	struct store_writer *writer;
	struct serve serve;
	uint64_t id, seq;
	struct err err;
};

static inline void scratch_die(struct scratch *s, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", what, s->err.text);
	abort();
}

/* Returns the id that the event gets. */
static inline uint64_t scratch_put(struct scratch *s, void *fixed, const char *const *strings)
{
	static const char *const none[] = { "", "", "", NULL };
	struct event_header *h = fixed;
	const struct event_type *type = event_static_type(h->type);
	const char *given[5] = { NULL };
	unsigned int i, n = 0;
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;

	for (i = 0; i < type->nfields; i++)
		n += type->fields[i].kind == EVENT_STR;
	for (i = 0; i < n && i < 4; i++)
		given[i] = strings && strings[i] ? strings[i] : none[0];
	h->seq = s->seq++;
	if (event_build(&room, sizeof(room), fixed, given) < 0 || store_append(s->writer, &room.h, &s->err) < 0)
		scratch_die(s, "cannot put an event");
	return ++s->id;
}

static inline struct event_header scratch_head(uint16_t type, uint64_t ns, uint32_t tgid, uint32_t tid)
{
	return (struct event_header) { .type = type,
				       .boot_ns = ns,
				       .tgid = tgid,
				       .tid = tid,
				       .start_ns = tid ? tid : 0,
				       .context = tgid ? CONTEXT_TASK : CONTEXT_RECORDER };
}

static inline void scratch_clock(struct scratch *s, uint64_t ns)
{
	struct event_clock e = { .h = scratch_head(EVENT_CLOCK, ns, 0, 0), .real_ns = SCRATCH_EPOCH + ns };

	(void)scratch_put(s, &e, NULL);
}

static inline void scratch_open(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");
	struct store_opts so = { .uid = UINT32_MAX, .gid = UINT32_MAX, .hostname = "scratch", .boot_id = "" };

	*s = (struct scratch) { .id = 0 };
	(void)snprintf(s->dir, sizeof(s->dir), "%s/saker-serve-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(s->dir) || event_types_new(&s->types) < 0)
		scratch_die(s, "cannot make a folder");
	(void)snprintf(s->rec, sizeof(s->rec), "%s/rec", s->dir);
	s->path = s->rec;
	so.dir = s->rec;
	so.types = s->types;
	if (store_create(&so, &s->writer, &s->err) < 0)
		scratch_die(s, "cannot make a recording");
}

/* Closes the recording and loads it: now serve_answer() can be asked. */
static inline struct model *scratch_serve(struct scratch *s)
{
	struct model_opts opts = { .paths = &s->path, .npaths = 1 };
	struct serve *v = &s->serve;

	if (store_close(s->writer, &s->err) < 0)
		scratch_die(s, "cannot close the recording");
	v->opts = (struct serve_opts) { .paths = &s->path, .npaths = 1 };
	v->loopback = true;
	(void)strcpy(v->token, SCRATCH_TOKEN);
	(void)pthread_mutex_init(&v->lock, NULL);
	(void)pthread_cond_init(&v->changed, NULL);
	if (model_load(&opts, &v->model, &s->err) < 0)
		scratch_die(s, "cannot load the recording");
	v->generation = v->model->generation = v->model->holders = 1;
	return v->model;
}

static inline void scratch_close(struct scratch *s)
{
	char command[400];

	filters_free(&s->serve);
	serve_drop(&s->serve, s->serve.model);
	event_types_free(s->types);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
	if (system(command) != 0)
		scratch_die(s, "cannot remove the folder");
}

/* `a=1&b=2`, which is cut up, with %XX as in an address. */
static inline void scratch_params(struct serve_request *rq, char *query)
{
	char *save = NULL, *one, *in, *out;

	for (one = strtok_r(query, "&", &save); one; one = strtok_r(NULL, "&", &save)) {
		char *value = strchr(one, '=');

		rq->too_many = rq->nparams == PARAMS_MAX;
		if (rq->too_many)
			return;
		if (value)
			*value++ = 0;
		for (in = out = value; in && *in; in++) {
			unsigned int byte;

			if (*in == '%' && sscanf(in + 1, "%2x", &byte) == 1 && byte && in[1] && in[2]) {
				*out++ = (char)byte;
				in += 2;
			} else {
				*out++ = *in == '+' ? ' ' : *in;
			}
		}
		if (value)
			*out = 0;
		rq->params[rq->nparams++] = (struct serve_param) { one, value ? value : "" };
	}
}

/* What is answered to GET PATH?QUERY of somebody who may ask; response_fini() it. */
static inline void scratch_get(struct scratch *s, const char *path, const char *query, struct serve_response *rs)
{
	struct serve_request rq = {
		.method = "GET", .path = path, .host = "localhost:7070", .authorization = "Bearer " SCRATCH_TOKEN
	};
	CLEANUP_FREE char *copy = strdup(query);

	*rs = (struct serve_response) { 0 };
	scratch_params(&rq, copy);
	serve_answer(&s->serve, &rq, rs);
}

#endif
