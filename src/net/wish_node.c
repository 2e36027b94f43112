/* SPDX-License-Identifier: Apache-2.0 */
#include "net/wish_node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"

#define WORD_MAX 200 /* of a scalar: nothing in a wish is longer */

unsigned node_line(const yaml_node_t *n)
{
	return (unsigned)n->start_mark.line + 1;
}

const char *node_word(struct reader *r, const yaml_node_t *n, const char *what)
{
	if (n->type != YAML_SCALAR_NODE) {
		COMPLAIN(r, n, "%s is to be a word, not a list or mapping", what);
		return NULL;
	}
	if (n->data.scalar.length > WORD_MAX || strlen((const char *)n->data.scalar.value) != n->data.scalar.length) {
		COMPLAIN(r, n, "%s is too long, or has a byte 0 in it", what);
		return NULL;
	}
	return (const char *)n->data.scalar.value;
}

yaml_node_t *node_at(struct reader *r, int index)
{
	return ++r->visits > NODE_VISITS ? NULL : yaml_document_get_node(&r->doc, index);
}

bool node_is(const yaml_node_t *key, const char *name)
{
	return key && key->type == YAML_SCALAR_NODE && key->data.scalar.length == strlen(name) &&
	       !memcmp(key->data.scalar.value, name, key->data.scalar.length);
}

static void complain_unknown(struct reader *r, const yaml_node_t *key, const struct node_field *fields, size_t n)
{
	char known[160] = "";
	size_t i;

	for (i = 0; i < n; i++)
		(void)snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
			       fields[i].key);
	if (key && key->type == YAML_SCALAR_NODE)
		COMPLAIN(r, key, "there is no key '%.40s' here: %s", (const char *)key->data.scalar.value, known);
}

void node_fields(struct reader *r, yaml_node_t *n, const struct node_field *fields, size_t nfields, void *to,
		 const char *what)
{
	yaml_node_pair_t *pair;
	size_t i;

	if (n->type != YAML_MAPPING_NODE) {
		COMPLAIN(r, n, "%s is to be a mapping", what);
		return;
	}
	for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = node_at(r, pair->key);

		for (i = 0; i < nfields && !node_is(key, fields[i].key); i++)
			;
		if (i == nfields)
			complain_unknown(r, key, fields, nfields);
	}
	for (i = 0; i < nfields; i++) {
		unsigned before = 0;

		for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
			yaml_node_t *key = node_at(r, pair->key), *value = node_at(r, pair->value);

			if (!key || !value || !node_is(key, fields[i].key))
				continue;
			if (before)
				COMPLAIN(r, key, "'%s' stands in line %u, too", fields[i].key, before);
			else
				fields[i].read(r, value, to);
			before = node_line(key);
		}
	}
}

void node_each(struct reader *r, yaml_node_t *n, const char *what, void (*each)(struct reader *r, yaml_node_t *node))
{
	yaml_node_item_t *item;

	if (n->type != YAML_SEQUENCE_NODE) {
		COMPLAIN(r, n, "%s are to be a list", what);
		return;
	}
	for (item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
		yaml_node_t *node = node_at(r, *item);

		if (node)
			each(r, node);
	}
}

/* ---- values ---- */

bool node_u32(struct reader *r, const yaml_node_t *n, const char *what, uint64_t min, uint64_t max, uint32_t *to)
{
	const char *text = node_word(r, n, what);
	uint64_t v = 0;

	if (!text)
		return false;
	if (parse_number(text, &v) < 0 || v < min || v > max) {
		COMPLAIN(r, n, "%s is a number from %llu to %llu, not '%.40s'", what, (unsigned long long)min,
			 (unsigned long long)max, text);
		return false;
	}
	*to = (uint32_t)v;
	return true;
}

void node_bool(struct reader *r, const yaml_node_t *n, const char *what, bool *to)
{
	const char *text = node_word(r, n, what);

	if (!text)
		return;
	if (!strcmp(text, "true") || !strcmp(text, "yes"))
		*to = true;
	else if (!strcmp(text, "false") || !strcmp(text, "no"))
		*to = false;
	else
		COMPLAIN(r, n, "%s is true or false, not '%.40s'", what, text);
}

static void read_seconds(struct reader *r, const yaml_node_t *n, const struct wish_option *o, uint32_t *to)
{
	const char *text = node_word(r, n, o->name);
	uint64_t ns = 0;

	if (!text)
		return;
	if (parse_duration(text, &ns) < 0 || ns / NS_PER_SEC < o->min || ns / NS_PER_SEC > o->max)
		COMPLAIN(r, n, "%s is a time from %llu s to %llu s, not '%.40s'", o->name, (unsigned long long)o->min,
			 (unsigned long long)o->max, text);
	else
		*to = (uint32_t)(ns / NS_PER_SEC);
}

bool node_addr(struct reader *r, const yaml_node_t *n, const char *what, struct lb_addr *to)
{
	const char *text = node_word(r, n, what);

	if (!text)
		return false;
	if (lb_addr_parse(text, to) == 0)
		return true;
	COMPLAIN(r, n, "%s is an address, not '%.40s'", what, text);
	return false;
}

static void read_family(struct reader *r, const yaml_node_t *n, const struct wish_option *o, struct lb_addr *to)
{
	uint8_t family = o->kind == WISH_ADDR4 ? 4 : 6;
	struct lb_addr addr;

	if (!node_addr(r, n, o->name, &addr))
		return;
	if (addr.family != family)
		COMPLAIN(r, n, "%s is an IPv%u address", o->name, family);
	else
		*to = addr;
}

void node_option(struct reader *r, const yaml_node_t *n, const struct wish_option *o, void *to)
{
	if (o->kind == WISH_NUMBER)
		(void)node_u32(r, n, o->name, o->min, o->max, to);
	else if (o->kind == WISH_SECONDS)
		read_seconds(r, n, o, to);
	else if (o->kind == WISH_SWITCH)
		node_bool(r, n, o->name, to);
	else
		read_family(r, n, o, to);
}

void node_mode(struct reader *r, yaml_node_t *n, enum wish_mode *to)
{
	const char *text = node_word(r, n, "mode");

	if (text && wish_mode_parse(text, to) < 0)
		COMPLAIN(r, n, "mode is ipip, gue, nat or l2, not '%.40s'", text);
}
