/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/page.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/balancer_door.h"
#include "agent/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "serve/serve.h"

#define SAY_READY 'r'
#define SAY_STAY 's'
#define LARGE_BYTES (128 * 1024)
#define WAIT_NS 20000000

/* --- the process that serves --- */

/* A folder that the invoking user cannot reach by its path, but may read: opened while there still is the right to. */
static const char *reachable(const char *dir, char *room, size_t cap)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)snprintf(room, cap, "/proc/self/fd/%d", fd);
	return fd < 0 ? dir : room;
}

static struct serve *serve_it(const struct page_opts *opts, struct err *err)
{
	static char room[64];
	static const char *path;
	struct door *door = NULL; /* its child ends with this process */
	struct serve_opts so = { .npaths = opts->dir ? 1 : 0,
				 .address = opts->address,
				 .port = opts->port_given ? opts->port : SERVE_PORT,
				 .port_given = opts->port_given,
				 .live = true };
	struct serve *s = NULL;
	const char *by_fd = opts->dir ? reachable(opts->dir, room, sizeof(room)) : NULL;

	if (opts->balancers && door_open("", &door, err) < 0)
		return NULL;
	if (child_give_up_root(!opts->dir, err) < 0)
		return NULL;
	if (door) {
		so.lb = door_ask;
		so.lb_arg = door;
	}
	if (opts->dir) {
		path = access(opts->dir, R_OK | X_OK) < 0 ? by_fd : opts->dir;
		so.paths = &path;
	}
	if (serve_start(&so, &s, err) >= 0 && serve_loaded(s, err) < 0)
		s = serve_free(s);
	return s;
}

/* What the recorder says next; SIGINT is for the recorder as long as that is there.  0: it is gone, or enough. */
static char next_word(int from, int signals, bool stays)
{
	struct pollfd fds[2] = { { .fd = from, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;
	char word;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 0;
		if (fds[1].revents && read(signals, &info, sizeof(info)) > 0 && stays)
			return 0;
		if (fds[0].revents)
			return read(from, &word, 1) == 1 ? word : 0;
	}
}

static void __attribute__((noreturn)) page_main(int from, const struct page_opts *opts)
{
	struct err err = ERR_INIT;
	struct serve *s = NULL;
	bool stays = false;
	sigset_t set;
	int signals;
	char word;

	(void)signal(SIGTERM, SIG_DFL);
	if (signal(SIGHUP, SIG_DFL) == SIG_IGN)
		(void)signal(SIGHUP, SIG_IGN); /* nohup(1) stays what it is */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	while (signals >= 0 && (word = next_word(from, signals, stays))) {
		stays = stays || word == SAY_STAY;
		if (word != SAY_READY)
			continue;
		s = serve_it(opts, &err);
		if (!s) {
			(void)fprintf(stderr, "%s: no page: %s\n", opts->who, err.text);
			_exit(1);
		}
		(void)fprintf(stderr, "live at %s\n", serve_url(s));
	}
	/* without waiting for requests that are under way: the recorder, or the user, has gone */
	_exit(0);
}

/* --- the recorder's side --- */

int page_start(struct page *p, const struct page_opts *opts, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "cannot make a pipe");
	(void)fflush(NULL);
	p->pid = fork();
	if (p->pid < 0) {
		p->pid = 0;
		(void)close(fds[0]);
		(void)close(fds[1]);
		return err_errno(err, errno, "cannot fork");
	}
	if (p->pid == 0) {
		(void)close(fds[1]);
		page_main(fds[0], opts);
	}
	(void)close(fds[0]);
	p->to = fds[1];
	return 0;
}

static bool say(const struct page *p, char word)
{
	return p->to >= 0 && write(p->to, &word, 1) == 1;
}

void page_ready(struct page *p)
{
	(void)say(p, SAY_READY);
}

static bool ended(const struct page *p)
{
	return waitpid(p->pid, NULL, WNOHANG) != 0;
}

void page_end(struct page *p, bool stay, const volatile int *stop)
{
	int before = *stop;

	if (!p->pid)
		return;
	if (stay && !ended(p) && say(p, SAY_STAY)) {
		struct timespec pause = { .tv_nsec = WAIT_NS };

		(void)fprintf(stderr, "the page stays; Ctrl-C ends it\n");
		while (*stop == before && !ended(p))
			(void)nanosleep(&pause, NULL);
	}
	(void)close(TAKE_FD(p->to));
	(void)waitpid(p->pid, NULL, 0);
	p->pid = 0;
}
