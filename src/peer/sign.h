/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PEER_SIGN_H
#define SAKER_PEER_SIGN_H
/*
 * sign - one thing that speaks for or against a backend, whoever saw it: a check, the agent on the backend's host, or the
 * balancer's own packets.
 *
 * Who sees something fills one and passes it on (sign_fn); what follows from it is decided in one place (peer/health.h).  Numbers of
 * kinds go over the network and into recordings (`signkind` in event/events.def): they are never given to something else.
 *
 * Threads: any.  Memory: its own.  Failure: none.
 */
#include <stdbool.h>
#include <stdint.h>

enum sign_kind {
	SIGN_NONE,
	SIGN_CHECK_PASSED,
	SIGN_CHECK_FAILED,
	SIGN_LISTENING, /* a process listens at the port */
	SIGN_EXIT,	/* the process that listened there ended; value: so many others still listen there */
	SIGN_RESETS,	/* the host answers with RST; value: so many since the last one */
	SIGN_OVERFLOW,	/* the queue of connections to be accepted is full; value: so many were dropped */
	SIGN_SLOW,	/* the round-trip time rises; value: microseconds */
	SIGN_SYN_AGAIN, /* the balancer saw SYNs again that it had passed on; value: so many */
	SIGN_SILENT,	/* the host's agent is not heard any more; value: ms since it was */
	SIGN_HEARD,	/* it is heard again */
	SIGN_LEAVING,	/* the host asks for no new connections */
	SIGN_LOAD,	/* value: what the host measures of its load, in 1/1000 of what it can do */
	SIGN_RTT, /* value: microseconds that round trips of the port's connections take now, whether that is long or not */
	SIGN_KINDS,
};

/*
 * An event of a recording; all 0: there is none.  In events it stands as hostN, nsN, seqN, cpuN, with N from 1 to 4: `action`
 * has four, `effect` and `check` one.  The agent's own (agent/diary.h): host is the value of the first `mark` "agent" of its recording.
 */
struct sign_event {
	uint64_t host; /* id of the host's recording or agent */
	uint64_t boot_ns, seq;
	uint16_t cpu;
};

struct sign_addr {
	uint8_t bytes[16]; /* IPv4: the first 4; network byte order */
	uint8_t family;	   /* AF_INET, AF_INET6 */
};

struct sign {
	enum sign_kind kind;
	struct sign_addr backend;
	struct sign_addr vip; /* whose backend; family 0: of all its VIPs */
	uint16_t port;	      /* host byte order; 0: of all ports */
	uint8_t proto;	      /* PROTO_TCP, PROTO_UDP; 0: any */
	uint64_t value;
	uint64_t boot_ns; /* when this host learned of it, CLOCK_BOOTTIME */
	struct sign_event evidence;
	char text[120]; /* what was seen, for a person: "process 4711 (nginx) was killed by SIGKILL" */
};

typedef void (*sign_fn)(void *arg, const struct sign *s);

bool sign_addr_equal(const struct sign_addr *a, const struct sign_addr *b);
int sign_addr_parse(const char *text, struct sign_addr *ret); /* -EINVAL */
#define SIGN_ADDR_TEXT 48
const char *sign_addr_text(const struct sign_addr *a, char out[SIGN_ADDR_TEXT]); /* out */
void sign_addr_event(const struct sign_addr *a, uint8_t out[16]);		 /* as in events: IPv4 is mapped */

/* "exit", ...; NULL: there is no such kind. */
const char *sign_name(uint32_t kind);

#endif
