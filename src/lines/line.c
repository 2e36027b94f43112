/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms in which loggers write a line's time, and how each says its level.  The order matters where a form is another's
 * beginning.
 */
#include "lines/line.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "event/event.h"

enum how {
	BY_WORD,   /* a word behind the time */
	BY_KLOG,   /* the first character: I W E F */
	BY_REDIS,  /* the character behind the time: . - * # */
	BY_LETTER, /* ` I | `: capnslog, the early etcd's */
	BY_NEXT,   /* a word on the next line */
};

static const struct form {
	const char *format;
	uint8_t how;
} forms[] = {
	{ "%F %T.%f %. | ", BY_LETTER },
	/* log4j, logback, zap, slog, PostgreSQL, MariaDB, Erlang, Python's logging, Kubernetes and containerd */
	{ "%F[T][ ][_]%T[.%f][,%f][:%f][ %z][%z][ %Z]", BY_WORD },
	{ "%[%F[T][ ]%T[.%f][,%f][:%f][ %z][%z]", BY_WORD },
	/* Go's log, nginx's error log, etcd 3.3 */
	{ "%Y/%m/%d %T[.%f][ %z]", BY_WORD },
	{ "%[%Y/%m/%d %T[.%f][ %z]", BY_WORD },
	/* klog, glog, abseil: Lmmdd, or Lyyyymmdd */
	{ "%.%m%d %T.%f", BY_KLOG },
	{ "%.%Y%m%d %T.%f", BY_KLOG },
	/* redis, valkey: pid:role */
	{ "%i:%. %d %b %Y %T.%f", BY_REDIS },
	{ "%[%i%] %d %b %T.%f", BY_REDIS },
	{ "%i:signal-handler (%s)", BY_WORD },
	/* syslog as files have it, RFC 3164; with year and fraction, Cisco's */
	{ "%b %e %T[.%f]", BY_WORD },
	{ "%b %e %Y %T[.%f]", BY_WORD },
	/* java.util.logging: the level stands on the next line */
	{ "%b %e, %Y %I:%M:%S %p", BY_NEXT },
	{ "%b %e, %Y, %I:%M:%S %p", BY_NEXT },
	/* Tomcat, RFC 5322, Apache's error log, date(1) */
	{ "%d-%b-%Y %T[.%f]", BY_WORD },
	{ "[%a, ]%d %b %Y %T[.%f][,%f][ %z]", BY_WORD },
	{ "[%[]%a %b %e %T[.%f][ %Z] %Y", BY_WORD },
	/* HDFS: yy/mm/dd */
	{ "%y/%m/%d %T", BY_WORD },
	{ "%Y%m%d[-][ ]%T[.%f][:%f]", BY_WORD },
	{ "%m/%d/%Y %T[.%f][,%f]", BY_WORD },
	{ "%d.%m.%Y %T[.%f][,%f]", BY_WORD },
	{ "%d/%b/%Y %T[.%f]", BY_WORD },
	/* seconds since 1970 */
	{ "%[%s%]", BY_WORD },
	{ "%s[:]", BY_WORD },
	/* letter and ISO in brackets: Ruby, tornado, glog of Python */
	{ "%., %[%F[T][ ]%T[.%f]", BY_KLOG },
	{ "%[%. %F %T[.%f]", BY_WORD },
	{ "%[%. %y%m%d %T[.%f]", BY_WORD },
	/* Apache's and nginx's access log: after the client */
	{ "%. - - %[%d/%b/%Y:%T %z%]", BY_WORD },
	{ "%* %[%d/%b/%Y:%T %z%]", BY_WORD },
	/* level first, as ours: `INFO  2026-11-12 10:00:00,123`, `[ERROR] 2026/11/12 10:00:00`, RFC 5424's version */
	{ "[%[]%A[%]][:] [%[]%F[T][ ]%T", BY_WORD },
	{ "%i %F[T]%T[.%f][%z]", BY_WORD },
};

/* Words of levels that stand before a time. */
static size_t level_first(const char *text, size_t len, uint8_t *ret)
{
	size_t at = 0, n = 0;

	while (at < len && (text[at] == '[' || text[at] == '<' || text[at] == '('))
		at++;
	while (at + n < len && isalpha((unsigned char)text[at + n]))
		n++;
	*ret = n ? level_of_word(text + at, n) : LEVEL_NONE;
	if (*ret == LEVEL_NONE)
		return 0;
	for (at += n; at < len && strchr("]>):|- \t", text[at]); at++)
		;
	return at;
}

static uint8_t letter_level(char c)
{
	switch (c) {
	case 'I':
	case 'N':
		return LEVEL_INFO;
	case 'W':
		return LEVEL_WARNING;
	case 'E':
		return LEVEL_ERROR;
	case 'F':
	case 'C':
		return LEVEL_FATAL;
	case 'D':
		return LEVEL_DEBUG;
	default:
		return LEVEL_NONE;
	}
}

/* `* ready`: redis.conf(5), loglevel */
static uint8_t redis_level(const char *text, size_t len, size_t at)
{
	while (at < len && text[at] == ' ')
		at++;
	if (at + 1 >= len || text[at + 1] != ' ')
		return LEVEL_NONE;
	switch (text[at]) {
	case '.':
	case '-':
		return LEVEL_DEBUG;
	case '*':
		return LEVEL_INFO;
	case '#':
		return LEVEL_WARNING;
	default:
		return LEVEL_NONE;
	}
}

static void by_form(const struct form *form, const char *text, size_t len, struct line_info *ret)
{
	switch (form->how) {
	case BY_KLOG:
		ret->level = letter_level(text[0]);
		return;
	case BY_LETTER:
		ret->level = letter_level(text[ret->text_at - 4]);
		return;
	case BY_REDIS:
		ret->level = redis_level(text, len, ret->text_at);
		return;
	case BY_NEXT:
		ret->twofold = true;
		return;
	default:
		ret->level = level_find(text + ret->text_at, len - ret->text_at, true);
	}
}

static void stamped(const struct stamp *s, struct line_info *ret)
{
	ret->stamped = true;
	ret->unix_ns = s->unix_ns;
	ret->text_at = s->end;
}

/* Has klog's first letter where its forms want one: else a digit would do. */
static bool plausible(const struct form *form, const char *text)
{
	return form->how != BY_KLOG || isupper((unsigned char)text[0]);
}

/* May the line have a time in its first bytes at all? */
static bool has_digits(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < 96; i++)
		if (isdigit((unsigned char)text[i]))
			return true;
	return false;
}

static bool by_forms(const char *text, size_t len, const struct stamp_opts *opts, struct line_info *ret)
{
	struct stamp s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(forms); i++) {
		if (!plausible(&forms[i], text) || !stamp_match(forms[i].format, text, len, opts, &s))
			continue;
		stamped(&s, ret);
		by_form(&forms[i], text, len, ret);
		return true;
	}
	return false;
}

bool line_stamp(const char *text, size_t len, const struct stamp_opts *opts, struct stamp *ret)
{
	size_t i;

	for (i = 0; len && i < ARRAY_LEN(forms); i++)
		if (plausible(&forms[i], text) && stamp_match(forms[i].format, text, len, opts, ret))
			return true;
	return false;
}

/* `<30>`: facility and severity, as syslog(3) and sd-daemon(3) write them; returns its length. */
static size_t priority(const char *text, size_t len, uint8_t *ret)
{
	unsigned int v = 0;
	size_t n = 1;

	if (len < 3 || text[0] != '<')
		return 0;
	for (; n < len && n < 4 && isdigit((unsigned char)text[n]); n++)
		v = v * 10 + (unsigned int)(text[n] - '0');
	if (n == 1 || n >= len || text[n] != '>' || v > 191)
		return 0;
	*ret = level_of_priority(v & 7);
	return n + 1;
}

size_t line_clean(char *text, size_t len)
{
	size_t in = 0, out = 0;

	while (in < len) {
		if (text[in] == 0x1b && in + 1 < len && text[in + 1] == '[') {
			for (in += 2; in < len && (unsigned char)text[in] < 0x40; in++)
				;
			in += in < len;
			continue;
		}
		text[out++] = text[in++];
	}
	while (out && (text[out - 1] == '\r' || text[out - 1] == ' ' || text[out - 1] == '\t'))
		out--;
	return out;
}

void line_recognise(const char *text, size_t len, const char *pattern, const struct stamp_opts *opts,
		    struct line_info *ret)
{
	uint8_t before = LEVEL_NONE;
	struct stamp s;
	size_t skip = priority(text, len, &before);

	*ret = (struct line_info) { .text_at = skip };
	text += skip;
	len -= skip;
	if (pattern && stamp_match(pattern, text, len, opts, &s)) {
		stamped(&s, ret);
		ret->level = level_find(text + s.end, len - s.end, true);
	} else if (len && !fields_recognise(text, len, opts, ret)) {
		size_t level_len = before == LEVEL_NONE ? level_first(text, len, &before) : 0;

		if (!has_digits(text, len) || !(by_forms(text, len, opts, ret) ||
						(level_len && by_forms(text + level_len, len - level_len, opts, ret))))
			ret->level = level_find(text, len, false);
		else if (ret->text_at < level_len)
			ret->text_at += level_len;
	}
	if (ret->stamped)
		ret->text_at += skip;
	if (before != LEVEL_NONE && (skip || ret->stamped))
		ret->level = before;
}
