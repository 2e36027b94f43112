/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/watcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/asked.h"
#include "agent/diary.h"
#include "agent/hostid.h"
#include "agent/page.h"
#include "agent/record.h"
#include "agent/watch.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "peer/link.h"
#include "probe/probe.h"

#define HOLDERS_MAX 1024
#define BUDGET_PERCENT 5 /* of one CPU: messages are left out before; what signs are made of never is */
#define OWN_CPU 65535	 /* of the watcher's own events: the recording has the kernel's on the others */

_Static_assert(WATCHER_ADDRS == FRAME_ADDRS, "all that are watched for can be claimed");

struct balancer_link {
	struct watcher *w;
	struct link *link;
	const struct watcher_to *to;
	char name[FRAME_NAME];
	struct sign_addr addr;
	bool up;
};

struct watcher {
	const struct watcher_opts *opts;
	volatile sig_atomic_t *stop;
	struct secret secret;
	struct watch watch;
	struct balancer_link to[WATCHER_BALANCERS], *only; /* only: the others know already */
	int diag, asked;
	uint64_t id, seq; /* of the recording; of the last own event */
	uint64_t host, busy, total;
	int (*put)(void *arg, const struct event_header *h);
	void *put_arg;
};

/* --- what is recorded --- */

static void put_event(struct watcher *w, void *fixed, const char *const *strings)
{
	struct event_header *h = fixed;
	union {
		struct event_header h;
		char bytes[2048];
	} room;

	if (!h->boot_ns)
		h->boot_ns = clock_boot_ns();
	h->context = CONTEXT_RECORDER;
	h->cpu = OWN_CPU;
	h->seq = ++w->seq;
	if (event_build(&room, sizeof(room), fixed, strings) > 0)
		(void)w->put(w->put_arg, &room.h);
}

static void put_report(struct watcher *w, const struct balancer_link *b, const struct sign *s, uint64_t at_ns,
		       uint64_t session, uint64_t sequence)
{
	struct event_report e = { .h = { .type = EVENT_REPORT, .boot_ns = at_ns },
				  .session = session,
				  .sequence = sequence,
				  .value = s->value,
				  .agent = w->host,
				  .host1 = s->evidence.host,
				  .ns1 = s->evidence.boot_ns,
				  .seq1 = s->evidence.seq,
				  .cpu1 = s->evidence.cpu,
				  .sign = s->kind,
				  .port = s->port,
				  .protocol = s->proto,
				  .peer_port = b->to->port };

	sign_addr_event(&s->backend, e.backend);
	sign_addr_event(&b->addr, e.peer);
	put_event(w, &e, (const char *[]) { s->text, b->name, NULL });
}

/* --- what is told --- */

static void tell(struct watcher *w, struct balancer_link *b, const struct sign *s)
{
	uint64_t session, sequence,
		at_ns = clock_boot_ns(); /* before it is sent: who is told cannot have been so earlier */

	if (b->up && link_sign(b->link, s, &session, &sequence) == 0)
		put_report(w, b, s, at_ns, session, sequence);
}

/* Of the port: of each address that backends of it have. */
static void on_sign(void *arg, const struct sign *s)
{
	struct watcher *w = arg;
	struct sign one = *s;
	unsigned int i, k;

	for (i = 0; i < w->opts->naddrs; i++) {
		one.backend = w->opts->addrs[i];
		for (k = 0; k < w->opts->nto; k++)
			if (!w->only || w->only == &w->to[k])
				tell(w, &w->to[k], &one);
	}
}

static void on_up(void *arg, struct link *l, uint64_t session, const struct frame_welcome *welcome)
{
	struct balancer_link *b = arg;

	(void)l;
	b->up = true;
	(void)snprintf(b->name, sizeof(b->name), "%s", welcome->name);
	(void)fprintf(stderr, "saker agent: session %016" PRIx64 " with %s at %s port %u\n", session, welcome->name,
		      b->to->address, b->to->port);
	b->w->only = b;
	watch_again(&b->w->watch, clock_boot_ns());
	b->w->only = NULL;
}

static void on_down(void *arg, struct link *l, const char *why)
{
	struct balancer_link *b = arg;

	(void)l;
	b->up = false;
	(void)fprintf(stderr, "saker agent: no session with the balancer at %s port %u: %s\n", b->to->address,
		      b->to->port, why);
}

/* --- what is looked at --- */

/* Busy time of all CPUs since the last call, in 1/1000 (proc_stat(5)). */
static uint32_t load_read(struct watcher *w)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/stat", "re");
	uint64_t v[8] = { 0 }, busy, total = 0, load;
	size_t i;

	if (!f ||
	    fscanf(f,
		   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return 0;
	for (i = 0; i < ARRAY_LEN(v); i++)
		total += v[i];
	busy = total - v[3] - v[4]; /* idle, and waiting for disks */
	load = total > w->total ? 1000 * (busy - MIN(busy, w->busy)) / (total - w->total) : 0;
	w->busy = busy;
	w->total = total;
	return (uint32_t)MIN(load, (uint64_t)1000);
}

static void look(struct watcher *w, uint64_t now_ns)
{
	struct listeners l;
	struct listeners_rtt rtt;

	if (watch_wants_listeners(&w->watch, now_ns) && listeners_read(w->diag, w->opts->port, &l) == 0)
		watch_listeners(&w->watch, &l, now_ns);
	if (watch_wants_slow(&w->watch, now_ns) && listeners_rtt(w->diag, w->opts->port, &rtt) == 0)
		watch_slow(&w->watch, &rtt, load_read(w), now_ns);
	watch_tick(&w->watch, now_ns);
}

/* --- as the recorder's observer --- */

static void observe_begin(void *arg, int (*put)(void *put_arg, const struct event_header *h), void *put_arg)
{
	struct watcher *w = arg;
	struct event_mark mark = { .h = { .type = EVENT_MARK }, .value = w->id };

	w->put = put;
	w->put_arg = put_arg;
	put_event(w, &mark, (const char *[]) { DIARY_MARK, NULL });
}

static void observe_see(void *arg, const struct event_header *h)
{
	struct watcher *w = arg;

	watch_event(&w->watch, h, w->id);
}

static const char *on_word(void *arg, const char *word)
{
	struct watcher *w = arg;
	uint64_t now_ns = clock_boot_ns();

	if (!strcmp(word, "leave"))
		watch_leave(&w->watch, now_ns);
	else if (!strcmp(word, "stay"))
		watch_stay(&w->watch, now_ns);
	else
		return "the agent does not know that word";
	return "";
}

static int observe_tick(void *arg, uint64_t now_ns)
{
	struct watcher *w = arg;
	unsigned int i;

	look(w, now_ns);
	(void)asked_turn(w->asked, on_word, w);
	for (i = 0; i < w->opts->nto; i++)
		link_turn(w->to[i].link, now_ns);
	return 0;
}

static void observe_end(void *arg)
{
	struct watcher *w = arg;

	if (*w->stop == SIGTERM)
		watch_leave(&w->watch, clock_boot_ns());
}

/* --- life --- */

static int open_links(struct watcher *w, struct err *err)
{
	struct frame_claim claim = { .host = w->host, .naddrs = w->opts->naddrs };
	struct link_connect_opts lo = { .secret = &w->secret, .up = on_up, .down = on_down };
	unsigned int i;
	int r = 0;

	if (gethostname(claim.name, sizeof(claim.name) - 1) < 0)
		(void)snprintf(claim.name, sizeof(claim.name), "?");
	memcpy(claim.addrs, w->opts->addrs, w->opts->naddrs * sizeof(claim.addrs[0]));
	lo.claim = claim;
	for (i = 0; i < w->opts->nto && r >= 0; i++) {
		struct balancer_link *b = &w->to[i];

		b->w = w;
		b->to = &w->opts->to[i];
		lo.arg = b;
		lo.address = b->to->address;
		lo.port = b->to->port;
		r = link_connect(&lo, &b->link, err);
		(void)sign_addr_parse(lo.address, &b->addr);
	}
	return r;
}

static void watcher_ready(void *arg)
{
	struct watcher *w = arg;

	(void)fprintf(stderr, "saker agent: watches port %u\n", w->opts->port);
	if (w->opts->page)
		page_ready(w->opts->page);
}

static int run(struct watcher *w, struct err *err)
{
	struct record_observer observer = {
		.begin = observe_begin, .see = observe_see, .tick = observe_tick, .end = observe_end, .arg = w
	};
	struct record_opts ro = { .dir = w->opts->dir,
				  .observer = &observer,
				  .port = w->opts->port,
				  .observe = OBSERVE_PROCESS | OBSERVE_SOCKET,
				  .demanded = OBSERVE_PROCESS | OBSERVE_SOCKET,
				  .max_bytes = w->opts->max_bytes,
				  .budget_percent = BUDGET_PERCENT,
				  .page_tgid = w->opts->page ? (uint32_t)w->opts->page->pid : 0 };
	struct record_result result;
	struct listeners l = { 0 };
	uint32_t pids[HOLDERS_MAX];

	/* who listens already is selected by its number, who comes later because he uses the port */
	if (listeners_read(w->diag, w->opts->port, &l) == 0)
		ro.npids = listeners_holders(&l, pids, HOLDERS_MAX);
	ro.pids = pids;

	return record_run(&ro, w->stop, watcher_ready, w, &result, err);
}

int watcher_run(const struct watcher_opts *opts, volatile sig_atomic_t *stop, struct err *err)
{
	CLEANUP_FREE struct watcher *w = calloc(1, sizeof(*w));
	unsigned int i;
	int r;

	if (!w)
		return err_set(err, ENOMEM, "out of memory");
	w->opts = opts;
	w->stop = stop;
	w->host = hostid_get();
	r = secret_read(opts->key, &w->secret, err);
	if (r < 0)
		return r;
	secret_random(&w->id, sizeof(w->id));
	w->id |= 1;
	watch_init(&w->watch, opts->port, on_sign, w);
	w->diag = listeners_open();
	if (w->diag < 0)
		return err_errno(err, -w->diag, "cannot ask the kernel for listening sockets");
	w->asked = r = asked_open(opts->port, err);
	if (r >= 0)
		r = open_links(w, err);
	if (r >= 0)
		r = run(w, err);
	for (i = 0; i < opts->nto; i++)
		(void)link_free(w->to[i].link);
	(void)close(w->diag);
	watch_fini(&w->watch);
	if (w->asked >= 0)
		(void)close(w->asked);
	explicit_bzero(&w->secret, sizeof(w->secret));
	return r;
}
