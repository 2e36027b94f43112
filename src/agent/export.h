/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_EXPORT_H
#define SAKER_AGENT_EXPORT_H
/*
 * export - recordings read twice: once to put them into order and to learn names, once to be written in another format.
 *
 * Threads: one.  Memory: that of order/ where the format needs one, and of export/.
 */
#include <stdio.h>

#include "export/export.h"

struct export_run_opts {
	const struct export_format *format;
	const char *const *paths;
	unsigned int npaths;
	const char *query;					       /* NULL: all events */
	void (*damage)(void *arg, const char *sentence);	       /* told each bad block, once; may be NULL */
	void (*left_out)(void *arg, const char *type, uint64_t count); /* told at the end; may be NULL */
	void *arg;
};

int export_run(const struct export_run_opts *opts, FILE *out, struct export_counts *ret, struct err *err);

#endif
