/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CHECKS_SEEN_H
#define SAKER_AGENT_CHECKS_SEEN_H
/*
 * checks_seen - what the agent's checks found (docs/formats/checks.md), for whoever asks again and again; found by VIP and backend.
 *
 * A file that has not changed is not read again.  Threads: one.  Memory: that of the document.
 * Failure: a file that is damaged is said in `trouble`, and nothing of it is told.
 */
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

struct balancer;
struct buf;

struct checks_seen {
	char of[PATH_MAX]; /* its path; "": none was read */
	struct stat file;  /* as it was then */
	json_t *doc;	   /* NULL: no agent has checked since the host started, or trouble says why not */
	char trouble[ERR_TEXT_MAX];
	size_t vip, backend; /* where the next one is looked for first: both come in the order of the wish */
};

void checks_seen_fini(struct checks_seen *s);
void checks_seen_refresh(struct checks_seen *s, const struct balancer *b);
/* NULL: no backend of it is checked; borrowed until the next refresh. */
const json_t *checks_seen_vip(struct checks_seen *s, const char *vip);
/* vip: of checks_seen_vip(), may be NULL */
const json_t *checks_seen_backend(struct checks_seen *s, const json_t *vip, const char *backend);

/* `,"check":{...}`, of a VIP: how it is asked, how long that took, how many are good and bad; nothing for NULL. */
void checks_seen_vip_json(struct buf *out, const json_t *vip);
/* `,"check":{...}` as the file has it, or null. */
void checks_seen_backend_json(struct buf *out, const json_t *backend);

#endif
