/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

static const char *const words[] = { "password",   "passwd",	  "passphrase", "pwd",	   "secret",
				     "token",	   "apikey",	  "api-key",	"api_key", "authorization",
				     "credential", "private-key", "private_key" };

static bool blank(char c)
{
	return !c || isspace((unsigned char)c);
}

static bool separator(char c)
{
	return c == '=' || c == ':' || blank(c);
}

static bool quote(char c)
{
	return c == '"' || c == '\'';
}

/* What stands around names and values in JSON, and in JSON within a quoted script */
static bool wrapping(char c)
{
	return quote(c) || c == '\\';
}

/* Does the argument begin with the name at `at`, after dashes or what is part of the name (`--db-password=`)? */
static bool leads(const char *text, size_t at)
{
	while (at > 0 && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_' || text[at - 1] == '-'))
		at--;
	return at == 0 || !text[at - 1];
}

static size_t mask_until(char *text, size_t len, size_t at, bool (*end)(char c))
{
	for (; at < len && !end(text[at]); at++)
		text[at] = '*';
	return at;
}

static bool end_argument(char c)
{
	return !c;
}

static bool end_word(char c)
{
	return blank(c) || c == '&' || quote(c);
}

/*
 * Masks the value that starts behind the name, which ends at `at`; returns where the value ends.  An argument that is the
 * value, or begins with the name, is masked to its end: spaces in it are its own.
 */
static size_t mask_value(char *text, size_t len, size_t at, bool argv, bool leading)
{
	bool whole = argv && leading && at < len && text[at] == '=';
	char mark = 0;

	for (; at < len && (separator(text[at]) || wrapping(text[at])); at++) {
		whole |= argv && !text[at];
		mark = quote(text[at]) ? text[at] : 0;
	}
	/* `Authorization: Bearer x`: the scheme is no secret */
	if (len - at > 7 && !strncasecmp(text + at, "bearer ", 7))
		at += 7;
	else if (len - at > 6 && !strncasecmp(text + at, "basic ", 6))
		at += 6;
	if (whole && !(at < len && text[at] == '-' && at > 0 && !text[at - 1]))
		return mask_until(text, len, at, end_argument);
	/* another option instead of a value */
	if (!mark && at < len && text[at] == '-')
		return at;
	if (!mark)
		return mask_until(text, len, at, end_word);
	for (; at < len && text[at] && text[at] != mark && text[at] != '\\'; at++)
		text[at] = '*';
	return at;
}

/* Length of the secret's name that starts at `at`, 0: none. */
static size_t word_at(const char *text, size_t len, size_t at)
{
	size_t i, n, end;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		n = strlen(words[i]);
		if (len - at <= n || strncasecmp(text + at, words[i], n) != 0)
			continue;
		for (end = at + n; end < len && wrapping(text[end]); end++)
			;
		if (end < len && separator(text[end]))
			return n;
	}
	return 0;
}

/* `scheme://user:password@`: at points behind the `://`. */
static size_t mask_url(char *text, size_t len, size_t at)
{
	size_t colon = 0, end;

	for (end = at; end < len && text[end] != '/' && text[end] != '@' && !blank(text[end]); end++)
		if (text[end] == ':' && !colon)
			colon = end;
	if (end == len || text[end] != '@' || !colon)
		return at;
	memset(text + colon + 1, '*', end - colon - 1);
	return end;
}

/* `-u joe:secret`, `--user=joe:secret` (curl): at points behind the option. */
static size_t mask_user(char *text, size_t len, size_t at)
{
	while (at < len && text[at] && text[at] != ':' && !isspace((unsigned char)text[at]))
		at++;
	return at < len && text[at] == ':' ? mask_until(text, len, at + 1, blank) : at;
}

/* Length of an option with user and password at the beginning of an argument, separator included; 0: none. */
static size_t user_at(const char *text, size_t len, size_t at)
{
	static const char *const options[] = { "-u", "-U", "--user", "--proxy-user" };
	size_t i, n;

	if (at && !blank(text[at - 1]))
		return 0;
	for (i = 0; i < ARRAY_LEN(options); i++) {
		n = strlen(options[i]);
		if (len - at > n && !memcmp(text + at, options[i], n) && (blank(text[at + n]) || text[at + n] == '='))
			return n + 1;
	}
	return 0;
}

/* Programs whose -p is followed at once by a password. */
static bool glued_password(const char *text, size_t len)
{
	static const char *const programs[] = { "mysql", "mariadb", "sshpass" };
	size_t end = strnlen(text, len), at = end, i;

	while (at > 0 && text[at - 1] != '/')
		at--;
	for (i = 0; i < ARRAY_LEN(programs); i++)
		if (end - at >= strlen(programs[i]) && !memcmp(text + at, programs[i], strlen(programs[i])))
			return true;
	return false;
}

void mask_secrets(char *text, size_t len)
{
	bool argv = memchr(text, 0, len), glued = argv && glued_password(text, len);
	size_t at = 0, n;

	while (at < len) {
		n = word_at(text, len, at);
		if (n)
			at = mask_value(text, len, at + n, argv, leads(text, at));
		else if ((n = user_at(text, len, at)))
			at = mask_user(text, len, at + n);
		else if (glued && at > 0 && !text[at - 1] && len - at > 2 && !memcmp(text + at, "-p", 2))
			at = mask_until(text, len, at + 2 + !text[at + 2], end_argument);
		else if (len - at > 3 && !memcmp(text + at, "://", 3))
			at = mask_url(text, len, at + 3);
		else
			at++;
	}
}
