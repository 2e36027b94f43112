/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_PROTO_H
#define SAKER_PROTO_PROTO_H
/*
 * proto - requests and responses in the bytes of a connection, recognised by their content and never by a port.
 *
 * One struct proto_conn is one end of one connection (or the datagrams of one socket with one other end).  It is fed
 * pieces: the ranges that calls sent or received, each with its place in the stream and as many of its first bytes as were
 * kept.  It gives exchanges: a request and its response, with what they ask and answer.  Bytes that were not kept, or lost,
 * are no error: a parser goes on behind them where the length of what is missing is known, else at the next thing that
 * can only be a beginning; meanwhile, and on connections that no parser knows, the turns of the conversation are the
 * exchanges (PROTO_TIMING).
 *
 * Threads: none shared; connections are independent.  Memory: PROTO_CONN_BYTES a connection at most, and PROTO_OPEN_MAX
 * exchanges that are not told yet; the oldest beyond that are given up (PROTO_UNANSWERED).
 * Failure: -ENOMEM only; no bytes are an error.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct proto_conn; /* opaque */

#define PROTO_OPEN_MAX 1024
#define PROTO_CONN_BYTES (256 * 1024)
#define PROTO_OPERATION 32
#define PROTO_RESOURCE 160
#define PROTO_ERROR_TEXT 80
#define PROTO_ID_TEXT 64

/* A range of one direction, or a datagram. */
struct proto_piece {
	uint64_t offset;     /* of its first byte in its direction of the stream; datagrams: 0 */
	uint64_t boot_ns;    /* when it was sent or received */
	uint64_t begin_ns;   /* when the call began, or the same */
	uint64_t tag;	     /* the caller's, given back in proto_mark */
	const uint8_t *data; /* its first bytes */
	uint32_t have;	     /* how many of them there are; 0: none was kept */
	uint32_t bytes;	     /* of the range */
	bool sent;	     /* by this end */
};

/* Where one message lies. */
struct proto_mark {
	uint64_t offset, end; /* bytes [offset, end) of its direction; datagrams: 0 and its length */
	uint64_t first_ns,
		last_ns; /* of the pieces with its first and its last byte (of a sent one: begin_ns of the first) */
	uint64_t first_tag, last_tag;
	bool known; /* false: there is no such message, see the flags */
};

enum proto_flags {
	PROTO_FAILED = 1,      /* it says of itself that it failed: status, error */
	PROTO_TIMING = 2,      /* no parser knows or could follow: a turn of the conversation */
	PROTO_UNANSWERED = 4,  /* no response until the connection ended, or was no longer waited for */
	PROTO_UNASKED = 8,     /* a response whose request was before the recording, or lost */
	PROTO_TOUCHED = 16,    /* bytes were missing, or the end was: what is told may be incomplete */
	PROTO_ONE_WAY = 32,    /* no response is ever sent to this */
	PROTO_CLIENT = 64,     /* this end asked; else it answered */
	PROTO_ENCRYPTED = 128, /* TLS that is not seen through */
};

/* Ids that were in the messages themselves. */
struct proto_ids {
	uint8_t trace[16], parent[8];	/* W3C traceparent, or B3: zero: none */
	char request_id[PROTO_ID_TEXT]; /* X-Request-ID; "": none */
};

struct proto_exchange {
	const char *
		protocol; /* "http", "http2", "grpc", "redis", "postgresql", "mysql", "memcached", "dns", "tls", "tcp", ... */
	uint32_t flags; /* enum proto_flags */
	int32_t status; /* HTTP's, gRPC's, DNS's code; else 0 */
	struct proto_mark request, response;
	char operation[PROTO_OPERATION]; /* GET, SELECT, HMSET, A */
	char resource[PROTO_RESOURCE];	 /* normalised: /items/{n}, select * from t where id = ? */
	char error[PROTO_ERROR_TEXT];	 /* what it says of its failure */
	char peer[PROTO_ID_TEXT];	 /* Host, :authority, SNI, database: "": not told */
	struct proto_ids ids;
};

typedef void proto_exchange_fn(void *arg, const struct proto_exchange *x);

struct proto_conn_opts {
	bool datagram;
	int8_t client; /* 1: this end connected, 0: it accepted, -1: not known */
	proto_exchange_fn *exchange;
	void *arg;
};

int proto_conn_new(const struct proto_conn_opts *opts, struct proto_conn **ret); /* -ENOMEM */
struct proto_conn *proto_conn_free(struct proto_conn *c); /* NULL ok; returns NULL; tells nothing */

/* Pieces of one direction in the order of their offsets; both directions in the order in which sending began (begin_ns)
 * and receiving ended (boot_ns).  A first piece at offset 0 says that the connection is seen from its beginning. */
void proto_conn_feed(struct proto_conn *c, const struct proto_piece *p);
/* The connection ended, or the recording: what is open is told. */
void proto_conn_end(struct proto_conn *c, uint64_t boot_ns);
const char *proto_conn_name(const struct proto_conn *c); /* the protocol as far as it is known, "" */

#endif
