/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "proto/sql.h"

enum kind { SQL_END, SQL_BLANK, SQL_COMMENT, SQL_WORD, SQL_VALUE, SQL_NAME, SQL_SIGN };

struct scan {
	const char *text;
	size_t len;
	enum sql_dialect dialect;
	bool open;	/* the text ended within the word */
	bool versioned; /* within a comment of MySQL whose content is executed */
};

/* What was written last, so that lists can be folded when they end. */
struct folded {
	char text[2 * PROTO_RESOURCE]; /* more than is told: a list that is folded takes room first */
	size_t len;
	bool blank; /* one is due before the next word */
	bool full;
};

static bool word_begins(unsigned char c)
{
	return isalpha(c) || c == '_' || c >= 0x80;
}

static bool word_goes_on(unsigned char c)
{
	return word_begins(c) || isdigit(c) || c == '$';
}

static bool is_blank(unsigned char c)
{
	return c <= 0x20 || c == 0x7f;
}

static char at(const struct scan *s, size_t i)
{
	return i < s->len ? s->text[i] : 0;
}

/* Behind what ends with the quote; a doubled one is one of its characters. */
static size_t quoted_end(struct scan *s, size_t i, char quote, bool backslashes)
{
	while (i < s->len) {
		if (backslashes && s->text[i] == '\\') {
			i += 2;
		} else if (s->text[i] != quote) {
			i++;
		} else if (at(s, i + 1) == quote) {
			i += 2;
		} else {
			return i + 1;
		}
	}
	s->open = true;
	return s->len;
}

static size_t line_end(const struct scan *s, size_t i)
{
	while (i < s->len && s->text[i] != '\n')
		i++;
	return i;
}

static size_t comment_end(struct scan *s, size_t i)
{
	unsigned int depth = 1;

	for (i += 2; i < s->len; i++) {
		if (s->text[i] == '*' && at(s, i + 1) == '/') {
			i++;
			if (!--depth)
				return i + 1;
		} else if (s->dialect == SQL_POSTGRESQL && s->text[i] == '/' && at(s, i + 1) == '*') {
			i++;
			depth++;
		}
	}
	return s->len;
}

/* Of a comment that begins at i, its end; i: none does. */
static size_t comment(struct scan *s, size_t i)
{
	char c = s->text[i], next = at(s, i + 1);

	if (c == '-' && next == '-') {
		if (s->dialect == SQL_POSTGRESQL || i + 2 >= s->len || is_blank((unsigned char)s->text[i + 2]))
			return line_end(s, i);
		return i;
	}
	if (c == '#' && s->dialect == SQL_MYSQL)
		return line_end(s, i);
	if (s->versioned && c == '*' && next == '/') {
		s->versioned = false;
		return i + 2;
	}
	if (c != '/' || next != '*')
		return i;
	if (s->dialect == SQL_MYSQL && (at(s, i + 2) == '!' || (at(s, i + 2) == 'M' && at(s, i + 3) == '!'))) {
		s->versioned = true;
		i += at(s, i + 2) == '!' ? 3 : 4;
		while (isdigit((unsigned char)at(s, i)))
			i++;
		return i;
	}
	return comment_end(s, i);
}

/* The end of a string between $tag$ and $tag$; i: no such one begins there. */
static size_t dollar_end(struct scan *s, size_t i)
{
	size_t tag = i + 1, len;

	if (word_begins((unsigned char)at(s, tag))) {
		while (tag < s->len && word_goes_on((unsigned char)s->text[tag]) && s->text[tag] != '$')
			tag++;
	}
	if (at(s, tag) != '$')
		return i;
	len = tag + 1 - i;
	for (size_t j = tag + 1; j + len <= s->len; j++) {
		if (!memcmp(s->text + i, s->text + j, len))
			return j + len;
	}
	s->open = true;
	return s->len;
}

static size_t number_end(const struct scan *s, size_t i)
{
	bool exponent = false, hex = s->text[i] == '0' && (at(s, i + 1) | 32) == 'x';

	for (i++; i < s->len; i++) {
		unsigned char c = (unsigned char)s->text[i];

		if ((c == '+' || c == '-') && !(exponent && !hex && (s->text[i - 1] | 32) == 'e'))
			break;
		if (c != '+' && c != '-' && c != '.' && !isalnum(c) && c != '_')
			break;
		exponent = (c | 32) == 'e';
	}
	return i;
}

/* A string that stands right behind a word that says how to read it: E'..', x'..', _utf8'..'. */
static bool is_prefix(const struct scan *s, size_t begin, size_t end)
{
	size_t len = end - begin;

	if (at(s, end) == '&' && len == 1 && (s->text[begin] | 32) == 'u')
		return at(s, end + 1) == '\'';
	if (at(s, end) != '\'')
		return false;
	return (len == 1 && strchr("ebxn", s->text[begin] | 32)) || (s->dialect == SQL_MYSQL && s->text[begin] == '_');
}

static enum kind word(struct scan *s, size_t *i)
{
	size_t begin = *i;

	while (*i < s->len && word_goes_on((unsigned char)s->text[*i]))
		++*i;
	if (!is_prefix(s, begin, *i)) {
		s->open = *i == s->len;
		return SQL_WORD;
	}
	*i += s->text[*i] == '&' ? 2 : 1;
	*i = quoted_end(s, *i, '\'', s->dialect == SQL_MYSQL || (s->text[begin] | 32) == 'e');
	return SQL_VALUE;
}

static enum kind quoted(struct scan *s, size_t *i)
{
	char quote = s->text[*i];
	bool mysql = s->dialect == SQL_MYSQL, name = quote == '`' || (quote == '"' && !mysql);

	*i = quoted_end(s, *i + 1, quote, mysql && !name);
	return name ? SQL_NAME : SQL_VALUE;
}

static enum kind parameter(struct scan *s, size_t *i)
{
	size_t end = dollar_end(s, *i);

	if (end == *i) {
		end++;
		while (isdigit((unsigned char)at(s, end)))
			end++;
	}
	*i = end;
	return SQL_VALUE;
}

/* The word that begins at *i, which moves behind it. */
static enum kind scan_next(struct scan *s, size_t *i)
{
	unsigned char c;
	size_t end;

	if (*i >= s->len)
		return SQL_END;
	c = (unsigned char)s->text[*i];
	if (is_blank(c)) {
		++*i;
		return SQL_BLANK;
	}
	end = comment(s, *i);
	if (end != *i) {
		*i = end;
		return SQL_COMMENT;
	}
	if (word_begins(c))
		return word(s, i);
	if (isdigit(c) || (c == '.' && isdigit((unsigned char)at(s, *i + 1)))) {
		*i = number_end(s, *i);
		return SQL_VALUE;
	}
	if (c == '\'' || c == '"' || (c == '`' && s->dialect == SQL_MYSQL))
		return quoted(s, i);
	if (c == '$' && s->dialect == SQL_POSTGRESQL)
		return parameter(s, i);
	++*i;
	return c == '?' ? SQL_VALUE : SQL_SIGN;
}

static bool ends_with(const struct folded *f, const char *end)
{
	size_t len = strlen(end);

	return f->len >= len && !memcmp(f->text + f->len - len, end, len);
}

/* What stands before the end, without blanks; 0: nothing. */
static char before(const struct folded *f, size_t end, size_t *ret_end)
{
	while (end && f->text[end - 1] == ' ')
		end--;
	if (ret_end)
		*ret_end = end;
	return end ? f->text[end - 1] : 0;
}

/* Where what ends with `last , last` begins; SIZE_MAX: it does not. */
static size_t pair_begins(const struct folded *f, const char *last)
{
	size_t len = strlen(last), end;

	if (!ends_with(f, last) || before(f, f->len - len, &end) != ',')
		return SIZE_MAX;
	(void)before(f, end - 1, &end);
	return end >= len && !memcmp(f->text + end - len, last, len) ? end - len : SIZE_MAX;
}

/* ?, ? in a list, when its second element ends: one of them says as much. */
static void fold_values(struct folded *f)
{
	size_t begin = pair_begins(f, "?");

	if (begin != SIZE_MAX && before(f, begin, NULL) && strchr("([,", before(f, begin, NULL)))
		f->len = begin + 1;
}

/* (?), (?) of VALUES; behind a name it would be an argument. */
static void fold_rows(struct folded *f)
{
	size_t begin = pair_begins(f, "(?)"), end;

	if (begin == SIZE_MAX)
		return;
	if (word_goes_on((unsigned char)before(f, begin, &end)) &&
	    (end < 6 || strncasecmp(f->text + end - 6, "values", 6) != 0))
		return;
	f->len = begin + 3;
}

static void put(struct folded *f, const char *text, size_t len)
{
	size_t blank = f->blank && f->len;

	if (f->full || f->len + len + blank > sizeof(f->text) - 1) {
		f->full = true;
		return;
	}
	if (blank)
		f->text[f->len++] = ' ';
	f->blank = false;
	memcpy(f->text + f->len, text, len);
	f->len += len;
}

/* Does what was written end with a word behind which only a value can follow? */
static bool wants_value(const struct folded *f, size_t end)
{
	static const char *const words[] = { "select", "where",	 "and",	    "or",     "not", "then",
					     "else",   "when",	 "between", "limit",  "in",  "like",
					     "by",     "having", "offset",  "values", "set", "returning" };
	size_t begin = end, i;

	while (begin && word_goes_on((unsigned char)f->text[begin - 1]))
		begin--;
	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i]) == end - begin && !strncasecmp(words[i], f->text + begin, end - begin))
			return true;
	}
	return false;
}

/* A - or + that belongs to the number behind it: nothing that could be subtracted from stands before it. */
static void put_value(struct folded *f)
{
	size_t end;

	while (f->len && !f->blank && (ends_with(f, "-") || ends_with(f, "+"))) {
		char c = before(f, f->len - 1, &end);

		if (!c || (!strchr("(,=<>[+-*/%|&^", c) && !wants_value(f, end)))
			break;
		f->len--;
	}
	put(f, "?", 1);
}

static void put_first_word(const char *text, size_t len, char operation[PROTO_OPERATION])
{
	size_t i;

	for (i = 0; i < len && i < PROTO_OPERATION - 1 && (unsigned char)text[i] < 0x80; i++)
		operation[i] = (char)toupper((unsigned char)text[i]);
	operation[i] = 0;
}

static void put_sign(struct folded *f, char sign, size_t *depth)
{
	if (*depth && strchr(",)]", sign))
		fold_values(f);
	put(f, &sign, 1);
	if (sign == '(' || sign == '[')
		++*depth;
	if (*depth && (sign == ')' || sign == ']'))
		--*depth;
	if (sign == ')')
		fold_rows(f);
}

static void put_all(struct scan *s, bool cut, struct folded *f, char operation[PROTO_OPERATION])
{
	size_t i = 0, begin = 0, depth = 0;
	enum kind kind;

	while (!f->full && (kind = scan_next(s, &i)) != SQL_END) {
		const char *text = s->text + begin;
		size_t len = i - begin;

		begin = i;
		if (kind == SQL_BLANK || kind == SQL_COMMENT) {
			f->blank = true;
		} else if (kind == SQL_VALUE) {
			put_value(f);
		} else if (kind == SQL_SIGN) {
			put_sign(f, *text, &depth);
		} else if (!(kind == SQL_WORD && cut && s->open)) {
			/* half a word would make many statements of one */
			put(f, text, len);
			if (kind == SQL_WORD && !operation[0])
				put_first_word(text, len, operation);
		}
	}
	if (depth)
		fold_values(f);
}

/* Whole characters only, and none that would not stay on its line. */
static void put_printable(const struct folded *f, bool cut, char resource[PROTO_RESOURCE])
{
	size_t i = 0, at_out = 0, room = PROTO_RESOURCE - 1;
	bool more = cut || f->full || f->len > room;

	room -= more ? 3 : 0;
	while (i < f->len) {
		const unsigned char *c = (const unsigned char *)f->text + i;
		size_t len = buf_utf8_len(c, f->len - i);

		if (at_out + MAX(len, (size_t)1) > room)
			break;
		if (len)
			memcpy(resource + at_out, c, len);
		else
			resource[at_out] = '_';
		if (*c < 0x20 || *c == 0x7f)
			resource[at_out] = '_';
		at_out += MAX(len, (size_t)1);
		i += MAX(len, (size_t)1);
	}
	if (more && f->len)
		memcpy(resource + at_out, "...", 3);
	resource[at_out + (more && f->len ? 3 : 0)] = 0;
}

void sql_normalise(enum sql_dialect dialect, const char *text, size_t len, bool cut, char operation[PROTO_OPERATION],
		   char resource[PROTO_RESOURCE])
{
	struct scan s = { .text = text, .len = len, .dialect = dialect };
	struct folded f;

	f.len = 0;
	f.blank = f.full = false;
	operation[0] = 0;
	put_all(&s, cut, &f, operation);
	while (!cut && f.len && (f.text[f.len - 1] == ';' || f.text[f.len - 1] == ' '))
		f.len--;
	put_printable(&f, cut, resource);
}

void sql_operation(const char *resource, char operation[PROTO_OPERATION])
{
	size_t begin = strspn(resource, "( "), end = begin;

	while (word_goes_on((unsigned char)resource[end]))
		end++;
	put_first_word(resource + begin, end - begin, operation);
}

/* key='value' in a comment; values are percent-encoded, and those we look for need no decoding. */
static bool value_in(const char *text, size_t len, const char *key, char *ret, size_t size)
{
	size_t n = strlen(key), i, end;

	for (i = 0; i + n + 2 <= len; i++) {
		if (memcmp(text + i, key, n) || text[i + n] != '=' || text[i + n + 1] != '\'')
			continue;
		if (i && word_goes_on((unsigned char)text[i - 1]))
			continue;
		i += n + 2;
		for (end = i; end < len && text[end] != '\''; end++)
			;
		if (end == len || end - i >= size)
			return false;
		memcpy(ret, text + i, end - i);
		ret[end - i] = 0;
		return true;
	}
	return false;
}

bool sql_comment_value(const char *text, size_t len, const char *key, char *ret, size_t size)
{
	struct scan s = { .text = text, .len = len, .dialect = SQL_POSTGRESQL };
	size_t i = 0, begin = 0;
	enum kind kind;

	while ((kind = scan_next(&s, &i)) != SQL_END) {
		if (kind == SQL_COMMENT && value_in(text + begin, i - begin, key, ret, size))
			return true;
		begin = i;
	}
	return false;
}
