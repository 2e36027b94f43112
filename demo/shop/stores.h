/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOP_STORES_H
#define SHOP_STORES_H
/*
 * stores - one command of Redis and one simple query of PostgreSQL, over pooled connections.
 *
 * Threads: any number.  Failure: -1, after which the connection is not used again.
 */
#include <stdint.h>

#include "wire.h"

int stores_hello(struct wire *w); /* of PostgreSQL: user postgres, database shop, without a password */
/* The value of a key, "" for none.  An id goes along as a second key, so that it can be found on the wire. */
int stores_redis(struct wires *p, const char *key, const char *id, char *value, size_t cap, uint32_t *ret_resent);
/* The first column of the first row. */
int stores_query(struct wires *p, const char *sql, char *value, size_t cap);

#endif
