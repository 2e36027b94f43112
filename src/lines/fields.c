/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields - lines of named values: JSON objects (zap, logrus, bunyan, pino, MongoDB, etcd) and key=value pairs (logfmt).
 *
 * Only what is needed of JSON (RFC 8259) is read: names and values of the outermost object, and of {"$date":...} within.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "event/event.h"
#include "lines/line.h"

static const char *const time_names[] = { "ts",	      "time",	  "timestamp", "@timestamp", "t",
					  "$date",    "datetime", "eventTime", "asctime",    "date",
					  "log_time", "created",  "timestampz" };
static const char *const level_names[] = { "level",    "lvl",	    "severity", "levelname", "s",
					   "loglevel", "log.level", "PRIORITY", "sev",	     "level_name" };

struct value {
	const char *text;
	size_t len;
	bool quoted;
};

static bool named(const struct value *name, const char *const *names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strlen(names[i]) == name->len && !strncasecmp(names[i], name->text, name->len))
			return true;
	return false;
}

/* The string whose quote is at `at`; returns the place behind it, 0: it does not end. */
static size_t quoted(const char *text, size_t len, size_t at, struct value *ret)
{
	size_t i;

	for (i = at + 1; i < len && text[i] != '"'; i++)
		i += text[i] == '\\';
	if (i >= len)
		return 0;
	*ret = (struct value) { .text = text + at + 1, .len = i - at - 1, .quoted = true };
	return i + 1;
}

static size_t bare(const char *text, size_t len, size_t at, struct value *ret)
{
	size_t n = 0;

	while (at + n < len && !strchr(",}] \t", text[at + n]))
		n++;
	*ret = (struct value) { .text = text + at, .len = n };
	return at + n;
}

static void take_time(const struct value *v, const struct stamp_opts *opts, struct line_info *ret)
{
	struct stamp s;

	if (ret->stamped || !v->len)
		return;
	if (stamp_epoch(v->text, v->len, &s) ? s.end == v->len : line_stamp(v->text, v->len, opts, &s)) {
		ret->stamped = true;
		ret->unix_ns = s.unix_ns;
	}
}

/* bunyan and pino: 10 trace to 60 fatal; a single digit is syslog's */
static uint8_t level_of_number(const struct value *v)
{
	static const uint8_t tens[] = { LEVEL_DEBUG, LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL };

	if (v->len == 1 && isdigit((unsigned char)v->text[0]))
		return level_of_priority((uint64_t)(v->text[0] - '0'));
	if (v->len == 2 && v->text[1] == '0' && v->text[0] >= '1' && v->text[0] <= '6')
		return tens[v->text[0] - '1'];
	return LEVEL_NONE;
}

static uint8_t level_of_value(const struct value *v)
{
	uint8_t level = level_of_word(v->text, v->len);

	if (level == LEVEL_NONE)
		level = level_of_number(v);
	/* MongoDB: F E W I D1 to D5 */
	if (level == LEVEL_NONE && v->len && v->len <= 2)
		level = v->text[0] == 'F'   ? LEVEL_FATAL
			: v->text[0] == 'E' ? LEVEL_ERROR
			: v->text[0] == 'W' ? LEVEL_WARNING
			: v->text[0] == 'I' ? LEVEL_INFO
			: v->text[0] == 'D' ? LEVEL_DEBUG
					    : LEVEL_NONE;
	return level;
}

static void take_value(const struct value *name, const struct value *v, const struct stamp_opts *opts,
		       struct line_info *ret)
{
	if (named(name, time_names, ARRAY_LEN(time_names)))
		take_time(v, opts, ret);
	else if (ret->level == LEVEL_NONE && named(name, level_names, ARRAY_LEN(level_names)))
		ret->level = level_of_value(v);
}

static size_t skip_blanks(const char *text, size_t len, size_t at)
{
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at;
}

/* A name of the object and, if it is no object or array, its value. */
static size_t json_member(const char *text, size_t len, size_t at, unsigned int depth, const struct stamp_opts *opts,
			  struct line_info *ret)
{
	struct value name, v;

	at = quoted(text, len, at, &name);
	if (!at)
		return len;
	at = skip_blanks(text, len, at);
	if (at >= len || text[at] != ':')
		return at;
	at = skip_blanks(text, len, at + 1);
	if (at >= len || text[at] == '{' || text[at] == '[')
		return at;
	at = text[at] == '"' ? quoted(text, len, at, &v) : bare(text, len, at, &v);
	if (!at)
		return len;
	if (depth == 1 || (name.len == 5 && !memcmp(name.text, "$date", 5)))
		take_value(&name, &v, opts, ret);
	return at;
}

static bool json(const char *text, size_t len, const struct stamp_opts *opts, struct line_info *ret)
{
	unsigned int depth = 0;
	size_t at = skip_blanks(text, len, 0), first = at;

	if (at >= len || text[at] != '{' || text[skip_blanks(text, len, at + 1) % len] != '"')
		return false;
	while (at < len && (depth || at == first)) {
		if (text[at] == '"') {
			at = json_member(text, len, at, depth, opts, ret);
			continue;
		}
		depth += text[at] == '{' || text[at] == '[';
		depth -= depth && (text[at] == '}' || text[at] == ']');
		at++;
	}
	return true;
}

/* Bytes of a name before its =, 0: there is none. */
static size_t pair_name(const char *text, size_t len, size_t at)
{
	size_t n = 0;

	while (at + n < len && (isalnum((unsigned char)text[at + n]) || strchr("_.@-", text[at + n])))
		n++;
	return at + n < len && text[at + n] == '=' ? n : 0;
}

static bool pairs(const char *text, size_t len, const struct stamp_opts *opts, struct line_info *ret)
{
	size_t at = 0, n = pair_name(text, len, 0);

	if (!n || !isalpha((unsigned char)text[0]))
		return false;
	while (at < len) {
		struct value name = { .text = text + at, .len = n }, v = { .text = text };

		if (!n) {
			at++;
		} else {
			at += n + 1;
			at = at < len && text[at] == '"' ? quoted(text, len, at, &v) : bare(text, len, at, &v);
			if (!at)
				return ret->stamped || ret->level != LEVEL_NONE;
			take_value(&name, &v, opts, ret);
		}
		n = at < len && at && text[at - 1] == ' ' ? pair_name(text, len, at) : 0;
	}
	/* x=1 alone is no log line of this form */
	return ret->stamped || ret->level != LEVEL_NONE;
}

bool fields_recognise(const char *text, size_t len, const struct stamp_opts *opts, struct line_info *ret)
{
	struct line_info found = { .text_at = ret->text_at };

	if (!json(text, len, opts, &found)) {
		found = (struct line_info) { .text_at = ret->text_at };
		if (!pairs(text, len, opts, &found))
			return false;
	}
	*ret = found;
	/* what it says is the whole object */
	ret->text_at = 0;
	return true;
}
