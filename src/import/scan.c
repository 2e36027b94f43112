/* SPDX-License-Identifier: Apache-2.0 */
#include "import/scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "import/import.h"

#define CONTINUED_MAX 256 /* lines of one object outside of an array */

struct scan {
	FILE *f;
	const struct scan_ops *ops;
	void *arg;
	struct scan_counts *counts;
	struct buf line, object, clean;
	uint64_t object_line; /* where it began; 0: none is open */
	uint64_t object_lines;
	char why[256]; /* the open object is no JSON yet */
};

/* RFC 8259 wants control characters escaped and UTF-8; programs that print JSON by printf(3) know neither. */
static void repair(struct scan *s)
{
	const unsigned char *p = (const unsigned char *)s->object.data;
	size_t i, n, len = s->object.len;
	bool in_string = false;

	buf_reset(&s->clean);
	for (i = 0; i < len; i += n ? n : 1) {
		n = buf_utf8_len(p + i, len - i);
		if (!n || !p[i]) {
			buf_str(&s->clean, "\xef\xbf\xbd");
			s->counts->repaired++;
			continue;
		}
		if (in_string && p[i] == '\\' && i + 1 < len && p[i + 1] && strchr("\"\\/bfnrtu", p[i + 1]))
			n = 2;
		else if (p[i] == '"')
			in_string = !in_string;
		if (in_string && p[i] == '\\' && n == 1)
			buf_str(&s->clean, "\\\\");
		else if (p[i] < ' ' && in_string)
			buf_printf(&s->clean, "\\u%04x", p[i]);
		else
			buf_add(&s->clean, p + i, n);
	}
}

/* 1: handed over; 0: no JSON, s->why says why; below 0 as the callback says. */
static int try_object(struct scan *s, bool *ret_early, struct err *err)
{
	json_error_t je = { .line = 0 };
	json_t *o = s->object.failed ? NULL : json_loadb(s->object.data, s->object.len, 0, &je);
	uint64_t repaired = s->counts->repaired;
	int r;

	if (!o && !s->object.failed) {
		repair(s);
		o = s->clean.failed ? NULL : json_loadb(s->clean.data, s->clean.len, 0, &je);
	}
	if (s->object.failed || s->clean.failed)
		return err_set(err, ENOMEM, "out of memory for line %" PRIu64, s->object_line);
	*ret_early = !o && json_error_code(&je) == json_error_premature_end_of_input;
	if (!o) {
		s->counts->repaired = repaired;
		(void)snprintf(s->why, sizeof(s->why), "no JSON: %s (column %d)", je.text, je.column);
		return 0;
	}
	r = s->ops->object(s->arg, o, s->object_line, s->object_lines, err);
	json_decref(o);
	return r < 0 ? r : 1;
}

static void give_up(struct scan *s)
{
	if (s->object_line)
		s->ops->bad(s->arg, s->object_line, s->object_lines, s->why);
	s->object_line = 0;
}

/* The next line into s->line, without its end; 1, 0 at the end of the file, -EFBIG: too long, and passed over. */
static int read_line(struct scan *s)
{
	bool full = false;
	int c;

	buf_reset(&s->line);
	while ((c = getc_unlocked(s->f)) != EOF && c != '\n') {
		full = full || s->line.len >= IMPORT_LINE_MAX;
		if (!full)
			buf_char(&s->line, (char)c);
	}
	if (c == EOF && !s->line.len && !full)
		return 0;
	s->counts->lines++;
	while (s->line.len && s->line.data[s->line.len - 1] == '\r')
		s->line.data[--s->line.len] = 0;
	return full ? -EFBIG : 1;
}

/* Begins or goes on with an object. */
static int feed_object(struct scan *s, bool begins, struct err *err)
{
	bool early = false;
	int r;

	if (begins) {
		buf_reset(&s->object);
		s->object_line = s->counts->lines;
		s->object_lines = 0;
	} else {
		buf_char(&s->object, '\n');
	}
	buf_add(&s->object, s->line.data, s->line.len);
	s->object_lines++;
	r = try_object(s, &early, err);
	if (r > 0)
		s->object_line = 0;
	else if (!r && (!early || s->object_lines == CONTINUED_MAX || s->object.len > IMPORT_LINE_MAX))
		give_up(s);
	return r;
}

/* Text may hold NUL bytes; they would end it. */
static int feed_text(struct scan *s, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = BUF_INIT;
	size_t i, n;

	for (i = 0; i < s->line.len; i += n ? n : 1) {
		const unsigned char *p = (const unsigned char *)s->line.data + i;

		n = buf_utf8_len(p, s->line.len - i);
		if (n && *p) {
			buf_add(&text, p, n);
		} else {
			buf_str(&text, "\xef\xbf\xbd");
			s->counts->repaired++;
		}
	}
	if (text.failed || !text.data)
		return err_set(err, ENOMEM, "out of memory for line %" PRIu64, s->counts->lines);
	return s->ops->text(s->arg, text.data, s->counts->lines, err);
}

static int feed_line(struct scan *s, struct err *err)
{
	size_t blank = s->line.data ? strspn(s->line.data, " \t\v\f") : 0;

	if (s->line.failed)
		return err_set(err, ENOMEM, "out of memory for line %" PRIu64, s->counts->lines);
	if (blank == s->line.len && !s->object_line) {
		s->counts->blank++;
		return 0;
	}
	if (s->line.data && s->line.data[blank] == '{') {
		give_up(s);
		return feed_object(s, true, err);
	}
	return s->object_line ? feed_object(s, false, err) : feed_text(s, err);
}

static int scan_lines(struct scan *s, struct err *err)
{
	int r;

	while ((r = read_line(s))) {
		if (r > 0) {
			r = feed_line(s, err);
			if (r < 0)
				return r;
			continue;
		}
		give_up(s);
		s->ops->bad(s->arg, s->counts->lines, 1, "the line is longer than 1 MiB");
	}
	give_up(s);
	return 0;
}

/* A character, with the lines counted; those of an array begin with the one that its [ is on. */
static int next_char(struct scan *s)
{
	int c = getc_unlocked(s->f);

	s->counts->lines += c == '\n';
	return c;
}

/* The rest of the object whose { was read.  false: it does not end, or is too long (and was passed over). */
static bool read_object(struct scan *s)
{
	bool in_string = false, escaped = false;
	int depth = 1, c;

	buf_reset(&s->object);
	buf_char(&s->object, '{');
	while (depth && (c = next_char(s)) != EOF) {
		if (s->object.len < IMPORT_LINE_MAX)
			buf_char(&s->object, (char)c);
		if (escaped)
			escaped = false;
		else if (in_string)
			escaped = c == '\\', in_string = c != '"';
		else if (c == '"')
			in_string = true;
		else
			depth += (c == '{') - (c == '}');
	}
	(void)snprintf(s->why, sizeof(s->why), depth ? "the object does not end" : "the object is longer than 1 MiB");
	return !depth && s->object.len < IMPORT_LINE_MAX;
}

static int scan_array(struct scan *s, struct err *err)
{
	bool garbage = false, early;
	int c, r = 0;

	s->counts->lines++;
	while (r >= 0 && (c = next_char(s)) != EOF) {
		if (c == '{') {
			bool whole;

			s->object_line = s->counts->lines;
			whole = read_object(s);
			s->object_lines = s->counts->lines - s->object_line + 1;
			r = whole ? try_object(s, &early, err) : 0;
			if (!r)
				give_up(s);
			garbage = false;
		} else if (!c || !strchr(" \t\r\n,[]", c)) {
			if (!garbage)
				s->ops->bad(s->arg, s->counts->lines, 1, "neither an object nor a comma");
			garbage = true;
		}
	}
	s->object_line = 0;
	return r < 0 ? r : 0;
}

static int first_char(FILE *f, struct scan_counts *counts)
{
	int c;

	while ((c = getc_unlocked(f)) == '\n') {
		counts->lines++;
		counts->blank++;
	}
	(void)ungetc(c, f);
	return c;
}

int scan_file(FILE *f, const char *name, const struct scan_ops *ops, void *arg, struct scan_counts *counts,
	      struct err *err)
{
	struct scan s = { .f = f, .ops = ops, .arg = arg, .counts = counts };
	int r = first_char(f, counts) == '[' ? scan_array(&s, err) : scan_lines(&s, err);

	buf_fini(&s.line);
	buf_fini(&s.object);
	buf_fini(&s.clean);
	if (r >= 0 && ferror(f))
		return err_errno(err, errno, "cannot read '%s'", name);
	return r;
}
