/* SPDX-License-Identifier: Apache-2.0 */
/* listen - `127.0.0.1:7070`, `[::1]:7070`, `[::1]`, `7070`, `0.0.0.0`: where to listen, as people write it. */
#include <string.h>

#include "base/parse.h"
#include "cli/cli.h"

bool cli_listen(const char *text, struct cli_listen *ret)
{
	const char *colon = strrchr(text, ':'), *end = text + strlen(text), *port = NULL;
	size_t n;
	uint64_t number = 0;

	if (colon && end[-1] != ']') {
		port = colon + 1;
		end = colon;
	} else if (!colon && strspn(text, "0123456789") == strlen(text)) {
		port = text;
		end = text;
	}
	n = (size_t)(end - text);
	if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof(ret->address) || (port && (parse_number(port, &number) < 0 || number > UINT16_MAX)))
		return false;
	memcpy(ret->address, text, n);
	ret->address[n] = 0;
	ret->port = (uint16_t)number;
	ret->port_given = port != NULL;
	return true;
}
