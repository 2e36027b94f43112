/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_CONN_H
#define SAKER_PROTO_CONN_H
/*
 * conn - the frame's own: a connection, its two directions (stream.c), its open exchanges (exchange.c).
 * Protocols include proto/internal.h only.
 */
#include "proto/internal.h"

#define REFS 32 /* pieces remembered of what is not yet read */
#define REGISTRY_MAX 16
#define KEPT_PIECES 16	/* of a connection whose protocol is not known */
#define KEPT_BYTES 8192 /* of these */
#define NONSENSE_MAX 8	/* in a row: the guess was wrong */
#define ALONE_MIN 4	/* requests in a row that were alone: nobody pipelines here */
#define DOUBT_TURNS 2	/* clean turns until pairing by order is trusted again */

struct piece_ref {
	uint64_t offset, end, boot_ns, begin_ns, tag;
};

struct proto_dir {
	uint64_t next;	    /* what the next piece begins at */
	uint64_t at;	    /* read up to; beyond next: skipping.  UINT64_MAX: the rest up to the turn */
	uint64_t lost_from; /* !sync: since here nothing was followed */
	uint64_t
		turn_from; /* begin of the last piece that turned the conversation to this direction, or went on with it */
	uint8_t *buf;	   /* kept, from at on, contiguous */
	size_t have, cap;
	bool begun, sync;
	bool from_start; /* the connection was seen from its beginning */
	bool seen;	 /* !sync: bytes passed since lost_from */
	bool soft;	 /* !sync: but only the end of one message is not known, and the turn will show it */
	uint32_t nrefs;
	struct piece_ref refs[REFS]; /* [0] the oldest, which is never the one given up */
};

enum open_state {
	ASKED = 1,    /* the request has begun */
	ASK_ENDS = 2, /* and its end is known */
	ASK_PAST = 4, /* and has passed */
	ANSWERED = 8, /* the same of the response */
	ANSWER_ENDS = 16,
	ANSWER_PAST = 32,
	MISSABLE = 64, /* the response may have been in what nobody followed */
};

struct proto_open {
	struct proto_exchange x; /* first: proto_open_of() */
	struct proto_open *prev, *next;
	uint64_t id, note;
	uint32_t state;
};

struct kept_piece {
	struct proto_piece p; /* data: NULL, at the place in bytes */
	uint32_t at;
};

/* What a connection said before its protocol was known. */
struct kept {
	struct kept_piece pieces[KEPT_PIECES];
	uint32_t n, len;
	uint8_t bytes[KEPT_BYTES];
};

struct proto_conn {
	struct proto_conn_opts opts;
	const struct proto_ops *ops; /* NULL: not known */
	const char *name;
	void *state;
	struct kept *kept;
	struct proto_dir dirs[2]; /* [sent] */
	int asker;		  /* dirs[asker] asks; -1: not known */
	int last;		  /* direction of the last piece, -1: none */
	bool again, to_turns;	  /* see proto_again(), proto_turns() */
	uint64_t again_at;	  /* where in the direction of the piece that is read, the other protocol begins */
	uint32_t all_flags;	  /* see proto_all() */
	char all_peer[PROTO_ID_TEXT];
	uint32_t nonsense, good;
	int8_t bids[2][REGISTRY_MAX]; /* of the last turn, while nobody followed: [asker] */
	uint64_t tried;		      /* registry indexes that were wrong */
	uint32_t doubt;		      /* > 0: pairing by order is uncertain */
	uint32_t alone;		      /* requests that came when every other one had been answered */
	bool pipelined;		      /* one came when others had not */
	struct proto_open *first, *last_open, *spare;
	uint32_t nopen;
	uint32_t pending[2]; /* [sent]: ends known, not yet passed */
};

/* stream.c */
void dir_feed(struct proto_conn *c, const struct proto_piece *p);
void dir_datagram(struct proto_conn *c, const struct proto_piece *p);
const struct piece_ref *dir_ref(const struct proto_dir *d, uint64_t offset);
void dir_fini(struct proto_dir *d);

/* exchange.c */
static inline bool dir_asks(const struct proto_conn *c, const struct proto_dir *d)
{
	return d == &c->dirs[c->asker];
}
void open_settle(struct proto_conn *c, struct proto_dir *d); /* after a piece */
void open_turn(struct proto_conn *c, struct proto_dir *d);   /* d has been speaking, now the other side does */
void open_lost(struct proto_conn *c, struct proto_dir *d, bool missing); /* missing: pieces, not their tails only */
void open_resync(struct proto_conn *c, struct proto_dir *d, uint64_t begin);
bool open_in_middle(struct proto_conn *c, struct proto_dir *d); /* has a message begun whose end is not known? */
bool open_soft(struct proto_conn *c, struct proto_dir *d);	/* is all that could be lost the end of one message? */
void open_touch(struct proto_conn *c, struct proto_dir *d);	/* the messages of d that are under way */
void open_unfollowed(struct proto_conn *c, struct proto_dir *d, uint64_t begin);
void open_end(struct proto_conn *c, uint32_t flags); /* tells all */
void open_fini(struct proto_conn *c);

#endif
