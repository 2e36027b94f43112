/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct unit {
	const char *name;
	double factor;
};

int parse_number(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10);
	if (errno)
		return -ERANGE;
	return *end ? -EINVAL : 0;
}

static int parse_unit(const char *text, const struct unit *units, size_t n, uint64_t *ret)
{
	double v;
	char *end;
	size_t i;

	if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && tolower((unsigned char)text[1]) == 'x'))
		return -EINVAL;
	v = strtod(text, &end);
	for (i = 0; i < n; i++) {
		if (strcasecmp(end, units[i].name) != 0)
			continue;
		if (v * units[i].factor >= 1.8e19)
			return -ERANGE;
		*ret = (uint64_t)(v * units[i].factor + 0.5);
		return 0;
	}
	return -EINVAL;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "b", 1 },
		{ "k", 1024 },
		{ "kb", 1024 },
		{ "m", 1048576 },
		{ "mb", 1048576 },
		{ "g", 1073741824 },
		{ "gb", 1073741824 },
		{ "t", 1099511627776 },
		{ "tb", 1099511627776 },
	};

	return parse_unit(text, units, ARRAY_LEN(units), ret);
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "", 1e9 }, { "s", 1e9 },  { "ms", 1e6 },   { "us", 1e3 },
		{ "ns", 1 }, { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 },
	};

	return parse_unit(text, units, ARRAY_LEN(units), ret_ns);
}
