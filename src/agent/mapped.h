/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MAPPED_H
#define SAKER_AGENT_MAPPED_H
/*
 * mapped - which files recorded processes run: their programs, and the libraries that are mapped executable.
 *
 * A process is looked at when it is met or has called exec, and a few times more while it loads its libraries; then only when
 * somebody asks.  Paths lead through /proc/PID, so that they are right in containers, too, and where a file was replaced.
 *
 * Threads: one.  Memory: MAPPED_WAITING processes that are to be looked at again; the oldest is given up.
 * Failure: a process that is gone has no files.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPED_WAITING 1024

struct mapped; /* opaque */

struct mapped_file {
	uint32_t pid;	  /* 0: nobody runs it yet */
	bool program;	  /* else a library */
	const char *path; /* what it is called there */
	const char *at;	  /* a path that opens it here, as long as the process lives */
};

/* Told each file at each look; -errno ends it. */
typedef int mapped_fn(void *arg, const struct mapped_file *f);

int mapped_each(uint32_t pid, mapped_fn *fn, void *arg); /* one look, now */

int mapped_new(mapped_fn *fn, void *arg, struct mapped **ret); /* -ENOMEM */
struct mapped *mapped_free(struct mapped *m);		       /* NULL ok; returns NULL */
int mapped_see(struct mapped *m, uint32_t pid, uint64_t now);  /* NULL ok; met, or has called exec */
int mapped_tick(struct mapped *m, uint64_t now);	       /* NULL ok; looks again at whom it is time for */

/* The program that execvp(3) of the command would run; false: none. */
bool mapped_command(const char *command, char *ret, size_t cap);
/* A regular file, opened, and a number for it that stays the same as long as it is not changed; -1: it is none, or gone. */
int mapped_open(const char *at, uint64_t *ret_inode, uint64_t *ret_key);

#endif
