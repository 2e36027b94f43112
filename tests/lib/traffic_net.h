/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_TRAFFIC_NET_H
#define SAKER_TRAFFIC_NET_H
/*
 * traffic_net - what scenarios are made of: ways to send and receive, addresses and namespaces,
 * connections whose two ends know each other, and two engines (plan, crowd).
 *
 * Threads: the functions may be called by any thread; a struct ep belongs to one sender and one
 * receiver at a time, unless the stream is made for more (crowd). Memory and failure: traffic.h.
 */
#include "traffic.h"

/* traffic_tx.c, traffic_rx.c, traffic_uring.c: one row for each way of sending and receiving */
struct tx {
	const char *name;
	bool worker;					     /* the thread that sends is not known */
	ssize_t (*send)(struct ep *ep, char *buf, size_t n); /* logs; bytes or -errno */
};
struct rx {
	const char *name;
	ssize_t (*recv)(struct ep *ep, char *buf, size_t max); /* logs; bytes, 0 or -errno */
};
const struct tx *tx_find(const char *name);
const struct rx *rx_find(const char *name);
extern const struct tx uring_tx, uring_async_tx;
extern const struct rx uring_rx, uring_async_rx;
char *scratch(void); /* BLOCK_BYTES of this thread */
ssize_t tx_log(struct ep *ep, struct thr *t, const char *how, uint64_t begin, ssize_t ret);
ssize_t rx_log(struct ep *ep, struct thr *t, const char *how, uint64_t begin, ssize_t ret, const char *buf);
ssize_t tx_some(struct ep *ep, const struct tx *tx, size_t n); /* one try */
void tx_all(struct ep *ep, const struct tx *tx, uint64_t n);
void rx_all(struct ep *ep, const struct rx *rx, uint64_t n, size_t step); /* step 0: odd sizes */
void rx_eof(struct ep *ep);

/* traffic_net.c: addresses, namespaces, connections */
struct addr {
	struct sockaddr_storage ss;
	socklen_t len;
};
struct addr addr_ip(int family, const char *ip, unsigned port);
struct addr addr_parse(const char *text); /* 1.2.3.4:5 or [::1]:5 */
struct addr addr_unix(const char *path);  /* @x: abstract */
struct addr addr_local(int fd);
void addr_format(const struct addr *a, char *buf, size_t n);
int ns_open(const char *name); /* of `ip netns`; NULL: -1 */
int ns_new(void);	       /* a new one with lo up; the caller stays where it is */
void ns_enter(int fd);	       /* -1: nothing */
int ns_home(void);
int sock_new(int family, int type);
int sock_bound(int family, int type, const struct addr *a, int ns); /* SO_REUSEADDR */

/* One listener; connects one at a time, so that both ends know which connection they have */
struct meet {
	sem_t lock, taken;
	struct conn *pending;
	_Atomic uint32_t accepted;
	struct addr addr; /* where it listens */
	int fd;
};
struct meet *meet_new(const struct addr *a, int ns);
struct ep meet_dial(struct meet *m, struct conn *c, const struct addr *to, const struct addr *from, bool nonblock);
struct ep meet_accept(struct meet *m);
void ep_pair(const struct addr *listen_at, struct conn *c, struct ep ret_ep[2]); /* both ends here */
void ep_wait_arrived(struct ep *ep, size_t n);					 /* until n bytes can be read */
void ep_close(struct ep *ep);

/* traffic_tcp.c: request and response */
struct plan {
	struct meet *meet;
	const char *name;
	const struct tx *tx; /* NULL: all plain ones in turn */
	const struct rx *rx;
	struct addr dial, bind;
	bool has_bind, server_first, middle, processes;
	int client_ns, server_ns;
	unsigned connections, messages, size, concurrency;
	enum kind kind;
};
void plan_init(struct plan *p, const struct scenario *sc, const struct addr *listen);
void plan_start(struct plan *p); /* forks server and client; does not wait */

/* traffic_writers.c: many threads on one connection; [0] from end a to b, [1] from b to a */
struct crowd {
	struct ep ep[2];
	unsigned writers[2], readers[2];
	unsigned blocks;   /* of each writer */
	size_t size, step; /* of a block; of a read (0: odd sizes) */
	const struct tx *tx;
	const struct rx *rx;
	_Atomic unsigned done[2];
};
void crowd_start(const struct crowd *c); /* a process for each end; closes both here */
#endif
