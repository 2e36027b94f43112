/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MASK_INTERNAL_H
#define SAKER_AGENT_MASK_INTERNAL_H
/*
 * The parts of mask_payload: what is kept of one direction, and the parsers of protocols.  Each takes the next bytes, masks
 * in them, and is told of bytes that were not kept (_skip) and of those that nobody knows (_lost).
 */
#include "agent/mask_payload.h"
#include "agent/mask_text.h"
#include "probe/recognise.h"

/* --- Redis: lines and strings with their lengths --- */

#define REDIS_ARG 32

struct mask_redis {
	struct mask_text text; /* within a string */
	uint64_t left;	       /* of the string and its CR LF; 0: a line */
	uint64_t args, index;  /* of the array */
	uint64_t user_at;      /* argument that names a user, before a password; 0: none */
	uint8_t nline, narg;
	bool lost;    /* where a line begins is not known: all is masked */
	bool secret;  /* the string */
	bool doubt;   /* after a loss: strings in no array may be anything */
	bool inlined; /* the line is a command with a secret */
	char line[REDIS_ARG], command[REDIS_ARG];
	char arg[REDIS_ARG], before[REDIS_ARG]; /* ends of this argument and of the one before, lower case */
};

void mask_redis(struct mask_redis *r, const struct mask_words *words, uint8_t *data, size_t len);
void mask_redis_skip(struct mask_redis *r, uint64_t bytes);
void mask_redis_lost(struct mask_redis *r);

/* --- HPACK (RFC 7541) --- */

#define HPACK_NAME 48
#define HPACK_NAMES 128

struct mask_hpack {
	struct mask_text text; /* of a value that is not coded */
	uint8_t state;	       /* enum hpack_state in mask_hpack.c */
	uint8_t shift;	       /* of the number that is being read */
	uint8_t nname;
	bool adds;	    /* the header goes into the table */
	bool named, secret; /* its name is known, and that of a secret */
	bool coded, masked; /* the string is of Huffman's code; from here on it is masked */
	uint32_t number;
	uint32_t left;	      /* bytes of the string */
	uint32_t bits, nbits; /* of the code, not yet decoded */
	uint32_t fill;	      /* bits that the mask has written */
	uint32_t to_fill;     /* and is to write */
	uint32_t inserted;    /* names since the last loss */
	uint8_t names[HPACK_NAMES / 8];
	uint8_t name[HPACK_NAME]; /* its end, or the end of the value that is decoded */
};

void mask_hpack(struct mask_hpack *h, const struct mask_words *words, uint8_t *data, size_t len);
void mask_hpack_begin(struct mask_hpack *h); /* of a block of headers */
void mask_hpack_lost(struct mask_hpack *h);  /* a part of a block */

/* --- protocols whose messages say their length --- */

struct mask_frames {
	struct mask_text text;
	struct mask_hpack hpack;
	uint64_t left;	  /* of the body */
	uint64_t pos;	  /* in the body */
	uint64_t visible; /* bytes at its beginning that are no secret */
	uint32_t pad;	  /* HTTP/2: at its end */
	uint32_t capabilities, secret_left;
	uint8_t head[24], nhead;
	uint8_t body; /* enum mask_body in mask_frames.c */
	uint8_t phase;
	bool lost;	    /* it is not known where a message begins */
	bool authenticates; /* MySQL: all but commands is secret */
	bool block;	    /* HTTP/2: headers go on in the next frame */
};

void mask_frames(struct mask_frames *f, int proto, const struct mask_words *words, uint8_t *data, size_t len);
void mask_frames_skip(struct mask_frames *f, uint64_t bytes); /* UINT64_MAX: nobody knows how many */
void mask_frames_lost(struct mask_frames *f);
/* Where a message may begin after a loss: goes on there if the bytes can be one. */
bool mask_frames_again(struct mask_frames *f, int proto, const struct recognise_head *h, uint32_t bytes);

#endif
