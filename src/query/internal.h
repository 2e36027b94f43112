/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_QUERY_INTERNAL_H
#define SAKER_QUERY_INTERNAL_H
/* internal - a compiled query: a tree of tests.  What parse.c, names.c and match.c share; nobody else includes it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/query.h"

#define NONE UINT32_MAX

__extension__ typedef __int128 wide; /* holds every u64 and every s64 */

enum query_op { OP_IS, OP_LESS, OP_LESS_OR_IS, OP_MORE, OP_MORE_OR_IS, OP_CONTAINS, OP_THERE };

/* What is asked of an event. */
enum query_subject {
	SUBJECT_FIELD, /* one of `binds` */
	SUBJECT_TYPE,
	SUBJECT_ID,
	SUBJECT_TGID,
	SUBJECT_TID,
	SUBJECT_CPU,
	SUBJECT_SEQ,
	SUBJECT_CONTEXT,
	SUBJECT_BOOT,
	SUBJECT_START,
	SUBJECT_HOST, /* from here on the scope is asked */
	SUBJECT_PROCESS,
	SUBJECT_CONTAINER,
	SUBJECT_UNIT,
	SUBJECT_CGROUP,
	SUBJECT_GOROUTINE,
	SUBJECT_SINCE,
};

/* One value of a comparison as that field understands it. */
enum query_how {
	HOW_NEVER, /* it is no value of such a field */
	HOW_NUMBER,
	HOW_BITS,  /* a flag by its name */
	HOW_ERRNO, /* an error by its name: kernels give it with either sign */
	HOW_TEXT,
	HOW_ADDR,
};

struct query_value {
	enum query_how how;
	wide number;
	uint8_t addr[16];
	uint8_t prefix; /* bits of addr that count */
};

/* A value as it was written. */
struct query_word {
	char *text;
	bool quoted; /* then * and ? mean themselves */
	bool glob;
	unsigned int column;
};

/* A field of a type, and the values in its own terms: values[first_value + i] for word i. */
struct query_bind {
	uint16_t type, field;
	uint32_t first_value;
};

struct query_test {
	enum query_subject subject;
	enum query_op op;
	bool negated; /* != */
	struct query_word *words;
	uint32_t nwords;
	struct query_bind *binds; /* by type; a type may have several (port: local_port, remote_port) */
	uint32_t nbinds;
	struct query_value *values;
	uint32_t nvalues;
};

enum query_node_kind { NODE_TEST, NODE_NOT, NODE_AND, NODE_OR };

struct query_node {
	enum query_node_kind kind;
	uint32_t left, right; /* nodes; a test's index in left */
};

struct query {
	struct query_node *nodes;
	struct query_test *tests;
	uint32_t nnodes, ntests, cap_nodes, cap_tests;
	uint32_t root;
};

/* number.c.  -EINVAL: not a number with such a unit, or not a whole one; -ERANGE: larger than 64 bits. */
enum query_unit {
	UNIT_SIZE,    /* k M G T: powers of 1024 */
	UNIT_NS,      /* ns us ms s m h; bare: ns */
	UNIT_SECONDS, /* likewise; bare: s */
};
int query_number(const char *text, enum query_unit units, wide *ret);

/* glob.c */
bool query_glob(const char *text, size_t len, const char *pattern);

/* names.c: finds out what `name` asks and gives its words the meaning that they have there. */
int query_bind_test(struct query_test *t, const char *name, unsigned int column, const struct event_types *types,
		    unsigned int *ret_column, struct err *err);

#endif
