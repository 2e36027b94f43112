/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOP_ITEM_H
#define SHOP_ITEM_H
/*
 * item - what the applications of the shop answer to GET /NAME/item/N, and what they write down of it.
 *
 * The application's lock is taken, Redis and PostgreSQL are asked, every third item also the next application; a little is
 * computed, a line logged.  The environment says where everything is (README.md).  With SHOP_TRUTH a line of JSON a
 * request goes into that file: who did it when, and how long each step took.
 *
 * Threads: any number.
 */
#include "http.h"

void item_init(void); /* from the environment; exits where something is missing */
const char *item_listen(void);
int item_workers(void);
int item_answer(struct wire *w, const struct http_request *r); /* -1: the connection is of no use */

#endif
