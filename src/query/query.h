/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_QUERY_QUERY_H
#define SAKER_QUERY_QUERY_H
/*
 * query - the filter language over events: `type=send and bytes>1000 and not host=node3`.
 *
 * A compiled query is immutable.  Grammar, operators and special names: docs/query.md.
 * Names that no event type has are an error with the column; names that only other types have
 * simply do not match (`bytes>10` is false for a fork).
 *
 * Threads: one query may be evaluated by many threads.  Memory: bounded by the text's length
 * (QUERY_TEXT_MAX) and the number of event types.  Failure: only query_compile() can fail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_TEXT_MAX 4096
#define QUERY_DEPTH_MAX 64 /* nested parentheses and nots */

struct query;
struct err;
struct event;
struct event_types;

/*
 * What a query may ask that is not in the event itself; the reader of the recording knows it.
 * Each may return NULL (unknown); strings are borrowed for the duration of the call.
 */
struct query_scope {
	void *arg;
	const char *(*host)(void *arg, const struct event *ev);	     /* host, or network namespace's name */
	const char *(*process)(void *arg, const struct event *ev);   /* command name of ev's process */
	const char *(*title)(void *arg, const struct event *ev);     /* what else it goes by */
	const char *(*container)(void *arg, const struct event *ev); /* its container, */
	const char *(*unit)(void *arg, const struct event *ev);	     /* systemd unit */
	const char *(*cgroup)(void *arg, const struct event *ev);    /* and the path of its control group */
	uint64_t (*goroutine)(void *arg, const struct event *ev);    /* whose event it is, 0: none */
	void *time_arg;
	uint64_t (*since_ns)(void *time_arg, const struct event *ev); /* time since the recording began */
};

/* text: NUL-terminated; types: to check names against, borrowed during the call only.
 * -EINVAL: err says what was expected, and *ret_column (from 1; may be NULL) where. */
int query_compile(const char *text, const struct event_types *types, struct query **ret, unsigned int *ret_column,
		  struct err *err);
struct query *query_free(struct query *q); /* NULL ok; returns NULL */

/* scope and its functions may be NULL.  A NULL query matches everything. */
bool query_match(const struct query *q, const struct event *ev, const struct query_scope *scope);

/* The one process that every matching event belongs to (`pid=4711 and ...`), 0: several may match.  For the
 * process index of recordings. */
uint32_t query_pid(const struct query *q);
/* Whether it asks for the time since the recording began, or for names that only earlier events tell. */
bool query_needs_scope(const struct query *q);

#endif
