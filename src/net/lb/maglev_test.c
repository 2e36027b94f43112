/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of addresses and the ring of three backends: as Katran computes them (its public tests, and a run of them). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "net/lb/endpoint.h"
#include "net/lb/lb.h"
#include "net/lb/maglev.h"

#define PLACES LB_RING
#define MANY 1000

static uint16_t ring[PLACES], other[PLACES];

static uint64_t hash_of(const char *text)
{
	struct lb_addr addr;

	assert_int_equal(lb_addr_parse(text, &addr), 0);
	return endpoint_hash(&addr);
}

/* Backends 10.9.x.y with numbers from 1 on; weight i % weights + 1 */
static void make_nodes(struct maglev_node *nodes, size_t n, uint32_t weights)
{
	char text[32];
	size_t i;

	for (i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text), "10.9.%zu.%zu", i / 250, i % 250 + 1);
		nodes[i] = (struct maglev_node) { hash_of(text), (uint32_t)(i % weights) + 1, (uint16_t)(i + 1) };
	}
}

static void count_places(const uint16_t *of, uint32_t counts[MANY + 1])
{
	uint32_t i;

	memset(counts, 0, (MANY + 1) * sizeof(*counts));
	for (i = 0; i < PLACES; i++)
		counts[of[i]]++;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *addr;
		uint64_t hash;
		uint32_t offset, skip;
	} known[] = {
		{ "10.0.0.1", 0xd671359dbaa15954, 4577, 18292 },
		{ "10.0.0.2", 0x2cd426d008b90279, 42248, 16076 },
		{ "10.0.0.3", 0x6eb4a2989236785d, 65365, 24158 },
		{ "10.0.0.6", 0x5ee38d46dd8aa382, 12125, 11536 },
		{ "fc00::1", 0x64e74a25b986d744, 7827, 60497 },
		{ "fc00::2", 0x87d247835b02295b, 12132, 1761 },
		{ "fc00::5", 0x6e2941f3f30925e5, 19035, 642 },
		{ "fc00::8", 0xd359fbea09add95c, 29430, 2831 },
		{ "fc00::2307:1", 0x7e825549bb3f6c33, 55714, 24272 },
		{ "fc00::2307:10", 0xe36ad583e1a2a385, 2722, 8615 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(known); i++) {
		uint64_t hash = hash_of(known[i].addr);

		assert_true(hash == known[i].hash);
		assert_int_equal(endpoint_mix(hash, 42, 0) % PLACES, known[i].offset);
		assert_int_equal(endpoint_mix(hash, 2718281828U, 2307) % (PLACES - 1) + 1, known[i].skip);
	}
}

static void test_known_ring(void **state)
{
	static const uint16_t first[32] = { 2, 1, 3, 2, 1, 3, 3, 1, 1, 2, 1, 2, 2, 1, 2, 3,
					    1, 2, 3, 1, 3, 2, 2, 2, 3, 3, 2, 3, 1, 3, 1, 1 };
	struct maglev_node nodes[] = { { hash_of("10.0.0.1"), 1, 1 },
				       { hash_of("10.0.0.2"), 1, 2 },
				       { hash_of("10.0.0.3"), 1, 3 } };
	uint32_t counts[MANY + 1];

	(void)state;
	assert_int_equal(maglev_fill(ring, PLACES, nodes, 3), 0);
	assert_memory_equal(ring, first, sizeof(first));
	count_places(ring, counts);
	assert_int_equal(counts[1], 21845);
	assert_int_equal(counts[2], 21846);
	assert_int_equal(counts[3], 21846);
}

/* Every backend has its share to within 1 %, or a place, whatever is more. */
static void check_balance(size_t n, uint32_t weights)
{
	struct maglev_node nodes[MANY];
	uint32_t counts[MANY + 1];
	double sum = 0;
	size_t i;

	make_nodes(nodes, n, weights);
	for (i = 0; i < n; i++)
		sum += nodes[i].weight;
	assert_int_equal(maglev_fill(ring, PLACES, nodes, n), 0);
	count_places(ring, counts);
	assert_int_equal(counts[0], 0);
	for (i = 0; i < n; i++) {
		double share = nodes[i].weight / sum * PLACES, off = counts[i + 1] - share;

		if (off < 0)
			off = -off;
		assert_true(off <= MAX(share / 100, 1.0));
	}
}

static void test_balance(void **state)
{
	(void)state;
	check_balance(1, 1);
	check_balance(2, 2);
	check_balance(10, 1);
	check_balance(100, 10);
	check_balance(100, 37);
	check_balance(1000, 3);
}

/* Part of the ring that changes when one of n goes. */
static double moved(size_t n, size_t gone)
{
	struct maglev_node nodes[MANY];
	uint32_t i, changed = 0;

	make_nodes(nodes, n, 1);
	assert_int_equal(maglev_fill(ring, PLACES, nodes, n), 0);
	nodes[gone].weight = 0;
	assert_int_equal(maglev_fill(other, PLACES, nodes, n), 0);
	for (i = 0; i < PLACES; i++)
		changed += ring[i] != other[i];
	return (double)changed / PLACES;
}

static void test_removal(void **state)
{
	static const size_t sizes[] = { 2, 3, 5, 10, 30, 100, 300 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		double part = moved(sizes[i], sizes[i] / 2), least = 1.0 / (double)sizes[i];

		print_message("%zu backends, one goes: %.2f %% move, %.2f %% must\n", sizes[i], 100 * part,
			      100 * least);
		assert_true(part <= least + 0.02);
	}
}

/* The order in which a wish names them, and their numbers, do not matter. */
static void test_order(void **state)
{
	struct maglev_node nodes[50], turned[50];
	uint32_t i;

	(void)state;
	make_nodes(nodes, 50, 7);
	for (i = 0; i < 50; i++)
		turned[i] = nodes[49 - i];
	assert_int_equal(maglev_fill(ring, PLACES, nodes, 50), 0);
	assert_int_equal(maglev_fill(other, PLACES, turned, 50), 0);
	assert_memory_equal(ring, other, sizeof(ring));
}

static void test_weights(void **state)
{
	struct maglev_node nodes[3];
	uint32_t counts[MANY + 1];

	(void)state;
	make_nodes(nodes, 3, 1);
	nodes[1].weight = 0;
	nodes[2].weight = 0xffffffff;
	assert_int_equal(maglev_fill(ring, PLACES, nodes, 3), 0);
	count_places(ring, counts);
	assert_int_equal(counts[2], 0);
	assert_true(counts[3] >= PLACES - 1);
	nodes[0].weight = nodes[2].weight = 0;
	assert_int_equal(maglev_fill(ring, PLACES, nodes, 3), -ENOENT);
	assert_int_equal(ring[0], 0);
	assert_int_equal(maglev_fill(ring, PLACES, nodes, 0), -ENOENT);
}

static void test_small_prime(void **state)
{
	struct maglev_node nodes[5];
	uint32_t i, seen[6] = { 0 };

	(void)state;
	make_nodes(nodes, 5, 1);
	assert_int_equal(maglev_fill(ring, 251, nodes, 5), 0);
	for (i = 0; i < 251; i++)
		seen[ring[i]]++;
	for (i = 1; i < 6; i++)
		assert_in_range(seen[i], 50, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),   cmocka_unit_test(test_known_ring), cmocka_unit_test(test_balance),
		cmocka_unit_test(test_removal),	    cmocka_unit_test(test_order),      cmocka_unit_test(test_weights),
		cmocka_unit_test(test_small_prime),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
