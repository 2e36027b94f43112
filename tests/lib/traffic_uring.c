/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and receiving through io_uring, one request at a time on a ring of the thread.
 *
 * Without IOSQE_ASYNC the request is tried in the submitting thread, and when the socket is not
 * ready it is finished by task work of the same thread: the thread is known. With IOSQE_ASYNC an
 * io-wq worker does it, whose id nobody tells the program, or, if the socket was not ready, the
 * worker arms a poll and task work of the submitter does it: tid 0, null in the truth.
 */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <liburing.h>
#include <string.h>
#include <unistd.h>

static struct io_uring *ring(void)
{
	static _Thread_local struct io_uring ring;
	static _Thread_local pid_t owner;
	int r;

	if (owner != getpid()) {
		r = io_uring_queue_init(4, &ring, 0);
		if (r)
			die("cannot make an io_uring: %s", strerror(-r));
		owner = getpid();
	}
	return &ring;
}

static ssize_t finish(struct io_uring *r)
{
	struct io_uring_cqe *cqe;
	ssize_t ret = io_uring_submit_and_wait(r, 1);

	if (ret >= 0)
		ret = io_uring_wait_cqe(r, &cqe);
	if (ret < 0)
		die("cannot wait for io_uring: %s", strerror((int)-ret));
	ret = cqe->res;
	io_uring_cqe_seen(r, cqe);
	return ret;
}

static ssize_t uring_send(struct ep *ep, char *buf, size_t n, bool async)
{
	struct thr *t = async ? thr_worker() : thr_self();
	struct io_uring *r = ring();
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);
	uint64_t begin;

	io_uring_prep_send(sqe, ep->fd, buf, n, MSG_NOSIGNAL);
	if (async)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	begin = call_begin(t);
	return tx_log(ep, t, async ? "io_uring_async" : "io_uring", begin, finish(r));
}

static ssize_t uring_recv(struct ep *ep, char *buf, size_t max, bool async)
{
	struct thr *t = async ? thr_worker() : thr_self();
	struct io_uring *r = ring();
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);
	uint64_t begin;

	io_uring_prep_recv(sqe, ep->fd, buf, max, 0);
	if (async)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	begin = call_begin(t);
	return rx_log(ep, t, async ? "io_uring_async" : "io_uring", begin, finish(r), buf);
}

static ssize_t send_inline(struct ep *ep, char *buf, size_t n)
{
	return uring_send(ep, buf, n, false);
}

static ssize_t send_async(struct ep *ep, char *buf, size_t n)
{
	return uring_send(ep, buf, n, true);
}

static ssize_t recv_inline(struct ep *ep, char *buf, size_t max)
{
	return uring_recv(ep, buf, max, false);
}

static ssize_t recv_async(struct ep *ep, char *buf, size_t max)
{
	return uring_recv(ep, buf, max, true);
}

const struct tx uring_tx = { .name = "io_uring", .send = send_inline };
const struct tx uring_async_tx = { .name = "io_uring_async", .worker = true, .send = send_async };
const struct rx uring_rx = { .name = "io_uring", .recv = recv_inline };
const struct rx uring_async_rx = { .name = "io_uring_async", .recv = recv_async };
