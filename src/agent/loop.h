/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_LOOP_H
#define SAKER_AGENT_LOOP_H
/*
 * loop - one thread that waits for file descriptors and gives each its turn.
 *
 * Whoever takes part offers a file descriptor that is readable when he has something to do, and a function that does it; timers are
 * timerfds.  SIGINT and SIGTERM end it; they are blocked from loop_new() on, so that none is lost.
 *
 * Threads: one.  Memory: fixed, LOOP_PARTS.
 * Failure: a turn that returns less than 0 ends the loop.
 */
#include <stdint.h>

struct err;
struct loop;

#define LOOP_PARTS 64

/* now_ns: CLOCK_BOOTTIME. */
typedef int (*loop_fn)(void *arg, uint64_t now_ns);

/* Life cycle */
int loop_new(struct loop **ret, struct err *err);
struct loop *loop_free(struct loop *l); /* NULL ok; returns NULL */

/* The file descriptor stays the caller's, who takes it out before he closes it. */
int loop_add(struct loop *l, int fd, loop_fn turn, void *arg, struct err *err);
void loop_remove(struct loop *l, int fd);
/* A timer of the loop's own: the first time after one period. */
int loop_every(struct loop *l, uint64_t period_ns, loop_fn turn, void *arg, struct err *err);

/* Until a signal (0) or a turn that fails. */
int loop_run(struct loop *l, struct err *err);

/* In somebody else's loop: signals are his, and those that are ready have a turn without waiting. */
void loop_leave_signals(struct loop *l);
int loop_step(struct loop *l, struct err *err);

#endif
