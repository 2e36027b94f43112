/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/watcher.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/asked.h"
#include "agent/diary.h"
#include "agent/hostid.h"
#include "agent/keeper.h"
#include "agent/load.h"
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
#define HELD_MAX 4096
#define BUDGET_PERCENT 5 /* of one CPU: messages are left out before; what signs are made of never is */

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
	struct watch watches[WATCHER_PORTS];
	struct listeners rows[WATCHER_PORTS]; /* what was read last */
	struct map held;		      /* cookies of listening sockets whose processes are recorded */
	uint32_t more[HOLDERS_MAX];	      /* processes that are to be */
	size_t nmore;
	struct load load;
	struct balancer_link to[WATCHER_BALANCERS], *only; /* only: the others know already */
	int diag, asked[WATCHER_PORTS];
	struct diary *diary;   /* into the recording */
	struct keeper *keeper; /* NULL: it keeps no balancer */
	struct err *err;
	bool begun; /* the keeper */
	uint64_t host;
};

/* --- what is recorded --- */

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
	(void)diary_note(w->diary, &e, (const char *[]) { s->text, b->name, NULL }, NULL, NULL);
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
	unsigned int i;

	(void)l;
	b->up = true;
	(void)snprintf(b->name, sizeof(b->name), "%s", welcome->name);
	(void)fprintf(stderr, "saker agent: session %016" PRIx64 " with %s at %s port %u\n", session, welcome->name,
		      b->to->address, b->to->port);
	b->w->only = b;
	for (i = 0; i < b->w->opts->nports; i++)
		watch_again(&b->w->watches[i], clock_boot_ns());
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

/* Someone is there whom the recorder may not know: it selects by one port alone, and by process. */
static void look_for_more(struct watcher *w, const struct listeners *l)
{
	size_t i, n = w->nmore;

	if (w->held.count > HELD_MAX) { /* those that are there are found once more */
		map_fini(&w->held);
		w->held = (struct map) { 0 };
	}
	for (i = 0; i < MIN(l->count, (uint32_t)LISTENERS_MAX); i++) {
		if (map_get(&w->held, l->cookies[i]))
			continue;
		(void)map_set(&w->held, l->cookies[i], 1);
		if (n == w->nmore)
			w->nmore += listeners_holders(l, w->more + n, HOLDERS_MAX - n);
	}
}

static void look(struct watcher *w, uint64_t now_ns)
{
	const struct watcher_opts *o = w->opts;
	struct listeners_rtt rtts[WATCHER_PORTS];
	bool listeners = false;
	uint32_t load;
	unsigned int i;

	for (i = 0; i < o->nports; i++)
		listeners = listeners || watch_wants_listeners(&w->watches[i], now_ns);
	if (listeners && listeners_read(w->diag, o->ports, o->nports, w->rows) == 0) {
		for (i = 0; i < o->nports; i++) {
			look_for_more(w, &w->rows[i]);
			watch_listeners(&w->watches[i], &w->rows[i], now_ns);
		}
	}
	if (watch_wants_slow(&w->watches[0], now_ns) && listeners_rtt(w->diag, o->ports, o->nports, rtts) == 0) {
		load = load_read(&w->load, now_ns);
		for (i = 0; i < o->nports; i++)
			watch_slow(&w->watches[i], &rtts[i], load, now_ns);
	}
	for (i = 0; i < o->nports; i++)
		watch_tick(&w->watches[i], now_ns);
}

/* --- as the recorder's observer --- */

static void observe_begin(void *arg, int (*put)(void *put_arg, const struct event_header *h), void *put_arg)
{
	struct watcher *w = arg;

	(void)diary_put(w->diary, put, put_arg, !w->keeper, NULL);
}

static void observe_see(void *arg, const struct event_header *h)
{
	struct watcher *w = arg;
	unsigned int i;

	for (i = 0; i < w->opts->nports; i++)
		watch_event(&w->watches[i], h, diary_id(w->diary));
}

/* arg: one port's. */
static const char *on_word(void *arg, const char *word)
{
	struct watch *w = arg;
	uint64_t now_ns = clock_boot_ns();

	if (!strcmp(word, "leave"))
		watch_leave(w, now_ns);
	else if (!strcmp(word, "stay"))
		watch_stay(w, now_ns);
	else
		return "the agent does not know that word";
	return "";
}

static int observe_tick(void *arg, uint64_t now_ns)
{
	struct watcher *w = arg;
	unsigned int i;
	int r = 0;

	look(w, now_ns);
	for (i = 0; i < w->opts->nports; i++)
		(void)asked_turn(w->asked[i], on_word, &w->watches[i]);
	for (i = 0; i < w->opts->nto; i++)
		link_turn(w->to[i].link, now_ns);
	if (w->keeper && !w->begun)
		r = keeper_begin(w->keeper, w->err);
	w->begun = true;
	return r < 0 || !w->keeper ? r : keeper_step(w->keeper, w->err);
}

static size_t observe_more(void *arg, uint32_t *ret_pids, size_t cap)
{
	struct watcher *w = arg;
	size_t n = MIN(w->nmore, cap);

	w->nmore -= n;
	memcpy(ret_pids, w->more + w->nmore, n * sizeof(*ret_pids));
	return n;
}

static void observe_end(void *arg)
{
	struct watcher *w = arg;
	unsigned int i;

	for (i = 0; *w->stop == SIGTERM && i < w->opts->nports; i++)
		watch_leave(&w->watches[i], clock_boot_ns());
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
	char text[16 * WATCHER_PORTS] = "";
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < w->opts->nports; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u%s", i ? ", " : "", w->opts->ports[i].port,
					w->opts->ports[i].proto == IPPROTO_UDP ? "/udp" : "");
	(void)fprintf(stderr, "saker agent: watches port%s %s\n", w->opts->nports > 1 ? "s" : "", text);
	if (w->opts->page)
		page_ready(w->opts->page);
}

static int run(struct watcher *w, struct err *err)
{
	struct record_observer observer = { .begin = observe_begin,
					    .see = observe_see,
					    .tick = observe_tick,
					    .more = observe_more,
					    .end = observe_end,
					    .arg = w };
	struct record_opts ro = { .dir = w->opts->dir,
				  .observer = &observer,
				  .port = w->opts->ports[0].port,
				  .observe = OBSERVE_PROCESS | OBSERVE_SOCKET,
				  .demanded = OBSERVE_PROCESS | OBSERVE_SOCKET,
				  .max_bytes = w->opts->max_bytes,
				  .budget_percent = BUDGET_PERCENT,
				  .page_tgid = w->opts->page ? (uint32_t)w->opts->page->pid : 0 };
	CLEANUP_FREE uint32_t *pids = calloc(HOLDERS_MAX, sizeof(*pids));
	struct record_result result;
	unsigned int i;
	int r = listeners_read(w->diag, w->opts->ports, w->opts->nports, w->rows);

	if (r < 0 || !pids)
		return err_errno(err, pids ? -r : ENOMEM, "cannot ask the kernel for the sockets of the ports");
	/* who listens already is selected by its number; who comes later because he uses the first port, or is found to listen */
	for (i = 0; i < w->opts->nports; i++)
		look_for_more(w, &w->rows[i]);
	ro.npids = observe_more(w, pids, HOLDERS_MAX);
	ro.pids = pids;

	r = record_run(&ro, w->stop, watcher_ready, w, &result, err);
	(void)diary_put(w->diary, NULL, NULL, true, NULL);
	return r;
}

static int open_ports(struct watcher *w, struct err *err)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < w->opts->nports; i++)
		w->asked[i] = -1;
	for (i = 0; i < w->opts->nports && r >= 0; i++) {
		watch_init(&w->watches[i], &w->opts->ports[i], !i, on_sign, w);
		w->asked[i] = r = asked_open(&w->opts->ports[i], err);
	}
	return r < 0 ? r : load_open(w->opts->load_of, &w->load, err);
}

static int open_diary(struct watcher *w, struct err *err)
{
	int r = diary_beside(&w->diary, err);

	if (r < 0 || !w->opts->keeper)
		return r;
	w->opts->keeper->diary = w->diary;
	return keeper_new(w->opts->keeper, &w->keeper, err);
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
	w->err = err;
	w->diag = listeners_open();
	if (w->diag < 0)
		return err_errno(err, -w->diag, "cannot ask the kernel for listening sockets");
	r = open_diary(w, err);
	if (r >= 0)
		r = open_ports(w, err);
	if (r >= 0)
		r = open_links(w, err);
	if (r >= 0)
		r = run(w, err);
	for (i = 0; i < opts->nto; i++)
		(void)link_free(w->to[i].link);
	(void)keeper_free(w->keeper);
	(void)diary_close(w->diary, NULL);
	(void)close(w->diag);
	for (i = 0; i < opts->nports; i++) {
		watch_fini(&w->watches[i]);
		if (w->asked[i] >= 0)
			(void)close(w->asked[i]);
	}
	map_fini(&w->held);
	explicit_bzero(&w->secret, sizeof(w->secret));
	return r;
}
