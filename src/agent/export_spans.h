/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_EXPORT_SPANS_H
#define SAKER_AGENT_EXPORT_SPANS_H
/*
 * export_spans - the requests of recordings, or of a file that Jaeger wrote, in formats of tools that show traces; to a file or
 * to a receiver.
 *
 * Threads: one.  Memory: that of traces.
 */
#include <stdio.h>

#include "export/otlp_send.h"
#include "export/spans.h"

struct export_spans_opts {
	const struct spans_format *format;
	const char *const *paths;
	unsigned int npaths;
	const char *query;		  /* of spans: a trace comes whole if one of its spans matches; NULL: all */
	FILE *out;			  /* NULL: it is sent */
	const struct otlp_target *target; /* where to, if out is NULL */
	void (*damage)(void *arg, const char *sentence);
	void (*progress)(void *arg, size_t sent, size_t all);
	void (*told)(void *arg, const char *sentence); /* of the receiver */
	void *arg;
};

struct export_spans_result {
	size_t spans, traces;  /* that were to be exported */
	uint64_t left_out;     /* by the analysis: there was no room, or a file was not understood there */
	bool no_epoch;	       /* the wall clock is not known: times count from the start of the machine */
	struct otlp_sent sent; /* also after a failure: what had arrived */
};

int export_spans_run(const struct export_spans_opts *opts, struct export_spans_result *ret, struct err *err);

#endif
