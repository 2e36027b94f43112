/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_PROTO_PREPARED_H
#define SAKER_PROTO_PREPARED_H
/*
 * prepared - the statements that a connection prepared, by name or number, and other names for them (portals).
 *
 * Threads: none shared.  Memory: PREPARED_MAX statements, of which the oldest go first, and PREPARED_KEYS names; with more
 * of them all names are forgotten.  All zero is an empty one.  Failure: no memory forgets.
 */
#include "base/map.h"
#include "proto/proto.h"

#define PREPARED_MAX 400
#define PREPARED_KEYS 2048

struct prepared_row {
	uint64_t key;	 /* of the statement itself */
	uint32_t serial; /* of what stands in the row now; 0: nothing */
	char operation[PROTO_OPERATION];
	char resource[PROTO_RESOURCE];
};

struct prepared {
	struct prepared_row *rows;
	uint32_t count, unused, victim, serial;
	struct map keys; /* to serial << 32 | row */
};

void prepared_fini(struct prepared *p);
/* A key: of one kind of names (a letter). */
uint64_t prepared_key(char kind, const void *name, size_t len);
void prepared_set(struct prepared *p, uint64_t key, const char *operation, const char *resource);
/* The key stands for what the other stands for, or for nothing. */
void prepared_alias(struct prepared *p, uint64_t key, uint64_t other);
const struct prepared_row *prepared_get(const struct prepared *p, uint64_t key); /* NULL: not known */
void prepared_del(struct prepared *p, uint64_t key);

#endif
