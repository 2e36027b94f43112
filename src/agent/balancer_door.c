/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question is a struct asked, then `bytes` bytes: the name of an interface, NUL, a text, NUL.  An answer is a struct answered, then
 * `bytes` bytes: what was asked for, or, where the code is not 0, the sentence that says why not.
 */
#include "agent/balancer_door.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/balancer_tell.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "serve/serve.h"

struct asked {
	uint32_t what, bytes;
};

struct answered {
	int32_t code; /* 0, or an errno */
	uint32_t bytes;
};

struct door {
	pthread_mutex_t lock;
	int fd;
	pid_t pid;
};

static bool read_all(int fd, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = read(fd, at, len);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		at += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		at += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	return true;
}

/* ---- the side that has the right ---- */

int door_parse(char *data, size_t len, struct serve_lb_question *ret)
{
	const char *end = len ? memchr(data, 0, len) : NULL;
	size_t on = end ? (size_t)(end - data) + 1 : 0;

	if (!on || on == len || data[len - 1] || on > sizeof(((struct serve_lb_question *)0)->on))
		return -EINVAL;
	memset(ret->on, 0, sizeof(ret->on));
	memcpy(ret->on, data, on);
	ret->text = data + on;
	return strlen(ret->text) + on + 1 == len ? 0 : -EINVAL;
}

static bool question_read(int fd, char *room, struct serve_lb_question *q)
{
	struct asked head;

	if (!read_all(fd, &head, sizeof(head)) || head.bytes > DOOR_TEXT || !read_all(fd, room, head.bytes))
		return false;
	q->what = head.what;
	return door_parse(room, head.bytes, q) >= 0;
}

static bool answer(int fd, struct balancer_tell *t, const struct serve_lb_question *q)
{
	CLEANUP(buf_fini) struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	struct answered head = { 0 };
	int r = balancer_tell(t, q, &out, &err);

	if (r >= 0 && (out.failed || out.len > DOOR_ANSWER))
		r = err_set(&err, E2BIG, "the answer is too large");
	head.code = -MIN(r, 0);
	head.bytes = (uint32_t)(r < 0 ? strlen(err.text) : out.len);
	return write_all(fd, &head, sizeof(head)) && write_all(fd, r < 0 ? err.text : out.data, head.bytes);
}

static void __attribute__((noreturn)) serve_door(int fd, const char *on)
{
	struct balancer_tell *t = balancer_tell_new();
	static char room[DOOR_TEXT];
	struct serve_lb_question q;

	/* its end is that of the other side */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	while (t && question_read(fd, room, &q)) {
		if (on[0])
			(void)snprintf(q.on, sizeof(q.on), "%s", on);
		if (!answer(fd, t, &q))
			break;
	}
	_exit(0);
}

/* ---- the side that asks ---- */

int door_open(const char *on, struct door **ret, struct err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int fds[2];

	if (!d)
		return err_set(err, ENOMEM, "out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		free(d);
		return err_errno(err, errno, "cannot make a pair of sockets");
	}
	(void)fflush(NULL);
	d->pid = fork();
	if (d->pid == 0) {
		(void)close(fds[0]);
		serve_door(fds[1], on);
	}
	(void)close(fds[1]);
	if (d->pid < 0) {
		(void)close(fds[0]);
		free(d);
		return err_errno(err, errno, "cannot fork");
	}
	d->fd = fds[0];
	(void)pthread_mutex_init(&d->lock, NULL);
	*ret = d;
	return 0;
}

struct door *door_close(struct door *d)
{
	if (!d)
		return NULL;
	(void)close(d->fd);
	(void)waitpid(d->pid, NULL, 0);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	return NULL;
}

static bool ask(int fd, const struct serve_lb_question *q)
{
	struct asked head = { .what = q->what, .bytes = (uint32_t)(strlen(q->on) + strlen(q->text) + 2) };

	return write_all(fd, &head, sizeof(head)) && write_all(fd, q->on, strlen(q->on) + 1) &&
	       write_all(fd, q->text, strlen(q->text) + 1);
}

/* False: nothing sensible comes any more. */
static bool take_answer(int fd, struct buf *out, int *code)
{
	struct answered head;
	void *room;

	if (!read_all(fd, &head, sizeof(head)) || head.bytes > DOOR_ANSWER)
		return false;
	room = buf_room(out, head.bytes);
	*code = head.code;
	return room && read_all(fd, room, head.bytes);
}

int door_ask(void *arg, const struct serve_lb_question *q, struct buf *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf told = BUF_INIT;
	struct door *d = arg;
	int code = 0;
	bool fine;

	if (strlen(q->on) + strlen(q->text) + 2 > DOOR_TEXT)
		return err_set(err, E2BIG, "the question is too long");
	(void)pthread_mutex_lock(&d->lock);
	fine = ask(d->fd, q) && take_answer(d->fd, &told, &code);
	if (!fine)
		(void)shutdown(d->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&d->lock);
	if (!fine)
		return err_set(err, EPIPE, "the process that may look at the balancer has ended");
	if (code)
		return err_set(err, code, "%s", told.data ? told.data : "");
	buf_add(out, told.data, told.len);
	return 0;
}
