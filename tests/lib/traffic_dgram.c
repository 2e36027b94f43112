/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams. Each begins with a record that names its stream and number (traffic_bytes.c); clients
 * wait for an answer to each datagram or batch, so none is dropped for want of buffer space.
 *
 * Equal datagrams cannot name themselves: their number travels in the TTL or hop limit.
 */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH 8
#define TTLS 250
#define DROP_ROUNDS 4

enum manner { CONNECTED, UNCONNECTED, BATCHED, MANNERS };

struct party {
	const struct scenario *sc;
	enum kind kind;
	int server, family, client_ns, server_ns;
	struct addr to;
	unsigned clients, messages, size;
};

static void end_set(struct ep *ep, const struct addr *peer)
{
	struct end *e = &ep->conn->end[ep->end];

	if (e->set)
		return;
	ep_open(ep->conn, ep->end, ep->fd);
	if (peer)
		addr_format(peer, e->peer, sizeof(e->peer));
}

static size_t dgram_size(const struct party *p, const struct conn *c, unsigned seq)
{
	return RECORD + mix(c->no, seq, 41) % (p->size - RECORD + 1);
}

static void sent(struct ep *ep, const char *how, uint64_t begin, ssize_t r, size_t n, uint32_t seq)
{
	struct thr *t = thr_self();
	struct call *c;

	if (r != (ssize_t)n)
		die("%s: cannot %s a datagram of %zu bytes: %s", ep->conn->name, how, n, strerror(errno));
	c = log_call(t, ep, false, how, begin, n);
	c->w = stream_writer(ep_out(ep), t);
	c->k = seq;
}

static void send_one(struct party *p, struct ep *ep, const struct addr *to)
{
	struct stream *st = ep_out(ep);
	uint32_t seq = atomic_fetch_add(&st->dgrams, 1);
	size_t n = dgram_size(p, ep->conn, seq);
	char *buf = scratch();
	uint64_t begin;
	ssize_t r;

	bytes_head(st, seq, buf, n);
	begin = call_begin(thr_self());
	r = sendto(ep->fd, buf, n, 0, to ? (struct sockaddr *)&to->ss : NULL, to ? to->len : 0);
	sent(ep, to ? "sendto" : "send", begin, r, n, seq);
}

static void send_batch(struct party *p, struct ep *ep)
{
	struct stream *st = ep_out(ep);
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec iov[BATCH];
	uint32_t seq[BATCH];
	char *buf = scratch();
	uint64_t begin;
	int n;

	for (unsigned i = 0; i < BATCH; i++, buf += p->size) {
		seq[i] = atomic_fetch_add(&st->dgrams, 1);
		iov[i] = (struct iovec) { buf, dgram_size(p, ep->conn, seq[i]) };
		bytes_head(st, seq[i], buf, iov[i].iov_len);
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	begin = call_begin(thr_self());
	n = sendmmsg(ep->fd, m, BATCH, 0);
	if (n != BATCH)
		die("%s: sendmmsg sent %d of %d datagrams", ep->conn->name, n, BATCH);
	for (int i = 0; i < n; i++)
		sent(ep, "sendmmsg", begin, m[i].msg_len, iov[i].iov_len, seq[i]);
}

/* Logs a datagram that came to fd; returns the end of the connection that it belongs to */
static struct ep received(int fd, const char *how, uint64_t begin, const char *buf, ssize_t n, const struct addr *from)
{
	struct stream *st;
	struct call *c;
	struct ep ep;
	uint32_t seq;

	if (n < 0)
		die("cannot %s a datagram: %s", how, strerror(errno));
	st = bytes_dgram(buf, n, &seq);
	if (!st)
		die("a datagram of %zd bytes is none of this run's", n);
	ep = (struct ep) { .fd = fd, .conn = st->conn, .end = !st->way };
	end_set(&ep, from);
	c = log_call(thr_self(), &ep, true, how, begin, n);
	log_run(c, &(struct run) { .off = 0, .k = seq, .len = n });
	return ep;
}

static struct ep recv_one(int fd, struct addr *ret_from)
{
	uint64_t begin = call_begin(thr_self());
	ssize_t n;

	ret_from->len = sizeof(ret_from->ss);
	n = recvfrom(fd, scratch(), BLOCK_BYTES, 0, (struct sockaddr *)&ret_from->ss, &ret_from->len);
	return received(fd, "recvfrom", begin, scratch(), n, ret_from->len ? ret_from : NULL);
}

static void recv_batch(struct party *p, int fd, unsigned want)
{
	while (want) {
		struct mmsghdr m[BATCH] = { 0 };
		struct iovec iov[BATCH];
		uint64_t begin;
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec) { scratch() + i * p->size, p->size };
			m[i].msg_hdr.msg_iov = &iov[i];
			m[i].msg_hdr.msg_iovlen = 1;
		}
		begin = call_begin(thr_self());
		n = recvmmsg(fd, m, want < BATCH ? want : BATCH, MSG_WAITFORONE, NULL);
		if (n <= 0)
			die("cannot recvmmsg: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			received(fd, "recvmmsg", begin, iov[i].iov_base, m[i].msg_len, NULL);
		want -= n;
	}
}

static int client_socket(struct party *p, unsigned idx)
{
	char path[64];
	struct addr a;
	int fd;

	if (p->family != AF_UNIX)
		return sock_new(p->family, SOCK_DGRAM);
	snprintf(path, sizeof(path), "@traffic.%d.c%u", getpid(), idx);
	a = addr_unix(path);
	fd = sock_bound(AF_UNIX, SOCK_DGRAM, &a, -1);
	return fd;
}

static void wait_limit(int fd)
{
	struct timeval limit = { .tv_sec = 5 }; /* a datagram that takes longer is lost */

	check(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), "SO_RCVTIMEO");
}

static void client_worker(void *arg, unsigned idx)
{
	struct party *p = arg;
	enum manner manner = idx % MANNERS;
	struct conn *c = conn_new(p->kind, idx, "%s/%u", p->sc->name, idx);
	struct ep ep = { .fd = client_socket(p, idx), .conn = c };
	struct addr from;

	wait_limit(ep.fd);
	if (manner != UNCONNECTED || p->family == AF_UNIX)
		check(!connect(ep.fd, (struct sockaddr *)&p->to.ss, p->to.len), "cannot connect");
	for (unsigned m = 0; m < p->messages; m += manner == BATCHED ? BATCH : 1) {
		if (manner == BATCHED)
			send_batch(p, &ep);
		else
			send_one(p, &ep, manner == UNCONNECTED ? &p->to : NULL);
		end_set(&ep, &p->to);
		if (manner == BATCHED)
			recv_batch(p, ep.fd, BATCH);
		else
			recv_one(ep.fd, &from);
	}
	ep_close(&ep);
}

static void client(void *arg)
{
	struct party *p = arg;

	close(p->server);
	ns_enter(p->client_ns);
	workers_run(p->clients, world->o.processes, client_worker, p);
}

static void server(void *arg)
{
	struct party *p = arg;
	unsigned batched = 0, total;

	for (unsigned i = 0; i < p->clients; i++)
		batched += i % MANNERS == BATCHED;
	total = (p->clients - batched) * p->messages + batched * ((p->messages + BATCH - 1) / BATCH * BATCH);
	ns_enter(p->server_ns);
	wait_limit(p->server);
	for (unsigned i = 0; i < total; i++) {
		struct addr from;
		struct ep ep = recv_one(p->server, &from);

		send_one(p, &ep, &from);
	}
}

static void party_run(const struct scenario *sc, enum kind kind, const struct addr *a)
{
	const struct opts *o = &world->o;
	struct party p = { .sc = sc, .kind = kind, .family = a->ss.ss_family };

	p.clients = given(o->connections, sc->connections);
	p.messages = given(o->messages, sc->messages);
	p.size = given(o->size, sc->size);
	if (p.size < RECORD || p.size > 60000)
		die("datagrams have 16 to 60000 bytes");
	p.client_ns = ns_open(o->client_netns);
	p.server_ns = ns_open(o->server_netns);
	p.server = sock_bound(p.family, SOCK_DGRAM, a, p.server_ns);
	p.to = o->dial && p.family != AF_UNIX ? addr_parse(o->dial) : addr_local(p.server);
	spawn(server, &p);
	spawn(client, &p);
	close(p.server);
	reap();
}

/* Equal and empty datagrams, from one socket to another, both made by the first process */
struct twins {
	struct ep ep[2];
	unsigned n;
	int level, opt, want; /* the TTL or hop limit: to set, to be told */
};

static void twins_client(void *arg)
{
	struct twins *t = arg;
	char buf[64];

	memset(buf, 'E', sizeof(buf));
	for (unsigned i = 0; i < t->n; i++) {
		int ttl = 1 + i % TTLS;
		uint64_t begin;
		ssize_t r;

		check(!setsockopt(t->ep[0].fd, t->level, t->opt, &ttl, sizeof(ttl)), "cannot set the TTL");
		if (i % 10 == 9) {
			check(!send(t->ep[0].fd, buf, 0, 0), "cannot send nothing");
			log_other(&t->ep[0], false, "send_zero", 0, 0);
		}
		begin = call_begin(thr_self());
		r = send(t->ep[0].fd, buf, sizeof(buf), 0);
		sent(&t->ep[0], "send", begin, r, sizeof(buf), i);
	}
}

static int message_ttl(struct msghdr *m, int level)
{
	int ttl = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
		if (h->cmsg_level == level)
			memcpy(&ttl, CMSG_DATA(h), sizeof(ttl));
	return ttl;
}

static void twins_server(void *arg)
{
	struct twins *t = arg;
	struct ep *ep = &t->ep[1];
	unsigned next = 0;

	wait_limit(ep->fd);
	while (next < t->n) {
		char buf[128], control[128];
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr m = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
		};
		uint64_t begin = call_begin(thr_self());
		ssize_t r = recvmsg(ep->fd, &m, 0);
		struct call *c;

		check(r >= 0, "cannot receive a datagram");
		if (!r) {
			log_other(ep, true, "recv_zero", 0, 0);
			continue;
		}
		if (message_ttl(&m, t->level) != (int)(1 + next % TTLS))
			die("%s: equal datagrams came out of order", ep->conn->name);
		c = log_call(thr_self(), ep, true, "recvmsg", begin, r);
		log_run(c, &(struct run) { .off = 0, .k = next++, .len = r });
	}
}

/* Two sockets connected to each other */
static void udp_pair(const struct scenario *sc, struct conn *c, struct ep ret_ep[2])
{
	struct addr any = addr_ip(sc->family, NULL, 0), at[2];
	int fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = sock_bound(sc->family, SOCK_DGRAM, &any, -1);
		at[i] = addr_local(fd[i]);
	}
	for (int i = 0; i < 2; i++) {
		check(!connect(fd[i], (struct sockaddr *)&at[!i].ss, at[!i].len), "cannot connect");
		ret_ep[i] = ep_open(c, i, fd[i]);
	}
}

static void twins_run(const struct scenario *sc)
{
	bool v6 = sc->family == AF_INET6;
	struct conn *c = conn_new(KIND_UDP, 0, "%s/equal", sc->name);
	struct twins t = {
		.n = 200,
		.level = v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		.opt = v6 ? IPV6_UNICAST_HOPS : IP_TTL,
		.want = v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL,
	};
	int one = 1;

	udp_pair(sc, c, t.ep);
	check(!setsockopt(t.ep[1].fd, t.level, t.want, &one, sizeof(one)), "cannot ask for the TTL");
	spawn(twins_server, &t);
	spawn(twins_client, &t);
	ep_close(&t.ep[0]);
	ep_close(&t.ep[1]);
	reap();
}

static void run_udp(const struct scenario *sc)
{
	struct addr a = addr_ip(sc->family, NULL, 0);

	party_run(sc, KIND_UDP, &a);
	twins_run(sc);
}

static void run_udp_ns(const struct scenario *sc)
{
	struct addr a = world->o.listen ? addr_parse(world->o.listen) : addr_ip(sc->family, NULL, 0);

	party_run(sc, KIND_UDP, &a);
}

/* The answer to a sender on a full queue would be to wait: AF_UNIX loses no datagram */
static void run_unix_dgram(const struct scenario *sc)
{
	char path[64];
	struct addr a;

	snprintf(path, sizeof(path), "/tmp/traffic.%d.dgram", getpid());
	a = addr_unix(path);
	party_run(sc, KIND_UNIX_DGRAM, &a);
	unlink(path);
}

struct pair {
	struct party p;
	struct ep ep[2];
};

static void pair_writer(void *arg, unsigned idx)
{
	struct pair *pair = arg;

	(void)idx;
	for (unsigned i = 0; i < pair->p.messages; i++)
		send_one(&pair->p, &pair->ep[0], NULL);
}

static void pair_client(void *arg)
{
	workers_run(4, false, pair_writer, arg);
}

static void pair_server(void *arg)
{
	struct pair *pair = arg;
	struct addr from;

	for (unsigned i = 0; i < 4 * pair->p.messages; i++)
		recv_one(pair->ep[1].fd, &from);
}

static void run_dgram_pair(const struct scenario *sc)
{
	struct conn *c = conn_new(KIND_UNIX_DGRAM, 0, "%s/0", sc->name);
	struct pair pair = { .p = { .sc = sc, .kind = KIND_UNIX_DGRAM } };
	int fd[2];

	pair.p.messages = given(world->o.messages, sc->messages);
	pair.p.size = given(world->o.size, sc->size);
	check(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fd), "cannot make a socket pair");
	for (int i = 0; i < 2; i++)
		pair.ep[i] = ep_open(c, i, fd[i]);
	spawn(pair_server, &pair);
	spawn(pair_client, &pair);
	ep_close(&pair.ep[0]);
	ep_close(&pair.ep[1]);
	reap();
}

/* More than the receive buffer holds, before the first read: some datagrams are dropped */
static void drop_client(void *arg)
{
	struct pair *pair = arg;

	for (unsigned i = 0; i < DROP_ROUNDS; i++) {
		pair_writer(pair, 0);
		sem_post(&world->ctl);
		sem_take(&world->reached);
	}
}

static void drop_server(void *arg)
{
	struct pair *pair = arg;
	struct addr from;
	int next = 0;

	for (unsigned i = 0; i < DROP_ROUNDS; i++) {
		sem_take(&world->ctl);
		while (!ioctl(pair->ep[1].fd, FIONREAD, &next) && next)
			recv_one(pair->ep[1].fd, &from);
		sem_post(&world->reached);
	}
}

static void run_udp_drop(const struct scenario *sc)
{
	struct conn *c = conn_new(KIND_UDP, 0, "%s/0", sc->name);
	struct pair pair = { .p = { .sc = sc, .kind = KIND_UDP } };
	int small = 8192;

	c->lossy = true;
	pair.p.messages = given(world->o.messages, sc->messages);
	pair.p.size = given(world->o.size, sc->size);
	udp_pair(sc, c, pair.ep);
	check(!setsockopt(pair.ep[1].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), "SO_RCVBUF");
	spawn(drop_server, &pair);
	spawn(drop_client, &pair);
	ep_close(&pair.ep[0]);
	ep_close(&pair.ep[1]);
	reap();
}

#define PARTY(n, r, f, what) \
	.name = n, .about = what, .run = r, .connections = 6, .messages = 40, .size = 1400, .family = f

const struct scenario dgram_scenarios[] = {
	{ PARTY("udp4", run_udp, AF_INET, "connected, unconnected, sendmmsg, equal and empty datagrams, IPv4") },
	{ PARTY("udp6", run_udp, AF_INET6, "the same, IPv6") },
	{ PARTY("udp_drop", run_udp_drop, AF_INET, "more than the receive buffer holds: some are dropped") },
	{ PARTY("unix_dgram", run_unix_dgram, AF_UNIX, "named and abstract AF_UNIX datagrams") },
	{ PARTY("unix_dgram_pair", run_dgram_pair, AF_UNIX, "a socket pair of datagrams, 4 writing threads") },
	{ PARTY("udp_netns", run_udp_ns, AF_INET, "UDP between namespaces (traffic.sh)"), .alone = true },
	{ PARTY("udp_nat", run_udp_ns, AF_INET, "UDP through DNAT and SNAT (traffic.sh)"), .alone = true },
	{ 0 }
};
