/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - a change that must be confirmed, so that nobody locks himself out.
 *
 * The guard is a process of its own: it waits for its time, or until KEY.pending is gone, and then puts the wish before back.  If
 * it is killed, or the host restarts, the next command that changes something finds the time over and does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/balancer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

int guard_start(struct balancer *b, const struct buf *before, uint32_t seconds, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	char boot_id[64];
	int r;

	b->guard_boot_ns = clock_boot_ns() + seconds * NS_PER_SEC;
	balancer_boot_id(boot_id);
	buf_printf(&text, "%" PRIu64 " %s\n", b->guard_boot_ns, boot_id);
	r = balancer_file_write(b, "before", before, err);
	return r < 0 ? r : balancer_file_write(b, "pending", &text, err);
}

bool guard_pending(struct balancer *b)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char boot_id[64], its[64] = "";

	if (balancer_file_read(b, "pending", &text, &err) < 0)
		return false;
	balancer_boot_id(boot_id);
	/* the clock begins anew with the host: a time of another start is over */
	if (!text.data || sscanf(text.data, "%" SCNu64 " %63s", &b->guard_boot_ns, its) != 2 ||
	    strcmp(its, boot_id) != 0)
		b->guard_boot_ns = 0;
	return true;
}

/* Until the time is over (true), or the file is gone or another's. */
static bool guard_wait(struct balancer *b, uint64_t mine)
{
	CLEANUP_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	char events[4096];

	if (watch >= 0)
		(void)inotify_add_watch(watch, b->state, IN_DELETE | IN_MOVED_TO);
	while (guard_pending(b) && b->guard_boot_ns == mine) {
		struct pollfd p = { .fd = watch, .events = POLLIN };
		uint64_t now = clock_boot_ns();

		if (now >= mine)
			return true;
		(void)poll(&p, 1, (int)((mine - now) / NS_PER_MS) + 1);
		if (p.revents & POLLIN)
			(void)!read(watch, events, sizeof(events));
	}
	return false;
}

static void guard_run(const char *interface, uint64_t mine)
{
	struct balancer b;
	struct err err = ERR_INIT;
	bool over;

	if (balancer_open(&b, interface, false, &err) < 0)
		return;
	over = guard_wait(&b, mine);
	balancer_close(&b);
	if (!over || balancer_open(&b, interface, true, &err) < 0)
		return;
	if (b.guarded && b.guard_boot_ns == mine)
		(void)balancer_put_back(&b, &err);
	balancer_close(&b);
}

void guard_watch(const struct balancer *b)
{
	pid_t pid = fork();
	char name[IF_NAMESIZE];
	uint64_t mine = b->guard_boot_ns;
	int null;

	if (pid)
		return; /* -1: the next command finds the time over */
	(void)snprintf(name, sizeof(name), "%s", b->attach.name);
	(void)setsid();
	(void)signal(SIGHUP, SIG_IGN);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	(void)close_range(3, ~0U, 0); /* the lock among them, which stays the command's */
	guard_run(name, mine);
	_exit(0);
}
