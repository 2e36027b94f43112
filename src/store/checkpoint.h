/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_STORE_CHECKPOINT_H
#define SAKER_STORE_CHECKPOINT_H
/*
 * checkpoint - what is alive: the table that each chunk begins with, so that it can be understood when the
 * chunks before it are gone.  It learns from the events that pass: who the processes are (process, exec,
 * fork, exit), which sockets are open and how far their streams are (socket, connect, connected, accept,
 * listen, send, recv, close), names of network namespaces and cgroups, the host, the clocks.
 *
 * Threads: none shared.  Memory: max_bytes; at the limit the oldest socket gives way, then new entries are
 * refused; both are counted, and the count stands in every later checkpoint as a `mark`.  Allocates only for an event that describes something new.
 */
#include <stddef.h>
#include <stdint.h>

struct err;
struct event_header;
struct checkpoint;

int checkpoint_new(size_t max_bytes, struct checkpoint **ret); /* -ENOMEM */
struct checkpoint *checkpoint_free(struct checkpoint *c);      /* NULL ok; returns NULL */

/* Learns from an event that has been checked. */
void checkpoint_see(struct checkpoint *c, const struct event_header *h);

/* Calls out() with the events of the checkpoint, all at boot_ns; the event is borrowed until it returns.
 * live_clock: read the clocks now; otherwise a clock event that was seen is carried forward. */
typedef int checkpoint_out_fn(void *arg, const struct event_header *h, struct err *err);
int checkpoint_write(const struct checkpoint *c, uint64_t boot_ns, int live_clock, checkpoint_out_fn *out, void *arg,
		     struct err *err);

#endif
