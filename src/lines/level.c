/* SPDX-License-Identifier: Apache-2.0 */
/* level - the words by which loggers say how bad something is, and where in a line such a word counts as one. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "lines/line.h"

#define WORDS_SEEN 10 /* behind the time: process, thread and logger stand before the level */
#define BYTES_SEEN 160

static const struct {
	const char *word;
	uint8_t level;
} words[] = {
	{ "trace", LEVEL_DEBUG },      { "trc", LEVEL_DEBUG },	     { "debug", LEVEL_DEBUG },
	{ "dbg", LEVEL_DEBUG },	       { "fine", LEVEL_DEBUG },	     { "finer", LEVEL_DEBUG },
	{ "finest", LEVEL_DEBUG },     { "verbose", LEVEL_DEBUG },   { "debug1", LEVEL_DEBUG },
	{ "debug2", LEVEL_DEBUG },     { "debug3", LEVEL_DEBUG },    { "debug4", LEVEL_DEBUG },
	{ "debug5", LEVEL_DEBUG },     { "info", LEVEL_INFO },	     { "inf", LEVEL_INFO },
	{ "information", LEVEL_INFO }, { "notice", LEVEL_INFO },     { "note", LEVEL_INFO },
	{ "log", LEVEL_INFO },	       { "config", LEVEL_INFO },     { "detail", LEVEL_INFO },
	{ "hint", LEVEL_INFO },	       { "statement", LEVEL_INFO },  { "context", LEVEL_INFO },
	{ "system", LEVEL_INFO },      { "warn", LEVEL_WARNING },    { "warning", LEVEL_WARNING },
	{ "wrn", LEVEL_WARNING },      { "error", LEVEL_ERROR },     { "err", LEVEL_ERROR },
	{ "severe", LEVEL_ERROR },     { "fatal", LEVEL_FATAL },     { "ftl", LEVEL_FATAL },
	{ "critical", LEVEL_FATAL },   { "crit", LEVEL_FATAL },	     { "alert", LEVEL_FATAL },
	{ "emerg", LEVEL_FATAL },      { "emergency", LEVEL_FATAL }, { "panic", LEVEL_FATAL },
	{ "dpanic", LEVEL_FATAL },     { "pnc", LEVEL_FATAL },
};

/* Lines that no logger wrote, by their beginning: what runtimes and the C library print. */
static const struct {
	const char *begin;
	uint8_t level;
} heads[] = {
	{ "Traceback (most recent call last)", LEVEL_ERROR },
	{ "Exception in thread ", LEVEL_ERROR },
	{ "Exception ignored in", LEVEL_WARNING },
	{ "panic: ", LEVEL_FATAL },
	{ "fatal error: ", LEVEL_FATAL },
	{ "terminate called ", LEVEL_FATAL },
	{ "Segmentation fault", LEVEL_FATAL },
	{ "*** stack smashing", LEVEL_FATAL },
	{ "# A fatal error has been detected", LEVEL_FATAL },
	{ "thread '", LEVEL_NONE }, /* Rust's, if it panicked */
};

uint8_t level_of_word(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].word) == len && !strncasecmp(words[i].word, word, len))
			return words[i].level;
	return LEVEL_NONE;
}

uint8_t level_of_priority(uint64_t severity)
{
	static const uint8_t levels[] = { LEVEL_FATAL,	 LEVEL_FATAL, LEVEL_FATAL, LEVEL_ERROR,
					  LEVEL_WARNING, LEVEL_INFO,  LEVEL_INFO,  LEVEL_DEBUG };

	return severity < ARRAY_LEN(levels) ? levels[severity] : LEVEL_NONE;
}

static bool upper(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (islower((unsigned char)word[i]))
			return false;
	return true;
}

/*
 * A word counts as the level if it stands in capitals, in brackets, before a colon that is the first one, or alone between
 * tabs or bars; else `no error was found` would be one.
 */
static bool counts(const char *text, size_t len, size_t at, size_t n, bool stamped, unsigned int nth)
{
	char before = at ? text[at - 1] : ' ', after = at + n < len ? text[at + n] : ' ';
	bool first = stamped && !nth && (before == ' ' || before == '\t') && (after == ' ' || after == '\t');

	if (after == '=' || before == '=' || after == '/' || before == '/' || after == '.')
		return false;
	if ((before == '[' && after == ']') || (before == '(' && after == ')') || (before == '<' && after == '>'))
		return true;
	if (upper(text + at, n))
		return n > 2;
	return first || (after == ':' && nth < 3) || (before == '\t' && after == '\t') ||
	       (before == '|' && after == '|');
}

/* `main.c:12: error: no such thing`, `ls: cannot open`: the program's own name stands before */
static uint8_t by_words(const char *text, size_t len, bool stamped)
{
	size_t at = 0, n;
	unsigned int nth = 0;
	uint8_t level;

	while (at < len && at < BYTES_SEEN && nth < WORDS_SEEN) {
		if (!isalpha((unsigned char)text[at])) {
			at++;
			continue;
		}
		for (n = 0; at + n < len && isalnum((unsigned char)text[at + n]); n++)
			;
		level = level_of_word(text + at, n);
		if (level != LEVEL_NONE && counts(text, len, at, n, stamped, nth))
			return level;
		at += n;
		nth++;
	}
	return LEVEL_NONE;
}

bool level_exception(const char *text, size_t len)
{
	static const char *const ends[] = { "Exception", "Error", "Throwable", "Interrupt", "Exit", "Warning" };
	size_t n = 0, i, last = 0;

	while (n < len && (isalnum((unsigned char)text[n]) || text[n] == '.' || text[n] == '_' || text[n] == '$')) {
		if (text[n] == '.' || text[n] == '$')
			last = n + 1;
		n++;
	}
	if (!n || last >= n || !isupper((unsigned char)text[last]) || (n < len && text[n] != ':'))
		return false;
	for (i = 0; i < ARRAY_LEN(ends); i++) {
		size_t e = strlen(ends[i]);

		if (n - last >= e && !memcmp(text + n - e, ends[i], e))
			return true;
	}
	return false;
}

static bool says_panicked(const char *text, size_t len)
{
	return memmem(text, len, " panicked at ", 13);
}

uint8_t level_find(const char *text, size_t len, bool stamped)
{
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(heads); i++) {
		n = strlen(heads[i].begin);
		if (len < n || memcmp(text, heads[i].begin, n) != 0)
			continue;
		if (heads[i].level != LEVEL_NONE)
			return heads[i].level;
		if (says_panicked(text, len))
			return LEVEL_FATAL;
	}
	if (level_exception(text, len) && len > 8)
		return memmem(text, len < 80 ? len : 80, "Warning", 7) ? LEVEL_WARNING : LEVEL_ERROR;
	return by_words(text, len, stamped);
}
