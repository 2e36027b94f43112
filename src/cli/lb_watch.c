/* SPDX-License-Identifier: Apache-2.0 */
/* lb_watch - verdicts of packets, as they are drawn: a line each, until it is ended. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/verdicts.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/lb.h"
#include "event/event.h"
#include "packet/wire.h"

#define TURN_MS 200

struct watching {
	const struct lb_args *a;
	struct buf line;
	uint64_t left;
};

static volatile sig_atomic_t watch_stop;

static void on_watch_stop(int sig)
{
	watch_stop = sig;
}

static void put_end(struct buf *out, const uint8_t addr[16], uint16_t port, uint8_t proto)
{
	bool six = addr[10] != 0xff || addr[11] != 0xff, ports = proto == PROTO_TCP || proto == PROTO_UDP;

	if (six && ports)
		buf_char(out, '[');
	event_addr_text(out, addr);
	if (six && ports)
		buf_char(out, ']');
	if (ports)
		buf_printf(out, ":%u", port);
}

static void put_text(struct buf *out, const struct event *ev)
{
	static const char *const actions[] = { "aborted", "dropped", "passed", "sent", "sent on" };
	static const uint8_t none[16];
	const struct event_verdict *e = EVENT_AS(verdict, ev);

	buf_printf(out, "%.6f  %-8s", (double)ev->boot_ns / 1e9,
		   e->action < ARRAY_LEN(actions) ? actions[e->action] : "?");
	put_end(out, e->src, e->sport, e->protocol);
	buf_str(out, " > ");
	put_end(out, e->dst, e->dport, e->protocol);
	buf_printf(out, " %s  %u bytes",
		   e->protocol == PROTO_TCP   ? "tcp"
		   : e->protocol == PROTO_UDP ? "udp"
					      : "",
		   e->bytes);
	if (memcmp(e->backend, none, sizeof(none)) != 0) {
		buf_str(out, "  to ");
		event_addr_text(out, e->backend);
	}
	buf_printf(out, "  %s: %s (%s)  1 in %u", event_string(ev, 1), event_string(ev, 3), event_string(ev, 2),
		   e->one_in);
}

static int put_verdict(void *arg, const struct event_header *h)
{
	struct watching *w = arg;
	struct event ev = { .boot_ns = h->boot_ns, .type = event_static_type(h->type), .h = h };

	buf_reset(&w->line);
	if (w->a->json)
		event_json(&w->line, &ev, NULL);
	else if (h->type == EVENT_LOSS)
		buf_printf(&w->line, "%" PRIu64 " verdicts were lost: they came faster than they were read",
			   (uint64_t)EVENT_AS(loss, &ev)->count);
	else
		put_text(&w->line, &ev);
	buf_char(&w->line, '\n');
	if (fwrite(w->line.data, w->line.len, 1, stdout) != 1)
		watch_stop = SIGPIPE;
	if (h->type == EVENT_VERDICT && w->left && !--w->left)
		watch_stop = SIGTERM;
	return watch_stop ? -EINTR : 0;
}

int lb_watch(const struct lb_args *a, struct err *err)
{
	struct sigaction sa = { .sa_handler = on_watch_stop };
	struct watching w = { .a = a, .left = a->number_said ? a->number : 0 };
	uint32_t sample = 0, drops = 0;
	struct verdicts *v = NULL;
	int r = verdicts_open(a->on, put_verdict, &w, &v, err);

	if (r < 0)
		return r;
	verdicts_rates(v, &sample, &drops);
	if (!sample && !drops)
		(void)fprintf(
			stderr,
			"saker lb: no packet of interface '%s' is drawn: the wish's keys 'sample' and 'sample-drops' "
			"are 0 (saker-apply(1))\n",
			a->on);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGPIPE, &sa, NULL);
	while (!watch_stop && r >= 0) {
		r = verdicts_turn(v, TURN_MS);
		(void)fflush(stdout);
	}
	(void)verdicts_close(v);
	buf_fini(&w.line);
	if (r < 0 && !watch_stop)
		return err_errno(err, -r, "cannot read the verdicts of interface '%s'", a->on);
	return 0;
}
