/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards of a query: `*` any bytes, `?` one character.  Time is at most length times pattern. */
#include <string.h>

#include "base/buf.h"
#include "query/internal.h"

/* Bytes that `?` takes: a whole UTF-8 character, or one byte where there is none. */
static size_t one_character(const char *text, size_t len)
{
	size_t n = buf_utf8_len((const unsigned char *)text, len);

	return n ? n : 1;
}

bool query_glob(const char *text, size_t len, const char *pattern)
{
	const char *end = text + len, *star = NULL, *again = NULL;

	for (;;) {
		if (*pattern == '*') {
			star = ++pattern; /* only the last star needs to be tried again */
			again = text;
		} else if (text == end) {
			return !*pattern;
		} else if (*pattern == '?') {
			pattern++;
			text += one_character(text, (size_t)(end - text));
		} else if (*pattern && *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++again;
		} else {
			return false;
		}
	}
}
