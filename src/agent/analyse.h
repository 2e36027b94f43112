/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_ANALYSE_H
#define SAKER_AGENT_ANALYSE_H
/*
 * analyse - recordings opened, put into causal order, and their story told, in one pass over the events.  The story tells of
 * requests, too, where messages were recorded.
 *
 * Threads: one.  Memory: that of order/ and, with a story, of explain/story; with either, of explain/requests.
 */
#include <stdbool.h>

struct err;
struct order;
struct requests;
struct store_reader;
struct story;

struct analysis {
	struct store_reader *reader;
	struct order *order;
	struct story *story;	   /* NULL unless asked for */
	struct requests *requests; /* likewise */
	bool payloads;		   /* there are messages that requests can be read from */
};

struct analysis_opts {
	const char *const *paths;
	unsigned int npaths;
	bool story;
	bool requests, ignore_ids, timing;			/* the latter two as in struct requests_opts */
	void (*damage)(void *arg, const char *sentence);	/* told each bad block; may be NULL */
	void (*progress)(void *arg, unsigned long long events); /* told now and then; may be NULL */
	void *arg;
};

int analysis_open(const struct analysis_opts *opts, struct analysis *ret, struct err *err);
void analysis_close(struct analysis *a); /* zeroed ok */

#endif
