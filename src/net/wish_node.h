/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_WISH_NODE_H
#define SAKER_NET_WISH_NODE_H
/*
 * wish_node - nodes of libyaml's tree as values; what is wrong is listed with its line, and reading goes on.
 *
 * Each mapping is read by a table of its keys, in the table's order, so that names are known before they are used.
 */
#include <yaml.h>

#include "net/wish_internal.h"

#define NODE_VISITS (1U << 22)

struct reader {
	yaml_document_t doc;
	struct wish_errors *errors;
	struct wish *wish;
	struct wish_if *f; /* that is read now */
	struct wish_vip *vip;
	size_t visits; /* aliases make trees of any size out of few bytes */
};

struct node_field {
	const char *key;
	void (*read)(struct reader *r, yaml_node_t *node, void *to);
};

#define COMPLAIN(r, node, ...) wish_complain((r)->errors, node_line(node), __VA_ARGS__)

unsigned node_line(const yaml_node_t *n);
/* The words of a scalar; NULL: it is none, which was said. */
const char *node_word(struct reader *r, const yaml_node_t *n, const char *what);
/* NULL: there is none, or there were too many. */
yaml_node_t *node_at(struct reader *r, int index);
bool node_is(const yaml_node_t *key, const char *name);

/* Calls the fields' functions; complains of keys that no field has, or that are there twice. */
void node_fields(struct reader *r, yaml_node_t *n, const struct node_field *fields, size_t nfields, void *to,
		 const char *what);
void node_each(struct reader *r, yaml_node_t *n, const char *what, void (*each)(struct reader *r, yaml_node_t *node));

/* Values; *to stays as it is where something is wrong. */
bool node_u32(struct reader *r, const yaml_node_t *n, const char *what, uint64_t min, uint64_t max, uint32_t *to);
void node_bool(struct reader *r, const yaml_node_t *n, const char *what, bool *to);
bool node_addr(struct reader *r, const yaml_node_t *n, const char *what, struct lb_addr *to);
void node_option(struct reader *r, const yaml_node_t *n, const struct wish_option *o, void *to);
void node_health(struct reader *r, yaml_node_t *n, struct wish_health *to);
void node_mode(struct reader *r, yaml_node_t *n, enum wish_mode *to);

#endif
