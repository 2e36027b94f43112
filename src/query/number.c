/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a query, exactly: base/parse.h rounds, which is right for a size on the command line but not for `=`. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "query/internal.h"

#define DIGITS_MAX 18 /* behind the point: times the largest factor they fit into 128 bits */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{ "", 1 },	     { "b", 1 },	   { "k", 1ULL << 10 }, { "kb", 1ULL << 10 },
	{ "m", 1ULL << 20 }, { "mb", 1ULL << 20 }, { "g", 1ULL << 30 }, { "gb", 1ULL << 30 },
	{ "t", 1ULL << 40 }, { "tb", 1ULL << 40 },
};

static const struct unit durations[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000ULL },
	{ "m", 60000000000ULL },
	{ "min", 60000000000ULL },
	{ "h", 3600000000000ULL },
};

static uint64_t factor_of(const char *unit, enum query_unit units)
{
	const struct unit *table = units == UNIT_SIZE ? sizes : durations;
	size_t n = units == UNIT_SIZE ? ARRAY_LEN(sizes) : ARRAY_LEN(durations), i;

	if (units != UNIT_SIZE && !*unit)
		return units == UNIT_SECONDS ? 1000000000ULL : 1;
	for (i = 0; i < n; i++)
		if (!strcasecmp(unit, table[i].name))
			return table[i].factor;
	return 0;
}

/* Digits of that base from *at on; -ERANGE beyond 64 bits. */
static int digits(const char **at, unsigned int base, wide *ret)
{
	wide v = 0;

	for (; isxdigit((unsigned char)**at); (*at)++) {
		int c = tolower((unsigned char)**at);
		unsigned int digit = (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);

		if (digit >= base)
			break;
		v = v * base + digit;
		if (v > UINT64_MAX)
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

/* What stands behind the point, as *ret / *ret_below. */
static int fraction(const char **at, wide *ret, wide *ret_below)
{
	const char *begin = ++*at;

	if (digits(at, 10, ret) < 0 || *at == begin || *at - begin > DIGITS_MAX)
		return -EINVAL;
	for (; begin < *at; begin++)
		*ret_below *= 10;
	return 0;
}

int query_number(const char *text, enum query_unit units, wide *ret)
{
	bool negative = *text == '-', hex;
	const char *at = text + negative, *begin;
	wide whole, part = 0, below = 1, v;
	uint64_t factor;

	hex = at[0] == '0' && tolower((unsigned char)at[1]) == 'x';
	at += hex ? 2 : 0;
	begin = at;
	if (digits(&at, hex ? 16 : 10, &whole) < 0 || at == begin)
		return -EINVAL;
	if (!hex && *at == '.' && fraction(&at, &part, &below) < 0)
		return -EINVAL;
	factor = hex ? !*at : factor_of(at, units);
	if (!factor || part * factor % below)
		return -EINVAL;
	v = whole * factor + part * factor / below;
	if (v > UINT64_MAX)
		return -ERANGE;
	*ret = negative ? -v : v;
	return 0;
}
