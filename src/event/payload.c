/* SPDX-License-Identifier: Apache-2.0 */
#include "event/payload.h"

#include <string.h>

#include "base/cleanup.h"

/* Where the next c stands at or behind `at`; len: nowhere. */
static size_t next_of(const uint8_t *data, size_t len, size_t at, int c)
{
	const uint8_t *found = memchr(data + at, c, len - at);

	return found ? (size_t)(found - data) : len;
}

size_t payload_escape(const uint8_t *data, size_t len, char *out, size_t cap, size_t *ret_taken)
{
	size_t nul = len ? next_of(data, len, 0, 0) : 0, backslash = len ? next_of(data, len, 0, '\\') : 0;
	size_t at = 0, i = 0, run;

	while (i < len) {
		run = MIN(nul, backslash) - i;
		run = MIN(run, cap - 1 - at);
		memcpy(out + at, data + i, run);
		at += run;
		i += run;
		if (i == len || (i != nul && i != backslash) || at + 3 > cap)
			break;
		out[at++] = '\\';
		out[at++] = data[i] ? '\\' : '0';
		i++;
		if (nul < i)
			nul = next_of(data, len, i, 0);
		if (backslash < i)
			backslash = next_of(data, len, i, '\\');
	}
	out[at] = 0;
	if (ret_taken)
		*ret_taken = i;
	return at;
}

size_t payload_unescape(const char *text, size_t len, uint8_t *out, size_t cap)
{
	size_t n = 0, i;

	for (i = 0; i < len && n < cap; i++) {
		if (text[i] == '\\' && i + 1 < len && (text[i + 1] == '0' || text[i + 1] == '\\'))
			out[n++] = text[++i] == '0' ? 0 : '\\';
		else
			out[n++] = (uint8_t)text[i];
	}
	return n;
}
