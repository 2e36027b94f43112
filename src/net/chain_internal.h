/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_CHAIN_INTERNAL_H
#define SAKER_NET_CHAIN_INTERNAL_H
/* chain_internal - what chain.c and pin.c share: a chain whose maps and programs come from elsewhere than its objects. */
#include "net/chain.h"

struct chain_named {
	char name[32];
	int fd; /* owned */
};

struct chain *chain_empty(void); /* NULL: out of memory */
int chain_keep_program(struct chain *c, const char *name, int program);
/* Of programs that were not made here. */
void chain_hook_look(struct chain *c);
/* Maps chain_control; the map is there. */
int chain_control_map(struct chain *c, struct err *err);
/* The object of the chain itself. */
extern const struct chain_object chain_object;

#endif
