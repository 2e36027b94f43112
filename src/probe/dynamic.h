/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROBE_DYNAMIC_H
#define SAKER_PROBE_DYNAMIC_H
/*
 * dynamic - probes named on the command line: `tracepoint:CATEGORY:NAME` and `uprobe:/PATH:FUNCTION`.
 * Each declares an event type of its own, whose fields come from the kernel's description of the tracepoint,
 * or are the first five integer arguments of the function.
 */
#include <stddef.h>

struct dynamic;
struct err;
struct event_types;
struct kernel;

/* Parses the names and declares the types.  -EINVAL, -ENOENT with what is wrong. */
int dynamic_new(const char *const *probes, size_t n, struct event_types *types, struct dynamic **ret, struct err *err);
int dynamic_attach(struct dynamic *d, struct kernel *k, struct err *err); /* loads its object, if there is a probe */
void dynamic_detach(struct dynamic *d);					  /* NULL ok */
struct dynamic *dynamic_free(struct dynamic *d);			  /* NULL ok; returns NULL */

#endif
