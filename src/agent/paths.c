/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/paths.h"

#include <string.h>

#include "agent/mask.h"

#define PARTS_MAX 80

struct part {
	const char *text;
	size_t len;
};

/* The next string of in[*at..len), which may lack its NUL. */
static struct part part_next(const char *in, size_t len, size_t *at)
{
	struct part p = { in + *at, strnlen(in + *at, len - *at) };

	*at += p.len + (*at + p.len < len);
	return p;
}

static size_t put(char *out, size_t at, const struct part *p)
{
	memcpy(out + at, p->text, p->len);
	return at + p->len;
}

/* One block; returns the length of the path, without a NUL. */
static size_t path_join(const char *in, size_t len, size_t *at, char *out)
{
	struct part given = part_next(in, len, at), dirs[PARTS_MAX];
	size_t n = 0, to = 0;

	while (*at < len && n < PARTS_MAX) {
		dirs[n] = part_next(in, len, at);
		if (!dirs[n].len)
			break;
		n++;
	}
	if (given.len && given.text[0] == '/')
		return put(out, 0, &given);
	if (!n)
		return put(out, 0, &given);
	while (n--) {
		out[to++] = '/';
		to = put(out, to, &dirs[n]);
	}
	if (given.len)
		out[to++] = '/';
	return put(out, to, &given);
}

size_t paths_join(const char *in, size_t len, int n, char *out)
{
	size_t at = 0, to = 0, one;

	while (n-- > 0) {
		one = path_join(in, len, &at, out + to);
		mask_secrets(out + to, one);
		to += one;
		out[to++] = 0;
	}
	return to;
}
