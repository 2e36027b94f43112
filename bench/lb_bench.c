/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lb_bench - nanoseconds that the chain and the balancer take for a packet, over an empty program.
 *
 * usage: lb_bench [RUNS [REPEAT]]	(41 100000)
 * smoke: 3 50
 *
 * BPF_PROG_TEST_RUN repeats a program, but not with the packet as it was; lb_bench.bpf.c restores it and names the next
 * flow, and calls what is measured.  The same before an empty program that only makes room for the outer header is the
 * floor, which is taken off; what remains is the chain: entry, parsing, stage, tables, counters, encapsulation.  Runs take
 * turns over the cases; of each case the median is told, and the lowest run.  REPEAT packets of a case follow each other: with
 * many of them the caches hold what they hold under traffic; with 2000, mostly what the other cases left there.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sched.h>
#include <time.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/lb.h"
#include "packet/wire.h"

#define RUNS_MAX 2000
#define FRAME 64
#define BACKENDS 100
#define FLOORS 3 /* rows that are no chain */

extern const unsigned char bpf_lb_bench_data[];
extern const size_t bpf_lb_bench_size;

/* Balancers, each with a chain of its own. */
enum { TABLE_65K, TABLE_1M, ONE_MORE_STAGE, GLOBAL, WORLDS };

static struct world {
	struct chain *chain;
	struct lb *lb;
	volatile uint64_t *flows;
} worlds[WORLDS];

struct row {
	const char *what;
	const char *first; /* run alone, without what restores the packet; NULL: bench_next[0] is `program` */
	const char *program;
	uint64_t nflows;
	bool vip;
	bool stateless, syn;
	bool elsewhere; /* before the first run the flows get into the table of another CPU */
	bool reset;	/* nothing is put into this CPU's table */
	int world;
	const char *goal;
	double ns[RUNS_MAX];
};

static struct row rows[] = {
	{ .what = "nothing at all", .first = "bench_nothing", .nflows = 1 },
	{ .what = "restoring, and an empty program that passes", .program = "bench_pass", .nflows = 1 },
	{ .what = "restoring, and an empty program that makes room", .program = "bench_empty", .nflows = 1 },
	{ .what = "no VIP", .program = "chain_entry", .nflows = 1 },
	{ .what = "in the table, one flow", .program = "chain_entry", .nflows = 1, .vip = true, .goal = "<= 120 ns" },
	{ .what = "in the table, 1024 flows in turn", .program = "chain_entry", .nflows = 1024, .vip = true },
	{ .what = "in the table, 32768 flows in turn", .program = "chain_entry", .nflows = 32768, .vip = true },
	{ .what = "new flow (SYN) each time, into a table of 65536",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .syn = true,
	  .goal = "<= 400 ns" },
	{ .what = "new flow (SYN) each time, into a table of 2^20",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .syn = true,
	  .world = TABLE_1M,
	  .goal = "<= 800 ns" },
	{ .what = "new flow (SYN) each time, into a table of 65536 and that of all CPUs",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .syn = true,
	  .world = GLOBAL },
	{ .what = "in another CPU's table, 32768 flows in turn",
	  .program = "chain_entry",
	  .nflows = 32768,
	  .vip = true,
	  .reset = true,
	  .elsewhere = true,
	  .world = ONE_MORE_STAGE },
	{ .what = "in the table of all CPUs, 32768 flows in turn",
	  .program = "chain_entry",
	  .nflows = 32768,
	  .vip = true,
	  .reset = true,
	  .elsewhere = true,
	  .world = GLOBAL },
	{ .what = "in no CPU's table, 2^23 flows in turn",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .reset = true },
	{ .what = "not in the table of all CPUs, 2^23 flows in turn",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .reset = true,
	  .world = GLOBAL },
	{ .what = "in the table, one flow, one more stage before",
	  .program = "chain_entry",
	  .nflows = 1,
	  .vip = true,
	  .world = ONE_MORE_STAGE,
	  .goal = "<= 8 ns more" },
	{ .what = "no table, 2^23 flows in turn",
	  .program = "chain_entry",
	  .nflows = 1U << 23,
	  .vip = true,
	  .stateless = true },
};

static void die(const char *what)
{
	(void)fprintf(stderr, "lb_bench: %s\n", what);
	exit(1);
}

static struct lb_addr addr_of(const char *text)
{
	struct lb_addr a = { 0 };

	if (lb_addr_parse(text, &a) < 0)
		die(text);
	return a;
}

/* VIPs: 10.200.1.1 with a table, 10.200.1.2 without. */
static void balance(struct world *w, int which)
{
	static struct lb_wish_backend backends[BACKENDS];
	struct lb_wish_vip vips[2] = { { .addr = addr_of("10.200.1.1") }, { .addr = addr_of("10.200.1.2") } };
	struct lb_wish wish = { .vips = vips, .nvips = 2 };
	const struct chain_plan plans[2] = { { .stages = { "lb_stage" }, .gue_port = 6080 },
					     { .stages = { "bench_stage", "lb_stage" }, .gue_port = 6080 } };
	const struct lb_opts opts = { .vips = 8,
				      .conns = which == TABLE_1M ? 1U << 20 : 65536,
				      .global = which == GLOBAL };
	const struct chain_object object = { "lb_bench", { { bpf_lb_bench_data, &bpf_lb_bench_size } } };
	struct err err = ERR_INIT;
	char text[32];
	int i;

	for (i = 0; i < BACKENDS; i++) {
		(void)snprintf(text, sizeof(text), "10.0.0.%d", i + 1);
		backends[i] = (struct lb_wish_backend) { .addr = addr_of(text), .weight = 1 };
	}
	for (i = 0; i < 2; i++) {
		vips[i].bits = 32;
		vips[i].port = 80;
		vips[i].proto = PROTO_TCP;
		vips[i].backends = backends;
		vips[i].nbackends = BACKENDS;
		vips[i].flags = i ? LB_VIP_STATELESS : 0;
	}
	wish.config.frame_max = 1514;
	wish.config.flood_rate = UINT32_MAX;
	if (chain_new(CHAIN_ON_XDP, &w->chain, &err) < 0 || chain_load(w->chain, &object, NULL, 0, &err) < 0 ||
	    lb_new(w->chain, &opts, &w->lb, &err) < 0 ||
	    lb_apply(w->lb, &wish, &plans[which == ONE_MORE_STAGE], &err) < 0)
		die(err.text);
}

static void restorer(struct world *w)
{
	void *at;

	at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		  chain_map(w->chain, "bench_flows"), 0);
	if (at == MAP_FAILED)
		die("cannot map the flows");
	w->flows = at;
}

static void run(struct row *row, int at, int repeat)
{
	uint8_t frame[FRAME] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, FRAME - 14, 0, 0, 0x40, 0, 64, 6
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME, .repeat = repeat);
	const struct world *w = &worlds[row->world];
	int program = chain_program(w->chain, row->first ? row->first : "bench_restore");
	int next = row->program ? chain_program(w->chain, row->program) : -1;
	uint32_t zero = 0, want;

	memcpy(frame + 26,
	       (uint8_t[]) { 192, 168, 0, 0, 10, 200, 1,
			     (uint8_t)(!row->vip	? 9
				       : row->stateless ? 2
							: 1) },
	       8);
	frame[37] = 80;
	frame[46] = 0x50;
	frame[47] = row->syn ? TCP_SYN : row->reset && at >= 0 ? TCP_RST : TCP_ACK;
	w->flows[0] = row->nflows;
	if (next >= 0 && bpf_map_update_elem(chain_map(w->chain, "bench_next"), &zero, &next, BPF_ANY))
		die("cannot place the program");
	if (bpf_prog_test_run_opts(program, &opts))
		die(strerror(errno));
	want = row->vip || (row->program && !strcmp(row->program, "bench_empty")) ? XDP_TX : XDP_PASS;
	if (opts.retval != want)
		die("a packet was not treated as it should be");
	if (at >= 0)
		row->ns[at] = opts.duration;
}

/* Flows that are to be in the table of another CPU; where there is none, those rows measure what is in none. */
static void fill_elsewhere(const cpu_set_t *all, const cpu_set_t *here)
{
	cpu_set_t others;
	size_t k;

	CPU_XOR(&others, all, here);
	if (sched_setaffinity(0, sizeof(others), &others))
		return;
	for (k = 0; k < ARRAY_LEN(rows); k++) {
		if (rows[k].elsewhere)
			run(&rows[k], -1, (int)rows[k].nflows);
	}
	(void)sched_setaffinity(0, sizeof(*here), here);
}

static int compare(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static void tell(int runs)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *floor = rows[i].vip ? &rows[2] : &rows[1];
		double median, lowest;

		qsort(rows[i].ns, (size_t)runs, sizeof(rows[i].ns[0]), compare);
		median = rows[i].ns[runs / 2];
		lowest = rows[i].ns[0];
		if (i < FLOORS)
			printf("| balancer, floor: %s | %.0f ns |  | %d runs, lowest %.0f |\n", rows[i].what, median,
			       runs, lowest);
		else
			printf("| balancer: %s | %.0f ns | %s | over its floor, %d runs, lowest %.0f |\n", rows[i].what,
			       median - floor->ns[runs / 2], rows[i].goal ? rows[i].goal : "", runs,
			       lowest - floor->ns[0]);
	}
}

/* ---- transactions ---- */

#define VIPS 512
#define TURNS 5

static atomic_bool stop;

/* Packets to VIPs, on the other CPU if there is one. */
static void *traffic(void *arg)
{
	uint8_t frame[FRAME] = {
		2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, FRAME - 14, 0, 0, 0x40, 0, 64, 6
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME);
	int program = chain_program(((struct world *)arg)->chain, "chain_entry");
	unsigned long i;

	memcpy(frame + 26, (uint8_t[]) { 192, 168, 0, 1, 10, 200, 0, 1, 0, 1, 0, 80 }, 12);
	frame[46] = 0x50;
	frame[47] = TCP_ACK;
	for (i = 0; !atomic_load(&stop); i++) {
		frame[29] = (uint8_t)i;
		if (bpf_prog_test_run_opts(program, &opts) || opts.retval != XDP_TX)
			die("a packet was not sent while the wish changed");
	}
	return NULL;
}

static void fill_many(struct lb_wish_vip *vips, struct lb_wish_backend *backends)
{
	char text[32];
	unsigned i, k;

	for (i = 0; i < VIPS; i++) {
		(void)snprintf(text, sizeof(text), "10.200.%u.%u", i / 256, i % 256);
		vips[i] = (struct lb_wish_vip) { .addr = addr_of(text),
						 .bits = 32,
						 .port = 80,
						 .proto = PROTO_TCP,
						 .backends = backends + (size_t)i * BACKENDS,
						 .nbackends = BACKENDS };
		for (k = 0; k < BACKENDS; k++) {
			(void)snprintf(text, sizeof(text), "10.%u.%u.%u", i % 40, k, 1 + i % 40);
			backends[i * BACKENDS + k] = (struct lb_wish_backend) { .addr = addr_of(text), .weight = 1 };
		}
	}
}

static double cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 512 VIPs with 100 backends each, of 4000: another weight for one backend of each, so that every ring is made anew. */
static void transactions(int turns)
{
	struct lb_wish_backend *backends = calloc((size_t)VIPS * BACKENDS, sizeof(*backends));
	static struct lb_wish_vip vips[VIPS];
	const struct lb_wish wish = { .vips = vips,
				      .nvips = VIPS,
				      .config = { .frame_max = 1514, .flood_rate = UINT32_MAX } };
	const struct chain_plan plan = { .stages = { "lb_stage" } };
	struct err err = ERR_INIT;
	struct world w = { 0 };
	double ms[TURNS], cpu = 0;
	pthread_t thread;
	int i, k;

	if (!backends)
		die("out of memory");
	fill_many(vips, backends);
	if (chain_new(CHAIN_ON_XDP, &w.chain, &err) < 0 || lb_new(w.chain, &(struct lb_opts) { 0 }, &w.lb, &err) < 0 ||
	    lb_apply(w.lb, &wish, &plan, &err) < 0)
		die(err.text);
	if (pthread_create(&thread, NULL, traffic, &w))
		die("cannot start a thread");
	for (i = 0; i < turns; i++) {
		double cpu_from = cpu_ms();
		struct timespec from, to;

		for (k = 0; k < VIPS; k++)
			backends[k * BACKENDS].weight = (uint32_t)i % 2 + 2;
		(void)clock_gettime(CLOCK_MONOTONIC, &from);
		if (lb_apply(w.lb, &wish, &plan, &err) < 0)
			die(err.text);
		(void)clock_gettime(CLOCK_MONOTONIC, &to);
		cpu += cpu_ms() - cpu_from;
		ms[i] = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	}
	atomic_store(&stop, true);
	(void)pthread_join(thread, NULL);
	qsort(ms, (size_t)turns, sizeof(*ms), compare);
	printf("| balancer: a wish of %d VIPs with %d backends each is applied under traffic | %.0f ms | <= 1500 ms | "
	       "all rings "
	       "anew, %d turns, lowest %.0f, of which on the CPU %.0f; rings of both generations %zu MB |\n",
	       VIPS, BACKENDS, ms[turns / 2], turns, ms[0], cpu / turns, 2 * VIPS * sizeof(struct lb_ring) >> 20);
	(void)lb_free(w.lb);
	(void)chain_free(w.chain);
	free(backends);
}

int main(int argc, char **argv)
{
	cpu_set_t all;

	int runs = argc > 1 ? atoi(argv[1]) : 41, repeat = argc > 2 ? atoi(argv[2]) : 100000, i;
	cpu_set_t one;
	size_t k;

	if (runs < 1 || runs > RUNS_MAX || repeat < 1)
		die("usage: lb_bench [RUNS [REPEAT]]");
	(void)sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	for (i = 0; i < WORLDS; i++) {
		balance(&worlds[i], i);
		restorer(&worlds[i]);
	}
	fill_elsewhere(&all, &one);
	for (i = 0; i < runs; i++) {
		for (k = 0; k < ARRAY_LEN(rows); k++)
			run(&rows[k], i, repeat);
	}
	tell(runs);
	(void)sched_setaffinity(0, sizeof(all), &all);
	transactions(runs < 10 ? 1 : TURNS);
	for (i = 0; i < WORLDS; i++) {
		(void)lb_free(worlds[i].lb);
		(void)chain_free(worlds[i].chain);
	}
	return 0;
}
