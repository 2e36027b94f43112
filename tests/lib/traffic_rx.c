/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to receive from a stream socket, one row each. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t rx_log(struct ep *ep, struct thr *t, const char *how, uint64_t begin, ssize_t ret, const char *buf)
{
	if (ret <= 0) {
		log_other(ep, true, ret < 0 ? "recv_error" : "eof", (int)-ret, 0);
		return ret;
	}
	bytes_take(log_call(t, ep, true, how, begin, ret), buf);
	return ret;
}

static ssize_t rx_recv(struct ep *ep, char *buf, size_t max)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return rx_log(ep, t, "recv", begin, call_result(recv(ep->fd, buf, max, 0)), buf);
}

static ssize_t rx_waitall(struct ep *ep, char *buf, size_t max)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return rx_log(ep, t, "waitall", begin, call_result(recv(ep->fd, buf, max, MSG_WAITALL)), buf);
}

static ssize_t rx_recvfrom(struct ep *ep, char *buf, size_t max)
{
	struct addr from = { .len = sizeof(from.ss) };
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);
	ssize_t r = recvfrom(ep->fd, buf, max, 0, (struct sockaddr *)&from.ss, &from.len);

	return rx_log(ep, t, "recvfrom", begin, call_result(r), buf);
}

static ssize_t rx_read(struct ep *ep, char *buf, size_t max)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return rx_log(ep, t, "read", begin, call_result(read(ep->fd, buf, max)), buf);
}

static void halve(struct iovec iov[3], char *buf, size_t max)
{
	size_t third = max / 3;

	iov[0] = (struct iovec) { .iov_base = buf, .iov_len = third };
	iov[1] = (struct iovec) { .iov_base = buf + third, .iov_len = 0 };
	iov[2] = (struct iovec) { .iov_base = buf + third, .iov_len = max - third };
}

static ssize_t rx_readv(struct ep *ep, char *buf, size_t max)
{
	struct thr *t = thr_self();
	struct iovec iov[3];
	uint64_t begin;

	halve(iov, buf, max);
	begin = call_begin(t);
	return rx_log(ep, t, "readv", begin, call_result(readv(ep->fd, iov, 3)), buf);
}

static ssize_t rx_recvmsg(struct ep *ep, char *buf, size_t max)
{
	struct iovec iov[3];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	struct thr *t = thr_self();
	uint64_t begin;

	halve(iov, buf, max);
	begin = call_begin(t);
	return rx_log(ep, t, "recvmsg", begin, call_result(recvmsg(ep->fd, &m, 0)), buf);
}

static ssize_t rx_recvmmsg(struct ep *ep, char *buf, size_t max)
{
	int parts = max < 4 ? 1 : 4, got;
	struct mmsghdr m[4] = { 0 };
	struct iovec iov[4];
	struct thr *t = thr_self();
	size_t part = max / parts, sum = 0;
	uint64_t begin;

	for (int i = 0; i < parts; i++) {
		iov[i] = (struct iovec) { .iov_base = buf + i * part, .iov_len = part };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	begin = call_begin(t);
	got = recvmmsg(ep->fd, m, parts, MSG_WAITFORONE, NULL);
	if (got <= 0 || !m[0].msg_len)
		return rx_log(ep, t, "recvmmsg", begin, got < 0 ? -errno : 0, buf);
	for (int i = 0; i < got && m[i].msg_len; i++)
		sum += rx_log(ep, t, "recvmmsg", begin, m[i].msg_len, iov[i].iov_base);
	return sum;
}

static ssize_t rx_splice(struct ep *ep, char *buf, size_t max)
{
	struct thr *t = thr_self();
	uint64_t begin;
	int fds[2];
	ssize_t r;

	check(!pipe2(fds, O_CLOEXEC), "cannot make a pipe");
	begin = call_begin(t);
	r = call_result(splice(ep->fd, NULL, fds[1], NULL, max, SPLICE_F_MOVE));
	if (r <= 0) {
		r = rx_log(ep, t, "splice", begin, r, buf);
	} else {
		struct call *c = log_call(t, ep, true, "splice", begin, r);

		check(read(fds[0], buf, r) == r, "cannot empty the pipe");
		bytes_take(c, buf);
	}
	close(fds[0]);
	close(fds[1]);
	return r;
}

/* A look before the real one: it consumes nothing and is no call */
static ssize_t rx_peek(struct ep *ep, char *buf, size_t max)
{
	ssize_t r = recv(ep->fd, buf, max, MSG_PEEK);

	if (r > 0)
		log_other(ep, true, "peek", 0, r);
	return rx_recv(ep, buf, max);
}

/* Every other time TCP throws the bytes away unseen; only a single writer's can be told then */
static ssize_t rx_discard(struct ep *ep, char *buf, size_t max)
{
	struct stream *st = ep_in(ep);
	struct thr *t = thr_self();
	uint64_t begin;
	ssize_t r;

	if (t->calls % 2)
		return rx_recv(ep, buf, max);
	begin = call_begin(t);
	r = call_result(recv(ep->fd, NULL, max, MSG_TRUNC));
	if (r > 0 && st->writers != 1)
		die("%s: bytes of several writers cannot be thrown away", st->conn->name);
	if (r > 0)
		bytes_fill(st, 0, st->rk[0], buf, r);
	return rx_log(ep, t, "discard", begin, r, buf);
}

static const struct rx rows[] = {
	{ "recv", rx_recv },   { "waitall", rx_waitall }, { "recvfrom", rx_recvfrom }, { "read", rx_read },
	{ "readv", rx_readv }, { "recvmsg", rx_recvmsg }, { "recvmmsg", rx_recvmmsg }, { "splice", rx_splice },
	{ "peek", rx_peek },   { "discard", rx_discard },
};

const struct rx *rx_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	if (!strcmp(name, uring_rx.name))
		return &uring_rx;
	if (!strcmp(name, uring_async_rx.name))
		return &uring_async_rx;
	die("no way to receive is called '%s'", name);
}

void rx_all(struct ep *ep, const struct rx *rx, uint64_t n, size_t step)
{
	char *buf = scratch();

	while (n) {
		uint64_t odd = (n / (2 + mix(n, ep_in(ep)->id, 3) % 5) + mix(n, 5, 4) % 13) | 1;
		uint64_t max = step ? step : odd;
		ssize_t r;

		if (max > n)
			max = n;
		r = rx->recv(ep, buf, max < BLOCK_BYTES ? max : BLOCK_BYTES);
		if (r <= 0)
			die("%s: cannot %s: %s, %llu bytes missing", ep->conn->name, rx->name,
			    r ? strerror((int)-r) : "the peer closed", (unsigned long long)n);
		n -= r;
	}
}

void rx_eof(struct ep *ep)
{
	char c;
	ssize_t r = recv(ep->fd, &c, 1, 0);

	if (r)
		die("%s: expected the end of the stream, got %s", ep->conn->name, r < 0 ? strerror(errno) : "data");
	log_other(ep, true, "eof", 0, 0);
}
