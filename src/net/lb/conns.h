/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_CONNS_H
#define SAKER_NET_LB_CONNS_H
/*
 * conns - the connection tables of CPUs (net/lb/conns.bpf.h), read and filled from user space through a mapping.
 *
 * Packets use the table meanwhile: what is read of an entry that changes may be of two connections, and then it is left out;
 * what is put in may be overwritten at once.  Threads: one.  Memory: the mapping.
 */
#include <stddef.h>
#include <stdint.h>

#include "net/lb/look.h"
#include "net/lb/shared.bpf.h"

struct chain;
struct err;

struct lb_conns {
	struct lb_bucket *buckets;
	struct lb_shape shape;
	size_t bytes;
};

/* A CPU's table; -ENOENT: it has none. */
int lb_conns_open(const struct chain *c, uint32_t cpu, struct lb_conns *ret);
void lb_conns_close(struct lb_conns *t); /* a zeroed one is ok */

/* Calls each(arg, cpu, ...) until it returns other than 0, and returns that. */
int lb_conns_each(const struct lb_conns *t, int cpu, lb_conn_fn each, void *arg);
const struct lb_conn *lb_conns_find(const struct lb_conns *t, const struct packet_flow *flow); /* NULL: not there */

/*
 * Where packets of connections are looked for that have changed their CPU: global 0: in the tables of all CPUs, if these are not more
 * than LB_ELSEWHERE; else in a table of so many entries for all of them, made now if there is none of this size.
 */
int lb_conns_cpus(const struct chain *c, uint32_t cpus, uint32_t global, struct err *err);

/* Copies what the tables of one chain have into those of another that have it not; returns how many. */
uint64_t lb_conns_carry(const struct chain *from, const struct chain *to);
/* Takes out the connections to backends for which gone[number] is set, of all tables. */
void lb_conns_forget(const struct chain *c, const uint8_t *gone);

#endif
