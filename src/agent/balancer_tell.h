/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_TELL_H
#define SAKER_AGENT_BALANCER_TELL_H
/*
 * balancer_tell - what there is to know of the balancers of this host, as the page and Prometheus get it (docs/design/api.md,
 * "/api/balancer").
 *
 * Only reads: the kept wish, the maps of what runs, and what the agent keeps.  Of a wish that has not changed it is not read again.
 *
 * Threads: one.  Memory: a wish, and one answer.  Failure: complete sentences; the next question may be answered.
 */
struct balancer_tell;
struct buf;
struct err;
struct serve_lb_question;

struct balancer_tell *balancer_tell_new(void);			   /* NULL: no memory */
struct balancer_tell *balancer_tell_free(struct balancer_tell *t); /* NULL ok; returns NULL */
/* 0, or -errno with *err set; what out has then means nothing. */
int balancer_tell(struct balancer_tell *t, const struct serve_lb_question *q, struct buf *out, struct err *err);

#endif
