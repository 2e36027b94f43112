/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_DIARY_H
#define SAKER_AGENT_DIARY_H
/*
 * diary - the agent's own recording: what it learned, decided and did, as events of its own thread.
 *
 * So they stand in program order, and others can name them as evidence: {id of the diary, time, number, CPU}.  The id is random, and
 * stands in the recording's first such `mark`, whose text is DIARY_MARK.  Without a folder nothing is stored, but events are numbered
 * all the same.
 *
 * Or they go into a recording that somebody else makes (agent/record.h), on a CPU of their own, which no event of the kernel has.
 *
 * Threads: one.  Memory: store/store.h.  Failure: what cannot be stored is said once, and the agent goes on.
 */
#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"
#include "peer/sign.h"

struct diary;
struct err;

#define DIARY_MARK "agent"

/* Life cycle.  dir: new or empty; NULL: stores nothing. */
int diary_open(const char *dir, uint64_t max_bytes, struct diary **ret, struct err *err);
int diary_close(struct diary *d, struct err *err); /* NULL ok */

/* Into somebody else's recording: from diary_put() on, until put is NULL.  alone: only diary_note() is used, no event is of a thread. */
typedef int (*diary_put_fn)(void *arg, const struct event_header *h);
int diary_beside(struct diary **ret, struct err *err);
int diary_put(struct diary *d, diary_put_fn put, void *arg, bool alone, struct err *err);

uint64_t diary_id(const struct diary *d);
uint16_t diary_cpu(const struct diary *d); /* that its events stand on */

/*
 * Writes an event: `fixed` is its generated struct with h.type set; the rest of the header is filled in here, h.boot_ns if it is 0.
 * strings ends with NULL.  *ret (may be NULL) names it.
 */
int diary_write(struct diary *d, void *fixed, const char *const *strings, struct sign_event *ret, struct err *err);
/* Likewise, but it is no event of a thread: nothing follows from its place among the others. */
int diary_note(struct diary *d, void *fixed, const char *const *strings, struct sign_event *ret, struct err *err);
/* Brings to the disk what was written; call it every second. */
int diary_turn(struct diary *d, uint64_t now_ns, struct err *err);

#endif
