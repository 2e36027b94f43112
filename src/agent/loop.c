/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

struct part {
	int fd; /* -1: the place is free */
	bool timer;
	loop_fn turn;
	void *arg;
};

struct loop {
	int epoll, signals;
	sigset_t before;
	bool ended;
	struct part parts[LOOP_PARTS];
};

static int end_turn(void *arg, uint64_t now_ns)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;

	(void)now_ns;
	if (read(l->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		l->ended = true;
	return 0;
}

struct loop *loop_free(struct loop *l)
{
	size_t i;

	if (!l)
		return NULL;
	for (i = 0; i < LOOP_PARTS; i++) {
		if (l->parts[i].fd >= 0 && l->parts[i].timer)
			(void)close(l->parts[i].fd);
	}
	if (l->epoll >= 0)
		(void)close(l->epoll);
	if (l->signals >= 0)
		(void)close(l->signals);
	(void)sigprocmask(SIG_SETMASK, &l->before, NULL);
	free(l);
	return NULL;
}

int loop_new(struct loop **ret, struct err *err)
{
	struct loop *l = calloc(1, sizeof(*l));
	sigset_t set;
	size_t i;
	int r;

	if (!l)
		return err_set(err, ENOMEM, "out of memory");
	for (i = 0; i < LOOP_PARTS; i++)
		l->parts[i].fd = -1;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, &l->before);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = l->epoll < 0 || l->signals < 0 ? err_errno(err, errno, "cannot make the agent's loop")
					   : loop_add(l, l->signals, end_turn, l, err);
	if (r < 0) {
		(void)loop_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

int loop_add(struct loop *l, int fd, loop_fn turn, void *arg, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint32_t i;

	for (i = 0; i < LOOP_PARTS && l->parts[i].fd >= 0; i++)
		;
	if (i == LOOP_PARTS)
		return err_set(err, ENOSPC, "the agent's loop has no room for more than %d parts", LOOP_PARTS);
	ev.data.u32 = i;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev))
		return err_errno(err, errno, "cannot wait for a part of the agent");
	l->parts[i] = (struct part) { .fd = fd, .turn = turn, .arg = arg };
	return 0;
}

void loop_remove(struct loop *l, int fd)
{
	size_t i;

	for (i = 0; i < LOOP_PARTS; i++) {
		if (l->parts[i].fd != fd)
			continue;
		(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, NULL);
		l->parts[i].fd = -1;
	}
}

int loop_every(struct loop *l, uint64_t period_ns, loop_fn turn, void *arg, struct err *err)
{
	struct timespec period = { .tv_sec = (time_t)(period_ns / NS_PER_SEC),
				   .tv_nsec = (long)(period_ns % NS_PER_SEC) };
	struct itimerspec spec = { period, period };
	CLEANUP_CLOSE int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	size_t i;
	int r;

	if (fd < 0 || timerfd_settime(fd, 0, &spec, NULL))
		return err_errno(err, errno, "cannot make a timer");
	r = loop_add(l, fd, turn, arg, err);
	if (r < 0)
		return r;
	for (i = 0; l->parts[i].fd != fd; i++)
		;
	l->parts[i].timer = true;
	(void)TAKE_FD(fd);
	return 0;
}

static int one_turn(const struct part *at)
{
	const struct part p = *at;
	uint64_t times;

	if (p.fd < 0)
		return 0;
	if (p.timer && read(p.fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return 0;
	return p.turn(p.arg, clock_boot_ns());
}

static int some_turns(struct loop *l, int wait_ms, struct err *err)
{
	struct epoll_event ready[LOOP_PARTS];
	int i, r, n = epoll_wait(l->epoll, ready, LOOP_PARTS, wait_ms);

	if (n < 0 && errno != EINTR)
		return err_errno(err, errno, "cannot wait for the parts of the agent");
	for (i = 0; i < n; i++) {
		r = one_turn(&l->parts[ready[i].data.u32]);
		if (r < 0)
			return err_errno(err, -r, "a part of the agent failed");
	}
	return 0;
}

int loop_run(struct loop *l, struct err *err)
{
	int r = 0;

	while (!l->ended && r >= 0)
		r = some_turns(l, -1, err);
	return r;
}

void loop_leave_signals(struct loop *l)
{
	loop_remove(l, l->signals);
	(void)sigprocmask(SIG_SETMASK, &l->before, NULL);
}

int loop_step(struct loop *l, struct err *err)
{
	return some_turns(l, 0, err);
}
