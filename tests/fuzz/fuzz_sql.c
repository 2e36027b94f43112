/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sql - statements without their values: an input is a byte of choices, then the statement.
 *
 * What is told is text on one line, that ends within its room; and a value that stands before the statement is never in it.
 */
#include <string.h>

#include "base/buf.h"
#include "must.h"
#include "proto/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_text(const char *text, size_t room)
{
	size_t len = strnlen(text, room), i = 0;

	MUST(len < room);
	while (i < len) {
		size_t n = buf_utf8_len((const unsigned char *)text + i, len - i);

		MUST(n && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
		i += n;
	}
}

static void must_not_tell(enum sql_dialect dialect, const char *text, size_t len, bool cut)
{
	static const char first[] = "values (x, 'ZYXWVU', 987654, ";
	char whole[2048], operation[PROTO_OPERATION], resource[PROTO_RESOURCE];

	len = len < sizeof(whole) - sizeof(first) ? len : sizeof(whole) - sizeof(first);
	if (memmem(text, len, "ZYX", 3) || memmem(text, len, "9876", 4))
		return;
	memcpy(whole, first, sizeof(first) - 1);
	memcpy(whole + sizeof(first) - 1, text, len);
	sql_normalise(dialect, whole, sizeof(first) - 1 + len, cut, operation, resource);
	MUST(!strstr(resource, "ZYX") && !strstr(resource, "9876"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char operation[PROTO_OPERATION], resource[PROTO_RESOURCE], value[16];
	const enum sql_dialect dialect = size && data[0] & 1 ? SQL_MYSQL : SQL_POSTGRESQL;
	const bool cut = size && data[0] & 2;
	const char *text = (const char *)data + (size != 0);
	size_t len = size ? size - 1 : 0;

	sql_normalise(dialect, text, len, cut, operation, resource);
	must_be_text(resource, sizeof(resource));
	must_be_text(operation, sizeof(operation));
	sql_operation(resource, operation);
	must_be_text(operation, sizeof(operation));
	must_not_tell(dialect, text, len, cut);
	memset(value, 'x', sizeof(value));
	if (sql_comment_value(text, len, "key", value, sizeof(value)))
		MUST(strnlen(value, sizeof(value)) < sizeof(value));
	return 0;
}
