/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_SQL_H
#define SAKER_PROTO_SQL_H
/*
 * sql - what a statement asks, without its values: those that differ only in them become the same text.
 *
 * Literals and parameters become ?, lists of nothing else become one (?, ?, ? -> ?; and rows of VALUES the first),
 * comments go, blanks become one, a ; at the end goes.  Words stay as they are written.  It is no parser: it splits a text
 * into words, as the manuals of PostgreSQL (section 4.1) and MariaDB ("Literals", "Comment Syntax") do, and takes any bytes.
 *
 * Threads: any.  Memory: none.  Failure: none.
 */
#include <stdbool.h>
#include <stddef.h>

#include "proto/proto.h"

enum sql_dialect {
	SQL_POSTGRESQL, /* "" around names, $$ strings, nested comments, $1 */
	SQL_MYSQL,	/* "" around strings, ` around names, # comments, backslashes in strings */
};

/*
 * operation: the first word in upper case; resource: the statement, normalised, of whole characters.  cut: text is only the
 * beginning of the statement; then, and where resource had no room for all, it ends with "...".
 */
void sql_normalise(enum sql_dialect dialect, const char *text, size_t len, bool cut, char operation[PROTO_OPERATION],
		   char resource[PROTO_RESOURCE]);

/* The operation of what was normalised. */
void sql_operation(const char *resource, char operation[PROTO_OPERATION]);

/* The value of a key in the comments of a statement, as sqlcommenter writes them: key='value'; false: none. */
bool sql_comment_value(const char *text, size_t len, const char *key, char *ret, size_t size);

#endif
