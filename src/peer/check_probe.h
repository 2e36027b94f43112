/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_CHECK_PROBE_H
#define SAKER_PEER_CHECK_PROBE_H
/*
 * check_probe - one check on its way: a socket and what is still to be asked.
 *
 * Threads: one.  Memory: CHECK_HTTP_BYTES for HTTP.  Failure: is an outcome, with a sentence.
 */
#include <stdbool.h>

#include "peer/check.h"

struct check_tls;

enum probe_at { PROBE_CONNECT, PROBE_SHAKE, PROBE_SEND, PROBE_READ };

struct probe {
	const struct check_ask *ask; /* borrowed */
	int fd;			     /* -1: not begun */
	enum probe_at at;
	uint64_t began_ns;
	struct check_tls *tls;
	char *in;
	size_t in_bytes;
	char out[1024];
	size_t out_bytes, out_at;
	enum check_outcome outcome;
	char text[CHECK_TEXT];
};

/* 0: it is on its way; 1: it ended, see outcome and text. */
int probe_start(struct probe *p, const struct check_ask *ask, const struct check_target *t, uint64_t now_ns);
int probe_turn(struct probe *p, uint64_t now_ns); /* its socket is ready */
void probe_timeout(struct probe *p);
bool probe_writes(const struct probe *p); /* it waits until it can write; else until it can read */
void probe_stop(struct probe *p);	  /* the socket is closed, memory freed; as often as you like */

#endif
