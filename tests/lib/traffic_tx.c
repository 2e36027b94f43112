/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to send on a stream socket, one row each. Every kernel call that moved bytes is logged. */
#define _GNU_SOURCE 1
#include "traffic_net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS 16

char *scratch(void)
{
	static _Thread_local char *buf;

	if (!buf) {
		buf = malloc(BLOCK_BYTES);
		if (!buf)
			die("no memory for a buffer");
	}
	return buf;
}

ssize_t tx_log(struct ep *ep, struct thr *t, const char *how, uint64_t begin, ssize_t ret)
{
	struct stream *st = ep_out(ep);
	struct call *c;

	if (ret <= 0) {
		log_other(ep, false, ret < 0 ? "send_error" : "send_zero", (int)-ret, 0);
		return ret;
	}
	c = log_call(t, ep, false, how, begin, ret);
	c->w = stream_writer(st, t);
	c->k = st->writer[c->w].k;
	st->writer[c->w].k += ret;
	return ret;
}

static ssize_t tx_send(struct ep *ep, char *buf, size_t n)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return tx_log(ep, t, "send", begin, call_result(send(ep->fd, buf, n, MSG_NOSIGNAL)));
}

/* The last byte is urgent; receivers have SO_OOBINLINE, so it stays in its place in the stream */
static ssize_t tx_oob(struct ep *ep, char *buf, size_t n)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return tx_log(ep, t, "oob", begin, call_result(send(ep->fd, buf, n, MSG_OOB | MSG_NOSIGNAL)));
}

/* sendto with an address that the connected socket ignores (TCP) is the other path into the kernel */
static ssize_t tx_sendto(struct ep *ep, char *buf, size_t n)
{
	struct addr to = { .len = sizeof(to.ss) };
	struct thr *t = thr_self();
	uint64_t begin;
	ssize_t r;

	check(!getpeername(ep->fd, (struct sockaddr *)&to.ss, &to.len), "getpeername");
	begin = call_begin(t);
	r = sendto(ep->fd, buf, n, MSG_NOSIGNAL, (struct sockaddr *)&to.ss, to.len);
	return tx_log(ep, t, "sendto", begin, call_result(r));
}

static ssize_t tx_write(struct ep *ep, char *buf, size_t n)
{
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return tx_log(ep, t, "write", begin, call_result(write(ep->fd, buf, n)));
}

/* Cuts buf into unequal parts, some of them empty */
static int cut(struct iovec iov[PARTS], char *buf, size_t n)
{
	size_t at = 0;
	int i;

	for (i = 0; i < PARTS - 1; i++) {
		size_t part = i % 5 == 3 ? 0 : (n - at) / (i + 2);

		iov[i] = (struct iovec) { .iov_base = buf + at, .iov_len = part };
		at += part;
	}
	iov[i] = (struct iovec) { .iov_base = buf + at, .iov_len = n - at };
	return PARTS;
}

static ssize_t tx_writev(struct ep *ep, char *buf, size_t n)
{
	struct iovec iov[PARTS];
	struct thr *t = thr_self();
	int parts = cut(iov, buf, n);
	uint64_t begin = call_begin(t);

	return tx_log(ep, t, "writev", begin, call_result(writev(ep->fd, iov, parts)));
}

static ssize_t tx_sendmsg(struct ep *ep, char *buf, size_t n)
{
	struct iovec iov[PARTS];
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = cut(iov, buf, n) };
	struct thr *t = thr_self();
	uint64_t begin = call_begin(t);

	return tx_log(ep, t, "sendmsg", begin, call_result(sendmsg(ep->fd, &m, MSG_NOSIGNAL)));
}

/* One syscall, several messages: each is a call, all with the same "sys" */
static ssize_t tx_sendmmsg(struct ep *ep, char *buf, size_t n)
{
	struct mmsghdr m[8] = { 0 };
	struct iovec iov[8];
	int parts = n < 8 ? 1 : 8;
	size_t at = 0, part = n / parts;
	struct thr *t = thr_self();
	uint64_t begin;
	int sent;

	for (int i = 0; i < parts; i++, at += part) {
		iov[i].iov_base = buf + at;
		iov[i].iov_len = i == parts - 1 ? n - at : part;
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	begin = call_begin(t);
	sent = sendmmsg(ep->fd, m, parts, MSG_NOSIGNAL);
	if (sent <= 0)
		return tx_log(ep, t, "sendmmsg", begin, -errno);
	at = 0;
	for (int i = 0; i < sent; i++) {
		if (m[i].msg_len != iov[i].iov_len && i < sent - 1)
			die("sendmmsg sent a part of a message and went on");
		at += tx_log(ep, t, "sendmmsg", begin, m[i].msg_len);
	}
	return at;
}

static ssize_t tx_splice(struct ep *ep, char *buf, size_t n)
{
	struct thr *t = thr_self();
	uint64_t begin;
	int fds[2];
	ssize_t r;

	check(!pipe2(fds, O_CLOEXEC), "cannot make a pipe");
	if (n > 65536)
		n = 65536;
	check(write(fds[1], buf, n) == (ssize_t)n, "cannot fill the pipe");
	begin = call_begin(t);
	r = tx_log(ep, t, "splice", begin, call_result(splice(fds[0], NULL, ep->fd, NULL, n, SPLICE_F_MOVE)));
	close(fds[0]);
	close(fds[1]);
	return r;
}

static ssize_t tx_sendfile(struct ep *ep, char *buf, size_t n)
{
	int fd = memfd_create("traffic", MFD_CLOEXEC);
	struct thr *t = thr_self();
	uint64_t begin;
	off_t off = 0;
	ssize_t r;

	check(fd >= 0, "cannot make a file in memory");
	check(pwrite(fd, buf, n, 0) == (ssize_t)n, "cannot fill the file in memory");
	begin = call_begin(t);
	r = tx_log(ep, t, "sendfile", begin, call_result(sendfile(ep->fd, fd, &off, n)));
	close(fd);
	return r;
}

/* Completions say how many sends the kernel is done with; nobody here has to wait for them */
static void zerocopy_drain(struct ep *ep)
{
	char control[128];
	struct msghdr m = { .msg_control = control, .msg_controllen = sizeof(control) };

	while (recvmsg(ep->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		log_other(ep, true, "errqueue", 0, 0);
		m = (struct msghdr) { .msg_control = control, .msg_controllen = sizeof(control) };
	}
}

/* Each send has pages of its own, unmapped at once: the kernel keeps what it still needs, and to
 * wait for a completion would be to wait for a delayed acknowledgement */
static ssize_t tx_zerocopy(struct ep *ep, char *buf, size_t n)
{
	char *pages = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct thr *t = thr_self();
	uint64_t begin;
	int one = 1;
	ssize_t r;

	check(pages != MAP_FAILED, "no memory for a zero-copy send");
	memcpy(pages, buf, n);
	check(!setsockopt(ep->fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)), "SO_ZEROCOPY");
	begin = call_begin(t);
	r = send(ep->fd, pages, n, MSG_ZEROCOPY | MSG_NOSIGNAL);
	r = tx_log(ep, t, "zerocopy", begin, call_result(r));
	munmap(pages, n);
	zerocopy_drain(ep);
	return r;
}

static const struct tx rows[] = {
	{ "send", false, tx_send },	{ "sendto", false, tx_sendto },	    { "write", false, tx_write },
	{ "writev", false, tx_writev }, { "sendmsg", false, tx_sendmsg },   { "sendmmsg", false, tx_sendmmsg },
	{ "splice", false, tx_splice }, { "sendfile", false, tx_sendfile }, { "zerocopy", false, tx_zerocopy },
	{ "oob", false, tx_oob },
};

const struct tx *tx_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	if (!strcmp(name, uring_tx.name))
		return &uring_tx;
	if (!strcmp(name, uring_async_tx.name))
		return &uring_async_tx;
	die("no way to send is called '%s'", name);
}

ssize_t tx_some(struct ep *ep, const struct tx *tx, size_t n)
{
	struct thr *t = tx->worker ? thr_worker() : thr_self();
	struct stream *st = ep_out(ep);
	unsigned w = stream_writer(st, t);
	char *buf = scratch();

	if (n > BLOCK_BYTES)
		n = BLOCK_BYTES;
	bytes_fill(st, w, st->writer[w].k, buf, n);
	return tx->send(ep, buf, n);
}

void tx_all(struct ep *ep, const struct tx *tx, uint64_t n)
{
	while (n) {
		ssize_t r = tx_some(ep, tx, n < BLOCK_BYTES ? n : BLOCK_BYTES);

		if (r <= 0)
			die("%s: cannot %s: %s", ep->conn->name, tx->name, strerror((int)-r));
		n -= r;
	}
}
