/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_import - any bytes as a file of FORMAT's, by default Falcon's: never a crash, every event is whole, streams are ordered, what was counted
 * is what comes out, and order/ takes it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "event/event.h"
#include "import/import.h"
#include "order/order.h"
#include "must.h"

#ifndef FORMAT /* fuzz_import_*.c name others */
#define FORMAT import_falcon
#endif

static uint64_t told;

static void complain(void *arg, const char *file, uint64_t line, const char *why)
{
	(void)arg;
	MUST(file[0] && line && why[0]);
	told++;
}

/* How many events of the files the host has. */
static uint64_t drain(struct import *imp, unsigned int host, struct order *order)
{
	struct event_source *source = NULL;
	struct err err = ERR_INIT;
	const struct event *ev;
	uint64_t n = 0, last_ns = 0, last_id = 0;

	MUST(import_read(imp, host, &source, &err) >= 0);
	while (event_source_next(source, &ev, &err) > 0) {
		MUST(ev->type && ev->host == host && ev->id == last_id + 1);
		MUST(event_check(ev->type, ev->h, ev->h->length, &err) >= 0);
		MUST(ev->h->boot_ns >= last_ns && ev->boot_ns <= ev->h->boot_ns);
		MUST(!(ev->h->flags & EVENT_F_LATE) == (ev->boot_ns == ev->h->boot_ns));
		MUST(order_add(order, ev, &err) >= 0);
		last_ns = ev->h->boot_ns;
		last_id = ev->id;
		n += ev->h->context == CONTEXT_TASK;
	}
	event_source_close(source);
	return n;
}

static void check(struct import *imp)
{
	struct import_counts c;
	struct order *order;
	struct err err = ERR_INIT;
	uint64_t n = 0;
	unsigned int i;

	import_get_counts(imp, &c);
	MUST(c.events && c.blank <= c.lines && told <= IMPORT_COMPLAINTS_MAX);
	MUST(order_new(NULL, &order, &err) >= 0);
	for (i = 0; i < import_hosts(imp); i++)
		n += drain(imp, i, order);
	MUST(n == c.events);
	MUST(order_solve(order, &err) >= 0 || err.code);
	order_free(order);
}

/* All that holds of an import of the file or folder. */
static void check_path(const char *path)
{
	struct import_opts opts = { .format = &FORMAT, .files = &path, .nfiles = 1, .complain = complain };
	struct import *imp = NULL;
	struct err err = ERR_INIT;

	told = 0;
	if (import_open(&opts, &imp, &err) >= 0)
		check(imp);
	else
		MUST(err.code && err.text[0]);
	import_free(imp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef OWN_INPUT
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	char path[64];

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check_path(path);
	(void)close(fd);
	return 0;
}
#endif
