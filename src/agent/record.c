/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "agent/budget.h"
#include "agent/calls.h"
#include "agent/child.h"
#include "agent/containers.h"
#include "agent/goroutines.h"
#include "agent/logs.h"
#include "agent/mapped.h"
#include "agent/mask.h"
#include "agent/notes.h"
#include "agent/paths.h"
#include "agent/payloads.h"
#include "agent/places.h"
#include "agent/select.h"
#include "agent/tls.h"
#include "agent/verdicts.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "event/event.h"
#include "kernel/kernel.h"
#include "probe/dynamic.h"
#include "probe/probe.h"
#include "store/store.h"

#define TICK_NS (10 * NS_PER_MS) /* a wake-up costs 47 us: at 5 ms an idle recorder used 1 % of a CPU */
#define TICK_MIN_NS (2500000)	 /* with much to do: many at once would keep somebody else's thread waiting too long */
#define TICK_EVENTS 1500	 /* so many are much: they take about 0.5 ms */
#define SETTLE_NS (20 * NS_PER_MS)    /* an event is in its ring this long after its time stamp, at latest */
#define INTERRUPT_NS (2 * NS_PER_SEC) /* after SIGINT, which a terminal sends to the command as well: SIGTERM */
#define PATIENCE_NS (5 * NS_PER_SEC)  /* so long a command may take to end */
#define FLUSH_NS (500 * NS_PER_MS)    /* a block closes after 1 s at latest */
#define SHORT_NS 5000		      /* shorter waits are told as a sum: one event costs a fifth of that */
#define OBSERVED_MORE 64
#define REFUSED_TOLD 10 /* losses, after which events that are refused get no mark */

struct recorder {
	const struct record_opts *opts;
	struct kernel *kernel;
	struct store_writer *store;
	struct event_types *types;
	struct places *places;
	struct containers_watch *containers; /* NULL: none is selected by its name */
	struct map groups;		     /* of containers, by path: known already */
	struct logs *logs;		     /* NULL: no log lines are recorded */
	struct payloads *payloads;	     /* NULL: nor first bytes of messages */
	struct goroutines *goroutines;
	struct mapped *mapped;
	struct tls *tls;
	struct notes *notes;
	struct verdicts *verdicts; /* NULL: of no interface */
	struct dynamic *dynamic;
	struct budget budget;
	struct calls calls;
	struct child child;
	struct err *err;
	uint64_t lost, last_flush_ns, end_ns, stopping_ns, pause_ns;
	bool asked; /* the command, to end */
};

/* An event that does not fit its type is our own fault: it is counted as lost, with a mark that says why. */
static int refuse_event(struct recorder *r, const struct event_header *h)
{
	struct event_loss e = { .h = { .type = EVENT_LOSS,
				       .length = sizeof(e),
				       .boot_ns = clock_boot_ns(),
				       .context = CONTEXT_RECORDER },
				.count = 1,
				.first_seq = h->seq,
				.last_seq = h->seq,
				.from_ns = h->boot_ns,
				.to_ns = h->boot_ns,
				.lost_type = h->type,
				.lost_cpu = h->cpu };
	struct event_mark mark = { .h = e.h };
	const char *strings[] = { r->err->text, NULL };
	union {
		struct event_header h;
		char bytes[1024];
	} room;

	mark.h.type = EVENT_MARK;
	if (!r->store)
		return 0;
	if (r->lost++ < REFUSED_TOLD && event_build(&room, sizeof(room), &mark, strings) > 0)
		(void)store_append(r->store, &room.h, NULL);
	*r->err = (struct err)ERR_INIT;
	return store_append(r->store, &e.h, r->err);
}

static int store_event(void *arg, const struct event_header *h)
{
	struct recorder *r = arg;
	int code = r->store ? store_append(r->store, h, r->err) : 0;

	if (code == -EBADMSG || code == -EINVAL)
		return refuse_event(r, h);
	if (code >= 0 && h->type == EVENT_LOSS)
		r->lost += ((const struct event_loss *)(const void *)h)->count;
	return code;
}

/* Appends one file or link of /proc/PID to the strings of e; returns its length. */
static size_t proc_read(uint32_t tgid, const char *name, bool link, char *out, size_t cap)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%u/%s", tgid, name);
	if (link)
		n = readlink(path, out, cap - 1);
	else
		n = (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 ? -1 : read(fd, out, cap - 1);
	n = n < 0 ? 0 : n;
	out[n] = 0;
	return (size_t)n + 1;
}

/* Fills program and arguments of a process event from /proc; 0: the process is gone. */
static int proc_identity(void *event, size_t cap)
{
	struct event_process *e = event;
	size_t at = sizeof(*e) + strnlen(e->tail, 16) + 1;
	char *base = event;

	if (cap < at + 2 * ARGS_MAX + 16)
		return 0;
	at += proc_read(e->h.tgid, "exe", true, base + at, ARGS_MAX);
	at += proc_read(e->h.tgid, "cmdline", false, base + at, ARGS_MAX);
	e->h.length = (uint16_t)((at + 7) & ~7U);
	memset(base + at, 0, e->h.length - at);
	return 1;
}

/*
 * exec and process events come with NULs between the arguments: spaces instead, and secrets masked, before
 * anything is stored.
 */
static int store_identity(struct recorder *r, const struct event_header *h)
{
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;
	const struct event_process *e = (const void *)h;
	size_t at = sizeof(*e), end = h->length, i;
	int skip;

	memcpy(&room, h, end);
	/* the kernel knows the arguments of a running process only at its exec: ask /proc */
	if (h->type == EVENT_PROCESS && proc_identity(&room, sizeof(room)) > 0)
		end = room.h.length;
	for (skip = 0; skip < 2 && at < end; at++)
		skip += !room.bytes[at];
	while (end > at && !room.bytes[end - 1])
		end--;
	mask_secrets(room.bytes + at, end - at);
	for (i = at; i < end; i++)
		if (!room.bytes[i])
			room.bytes[i] = ' ';
	room.h.length = (uint16_t)((end + 1 + 7) & ~7U);
	memset(room.bytes + end, 0, room.h.length - end);
	i = (size_t)store_event(r, &room.h);
	if ((int)i < 0)
		return (int)i;
	if (goroutines_see(r->goroutines, h->tgid) < 0 || tls_exec(r->tls, h->tgid) < 0 ||
	    mapped_see(r->mapped, h->tgid, clock_boot_ns()) < 0)
		return -ENOMEM;
	return places_see(r->places, e->netns, e->cgroup, h->tgid);
}

/* Each string for itself: a NUL between them is an end. */
static void mask_strings(char *text, size_t len)
{
	size_t at, n;

	for (at = 0; at < len; at += n + 1) {
		n = strnlen(text + at, len - at);
		mask_secrets(text + at, n);
	}
}

/* Fields of tracepoints named on the command line can be command lines too (sched_process_exec, syscalls). */
static int store_dynamic(struct recorder *r, const struct event_header *h)
{
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;
	const struct event_type *type = event_types_get(r->types, h->type);
	int i;

	if (!type)
		return store_event(r, h);
	memcpy(&room, h, h->length);
	for (i = 0; i < type->nfields; i++) {
		const struct event_field *f = &type->fields[i];

		if (f->kind == EVENT_CHARS)
			mask_secrets(room.bytes + f->offset, strnlen(room.bytes + f->offset, f->size));
	}
	if (type->size < h->length)
		mask_strings(room.bytes + type->size, h->length - type->size);
	return store_event(r, &room.h);
}

static int store_note(struct recorder *r, const struct event_header *h)
{
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;

	memcpy(&room, h, h->length);
	notes_mask(&room.h);
	return store_event(r, &room.h);
}

/* The names of files come in parts. */
static int store_file(struct recorder *r, const struct event_header *h)
{
	const struct event_file_open *e = (const void *)h;
	union {
		struct event_header h;
		char bytes[EVENT_LENGTH_MAX];
	} room;
	size_t at = sizeof(*e);

	if (h->length < at || at + PATHS_MAX(h->length) > sizeof(room) - 8)
		return store_event(r, h);
	memcpy(&room, h, at);
	at += paths_join(e->tail, h->length - at, 2, room.bytes + at);
	room.h.length = (uint16_t)((at + 7) & ~7U);
	memset(room.bytes + at, 0, room.h.length - at);
	return store_event(r, &room.h);
}

static int take_payload(struct recorder *r, const struct event_header *h)
{
	const struct event_payload_piece *e = (const void *)h;
	int code = e->flags & PAYLOADFLAGS_TLS ? tls_hello(r->tls, h->tgid) : 0;

	return code < 0 ? code : payloads_take(r->payloads, h);
}

/* Every event from the rings passes here. */
static int take_event(void *arg, const struct event_header *h)
{
	struct recorder *r = arg;

	if (r->opts->observer)
		r->opts->observer->see(r->opts->observer->arg, h);
	switch (h->type) {
	case EVENT_EXEC:
	case EVENT_PROCESS:
		return store_identity(r, h);
	case EVENT_FILE_OPEN:
	case EVENT_FILE_READ:
	case EVENT_FILE_WRITE:
	case EVENT_FILE_SYNC:
	case EVENT_FILE_NAME:
		return store_file(r, h);
	case EVENT_SOCKET:
		return store_event(r, h) < 0
			       ? -EIO
			       : places_see(r->places, ((const struct event_socket *)(const void *)h)->netns, 0,
					    h->tgid);
	case EVENT_PAYLOAD_PIECE:
		return r->payloads ? take_payload(r, h) : 0;
	case EVENT_CLOSE:
		return r->payloads && payloads_take(r->payloads, h) < 0 ? -EIO : store_event(r, h);
	case EVENT_LOG_PIECE:
		return r->logs ? logs_take(r->logs, h) : 0;
	case EVENT_NOTE:
		return store_note(r, h);
	case EVENT_EXIT:
		return r->logs && logs_take(r->logs, h) < 0 ? -EIO : store_event(r, h);
	case EVENT_GO_READY:
		if (goroutines_count(r->goroutines, h) < 0)
			return -EIO;
		break;
	default:
		if (h->type >= EVENT_DYNAMIC_MIN)
			return store_dynamic(r, h);
		break;
	}
	return store_event(r, h);
}

/* --- what the recorder says itself --- */

static int say_host(struct recorder *r, const char *hostname, const char *boot_id)
{
	struct event_host e = { .h = { .type = EVENT_HOST, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
				.cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) };
	union {
		struct event_header h;
		char bytes[1024];
	} room;
	const char *strings[] = { hostname, boot_id, NULL, NULL, NULL };
	struct utsname u;

	(void)uname(&u);
	strings[2] = u.release;
	strings[3] = u.machine;
	if (event_build(&room, sizeof(room), &e, strings) < 0)
		return 0;
	return store_event(r, &room.h);
}

/* Who reads the recording is to know what it cannot hold. */
static int say_kinds(struct recorder *r)
{
	struct event_mark e = { .h = { .type = EVENT_MARK, .boot_ns = clock_boot_ns(), .context = CONTEXT_RECORDER },
				.value = kernel_observed(r->kernel) };
	char text[128] = "observed: ";
	const char *strings[] = { text, NULL };
	union {
		struct event_header h;
		char bytes[512];
	} room;

	probe_kinds_names((uint32_t)e.value, text + strlen(text), sizeof(text) - strlen(text));
	return event_build(&room, sizeof(room), &e, strings) < 0 ? 0 : store_event(r, &room.h);
}

static int say_clock(struct recorder *r)
{
	struct clock_pair p = clock_pair_read();
	struct event_clock e = {
		.h = { .type = EVENT_CLOCK, .length = sizeof(e), .boot_ns = p.boot_ns, .context = CONTEXT_RECORDER },
		.real_ns = p.real_ns,
		.error_ns = p.error_ns
	};

	return store_event(r, &e.h);
}

static void boot_id_read(char out[64])
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(out, 64, f))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* --- life --- */

/* A flight recorder finds its place made, and what an earlier run left there set aside. */
static int flight_place(const struct record_opts *opts, struct err *err)
{
	if (!strcmp(opts->dir, RECORD_FLIGHT_DIR) && mkdir(RECORD_FLIGHT_PARENT, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "cannot create '" RECORD_FLIGHT_PARENT "'");
	return store_set_aside(opts->dir, opts->max_bytes, err);
}

static int open_store(struct recorder *r, struct err *err)
{
	char hostname[256] = "localhost", boot_id[64];
	struct store_opts so = { .dir = r->opts->dir,
				 .max_bytes = r->opts->max_bytes,
				 .hostname = hostname,
				 .boot_id = boot_id,
				 .types = r->types };
	int e = r->opts->flight ? flight_place(r->opts, err) : 0;

	if (e < 0)
		return e;
	if (!r->opts->dir)
		return 0;
	(void)gethostname(hostname, sizeof(hostname) - 1);
	boot_id_read(boot_id);
	child_invoker(&so.uid, &so.gid);
	e = store_create(&so, &r->store, err);
	if (e >= 0)
		e = say_host(r, hostname, boot_id);
	if (e >= 0)
		e = say_kinds(r);
	return e < 0 ? e : say_clock(r);
}

static int open_kernel(struct recorder *r, struct err *err)
{
	struct kernel_opts ko = { .ring_bytes = r->opts->ring_bytes };
	const struct kernel_object *const *obj;
	char names[128];
	uint32_t refused;
	int e = select_prepare(r->opts, &ko.cfg, err);

	ko.cfg.observe = r->opts->observe;
	ko.cfg.sched_short_ns = SHORT_NS;
	if (e >= 0 && r->opts->observe & OBSERVE_LOG)
		e = logs_new(r->opts->logs, r->opts->nlogs, &ko.cfg, store_event, r, &r->logs, err);
	if (e >= 0 && r->opts->observe & OBSERVE_SOCKET && r->opts->payload) {
		ko.cfg.payload = r->opts->payload;
		e = payloads_new(r->opts->masks, r->opts->nmasks, store_event, r, &r->payloads, err);
	}
	if (e >= 0)
		e = kernel_new(&ko, &r->kernel, err);
	for (obj = probe_all; e >= 0 && *obj; obj++)
		e = kernel_load(r->kernel, *obj, err);
	if (e < 0)
		return e;
	if (r->logs)
		logs_bind(r->logs, r->kernel);
	refused = r->opts->demanded & ~kernel_observed(r->kernel);
	probe_kinds_names(refused, names, sizeof(names));
	return refused ? err_set(err, EOPNOTSUPP, "cannot observe %s here: see 'saker doctor'", names) : 0;
}

/* Each file that a recorded process runs. */
static int see_file(void *arg, const struct mapped_file *f)
{
	struct recorder *r = arg;
	int e = tls_see_file(r->tls, f);

	return e < 0 ? e : notes_see_file(r->notes, f);
}

/* The command that is going to be run: what it is to be hooked by is there before it is. */
static int see_command(struct recorder *r, const char *command)
{
	char path[1024];
	struct mapped_file f = { .program = true, .path = path, .at = path };
	int e = goroutines_see_command(r->goroutines, command);

	if (e >= 0)
		e = tls_see_system(r->tls);
	return e < 0 || !r->mapped || !mapped_command(command, path, sizeof(path)) ? e : see_file(r, &f);
}

/*
 * Nothing is missed from the moment on at which the hooks of fork and exit are live: as long as `attaching` is set they
 * look for a selected ancestor, and keep hold of those whom an ending process leaves behind.  Then: who runs already,
 * who they are, what they have open.
 */
static int go_live(struct recorder *r, struct err *err)
{
	int e = select_pids(r->opts, r->kernel, err);

	if (e < 0)
		return e;
	if (r->opts->container)
		r->containers = containers_watch_new();
	kernel_control(r->kernel)->attaching = 1;
	e = kernel_attach(r->kernel, err);
	if (e >= 0)
		e = select_places(r->opts, r->kernel, err);
	kernel_control(r->kernel)->attaching = 0;
	if (e >= 0 && r->child.pid)
		e = kernel_select(r->kernel, (uint32_t)r->child.pid, err);
	if (e >= 0 && r->child.pid)
		e = see_command(r, r->opts->command[0]);
	if (e >= 0)
		e = kernel_iterate(r->kernel, "process_describe", err);
	if (e >= 0)
		e = kernel_iterate(r->kernel, "socket_snapshot", err);
	if (e >= 0)
		e = kernel_iterate(r->kernel, "sched_snapshot", err);
	kernel_control(r->kernel)->starting = (uint64_t)(r->child.pid > 0 ? r->child.pid : 0);
	if (e >= 0)
		e = calls_start(&r->calls, r->kernel, r->child.pid, r->opts->nlogs, err);
	kernel_control(r->kernel)->settled = 1;
	if (e >= 0)
		e = dynamic_attach(r->dynamic, r->kernel, err);
	return e;
}

/* What is older than that may leave the window, unless a log line still waits for what goes on with it. */
static int settle(struct recorder *r, uint64_t before, uint64_t now)
{
	int e = r->logs ? logs_tick(r->logs, before, now) : 0;

	if (e >= 0 && r->payloads)
		e = payloads_tick(r->payloads, before);
	before = MIN(before, now);
	if (r->logs)
		before = logs_settle(r->logs, before);
	return e < 0 || !r->store ? e : store_settle(r->store, before, r->err);
}

static void pause_choose(struct recorder *r, int64_t events)
{
	if (events > TICK_EVENTS)
		r->pause_ns = MAX(r->pause_ns / 2, (uint64_t)TICK_MIN_NS);
	else if (events < TICK_EVENTS / 3)
		r->pause_ns = MIN(r->pause_ns * 2, (uint64_t)TICK_NS);
}

static int drain(struct recorder *r, uint64_t settle_ns)
{
	uint64_t now = clock_boot_ns();
	int64_t n = kernel_drain(r->kernel, take_event, r);
	int e = n >= 0 && r->verdicts ? verdicts_turn(r->verdicts, 0) : 0;

	if (e >= 0)
		e = n < 0 ? (int)n : settle(r, settle_ns ? now - settle_ns : UINT64_MAX, now);
	pause_choose(r, n);
	if (e >= 0 && r->store && now - r->last_flush_ns > FLUSH_NS) {
		e = store_flush(r->store, r->err);
		r->last_flush_ns = now;
	}
	return e;
}

static int observed_tick(struct recorder *r, const struct record_observer *o)
{
	uint32_t pids[OBSERVED_MORE];
	size_t n, i;
	int e = o->tick(o->arg, clock_boot_ns());

	if (e < 0 || !o->more)
		return e;
	n = o->more(o->arg, pids, OBSERVED_MORE);
	for (i = 0; i < n && e >= 0; i++)
		e = select_found(pids[i], r->kernel);
	return e < 0 ? e : 0;
}

static int tick(struct recorder *r)
{
	struct timespec pause = { .tv_nsec = (long)r->pause_ns };
	int e;

	(void)nanosleep(&pause, NULL);
	e = drain(r, SETTLE_NS);
	if (e < 0)
		return e;
	if (kernel_control(r->kernel)->want_dgram && !kernel_control(r->kernel)->dgram_live)
		(void)kernel_attach_later(r->kernel, NULL); /* refused: datagrams stay without their payload's hash */
	e = places_later(r->places, false);
	if (e >= 0)
		e = calls_tick(&r->calls, r->kernel, r->err);
	if (e >= 0)
		e = mapped_tick(r->mapped, clock_boot_ns());
	if (e >= 0)
		e = tls_tick(r->tls, clock_boot_ns());
	if (e >= 0 && r->containers && containers_begun(r->containers))
		e = select_again(r->opts->container, r->kernel, &r->groups, r->err);
	if (e >= 0)
		e = budget_tick(&r->budget, r->kernel, store_event, r);
	return e < 0 || !r->opts->observer ? e : observed_tick(r, r->opts->observer);
}

/* Is the recording to end?  A command that still runs is asked to end first, and recorded until it does. */
static bool over(struct recorder *r, int stop)
{
	uint64_t now = clock_boot_ns();

	if (!r->stopping_ns && !stop && now < r->end_ns)
		return false;
	if (!r->stopping_ns)
		r->stopping_ns = now;
	if (!r->child.pid || stop < 0 || now - r->stopping_ns > PATIENCE_NS)
		return true;
	if (!r->asked && (stop != SIGINT || now - r->stopping_ns > INTERRUPT_NS)) {
		child_stop(&r->child);
		r->asked = true;
	}
	return false;
}

static int loop(struct recorder *r, volatile sig_atomic_t *stop)
{
	bool ended = false;
	int e = 0;

	r->end_ns = r->opts->duration_ns ? clock_boot_ns() + r->opts->duration_ns : UINT64_MAX;
	while (e >= 0 && !ended && !over(r, *stop)) {
		ended = r->child.pid && child_ended(&r->child);
		e = tick(r);
	}
	return e;
}

/* Nothing is attached any more: the rest of the rings, and what could not be told. */
static int finish(struct recorder *r, struct record_result *ret)
{
	struct kernel_counts counts;
	int e;

	if (r->opts->observer)
		r->opts->observer->end(r->opts->observer->arg);
	e = tls_tick(r->tls, UINT64_MAX); /* who waits to be told of, as long as his files can be looked at */
	if (e < 0)
		return e;
	kernel_detach(r->kernel);
	dynamic_detach(r->dynamic);
	goroutines_detach(r->goroutines);
	tls_unhook(r->tls);
	notes_unhook(r->notes);
	kernel_quiesce();
	e = kernel_iterate(r->kernel, "sched_rest", r->err);
	if (e >= 0)
		e = drain(r, 0);
	if (e >= 0)
		e = places_later(r->places, true);
	if (e >= 0)
		e = kernel_last_losses(r->kernel, store_event, r);
	if (e >= 0)
		e = budget_last(&r->budget, r->kernel, store_event, r);
	if (e >= 0)
		e = say_clock(r);
	if (e >= 0 && r->store)
		e = store_settle(r->store, UINT64_MAX, r->err);
	if (e >= 0 && r->store)
		e = store_flush(r->store, r->err);
	kernel_counts(r->kernel, &counts);
	ret->produced = counts.produced;
	ret->missed = counts.missed + counts.helper_failed;
	return e;
}

static void result_fill(struct recorder *r, struct record_result *ret)
{
	struct store_stats st = { 0 };

	if (r->store)
		store_writer_stats(r->store, &st);
	ret->events = st.events;
	ret->bytes = st.bytes;
	ret->late = st.late;
	ret->retired = st.retired_events;
	ret->lost = r->lost;
	ret->exit_code = child_exit_code(&r->child);
	ret->left = r->child.pid && !r->child.done ? r->child.pid : 0;
	budget_totals(&r->budget, &ret->span_ns, &ret->user_ns, &ret->kernel_ns, &ret->rss_bytes);
	ret->measured_kernel = ret->kernel_ns > 0;
}

/* Those who look into the programs of recorded processes. */
static int programs_new(struct recorder *r)
{
	int e = 0;

	if (r->opts->observe & OBSERVE_TLS && r->payloads)
		e = tls_new(r->kernel, store_event, r, &r->tls);
	if (e >= 0 && r->opts->observe & OBSERVE_NOTE)
		e = notes_new(r->kernel, &r->notes);
	return e < 0 || (!r->tls && !r->notes) ? e : mapped_new(see_file, r, &r->mapped);
}

static int run(struct recorder *r, volatile sig_atomic_t *stop, void (*ready)(void *arg), void *arg,
	       struct record_result *ret, struct err *err)
{
	int e, last;

	if (r->opts->command) {
		e = child_start(&r->child, r->opts->command, r->opts->as_root, r->opts->ignored, err);
		if (e < 0)
			return e;
	}
	e = dynamic_new(r->opts->probes, r->opts->nprobes, r->types, &r->dynamic, err);
	if (e >= 0)
		e = open_kernel(r, err);
	if (e >= 0)
		e = open_store(r, err);
	if (e >= 0 && r->opts->observer)
		r->opts->observer->begin(r->opts->observer->arg, store_event, r);
	if (e >= 0)
		e = places_new(store_event, r, &r->places);
	if (e >= 0)
		e = goroutines_new(r->kernel, r->opts->goroutines, store_event, r, &r->goroutines);
	if (e >= 0 && r->opts->packets)
		e = verdicts_open(r->opts->packets, store_event, r, &r->verdicts, err);
	if (e >= 0)
		e = programs_new(r);
	if (e >= 0)
		e = budget_start(&r->budget, r->opts->budget_percent, r->payloads != NULL, err);
	if (e >= 0)
		e = go_live(r, err);
	if (e >= 0)
		e = drain(r, SETTLE_NS); /* who runs already: the hooks that their programs want */
	if (e >= 0 && r->child.pid)
		e = child_release(&r->child, err);
	if (e < 0)
		return e;
	ready(arg);
	e = loop(r, stop);
	last = finish(r, ret);
	result_fill(r, ret);
	return e < 0 ? e : last;
}

int record_run(const struct record_opts *opts, volatile sig_atomic_t *stop, void (*ready)(void *arg), void *arg,
	       struct record_result *ret, struct err *err)
{
	struct recorder *r = calloc(1, sizeof(*r));
	int e, last;

	*ret = (struct record_result) { 0 };
	if (!r || event_types_new(&r->types) < 0) {
		free(r);
		return err_set(err, ENOMEM, "out of memory");
	}
	r->opts = opts;
	r->err = err;
	r->child = (struct child)CHILD_INIT;
	r->pause_ns = TICK_NS;
	e = run(r, stop, ready, arg, ret, err);
	child_end(&r->child);
	r->goroutines = goroutines_free(r->goroutines);
	r->mapped = mapped_free(r->mapped);
	r->verdicts = verdicts_close(r->verdicts);
	r->tls = tls_free(r->tls);
	r->notes = notes_free(r->notes);
	r->kernel = kernel_free(r->kernel);
	r->dynamic = dynamic_free(r->dynamic);
	r->logs = logs_free(r->logs);
	r->payloads = payloads_free(r->payloads);
	last = store_close(r->store, e < 0 ? NULL : err);
	budget_stop(&r->budget);
	r->places = places_free(r->places);
	r->containers = containers_watch_free(r->containers);
	map_fini(&r->groups);
	r->types = event_types_free(r->types);
	free(r);
	return e < 0 ? e : last;
}
