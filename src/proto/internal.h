/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_INTERNAL_H
#define SAKER_PROTO_INTERNAL_H
/*
 * internal - what is between the frame (proto.c, stream.c, exchange.c) and the file of one protocol.
 *
 * A protocol is a file with one `const struct proto_ops proto_NAME`, listed in the registry of proto.c.  The frame calls
 * bid() with what a side said first, and once a protocol is chosen read() with the kept bytes of a direction, again and
 * again until it wants more than there are.  read() takes one unit each time (a header, a frame, a chunk, or a whole
 * message) and says how long it is; units may be longer than what was kept: the frame then skips.
 *
 * What read() learns it says with proto_ask() and proto_answer(), which give the exchange to fill in, and with
 * proto_ask_end() and proto_answer_end() once it knows where in the stream the message ends (which may be far ahead).
 * The frame finds the times and tags, pairs, tells, and ends at a turn of the conversation what nobody can delimit.
 *
 * When bytes are missing at a place where their number matters, the frame calls lost(), and then shows begins() each new
 * piece of the direction until it agrees that this can only be the beginning of a message (or frame); from there on it
 * reads again.
 */
#include "proto/proto.h"

/* Kept bytes of one direction from the place on up to which it was read.  A unit of which PROTO_VIEW_MAX are
 * kept without being whole is lost. */
struct proto_view {
	const uint8_t *data;
	size_t have;	 /* > 0 */
	uint64_t offset; /* of data[0] in the stream; datagrams: 0.  0 on a stream: the connection's very beginning */
	uint64_t fed;	 /* bytes that have passed from offset on, kept or not: the last piece ends at offset + fed */
	bool asks;	 /* said by the side that asks */
	bool cut;	 /* bytes right behind these were not kept: to wait for more is vain */
	bool mid;	 /* begins(): what the side said before in this turn was not followed */
	bool datagram;
};
#define PROTO_VIEW_MAX (64 * 1024)

/* What read() returns; > 0: so many bytes are read, also beyond v->have. */
#define PROTO_MORE 0	     /* the unit is not whole; if v->cut it never will be, and the frame calls lost() */
#define PROTO_NONSENSE (-1)  /* this protocol never says so */
#define PROTO_LOST (-2)	     /* what follows cannot be delimited: next at a piece that begins() */
#define PROTO_REST INT64_MAX /* all the rest up to the turn of the conversation or its end belongs to the message */

/* bid() */
#define PROTO_SURE 100	/* decides at once */
#define PROTO_LIKELY 60 /* decides when the other side has spoken and said nothing against it */
#define PROTO_MAYBE 30	/* decides when both sides say so */
#define PROTO_NO 0
#define PROTO_NEVER (-100) /* weighs against the other side's bid */

struct proto_ops {
	const char *name;
	bool stream, datagram; /* where it is spoken */
	bool by_id;	       /* requests and responses are paired by an id, not by their order */
	bool pipelines;	       /* many requests in one piece are usual */
	size_t state_bytes;    /* of its own for a connection; zero at the beginning */
	/* How certain is it that these are the first bytes of what the side v->asks says?  Never changes anything. */
	int (*bid)(const struct proto_view *v);
	/* Could these bytes at the beginning of a piece be anything but the beginning of a message? */
	bool (*begins)(void *state, const struct proto_view *v);
	/* NULL ok: asked before, if a message of this direction is open: is this surely a unit in the middle of it? */
	bool (*continues)(void *state, const struct proto_view *v);
	int64_t (*read)(struct proto_conn *c, void *state, const struct proto_view *v);
	void (*lost)(struct proto_conn *c, void *state, bool asks); /* NULL ok: bytes of that direction are missing */
	void (*fini)(void *state);				    /* NULL ok */
};

/*
 * Exchanges, for read().  Pointers are borrowed until read() returns.  NULL: no memory, or none is open.
 * By order (ops->by_id false) id is ignored.
 */

/* A request begins at the offset: a new exchange. */
struct proto_exchange *proto_ask(struct proto_conn *c, uint64_t id, uint64_t begin);
/* A response begins: the exchange of the oldest request without one (by id: of this id); none: a new one, PROTO_UNASKED. */
struct proto_exchange *proto_answer(struct proto_conn *c, uint64_t id, uint64_t begin);
/* A response to none of the requests that are known: a new exchange, PROTO_UNASKED. */
struct proto_exchange *proto_unasked(struct proto_conn *c, uint64_t id, uint64_t begin);
/* The exchange whose request (response) has begun and has no known end yet; by id: of this id. */
struct proto_exchange *proto_asking(struct proto_conn *c, uint64_t id);
struct proto_exchange *proto_answering(struct proto_conn *c, uint64_t id);
/* The exchange that proto_answer() would give, NULL if it would be unasked. */
struct proto_exchange *proto_awaiting(struct proto_conn *c, uint64_t id);
/* The id that proto_ask() was given (also by order). */
uint64_t proto_id(const struct proto_exchange *x);
/* Its message ends before this offset.  With both ends it will be told (at once, if the bytes have passed): x is gone. */
void proto_ask_end(struct proto_conn *c, struct proto_exchange *x, uint64_t end);
void proto_answer_end(struct proto_conn *c, struct proto_exchange *x, uint64_t end);
/* There is no (further) response to wait for: it is told, with the flags set in it. */
void proto_drop(struct proto_conn *c, struct proto_exchange *x);

/* A number of the protocol's own for each exchange; zero at the beginning. */
uint64_t *proto_note(struct proto_exchange *x);
/* The exchange behind x in the order of their requests, of NULL the first one; NULL: there is none. */
struct proto_exchange *proto_next(struct proto_conn *c, struct proto_exchange *x);
/* Is a response to it still to begin? */
bool proto_awaits(const struct proto_exchange *x);
/* Has its request (response) begun, and no known end yet? */
bool proto_under_way(const struct proto_exchange *x, bool asks);
/* All exchanges from now on have these flags, and this peer unless they tell another. */
void proto_all(struct proto_conn *c, uint32_t flags, const char *peer);

/* Behind what read() has read another protocol may be spoken (STARTTLS, CONNECT, Upgrade): recognise again. */
void proto_again(struct proto_conn *c);
/* From the next piece on only turns are told, as those of this protocol (a static string). */
void proto_turns(struct proto_conn *c, const char *name);

/* Text (text.c).  All of them cut at the end of dst, end it with NUL, and put '?' for bytes that are no text. */
void proto_text(char *dst, size_t size, const void *data, size_t len);
void proto_upper(char *dst, size_t size, const void *data, size_t len);
/* The length of the line at the beginning with its end, 0: its end is not there. *ret_len: without it. */
size_t proto_line(const void *data, size_t have, size_t *ret_len);
/* The path of a URL without query: /items/17 -> /items/{n}, /user/550e8400-... -> /user/{id}; the rules: docs/protocols.md. */
void proto_path(char *dst, size_t size, const void *data, size_t len);
/* A key such as user:17:name -> user:{n}:name; the same rules, the separators are : / . - _ | and blanks. */
void proto_key(char *dst, size_t size, const void *data, size_t len);
/* Ids of header lines that HTTP/1, HTTP/2 and gRPC share: traceparent, b3, x-b3-traceid, x-b3-spanid, x-request-id.  The
 * name in any case; false: not one of them. */
bool proto_id_header(struct proto_ids *ids, const void *name, size_t name_len, const void *value, size_t value_len);

extern const struct proto_ops proto_turn; /* the fall-back */
extern const struct proto_ops proto_dns;
extern const struct proto_ops proto_http1;
extern const struct proto_ops proto_http2; /* with gRPC */
extern const struct proto_ops proto_postgresql;
extern const struct proto_ops proto_mysql;
extern const struct proto_ops proto_tls;
extern const struct proto_ops proto_memcached; /* text */
extern const struct proto_ops proto_memcached_binary;
extern const struct proto_ops proto_redis;

#endif
