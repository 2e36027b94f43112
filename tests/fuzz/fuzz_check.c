/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a check, as it comes in pieces: what was said of its beginning holds for the whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "peer/check_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check_http whole = { 0 }, part = { 0 };
	/* of its very size, so that a byte beyond it is seen */
	char *copy = malloc(size ? size : 1);
	size_t len;
	int r, of_part;

	MUST(copy);
	memcpy(copy, data, size);
	r = check_http_head(copy, size, &whole);
	MUST(r == 0 || r == 1 || r == -EPROTO);
	if (r == 1)
		MUST(whole.head_bytes <= size && whole.status < 1000 && copy[whole.head_bytes - 1] == '\n');
	for (len = 0; len < size && len < 256; len++) {
		of_part = check_http_head(copy, len, &part);
		MUST(of_part == 0 || of_part == r);
		if (of_part == 1)
			MUST(!memcmp(&part, &whole, sizeof(part)));
	}
	free(copy);
	return 0;
}
