/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MASK_TEXT_H
#define SAKER_AGENT_MASK_TEXT_H
/*
 * mask_text - secrets in text that comes in pieces: HTTP/1.1, JSON, forms, SQL.
 *
 * Masked are the value behind a name that ends with a word of the list and `=` or `:`, to the end of the line if that is a
 * header, else of the quotes, else of the word; what stands in quotes behind PASSWORD and BY; the password in
 * `scheme://user:password@`.  A name or a value may be cut by the end of a piece anywhere.
 *
 * Threads: none shared.  Memory: the caller's.  Failure: none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mask_words;

#define MASK_TAIL 64
#define MASK_TEXT_MAX 1024 /* of one call */

enum mask_value {
	MASK_NONE,
	MASK_NAMED,  /* a name and its separator: the value is to come */
	MASK_LINE,   /* to the end of the line */
	MASK_QUOTED, /* to the quote that ends it */
	MASK_CLOSED, /* that quote was the last byte: if another follows, SQL means a quote in the value */
	MASK_WORD,   /* to a blank or the like */
	MASK_USER,   /* to the @ of a URL */
};

struct mask_text {
	uint8_t value;	     /* enum mask_value: what goes on with the next byte */
	uint8_t mark;	     /* the quote; 0: any, the one that it began with is not known */
	bool escaped;	     /* it stood behind a backslash: JSON in JSON */
	bool header;	     /* NAMED: the name stood at the beginning of a line */
	bool listed;	     /* the name was quoted: a value without quotes ends with a comma */
	uint8_t backslashes; /* so many were the last bytes, at most 3 */
	uint8_t ntail;
	uint8_t tail[MASK_TAIL]; /* the last bytes, as they were given out */
};

/* Goes on with len bytes, at most MASK_TEXT_MAX. */
void mask_text(struct mask_text *t, const struct mask_words *words, uint8_t *data, size_t len);
/* Bytes are missing here: a value goes on, a name does not. */
void mask_text_break(struct mask_text *t);
/* Something else begins. */
void mask_text_reset(struct mask_text *t);

/* Does it end with the name of a secret?  Returns the length of that name, 0: no. */
size_t mask_name_ends(const struct mask_words *words, const uint8_t *name, size_t len);

#endif
