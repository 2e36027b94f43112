/* SPDX-License-Identifier: Apache-2.0 */
#include "explain/pick.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

#define DIGITS 32

/* The digits of an id, lower case; false: it has others, none, or too many. */
static bool digits_of(const char *id, char out[DIGITS + 1])
{
	size_t n = 0;

	for (; *id; id++) {
		if (*id == '-')
			continue;
		if (n == DIGITS || !strchr("0123456789abcdefABCDEF", *id))
			return false;
		out[n++] = (char)(*id >= 'A' && *id <= 'F' ? *id + ('a' - 'A') : *id);
	}
	out[n] = 0;
	return n;
}

/* Ids of 64 bits are written with 16 digits as often as with 32. */
static bool begins(const struct span *root, const char *digits)
{
	char id[DIGITS + 1];

	(void)snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, root->trace[0], root->trace[1]);
	if (!strncmp(id, digits, strlen(digits)))
		return true;
	return !root->trace[0] && !strncmp(id + DIGITS / 2, digits, strlen(digits));
}

int pick_trace(const struct spans *s, const char *id, uint32_t *ret, struct err *err)
{
	uint32_t i, found = UINT32_MAX;
	char digits[DIGITS + 1];

	if (!digits_of(id, digits))
		return err_set(err, EINVAL, "'%s' is no id of a trace: up to 32 hexadecimal digits", id);
	for (i = 0; i < s->ntraces; i++) {
		const struct span *root = &s->rows[s->traces[i].root], *other;

		if (!begins(root, digits))
			continue;
		other = found == UINT32_MAX ? NULL : &s->rows[s->traces[found].root];
		if (other && (other->trace[0] != root->trace[0] || other->trace[1] != root->trace[1]))
			return err_set(err, EEXIST,
				       "several traces begin with '%s': %016" PRIx64 "%016" PRIx64 " and %016" PRIx64
				       "%016" PRIx64 " are two",
				       id, other->trace[0], other->trace[1], root->trace[0], root->trace[1]);
		if (!other || pick_duration(s, i) > pick_duration(s, found))
			found = i;
	}
	if (found == UINT32_MAX)
		return err_set(err, ENOENT, "no trace begins with '%s'", id);
	*ret = found;
	return 0;
}

int pick_slowest(const struct spans *s, uint32_t *ret, struct err *err)
{
	uint32_t i, slowest = 0;

	if (!s->ntraces)
		return err_set(err, ENOENT, "there is no request in it");
	for (i = 1; i < s->ntraces; i++)
		if (pick_duration(s, i) > pick_duration(s, slowest))
			slowest = i;
	*ret = slowest;
	return 0;
}

static int by_duration(const void *a, const void *b, void *arg)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t dx = pick_duration(arg, x), dy = pick_duration(arg, y);

	if (dx != dy)
		return dx < dy ? -1 : 1;
	return x < y ? -1 : x > y;
}

int pick_normal(const struct spans *s, uint32_t trace, uint32_t *ret, struct err *err)
{
	const struct span *like = &s->rows[s->traces[trace].root];
	uint32_t *alike = calloc(s->ntraces, sizeof(*alike)), i, n = 0;

	if (!alike)
		return err_set(err, ENOMEM, "out of memory for %zu traces", s->ntraces);
	for (i = 0; i < s->ntraces; i++) {
		const struct span *root = &s->rows[s->traces[i].root];

		if (i != trace && root->service == like->service && root->operation == like->operation)
			alike[n++] = i;
	}
	qsort_r(alike, n, sizeof(*alike), by_duration, (void *)(uintptr_t)s);
	if (n)
		*ret = alike[n / 2];
	free(alike);
	return n ? 0 : err_set(err, ENOENT, "there is no other request like it to compare with");
}
