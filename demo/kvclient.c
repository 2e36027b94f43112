/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvclient - puts and gets keys at a steady rate and logs how each request went.
 *
 *	kvclient [--protocol etcd|zookeeper] [--rate N] [--log FILE] HOST:PORT...	until SIGTERM or SIGINT
 *	kvclient --clock		prints CLOCK_BOOTTIME in ns
 *
 * It speaks etcd's v3 JSON gateway over HTTP/1.1 or ZooKeeper's protocol and keeps one connection. A request that fails
 * or takes longer than 2 s closes it; the next request goes to the next endpoint. A line a request:
 * "time_ns latency_us op status endpoint", where time is CLOCK_BOOTTIME at the start and status that of HTTP,
 * ZooKeeper's error without its sign (0: none), or refused, unreachable, reset, closed, timeout, odd.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kv.h"

#define TIMEOUT_NS 2000000000ULL
#define KEYS 100

static volatile sig_atomic_t stop;

static void on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000ULL), .tv_nsec = (long)(ns % 1000000000ULL) };

	(void)clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, NULL);
}

int kv_await(struct kv_client *c, short events)
{
	struct pollfd p = { .fd = c->fd, .events = events };

	while (!stop) {
		uint64_t now = now_ns();
		int r;

		if (now >= c->deadline_ns)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)((c->deadline_ns - now) / 1000000) + 1);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
	return -EINTR;
}

static void client_drop(struct kv_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

static int endpoint_parse(const char *text, struct sockaddr_in *ret)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN], *end;
	long port;

	if (!colon || colon - text >= (int)sizeof(host))
		return -EINVAL;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	port = strtol(colon + 1, &end, 10);
	*ret = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (end == colon + 1 || *end || port < 1 || port > 65535 || inet_pton(AF_INET, host, &ret->sin_addr) != 1)
		return -EINVAL;
	return 0;
}

static int client_connect(struct kv_client *c)
{
	struct sockaddr_in to;
	socklen_t len = sizeof(int);
	int one = 1, error = 0, r;

	if (c->fd >= 0)
		return 0;
	if (endpoint_parse(c->endpoints[c->at], &to) < 0)
		return -EINVAL;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	r = kv_await(c, POLLOUT);
	if (r == 0 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		r = -errno;
	return r < 0 ? r : -error;
}

int kv_send(struct kv_client *c, const void *from, size_t len)
{
	const char *data = from;

	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = kv_await(c, POLLOUT);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t kv_receive(struct kv_client *c, void *room, size_t len)
{
	for (;;) {
		ssize_t n = recv(c->fd, room, len, 0);
		int r;

		if (n > 0)
			return n;
		if (n == 0)
			return -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = kv_await(c, POLLIN);
		if (r < 0)
			return r;
	}
}

static int request(struct kv_client *c, uint64_t seq, bool put)
{
	char key[32], value[32];
	bool fresh = c->fd < 0;
	int r;

	(void)snprintf(key, sizeof(key), "key%" PRIu64, seq / 2 % KEYS);
	(void)snprintf(value, sizeof(value), "value %" PRIu64, seq);
	c->deadline_ns = now_ns() + TIMEOUT_NS;
	r = client_connect(c);
	if (r == 0 && fresh && c->protocol->greet)
		r = c->protocol->greet(c);
	return r < 0 ? r : c->protocol->request(c, key, put ? value : NULL);
}

static const char *status_text(int status, char room[16])
{
	switch (-status) {
	case ECONNREFUSED:
		return "refused";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable";
	case ECONNRESET:
		return "reset";
	case EPIPE:
		return "closed";
	case ETIMEDOUT:
		return "timeout";
	}
	if (status < 0)
		return "odd";
	(void)snprintf(room, 16, "%d", status);
	return room;
}

static void client_run(struct kv_client *c)
{
	uint64_t next = now_ns(), seq;

	for (seq = 0; !stop; seq++) {
		bool put = seq % 2 == 0;
		uint64_t begin = now_ns();
		int status = request(c, seq, put);
		char room[16];

		if (stop && status < 0)
			break;
		(void)fprintf(c->log, "%" PRIu64 " %" PRIu64 " %s %s %s\n", begin, (now_ns() - begin) / 1000,
			      put ? "put" : c->protocol->get, status_text(status, room), c->endpoints[c->at]);
		if (status != c->protocol->good) {
			client_drop(c);
			c->at = (c->at + 1) % c->nendpoints;
		}
		/* What was missed is not made up for: no burst after an outage. */
		next += c->period_ns;
		if (next < now_ns())
			next = now_ns();
		sleep_until(next);
	}
	client_drop(c);
}

static int usage(void)
{
	(void)fputs("usage: kvclient [--protocol etcd|zookeeper] [--rate N] [--log FILE] HOST:PORT...\n"
		    "       kvclient --clock\n",
		    stderr);
	return 2;
}

static const struct kv_protocol *protocol_find(const char *name)
{
	static const struct kv_protocol *const all[] = { &kv_etcd, &kv_zookeeper };
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

static int client_setup(struct kv_client *c, int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--rate") == 0 && atoi(argv[i + 1]) > 0)
			c->period_ns = 1000000000ULL / (unsigned int)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--log") == 0)
			c->log = fopen(argv[i + 1], "we");
		else if (strcmp(argv[i], "--protocol") == 0)
			c->protocol = protocol_find(argv[i + 1]);
		else
			return -EINVAL;
	}
	if (!c->protocol)
		return -EINVAL;
	if (!c->log) {
		perror("kvclient: cannot open the log");
		return -EINVAL;
	}
	(void)setvbuf(c->log, NULL, _IOLBF, 0);
	for (; i < argc && c->nendpoints < KV_ENDPOINTS_MAX; i++) {
		struct sockaddr_in unused;

		if (endpoint_parse(argv[i], &unused) < 0)
			return -EINVAL;
		c->endpoints[c->nendpoints++] = argv[i];
	}
	return c->nendpoints && i == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct kv_client c = { .protocol = &kv_etcd, .fd = -1, .period_ns = 1000000000ULL / 50 };
	struct sigaction sa = { .sa_handler = on_stop };

	if (argc == 2 && strcmp(argv[1], "--clock") == 0) {
		(void)printf("%" PRIu64 "\n", now_ns());
		return 0;
	}
	c.log = stdout;
	if (client_setup(&c, argc, argv) < 0)
		return usage();
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	client_run(&c);
	return fclose(c.log) ? 1 : 0;
}
