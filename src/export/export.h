/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPORT_EXPORT_H
#define SAKER_EXPORT_EXPORT_H
/*
 * export - the events of recordings in the formats of other tools, written as a stream.
 *
 * Use: export_learn() every event, so that names of processes and ends of sockets are known from the first line on;
 * then export_write(), which asks for the events again.  What a format has no form for is left out and counted by type;
 * what the recorder says of itself, and descriptions of processes and sockets, are no events of the system and not counted.
 *
 * Threads: one.  Memory: about 100 bytes a process and a socket, at most EXPORT_NAMES_MAX of each (events of further
 * sockets are left out); ShiViz: a number for each thread, for each thread and each message under way, at most
 * EXPORT_VECTOR_BYTES.
 * Failure: writing, reading, or that limit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "order/order.h"

struct err;
struct event;
struct event_source;
struct export;
struct export_format;

#define EXPORT_NAMES_MAX (1U << 22)
#define EXPORT_VECTOR_BYTES (1ULL << 30)

extern const struct export_format export_falcon, export_shiviz, export_chrome;
/* By name, NULL: none; the nth, NULL at the end. */
const struct export_format *export_format_find(const char *name);
const struct export_format *export_format_nth(unsigned int n);
const char *export_format_name(const struct export_format *f);
const char *export_format_about(const struct export_format *f);
bool export_format_ordered(const struct export_format *f); /* whether export_write() needs an order */

struct export_opts {
	const struct export_format *format;
	unsigned int hosts;
	const char *(*host_name)(void *arg, uint32_t host);
	uint64_t (*host_epoch)(void *arg, uint32_t host);		      /* Unix ns of its boot_ns 0; 0: unknown */
	bool (*wanted)(void *arg, const struct event *ev);		      /* NULL: all */
	int (*events)(void *arg, struct event_source **ret, struct err *err); /* all of them again, in order of time */
	/* One of them, borrowed until the next call. */
	int (*fetch)(void *arg, struct order_ref a, const struct event **ret, struct err *err);
	void *arg;
};

int export_new(const struct export_opts *opts, struct export **ret, struct err *err);
struct export *export_free(struct export *x); /* NULL ok; returns NULL */
int export_learn(struct export *x, const struct event *ev, struct err *err);
/* order: solved; NULL where the format needs none. */
int export_write(struct export *x, const struct order *order, FILE *out, struct err *err);

struct export_counts {
	uint64_t events, left_out, edges;
};
void export_get_counts(const struct export *x, struct export_counts *ret);
/* The nth type of what was left out, and how many; NULL at the end. */
const char *export_left_out(const struct export *x, size_t nth, uint64_t *ret_count);

#endif
