/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_DIARY_H
#define SAKER_AGENT_DIARY_H
/*
 * diary - the agent's own recording: what it learned, decided and did, as events of its own thread.
 *
 * So they stand in program order, and others can name them as evidence: {id of the diary, time, number, CPU 0}.  The id is random, and
 * stands in the recording's first `mark`, whose text is DIARY_MARK.  Without a folder nothing is stored, but events are numbered
 * all the same.
 *
 * Threads: one.  Memory: store/store.h.  Failure: what cannot be stored is said once, and the agent goes on.
 */
#include <stdint.h>

#include "event/event.h"
#include "peer/sign.h"

struct diary;
struct err;

#define DIARY_MARK "agent"

/* Life cycle.  dir: new or empty; NULL: stores nothing. */
int diary_open(const char *dir, uint64_t max_bytes, struct diary **ret, struct err *err);
int diary_close(struct diary *d, struct err *err); /* NULL ok */

uint64_t diary_id(const struct diary *d);

/*
 * Writes an event: `fixed` is its generated struct with h.type set; the rest of the header is filled in here, h.boot_ns if it is 0.
 * strings ends with NULL.  *ret (may be NULL) names it.
 */
int diary_write(struct diary *d, void *fixed, const char *const *strings, struct sign_event *ret, struct err *err);
/* Brings to the disk what was written; call it every second. */
int diary_turn(struct diary *d, uint64_t now_ns, struct err *err);

#endif
