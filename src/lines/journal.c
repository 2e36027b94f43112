/* SPDX-License-Identifier: Apache-2.0 */
#include "lines/journal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "event/event.h"
#include "lines/line.h"

static uint64_t size_at(const char *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

/* The value behind `NAME\n`. */
static int sized_value(const char *entry, size_t len, size_t *at, struct journal_field *ret)
{
	uint64_t size;

	if (len - *at < 9)
		return -EBADMSG;
	size = size_at(entry + *at);
	if (size > len - *at - 9 || entry[*at + 8 + size] != '\n')
		return -EBADMSG;
	ret->value = entry + *at + 8;
	ret->value_len = (size_t)size;
	*at += 9 + (size_t)size;
	return 1;
}

int journal_next(const char *entry, size_t len, size_t *at, struct journal_field *ret)
{
	const char *line = entry + *at, *end = memchr(line, '\n', len - *at), *equals;
	size_t n = end ? (size_t)(end - line) : len - *at;

	if (!n)
		return 0;
	equals = memchr(line, '=', n);
	if (!equals && !end)
		return -EBADMSG;
	ret->name = line;
	ret->name_len = equals ? (size_t)(equals - line) : n;
	*at += n + (end != NULL);
	if (!equals)
		return sized_value(entry, len, at, ret);
	ret->value = equals + 1;
	ret->value_len = n - ret->name_len - 1;
	return 1;
}

int journal_is(const struct journal_field *f, const char *name)
{
	return strlen(name) == f->name_len && !memcmp(f->name, name, f->name_len);
}

uint8_t journal_level(const struct journal_field *f)
{
	return f->value_len == 1 && isdigit((unsigned char)f->value[0])
		       ? level_of_priority((uint64_t)(f->value[0] - '0'))
		       : LEVEL_NONE;
}
