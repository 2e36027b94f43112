/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest_bench - events a second from a BPF ring buffer to disk, against a consumer that only counts them.
 *
 * usage: ingest_bench [SECONDS [RUNS [DIR]]]	(3 5 .)
 * smoke: 0.2 1
 *
 * A thread runs ingest.bpf.c, which puts the events that a loaded redis-server makes (64 and 72 bytes) into a ring of
 * 16 MB as fast as there is room: it waits at half, so nothing is lost.  The consumer works as the recorder does: it
 * empties the ring, settles what is older than 20 ms, flushes twice a second; between, it sleeps 1 ms when the ring was
 * nearly empty.  "count" only adds up; "store" goes through the writer: window, sorting, blocks, checksums, files.
 * Each run is one of both; ratios are taken within a run.  Afterwards the recording is opened and its events counted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "kernel/ring.h"
#include "store/store.h"

#define RING_BYTES (16U << 20)
#define BATCH 2000 /* runs of the program in one call */
#define TICK_NS NS_PER_MS
#define SETTLE_NS (20 * NS_PER_MS)
#define FLUSH_NS (500 * NS_PER_MS)
#define RUNS_MAX 99

extern const unsigned char bpf_ingest_data[];
extern const size_t bpf_ingest_size;

struct bench {
	const char *dir;
	double seconds;
	struct bpf_object *obj;
	int prog;
	struct ring ring;
	volatile bool stop;
	uint64_t produced, refused; /* by the BPF program, after the run */
	struct store_writer *store;
	uint64_t taken, sum;
	struct err err;
};

/* One consumer's run. */
struct outcome {
	double rate, cpu_ns; /* a second; of the consumer's thread, for each event */
	uint64_t events, lost;
};

static uint64_t fill_level(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
}

static void *produce(void *arg)
{
	struct bench *b = arg;
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = BATCH);

	while (!b->stop)
		if (fill_level(&b->ring) < RING_BYTES / 2)
			(void)bpf_prog_test_run_opts(b->prog, &opts);
	return NULL;
}

static int count_event(void *arg, const struct event_header *h)
{
	struct bench *b = arg;

	b->taken++;
	b->sum += h->boot_ns ^ h->seq;
	return 0;
}

static int store_event(void *arg, const struct event_header *h)
{
	struct bench *b = arg;

	b->taken++;
	return store_append(b->store, h, &b->err);
}

static int tick(struct bench *b, kernel_event_fn *fn, uint64_t *flushed_ns)
{
	uint64_t now = clock_boot_ns();
	int64_t n = ring_drain(&b->ring, fn, b);
	int r = n < 0 ? (int)n : 0;

	if (r >= 0 && b->store)
		r = store_settle(b->store, now - SETTLE_NS, &b->err);
	if (r >= 0 && b->store && now - *flushed_ns > FLUSH_NS) {
		r = store_flush(b->store, &b->err);
		*flushed_ns = now;
	}
	return r;
}

static int consume(struct bench *b, kernel_event_fn *fn)
{
	const struct timespec pause = { .tv_nsec = TICK_NS };
	uint64_t begin = clock_boot_ns(), flushed = begin, end = begin + (uint64_t)(b->seconds * NS_PER_SEC);
	int r = 0;

	while (r >= 0 && clock_boot_ns() < end) {
		r = tick(b, fn, &flushed);
		if (fill_level(&b->ring) < RING_BYTES / 8)
			(void)nanosleep(&pause, NULL);
	}
	b->stop = true;
	return r;
}

static int open_store(struct bench *b, const char *path)
{
	struct event_types *types = NULL;
	struct store_opts opts = {
		.dir = path, .uid = UINT32_MAX, .gid = UINT32_MAX, .hostname = "bench", .boot_id = ""
	};

	if (event_types_new(&types) < 0)
		return -ENOMEM;
	opts.types = types; /* kept until the process ends */
	return store_create(&opts, &b->store, &b->err);
}

/* The program's counters are in its .bss. */
static void read_counters(struct bench *b, uint64_t *ret_produced, uint64_t *ret_refused)
{
	struct bpf_map *bss = bpf_object__find_map_by_name(b->obj, ".bss");
	uint64_t counters[2] = { 0 };
	uint32_t zero = 0;

	if (bss)
		(void)bpf_map_lookup_elem(bpf_map__fd(bss), &zero, counters);
	*ret_produced = counters[0];
	*ret_refused = counters[1];
}

static int run_one(struct bench *b, kernel_event_fn *fn, struct outcome *ret)
{
	uint64_t before, after, refused_before, refused, begin, cpu;
	pthread_t producer;
	int r;

	b->taken = 0;
	b->stop = false;
	read_counters(b, &before, &refused_before);
	if (pthread_create(&producer, NULL, produce, b))
		return err_errno(&b->err, errno, "cannot start a thread");
	begin = clock_boot_ns();
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	r = consume(b, fn);
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	ret->rate = (double)b->taken * 1e9 / (double)(clock_boot_ns() - begin);
	ret->cpu_ns = (double)cpu / (double)MAX(b->taken, (uint64_t)1);
	(void)pthread_join(producer, NULL);
	if (r >= 0)
		r = (int)MIN(ring_drain(&b->ring, fn, b), (int64_t)0);
	read_counters(b, &after, &refused);
	ret->events = b->taken;
	ret->lost = after - before - b->taken + refused - refused_before;
	return r;
}

/* What a reader finds in the recording; then it is deleted. */
static int64_t count_stored(struct bench *b, const char *path)
{
	struct store_reader *reader = NULL;
	struct store_stats st;
	char command[600];
	int r = store_open(&path, 1, &reader, &b->err);

	if (r < 0)
		return r;
	store_reader_stats(reader, &st);
	store_reader_free(reader);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", path);
	if (system(command))
		(void)fprintf(stderr, "cannot delete '%s'\n", path);
	return st.damaged_blocks ? -EBADMSG : (int64_t)st.events;
}

static int run_store(struct bench *b, struct outcome *ret)
{
	char path[512];
	int64_t stored;
	int r;

	(void)snprintf(path, sizeof(path), "%s/saker-ingest-%d", b->dir, (int)getpid());
	r = open_store(b, path);
	if (r >= 0)
		r = run_one(b, store_event, ret);
	if (r >= 0)
		r = store_close(b->store, &b->err);
	b->store = NULL;
	if (r < 0)
		return r;
	stored = count_stored(b, path);
	if (stored < 0)
		return (int)stored;
	ret->lost += ret->events - (uint64_t)stored; /* no checkpoint in here: nobody is alive in these events */
	return 0;
}

static int open_ring(struct bench *b)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	int r = ring_open(&b->ring, RING_BYTES, &b->err);

	if (r < 0)
		return r;
	b->obj = bpf_object__open_mem(bpf_ingest_data, bpf_ingest_size, NULL);
	map = b->obj ? bpf_object__find_map_by_name(b->obj, "ring") : NULL;
	prog = b->obj ? bpf_object__find_program_by_name(b->obj, "ingest") : NULL;
	if (!map || !prog || bpf_map__reuse_fd(map, b->ring.fd) || bpf_object__load(b->obj))
		return err_errno(&b->err, errno, "cannot load the bench's BPF program");
	b->prog = bpf_program__fd(prog);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static int run_all(struct bench *b, int runs)
{
	double ratio[RUNS_MAX], rate[RUNS_MAX], cost[RUNS_MAX];
	struct outcome count = { 0 }, store = { 0 };
	uint64_t lost = 0;
	struct rusage ru;
	int i, r = 0;

	(void)printf("%-4s %14s %14s %7s %12s %12s %6s\n", "run", "count ev/s", "store ev/s", "ratio", "count ns/ev",
		     "store ns/ev", "lost");
	for (i = 0; i < runs && r >= 0; i++) {
		r = run_one(b, count_event, &count);
		if (r >= 0)
			r = run_store(b, &store);
		rate[i] = store.rate;
		cost[i] = store.cpu_ns;
		ratio[i] = store.rate / count.rate;
		lost += store.lost;
		(void)printf("%-4d %14.0f %14.0f %7.3f %12.1f %12.1f %6llu\n", i + 1, count.rate, store.rate, ratio[i],
			     count.cpu_ns, store.cpu_ns, (unsigned long long)store.lost);
	}
	if (r < 0)
		return r;
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf(
		"median: %.2f M events/s to disk, %.3f of the counting consumer, %.0f ns of CPU an event; %llu lost; "
		"%.0f MB RSS besides the ring\n",
		median(rate, runs) / 1e6, median(ratio, runs), median(cost, runs), (unsigned long long)lost,
		(double)ru.ru_maxrss / 1024 - 2.0 * RING_BYTES / 1048576);
	(void)printf(
		"| ring to disk, 64 and 72 byte events | %.2f M events/s | >= 2 M/s | median of %d; %.0f ns of CPU an "
		"event |\n"
		"| the same against a consumer that only counts | %.2f | >= 0.8 | ratio within a run; %llu lost |\n",
		median(rate, runs) / 1e6, runs, median(cost, runs), median(ratio, runs), (unsigned long long)lost);
	return lost ? err_set(&b->err, EIO, "events were lost") : 0;
}

int main(int argc, char **argv)
{
	struct bench b = { .seconds = argc > 1 ? atof(argv[1]) : 3, .dir = argc > 3 ? argv[3] : "." };
	int runs = argc > 2 ? atoi(argv[2]) : 5, r;

	runs = runs < 1 ? 1 : MIN(runs, RUNS_MAX);
	if (geteuid()) {
		(void)puts("ingest_bench: a BPF ring needs root");
		return 0;
	}
	r = open_ring(&b);
	if (r >= 0)
		r = run_all(&b, runs);
	if (r < 0)
		(void)fprintf(stderr, "ingest_bench: %s\n", b.err.text);
	bpf_object__close(b.obj);
	ring_close(&b.ring);
	return r < 0;
}
