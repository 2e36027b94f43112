/* SPDX-License-Identifier: Apache-2.0 */
/* link - the connections of both sides: bytes between sockets and sessions, beats, deadlines. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "peer/link_internal.h"

#define EVENTS 32
#define READS 8 /* of one connection in a turn: the others wait */

int link_addr(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (void *)ret;
	struct sockaddr_in6 *v6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (address && inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
		return 0;
	}
	if (address && inet_pton(AF_INET6, address, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	*ret_len = sizeof(*v6);
	return 0;
}

/* IPv4 that came by an IPv6 socket is IPv4. */
void link_sign_addr(const struct sockaddr_storage *sa, struct sign_addr *ret)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	*ret = (struct sign_addr) { .family = (uint8_t)sa->ss_family };
	if (sa->ss_family == AF_INET) {
		memcpy(ret->bytes, &v4->sin_addr, 4);
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		ret->family = AF_INET;
		memcpy(ret->bytes, v6->sin6_addr.s6_addr + 12, 4);
	} else {
		memcpy(ret->bytes, &v6->sin6_addr, 16);
	}
}

/* --- one connection --- */

static void conn_watch(struct link_conn *c, int op)
{
	bool out = c->connecting || c->session.out_len;
	struct epoll_event ev = { .events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c };

	(void)epoll_ctl(c->link->epoll, op, c->fd, &ev);
}

struct link_conn *link_conn_new(struct link *l, int fd, bool connecting)
{
	struct link_conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c) {
		(void)close(fd);
		return NULL;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->link = l;
	c->fd = fd;
	c->connecting = connecting;
	c->opened_ns = c->heard_ns = c->sent_ns = l->now_ns;
	c->next = l->conns;
	l->conns = c;
	conn_watch(c, EPOLL_CTL_ADD);
	return c;
}

void link_conn_end(struct link_conn *c, enum session_refusal refused, const char *why)
{
	if (c->gone)
		return;
	c->gone = true;
	c->link->refused[refused]++;
	c->link->side->ended(c->link, c, refused ? session_refusal_text(refused) : why);
}

void link_conn_flush(struct link_conn *c)
{
	struct session *s = &c->session;
	ssize_t n = 1;

	if (c->connecting || c->gone)
		return;
	while (s->out_len && n > 0) {
		n = send(c->fd, s->out, s->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0)
			break;
		session_sent(s, (size_t)n);
		c->sent_ns = c->link->now_ns;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		link_conn_end(c, SESSION_FINE, strerror(errno));
	else
		conn_watch(c, EPOLL_CTL_MOD);
}

static void conn_connected(struct link_conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		link_conn_end(c, SESSION_FINE, strerror(error));
		return;
	}
	c->connecting = false;
	session_hello(&c->session);
}

static void conn_read(struct link_conn *c)
{
	uint8_t room[FRAME_MAX];
	enum session_refusal refused;
	int i;

	for (i = 0; i < READS && !c->gone; i++) {
		ssize_t n = recv(c->fd, room, sizeof(room), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			link_conn_end(c, SESSION_FINE, n ? strerror(errno) : "the other side closed the connection");
			return;
		}
		refused = session_feed(&c->session, room, (size_t)n);
		c->heard_ns = c->link->now_ns;
		if (refused != SESSION_FINE)
			link_conn_end(c, refused, NULL);
		else if (c->session.state == SESSION_OVER)
			link_conn_end(c, SESSION_FINE, "it said bye");
	}
}

static void conn_turn(struct link_conn *c)
{
	if (c->gone)
		return;
	if (c->connecting)
		conn_connected(c);
	else
		conn_read(c);
	link_conn_flush(c);
}

static void conn_tick(struct link_conn *c)
{
	struct link *l = c->link;

	if (c->gone)
		return;
	if (c->session.state != SESSION_OPEN) {
		if (l->now_ns - c->opened_ns >= LINK_PATIENCE_MS * NS_PER_MS)
			link_conn_end(c, SESSION_LATE, NULL);
		return;
	}
	if (l->now_ns - c->heard_ns >= link_silence_ns(l)) {
		link_conn_end(c, SESSION_FINE, "nothing is heard any more");
		return;
	}
	if (l->now_ns - c->sent_ns < l->beat_ns)
		return;
	if (session_beat(&c->session) < 0)
		link_conn_end(c, SESSION_FULL, NULL);
	else
		link_conn_flush(c);
}

static void conn_free(struct link_conn *c)
{
	(void)close(c->fd);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void conns_sweep(struct link *l, bool all)
{
	struct link_conn **at = &l->conns, *c;

	while ((c = *at)) {
		if (!c->gone && !all) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		conn_free(c);
	}
}

/* --- the link --- */

int link_make(const struct link_side *side, uint32_t beat_ms, struct link **ret, struct err *err)
{
	struct link *l = calloc(1, sizeof(*l));
	struct itimerspec every = { 0 };
	struct epoll_event ev = { .events = EPOLLIN };

	if (!l)
		return err_set(err, ENOMEM, "out of memory");
	l->side = side;
	l->now_ns = clock_boot_ns();
	l->beat_ns = (beat_ms ? beat_ms : LINK_BEAT_MS) * NS_PER_MS;
	every.it_value.tv_nsec = every.it_interval.tv_nsec = MIN(l->beat_ns / 4, NS_PER_SEC / 2);
	l->listening = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	ev.data.ptr = &l->timer;
	if (l->epoll < 0 || l->timer < 0 || timerfd_settime(l->timer, 0, &every, NULL) < 0 ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->timer, &ev) < 0) {
		int r = err_errno(err, errno, "cannot wait for agents");

		(void)link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct link *link_free(struct link *l)
{
	struct link_conn *c;

	if (!l)
		return NULL;
	for (c = l->conns; c; c = c->next) {
		(void)session_bye(&c->session);
		link_conn_flush(c);
	}
	conns_sweep(l, true);
	l->side->free(l);
	if (l->listening >= 0)
		(void)close(l->listening);
	if (l->timer >= 0)
		(void)close(l->timer);
	if (l->epoll >= 0)
		(void)close(l->epoll);
	free(l);
	return NULL;
}

int link_fd(const struct link *l)
{
	return l->epoll;
}

void link_turn(struct link *l, uint64_t now_ns)
{
	struct epoll_event events[EVENTS];
	struct link_conn *c;
	uint64_t ticks;
	int n, i;

	l->now_ns = now_ns;
	n = epoll_wait(l->epoll, events, EVENTS, 0);
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == &l->timer)
			(void)!read(l->timer, &ticks, sizeof(ticks));
		else if (events[i].data.ptr == &l->listening)
			l->side->accept(l);
		else
			conn_turn(events[i].data.ptr);
	}
	for (c = l->conns; c; c = c->next)
		conn_tick(c);
	l->side->tick(l);
	conns_sweep(l, false);
}

const uint64_t *link_refused(const struct link *l)
{
	return l->refused;
}

unsigned int link_open_sessions(const struct link *l)
{
	const struct link_conn *c;
	unsigned int n = 0;

	for (c = l->conns; c; c = c->next)
		n += !c->gone && c->session.state == SESSION_OPEN;
	return n;
}

uint16_t link_port(const struct link *l)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (l->listening < 0 || getsockname(l->listening, (void *)&sa, &len) < 0)
		return l->co.port;
	return ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&sa)->sin_port
					     : ((struct sockaddr_in6 *)(void *)&sa)->sin6_port);
}
