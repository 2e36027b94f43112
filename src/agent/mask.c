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

static bool separator(char c)
{
	return c == '=' || c == ':' || isspace((unsigned char)c);
}

/* Masks the value that starts at or after `at`; returns where it ends. */
static size_t mask_value(char *text, size_t len, size_t at)
{
	char quote = 0;

	while (at < len && separator(text[at]))
		at++;
	/* `Authorization: Bearer x`: the scheme is no secret */
	if (len - at > 7 && !strncasecmp(text + at, "bearer ", 7))
		at += 7;
	else if (len - at > 6 && !strncasecmp(text + at, "basic ", 6))
		at += 6;
	if (at < len && (text[at] == '"' || text[at] == '\''))
		quote = text[at++];
	/* another option instead of a value */
	if (!quote && at < len && text[at] == '-')
		return at;
	for (; at < len && (quote ? text[at] != quote : !isspace((unsigned char)text[at]) && text[at] != '&'); at++)
		text[at] = '*';
	return at;
}

/* Length of the secret's name that starts at `at`, 0: none. */
static size_t word_at(const char *text, size_t len, size_t at)
{
	size_t i, n;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		n = strlen(words[i]);
		if (len - at > n && !strncasecmp(text + at, words[i], n) && separator(text[at + n]))
			return n;
	}
	return 0;
}

/* `scheme://user:password@`: at points behind the `://`. */
static size_t mask_url(char *text, size_t len, size_t at)
{
	size_t colon = 0, end;

	for (end = at; end < len && text[end] != '/' && text[end] != '@' && !isspace((unsigned char)text[end]); end++)
		if (text[end] == ':' && !colon)
			colon = end;
	if (end == len || text[end] != '@' || !colon)
		return at;
	memset(text + colon + 1, '*', end - colon - 1);
	return end;
}

void mask_secrets(char *text, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		n = word_at(text, len, at);
		if (n)
			at = mask_value(text, len, at + n);
		else if (len - at > 3 && !memcmp(text + at, "://", 3))
			at = mask_url(text, len, at + 3);
		else
			at++;
	}
}
