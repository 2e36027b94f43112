/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_LINK_INTERNAL_H
#define SAKER_PEER_LINK_INTERNAL_H
/* link_internal - what link.c (connections), link_listen.c and link_connect.c share; nobody else includes it. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "peer/link.h"

struct link_peer; /* link_listen.c: a host that is known */

struct link_conn {
	struct link *link;
	struct link_conn *next;
	int fd;
	bool connecting, gone;
	uint64_t opened_ns, heard_ns, sent_ns;
	struct sign_addr from;
	struct link_peer *peer; /* NULL: a stranger, or it is the listening side that we talk to */
	struct session session;
};

struct link_side {
	void (*ended)(struct link *l, struct link_conn *c, const char *why); /* it is closed after that */
	void (*tick)(struct link *l);
	void (*accept)(struct link *l); /* NULL: none */
	void (*free)(struct link *l);
};

struct link {
	const struct link_side *side;
	int epoll, timer, listening; /* listening -1: none */
	uint64_t now_ns;
	uint64_t beat_ns;
	struct link_conn *conns;
	uint64_t refused[SESSION_REFUSALS];
	/* link_listen.c */
	struct link_listen_opts lo;
	struct link_peer *peers[LINK_PEERS];
	unsigned int npeers;
	/* link_connect.c */
	struct link_connect_opts co;
	uint64_t again_ns, backoff_ns;
	bool told_down;
};

/* link.c */
int link_make(const struct link_side *side, uint32_t beat_ms, struct link **ret, struct err *err);
struct link_conn *link_conn_new(struct link *l, int fd, bool connecting);		/* takes fd; NULL: no memory */
void link_conn_end(struct link_conn *c, enum session_refusal refused, const char *why); /* closed at the turn's end */
void link_conn_flush(struct link_conn *c);
int link_addr(const char *address, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_len); /* -EINVAL */
void link_sign_addr(const struct sockaddr_storage *sa, struct sign_addr *ret);

static inline uint64_t link_silence_ns(const struct link *l)
{
	return LINK_SILENCE * l->beat_ns;
}

#endif
