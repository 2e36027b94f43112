/* SPDX-License-Identifier: Apache-2.0 */
/* lb_wish_udp - UDP flows that change their CPU when the ring has changed. */
#include <linux/bpf.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "net/chain.h"
#include "net/lb/conns.h"
#include "packet/wire.h"
#include "lb_wish.h"

#define FLOWS 200U
#define IDLE_S 30

static unsigned host = 212; /* of the flows */

/* As if all CPUs' flows had been silent for so long: as other CPUs see it (stamps), and as their own does. */
static void silent(uint32_t seconds, bool stamps)
{
	struct lb_conns t;
	uint32_t cpu, i, way;

	for (cpu = 0; cpu < LB_CPUS; cpu++) {
		if (lb_conns_open(chain, cpu, &t))
			continue;
		for (i = 0; i < t.shape.buckets; i++) {
			for (way = 0; way < LB_WAYS; way++) {
				if (stamps)
					t.buckets[i].stamp[way] -=
						(uint32_t)(seconds * 1000000000ULL >> LB_STAMP_SHIFT);
				else
					t.buckets[i].place[way].conn.seen_s -= seconds;
			}
		}
		lb_conns_close(&t);
	}
}

/* How many of the flows go where they went. */
static unsigned as_first(const struct sent *first)
{
	unsigned i, n = 0;

	for (i = 0; i < FLOWS; i++) {
		struct sent s = send_flags(1, host, 1 + i, 0);

		n += s.verdict == XDP_TX && !memcmp(s.dst, first[i].dst, 4);
	}
	return n;
}

/* Flows of this CPU, and then a ring that has the last backend alone. */
static bool begin(struct world *w, struct sent *first, uint32_t flags)
{
	unsigned i;
	bool right;

	fill(w, 1, 0, 0);
	w->vips[0].proto = PROTO_UDP;
	w->vips[0].flags = flags;
	w->wish.config.udp_idle_s = IDLE_S;
	right = apply(w);
	for (i = 0; i < FLOWS; i++)
		first[i] = send_flags(1, host, 1 + i, 0);
	w->backends[0].weight = w->backends[1].weight = 0;
	return right && apply(w);
}

/* A VIP that is new, with its first ring. */
static void first_ring(struct world *w)
{
	uint64_t taken = count_of(CHAIN_LB_OTHER_CPU);
	struct sent here[50];
	unsigned i, n = 0;

	fill(w, VIPS, 0, 0);
	w->vips[VIPS - 1].proto = PROTO_UDP;
	check("a VIP of UDP", apply(w));
	for (i = 0; i < ARRAY_LEN(here); i++)
		here[i] = send_flags(VIPS, host, 1 + i, 0);
	other_cpu(true);
	for (i = 0; i < ARRAY_LEN(here); i++)
		n += !memcmp(send_flags(VIPS, host, 1 + i, 0).dst, here[i].dst, 4);
	other_cpu(false);
	check("its first ring says the same to all CPUs, so none asks",
	      n == ARRAY_LEN(here) && count_of(CHAIN_LB_OTHER_CPU) == taken);
}

void test_udp_cpus(void)
{
	static struct world w;
	static struct sent first[FLOWS];
	uint64_t taken;
	unsigned by_ring, n;

	protocol = PROTO_UDP;
	first_ring(&w);
	check("UDP flows, and another ring", begin(&w, first, LB_VIP_MIGRATE));
	taken = count_of(CHAIN_LB_OTHER_CPU);
	other_cpu(true);
	check("they go on from another CPU", as_first(first) == FLOWS);
	taken = count_of(CHAIN_LB_OTHER_CPU) - taken;
	check("which takes each over once", as_first(first) == FLOWS && (taken == FLOWS || !moved_cpu));
	other_cpu(false);
	silent(IDLE_S + 10, false);
	taken = count_of(CHAIN_LB_OTHER_CPU);
	n = as_first(first);
	taken = count_of(CHAIN_LB_OTHER_CPU) - taken;
	check("and back, where it was forgotten meanwhile", !moved_cpu || (n == FLOWS && taken == FLOWS));
	silent(IDLE_S + 10, true);
	silent(IDLE_S + 10, false);
	by_ring = as_first(first);
	check("those that were silent for too long go by the ring", by_ring < FLOWS / 2);

	host++;
	check("flows again", begin(&w, first, LB_VIP_MIGRATE));
	w.backends[0].down = w.backends[1].down = true;
	check("of which two backends are down", apply(&w));
	other_cpu(true);
	check("they leave these from another CPU, too", as_first(first) < FLOWS / 2);
	other_cpu(false);
	protocol = PROTO_TCP;
}
