/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/diary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "agent/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"

#define OWN_CPU 65535 /* in a recording that has the kernel's events on the others */
#define CLOCK_EVERY_NS (30 * NS_PER_SEC)

struct diary {
	struct event_types *types;
	struct store_writer *store; /* NULL: stores nothing */
	diary_put_fn put;	    /* NULL: there is no recording of somebody else */
	void *put_arg;
	uint16_t cpu;
	uint64_t id, seq, start_ns, clock_ns, last_ns;
	uint32_t tgid, tid;
};

/* Start of this thread, as the kernel's events have it: field 22 of stat, in ticks since boot. */
static uint64_t own_start_ns(void)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/thread-self/stat", "re");
	char line[1024], *at;
	uint64_t ticks = 0;
	int i;

	if (!f || !fgets(line, sizeof(line), f))
		return 0;
	at = strrchr(line, ')');
	for (i = 0; at && i < 20; i++)
		at = strchr(at + 1, ' ');
	if (at)
		ticks = strtoull(at, NULL, 10);
	return ticks * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Builds the event and brings it to where events go; 0 also where they go nowhere. */
static int keep(struct diary *d, void *fixed, const char *const *strings, struct err *err)
{
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;

	if (!d->store && !d->put)
		return 0;
	if (event_build(&room, sizeof(room), fixed, strings) < 0)
		return err_set(err, E2BIG, "an event of the agent is too large for its recording");
	return d->put ? d->put(d->put_arg, &room.h) : store_append(d->store, &room.h, err);
}

static int say_recorder(struct diary *d, void *fixed, const char *const *strings, struct err *err)
{
	struct event_header *h = fixed;

	h->boot_ns = clock_boot_ns();
	h->context = CONTEXT_RECORDER;
	h->cpu = d->cpu;
	h->seq = d->put ? ++d->seq : 0; /* a store of its own gives no number to what only describes */
	return keep(d, fixed, strings, err);
}

static int say_mark(struct diary *d, struct err *err)
{
	struct event_mark mark = { .h = { .type = EVENT_MARK }, .value = d->id };

	return say_recorder(d, &mark, (const char *[]) { DIARY_MARK, NULL }, err);
}

static int say_process(struct diary *d, struct err *err)
{
	struct event_process process = { .h = { .type = EVENT_PROCESS,
						.tgid = d->tgid,
						.tid = d->tid,
						.start_ns = d->start_ns },
					 .ppid = (uint32_t)getppid(),
					 .uid = getuid(),
					 .gid = getgid(),
					 .flags = 1 /* snapshot */ };

	return say_recorder(d, &process, (const char *[]) { "saker", "saker", "saker agent", NULL }, err);
}

static int say_clock(struct diary *d, struct err *err)
{
	struct clock_pair p = clock_pair_read();
	struct event_clock e = {
		.h = { .type = EVENT_CLOCK, .length = sizeof(e), .boot_ns = p.boot_ns, .context = CONTEXT_RECORDER },
		.real_ns = p.real_ns,
		.error_ns = p.error_ns
	};

	d->clock_ns = p.boot_ns;
	return store_append(d->store, &e.h, err);
}

static int say_host(struct diary *d, const char *hostname, const char *boot_id, struct err *err)
{
	struct event_host host = { .h = { .type = EVENT_HOST }, .cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) };
	struct utsname u;
	int r;

	(void)uname(&u);
	r = say_recorder(d, &host, (const char *[]) { hostname, boot_id, u.release, u.machine, NULL }, err);
	if (r >= 0)
		r = say_mark(d, err);
	if (r >= 0)
		r = say_process(d, err);
	return r < 0 ? r : say_clock(d, err);
}

static int open_store(struct diary *d, const char *dir, uint64_t max_bytes, struct err *err)
{
	char hostname[256] = "localhost", boot_id[64];
	struct store_opts so = {
		.dir = dir, .max_bytes = max_bytes, .hostname = hostname, .boot_id = boot_id, .types = d->types
	};
	int r;

	(void)gethostname(hostname, sizeof(hostname) - 1);
	balancer_boot_id(boot_id);
	child_invoker(&so.uid, &so.gid);
	r = event_types_new(&d->types) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
	so.types = d->types;
	if (r >= 0)
		r = store_create(&so, &d->store, err);
	return r < 0 ? r : say_host(d, hostname, boot_id, err);
}

static struct diary *diary_new(void)
{
	struct diary *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	if (getrandom(&d->id, sizeof(d->id), 0) != (ssize_t)sizeof(d->id))
		d->id = clock_ns(CLOCK_REALTIME);
	d->id |= 1; /* 0 is none */
	d->tgid = (uint32_t)getpid();
	d->tid = (uint32_t)syscall(SYS_gettid);
	d->start_ns = own_start_ns();
	return d;
}

int diary_open(const char *dir, uint64_t max_bytes, struct diary **ret, struct err *err)
{
	struct diary *d = diary_new();
	int r = 0;

	if (!d)
		return err_set(err, ENOMEM, "out of memory");
	if (dir)
		r = open_store(d, dir, max_bytes, err);
	if (r < 0) {
		(void)diary_close(d, NULL);
		return r;
	}
	*ret = d;
	return 0;
}

int diary_close(struct diary *d, struct err *err)
{
	int r;

	if (!d)
		return 0;
	r = store_close(d->store, err);
	(void)event_types_free(d->types);
	free(d);
	return r;
}

int diary_beside(struct diary **ret, struct err *err)
{
	struct diary *d = diary_new();

	if (!d)
		return err_set(err, ENOMEM, "out of memory");
	d->cpu = OWN_CPU;
	*ret = d;
	return 0;
}

int diary_put(struct diary *d, diary_put_fn put, void *arg, bool alone, struct err *err)
{
	int r;

	d->put = put;
	d->put_arg = arg;
	r = put ? say_mark(d, err) : 0;
	return r < 0 || !put || alone ? r : say_process(d, err);
}

uint64_t diary_id(const struct diary *d)
{
	return d->id;
}

uint16_t diary_cpu(const struct diary *d)
{
	return d->cpu;
}

static int write_one(struct diary *d, struct event_header *h, const char *const *strings, struct sign_event *ret,
		     struct err *err)
{
	/* one after the other, also within a nanosecond: their order is the thread's */
	h->boot_ns = MAX(h->boot_ns ? h->boot_ns : clock_boot_ns(), d->last_ns + 1);
	d->last_ns = h->boot_ns;
	h->cpu = d->cpu;
	h->seq = ++d->seq;
	if (ret)
		*ret = (struct sign_event) { .host = d->id, .boot_ns = h->boot_ns, .seq = h->seq, .cpu = h->cpu };
	return keep(d, h, strings, err);
}

int diary_write(struct diary *d, void *fixed, const char *const *strings, struct sign_event *ret, struct err *err)
{
	struct event_header *h = fixed;

	h->context = CONTEXT_TASK;
	h->tgid = d->tgid;
	h->tid = d->tid;
	h->start_ns = d->start_ns;
	return write_one(d, h, strings, ret, err);
}

int diary_note(struct diary *d, void *fixed, const char *const *strings, struct sign_event *ret, struct err *err)
{
	struct event_header *h = fixed;

	h->context = CONTEXT_RECORDER;
	return write_one(d, h, strings, ret, err);
}

int diary_turn(struct diary *d, uint64_t now_ns, struct err *err)
{
	int r = 0;

	if (!d->store)
		return 0;
	if (now_ns > d->clock_ns + CLOCK_EVERY_NS)
		r = say_clock(d, err);
	if (r >= 0)
		r = store_settle(d->store, now_ns, err);
	return r < 0 ? r : store_flush(d->store, err);
}
