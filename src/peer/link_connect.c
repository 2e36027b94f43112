/* SPDX-License-Identifier: Apache-2.0 */
/* The side of a backend's host: one connection to one balancer, opened again for ever, after longer and longer rests. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "peer/link_internal.h"

#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (5 * NS_PER_SEC)
#define BEAT_MS_MIN 20
#define BEAT_MS_MAX 60000

static void on_up(void *arg, const struct frame_welcome *w)
{
	struct link_conn *c = arg;
	struct link *l = c->link;

	uint32_t beat_ms = MIN(w->beat_ms, (uint32_t)BEAT_MS_MAX);

	l->beat_ns = MAX(beat_ms, (uint32_t)BEAT_MS_MIN) * NS_PER_MS;
	l->backoff_ns = BACKOFF_MIN_NS;
	l->told_down = false;
	if (l->co.up)
		l->co.up(l->co.arg, l, c->session.number, w);
}

static const struct session_events connect_events = { .up = on_up };

/* Hosts that lost their balancer at the same moment do not all come back at the same moment. */
static void rest(struct link *l)
{
	uint8_t dice;

	secret_random(&dice, sizeof(dice));
	l->again_ns = l->now_ns + l->backoff_ns / 2 + l->backoff_ns / 2 * dice / 256;
	l->backoff_ns = MIN(l->backoff_ns * 2, BACKOFF_MAX_NS);
}

static void down(struct link *l, const char *why)
{
	rest(l);
	if (!l->told_down && l->co.down)
		l->co.down(l->co.arg, l, why);
	l->told_down = true;
}

static void connect_ended(struct link *l, struct link_conn *c, const char *why)
{
	(void)c;
	down(l, why);
}

static void try(struct link *l)
{
	struct sockaddr_storage sa;
	uint8_t nonce[FRAME_NONCE];
	struct link_conn *c;
	socklen_t len;
	int fd;

	(void)link_addr(l->co.address, l->co.port, &sa, &len);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, (void *)&sa, len) < 0 && errno != EINPROGRESS)) {
		down(l, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	c = link_conn_new(l, fd, true);
	if (!c) {
		down(l, "out of memory");
		return;
	}
	secret_random(nonce, sizeof(nonce));
	session_init(&c->session, SESSION_REPORTS, l->co.secret, nonce, &connect_events, c);
	c->session.claim = l->co.claim;
}

static void connect_tick(struct link *l)
{
	struct link_conn *c;

	for (c = l->conns; c; c = c->next)
		if (!c->gone)
			return;
	if (l->now_ns >= l->again_ns)
		try(l);
}

static void connect_free(struct link *l)
{
	(void)l;
}

static const struct link_side connect_side = { .ended = connect_ended, .tick = connect_tick, .free = connect_free };

int link_connect(const struct link_connect_opts *opts, struct link **ret, struct err *err)
{
	struct sockaddr_storage sa;
	struct link *l;
	socklen_t len;
	int r;

	if (link_addr(opts->address, opts->port, &sa, &len) < 0)
		return err_set(err, EINVAL, "'%s' is no address of a balancer's agent", opts->address);
	r = link_make(&connect_side, 0, &l, err);
	if (r < 0)
		return r;
	l->co = *opts;
	l->backoff_ns = BACKOFF_MIN_NS;
	*ret = l;
	return 0;
}

int link_sign(struct link *l, const struct sign *s, uint64_t *ret_session, uint64_t *ret_sequence)
{
	struct link_conn *c;

	for (c = l->conns; c; c = c->next) {
		if (c->gone || c->session.state != SESSION_OPEN)
			continue;
		if (session_sign(&c->session, s, ret_sequence) < 0) {
			link_conn_end(c, SESSION_FULL, NULL);
			break;
		}
		*ret_session = c->session.number;
		link_conn_flush(c);
		return 0;
	}
	return -ENOTCONN;
}
