/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_LISTENERS_H
#define SAKER_AGENT_LISTENERS_H
/*
 * listeners - the kernel's own account of ports of this network namespace (sock_diag(7)): who listens, how full the queues are,
 * how long round trips take.  At a UDP port listens who has it and no peer.
 *
 * Threads: one for each struct.  Memory: LISTENERS_MAX sockets; connections are not kept.
 * Failure: -errno; the struct of the last answer is left alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTENERS_MAX 64	   /* sockets of a port that are told one by one */
#define LISTENERS_CONNECTIONS 1024 /* of which round trips are looked at */

struct listeners_port {
	uint16_t port;
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP */
};

struct listeners {
	uint32_t count;
	uint64_t cookies[LISTENERS_MAX]; /* the kernel's, as `sock` in events */
	uint32_t inodes[LISTENERS_MAX];
	uint64_t waiting,
		room; /* connections to be accepted, and how many there may be; UDP: bytes, of all that there may be */
	uint64_t drops; /* connections and SYNs, or datagrams, that these sockets turned away, ever */
};

int listeners_open(void); /* a descriptor for the other two; -errno */
/* Of each of the n ports, in one go: the kernel looks through all sockets for an answer. */
int listeners_read(int fd, const struct listeners_port *ports, size_t n, struct listeners *ret);
/* Processes that have one of these sockets open, as /proc says: at most cap of them; how many. */
size_t listeners_holders(const struct listeners *l, uint32_t *ret_pids, size_t cap);
bool listeners_have(const struct listeners *l, uint64_t cookie);

/* Round-trip times of connections of the port, as TCP smooths them (RFC 6298): the median. */
struct listeners_rtt {
	uint32_t connections;	   /* that were looked at */
	uint32_t median_us, again; /* again: segments sent again and not acknowledged yet, of all */
};
/* Likewise; of UDP ports there are none. */
int listeners_rtt(int fd, const struct listeners_port *ports, size_t n, struct listeners_rtt *ret);

#endif
