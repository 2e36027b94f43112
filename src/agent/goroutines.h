/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_GOROUTINES_H
#define SAKER_AGENT_GOROUTINES_H
/*
 * goroutines - looks at the program files of recorded processes; of a Go program the kernel side is told where the id of
 * the running goroutine stands, and each such file becomes one go_program event, also where that is not possible.
 *
 * A file is looked at once, when a process that runs it is first met; until then, some 10 ms, the events of that
 * process are of its threads only.  Later processes that run the same file are known from their exec on.
 *
 * Threads: one.  Memory: 16 bytes a file, and the links.  Failure: a file that cannot be read or is gone is no Go program.
 */
#include <stdbool.h>
#include <stdint.h>

struct event_header;
struct goroutines;
struct kernel;

enum goroutines_how {
	GOROUTINES_OFF,	  /* threads only */
	GOROUTINES_IDS,	  /* which goroutine each event is of */
	GOROUTINES_READY, /* and which goroutine makes which run */
};

typedef int goroutines_emit_fn(void *arg, const struct event_header *h);

int goroutines_new(struct kernel *k, enum goroutines_how how, goroutines_emit_fn *emit, void *arg,
		   struct goroutines **ret);		  /* -ENOMEM */
void goroutines_detach(struct goroutines *g);		  /* NULL ok */
struct goroutines *goroutines_free(struct goroutines *g); /* NULL ok; returns NULL */

/* The program of a process, or a command that is going to be run (execvp(3)). */
int goroutines_see(struct goroutines *g, uint32_t pid);
int goroutines_see_command(struct goroutines *g, const char *command);
/* A go_ready event: a program that has too many of them is left alone from then on, and that is told. */
int goroutines_count(struct goroutines *g, const struct event_header *h);

#endif
