/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_EXPLAIN_DESCRIBE_H
#define SAKER_EXPLAIN_DESCRIBE_H
/*
 * describe - what an event says besides its time, its type and who did it, for reading: ` 10.0.0.1:2379 > 10.0.0.2:40812 bytes=120`.
 *
 * Each field has a blank before it; what says little is left out; control bytes are escaped, so that it may go to a terminal.
 * Threads: any.  Memory: some hundred bytes into b.
 */
struct buf;
struct event;
struct event_types;
struct who;

/* w: knows the ends of sockets; types: names what was lost. */
void describe(struct buf *b, const struct who *w, const struct event_types *types, const struct event *ev);

#endif
