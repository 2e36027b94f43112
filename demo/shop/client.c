/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shop-client - asks the shop, and writes down what it asked, when, and what came back.
 *
 *	shop-client [OPTION...] ADDRESS:PORT APP...	GET /APP/item/N, from each of --threads threads one after the other
 *	shop-client --clock				CLOCK_BOOTTIME in ns
 *
 * A line of JSON a request goes to --log.  Each has a random X-Request-ID, unless --no-ids.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define ITEMS 100

static struct {
	int threads, requests, every, pause_ms, item, fault_from, fault_to;
	double seconds;
	bool no_ids;
	const char *log_path, *place;
	char fault[16];
	char **apps;
	int napps;
	FILE *log;
	uint64_t end_ns;
	atomic_int asked; /* by all threads */
} o = { .threads = 1, .every = 20 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static uint64_t dice(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		abort();
	return n;
}

static void ask(struct wires *p)
{
	const char *app = o.apps[dice() % (uint64_t)o.napps];
	int item = o.item ? o.item : (int)(dice() % ITEMS) + 1, status;
	char path[64], id[24] = "", fault[32] = "";
	uint64_t begin, end;
	int n = atomic_fetch_add(&o.asked, 1);

	if (*o.fault && n % o.every == o.every / 2)
		snprintf(fault, sizeof(fault), "%s=%d", o.fault,
			 o.fault_from + (int)(dice() % (uint64_t)(o.fault_to - o.fault_from + 1)));
	if (!o.no_ids)
		snprintf(id, sizeof(id), "%016" PRIx64, dice());
	snprintf(path, sizeof(path), "/%s/item/%d", app, item);
	begin = now_ns();
	status = http_get(p, path, id, fault, NULL, 0);
	end = now_ns();
	if (o.log)
		fprintf(o.log,
			"{\"id\":\"%s\",\"app\":\"%s\",\"item\":%d,\"begin_boot_ns\":%" PRIu64
			",\"end_boot_ns\":%" PRIu64 ",\"status\":%d,\"fault\":\"%s\"}\n",
			id, app, item, begin, end, status, fault);
	if (!status)
		pause_ms(20); /* nobody there */
}

static void *asker(void *arg)
{
	struct wires p = WIRES_INIT(o.place, NULL);
	int n;

	(void)arg;
	for (n = 0; (!o.requests || n < o.requests) && now_ns() < o.end_ns; n++) {
		ask(&p);
		if (o.pause_ms)
			pause_ms(o.pause_ms);
	}
	while (p.nidle)
		wires_put(&p, wires_get(&p), false);
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: shop-client [--threads N] [--seconds S] [--requests N (of each thread)] [--pause-ms N] "
			"[--item N]\n"
			"       [--fault KIND=MS[-MS] [--every N]] [--no-ids] [--log FILE] ADDRESS:PORT APP...\n");
	return 2;
}

static int fault_parse(const char *text)
{
	int n = sscanf(text, "%15[a-z]=%d-%d", o.fault, &o.fault_from, &o.fault_to);

	if (n == 2)
		o.fault_to = o.fault_from;
	return n >= 2 && o.fault_from > 0 && o.fault_to >= o.fault_from ? 0 : -1;
}

static const struct option options[] = {
	{ "threads", 1, NULL, 't' },
	{ "seconds", 1, NULL, 's' },
	{ "requests", 1, NULL, 'r' },
	{ "pause-ms", 1, NULL, 'p' },
	{ "item", 1, NULL, 'i' },
	{ "fault", 1, NULL, 'f' },
	{ "every", 1, NULL, 'e' },
	{ "no-ids", 0, NULL, 'n' },
	{ "log", 1, NULL, 'l' },
	{ "clock", 0, NULL, 'c' },
	{ 0 },
};

/* -1: go on; else the status to end with */
static int options_parse(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 't':
			o.threads = atoi(optarg);
			break;
		case 's':
			o.seconds = atof(optarg);
			break;
		case 'r':
			o.requests = atoi(optarg);
			break;
		case 'p':
			o.pause_ms = atoi(optarg);
			break;
		case 'i':
			o.item = atoi(optarg);
			break;
		case 'e':
			o.every = atoi(optarg);
			break;
		case 'n':
			o.no_ids = true;
			break;
		case 'l':
			o.log_path = optarg;
			break;
		case 'c':
			printf("%" PRIu64 "\n", now_ns());
			return 0;
		case 'f':
			if (fault_parse(optarg))
				return usage();
			break;
		default:
			return usage();
		}
	}
	if (argc - optind < 2 || o.threads < 1 || o.threads > 1024 || o.every < 1)
		return usage();
	o.place = argv[optind];
	o.apps = argv + optind + 1;
	o.napps = argc - optind - 1;
	return -1;
}

int main(int argc, char **argv)
{
	int status = options_parse(argc, argv), i;
	pthread_t threads[1024];

	if (status >= 0)
		return status;
	if (o.log_path && !(o.log = fopen(o.log_path, "ae"))) {
		fprintf(stderr, "shop-client: cannot write '%s'\n", o.log_path);
		return 1;
	}
	o.end_ns = o.seconds > 0 ? now_ns() + (uint64_t)(o.seconds * 1e9) : UINT64_MAX;
	for (i = 0; i < o.threads; i++)
		if (pthread_create(&threads[i], NULL, asker, NULL))
			return 1;
	for (i = 0; i < o.threads; i++)
		pthread_join(threads[i], NULL);
	return o.log && fclose(o.log) ? 1 : 0;
}
