/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_TRACEPOINT_H
#define SAKER_PROBE_TRACEPOINT_H
/*
 * tracepoint - the kernel's description of a tracepoint (tracefs events/CATEGORY/NAME/format) as an event type.
 *
 * Reads tracefs through a private mount (fsopen(2)): nothing is mounted where others see it.
 */
#include "event/type.h"
#include "probe/dynamic.bpf.h"

struct err;

#define TRACEPOINT_FIELDS 32

struct tracepoint {
	char name[64];
	char names[TRACEPOINT_FIELDS][48];
	struct event_field fields[TRACEPOINT_FIELDS];
	struct event_type type;
	struct dynamic_type wire;
};

/* text: the format file.  Fills fields, type (id 0) and wire. */
int tracepoint_parse(const char *name, const char *text, struct tracepoint *ret, struct err *err);
/* Reads and parses; *ret_id is the number for perf_event_open(2). */
int tracepoint_read(const char *category, const char *name, struct tracepoint *ret, int *ret_id, struct err *err);

#endif
