/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, network namespaces, and connections whose two ends know each other. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

struct addr addr_ip(int family, const char *ip, unsigned port)
{
	struct addr a = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.ss;
	int r;

	a.ss.ss_family = family;
	if (family == AF_INET) {
		a.len = sizeof(*v4);
		v4->sin_port = htons(port);
		r = inet_pton(family, ip ? ip : "127.0.0.1", &v4->sin_addr);
	} else {
		a.len = sizeof(*v6);
		v6->sin6_port = htons(port);
		r = inet_pton(family, ip ? ip : "::1", &v6->sin6_addr);
	}
	if (r != 1)
		die("'%s' is no address", ip);
	return a;
}

struct addr addr_parse(const char *text)
{
	const char *colon = strrchr(text, ':');
	bool v6 = text[0] == '[';
	char ip[64];
	int n = v6 ? (int)(colon - text) - 2 : (int)(colon - text);

	if (!colon || n <= 0 || n >= (int)sizeof(ip))
		die("'%s' is not of the form address:port", text);
	snprintf(ip, sizeof(ip), "%.*s", n, text + v6);
	return addr_ip(v6 ? AF_INET6 : AF_INET, ip, atoi(colon + 1));
}

struct addr addr_unix(const char *path)
{
	struct addr a = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)&a.ss;
	size_t n = strlen(path);

	if (n >= sizeof(un->sun_path))
		die("the path '%s' is too long for a socket", path);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	if (path[0] == '@')
		un->sun_path[0] = 0;
	else
		n++;
	a.len = offsetof(struct sockaddr_un, sun_path) + n;
	return a;
}

struct addr addr_local(int fd)
{
	struct addr a = { .len = sizeof(a.ss) };

	check(!getsockname(fd, (struct sockaddr *)&a.ss, &a.len), "getsockname");
	return a;
}

static void format_unix(const struct addr *a, char *buf, size_t n)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->ss;
	int len = (int)a->len - (int)offsetof(struct sockaddr_un, sun_path);

	if (len <= 0)
		snprintf(buf, n, "%s", "");
	else if (!un->sun_path[0])
		snprintf(buf, n, "@%.*s", len - 1, un->sun_path + 1);
	else
		snprintf(buf, n, "%.*s", len, un->sun_path);
}

void addr_format(const struct addr *a, char *buf, size_t n)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->ss;
	char ip[INET6_ADDRSTRLEN];

	if (a->ss.ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip));
		snprintf(buf, n, "%s:%u", ip, ntohs(v4->sin_port));
	} else if (a->ss.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
		snprintf(buf, n, "[%s]:%u", ip, ntohs(v6->sin6_port));
	} else {
		format_unix(a, buf, n);
	}
}

int ns_open(const char *name)
{
	char path[128];
	int fd;

	if (!name)
		return -1;
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open the network namespace '%s': %s", name, strerror(errno));
	return fd;
}

int ns_home(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "cannot open the own network namespace");
	return fd;
}

void ns_enter(int fd)
{
	if (fd >= 0)
		check(!setns(fd, CLONE_NEWNET), "cannot enter a network namespace");
}

int ns_new(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int home = ns_home(), fd, sock;

	check(!unshare(CLONE_NEWNET), "cannot make a network namespace");
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "cannot open the new network namespace");
	sock = sock_new(AF_INET, SOCK_DGRAM);
	check(!ioctl(sock, SIOCSIFFLAGS, &lo), "cannot bring lo up");
	close(sock);
	ns_enter(home);
	return fd;
}

int sock_new(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	check(fd >= 0, "cannot make a socket");
	return fd;
}

int sock_bound(int family, int type, const struct addr *a, int ns)
{
	char text[112];
	int one = 1, fd;

	if (ns >= 0) {
		ns_home();
		ns_enter(ns);
	}
	fd = sock_new(family, type);
	check(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), "SO_REUSEADDR");
	addr_format(a, text, sizeof(text));
	if (bind(fd, (const struct sockaddr *)&a->ss, a->len))
		die("cannot bind to %s: %s", text, strerror(errno));
	if (ns >= 0)
		ns_enter(ns_home());
	return fd;
}

struct meet *meet_new(const struct addr *a, int ns)
{
	struct meet *m = arena_alloc(sizeof(*m));

	m->fd = sock_bound(a->ss.ss_family, SOCK_STREAM, a, ns);
	check(!listen(m->fd, 128), "cannot listen");
	m->addr = addr_local(m->fd);
	sem_init(&m->lock, 1, 1);
	sem_init(&m->taken, 1, 0);
	return m;
}

/* Otherwise small sends wait for delayed acknowledgements, 40 ms each; urgent bytes stay in place */
static void tcp_options(int fd, int family)
{
	int one = 1;

	if (family == AF_UNIX)
		return;
	check(!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
	check(!setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)), "SO_OOBINLINE");
}

static void dial_wait(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);

	if (poll(&p, 1, 5000) <= 0)
		die("a connection in non-blocking mode did not come about within 5 s");
	check(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n), "SO_ERROR");
	if (error)
		die("a connection in non-blocking mode failed: %s", strerror(error));
}

/* A fixed port may still be in LAST_ACK from its last connection: then again, for up to 5 s */
static int dial_once(int fd, const struct addr *to)
{
	uint64_t limit = now_ns() + 5000000000ull;

	while (connect(fd, (const struct sockaddr *)&to->ss, to->len)) {
		if (errno != EADDRNOTAVAIL || now_ns() > limit)
			return -errno;
		log_other(&(struct ep) { .fd = fd }, false, "connect", errno, 0);
		usleep(1000);
	}
	return 0;
}

struct ep meet_dial(struct meet *m, struct conn *c, const struct addr *to, const struct addr *from, bool nonblock)
{
	int family = to->ss.ss_family;
	int fd = from ? sock_bound(family, SOCK_STREAM, from, -1) : sock_new(family, SOCK_STREAM);
	char text[112];
	struct ep ep;
	int r;

	addr_format(to, text, sizeof(text));
	tcp_options(fd, family);
	if (nonblock)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	sem_take(&m->lock);
	m->pending = c;
	r = dial_once(fd, to);
	if (r && !(nonblock && r == -EINPROGRESS))
		die("%s: cannot connect to %s: %s", c->name, text, strerror(-r));
	if (nonblock)
		dial_wait(fd);
	ep = ep_open(c, 0, fd);
	sem_take(&m->taken);
	sem_post(&m->lock);
	return ep;
}

struct ep meet_accept(struct meet *m)
{
	struct ep ep;
	int fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC);

	check(fd >= 0, "cannot accept a connection");
	tcp_options(fd, m->addr.ss.ss_family);
	ep = ep_open(m->pending, 1, fd);
	sem_post(&m->taken);
	return ep;
}

void ep_pair(const struct addr *listen_at, struct conn *c, struct ep ret_ep[2])
{
	struct meet *m = meet_new(listen_at, -1);
	int fd = sock_new(m->addr.ss.ss_family, SOCK_STREAM);

	tcp_options(fd, m->addr.ss.ss_family);
	check(!connect(fd, (struct sockaddr *)&m->addr.ss, m->addr.len), "cannot connect");
	m->pending = c;
	ret_ep[0] = ep_open(c, 0, fd);
	ret_ep[1] = meet_accept(m);
	close(m->fd);
}

void ep_wait_arrived(struct ep *ep, size_t n)
{
	struct pollfd first = { .fd = ep->fd, .events = POLLIN };
	uint64_t limit;
	int have = 0;

	poll(&first, 1, -1); /* the sender may be waiting for a recorder */
	limit = now_ns() + 5000000000ull;
	while (!ioctl(ep->fd, FIONREAD, &have) && (size_t)have < n) {
		if (now_ns() > limit)
			die("%s: %d of %zu bytes arrived within 5 s", ep->conn->name, have, n);
		usleep(50);
	}
}

void ep_close(struct ep *ep)
{
	close(ep->fd);
	ep->fd = -1;
}
