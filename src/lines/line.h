/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_LINES_LINE_H
#define SAKER_LINES_LINE_H
/*
 * line - what a log line says of itself: when it was written, how bad it is, whether it goes on with the one before.
 *
 * Works from tables of the forms in which loggers write (formats in line.c, words in level.c).  A line of an unknown form
 * has no time and no level; nothing is refused.
 *
 * Threads: none shared.  Memory: none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lines/stamp.h"

struct line_info {
	uint64_t unix_ns; /* 0: it states no time */
	size_t text_at;	  /* where what it says begins, behind its time */
	uint8_t level;	  /* enum level */
	bool stamped;
	bool twofold; /* the level stands on the next line (java.util.logging) */
};

/* text has no line feed; pattern is a person's format (stamp.h) that goes before ours, or NULL. */
void line_recognise(const char *text, size_t len, const char *pattern, const struct stamp_opts *opts,
		    struct line_info *ret);

/* Colours (ECMA-48 SGR and other control sequences) and blanks at the end go; returns the new length. */
size_t line_clean(char *text, size_t len);

/* level.c: of a word, LEVEL_NONE: none; of what follows the time of a line. */
uint8_t level_of_word(const char *word, size_t len);
uint8_t level_find(const char *text, size_t len, bool stamped);
/* As syslog numbers them (RFC 5424 section 6.2.1); other numbers: LEVEL_NONE. */
uint8_t level_of_priority(uint64_t severity);
/* The line is the head of an exception's description: `java.io.IOException: gone`. */
bool level_exception(const char *text, size_t len);

/* fields.c: a line that is a JSON object, or key=value pairs; false: it is neither. */
bool fields_recognise(const char *text, size_t len, const struct stamp_opts *opts, struct line_info *ret);

/* A stamp in any form of ours; false: there is none. */
bool line_stamp(const char *text, size_t len, const struct stamp_opts *opts, struct stamp *ret);

/*
 * fold.c: does a line go on with the record before?  Knows stack traces of Java, Python and Go, indented lines, and
 * brackets that close.  begin: `fold` is about the record that this line begins.
 */
enum fold_state { FOLD_PLAIN, FOLD_PYTHON, FOLD_CHAIN, FOLD_GO, FOLD_TWOFOLD };

struct fold {
	uint8_t state;
	uint8_t level; /* of the record's head */
	bool stamped;  /* the head is */
};

void fold_begin(struct fold *f, const char *text, size_t len, const struct line_info *info);
/* same_call: it was written by the same call as the head. */
bool fold_continues(struct fold *f, const char *text, size_t len, const struct line_info *info, bool same_call);

#endif
