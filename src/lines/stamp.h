/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_LINES_STAMP_H
#define SAKER_LINES_STAMP_H
/*
 * stamp - the time that a log line states.
 *
 * A format is text in which these stand for parts of a time; all else is literal, a blank for one or more blanks.
 *	%Y year, 4 digits   %y 2 digits   %m month   %b %B its English name   %d %e day   %a %A weekday, ignored
 *	%H hour   %I of 12   %p AM or PM   %M minute   %S second   %f fraction of it, 1 to 9 digits
 *	%F is %Y-%m-%d   %T is %H:%M:%S
 *	%z zone: Z, UTC, GMT, +01:00, +0100, +01   %Z name of a zone, ignored
 *	%s seconds since 1970, perhaps with a fraction   %L milliseconds   %U microseconds   %N nanoseconds
 *	%i a number, ignored   %. any character   %* any characters, as few as do
 *	[...] may be there or not, what of several fits first is taken   %% %[ %] these characters
 *
 * Threads: none shared.  Memory: none.  Failure: no match.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What a stamp leaves open */
struct stamp_opts {
	bool local;	  /* without a zone it is this host's (TZ); else zone_s east of UTC */
	int32_t zone_s;	  /* seconds */
	int32_t year;	  /* of stamps without one; 0: the year that brings it closest to near_ns */
	uint64_t near_ns; /* since 1970 */
};

struct stamp {
	uint64_t unix_ns;
	size_t end; /* bytes of the line that it took */
};

/* The line's beginning fits the format, and is a moment since 1970. */
bool stamp_match(const char *format, const char *text, size_t len, const struct stamp_opts *opts, struct stamp *ret);
/* A number by itself: seconds, or by its size ms, us, ns since 1970. */
bool stamp_epoch(const char *text, size_t len, struct stamp *ret);
/* A person's format; the sentence says what is wrong and where. */
int stamp_format_check(const char *format, struct err *err);

#endif
