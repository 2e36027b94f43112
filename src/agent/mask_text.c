/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mask_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/mask_payload.h"
#include "base/cleanup.h"

#define BLANKS_MAX 8

struct word {
	const char *text;
	size_t len;
};

#define NAME_MIN 3 /* the shortest of these */
#define W(text)                        \
	{                              \
		text, sizeof(text) - 1 \
	}

static const struct word known[] = {
	W("password"),	   W("passwd"),	       W("passphrase"),	 W("passcode"),
	W("pass"),	   W("pwd"),	       W("secret"),	 W("token"),
	W("apikey"),	   W("api-key"),       W("api_key"),	 W("access-key"),
	W("access_key"),   W("accesskey"),     W("private-key"), W("private_key"),
	W("privatekey"),   W("secret_key"),    W("secretkey"),	 W("credential"),
	W("credentials"),  W("authorization"), W("auth"),	 W("authenticate-info"),
	W("cookie"),	   W("session"),       W("sessionid"),	 W("session_id"),
	W("session-id"),   W("signature"),     W("sig"),	 W("jwt"),
	W("samlresponse"), W("assertion"),     W("otp"),
};

/* The text: what was given out last, and the new bytes behind it */
struct scan {
	struct mask_text *t;
	const struct mask_words *words;
	uint8_t text[MASK_TAIL + MASK_TEXT_MAX];
	size_t len;
};

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool quote(uint8_t c)
{
	return c == '"' || c == '\'';
}

static bool named_char(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-';
}

static bool suffix(const uint8_t *name, size_t len, const char *word, size_t n)
{
	return n <= len && (name[len - 1] | 0x20) == (word[n - 1] | 0x20) &&
	       !strncasecmp((const char *)name + len - n, word, n);
}

/* The last bytes of a name in one number, whatever their case: most names differ from all words in these. */
static uint32_t name_end(const uint8_t *name, size_t len)
{
	return (name[len - 3] | 0x20u) << 16 | (name[len - 2] | 0x20u) << 8 | name[len - 1] | 0x20u;
}

#define ENDS 256

/* name_end() of the known words, and a bit for each of them, so that one look rules out nearly all names */
struct ends {
	uint32_t of[ARRAY_LEN(known)];
	uint64_t bits[ENDS / 64];
};

static uint32_t end_bit(uint32_t end)
{
	return end * 2654435769u >> 24;
}

static const struct ends *known_ends(void)
{
	static struct ends ends;
	size_t i;

	if (!ends.of[ARRAY_LEN(known) - 1])
		for (i = 0; i < ARRAY_LEN(known); i++) {
			ends.of[i] = name_end((const uint8_t *)known[i].text, known[i].len);
			ends.bits[end_bit(ends.of[i]) / 64] |= 1ULL << (end_bit(ends.of[i]) % 64);
		}
	return &ends;
}

static size_t known_name_ends(const uint8_t *name, size_t len)
{
	const struct ends *ends = known_ends();
	uint32_t end = name_end(name, len);
	size_t i;

	if (!(ends->bits[end_bit(end) / 64] >> (end_bit(end) % 64) & 1))
		return 0;
	for (i = 0; i < ARRAY_LEN(known); i++)
		if (ends->of[i] == end && suffix(name, len, known[i].text, known[i].len))
			return known[i].len;
	return 0;
}

size_t mask_name_ends(const struct mask_words *words, const uint8_t *name, size_t len)
{
	size_t i, n = len < NAME_MIN ? 0 : known_name_ends(name, len);

	for (i = 0; !n && words && len && i < words->n; i++)
		if (suffix(name, len, words->words[i], strlen(words->words[i])))
			n = strlen(words->words[i]);
	return n;
}

/* --- values --- */

static bool ends_line(uint8_t c)
{
	return c == '\r' || c == '\n' || !c;
}

static bool ends_word(const struct mask_text *t, uint8_t c)
{
	if (c <= ' ' || c == '&' || quote(c))
		return true;
	return t->listed && (c == ',' || c == '}' || c == ']');
}

static bool ends_user(uint8_t c)
{
	return c <= ' ' || c == '@' || c == '/' || c == '?' || c == '#' || c == '<' || c == '>' || quote(c);
}

/* A quote within JSON within JSON has one backslash before it, or three if it is a part of the value. */
static bool closes(const struct mask_text *t, uint8_t c)
{
	if (t->mark ? c != t->mark : !quote(c))
		return false;
	return t->escaped ? t->backslashes == 1 : !(t->backslashes & 1);
}

static void count_backslash(struct mask_text *t, uint8_t c)
{
	if (c != '\\')
		t->backslashes = 0;
	else
		t->backslashes = t->backslashes > 1 ? t->backslashes ^ 1 : t->backslashes + 1;
}

/* Behind a quote that closes: in SQL another one means a quote in the value.  Returns whether the value ends. */
static bool closed(struct scan *s, size_t at)
{
	struct mask_text *t = s->t;

	t->backslashes = 0;
	t->value = MASK_NONE;
	if (t->mark != '\'' || t->escaped)
		return true;
	if (at == s->len)
		t->value = MASK_CLOSED;
	else if (s->text[at] == t->mark)
		t->value = MASK_QUOTED;
	return t->value != MASK_QUOTED;
}

/* Masks to the quote; returns where the text goes on. */
static size_t mask_quoted(struct scan *s, size_t at)
{
	size_t from = at;

	while (at < s->len) {
		uint8_t c = s->text[at];

		if (closes(s->t, c)) {
			if (s->t->escaped && at > from)
				s->text[at - 1] = '\\';
			at++;
			if (closed(s, at))
				return at;
			s->text[at - 1] = '*';
			s->text[at++] = '*';
			continue;
		}
		count_backslash(s->t, c);
		s->text[at++] = '*';
	}
	return at;
}

static size_t mask_line(struct scan *s, size_t at)
{
	for (; at < s->len && !ends_line(s->text[at]); at++)
		s->text[at] = '*';
	if (at < s->len)
		s->t->value = MASK_NONE;
	return at;
}

static size_t mask_word(struct scan *s, size_t at)
{
	for (; at < s->len && !ends_word(s->t, s->text[at]); at++)
		s->text[at] = '*';
	if (at < s->len)
		s->t->value = MASK_NONE;
	return at;
}

static size_t mask_user(struct scan *s, size_t at)
{
	for (; at < s->len && !ends_user(s->text[at]); at++)
		s->text[at] = '*';
	if (at < s->len)
		s->t->value = MASK_NONE;
	return at;
}

/* `Authorization: Bearer x`: the scheme is no secret. */
static size_t scheme_at(const struct scan *s, size_t at)
{
	static const char *const schemes[] = { "basic ", "bearer ", "digest ", "negotiate " };
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(schemes); i++) {
		n = strlen(schemes[i]);
		if (s->len - at > n && !strncasecmp((const char *)s->text + at, schemes[i], n))
			return n;
	}
	return 0;
}

/* `$1`, `?`: a place for a value is none. */
static bool placeholder(const struct scan *s, size_t at)
{
	size_t end = at + 1;

	if (s->text[at] == '$')
		for (; end < s->len && isdigit(s->text[end]); end++)
			;
	else if (s->text[at] != '?')
		return false;
	return end < s->len && (s->text[at] == '?' || end > at + 1) &&
	       (s->text[end] <= ' ' || s->text[end] == ',' || s->text[end] == ')' || s->text[end] == ';');
}

static size_t value_header(struct scan *s, size_t at)
{
	for (; at < s->len && blank(s->text[at]); at++)
		;
	if (at == s->len)
		return at;
	s->t->value = MASK_LINE;
	return mask_line(s, at + scheme_at(s, at));
}

/* A value begins here, or blanks and brackets before it. */
static size_t mask_begin(struct scan *s, size_t at)
{
	struct mask_text *t = s->t;
	uint8_t c;

	if (t->header)
		return value_header(s, at);
	for (; at < s->len; at++) {
		c = s->text[at];
		if (quote(c)) {
			t->value = MASK_QUOTED;
			t->mark = c;
			t->escaped = t->backslashes & 1;
			t->backslashes = 0;
			return mask_quoted(s, at + 1);
		}
		count_backslash(t, c);
		if (!blank(c) && c != '\\' && c != '=' && c != ':' && c != '>' && c != '[' && c != '(')
			break;
	}
	if (at == s->len)
		return at;
	t->backslashes = 0;
	if (placeholder(s, at)) {
		t->value = MASK_NONE;
		return at;
	}
	t->value = MASK_WORD;
	return mask_word(s, at);
}

/* What the bytes before have begun */
static size_t mask_goes_on(struct scan *s, size_t at)
{
	struct mask_text *t = s->t;

	switch (t->value) {
	case MASK_NAMED:
		return mask_begin(s, at);
	case MASK_LINE:
		return mask_line(s, at);
	case MASK_CLOSED:
		t->value = MASK_NONE;
		if (at < s->len && s->text[at] != t->mark)
			return at;
		t->value = MASK_QUOTED;
		s->text[at] = '*';
		return mask_quoted(s, at + 1);
	case MASK_QUOTED:
		return mask_quoted(s, at);
	case MASK_WORD:
		return mask_word(s, at);
	case MASK_USER:
		return mask_user(s, at);
	default:
		return at;
	}
}

/* --- names --- */

/* Length of what closes a name before `end`: quotes, backslashes, brackets, those of a form too (%5D, %22) */
static size_t closing(const uint8_t *text, size_t end)
{
	if (end && (quote(text[end - 1]) || text[end - 1] == '\\' || text[end - 1] == ']' || text[end - 1] == ')'))
		return 1;
	if (end > 3 && text[end - 3] == '%' &&
	    (!strncasecmp((const char *)text + end - 2, "5d", 2) || !strncmp((const char *)text + end - 2, "22", 2) ||
	     !strncmp((const char *)text + end - 2, "27", 2)))
		return 3;
	return 0;
}

/* Does the name that ends there begin its line? */
static bool begins_line(const uint8_t *text, size_t end)
{
	while (end && named_char(text[end - 1]))
		end--;
	return !end || text[end - 1] == '\n';
}

/* A separator stands at `at`: is it that of a secret? */
static bool names_secret(struct scan *s, size_t at)
{
	size_t end = at, blanks = 0, n;
	bool quoted = false;

	for (; end && blank(s->text[end - 1]) && blanks < BLANKS_MAX; blanks++)
		end--;
	while ((n = closing(s->text, end))) {
		quoted |= quote(s->text[end - 1]);
		end -= n;
	}
	if (!mask_name_ends(s->words, s->text, end))
		return false;
	s->t->value = MASK_NAMED;
	s->t->backslashes = 0;
	s->t->listed = quoted;
	s->t->header = s->text[at] == ':' && end == at && begins_line(s->text, end);
	return true;
}

/* `PASSWORD 'x'`, `IDENTIFIED BY 'x'`, `PASSWORD('x')`: a quote stands at `at`. */
static bool names_sql(struct scan *s, size_t at)
{
	size_t end = at;

	if (end && (s->text[end - 1] == 'E' || s->text[end - 1] == 'e' || s->text[end - 1] == 'N'))
		end--;
	if (!end || !(blank(s->text[end - 1]) || s->text[end - 1] == '(' || s->text[end - 1] == '\n'))
		return false;
	while (end && (blank(s->text[end - 1]) || s->text[end - 1] == '(' || s->text[end - 1] == '\n'))
		end--;
	if (!end || !(suffix(s->text, end, " by", 3) || suffix(s->text, end, "password", 8)))
		return false;
	s->t->value = MASK_NAMED;
	s->t->header = s->t->listed = false;
	s->t->backslashes = 0;
	return true;
}

/* `SET PASSWORD FOR user = ...`: all that follows, to the end of the line or the statement's text */
static bool names_password_for(struct scan *s, size_t at)
{
	if (!at || !suffix(s->text, at, "password for", 12))
		return false;
	s->t->value = MASK_LINE;
	return true;
}

/* `://` stands before `at`: where a password may begin, 0: nowhere. */
static size_t user_password(const struct scan *s, size_t at)
{
	size_t colon = 0, end;

	for (end = at; end < s->len && !ends_user(s->text[end]); end++)
		if (s->text[end] == ':' && !colon)
			colon = end;
	return colon && (end == s->len || s->text[end] == '@') ? colon + 1 : 0;
}

/* What scan_one() looks at */
static const bool signs[256] = { [':'] = true, ['='] = true, ['"'] = true, ['\''] = true, [' '] = true };

static size_t scan_one(struct scan *s, size_t at)
{
	uint8_t c = s->text[at];
	size_t user;

	if (c == ':' && s->len - at > 3 && s->text[at + 1] == '/' && s->text[at + 2] == '/') {
		user = user_password(s, at + 3);
		if (!user)
			return at + 3;
		s->t->value = MASK_USER;
		return mask_user(s, user);
	}
	if ((c == '=' || c == ':') && names_secret(s, at))
		return mask_begin(s, at + 1);
	if (quote(c) && names_sql(s, at))
		return mask_begin(s, at);
	if (c == ' ' && names_password_for(s, at))
		return mask_line(s, at);
	return at + 1;
}

/* --- the whole --- */

static void scan_tail(struct scan *s)
{
	size_t n = MIN(s->len, (size_t)MASK_TAIL);

	memcpy(s->t->tail, s->text + s->len - n, n);
	s->t->ntail = (uint8_t)n;
}

void mask_text(struct mask_text *t, const struct mask_words *words, uint8_t *data, size_t len)
{
	size_t old = t->ntail, at = 0;
	struct scan s;

	if (len > MASK_TEXT_MAX) {
		memset(data, '*', len);
		mask_text_break(t);
		return;
	}
	s.t = t;
	s.words = words;
	memcpy(s.text, t->tail, old);
	memcpy(s.text + old, data, len);
	s.len = old + len;
	if (!len)
		return;
	if (t->value)
		at = mask_goes_on(&s, old);
	while (at < s.len)
		at = signs[s.text[at]] ? scan_one(&s, at) : at + 1;
	memcpy(data, s.text + old, len);
	scan_tail(&s);
}

void mask_text_break(struct mask_text *t)
{
	t->ntail = 0;
	t->backslashes = 0;
	if (t->value == MASK_CLOSED)
		t->value = MASK_NONE;
	if (t->value != MASK_NAMED)
		return;
	/* the value has begun somewhere in what is missing */
	t->value = t->header ? MASK_LINE : MASK_QUOTED;
	t->mark = 0;
	t->escaped = false;
}

void mask_text_reset(struct mask_text *t)
{
	t->value = MASK_NONE;
	mask_text_break(t);
}
