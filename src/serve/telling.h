/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_SERVE_TELLING_H
#define SAKER_SERVE_TELLING_H
/*
 * telling - the story of a model, in a thread and with a reader of its own while the model is made; and the requests, once somebody
 * asks for them.  Then the story gets the line of the slow ones, too: what it was told from is kept until then, where there are
 * payloads of which requests could be made.
 *
 * Threads: those of load.c and, for model_derive(), any.  Memory: that of explain/story and explain/requests.
 */
#include "serve/model.h"

struct telling;

/* Starts the thread; *ret is ended by telling_end(), NULL ok. */
int telling_start(struct model *m, const struct model_opts *opts, struct telling **ret, struct err *err);
void telling_go(struct telling *t, bool solved); /* whether m->order is there is known */
int telling_end(struct telling *t, struct err *err);
/* What was kept for the line of the slow requests; NULL ok. */
struct telling *telling_free(struct telling *t);

#endif
