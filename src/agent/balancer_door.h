/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_DOOR_H
#define SAKER_AGENT_BALANCER_DOOR_H
/*
 * balancer_door - lets a process that has given root up ask what balancer_tell knows.
 *
 * door_open() forks while there still is root.  The child keeps it, listens nowhere, and answers the questions of serve_lb_ask over a
 * pair of sockets until the other end is gone; it only reads, and a question that has not its form ends it.  So what speaks
 * HTTP with strangers has no right that this one has.
 *
 * Threads: door_ask() any, one after another.  Memory: DOOR_TEXT for a question, DOOR_ANSWER for an answer.
 * Failure: complete sentences.
 */
#include <pthread.h>
#include <stddef.h>
#include <sys/types.h>

#define DOOR_TEXT 8192
#define DOOR_ANSWER (64U << 20)

struct buf;
struct door;
struct err;
struct serve_lb_question;

/* Life cycle.  on: the only interface that may be asked about; "": all.  It must outlive the door's child, so: a command line's. */
int door_open(const char *on, struct door **ret, struct err *err);
struct door *door_close(struct door *d); /* NULL ok; returns NULL; waits for the child */

/* A serve_lb_fn; arg is the door. */
int door_ask(void *arg, const struct serve_lb_question *q, struct buf *out, struct err *err);

/*
 * A question as it comes through the pair of sockets; *ret borrows from data, which is changed.  -EINVAL: it has not the form.
 * Public for its fuzzer.
 */
int door_parse(char *data, size_t len, struct serve_lb_question *ret);

#endif
