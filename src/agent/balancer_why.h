/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_BALANCER_WHY_H
#define SAKER_AGENT_BALANCER_WHY_H
/*
 * balancer_why - what net/why answers, in words or as JSON; for the command line and the page.
 *
 * Threads: as net/why.h.  Memory: one answer.  Failure: complete sentences.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/wish.h"

struct buf;
struct chain;
struct err;
struct packet_flow;
struct why;

/* What becomes of a frame: how many CPUs' tables have its flow, or -errno. */
int balancer_why_packet(const struct chain *c, struct why *w, const uint8_t *frame, size_t len, bool json,
			struct buf *out, struct err *err);
/*
 * 'SRC:PORT > DST:PORT/tcp'.  Of TCP: the first packet of a connection, or a later one, if a table knows the connection.  What stood in out
 * goes.  -errno.
 */
int balancer_why_tuple(const struct chain *c, struct why *w, const char *tuple, bool json, struct buf *out,
		       struct err *err);

/* Words for others that tell of packets. */
void balancer_put_flow(struct buf *out, const struct packet_flow *f); /* 10.0.0.1:4711 > 10.0.0.10:443/tcp */
const char *balancer_action_text(int action);			      /* XDP_* */
/* The VIP that has this number on the side that packets see; false: there is none. */
bool balancer_vip_text(const struct chain *c, uint32_t number, char out[WISH_VIP_TEXT]);

#endif
