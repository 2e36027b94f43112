/* SPDX-License-Identifier: Apache-2.0 */
#include "event/payload.h"

size_t payload_escape(const uint8_t *data, size_t len, char *out, size_t cap, size_t *ret_taken)
{
	size_t at = 0, i;

	for (i = 0; i < len; i++) {
		size_t need = !data[i] || data[i] == '\\' ? 2 : 1;

		if (at + need + 1 > cap)
			break;
		if (need == 2)
			out[at++] = '\\';
		out[at++] = data[i] ? (char)data[i] : '0';
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
