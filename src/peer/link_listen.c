/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balancer's side: who may speak for whom, who is silent.
 *
 * A host is known by its id and the address that it comes from, so that another one that has the key, too, cannot end its session by
 * using its id.  When a known host opens a session anew the old one goes: its agent was started again, or the network was cut.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/err.h"
#include "peer/link_internal.h"

#define ACCEPTS 16 /* in one turn */

struct link_peer {
	struct frame_claim claim;
	struct sign_addr from;
	struct link_conn *conn; /* NULL: it has no session */
	uint64_t session, heard_ns;
	bool silent, bye;
};

/* --- hosts --- */

static struct link_peer *peer_find(struct link *l, uint64_t host, const struct sign_addr *from)
{
	unsigned int i;

	for (i = 0; i < l->npeers; i++)
		if (l->peers[i]->claim.host == host && sign_addr_equal(&l->peers[i]->from, from))
			return l->peers[i];
	return NULL;
}

/* Room for one more: the host that was away for longest is forgotten. */
static struct link_peer *peer_room(struct link *l)
{
	struct link_peer *oldest = NULL, *p = NULL;
	unsigned int i;

	if (l->npeers < LINK_PEERS) {
		p = calloc(1, sizeof(*p));
		if (p)
			l->peers[l->npeers++] = p;
		return p;
	}
	for (i = 0; i < l->npeers; i++) {
		p = l->peers[i];
		if (!p->conn && (p->silent || p->bye) && (!oldest || p->heard_ns < oldest->heard_ns))
			oldest = p;
	}
	if (oldest)
		*oldest = (struct link_peer) { 0 };
	return oldest;
}

/* Of each of the host's addresses; nobody said it, so there is no number. */
static void peer_sign(struct link *l, const struct link_peer *p, enum sign_kind kind, uint64_t value)
{
	struct link_told t = { .session = p->session, .host = p->claim.host, .name = p->claim.name, .from = p->from };
	size_t i;

	for (i = 0; i < p->claim.naddrs; i++) {
		struct sign s = { .kind = kind, .backend = p->claim.addrs[i], .value = value, .boot_ns = l->now_ns };

		if (kind == SIGN_SILENT)
			(void)snprintf(s.text, sizeof(s.text), "the agent on %s is not heard any more", p->claim.name);
		else
			(void)snprintf(s.text, sizeof(s.text), "the agent on %s is heard again", p->claim.name);
		if (l->lo.told)
			l->lo.told(l->lo.arg, &t, &s);
		l->lo.sign(l->lo.arg, &s);
	}
}

static void peer_tick(struct link *l, struct link_peer *p)
{
	if (p->conn)
		p->heard_ns = p->conn->heard_ns;
	if (p->conn || p->silent || p->bye || l->now_ns - p->heard_ns < link_silence_ns(l))
		return;
	p->silent = true;
	peer_sign(l, p, SIGN_SILENT, (l->now_ns - p->heard_ns) / NS_PER_MS);
}

/* --- what sessions tell --- */

static bool on_claim(void *arg, const struct frame_claim *claim)
{
	struct link_conn *c = arg;
	struct link *l = c->link;
	struct link_peer *p;
	size_t i;

	for (i = 0; i < claim->naddrs; i++)
		if (l->lo.may ? !l->lo.may(l->lo.arg, &c->from, &claim->addrs[i])
			      : !sign_addr_equal(&c->from, &claim->addrs[i]))
			return false;
	p = peer_find(l, claim->host, &c->from);
	if (!p)
		p = peer_room(l);
	if (!p) {
		l->refused[SESSION_CROWD]++;
		return false;
	}
	if (p->conn) {
		p->conn->peer = NULL;
		link_conn_end(p->conn, SESSION_FINE, "the host opened another session");
	}
	p->claim = *claim;
	p->from = c->from;
	p->conn = c;
	p->session = c->session.number;
	p->bye = false;
	c->peer = p;
	return true;
}

static void on_up(void *arg, const struct frame_welcome *w)
{
	struct link_conn *c = arg;
	struct link_peer *p = c->peer;

	(void)w;
	p->heard_ns = c->link->now_ns;
	if (p->silent) {
		p->silent = false;
		peer_sign(c->link, p, SIGN_HEARD, 0);
	}
}

static void on_sign(void *arg, const struct sign *sign, uint64_t sequence)
{
	struct link_conn *c = arg;
	struct link *l = c->link;
	struct sign s = *sign;
	struct link_told t = { .session = c->session.number,
			       .sequence = sequence,
			       .host = c->peer->claim.host,
			       .name = c->peer->claim.name,
			       .from = c->from };

	s.boot_ns = l->now_ns;
	if (l->lo.told)
		l->lo.told(l->lo.arg, &t, &s);
	l->lo.sign(l->lo.arg, &s);
}

static void on_bye(void *arg)
{
	struct link_conn *c = arg;

	c->peer->bye = true;
}

static const struct session_events listen_events = { .claim = on_claim, .up = on_up, .sign = on_sign, .bye = on_bye };

/* --- connections --- */

/* One more comes; of too many that nobody knows the oldest goes, so that nobody can keep others out by doing nothing. */
static void strangers_limit(struct link *l)
{
	struct link_conn *c, *oldest = NULL;
	unsigned int n = 0;

	for (c = l->conns; c; c = c->next) {
		if (c->gone || c->session.state == SESSION_OPEN)
			continue;
		n++;
		if (!oldest || c->opened_ns <= oldest->opened_ns)
			oldest = c;
	}
	if (n >= LINK_STRANGERS)
		link_conn_end(oldest, SESSION_CROWD, NULL);
}

static void listen_accept(struct link *l)
{
	struct sockaddr_storage sa;
	uint8_t nonce[FRAME_NONCE];
	int i;

	for (i = 0; i < ACCEPTS; i++) {
		socklen_t len = sizeof(sa);
		int fd = accept4(l->listening, (void *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct link_conn *c;

		if (fd < 0)
			return;
		strangers_limit(l);
		c = link_conn_new(l, fd, false);
		if (!c)
			return;
		link_sign_addr(&sa, &c->from);
		secret_random(nonce, sizeof(nonce));
		session_init(&c->session, SESSION_LISTENS, l->lo.secret, nonce, &listen_events, c);
		do
			secret_random(&c->session.number, sizeof(c->session.number));
		while (!c->session.number);
		c->session.welcome =
			(struct frame_welcome) { .host = l->lo.host, .beat_ms = (uint32_t)(l->beat_ns / NS_PER_MS) };
		(void)snprintf(c->session.welcome.name, sizeof(c->session.welcome.name), "%s", l->lo.name);
	}
}

static void listen_ended(struct link *l, struct link_conn *c, const char *why)
{
	unsigned int i;

	(void)why;
	if (c->peer) {
		c->peer->conn = NULL;
		c->peer->heard_ns = c->heard_ns;
		c->peer = NULL;
	}
	if (!l->lo.refused)
		return;
	for (i = 1; i < SESSION_REFUSALS; i++)
		if (why == session_refusal_text((enum session_refusal)i))
			l->lo.refused(l->lo.arg, &c->from, (enum session_refusal)i);
}

static void listen_tick(struct link *l)
{
	unsigned int i;

	for (i = 0; i < l->npeers; i++)
		peer_tick(l, l->peers[i]);
}

static void listen_free(struct link *l)
{
	unsigned int i;

	for (i = 0; i < l->npeers; i++)
		free(l->peers[i]);
}

static const struct link_side listen_side = {
	.ended = listen_ended, .tick = listen_tick, .accept = listen_accept, .free = listen_free
};

static int listen_open(struct link *l, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &l->listening };
	const char *address = l->lo.address ? l->lo.address : "::";
	struct sockaddr_storage sa;
	socklen_t len;
	int one = 1;

	if (link_addr(l->lo.address, l->lo.port, &sa, &len) < 0)
		return err_set(err, EINVAL, "'%s' is no address to listen on for agents", address);
	l->listening = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->listening < 0)
		return err_errno(err, errno, "cannot open a socket for agents");
	(void)setsockopt(l->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->listening, (void *)&sa, len) < 0 || listen(l->listening, 64) < 0 ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->listening, &ev) < 0)
		return err_errno(err, errno, "cannot listen for agents on %s port %u", address, l->lo.port);
	return 0;
}

int link_listen(const struct link_listen_opts *opts, struct link **ret, struct err *err)
{
	struct link *l;
	int r = link_make(&listen_side, opts->beat_ms, &l, err);

	if (r < 0)
		return r;
	l->lo = *opts;
	r = listen_open(l, err);
	if (r < 0)
		(void)link_free(l);
	else
		*ret = l;
	return r;
}
