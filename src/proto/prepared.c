/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "proto/prepared.h"

void prepared_fini(struct prepared *p)
{
	map_fini(&p->keys);
	free(p->rows);
	memset(p, 0, sizeof(*p));
}

uint64_t prepared_key(char kind, const void *name, size_t len)
{
	const unsigned char *s = name;
	uint64_t h = 0xcbf29ce484222325 ^ (unsigned char)kind; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ s[i]) * 0x100000001b3;
	return map_hash(h);
}

static void set_key(struct prepared *p, uint64_t key, uint64_t value)
{
	if (p->keys.count >= PREPARED_KEYS && !map_get(&p->keys, key)) {
		map_fini(&p->keys);
		p->keys = (struct map)MAP_INIT;
	}
	(void)map_set(&p->keys, key, value);
}

static struct prepared_row *row_of(const struct prepared *p, uint64_t key)
{
	const uint64_t *value = map_get(&p->keys, key);
	struct prepared_row *row = value ? &p->rows[(uint32_t)*value] : NULL;

	return row && row->serial == *value >> 32 ? row : NULL;
}

/* A row that was given up, or the next one in turn. */
static struct prepared_row *row_taken(struct prepared *p)
{
	for (uint32_t i = 0; p->unused && i < p->count; i++) {
		if (!p->rows[i].serial) {
			p->unused--;
			return &p->rows[i];
		}
	}
	return &p->rows[p->victim++ % PREPARED_MAX];
}

static struct prepared_row *row_for(struct prepared *p, uint64_t key)
{
	struct prepared_row *row = row_of(p, key), *grown;

	if (row && row->key == key)
		return row;
	if (p->count >= PREPARED_MAX)
		return row_taken(p);
	grown = array_grown(p->rows, p->count, sizeof(*p->rows));
	if (!grown)
		return NULL;
	p->rows = grown;
	return &p->rows[p->count++];
}

void prepared_set(struct prepared *p, uint64_t key, const char *operation, const char *resource)
{
	struct prepared_row *row = row_for(p, key);

	if (!row) {
		prepared_del(p, key);
		return;
	}
	row->serial = ++p->serial ? p->serial : ++p->serial;
	row->key = key;
	memcpy(row->operation, operation, sizeof(row->operation));
	memcpy(row->resource, resource, sizeof(row->resource));
	set_key(p, key, (uint64_t)row->serial << 32 | (uint64_t)(row - p->rows));
}

void prepared_alias(struct prepared *p, uint64_t key, uint64_t other)
{
	const uint64_t *value = map_get(&p->keys, other);

	if (value)
		set_key(p, key, *value);
	else
		prepared_del(p, key);
}

const struct prepared_row *prepared_get(const struct prepared *p, uint64_t key)
{
	return row_of(p, key);
}

void prepared_del(struct prepared *p, uint64_t key)
{
	struct prepared_row *row = row_of(p, key);

	if (row && row->key == key) {
		row->serial = 0;
		p->unused++;
	}
	(void)map_del(&p->keys, key);
}
