/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/watch.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "event/event.h"

#define SUM_NS (100 * NS_PER_MS) /* resets are told as a sum */
#define RTT_CONNECTIONS 4	 /* of fewer, the median says nothing of the host */
#define RTT_FLOOR_US 2000	 /* below, four times as long is noise */
#define RTT_TIMES 4
#define RTT_NS (2 * NS_PER_SEC)
#define LOAD_STEP 50 /* 1/1000: a smaller change is told only with the next LOAD_NS */
#define LOAD_NS (5 * NS_PER_SEC)

void watch_init(struct watch *w, const struct listeners_port *port, bool host,
		void (*sign)(void *arg, const struct sign *s), void *arg)
{
	*w = (struct watch) { .port = *port, .host = host, .sign = sign, .arg = arg };
}

void watch_fini(struct watch *w)
{
	map_fini(&w->accepted);
}

static struct sign sign_new(const struct watch *w, enum sign_kind kind, uint64_t now_ns)
{
	return (struct sign) { .kind = kind, .port = w->port.port, .proto = w->port.proto, .boot_ns = now_ns };
}

static struct sign_event event_name(const struct event_header *h, uint64_t host)
{
	return (struct sign_event) { .host = host, .boot_ns = h->boot_ns, .seq = h->seq, .cpu = h->cpu };
}

/* --- events --- */

static void exit_text(const struct event_exit *e, char *out, size_t cap)
{
	const char *signal = e->sig ? event_signal_name(e->sig) : NULL;
	char comm[17];

	(void)snprintf(comm, sizeof(comm), "%s", e->tail);
	if (signal)
		(void)snprintf(out, cap, "process %u (%s) was killed by %s", e->h.tgid, comm, signal);
	else if (e->sig)
		(void)snprintf(out, cap, "process %u (%s) was killed by signal %u", e->h.tgid, comm, e->sig);
	else
		(void)snprintf(out, cap, "process %u (%s) ended with code %d", e->h.tgid, comm, e->code);
}

static void on_end(struct watch *w, const struct event_exit *e, uint64_t host)
{
	struct watch_cause *c;

	if (!(e->flags & EXITFLAGS_LAST_THREAD))
		return;
	c = &w->ended[w->nended++ % WATCH_ENDED];
	*c = (struct watch_cause) { .event = event_name(&e->h, host), .tgid = e->h.tgid };
	exit_text(e, c->text, sizeof(c->text));
	w->doubt_ns = e->h.boot_ns + WATCH_DOUBT_NS;
}

static void on_close(struct watch *w, const struct event_shutdown *e, uint64_t host)
{
	(void)map_del(&w->accepted, e->sock);
	if (!listeners_have(&w->last, e->sock))
		return;
	w->closed = (struct watch_cause) { .event = event_name(&e->h, host), .sock = e->sock, .tgid = e->h.tgid };
	(void)snprintf(w->closed.text, sizeof(w->closed.text), "process %u closed its listening socket", e->h.tgid);
	w->doubt_ns = e->h.boot_ns + WATCH_DOUBT_NS;
}

static void on_listen(struct watch *w, const struct event_listen *e, uint64_t host)
{
	if (w->port.proto != IPPROTO_TCP || e->local_port != w->port.port)
		return;
	w->begun = (struct watch_cause) { .event = event_name(&e->h, host), .sock = e->sock };
	(void)snprintf(w->begun.text, sizeof(w->begun.text), "process %u listens", e->h.tgid);
	w->doubt_ns = e->h.boot_ns + WATCH_DOUBT_NS;
}

static void on_reset(struct watch *w, const struct event_reset *e, uint64_t host)
{
	if (w->port.proto != IPPROTO_TCP || e->direction != DIRECTION_SENT ||
	    (e->local_port ? e->local_port != w->port.port : !map_get(&w->accepted, e->sock)))
		return;
	if (!w->resets++)
		w->resets_ns = e->h.boot_ns;
	w->reset = event_name(&e->h, host);
}

static void on_accept(struct watch *w, const struct event_accept *e)
{
	if (w->port.proto == IPPROTO_TCP && e->local_port == w->port.port && w->accepted.count < WATCH_CONNECTIONS)
		(void)map_set(&w->accepted, e->sock, 1);
}

void watch_event(struct watch *w, const struct event_header *h, uint64_t host)
{
	switch (h->type) {
	case EVENT_EXIT:
		on_end(w, (const void *)h, host);
		break;
	case EVENT_CLOSE:
		on_close(w, (const void *)h, host);
		break;
	case EVENT_LISTEN:
		on_listen(w, (const void *)h, host);
		break;
	case EVENT_ACCEPT:
		on_accept(w, (const void *)h);
		break;
	case EVENT_RESET:
		on_reset(w, (const void *)h, host);
		break;
	default:
		break;
	}
}

/* --- who listens --- */

static bool recent(const struct watch_cause *c, uint64_t now_ns)
{
	return c->event.boot_ns && now_ns < c->event.boot_ns + 2 * WATCH_DOUBT_NS;
}

/* The end of the process that was the last to hold the socket; if that still runs: the closing; if none was seen: who ended last. */
static const struct watch_cause *cause_of(const struct watch *w, uint64_t now_ns)
{
	const struct watch_cause *c, *last = NULL;
	bool closed = recent(&w->closed, now_ns);
	unsigned int i;

	for (i = 0; i < WATCH_ENDED && i < w->nended; i++) {
		c = &w->ended[(w->nended - 1 - i) % WATCH_ENDED];
		if (!recent(c, now_ns))
			break;
		if (closed && c->tgid == w->closed.tgid)
			return c;
		last = last ? last : c;
	}
	return closed ? &w->closed : last;
}

static void say_fewer(struct watch *w, uint32_t left, uint64_t now_ns)
{
	const struct watch_cause *c = cause_of(w, now_ns);
	struct sign s = sign_new(w, SIGN_EXIT, now_ns);

	s.value = left;
	if (c)
		s.evidence = c->event;
	if (left)
		(void)snprintf(s.text, sizeof(s.text), "%s; %u still listen", c ? c->text : "one listens no more",
			       left);
	else
		(void)snprintf(s.text, sizeof(s.text), "%s",
			       c	  ? c->text
			       : w->known ? "nothing listens there any more"
					  : "nothing listens there");
	w->sign(w->arg, &s);
	if (!left)
		w->state = s;
	w->closed.event.boot_ns = 0; /* it is told */
}

static void say_listens(struct watch *w, const struct listeners *l, uint64_t now_ns)
{
	struct sign s = sign_new(w, SIGN_LISTENING, now_ns);
	bool begun = w->begun.event.boot_ns && listeners_have(l, w->begun.sock);

	s.value = l->count;
	if (begun)
		s.evidence = w->begun.event;
	(void)snprintf(s.text, sizeof(s.text), "%s", begun ? w->begun.text : "a process listens");
	w->sign(w->arg, &s);
	w->state = s;
}

static void drops_see(struct watch *w, const struct listeners *l, uint64_t now_ns)
{
	struct sign s = sign_new(w, SIGN_OVERFLOW, now_ns);
	uint64_t more = l->drops > w->last.drops ? l->drops - w->last.drops : 0;

	if (!more || l->count != w->last.count) /* of another set of sockets the sum says nothing */
		return;
	s.value = more;
	if (w->port.proto == IPPROTO_UDP)
		(void)snprintf(s.text, sizeof(s.text),
			       "%" PRIu64 " datagrams were dropped: %" PRIu64 " of %" PRIu64 " bytes wait to be read",
			       more, l->waiting, l->room);
	else
		(void)snprintf(s.text, sizeof(s.text),
			       "%" PRIu64 " connections were turned away: %" PRIu64 " of %" PRIu64
			       " wait to be accepted",
			       more, l->waiting, l->room);
	w->sign(w->arg, &s);
}

bool watch_wants_listeners(const struct watch *w, uint64_t now_ns)
{
	return now_ns < w->doubt_ns || now_ns >= w->poll_ns;
}

/* The list was asked before the event was seen that says why it is shorter: a moment more. */
static bool why_waits(struct watch *w, const struct listeners *l, uint64_t now_ns)
{
	if (!w->known || l->count >= w->last.count || cause_of(w, now_ns)) {
		w->fewer_ns = 0;
		return false;
	}
	if (!w->fewer_ns)
		w->fewer_ns = now_ns;
	w->doubt_ns = MAX(w->doubt_ns, now_ns + WATCH_LATE_NS);
	return now_ns < w->fewer_ns + WATCH_LATE_NS;
}

void watch_listeners(struct watch *w, const struct listeners *l, uint64_t now_ns)
{
	w->poll_ns = now_ns + WATCH_POLL_NS;
	if (why_waits(w, l, now_ns))
		return;
	if (w->known)
		drops_see(w, l, now_ns);
	if (l->count && !w->listening)
		say_listens(w, l, now_ns);
	else if (w->known ? l->count < w->last.count : !l->count)
		say_fewer(w, l->count, now_ns);
	w->listening = l->count;
	w->known = true;
	w->last = *l;
}

/* --- how it goes --- */

bool watch_wants_slow(const struct watch *w, uint64_t now_ns)
{
	return now_ns >= w->slow_ns;
}

/* How long they take now: when it changed by more than a quarter, and every RTT_NS. */
static void rtt_tell(struct watch *w, const struct listeners_rtt *rtt, uint64_t now_ns)
{
	uint64_t now = rtt->median_us, then = w->rtt_told, apart = now > then ? now - then : then - now;
	struct sign s = sign_new(w, SIGN_RTT, now_ns);

	if (w->rtt_ns && 4 * apart <= then && now_ns < w->rtt_ns + RTT_NS)
		return;
	s.value = now;
	(void)snprintf(s.text, sizeof(s.text), "round trips take %u us (median of %u)", rtt->median_us,
		       rtt->connections);
	w->sign(w->arg, &s);
	w->rtt_told = now;
	w->rtt_ns = now_ns;
}

/* Round trips that rise to a multiple of what they were; the usual ones are learned slowly, and not while they are long. */
static void rtt_see(struct watch *w, const struct listeners_rtt *rtt, uint64_t now_ns)
{
	struct sign s = sign_new(w, SIGN_SLOW, now_ns);
	bool slow;

	if (rtt->connections < RTT_CONNECTIONS)
		return;
	rtt_tell(w, rtt, now_ns);
	slow = w->rtt_us && rtt->median_us > RTT_FLOOR_US && rtt->median_us > RTT_TIMES * w->rtt_us;
	if (slow) {
		s.value = rtt->median_us;
		(void)snprintf(s.text, sizeof(s.text),
			       "round trips take %u us, they used to take %" PRIu64 " (median of %u)", rtt->median_us,
			       w->rtt_us, rtt->connections);
		w->sign(w->arg, &s);
	} else {
		w->rtt_us = w->rtt_us ? (7 * w->rtt_us + rtt->median_us) / 8 : rtt->median_us;
	}
	w->slow = slow;
}

static void load_see(struct watch *w, uint32_t load, uint64_t now_ns)
{
	uint64_t apart = load > w->load_told ? load - w->load_told : w->load_told - load;
	struct sign s = sign_new(w, SIGN_LOAD, now_ns);

	if (w->load_ns && apart < LOAD_STEP && now_ns < w->load_ns + LOAD_NS)
		return;
	s.value = load;
	s.port = 0;
	s.proto = 0;
	(void)snprintf(s.text, sizeof(s.text), "the CPUs are %u.%u %% busy", load / 10, load % 10);
	w->sign(w->arg, &s);
	w->load_told = load;
	w->load_ns = now_ns;
}

void watch_slow(struct watch *w, const struct listeners_rtt *rtt, uint32_t load, uint64_t now_ns)
{
	w->slow_ns = now_ns + WATCH_SLOW_NS;
	rtt_see(w, rtt, now_ns);
	if (w->host)
		load_see(w, load, now_ns);
}

void watch_tick(struct watch *w, uint64_t now_ns)
{
	struct sign s = sign_new(w, SIGN_RESETS, now_ns);

	if (!w->resets || now_ns < w->resets_ns + SUM_NS)
		return;
	s.value = w->resets;
	s.evidence = w->reset;
	(void)snprintf(s.text, sizeof(s.text), "%" PRIu64 " connections were reset by this host", w->resets);
	w->sign(w->arg, &s);
	w->resets = 0;
}

void watch_leave(struct watch *w, uint64_t now_ns)
{
	struct sign s = sign_new(w, SIGN_LEAVING, now_ns);

	if (w->leaving)
		return;
	w->leaving = true;
	(void)snprintf(s.text, sizeof(s.text), "the host asks for no new connections");
	w->sign(w->arg, &s);
}

void watch_stay(struct watch *w, uint64_t now_ns)
{
	if (!w->leaving)
		return;
	w->leaving = false;
	watch_again(w, now_ns);
}

void watch_again(struct watch *w, uint64_t now_ns)
{
	if (w->known) {
		w->state.boot_ns = now_ns;
		w->sign(w->arg, &w->state);
	}
	if (w->leaving) {
		w->leaving = false;
		watch_leave(w, now_ns);
	}
	w->load_ns = 0; /* the load with the next look */
}
