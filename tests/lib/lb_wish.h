/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_TESTS_LB_WISH_H
#define SAKER_TESTS_LB_WISH_H
/* lb_wish - what the files of this test share: one chain, wishes for it, and packets through it. */
#include <stdbool.h>
#include <stdint.h>

#include "net/chain.h"
#include "net/lb/lb.h"

#define VIPS 4
#define BACKENDS 3

struct world {
	struct lb_wish wish;
	struct lb_wish_vip vips[VIPS + 1];
	struct lb_wish_backend backends[BACKENDS + 1];
};

struct sent {
	uint32_t verdict;
	uint8_t proto;	/* of the outer header */
	uint8_t dst[4]; /* the same */
};

extern struct chain *chain;
extern uint8_t protocol; /* of the next packets */

void check(const char *what, bool right);
/* VIPs 10.200.1.1.. port 80/tcp with the backends 10.0.NET.1.. */
void fill(struct world *w, unsigned nvips, unsigned net, uint8_t flags);
bool apply(struct world *w);
/* A packet of the flow 192.168.0.HOST:PORT to 10.200.1.VIP:80. */
struct sent send_flags(unsigned vip, unsigned host, unsigned port, uint8_t flags);
struct sent send_one(unsigned vip, unsigned host, unsigned port);
void as_protocol(uint8_t *frame);
uint64_t count_of(enum chain_reason reason);

/* To any other CPU than this one, and back; moved_cpu: there is one. */
void other_cpu(bool other);
extern bool moved_cpu;

/* lb_wish_udp.c */
void test_udp_cpus(void);
/* lb_wish_nat.c */
void test_nat(void);
void test_nat_ports(void);
void test_nat_cpus(void);
void test_nat_udp(void);

#endif
