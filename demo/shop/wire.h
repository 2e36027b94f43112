/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOP_WIRE_H
#define SHOP_WIRE_H
/*
 * wire - connections with a buffer for what arrives, and pools of them.
 *
 * Threads: a wire belongs to one thread at a time; a pool is for any number.  Memory: one buffer of WIRE_BYTES a wire.
 * Failure: -1, and the wire is of no use any more.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define WIRE_BYTES 16384
#define WIRES_MAX 32

struct wire {
	int fd;
	size_t begin, end; /* what is in buf and was not taken yet */
	char buf[WIRE_BYTES];
};

/* Connections to one place: taken for one exchange, then given back. */
struct wires {
	const char *place;	      /* ADDRESS:PORT */
	int (*hello)(struct wire *w); /* speaks first on a new one, NULL: nothing to say */
	pthread_mutex_t lock;
	pthread_cond_t back;
	struct wire *idle[WIRES_MAX];
	int nidle, open;
};

#define WIRES_INIT(where, first)                                                       \
	{                                                                              \
		.place = (where), .hello = (first), .lock = PTHREAD_MUTEX_INITIALIZER, \
		.back = PTHREAD_COND_INITIALIZER                                       \
	}

int wire_listen(const char *place);	   /* a socket that listens */
struct wire *wire_new(int fd);		   /* owns fd */
struct wire *wire_open(const char *place); /* NULL: nobody there */
struct wire *wire_close(struct wire *w);   /* NULL ok; returns NULL */
int wire_write(struct wire *w, const char *data, size_t len);
int wire_fill(struct wire *w);	 /* reads once: bytes, 0 at the end, -1 */
char *wire_line(struct wire *w); /* up to \r\n, which becomes NUL; valid until the next call; NULL: failed */
char *wire_take(struct wire *w, size_t len); /* len <= WIRE_BYTES bytes, as above */

struct wire *wires_get(struct wires *p); /* waits while WIRES_MAX are out; NULL: nobody there */
void wires_put(struct wires *p, struct wire *w, bool good);

#endif
