/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_PAGE_H
#define SAKER_AGENT_PAGE_H
/*
 * page - the process beside a recorder that serves its recording while it grows (`saker record --live`), or beside an agent that serves
 * its own, and the balancers of this host (`saker agent --page`).
 *
 * No HTTP is spoken with root's rights: the process is forked before anything is loaded, waits until the recording is there,
 * becomes the user who called sudo, and then serves.  What looks at balancers keeps root, in a process of its own (agent/balancer_door.h).  It is never recorded.  It ends with its recorder, however that ends;
 * unless it is told to stay.
 *
 * Threads: one.  Memory: in the other process, that of serve/.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct page {
	pid_t pid; /* 0: none */
	int to;	   /* write end of the pipe that it reads; -1 */
};
#define PAGE_INIT        \
	{                \
		.to = -1 \
	}

struct page_opts {
	const char *who;     /* the command, for what it says */
	const char *dir;     /* of the recording; NULL: none, only balancers */
	bool balancers;	     /* shows those of this host, too */
	const char *address; /* NULL: the default of serve/ */
	uint16_t port;
	bool port_given;
};

int page_start(struct page *p, const struct page_opts *opts, struct err *err);
void page_ready(struct page *p); /* the recording is there: it prints its address on standard error */
/* stay: it serves on until SIGINT comes, or *stop is no longer what it is now; then, and else at once, it ends. */
void page_end(struct page *p, bool stay, const volatile int *stop);

#endif
