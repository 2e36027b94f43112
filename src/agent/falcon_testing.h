/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_FALCON_TESTING_H
#define SAKER_AGENT_FALCON_TESTING_H
/*
 * falcon_testing - for the tests of import and export: scratch folders, imports of files, and Falcon's ZooKeeper trace
 * with the events and edges that are expected of it ($SAKER_TEST_DATA).
 *
 * The expected files name events by their line.  A recorded event is found in them by its thread and place in it:
 * by time, START first, END last, ties as numbered (the README of the data).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/analyse.h"
#include "agent/import.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "order/order.h"
#include "store/store.h"

#define MINE __attribute__((unused)) static
#define ZK_EVENTS 688
#define ZK_EDGES 806

struct place {
	char dir[256], rec[300];
	struct err err;
	unsigned int complaints;
	char complaint[2000]; /* all of them, a line each */
};

MINE int place_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct place *p = calloc(1, sizeof(*p));

	(void)snprintf(p->dir, sizeof(p->dir), "%s/saker-import-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(p->dir))
		return -1;
	(void)snprintf(p->rec, sizeof(p->rec), "%s/rec", p->dir);
	*state = p;
	return 0;
}

MINE int place_teardown(void **state)
{
	struct place *p = *state;
	char cmd[300];

	(void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", p->dir);
	(void)!system(cmd);
	free(p);
	return 0;
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

/* The path of a file of the Falcon data; skips the test where there is none. */
MINE const char *data_path(const char *name)
{
	static char path[8][512];
	static int turn;
	const char *dir = getenv("SAKER_TEST_DATA");
	char *p = path[++turn % 8];

	(void)snprintf(p, sizeof(path[0]), "%s/falcon/%s", dir ? dir : SAKER_ROOT "/../shared/data", name);
	if (access(p, R_OK)) {
		print_message("%s is missing: set SAKER_TEST_DATA\n", p);
		skip();
	}
	return p;
}

MINE void note_complaint(void *arg, const char *file, uint64_t line, const char *why)
{
	struct place *p = arg;
	size_t len = strlen(p->complaint);

	(void)file;
	p->complaints++;
	(void)snprintf(p->complaint + len, sizeof(p->complaint) - len, "%llu: %s\n", (unsigned long long)line, why);
}

MINE int try_import(struct place *p, const char *const *files, unsigned int n, const char *dir,
		    struct import_counts *ret)
{
	struct import_opts opts = {
		.format = &import_falcon, .files = files, .nfiles = n, .complain = note_complaint, .arg = p
	};
	struct import *imp = NULL;
	int r = import_run(&opts, dir, &imp, &p->err);

	if (r >= 0)
		import_get_counts(imp, ret);
	import_free(imp);
	return r;
}

MINE struct import_counts import_files(struct place *p, const char *const *files, unsigned int n, const char *dir)
{
	struct import_counts c = { 0 };

	if (try_import(p, files, n, dir, &c) < 0)
		fail_msg("%s", p->err.text);
	return c;
}

MINE struct analysis analyse(struct place *p, const char *dir)
{
	struct analysis_opts opts = { .paths = &dir, .npaths = 1 };
	struct analysis a = { 0 };

	if (analysis_open(&opts, &a, &p->err) < 0)
		fail_msg("%s", p->err.text);
	return a;
}

/* expected-events.csv: id,line,type,thread,timestamp_ms,falcon_order,longest_path_clock (from 0) */
struct zk_event {
	unsigned int id, falcon, clock, rank;
	unsigned long long ms;
	char type[16], thread[80];
	struct order_ref ref; /* where it was found */
	bool found;
};

struct zk {
	struct zk_event by_thread[ZK_EVENTS];
	struct zk_event *by_id[ZK_EVENTS];
	unsigned int id_of[4][4 * ZK_EVENTS]; /* by host and event, + 1 */
};

MINE int zk_compare(const void *pa, const void *pb)
{
	const struct zk_event *a = pa, *b = pb;
	int order = strcmp(a->thread, b->thread);

	if (order)
		return order;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

MINE void zk_load(struct zk *zk)
{
	CLEANUP_FCLOSE FILE *f = fopen(data_path("zookeeper/expected-events.csv"), "r");
	char line[512];
	size_t n = 0, i;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct zk_event *e = &zk->by_thread[n];

		if (sscanf(line, "%u,%*u,%15[^,],%79[^,],%llu,%u,%u", &e->id, e->type, e->thread, &e->ms, &e->falcon,
			   &e->clock) != 6)
			continue;
		e->rank = !strcmp(e->type, "START") ? 0 : !strcmp(e->type, "END") ? 2 : 1;
		assert_true(++n <= ZK_EVENTS);
	}
	assert_int_equal(n, ZK_EVENTS);
	qsort(zk->by_thread, n, sizeof(zk->by_thread[0]), zk_compare);
	for (i = 0; i < n; i++)
		zk->by_id[zk->by_thread[i].id] = &zk->by_thread[i];
}

/* Falcon's name of what an event tells. */
MINE const char *falcon_name(const struct event *ev)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = { { EVENT_FORK, "CREATE" }, { EVENT_START, "START" },     { EVENT_EXIT, "END" },
		      { EVENT_JOIN, "JOIN" },	{ EVENT_LOG, "LOG" },	      { EVENT_SEND, "SND" },
		      { EVENT_RECV, "RCV" },	{ EVENT_CONNECT, "CONNECT" }, { EVENT_ACCEPT, "ACCEPT" } };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].type == ev->type->id)
			return names[i].name;
	return ev->type->name;
}

/* Finds each recorded event among the expected ones; returns how many there were. */
MINE size_t zk_find(struct zk *zk, struct place *p, struct store_reader *reader)
{
	struct event_source *source;
	const struct event *ev;
	size_t n = 0, i;

	assert_true(store_read(reader, NULL, &source, &p->err) >= 0);
	while (event_source_next(source, &ev, &p->err) > 0) {
		char thread[80];

		if (ev->h->context != CONTEXT_TASK)
			continue;
		(void)snprintf(thread, sizeof(thread), "%u@%s", ev->h->tid, store_host_name(reader, ev->host));
		for (i = 0; i < ZK_EVENTS && (zk->by_thread[i].found || strcmp(zk->by_thread[i].thread, thread)); i++)
			;
		assert_true(i < ZK_EVENTS);
		assert_string_equal(zk->by_thread[i].type, falcon_name(ev));
		assert_int_equal(zk->by_thread[i].ms * 1000000ULL, store_host_epoch(reader, ev->host) + ev->boot_ns);
		zk->by_thread[i].found = true;
		zk->by_thread[i].ref = (struct order_ref) { ev->host, ev->id };
		zk->id_of[ev->host][ev->id] = zk->by_thread[i].id + 1;
		n++;
	}
	event_source_close(source);
	return n;
}

#endif
