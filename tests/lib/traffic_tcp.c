/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request and response over stream sockets. Both sides draw the same plan from the seed and the
 * connection's number: how long a request is, in how many sends it goes out, how it is read.
 */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <string.h>
#include <unistd.h>

enum shape {	       /* sends : receives of one message */
	     ONE_MANY, /* one large send, odd small reads */
	     MANY_ONE, /* small sends, one read when all have come */
	     MANY_MANY,
	     ONE_ONE,
	     SHAPES
};

static uint64_t draw(const struct conn *c, unsigned msg, unsigned what)
{
	return mix((uint64_t)c->no << 32 | msg, what, 11);
}

static const struct tx *tx_pick(const struct plan *p, const struct conn *c, unsigned msg)
{
	static const char *const plain[] = { "send", "write", "writev", "sendmsg" };

	return p->tx ? p->tx : tx_find(plain[draw(c, msg, 1) % 4]);
}

static const struct rx *rx_pick(const struct plan *p, const struct conn *c, unsigned msg)
{
	static const char *const plain[] = { "recv", "read", "readv", "recvmsg" };

	return p->rx ? p->rx : rx_find(plain[draw(c, msg, 2) % 4]);
}

static void message_send(const struct plan *p, struct ep *ep, unsigned msg, size_t n)
{
	enum shape shape = draw(ep->conn, msg, 3) % SHAPES;
	const struct tx *tx = tx_pick(p, ep->conn, msg);
	size_t part = n;

	if (shape == MANY_ONE || shape == MANY_MANY)
		part = n / (2 + draw(ep->conn, msg, 4) % 7) + 1;
	for (; n; n -= part) {
		if (part > n)
			part = n;
		tx_all(ep, tx, part);
	}
}

static void message_recv(const struct plan *p, struct ep *ep, unsigned msg, size_t n)
{
	enum shape shape = draw(ep->conn, msg, 3) % SHAPES;
	const struct rx *rx = rx_pick(p, ep->conn, msg);

	if (shape == MANY_ONE && n <= 32768)
		ep_wait_arrived(ep, n);
	rx_all(ep, rx, n, shape == MANY_ONE || shape == ONE_ONE ? n : 0);
}

static size_t message_size(const struct plan *p, const struct conn *c, unsigned msg)
{
	return 1 + draw(c, msg, 5) % p->size;
}

static struct ep client_dial(struct plan *p, unsigned no)
{
	struct conn *c = conn_new(p->kind, no, "%s/%u", p->name, no);

	return meet_dial(p->meet, c, &p->dial, p->has_bind ? &p->bind : NULL, false);
}

static void client_worker(void *arg, unsigned idx)
{
	struct plan *p = arg;

	for (unsigned i = idx; i < p->connections; i += p->concurrency) {
		struct ep ep = client_dial(p, i);

		for (unsigned m = 0; m < p->messages; m++) {
			if (p->middle && m == p->messages / 2)
				meet_middle();
			message_send(p, &ep, 2 * m, message_size(p, ep.conn, 2 * m));
			message_recv(p, &ep, 2 * m + 1, message_size(p, ep.conn, 2 * m + 1));
		}
		if (p->server_first)
			rx_eof(&ep);
		ep_close(&ep);
	}
}

static void server_worker(void *arg, unsigned idx)
{
	struct plan *p = arg;

	(void)idx;
	while (atomic_fetch_add(&p->meet->accepted, 1) < p->connections) {
		struct ep ep = meet_accept(p->meet);

		for (unsigned m = 0; m < p->messages; m++) {
			message_recv(p, &ep, 2 * m, message_size(p, ep.conn, 2 * m));
			message_send(p, &ep, 2 * m + 1, message_size(p, ep.conn, 2 * m + 1));
		}
		if (!p->server_first)
			rx_eof(&ep);
		ep_close(&ep);
	}
}

static void server(void *arg)
{
	struct plan *p = arg;

	ns_enter(p->server_ns);
	workers_run(p->concurrency, p->processes, server_worker, p);
}

static void client(void *arg)
{
	struct plan *p = arg;

	close(p->meet->fd);
	ns_enter(p->client_ns);
	workers_run(p->concurrency, p->processes, client_worker, p);
}

void plan_init(struct plan *p, const struct scenario *sc, const struct addr *listen)
{
	const struct opts *o = &world->o;

	*p = (struct plan) {
		.name = sc->name,
		.kind = KIND_TCP,
		.processes = o->processes,
		.connections = given(o->connections, sc->connections),
		.messages = given(o->messages, sc->messages),
		.size = given(o->size, sc->size),
		.concurrency = given(o->concurrency, sc->concurrency),
		.client_ns = ns_open(o->client_netns),
		.server_ns = ns_open(o->server_netns),
		.tx = sc->tx ? tx_find(sc->tx) : NULL,
		.rx = sc->rx ? rx_find(sc->rx) : NULL,
	};
	if (p->concurrency > p->connections)
		p->concurrency = p->connections;
	p->meet = meet_new(listen, p->server_ns);
	p->dial = p->meet->addr;
}

void plan_start(struct plan *p)
{
	spawn(server, p);
	spawn(client, p);
	close(p->meet->fd);
}

static void run_ip(const struct scenario *sc)
{
	struct addr a = world->o.listen ? addr_parse(world->o.listen) : addr_ip(sc->family, NULL, 0);
	struct plan p;

	plan_init(&p, sc, &a);
	if (world->o.dial)
		p.dial = addr_parse(world->o.dial);
	plan_start(&p);
	reap();
}

static void run_tcp(const struct scenario *sc)
{
	struct addr a = addr_ip(sc->family, NULL, 0);
	struct plan p;

	plan_init(&p, sc, &a);
	plan_start(&p);
	reap();
}

#define WAY(n, t, r, what)                                                                                 \
	{                                                                                                  \
		.name = n, .about = what, .run = run_tcp, .connections = 2, .messages = 40, .size = 20000, \
		.concurrency = 2, .tx = t, .rx = r, .family = AF_INET                                      \
	}

const struct scenario tcp_scenarios[] = {
	{ .name = "tcp4",
	  .about = "requests and responses, odd reads, m:n sends and reads, IPv4",
	  .run = run_tcp,
	  .connections = 16,
	  .messages = 40,
	  .size = 20000,
	  .concurrency = 8,
	  .family = AF_INET },
	{ .name = "tcp6",
	  .about = "the same, IPv6",
	  .run = run_tcp,
	  .connections = 16,
	  .messages = 40,
	  .size = 20000,
	  .concurrency = 8,
	  .family = AF_INET6 },
	WAY("send", "send", "recv", "send and recv"),
	WAY("sendto", "sendto", "recvfrom", "sendto and recvfrom"),
	WAY("sendmsg", "sendmsg", "recvmsg", "sendmsg and recvmsg with many iovecs"),
	WAY("sendmmsg", "sendmmsg", "recvmmsg", "several messages a syscall, both ways"),
	WAY("write", "write", "read", "write and read"),
	WAY("writev", "writev", "readv", "writev and readv"),
	WAY("splice", "splice", "splice", "pipe to socket and socket to pipe"),
	WAY("sendfile", "sendfile", "recv", "sendfile"),
	WAY("zerocopy", "zerocopy", "recv", "MSG_ZEROCOPY with its completions"),
	WAY("peek", "send", "peek", "MSG_PEEK before each recv"),
	WAY("waitall", "send", "waitall", "recv with MSG_WAITALL"),
	WAY("discard", "send", "discard", "recv with MSG_TRUNC: TCP throws the bytes away"),
	WAY("oob", "oob", "recv", "MSG_OOB, read in its place (SO_OOBINLINE)"),
	WAY("io_uring", "io_uring", "io_uring", "io_uring, done by the submitting thread"),
	WAY("io_uring_async", "io_uring_async", "io_uring_async",
	    "io_uring with IOSQE_ASYNC: by a kernel worker, tid null"),
	{ .name = "netns",
	  .about = "client and server in different namespaces (traffic.sh)",
	  .run = run_ip,
	  .connections = 8,
	  .messages = 20,
	  .size = 20000,
	  .concurrency = 4,
	  .family = AF_INET,
	  .alone = true },
	{ .name = "nat",
	  .about = "DNAT and SNAT between them (traffic.sh)",
	  .run = run_ip,
	  .connections = 8,
	  .messages = 20,
	  .size = 20000,
	  .concurrency = 4,
	  .family = AF_INET,
	  .alone = true },
	{ 0 }
};
