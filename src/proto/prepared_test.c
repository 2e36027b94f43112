/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/prepared.h"

static uint64_t key(char kind, const char *name)
{
	return prepared_key(kind, name, strlen(name));
}

static void set(struct prepared *p, const char *name, const char *text)
{
	char operation[PROTO_OPERATION] = "SELECT", resource[PROTO_RESOURCE] = "";

	(void)snprintf(resource, sizeof(resource), "%s", text);
	prepared_set(p, key('S', name), operation, resource);
}

static const char *get(const struct prepared *p, char kind, const char *name)
{
	const struct prepared_row *row = prepared_get(p, key(kind, name));

	return row ? row->resource : "none";
}

static void test_names(void **state)
{
	struct prepared p = { 0 };

	(void)state;
	assert_string_equal(get(&p, 'S', "a"), "none");
	set(&p, "a", "select 1");
	set(&p, "", "select 2");
	assert_string_equal(get(&p, 'S', "a"), "select 1");
	assert_string_equal(get(&p, 'P', "a"), "none");
	prepared_alias(&p, key('P', "portal"), key('S', "a"));
	assert_string_equal(get(&p, 'P', "portal"), "select 1");
	prepared_alias(&p, key('P', "portal"), key('S', "absent"));
	assert_string_equal(get(&p, 'P', "portal"), "none");
	prepared_alias(&p, key('P', ""), key('S', "a"));
	prepared_del(&p, key('S', "a"));
	assert_string_equal(get(&p, 'S', "a"), "none");
	assert_string_equal(get(&p, 'P', ""), "none");
	set(&p, "", "select 3");
	assert_string_equal(get(&p, 'S', ""), "select 3");
	prepared_fini(&p);
}

/* The unnamed one again and again costs nobody a name; more names than there is room for cost the oldest. */
static void test_many(void **state)
{
	struct prepared p = { 0 };
	char name[16];
	unsigned int i;

	(void)state;
	set(&p, "kept", "kept");
	for (i = 0; i < 10 * PREPARED_MAX; i++)
		set(&p, "", "unnamed");
	assert_string_equal(get(&p, 'S', "kept"), "kept");
	for (i = 0; i < 10 * PREPARED_MAX; i++) { /* prepared and given up */
		(void)snprintf(name, sizeof(name), "t%u", i);
		set(&p, name, name);
		prepared_del(&p, key('S', name));
	}
	assert_string_equal(get(&p, 'S', "kept"), "kept");
	for (i = 0; i < PREPARED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		set(&p, name, name);
	}
	assert_string_equal(get(&p, 'S', "kept"), "none");
	assert_string_equal(get(&p, 'S', name), name);
	assert_int_equal(p.count, PREPARED_MAX);
	for (i = 0; i < 3 * PREPARED_KEYS; i++) {
		(void)snprintf(name, sizeof(name), "m%u", i);
		set(&p, name, name);
	}
	assert_true(p.keys.count <= PREPARED_KEYS);
	prepared_fini(&p);
}

int main(void)
{
	const struct CMUnitTest cases[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_many) };

	return cmocka_run_group_tests(cases, NULL, NULL);
}
