/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_LB_LOOK_H
#define SAKER_NET_LB_LOOK_H
/*
 * look - what the balancer's maps say: VIPs, backends, counters and connections of the side that packets see.
 *
 * Nothing is changed, and looking leaves no mark on a table's order of age.  What changes meanwhile may be seen or not.
 * Threads: any.  Memory: fixed.  Each function calls each(arg, ...) until it returns other than 0, and returns that.
 */
#include <stdint.h>

#include "net/lb/shared.bpf.h"

struct chain;

typedef int (*lb_vip_fn)(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip);
int lb_look_vips(const struct chain *c, lb_vip_fn each, void *arg);

typedef int (*lb_real_fn)(void *arg, uint32_t number, const struct lb_real *real);
int lb_look_reals(const struct chain *c, lb_real_fn each, void *arg);
/* One backend; -ENOENT. */
int lb_look_real(const struct chain *c, uint32_t number, struct lb_real *ret);

/* cpu: -1 for the table of CPUs without one, and for that of all CPUs. */
typedef int (*lb_conn_fn)(void *arg, int cpu, const struct packet_flow *flow, const struct lb_conn *conn);
int lb_look_conns(const struct chain *c, lb_conn_fn each, void *arg);
/* The entries of one flow, in the tables of all CPUs. */
int lb_look_conn(const struct chain *c, const struct packet_flow *flow, lb_conn_fn each, void *arg);

/* Of all CPUs; the map is lb_vip_counts, lb_vip_syns (packets: new connections) or lb_real_counts.  -errno. */
int lb_look_count(const struct chain *c, const char *map, uint32_t number, struct chain_count *ret);
/* What was taken out of tunnels, by where these ended. */
typedef int (*lb_decap_fn)(void *arg, const struct lb_addr *end, const struct chain_count *count);
int lb_look_decaps(const struct chain *c, lb_decap_fn each, void *arg);
/*
 * SYNs that were seen again, of LB_REALS backends by number: how often, since it got its number, a backend was sent a SYN that it had
 * got before.  A mapping, so reading is free and may be done often; NULL: there is none.  Of a
 * client that nobody knows: who can send packets to the VIP can make them, for all backends.
 */
const uint64_t *lb_look_again(const struct chain *c);
void lb_look_again_end(const uint64_t *again);			  /* NULL ok */
int lb_look_config(const struct chain *c, struct lb_config *ret); /* -errno */
/* Entries that there is room for in one CPU's table; 0: unknown. */
uint32_t lb_look_room(const struct chain *c);

/* The table of a side in a map of maps; -1: there is none.  The caller closes it. */
int lb_table_open(const struct chain *c, const char *name, uint32_t side);

#endif
