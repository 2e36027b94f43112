/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_SAID_H
#define SAKER_AGENT_BALANCER_SAID_H
/*
 * balancer_said - what the agent of this host last said of an interface's backends (docs/formats/health.md), found by VIP and backend.
 *
 * A file that has not changed is not read again.  Threads: one.  Memory: that of the document.
 * Failure: a file that is damaged is said in `trouble`, and nothing of it is told.
 */
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/map.h"

struct balancer;
struct buf;

struct said {
	char of[PATH_MAX]; /* its path; "": none was read */
	struct stat file;  /* as it was then */
	json_t *doc;	   /* NULL: no agent has kept this interface, or trouble says why not */
	struct map rows;   /* hash of VIP, or of VIP and backend -> the json_t */
	char trouble[ERR_TEXT_MAX];
	bool runs; /* an agent does now */
};

void said_fini(struct said *s);
/* Takes the file as it is now; -ENOMEM. */
int said_refresh(struct said *s, const struct balancer *b);
/* NULL: nothing is said of it; borrowed until the next refresh. */
const json_t *said_vip(const struct said *s, const char *vip);
const json_t *said_backend(const struct said *s, const char *vip, const char *backend);
const char *said_text(const json_t *object, const char *key); /* "": there is none */
/*
 * For Prometheus: whether an agent runs, and what the last one said of each backend of VIPs that it may act on.  on: the interface.
 * The same in both text formats, since all are gauges.
 */
void said_prometheus(struct buf *out, const struct said *s, const char *on);
/* A value as JSON; NULL: null. */
void said_json(struct buf *out, const json_t *value);

#endif
