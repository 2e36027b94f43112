/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A matcher that goes back when what follows an optional part or %* does not fit.  Its steps are counted, so that no
 * format that a person writes makes it run for long.
 */
#include "lines/stamp.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "lines/line.h"

#define STEPS_MAX 4096
#define SKIP_MAX 256  /* bytes for %* */
#define NESTED_MAX 8  /* optional parts within each other, and %* */
#define YEAR_MAX 2500 /* below 2^64 ns */
#define DIGITS_MAX 19

/* What is read so far. */
struct parts {
	int year, month, day, hour, minute, second;
	uint64_t fraction_ns;
	uint64_t epoch_ns;
	int32_t zone_s;
	bool has_year, has_month, has_day, has_hour, has_epoch, has_zone;
	int8_t half; /* of the day: 0 unknown, 1 AM, 2 PM */
};

struct match {
	const char *text;
	size_t len;
	unsigned int steps;
	struct parts p;
	size_t end;
};

static const char *const month_names[] = { "january", "february", "march",     "april",	  "may",      "june",
					   "july",    "august",	  "september", "october", "november", "december" };
static const char *const day_names[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };

/* Between min and max digits at `at`; returns how many, 0: fewer. */
static size_t digits(const struct match *m, size_t at, size_t min, size_t max, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < max && at + n < m->len && isdigit((unsigned char)m->text[at + n]); n++)
		v = v * 10 + (uint64_t)(m->text[at + n] - '0');
	if (n < min)
		return 0;
	*ret = v;
	return n;
}

static size_t number_within(const struct match *m, size_t at, size_t width, uint64_t low, uint64_t high, int *ret)
{
	uint64_t v = 0;
	size_t n = digits(m, at, width, width, &v);

	if (!n || v < low || v > high)
		return 0;
	*ret = (int)v;
	return n;
}

/* A name in full or its first three letters; returns its length. */
static size_t name_at(const struct match *m, size_t at, const char *const *names, size_t count, int *ret)
{
	size_t i, n;

	for (i = 0; i < count; i++) {
		n = strlen(names[i]);
		if (m->len - at >= n && !strncasecmp(m->text + at, names[i], n)) {
			*ret = (int)i;
			return n;
		}
	}
	for (i = 0; i < count; i++)
		if (m->len - at >= 3 && !strncasecmp(m->text + at, names[i], 3)) {
			*ret = (int)i;
			return 3;
		}
	return 0;
}

static size_t fraction(struct match *m, size_t at)
{
	uint64_t v = 0;
	size_t n = digits(m, at, 1, 9, &v), i;

	for (i = n; n && i < 9; i++)
		v *= 10;
	m->p.fraction_ns = v;
	/* digits beyond nanoseconds say nothing to us */
	while (n && at + n < m->len && isdigit((unsigned char)m->text[at + n]))
		n++;
	return n;
}

static size_t zone(struct match *m, size_t at)
{
	static const char *const names[] = { "UTC", "GMT", "Z" };
	uint64_t hours, minutes = 0;
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		n = strlen(names[i]);
		if (m->len - at >= n && !strncasecmp(m->text + at, names[i], n) &&
		    (at + n == m->len || !isalnum((unsigned char)m->text[at + n]))) {
			m->p.zone_s = 0;
			m->p.has_zone = true;
			return n;
		}
	}
	if (at >= m->len || (m->text[at] != '+' && m->text[at] != '-') || !digits(m, at + 1, 2, 2, &hours) ||
	    hours > 15)
		return 0;
	n = 3;
	if (at + n < m->len && m->text[at + n] == ':' && digits(m, at + n + 1, 2, 2, &minutes))
		n += 3;
	else if (digits(m, at + n, 2, 2, &minutes))
		n += 2;
	m->p.zone_s = (int32_t)(hours * 3600 + minutes * 60);
	if (m->text[at] == '-')
		m->p.zone_s = -m->p.zone_s;
	m->p.has_zone = true;
	return n;
}

/* Seconds since 1970 with a fraction, or whole ms, us, ns. */
static size_t epoch(struct match *m, size_t at, uint64_t unit_ns)
{
	uint64_t v = 0;
	size_t n = digits(m, at, unit_ns == NS_PER_SEC ? 9 : 12, DIGITS_MAX, &v), f;

	if (!n || v > UINT64_MAX / 2 / unit_ns)
		return 0;
	if (at + n < m->len && isdigit((unsigned char)m->text[at + n]))
		return 0;
	m->p.epoch_ns = v * unit_ns;
	m->p.has_epoch = true;
	if (unit_ns == NS_PER_SEC && at + n + 1 < m->len && m->text[at + n] == '.') {
		f = fraction(m, at + n + 1);
		n += f ? f + 1 : 0;
	}
	return n;
}

/* A zone's name; INFO is none. */
static size_t zone_name(const struct match *m, size_t at)
{
	size_t n = 0;

	while (at + n < m->len && isupper((unsigned char)m->text[at + n]))
		n++;
	if (n < 3 || n > 5 || (at + n < m->len && isalnum((unsigned char)m->text[at + n])))
		return 0;
	return level_of_word(m->text + at, n) == LEVEL_NONE ? n : 0;
}

static size_t year(struct match *m, size_t at, bool whole)
{
	size_t n = whole ? number_within(m, at, 4, 1970, YEAR_MAX, &m->p.year)
			 : number_within(m, at, 2, 0, 99, &m->p.year);

	/* POSIX strptime(3): 69 to 99 are the 20th century */
	if (!whole)
		m->p.year += m->p.year < 69 ? 2000 : 1900;
	m->p.has_year = n;
	return n;
}

static size_t day(struct match *m, size_t at)
{
	size_t n = number_within(m, at, 2, 1, 31, &m->p.day), pad = 0;

	if (!n) {
		pad = at < m->len && m->text[at] == ' ';
		n = number_within(m, at + pad, 1, 1, 9, &m->p.day);
	}
	m->p.has_day = n;
	return n ? n + pad : 0;
}

static size_t month(struct match *m, size_t at, bool named)
{
	size_t n = named ? name_at(m, at, month_names, ARRAY_LEN(month_names), &m->p.month)
			 : number_within(m, at, 2, 1, 12, &m->p.month);

	m->p.month += named;
	m->p.has_month = n;
	return n;
}

static size_t half(struct match *m, size_t at)
{
	if (m->len - at < 2 || tolower((unsigned char)m->text[at + 1]) != 'm')
		return 0;
	m->p.half = tolower((unsigned char)m->text[at]) == 'a' ? 1 : 2;
	return tolower((unsigned char)m->text[at]) == 'a' || tolower((unsigned char)m->text[at]) == 'p' ? 2 : 0;
}

static size_t hour(struct match *m, size_t at, bool twelve)
{
	size_t n = number_within(m, at, 2, twelve, twelve ? 12 : 23, &m->p.hour);

	if (!n && twelve)
		n = number_within(m, at, 1, 1, 9, &m->p.hour);
	m->p.has_hour = n;
	return n;
}

/* One part of a time at `at`; returns its bytes, 0: it is not there. */
static size_t part(struct match *m, char what, size_t at)
{
	int ignored;
	uint64_t any;

	switch (what) {
	case 'Y':
	case 'y':
		return year(m, at, what == 'Y');
	case 'm':
	case 'b':
	case 'B':
		return month(m, at, what != 'm');
	case 'd':
	case 'e':
		return day(m, at);
	case 'a':
	case 'A':
		return name_at(m, at, day_names, ARRAY_LEN(day_names), &ignored);
	case 'H':
	case 'I':
		return hour(m, at, what == 'I');
	case 'p':
		return half(m, at);
	case 'M':
		return number_within(m, at, 2, 0, 59, &m->p.minute);
	case 'S':
		return number_within(m, at, 2, 0, 60, &m->p.second);
	case 'f':
		return fraction(m, at);
	case 'z':
		return zone(m, at);
	case 'Z':
		return zone_name(m, at);
	case 's':
		return epoch(m, at, NS_PER_SEC);
	case 'L':
		return epoch(m, at, NS_PER_MS);
	case 'U':
		return epoch(m, at, 1000);
	case 'N':
		return epoch(m, at, 1);
	case 'i':
		return digits(m, at, 1, DIGITS_MAX, &any);
	case '.':
		return at < m->len;
	default: /* %% %[ %] */
		return at < m->len && m->text[at] == what;
	}
}

/* Behind the ] that belongs to the [ before `f`. */
static const char *skip_group(const char *f)
{
	unsigned int depth = 1;

	for (; *f && depth; f++) {
		if (*f == '%' && f[1])
			f++;
		else
			depth += (*f == '[') - (*f == ']');
	}
	return f;
}

static bool match_rest(struct match *m, const char *f, size_t at, unsigned int depth);

/* With what stands in brackets, else without. */
static bool match_group(struct match *m, const char *f, size_t at, unsigned int depth)
{
	struct parts before = m->p;

	if (match_rest(m, f + 1, at, depth + 1))
		return true;
	m->p = before;
	return match_rest(m, skip_group(f + 1), at, depth + 1);
}

static bool match_skip(struct match *m, const char *f, size_t at, unsigned int depth)
{
	struct parts before = m->p;
	size_t i;

	for (i = at; i <= m->len && i - at < SKIP_MAX; i++) {
		if (match_rest(m, f + 2, i, depth + 1))
			return true;
		m->p = before;
	}
	return false;
}

static size_t blanks(const struct match *m, size_t at)
{
	size_t n = 0;

	while (at + n < m->len && (m->text[at + n] == ' ' || m->text[at + n] == '\t'))
		n++;
	return n;
}

/* %F and %T are others, written out. */
static size_t compound(struct match *m, const char *parts, size_t at)
{
	size_t start = at, n;

	for (; *parts; parts++) {
		n = *parts == '-' || *parts == ':' ? at < m->len && m->text[at] == *parts : part(m, *parts, at);
		if (!n)
			return 0;
		at += n;
	}
	return at - start;
}

static size_t conversion(struct match *m, char what, size_t at)
{
	if (what == 'F')
		return compound(m, "Y-m-d", at);
	if (what == 'T')
		return compound(m, "H:M:S", at);
	return part(m, what, at);
}

static bool match_rest(struct match *m, const char *f, size_t at, unsigned int depth)
{
	size_t n;

	if (depth > 2 * NESTED_MAX)
		return false;
	for (; *f; at += n) {
		if (++m->steps > STEPS_MAX)
			return false;
		n = 0;
		if (*f == '[')
			return match_group(m, f, at, depth);
		if (*f == '%' && f[1] == '*')
			return match_skip(m, f, at, depth);
		if (*f == ']') {
			f++;
			continue;
		}
		if (*f == '%')
			n = conversion(m, f[1], at);
		else
			n = *f == ' ' ? blanks(m, at) : at < m->len && m->text[at] == *f;
		if (!n)
			return false;
		f += *f == '%' ? 2 : 1;
	}
	m->end = at;
	return true;
}

/* Days since 1970 of the proleptic Gregorian calendar: years that begin in March have their leap day at the end. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

/* Seconds since 1970 as this host's zone has it. */
static int64_t local_seconds(const struct parts *p, int year)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = p->month - 1,
			 .tm_mday = p->day,
			 .tm_hour = p->hour,
			 .tm_min = p->minute,
			 .tm_sec = p->second,
			 .tm_isdst = -1 };

	return (int64_t)mktime(&tm);
}

static int64_t seconds_of(const struct parts *p, int year, const struct stamp_opts *o)
{
	if (!p->has_zone && o->local)
		return local_seconds(p, year);
	return days_of(year, p->month, p->day) * 86400 + p->hour * 3600 + p->minute * 60 + p->second -
	       (p->has_zone ? p->zone_s : o->zone_s);
}

/* The year that brings a stamp without one closest to the moment at which it was read or written. */
static int year_near(const struct parts *p, const struct stamp_opts *o)
{
	int64_t near = (int64_t)(o->near_ns / NS_PER_SEC), best = INT64_MAX, distance;
	int year = 1970 + (int)(near / 31556952), found = year, i;

	for (i = year - 1; i <= year + 1; i++) {
		distance = seconds_of(p, i, o) - near;
		distance = distance < 0 ? -distance : distance;
		if (distance < best) {
			best = distance;
			found = i;
		}
	}
	return found;
}

static bool moment(struct parts *p, const struct stamp_opts *o, uint64_t *ret)
{
	int64_t s;

	if (p->has_epoch) {
		*ret = p->epoch_ns + p->fraction_ns;
		return true;
	}
	if (!p->has_month || !p->has_day || !p->has_hour)
		return false;
	if (p->half)
		p->hour = p->hour % 12 + (p->half == 2 ? 12 : 0);
	s = seconds_of(p, p->has_year ? p->year : o->year ? o->year : year_near(p, o), o);
	if (s < 0)
		return false;
	*ret = (uint64_t)s * NS_PER_SEC + p->fraction_ns;
	return true;
}

bool stamp_match(const char *format, const char *text, size_t len, const struct stamp_opts *opts, struct stamp *ret)
{
	struct match m = { .text = text, .len = len };
	struct stamp found;

	if (!match_rest(&m, format, 0, 0) || !moment(&m.p, opts, &found.unix_ns))
		return false;
	found.end = m.end;
	*ret = found;
	return true;
}

bool stamp_epoch(const char *text, size_t len, struct stamp *ret)
{
	static const uint64_t units[] = { NS_PER_SEC, NS_PER_MS, 1000, 1 };
	struct match m = { .text = text, .len = len };
	size_t n = 0, unit, whole;
	double d = 0;

	while (n < len && isdigit((unsigned char)text[n]))
		n++;
	/* 1.7634e+09, as zap writes it */
	if (n == 1 && memchr(text, 'e', len > 32 ? 32 : len) && len < 64) {
		char copy[64], *end;

		memcpy(copy, text, len);
		copy[len] = 0;
		d = strtod(copy, &end);
		if (end == copy || d < 1e8 || d > 9e9)
			return false;
		*ret = (struct stamp) { .unix_ns = (uint64_t)(d * 1e6 + 0.5) * 1000, .end = (size_t)(end - copy) };
		return true;
	}
	unit = n < 9 ? 4 : n < 12 ? 0 : n < 15 ? 1 : n < 18 ? 2 : n < 20 ? 3 : 4;
	whole = unit < 4 ? epoch(&m, 0, units[unit]) : 0;
	if (!whole)
		return false;
	*ret = (struct stamp) { .unix_ns = m.p.epoch_ns + m.p.fraction_ns, .end = whole };
	return true;
}

int stamp_format_check(const char *format, struct err *err)
{
	unsigned int depth = 0, nested = 0;
	bool day_seen = false, hour_seen = false, whole = false;
	const char *f;

	for (f = format; *f; f++) {
		if (*f == '[' || *f == ']') {
			depth += *f == '[';
			nested += *f == '[';
			if (*f == ']' && !depth--)
				return err_set(err, EINVAL, "the pattern '%s' has a ] without its [", format);
		}
		if (*f != '%')
			continue;
		if (!f[1] || !strchr("YymbBdeaAHIpMSfFTzZsLUNi.*%[]", f[1]))
			return err_set(err, EINVAL, "the pattern '%s' has '%%%.1s', which stands for nothing", format,
				       f + 1);
		f++;
		nested += *f == '*';
		day_seen |= *f == 'd' || *f == 'e' || *f == 'F';
		hour_seen |= *f == 'H' || *f == 'I' || *f == 'T';
		whole |= strchr("sLUN", *f) != NULL;
	}
	if (depth)
		return err_set(err, EINVAL, "the pattern '%s' has a [ without its ]", format);
	if (nested > NESTED_MAX)
		return err_set(err, EINVAL, "the pattern '%s' has more than %d [ and %%*", format, NESTED_MAX);
	if (!whole && !(day_seen && hour_seen))
		return err_set(err, EINVAL, "the pattern '%s' has no day and hour, nor seconds since 1970", format);
	return 0;
}
