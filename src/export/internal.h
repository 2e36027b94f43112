/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPORT_INTERNAL_H
#define SAKER_EXPORT_INTERNAL_H
/* internal - what the files of export/ share; nobody else includes it. */
#include "base/buf.h"
#include "base/map.h"
#include "event/event.h"
#include "explain/title.h"
#include "export/export.h"

/* What the formats implement. */
struct export_format {
	const char *name, *about;
	bool ordered;
	int (*write)(struct export *x, struct err *err);
};

/* names.c */
struct export_sock {
	uint64_t cookie;
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
	uint32_t host, next;
	uint8_t protocol;
};

struct export_process {
	char comm[TITLE_TEXT];
	uint64_t netns, cgroup;
};

struct export_names {
	char **hosts; /* each other than all others */
	char **places;
	struct export_process *processes;
	struct export_sock *socks;
	uint32_t nhosts, nplaces, nprocesses, nsocks;
	struct map place_map, process_map, sock_map; /* -> index + 1 */
};

/* A type of which events had no form. */
struct export_left {
	const struct event_type *type;
	uint64_t count;
};

struct export
{
	const struct export_opts *opts;
	const struct order *order;
	FILE *out;
	struct buf line;
	struct export_names names;
	struct export_counts counts;
	struct export_left *left;
	size_t nleft;
};

int names_init(struct export *x, struct err *err);
void names_fini(struct export_names *n);
int names_learn(struct export *x, const struct event *ev, struct err *err);
/* Where the process lives: the host, or in a single recording its container or network namespace, if that has a name. */
const char *names_place(const struct export *x, uint32_t host, uint32_t tgid);
const char *names_comm(const struct export *x, uint32_t host, uint32_t tgid); /* "": unknown */
const struct export_sock *names_sock(const struct export *x, uint32_t host, uint64_t cookie);

/* export.c */
/* An event of the system, done by a thread of it. */
static inline bool export_by_thread(const struct event *ev)
{
	return ev->h->context == CONTEXT_TASK && ev->type->id != EVENT_PROCESS && ev->type->id != EVENT_SOCKET;
}

static inline bool export_wanted(const struct export *x, const struct event *ev)
{
	return !x->opts->wanted || x->opts->wanted(x->opts->arg, ev);
}

int export_leave_out(struct export *x, const struct event *ev, struct err *err);
int export_flush(struct export *x, struct err *err); /* writes x->line and empties it */
/* Each event of a new pass. */
typedef int export_each_fn(struct export *x, const struct event *ev, void *arg, struct err *err);
int export_each(struct export *x, export_each_fn *each, void *arg, struct err *err);

#endif
