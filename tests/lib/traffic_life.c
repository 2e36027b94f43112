/* SPDX-License-Identifier: Apache-2.0 */
/* How connections begin, end and change hands. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct life {
	const char *name;
	void (*client)(struct ep *ep, unsigned no);
	void (*server)(struct ep *ep, unsigned no); /* with the server's own way to end */
	bool nonblock, in_child;
};

struct cast {
	const struct life *l;
	struct meet *m;
	const char *name;
	unsigned connections;
};

static void say(struct ep *ep, uint64_t n)
{
	tx_all(ep, tx_find("send"), n);
}

static void hear(struct ep *ep, uint64_t n)
{
	rx_all(ep, rx_find("recv"), n, 0);
}

static void wait_for(struct ep *ep, short events)
{
	struct pollfd p = { .fd = ep->fd, .events = events };

	if (poll(&p, 1, 5000) <= 0)
		die("%s: nothing happened for 5 s", ep->conn->name);
}

/* Reads whatever there is up to the end or an error, which is returned */
static int drain(struct ep *ep)
{
	ssize_t r;

	while ((r = rx_find("recv")->recv(ep, scratch(), 3001)) > 0)
		;
	return (int)-r;
}

static void shutdown_client(struct ep *ep, unsigned no)
{
	say(ep, 5000 + no);
	check(!shutdown(ep->fd, SHUT_WR), "cannot shut down");
	hear(ep, 70000);
	rx_eof(ep);
}

static void shutdown_server(struct ep *ep, unsigned no)
{
	hear(ep, 5000 + no);
	rx_eof(ep);
	say(ep, 70000);
}

/* Even connections: all was read before the reset; odd ones: 5000 bytes were on their way */
static void reset_client(struct ep *ep, unsigned no)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	say(ep, 10000);
	hear(ep, 100);
	check(!setsockopt(ep->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), "SO_LINGER");
	if (no % 2) {
		ep->conn->lossy = true;
		say(ep, 5000);
	}
}

static void reset_server(struct ep *ep, unsigned no)
{
	int error;

	hear(ep, 10000);
	say(ep, 100);
	if (no % 2)
		wait_for(ep, POLLERR);
	error = drain(ep);
	if (error != ECONNRESET)
		die("%s: expected a reset, got %s", ep->conn->name, strerror(error));
}

static void nonblock_say(struct ep *ep, uint64_t n)
{
	while (n) {
		ssize_t r = tx_some(ep, tx_find("send"), n < BLOCK_BYTES ? n : BLOCK_BYTES);

		if (r == -EAGAIN) {
			wait_for(ep, POLLOUT);
			continue;
		}
		if (r <= 0)
			die("%s: cannot send: %s", ep->conn->name, strerror((int)-r));
		n -= r;
	}
}

static void nonblock_client(struct ep *ep, unsigned no)
{
	uint64_t left = 300000;

	(void)no;
	nonblock_say(ep, 6u << 20);
	while (left) {
		ssize_t r = rx_find("recv")->recv(ep, scratch(), left < 7001 ? left : 7001);

		if (r == -EAGAIN) {
			wait_for(ep, POLLIN);
			continue;
		}
		if (r <= 0)
			die("%s: cannot receive: %s", ep->conn->name, strerror((int)-r));
		left -= r;
	}
}

static void nonblock_server(struct ep *ep, unsigned no)
{
	(void)no;
	rx_all(ep, rx_find("recv"), 6u << 20, 150001);
	say(ep, 300000);
	rx_eof(ep);
}

/* Even: the server goes with bytes unread, so the client sees a reset; odd: FIN comes while bytes
 * are unread, then they are read */
static void unread_client(struct ep *ep, unsigned no)
{
	ep->conn->lossy = !(no % 2);
	say(ep, 50000);
	if (no % 2)
		return;
	wait_for(ep, POLLIN);
	if (!drain(ep))
		die("%s: expected a reset, got the end", ep->conn->name);
}

static void unread_server(struct ep *ep, unsigned no)
{
	if (no % 2) {
		wait_for(ep, POLLRDHUP);
		hear(ep, 50000);
		rx_eof(ep);
		return;
	}
	hear(ep, 10000);
	ep_wait_arrived(ep, 40000);
}

static void plain_client(struct ep *ep, unsigned no)
{
	say(ep, 3000 + no);
	hear(ep, 4000);
	say(ep, 2000);
	hear(ep, 1);
}

static void plain_server(struct ep *ep, unsigned no)
{
	hear(ep, 3000 + no);
	say(ep, 4000);
	hear(ep, 2000);
	say(ep, 1);
	rx_eof(ep);
}

static void cast_client(void *arg)
{
	struct cast *c = arg;

	close(c->m->fd);
	for (unsigned i = 0; i < c->connections; i++) {
		struct conn *conn = conn_new(KIND_TCP, i, "%s/%u", c->name, i);
		struct ep ep = meet_dial(c->m, conn, &c->m->addr, NULL, c->l->nonblock);

		c->l->client(&ep, i);
		ep_close(&ep);
	}
}

struct handover {
	const struct life *l;
	struct ep ep;
	unsigned no;
};

static void child_server(void *arg)
{
	struct handover *h = arg;

	h->l->server(&h->ep, h->no);
}

static void cast_server(void *arg)
{
	struct cast *c = arg;

	for (unsigned i = 0; i < c->connections; i++) {
		struct handover h = { .l = c->l, .ep = meet_accept(c->m), .no = i };

		if (c->l->in_child)
			spawn(child_server, &h);
		else
			child_server(&h);
		ep_close(&h.ep);
	}
	reap();
}

static const struct life lives[] = {
	{ "shutdown", shutdown_client, shutdown_server, false, false },
	{ "reset", reset_client, reset_server, false, false },
	{ "nonblock", nonblock_client, nonblock_server, true, false },
	{ "fin_unread", unread_client, unread_server, false, false },
	{ "fork_accept", plain_client, plain_server, false, true },
};

static void run_life(const struct scenario *sc)
{
	struct addr a = addr_ip(AF_INET, NULL, 0);
	struct cast c = { .m = meet_new(&a, -1), .name = sc->name };

	c.connections = given(world->o.connections, sc->connections);
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++)
		if (!strcmp(lives[i].name, sc->name))
			c.l = &lives[i];
	spawn(cast_server, &c);
	spawn(cast_client, &c);
	close(c.m->fd);
	reap();
}

static void refused_client(void *arg)
{
	struct addr *to = arg;

	for (int i = 0; i < 4; i++) {
		struct ep ep = { .fd = sock_new(AF_INET, SOCK_STREAM) };
		struct pollfd p = { .fd = ep.fd, .events = POLLOUT };
		int error = 0;
		socklen_t n = sizeof(error);

		if (i % 2)
			fcntl(ep.fd, F_SETFL, O_NONBLOCK);
		error = connect(ep.fd, (struct sockaddr *)&to->ss, to->len) ? errno : 0;
		if (error == EINPROGRESS) {
			poll(&p, 1, 5000);
			check(!getsockopt(ep.fd, SOL_SOCKET, SO_ERROR, &error, &n), "SO_ERROR");
		}
		if (error != ECONNREFUSED)
			die("expected a refusal, got %s", strerror(error));
		log_other(&ep, false, "connect", error, 0);
		close(ep.fd);
	}
}

/* Bound but not listening: nobody else can take the port, and a connection is refused */
static void run_refused(const struct scenario *sc)
{
	struct addr a = addr_ip(AF_INET, NULL, 0), to;
	int fd = sock_bound(AF_INET, SOCK_STREAM, &a, -1);

	(void)sc;
	to = addr_local(fd);
	spawn(refused_client, &to);
	reap();
	close(fd);
}

/* pass: the acceptor reads the first part, then hands the socket over in an SCM_RIGHTS message */
struct pass {
	struct cast c;
	struct ep gate[2]; /* a pair of unix sockets; its messages are in the truth too */
};

static void gate_send(struct ep *gate, int fd)
{
	struct stream *st = ep_out(gate);
	char buf[RECORD], control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct thr *t = thr_self();
	unsigned w = stream_writer(st, t);
	uint64_t begin;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	bytes_fill(st, w, st->writer[w].k, buf, sizeof(buf));
	begin = call_begin(t);
	if (tx_log(gate, t, "sendmsg", begin, call_result(sendmsg(gate->fd, &m, 0))) != RECORD)
		die("cannot pass a socket");
}

static int gate_recv(struct ep *gate)
{
	char buf[RECORD], control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);
	ssize_t r = call_result(recvmsg(gate->fd, &m, MSG_CMSG_CLOEXEC));
	int fd;

	if (rx_log(gate, t, "recvmsg", begin, r, buf) != RECORD || !CMSG_FIRSTHDR(&m))
		die("no socket was passed");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void pass_acceptor(void *arg)
{
	struct pass *p = arg;

	ep_close(&p->gate[1]);
	for (unsigned i = 0; i < p->c.connections; i++) {
		struct ep ep = meet_accept(p->c.m);

		hear(&ep, 3000 + i);
		say(&ep, 1500);
		gate_send(&p->gate[0], ep.fd);
		sem_take(&world->ctl); /* the child knows the connection by now */
		ep_close(&ep);
	}
}

static struct conn *conn_by_no(const char *prefix, unsigned no)
{
	size_t n = strlen(prefix);

	for (struct conn *c = atomic_load(&world->conns); c; c = c->next)
		if (c->no == no && c->kind == KIND_TCP && !strncmp(c->name, prefix, n) && c->name[n] == '/')
			return c;
	die("no connection %s/%u", prefix, no);
}

static void pass_child(void *arg)
{
	struct pass *p = arg;

	ep_close(&p->gate[0]);
	close(p->c.m->fd);
	for (unsigned i = 0; i < p->c.connections; i++) {
		int fd = gate_recv(&p->gate[1]);
		struct ep ep = ep_open(conn_by_no(p->c.name, i), 1, fd);

		sem_post(&world->ctl);
		say(&ep, 2500);
		hear(&ep, 2000);
		say(&ep, 1);
		rx_eof(&ep);
		ep_close(&ep);
	}
}

static void run_pass(const struct scenario *sc)
{
	struct conn *gate = conn_new(KIND_UNIX_STREAM, 0, "%s/gate", sc->name);
	struct addr a = addr_ip(AF_INET, NULL, 0);
	static const struct life life = { .client = plain_client };
	struct pass p = { .c = { .l = &life, .m = meet_new(&a, -1), .name = sc->name } };
	int fds[2];

	p.c.connections = given(world->o.connections, sc->connections);
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "cannot make a socket pair");
	p.gate[0] = ep_open(gate, 0, fds[0]);
	p.gate[1] = ep_open(gate, 1, fds[1]);
	spawn(pass_child, &p);
	spawn(pass_acceptor, &p);
	ep_close(&p.gate[0]);
	ep_close(&p.gate[1]);
	spawn(cast_client, &p.c);
	close(p.c.m->fd);
	reap();
}

const struct scenario life_scenarios[] = {
	{ .name = "shutdown",
	  .run = run_life,
	  .connections = 4,
	  .about = "half-close: the answer comes after the client's end" },
	{ .name = "reset",
	  .run = run_life,
	  .connections = 4,
	  .about = "SO_LINGER 0, with and without bytes on their way" },
	{ .name = "refused", .run = run_refused, .about = "connections to a closed port" },
	{ .name = "nonblock",
	  .run = run_life,
	  .connections = 2,
	  .about = "connect, send and recv in non-blocking mode, partial sends" },
	{ .name = "fin_unread",
	  .run = run_life,
	  .connections = 4,
	  .about = "an end with unread bytes, on either side" },
	{ .name = "fork_accept",
	  .run = run_life,
	  .connections = 6,
	  .about = "the parent accepts, a forked child serves" },
	{ .name = "pass",
	  .run = run_pass,
	  .connections = 4,
	  .about = "an accepted socket goes to another process in the middle, by SCM_RIGHTS" },
	{ 0 }
};
