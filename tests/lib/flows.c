/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flows - many connections or UDP flows whose messages are numbered, so that one that breaks, or a packet that is lost, is seen.
 *
 *	flows serve PORT NAME				echoes, TCP and UDP; numbers must follow each other in each connection
 *	flows hold ADDRESS PORT NUMBER OPTION...	NUMBER connections (--udp: flows), each a message every --every MS (100)
 *	flows new ADDRESS PORT OPTION...		one new connection every --every MS, one message each
 *
 *	--size BYTES (64)	of a message	--udp
 *	--wait MS (20000)	without an answer for so long a connection counts as broken; UDP goes on after --wait (1000)
 *	--seconds S		then it ends, as at SIGINT and SIGTERM
 *	--least N		it ends when each connection has had N answers, or is over
 *
 * hold and serve print a line of JSON every 100 ms and a last one; new prints of each connection, when it is over:
 * `STARTED_NS RESULT MS NAME`, the time by CLOCK_MONOTONIC; RESULT: ok, refused, reset, ended, silent, other.
 * A message: struct head, then bytes that follow from its number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC 0x666c6f77U
#define FDS 65536
#define SIZE_MAX_MESSAGE (1U << 20)
#define TURN_MS 100
#define NAMES 16
#define OPENING 256 /* connections that are on their way at a time */

struct head {
	uint32_t magic, bytes;
	uint64_t number;
	char name[8]; /* of who answers */
};

/* of a file descriptor */
struct conn {
	bool used, up, asked;
	uint8_t *buf;
	uint32_t got, want, sent; /* bytes of the message that comes, and of the one that goes */
	uint64_t number, began_ns, next_ns;
	char name[8];
};

static struct conn conns[FDS];
static struct opts {
	const char *name;
	uint64_t every_ms, wait_ms, seconds, least;
	uint32_t number, size;
	bool udp, hold;
} opts = { .every_ms = 100, .size = 64 };
static struct sums {
	uint32_t started, open, failed, broken, wrong, moved, opening, unsent;
	uint64_t messages, sent, lost, longest_ms;
	char why[64]; /* the first that broke */
	struct {
		char name[8];
		uint64_t messages;
		uint32_t open; /* connections that it answered last */
	} names[NAMES];
} sums;
static struct sockaddr_storage peer;
static socklen_t peer_len;
static int epoll_fd, listener = -1, datagrams = -1, fds; /* fds: one more than the highest of conns that was used */
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "flows: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void message_make(uint8_t *out, uint32_t bytes, uint64_t number, const char *name)
{
	struct head h = { .magic = MAGIC, .bytes = bytes, .number = number };
	uint32_t i;

	(void)snprintf(h.name, sizeof(h.name), "%s", name);
	memcpy(out, &h, sizeof(h));
	for (i = sizeof(h); i < bytes; i++)
		out[i] = (uint8_t)(number * 7 + i);
}

/* Is this the message of that number? */
static bool message_is(const uint8_t *in, uint32_t bytes, uint64_t number)
{
	struct head h;
	uint32_t i;

	memcpy(&h, in, sizeof(h));
	if (h.magic != MAGIC || h.bytes != bytes || h.number != number)
		return false;
	for (i = sizeof(h); i < bytes; i++)
		if (in[i] != (uint8_t)(number * 7 + i))
			return false;
	return true;
}

/* More names than there is room for count as the last one. */
static int name_of(const char *name)
{
	int i;

	for (i = 0; i < NAMES - 1; i++) {
		if (!sums.names[i].name[0])
			memcpy(sums.names[i].name, name, sizeof(sums.names[i].name));
		if (!memcmp(sums.names[i].name, name, sizeof(sums.names[i].name)))
			break;
	}
	return i;
}

static void watch(int fd, uint32_t events, bool first)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll_fd, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e))
		die("epoll");
}

static struct conn *conn_begin(int fd)
{
	struct conn *c;

	if (fd >= FDS)
		die("too many files");
	fds = fd >= fds ? fd + 1 : fds;
	c = &conns[fd];
	memset(c, 0, sizeof(*c));
	c->used = true;
	c->buf = malloc(SIZE_MAX_MESSAGE < opts.size || !opts.size ? SIZE_MAX_MESSAGE : opts.size);
	if (!c->buf)
		die("memory");
	c->began_ns = now_ns();
	return c;
}

static void conn_end(int fd)
{
	free(conns[fd].buf);
	memset(&conns[fd], 0, sizeof(conns[fd]));
	(void)close(fd);
}

/* What is left of the message that goes.  -1: the connection is broken */
static int conn_write(int fd)
{
	struct conn *c = &conns[fd];
	ssize_t n;

	while (c->sent < c->want) {
		n = send(fd, c->buf + c->sent, c->want - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			watch(fd, EPOLLIN | EPOLLOUT, false);
			return 0;
		}
		if (n < 0)
			return -1;
		c->sent += (uint32_t)n;
	}
	watch(fd, EPOLLIN, false);
	return 0;
}

/* A whole message has come: 1; not yet: 0; -1: the connection is broken (errno 0: it was ended) */
static int conn_read(int fd)
{
	struct conn *c = &conns[fd];
	uint32_t want = c->got < sizeof(struct head) ? sizeof(struct head) : ((struct head *)(void *)c->buf)->bytes;
	ssize_t n;

	for (;;) {
		n = recv(fd, c->buf + c->got, want - c->got, 0);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			errno = n ? errno : 0;
			return -1;
		}
		c->got += (uint32_t)n;
		if (c->got < want)
			continue;
		if (want > sizeof(struct head))
			return 1;
		want = ((struct head *)(void *)c->buf)->bytes;
		if (want <= sizeof(struct head) || want > SIZE_MAX_MESSAGE) {
			errno = EPROTO;
			return -1;
		}
	}
}

static void print_sums(uint64_t least)
{
	int i;

	(void)printf("{\"started\":%u,\"open\":%u,\"failed\":%u,\"broken\":%u,\"wrong\":%u,\"moved\":%u,\"unsent\":%u,"
		     "\"messages\":%lu,"
		     "\"sent\":%lu,\"lost\":%lu,\"least\":%lu,\"longest_ms\":%lu,\"why\":\"%s\",\"names\":{",
		     sums.started, sums.open, sums.failed, sums.broken, sums.wrong, sums.moved, sums.unsent,
		     sums.messages, sums.sent, sums.lost, least, sums.longest_ms, sums.why);
	for (i = 0; i < NAMES && sums.names[i].name[0]; i++)
		(void)printf("%s\"%.8s\":%lu", i ? "," : "", sums.names[i].name, sums.names[i].messages);
	(void)printf("},\"of\":{");
	for (i = 0; i < NAMES && sums.names[i].name[0]; i++)
		(void)printf("%s\"%.8s\":%u", i ? "," : "", sums.names[i].name, sums.names[i].open);
	(void)printf("}}\n");
	(void)fflush(stdout);
}

/* ---- serve ---- */

static void serve_accept(void)
{
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void)conn_begin(fd);
		watch(fd, EPOLLIN, true);
		sums.open++;
		sums.started++;
	}
}

/* Datagrams that come in their thousands: taken until there are no more.  Answers come from where the question went to. */
static void serve_datagrams(void)
{
	static uint8_t buf[65536];
	uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct sockaddr_in6 from;
	struct head *h = (void *)buf;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg;
	ssize_t n;

	for (;;) {
		iov.iov_len = sizeof(buf);
		msg = (struct msghdr) { &from, sizeof(from), &iov, 1, control, sizeof(control), 0 };
		n = recvmsg(datagrams, &msg, 0);
		if (n < 0)
			return;
		if (n < (ssize_t)sizeof(*h) || !message_is(buf, (uint32_t)n, h->number)) {
			sums.wrong++;
			continue;
		}
		sums.messages++;
		(void)snprintf(h->name, sizeof(h->name), "%s", opts.name);
		if (msg.msg_controllen >=
		    sizeof(control)) /* by the way back that the route says, not by where it came */
			((struct in6_pktinfo *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&msg)))->ipi6_ifindex = 0;
		iov.iov_len = (size_t)n;
		if (sendmsg(datagrams, &msg, 0) == n)
			sums.sent++;
	}
}

static int serve_conn(int fd, uint32_t events)
{
	struct conn *c = &conns[fd];
	struct head *h = (void *)c->buf;
	int r;

	if (events & EPOLLOUT && c->sent < c->want)
		return conn_write(fd);
	while ((r = conn_read(fd)) > 0) {
		if (!message_is(c->buf, h->bytes, c->number))
			sums.wrong++;
		c->number++;
		sums.messages++;
		(void)snprintf(h->name, sizeof(h->name), "%s", opts.name);
		c->want = h->bytes;
		c->got = c->sent = 0;
		if (conn_write(fd) < 0)
			return -1;
		if (c->sent < c->want)
			return 0;
	}
	return r;
}

static void serve_event(int fd, uint32_t events)
{
	if (fd == listener) {
		serve_accept();
	} else if (fd == datagrams) {
		serve_datagrams();
	} else if (serve_conn(fd, events) < 0) {
		if (errno)
			sums.broken++;
		sums.open--;
		conn_end(fd);
	}
}

static int serve_socket(int type, const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0, room = 32 << 20;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("socket");
	if (type == SOCK_DGRAM && (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
				   setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one))))
		die("socket");
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || (type == SOCK_STREAM && listen(fd, 4096)))
		die("port");
	watch(fd, EPOLLIN, true);
	return fd;
}

/* ---- hold and new ---- */

static void client_over(int fd, const char *result)
{
	struct conn *c = &conns[fd];
	uint64_t now = now_ns();

	if (!opts.hold) {
		(void)printf("%lu %s %lu %.8s\n", c->began_ns, result, (now - c->began_ns) / 1000000,
			     *c->name ? c->name : "-");
	} else if (c->up) {
		sums.broken++;
		sums.open--;
		if (!sums.why[0])
			(void)snprintf(sums.why, sizeof(sums.why), "%s, message %lu, by %.8s", result, c->number,
				       c->name);
	} else {
		sums.failed++;
	}
	if (!c->up)
		sums.opening--;
	if (*c->name)
		sums.names[name_of(c->name)].open--;
	conn_end(fd);
}

static const char *result_of(int error)
{
	switch (error) {
	case 0:
		return "ended";
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ETIMEDOUT:
		return "silent";
	default:
		return "other";
	}
}

static void client_start(void)
{
	int fd = socket(peer.ss_family, (opts.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	    one = 1;
	struct conn *c;

	if (fd < 0)
		die("socket");
	if (!opts.udp)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = conn_begin(fd);
	sums.started++;
	sums.opening++;
	watch(fd, EPOLLOUT, true);
	if (connect(fd, (struct sockaddr *)&peer, peer_len) && errno != EINPROGRESS)
		client_over(fd, result_of(errno));
	else if (opts.hold) /* not all in the same moment */
		c->next_ns = c->began_ns + (uint64_t)rand() % (opts.every_ms * 1000000 + 1);
}

/* The next message of a connection. */
static int client_ask(int fd)
{
	struct conn *c = &conns[fd];

	message_make(c->buf, opts.size, c->number, "");
	c->asked = true;
	c->got = c->sent = 0;
	c->want = opts.size;
	c->next_ns = now_ns();
	sums.sent++;
	if (!opts.udp)
		return conn_write(fd);
	if (send(fd, c->buf, opts.size, 0) < 0)
		sums.unsent++;
	return 0;
}

static void client_answered(struct conn *c, uint64_t now)
{
	const struct head *h = (void *)c->buf;
	uint64_t ms = (now - c->next_ns) / 1000000;

	if (!message_is(c->buf, opts.size, c->number))
		sums.wrong++;
	if (*c->name && memcmp(c->name, h->name, sizeof(c->name)))
		sums.moved++;
	if (*c->name)
		sums.names[name_of(c->name)].open--;
	memcpy(c->name, h->name, sizeof(c->name));
	sums.names[name_of(h->name)].open++;
	sums.names[name_of(h->name)].messages++;
	sums.longest_ms = ms > sums.longest_ms ? ms : sums.longest_ms;
	sums.messages++;
	c->number++;
	c->got = 0;
	c->asked = false;
	c->next_ns += opts.every_ms * 1000000;
}

/* Nothing is asked: then nothing may come, not even an end. */
static int client_idle(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	if (n < 0 && errno == EAGAIN)
		return 0;
	errno = n < 0 ? errno : n ? EPROTO : 0;
	return -1;
}

static int client_read(int fd)
{
	struct conn *c = &conns[fd];
	ssize_t n;
	int r;

	if (!opts.udp) {
		r = c->asked ? conn_read(fd) : client_idle(fd);
		if (r <= 0)
			return r;
		client_answered(c, now_ns());
		return 0;
	}
	while ((n = recv(fd, c->buf, opts.size, 0)) > 0) {
		if (n == opts.size && c->asked && ((struct head *)(void *)c->buf)->number == c->number)
			client_answered(c, now_ns());
	}
	return 0; /* an ICMP error is no end of a flow */
}

static void client_event(int fd, uint32_t events)
{
	struct conn *c = &conns[fd];
	socklen_t len = sizeof(int);
	int error = 0;

	if (!c->used)
		return;
	if (!c->up) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
			client_over(fd, result_of(error));
			return;
		}
		c->up = true;
		sums.open++;
		sums.opening--;
		watch(fd, EPOLLIN, false);
		if (!opts.hold && client_ask(fd) < 0)
			client_over(fd, result_of(errno));
		return;
	}
	if ((events & EPOLLOUT && !opts.udp && conn_write(fd) < 0) || client_read(fd) < 0)
		client_over(fd, result_of(errno));
	else if (!opts.hold && c->number)
		client_over(fd, "ok");
}

/* What is due on a connection. */
static void client_due(int fd, uint64_t now)
{
	struct conn *c = &conns[fd];
	uint64_t since = c->up && c->asked ? c->next_ns : c->began_ns;

	if (c->up && !c->asked) {
		if (opts.hold && now >= c->next_ns && client_ask(fd) < 0)
			client_over(fd, result_of(errno));
	} else if (now > since + opts.wait_ms * 1000000) {
		if (!opts.udp) {
			client_over(fd, "silent");
			return;
		}
		sums.lost++;
		c->number++;
		c->asked = false;
		c->next_ns = now;
	}
}

static uint64_t client_turn(uint64_t now, uint64_t began)
{
	uint64_t least = UINT64_MAX;
	int fd;

	if (opts.hold) {
		while (sums.started < opts.number && sums.opening < OPENING)
			client_start();
	} else {
		while (now - began > sums.started * opts.every_ms * 1000000)
			client_start();
	}
	for (fd = 0; fd < fds; fd++) {
		if (conns[fd].used)
			client_due(fd, now);
		if (conns[fd].used && conns[fd].number < least)
			least = conns[fd].number;
	}
	return least == UINT64_MAX ? 0 : least;
}

static void run(bool serve)
{
	struct epoll_event events[256];
	uint64_t began = now_ns(), now, told = began, turned = 0, least = 0;
	int i, n;

	while (!stop) {
		n = epoll_wait(epoll_fd, events, 256, serve ? TURN_MS : 1);
		for (i = 0; i < n; i++) {
			if (serve)
				serve_event(events[i].data.fd, events[i].events);
			else
				client_event(events[i].data.fd, events[i].events);
		}
		now = now_ns();
		if (!serve && now - turned > 1000000) {
			least = client_turn(now, began);
			turned = now;
			if (opts.least && sums.started == opts.number && !sums.opening &&
			    (least >= opts.least || !sums.open))
				break;
		}
		if (now - told > TURN_MS * 1000000ULL && (serve || opts.hold)) {
			print_sums(least);
			told = now;
		}
		if (opts.seconds && now - began > opts.seconds * 1000000000ULL)
			break;
	}
	if (serve || opts.hold)
		print_sums(least);
}

static void usage(void)
{
	(void)fprintf(
		stderr,
		"usage: flows serve PORT NAME | hold ADDRESS PORT NUMBER OPTION... | new ADDRESS PORT OPTION...\n");
	exit(2);
}

static void options(char **argv)
{
	for (; *argv; argv++) {
		uint64_t value = argv[1] ? strtoull(argv[1], NULL, 0) : 0;

		if (!strcmp(*argv, "--udp")) {
			opts.udp = true;
			continue;
		}
		if (!argv[1])
			usage();
		if (!strcmp(*argv, "--every"))
			opts.every_ms = value;
		else if (!strcmp(*argv, "--wait"))
			opts.wait_ms = value;
		else if (!strcmp(*argv, "--seconds"))
			opts.seconds = value;
		else if (!strcmp(*argv, "--least"))
			opts.least = value;
		else if (!strcmp(*argv, "--size"))
			opts.size = (uint32_t)value;
		else
			usage();
		argv++;
	}
	if (opts.size <= sizeof(struct head) || opts.size > SIZE_MAX_MESSAGE || (opts.udp && opts.size > 1400))
		usage();
	if (!opts.wait_ms)
		opts.wait_ms = opts.udp ? 1000 : 20000;
}

static void peer_find(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *found;

	if (getaddrinfo(address, port, &hints, &found))
		usage();
	memcpy(&peer, found->ai_addr, found->ai_addrlen);
	peer_len = found->ai_addrlen;
	freeaddrinfo(found);
}

int main(int argc, char **argv)
{
	struct rlimit files = { FDS, FDS };
	bool serve = argc == 4 && !strcmp(argv[1], "serve");

	if (argc < 4)
		usage();
	opts.hold = !strcmp(argv[1], "hold") && argc >= 5;
	if (!serve && !opts.hold && strcmp(argv[1], "new") != 0)
		usage();
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)signal(SIGINT, on_signal);
	(void)signal(SIGTERM, on_signal);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (serve) {
		opts.name = argv[3];
		opts.size = 0;
		listener = serve_socket(SOCK_STREAM, argv[2]);
		datagrams = serve_socket(SOCK_DGRAM, argv[2]);
	} else {
		peer_find(argv[2], argv[3]);
		opts.number = opts.hold ? (uint32_t)atoi(argv[4]) : 0;
		options(argv + (opts.hold ? 5 : 4));
	}
	run(serve);
	return 0;
}
