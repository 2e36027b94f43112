/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lb_wish - transactions of the balancer: what is refused changes nothing, what is applied is seen as a whole.
 *
 * TAP (tests/e2e/lb_model.sh).  A frame of one flow after another goes through the programs by BPF_PROG_TEST_RUN; where it was
 * sent is read from its outer header.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/conns.h"
#include "net/lb/fill.h"
#include "net/lb/lb.h"
#include "net/lb/look.h"
#include "net/samples.h"
#include "packet/wire.h"
#include "lb_wish.h"

#define TURNS 60
#define MANY 4096 /* twice it is all numbers of backends */
#define CONNS 8192

static const struct chain_plan plan = { .stages = { "lb_stage" }, .gue_port = 6080 };
struct chain *chain;
static struct lb *lb;
static int tests, failures;

/* Connection tables are per CPU: what looks for a connection once more must stay where it made it. */
static void stay(bool here)
{
	int cpu = sched_getcpu(), i;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!here || i == cpu)
			CPU_SET(i, &cpus);
	}
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		printf("# cannot stay on one CPU\n");
}

void check(const char *what, bool right)
{
	printf("%s %d - %s\n", right ? "ok" : "not ok", ++tests, what);
	failures += !right;
}

static struct lb_addr addr_of(const char *text)
{
	struct lb_addr a = { 0 };

	if (lb_addr_parse(text, &a) < 0)
		exit(1);
	return a;
}

/* ---- wishes ---- */

/* VIPs 10.200.1.1.. port 80/tcp with the backends 10.0.NET.1.. */
void fill(struct world *w, unsigned nvips, unsigned net, uint8_t flags)
{
	char text[32];
	unsigned i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < BACKENDS; i++) {
		(void)snprintf(text, sizeof(text), "10.0.%u.%u", net, i + 1);
		w->backends[i] = (struct lb_wish_backend) { .addr = addr_of(text), .weight = 1, .flags = flags };
	}
	for (i = 0; i < nvips; i++) {
		(void)snprintf(text, sizeof(text), "10.200.1.%u", i + 1);
		w->vips[i] = (struct lb_wish_vip) { .addr = addr_of(text),
						    .bits = 32,
						    .port = 80,
						    .proto = PROTO_TCP,
						    .backends = w->backends,
						    .nbackends = BACKENDS };
	}
	w->wish.vips = w->vips;
	w->wish.nvips = nvips;
	w->wish.config.gue_port = WIRE16(6080);
	w->wish.config.frame_max = 1514;
	w->wish.config.flood_rate = UINT32_MAX;
}

/* ---- packets ---- */

static uint8_t sequence; /* of the next packets */
uint8_t protocol = PROTO_TCP;

/* As UDP it has a length, and no checksum (RFC 768). */
void as_protocol(uint8_t *frame)
{
	frame[23] = protocol;
	if (protocol != PROTO_UDP)
		return;
	memcpy(frame + 38, (uint8_t[]) { 0, 20, 0, 0 }, 4);
}

/* A TCP packet of the flow 192.168.0.X:PORT to 10.200.1.VIP:80. */
struct sent send_flags(unsigned vip, unsigned host, unsigned port, uint8_t flags)
{
	uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6 };
	uint8_t out[256] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 54, .data_out = out,
		    .data_size_out = sizeof(out));
	struct sent s = { 0 };

	memcpy(frame + 26, (uint8_t[]) { 192, 168, 0, (uint8_t)host, 10, 200, 1, (uint8_t)vip }, 8);
	memcpy(frame + 34, (uint8_t[]) { (uint8_t)(port >> 8), (uint8_t)port, 0, 80 }, 4);
	frame[41] = sequence;
	frame[46] = 0x50;
	frame[47] = flags;
	as_protocol(frame);
	if (bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts))
		s.verdict = ~0U;
	else
		s.verdict = opts.retval;
	s.proto = out[23];
	memcpy(s.dst, out + 30, 4);
	return s;
}

struct sent send_one(unsigned vip, unsigned host, unsigned port)
{
	return send_flags(vip, host, port, TCP_ACK);
}

static bool same(struct sent a, struct sent b)
{
	return a.verdict == b.verdict && a.proto == b.proto && !memcmp(a.dst, b.dst, 4);
}

uint64_t count_of(enum chain_reason reason)
{
	struct chain_count count = { 0 };

	(void)chain_counted(chain, reason, &count);
	return count.packets;
}

/* ---- what is refused ---- */

static void refused(const char *what, struct world *w, const char *words)
{
	struct err err = ERR_INIT;
	struct sent was = send_one(1, 1, 1), is;
	uint32_t hidden = chain_hidden(chain);
	int r = lb_apply(lb, &w->wish, &plan, &err);

	is = send_one(1, 1, 1);
	printf("# %s\n", err.text);
	check(what, r < 0 && strstr(err.text, words) && chain_hidden(chain) == hidden && same(was, is) &&
			    is.verdict == XDP_TX);
}

static void test_refusals(void)
{
	static struct world w;

	fill(&w, 2, 0, 0);
	w.vips[1] = w.vips[0];
	refused("a VIP that is wished twice is refused", &w, "VIP 10.200.1.1:80/tcp is wished twice");
	fill(&w, 1, 0, 0);
	w.backends[2] = w.backends[0];
	refused("a backend that is there twice is refused", &w, "has backend 10.0.0.1 twice");
	fill(&w, VIPS + 1, 0, 0);
	refused("too many VIPs are refused", &w, "there is room for 4");
	fill(&w, 1, 0, 0);
	w.wish.config.ring = 65539;
	refused("a ring that is too large is refused", &w, "at most 65537 places");
	fill(&w, 1, 0, 0);
	w.wish.ids = &(struct lb_wish_id) { .id = 7, .to = { .addr = addr_of("10.0.0.1"), .flags = LB_REAL_GUE } };
	w.wish.nids = 1;
	refused("a backend in two tunnels is refused", &w, "10.0.0.1 is wished in two ways");
	fill(&w, 1, 0, 0);
	w.vips[0].flags = LB_VIP_NAT | LB_VIP_L2;
	refused("NAT and L2 in one VIP are refused", &w, "with NAT and with L2");
	fill(&w, 1, 0, 0);
	w.vips[0].nat_port = 8080;
	refused("a port of the backends without NAT is refused", &w, "which only NAT can write");
	fill(&w, 1, 0, 0);
	w.vips[0].flags = LB_VIP_NAT;
	w.backends[1].addr = addr_of("fc00::1");
	refused("NAT to the other family is refused", &w, "cannot reach backend fc00::1 by NAT");
}

/* ---- what is applied ---- */

bool apply(struct world *w)
{
	struct err err = ERR_INIT;

	if (lb_apply(lb, &w->wish, &plan, &err) < 0) {
		printf("# %s\n", err.text);
		return false;
	}
	return true;
}

static void test_changes(void)
{
	static struct world w;
	struct sent was, is;
	uint64_t gone;
	unsigned i;
	bool stayed = true, moved = true;
	struct sent first[100];

	fill(&w, 2, 0, 0);
	check("two VIPs are applied", apply(&w));
	for (i = 0; i < 100; i++)
		first[i] = send_one(1, 2, 1000 + i);
	w.backends[first[0].dst[3] - 1].weight = 0;
	check("a backend is drained", apply(&w));
	for (i = 0; i < 100; i++) {
		stayed = stayed && same(first[i], send_one(1, 2, 1000 + i));
		moved = moved && send_one(1, 3, 1000 + i).dst[3] != first[0].dst[3];
	}
	check("connections stay on a backend that is drained", stayed);
	check("new ones do not go there", moved);
	was = send_one(1, 2, 1000);
	gone = count_of(CHAIN_LB_GONE);
	w.backends[was.dst[3] - 1] = w.backends[BACKENDS - 1];
	for (i = 0; i < 2; i++)
		w.vips[i].nbackends = BACKENDS - 1;
	if (was.dst[3] == BACKENDS)
		w.backends[0].weight = w.backends[1].weight = 1;
	check("it is taken away", apply(&w));
	is = send_one(1, 2, 1000);
	check("its connections are chosen anew, which is counted",
	      is.verdict == XDP_TX && is.dst[3] != was.dst[3] && count_of(CHAIN_LB_GONE) == gone + 1);
	w.wish.nvips = 1;
	check("a VIP is taken away", apply(&w));
	check("its packets go to the host", send_one(2, 1, 1).verdict == XDP_PASS);
	check("those of the other one to a backend", send_one(1, 1, 1).verdict == XDP_TX);
	w.vips[0].nbackends = 0;
	check("a VIP without a backend is applied", apply(&w));
	check("its packets are dropped", send_one(1, 1, 1).verdict == XDP_DROP);
}

/* Wishes come and go by more VIPs than there is room for at once: numbers of those that are gone are given again. */
static void test_numbers(void)
{
	static struct world w;
	bool right = true;
	unsigned i, k;

	for (i = 0; i < 20 && right; i++) {
		fill(&w, 2, 0, 0);
		for (k = 0; k < 2; k++)
			w.vips[k].port = (uint16_t)(1000 + 2 * i + k);
		right = apply(&w) && lb_vip_number(lb, &w.vips[0]) && lb_vip_number(lb, &w.vips[1]);
	}
	check("numbers of VIPs that are gone are given again", right);
	for (i = 0; i < 4 && right; i++) {
		fill(&w, VIPS, 0, 0);
		for (k = 0; k < VIPS; k++)
			w.vips[k].port = (uint16_t)(2000 + i % 2 * VIPS + k);
		right = apply(&w);
	}
	check("all VIPs that there is room for become others at once", right);
}

/* A table that is made for CONNS connections keeps so many of them, all but few: those that are asked for (an RST is not put in). */
static void test_capacity(void)
{
	static struct world w;
	uint64_t hits;
	unsigned i;

	fill(&w, 1, 0, 0);
	check("one VIP is applied", apply(&w));
	for (i = 0; i < CONNS; i++)
		(void)send_flags(1, 10 + i / 1000, 2000 + i % 1000, TCP_SYN);
	hits = count_of(CHAIN_LB_TABLE);
	for (i = 0; i < CONNS; i++)
		(void)send_flags(1, 10 + i / 1000, 2000 + i % 1000, TCP_RST);
	hits = count_of(CHAIN_LB_TABLE) - hits;
	printf("# %llu of %u connections were in the table\n", (unsigned long long)hits, CONNS);
	check("a table keeps 98 % of the connections that it is made for", hits >= CONNS * 98 / 100);
}

static int one_more(void *arg, int cpu, const struct packet_flow *flow, const struct lb_conn *conn)
{
	(void)cpu;
	(void)flow;
	(void)conn;
	++*(uint64_t *)arg;
	return 0;
}

/* As if nothing had been used for so long. */
static void unused(int cpu, uint32_t seconds)
{
	struct lb_conns t;
	uint32_t i, way;

	if (lb_conns_open(chain, (uint32_t)cpu, &t) < 0)
		return;
	for (i = 0; i < t.shape.buckets; i++) {
		for (way = 0; way < LB_WAYS; way++)
			t.buckets[i].stamp[way] -= (uint32_t)((seconds * 1000000000ULL) >> 20);
	}
	lb_conns_close(&t);
}

/* How full the tables are; what one does not use for long gives way without harm. */
static void test_fill(void)
{
	struct lb_fill rows[LB_FILL_TABLES] = { 0 };
	static struct world w;
	uint64_t entries = 0;
	unsigned i, tries;

	fill(&w, 1, 0, 0);
	w.wish.config.udp_idle_s = 30;
	check("a wish with a limit of idleness", apply(&w));
	for (tries = 0; tries < 20 && !rows[0].fresh; tries++) { /* a second may pass between on a slow machine */
		for (i = 0; i < CONNS; i++)
			(void)send_flags(1, 10 + i / 1000, 2000 + i % 1000, TCP_SYN);
		(void)lb_fill_look(chain, rows);
	}
	check("the table of this CPU is told", rows[0].table && rows[0].cpu == sched_getcpu());
	(void)lb_look_conns(chain, one_more, &entries);
	check("with its entries", rows[0].entries == entries && entries > CONNS * 9 / 10);
	check("its room, and new ones", rows[0].room == CONNS && rows[0].fresh);
	check("some would take the place of one in use", rows[0].young > 0 && rows[0].young < 500);
	unused(rows[0].cpu, 50);
	check("it is looked at once more", lb_fill_look(chain, rows) >= 1);
	check("none does after 50 s of silence", !rows[0].young);
	check("which is said", rows[0].full_in_s == LB_FILL_UNKNOWN || (rows[0].unused_s >= 50 + rows[0].full_in_s &&
									rows[0].unused_s < 600 + rows[0].full_in_s));
}

/* More backends than there are numbers, wish by wish: what was a backend's goes to another, and its connections do not. */
static void test_backends(void)
{
	static struct lb_wish_backend many[3][MANY];
	static struct world w;
	struct sent s = { 0 };
	unsigned turn, i = 0;
	bool right = true;
	uint64_t hits;
	char text[32];

	for (turn = 0; turn < 3 && right; turn++) {
		fill(&w, 1, 0, 0);
		for (i = 0; i < MANY; i++) {
			(void)snprintf(text, sizeof(text), "10.%u.%u.%u", 10 + turn, i / 200, 1 + i % 200);
			many[turn][i] = (struct lb_wish_backend) { .addr = addr_of(text), .weight = 1 };
		}
		w.vips[0].backends = many[turn];
		w.vips[0].nbackends = MANY;
		right = apply(&w);
		/* the second wish's backends have no connections: those of the first still lie in the table at the third */
		hits = count_of(CHAIN_LB_TABLE);
		for (i = 0; i < 200 && right && turn != 1; i++) {
			s = send_one(1, 1, 1 + i);
			right = s.verdict == XDP_TX && s.dst[0] == 10 && s.dst[1] == 10 + turn;
		}
		right = right && count_of(CHAIN_LB_TABLE) == hits;
	}
	if (!right)
		printf("# turn %u, packet %u: verdict %u, to %u.%u.%u.%u\n", turn, i, s.verdict, s.dst[0], s.dst[1],
		       s.dst[2], s.dst[3]);
	check("numbers of backends that are gone are given again", right);
}

/* ---- SYNs that come again ---- */

static int64_t coarse_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* So long that a SYN is no double of the one before: what the programs' clock counts as LB_SYN_SOONEST. */
static void wait_soonest(void)
{
	int64_t from = coarse_ns();

	while (coarse_ns() - from < (LB_SYN_SOONEST + 2LL) << 20)
		;
}

static const uint64_t *again;

static uint64_t again_all(void)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < LB_REALS; i++)
		sum += again[i];
	return sum;
}

/* Sends a SYN, and one once more after a while with a number that is `more`: is it counted so often, and where the SYN went? */
static bool syn_twice(unsigned port, uint8_t more, uint64_t counted)
{
	uint64_t before = again_all(), notes = count_of(CHAIN_LB_SYN_AGAIN), at;
	struct sent first = send_flags(1, 200, port, TCP_SYN), second;
	struct lb_addr to = { .family = 4 };

	memcpy(to.addr, first.dst, 4);
	at = again[lb_backend_number(lb, &to)];
	wait_soonest();
	sequence = more;
	second = send_flags(1, 200, port, TCP_SYN);
	sequence = 0;
	return same(first, second) && again_all() == before + counted &&
	       count_of(CHAIN_LB_SYN_AGAIN) == notes + counted && again[lb_backend_number(lb, &to)] == at + !!counted;
}

/* Two SYNs at once, of another flow where this thread had to wait between them; returns how many were seen again. */
static uint64_t doubled(void)
{
	unsigned port = 100;
	uint64_t before;
	int64_t from;

	do {
		before = again_all();
		from = coarse_ns();
		(void)send_flags(1, 200, port, TCP_SYN);
		(void)send_flags(1, 200, port, TCP_SYN);
	} while (coarse_ns() - from >= (LB_SYN_SOONEST - 2LL) << 20 && ++port < 1000);
	return again_all() - before;
}

bool moved_cpu;

void other_cpu(bool other)
{
	static cpu_set_t was;
	cpu_set_t cpus;
	int i, here = sched_getcpu();

	if (other) {
		(void)sched_getaffinity(0, sizeof(was), &was);
		CPU_ZERO(&cpus);
		for (i = 0; i < CPU_SETSIZE; i++) {
			if (i != here)
				CPU_SET(i, &cpus);
		}
	}
	if (sched_setaffinity(0, sizeof(cpus), other ? &cpus : &was) == 0 && other)
		moved_cpu = true;
}

static void test_again(void)
{
	static struct world w;
	uint64_t before;

	fill(&w, 2, 0, 0);
	w.vips[1].flags = LB_VIP_NO_SRC_PORT;
	check("VIPs for SYNs are applied", apply(&w));
	again = lb_look_again(chain);
	if (!again) {
		check("the counters are mapped", false);
		return;
	}
	check("a SYN again is counted for its backend", syn_twice(1, 0, 1));
	wait_soonest();
	check("and each time", syn_twice(1, 0, 2));
	check("not one of another connection from the same port", syn_twice(2, 1, 0));
	check("nor one that was doubled on its way", doubled() == 0);
	before = again_all();
	(void)send_flags(1, 200, 5, TCP_SYN);
	wait_soonest();
	w.backends[0].weight = w.backends[1].weight = w.backends[2].weight = 0;
	w.backends[BACKENDS] = (struct lb_wish_backend) { .addr = addr_of("10.0.0.9"), .weight = 1 };
	w.vips[0].nbackends = w.vips[1].nbackends = BACKENDS + 1;
	check("another backend comes", apply(&w));
	(void)send_flags(1, 200, 5, TCP_SYN);
	check("nor one that goes to it now", again_all() == before);
	(void)send_flags(2, 200, 6, TCP_SYN);
	wait_soonest();
	(void)send_flags(2, 200, 7, TCP_SYN);
	check("nor one of another port where these share an entry", again_all() == before);
	(void)send_flags(1, 200, 8, TCP_SYN);
	wait_soonest();
	other_cpu(true);
	(void)send_flags(1, 200, 8, TCP_SYN);
	check("one that comes to another CPU is", again_all() == before + 1);
	other_cpu(false);
	lb_look_again_end(again);
}

/* ---- connections that change their CPU ---- */

/* Connections made here, whose backends have no place in the ring any more, go on from another CPU to where they were. */
static void moves(const char *what)
{
	static struct world w;
	struct sent first[200];
	uint64_t hits, taken;
	unsigned i;
	bool right = true;

	fill(&w, 1, 0, 0);
	right = apply(&w);
	for (i = 0; i < ARRAY_LEN(first); i++)
		first[i] = send_flags(1, 210, 1 + i, TCP_SYN);
	w.backends[0].weight = w.backends[1].weight = 0;
	right = right && apply(&w);
	other_cpu(true);
	taken = count_of(CHAIN_LB_OTHER_CPU);
	for (i = 0; i < ARRAY_LEN(first); i++)
		right = right && same(first[i], send_flags(1, 210, 1 + i, TCP_RST));
	hits = count_of(CHAIN_LB_TABLE);
	for (i = 0; i < 2 * ARRAY_LEN(first); i++)
		right = right && same(first[i / 2], send_one(1, 210, 1 + i / 2));
	hits = count_of(CHAIN_LB_TABLE) - hits;
	taken = count_of(CHAIN_LB_OTHER_CPU) - taken;
	printf("# %llu packets of a connection in a table, %llu in another CPU's\n", (unsigned long long)hits,
	       (unsigned long long)taken);
	/* where there is one CPU alone, nothing moves; a reset takes nothing over */
	check(what, right && hits == 2 * ARRAY_LEN(first) && (taken == 2 * ARRAY_LEN(first) || !moved_cpu));
	for (i = 0; i < ARRAY_LEN(first); i++)
		right = right && send_flags(1, 211, 1 + i, TCP_ACK).dst[3] == BACKENDS;
	check("and one that nobody knows goes where the ring says", right);
	other_cpu(false);
}

static void test_cpus(void)
{
	const struct lb_opts opts = { .vips = VIPS, .conns = CONNS, .global = true };
	struct chain *one = chain;
	struct lb *of = lb;
	struct err err = ERR_INIT;

	moves("connections go on from another CPU");
	lb = NULL;
	if (chain_new(CHAIN_ON_XDP, &chain, &err) < 0 || lb_new(chain, &opts, &lb, &err) < 0)
		check(err.text, false);
	else
		moves("connections go on from another CPU, by the table of all");
	(void)lb_free(lb);
	(void)chain_free(chain);
	chain = one;
	lb = of;
}

/* ---- verdicts that are drawn ---- */

static unsigned drawn, drawn_drops, drawn_wrong;

static int take_sample(void *arg, const struct chain_sample *s)
{
	uint32_t real = *(const uint32_t *)arg;
	bool drop = s->action == XDP_DROP;

	drawn += !drop;
	drawn_drops += drop;
	/* the frame as it came: a flow's first packet goes by the ring, to a backend of the only VIP */
	if (s->frame != 54 || s->bytes != 54 || s->head[12] != 8 || s->head[23] != PROTO_TCP ||
	    s->flow.dport != WIRE16(80) ||
	    (drop ? s->reason != CHAIN_LB_NO_BACKEND || s->backend
		  : s->reason != CHAIN_LB_HASH || s->backend != real) ||
	    s->rule != lb_vip_number(lb, &(struct lb_wish_vip) { .addr = addr_of(drop ? "10.200.1.2" : "10.200.1.1"),
								 .bits = 32,
								 .port = 80,
								 .proto = PROTO_TCP }))
		drawn_wrong++;
	return 0;
}

static void draw(unsigned vip, unsigned packets)
{
	unsigned i;

	for (i = 0; i < packets; i++)
		(void)send_flags(vip, 220, 1 + i, TCP_SYN);
}

static void test_samples(void)
{
	static struct world w;
	struct err err = ERR_INIT;
	struct samples *s = NULL;
	uint32_t real;
	uint64_t lost;

	fill(&w, 2, 0, 0);
	w.vips[0].nbackends = 1;
	w.vips[1].nbackends = 0;
	check("a VIP of one backend and one of none", apply(&w));
	real = lb_backend_number(lb, &w.backends[0].addr);
	chain_watch(chain, 1, 0);
	draw(1, 1);
	if (samples_open(chain, take_sample, &real, &s, &err) < 0) {
		check(err.text, false);
		return;
	}
	chain_watch(chain, 4, 3);
	draw(1, 100);
	draw(2, 30);
	(void)samples_turn(s, 0);
	check("one of 4 packets is drawn, and one of 3 dropped ones", drawn == 25 && drawn_drops == 10 && !drawn_wrong);
	chain_watch(chain, 2, 0);
	draw(2, 30);
	(void)samples_turn(s, 0);
	check("dropped ones are as all others", drawn == 25 && drawn_drops == 25 && !drawn_wrong);
	chain_watch(chain, 0, 0);
	draw(1, 30);
	(void)samples_turn(s, 0);
	check("and none", drawn == 25 && drawn_drops == 25);
	lost = count_of(CHAIN_SAMPLE_LOST);
	chain_watch(chain, 1, 0);
	draw(1, 4000);
	(void)samples_turn(s, 0);
	lost = count_of(CHAIN_SAMPLE_LOST) - lost;
	check("each that finds no room is counted", lost && drawn - 25 + lost == 4000 && !drawn_wrong);
	chain_watch(chain, 0, 0);
	(void)samples_close(s);
}

/* ---- traffic meanwhile ---- */

static atomic_bool stop;
static unsigned long sent, wrong;

/* Net 0 is reached through GUE, net 1 through IPIP: anything else is half a configuration. */
static void *traffic(void *arg)
{
	unsigned i;

	stay(false);
	for (i = 0; !atomic_load(&stop); i++) {
		struct sent s = send_one(1 + i % 2, 1 + i % 50, 1 + i % 997);
		bool right = s.verdict == XDP_TX &&
			     ((s.dst[2] == 0 && s.proto == PROTO_UDP) || (s.dst[2] == 1 && s.proto == PROTO_IPIP));

		wrong += !right;
		sent++;
		if (!right && wrong < 5)
			printf("# verdict %u, protocol %u, 10.0.%u.%u\n", s.verdict, s.proto, s.dst[2], s.dst[3]);
	}
	return arg;
}

static void test_traffic(void)
{
	static struct world worlds[2];
	struct timespec from, to;
	pthread_t thread;
	unsigned i;
	bool right;

	fill(&worlds[0], 2, 0, LB_REAL_GUE);
	fill(&worlds[1], 2, 1, 0);
	right = apply(&worlds[0]);
	if (pthread_create(&thread, NULL, traffic, NULL))
		exit(1);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < TURNS && right; i++)
		right = apply(&worlds[(i + 1) % 2]);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
	printf("# %lu packets during %u transactions of %.1f ms\n", sent, i,
	       ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6) / TURNS);
	check("wishes are applied under traffic", right && sent);
	check("each packet saw one configuration, and none was lost", !wrong);
}

/* By routes: a frame with a tag goes back to the link address that it came from. */
static void test_tags(void)
{
	static struct world w;
	uint8_t frame[64] = { 2, 0, 0, 0, 0,	2, 2, 0,  0, 0, 0,    1, 0x81, 0,
			      0, 5, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64,   6 };
	uint8_t out[256] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 58, .data_out = out,
		    .data_size_out = sizeof(out));

	memcpy(frame + 30, (uint8_t[]) { 192, 168, 0, 1, 10, 200, 1, 1, 0, 7, 0, 80 }, 12);
	frame[50] = 0x50;
	frame[51] = TCP_SYN;
	fill(&w, 1, 0, 0);
	w.wish.config.flags = LB_BY_ROUTE;
	check("by routes, a frame with a tag goes back to its sender",
	      apply(&w) && !bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts) &&
		      opts.retval == XDP_TX && !memcmp(out, frame + 6, 6) && !memcmp(out + 6, frame, 6) &&
		      !memcmp(out + 12, frame + 12, 4));
	memmove(frame + 12, frame + 16, sizeof(frame) - 16);
	opts.data_size_in = 54;
	w.wish.config.flags = LB_TO_SENDER;
	check("to the sender, any frame does",
	      apply(&w) && !bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts) &&
		      opts.retval == XDP_TX && !memcmp(out, frame + 6, 6) && !memcmp(out + 6, frame, 6));
	w.wish.config.flags = 0;
	memcpy(w.wish.config.router_mac, (uint8_t[]) { 2, 0, 0, 0, 9, 9 }, 6);
	check("else to the router", apply(&w) && !bpf_prog_test_run_opts(chain_program(chain, "chain_entry"), &opts) &&
					    opts.retval == XDP_TX && !memcmp(out, w.wish.config.router_mac, 6));
}

/* As on a host with nohz_full=: membarrier(2) says EINVAL.  For good: so this is the last one. */
static void test_no_membarrier(void)
{
	struct sock_filter rows[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { ARRAY_LEN(rows), rows };
	static struct world w;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		printf("# no seccomp\n");
	fill(&w, 2, 0, 0);
	check("without membarrier(2) a wish is applied all the same", apply(&w) && send_one(2, 1, 1).verdict == XDP_TX);
}

int main(void)
{
	const struct lb_opts opts = { .vips = VIPS, .conns = CONNS };
	static struct world w;
	struct err err = ERR_INIT;

	stay(true);
	if (chain_new(CHAIN_ON_XDP, &chain, &err) < 0 || lb_new(chain, &opts, &lb, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		return 1;
	}
	check("before the first wish, packets go to the host", send_one(1, 1, 1).verdict == XDP_PASS);
	fill(&w, 1, 0, 0);
	check("a wish is applied", apply(&w));
	check("a packet to a VIP is sent", send_one(1, 1, 1).verdict == XDP_TX);
	test_refusals();
	test_changes();
	test_numbers();
	test_capacity();
	test_fill();
	test_backends();
	test_nat();
	test_nat_ports();
	test_nat_udp();
	test_again();
	test_cpus();
	test_nat_cpus();
	test_udp_cpus();
	test_samples();
	test_traffic();
	test_tags();
	test_no_membarrier();
	printf("1..%d\n", tests);
	(void)lb_free(lb);
	(void)chain_free(chain);
	return failures != 0;
}
