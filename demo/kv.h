/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMO_KV_H
#define DEMO_KV_H
/*
 * kv - what the client and the protocols that it speaks share.
 *
 * A protocol makes one request at a time on a connection that the client opens and drops.  All that waits ends at the
 * request's deadline or when the client is told to stop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define KV_ENDPOINTS_MAX 16

struct kv_client {
	const struct kv_protocol *protocol;
	const char *endpoints[KV_ENDPOINTS_MAX];
	size_t nendpoints, at;
	int fd; /* -1: not connected */
	FILE *log;
	uint64_t period_ns;
	uint64_t deadline_ns; /* of this request */
	char reply[16384];    /* of this request; NUL-terminated where it is text */
};

struct kv_protocol {
	const char *name, *get; /* what it calls a read */
	int good;		/* the status of a request that went well */
	/* After the connection is there, before its first request: 0 or -errno.  NULL: nothing is to be said. */
	int (*greet)(struct kv_client *c);
	/* The status, or -errno. */
	int (*request)(struct kv_client *c, const char *key, const char *value); /* value NULL: read */
};

extern const struct kv_protocol kv_etcd, kv_zookeeper;

/* Waits for poll(2) events: 0, -ETIMEDOUT, -EINTR when told to stop, another -errno. */
int kv_await(struct kv_client *c, short events);
int kv_send(struct kv_client *c, const void *data, size_t len);	 /* all of it: 0 or -errno */
ssize_t kv_receive(struct kv_client *c, void *room, size_t len); /* at least a byte; -EPIPE: the peer has closed */

#endif
