/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvclient - puts and gets keys in etcd at a steady rate and logs how each request went.
 *
 *	kvclient [--rate N] [--log FILE] HOST:PORT...	until SIGTERM or SIGINT
 *	kvclient --clock				prints CLOCK_BOOTTIME in ns
 *
 * It speaks etcd's v3 JSON gateway over HTTP/1.1 and keeps one connection. A request that fails or takes
 * longer than 2 s closes it; the next request goes to the next endpoint. A line a request:
 * "time_ns latency_us op status endpoint", where time is CLOCK_BOOTTIME at the start and status an HTTP status or
 * refused, unreachable, reset, closed, timeout, odd.
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
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_NS 2000000000ULL
#define KEYS 100
#define ENDPOINTS_MAX 16

struct client {
	const char *endpoints[ENDPOINTS_MAX];
	size_t nendpoints, at;
	int fd; /* -1: not connected */
	FILE *log;
	uint64_t period_ns;
	uint64_t deadline_ns; /* of this request */
	char reply[16384];    /* of this request, NUL-terminated */
};

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

/* Standard base64 (RFC 4648, section 4): text is shorter than 3/4 of the room. */
static void base64(const char *text, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(text), i;

	for (i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)(unsigned char)text[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (i + 2 < len)
			v |= (unsigned char)text[i + 2];
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[v & 63] : '=';
	}
	*out = 0;
}

/* Waits for events until the request's deadline: 0, -ETIMEDOUT, or -EINTR when told to stop. */
static int await(struct client *c, short events)
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

static void client_drop(struct client *c)
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

static int client_connect(struct client *c)
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
	r = await(c, POLLOUT);
	if (r == 0 && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		r = -errno;
	return r < 0 ? r : -error;
}

static int send_all(struct client *c, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		int r = 0;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = await(c, POLLOUT);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* Bytes of the reply that starts in c->reply: 0 while its head is not complete, -EPROTO when it has no length. */
static ssize_t reply_size(const struct client *c)
{
	const char *end = strstr(c->reply, "\r\n\r\n"), *line;

	if (!end)
		return 0;
	for (line = c->reply; line < end; line = strstr(line, "\r\n") + 2) {
		if (strncasecmp(line, "Content-Length:", 15) == 0) {
			long n = strtol(line + 15, NULL, 10);

			if (n < 0 || n >= (long)sizeof(c->reply) - (end + 4 - c->reply))
				return -EPROTO;
			return end + 4 - c->reply + n;
		}
	}
	return -EPROTO;
}

/*
 * The HTTP status, or a negative error.  What comes with another status than 200 is not read (it may be chunked):
 * the connection ends then.
 */
static int receive(struct client *c)
{
	size_t have = 0;

	c->reply[0] = 0;
	for (;;) {
		ssize_t n = recv(c->fd, c->reply + have, sizeof(c->reply) - 1 - have, 0), size;
		int r, status = 0;

		if (n == 0)
			return have < sizeof(c->reply) - 1 ? -EPIPE : -EPROTO;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0) {
			r = await(c, POLLIN);
			if (r < 0)
				return r;
			continue;
		}
		have += (size_t)n;
		c->reply[have] = 0;
		if (strstr(c->reply, "\r\n") && sscanf(c->reply, "HTTP/1.1 %d", &status) != 1)
			return -EPROTO;
		if (status && status != 200)
			return status;
		size = reply_size(c);
		if (size < 0 || (size && have > (size_t)size))
			return -EPROTO;
		if (size && have == (size_t)size)
			return status;
	}
}

static int request(struct client *c, uint64_t seq, bool put)
{
	char text[32], key[64], value[64] = "", body[192], head[512];
	int len, r;

	(void)snprintf(text, sizeof(text), "key%" PRIu64, seq / 2 % KEYS);
	base64(text, key);
	(void)snprintf(text, sizeof(text), "value %" PRIu64, seq);
	if (put)
		base64(text, value);
	len = snprintf(body, sizeof(body), put ? "{\"key\":\"%s\",\"value\":\"%s\"}" : "{\"key\":\"%s\"}", key, value);
	len = snprintf(head, sizeof(head),
		       "POST /v3/kv/%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		       "Content-Length: %d\r\n\r\n%s",
		       put ? "put" : "range", c->endpoints[c->at], len, body);
	c->deadline_ns = now_ns() + TIMEOUT_NS;
	r = client_connect(c);
	if (r == 0)
		r = send_all(c, head, (size_t)len);
	return r < 0 ? r : receive(c);
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

static void client_run(struct client *c)
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
			      put ? "put" : "range", status_text(status, room), c->endpoints[c->at]);
		if (status != 200) {
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
	(void)fputs("usage: kvclient [--rate N] [--log FILE] HOST:PORT...\n       kvclient --clock\n", stderr);
	return 2;
}

static int client_setup(struct client *c, int argc, char **argv)
{
	int i;

	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--rate") == 0 && atoi(argv[i + 1]) > 0)
			c->period_ns = 1000000000ULL / (unsigned int)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--log") == 0)
			c->log = fopen(argv[i + 1], "we");
		else
			return -EINVAL;
	}
	if (!c->log) {
		perror("kvclient: cannot open the log");
		return -EINVAL;
	}
	(void)setvbuf(c->log, NULL, _IOLBF, 0);
	for (; i < argc && c->nendpoints < ENDPOINTS_MAX; i++) {
		struct sockaddr_in unused;

		if (endpoint_parse(argv[i], &unused) < 0)
			return -EINVAL;
		c->endpoints[c->nendpoints++] = argv[i];
	}
	return c->nendpoints && i == argc ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	static struct client c = { .fd = -1, .period_ns = 1000000000ULL / 50 };
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
