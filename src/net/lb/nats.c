/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/nats.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "net/chain.h"
#include "net/lb/look.h"

#define NATS "lb_nats"
#define BATCH 1024

static bool nats_info(const struct chain *c, struct bpf_map_info *ret)
{
	uint32_t bytes = sizeof(*ret);
	int fd = chain_map(c, NATS);

	memset(ret, 0, sizeof(*ret));
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, ret, &bytes);
}

uint32_t lb_nats_room(const struct chain *c)
{
	struct bpf_map_info info;

	return nats_info(c, &info) ? info.max_entries : 0;
}

/* ---- numbers of VIPs ---- */

struct numbered {
	struct lb_prefix_key key;
	uint32_t number, there; /* in the other chain; 0: it has none */
};

struct numbers {
	struct numbered *rows;
	size_t n;
};

static int number_add(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct numbers *all = arg;
	struct numbered *grown = array_grown(all->rows, all->n, sizeof(*grown));

	if (!grown)
		return -1;
	all->rows = grown;
	grown[all->n++] = (struct numbered) { .key = *key, .number = vip->number };
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_prefix_key));
}

static int by_number(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* The VIPs of `from`, by their numbers. */
static void numbers_made(const struct chain *from, const struct chain *to, struct numbers *ret)
{
	struct numbers there = { 0 };
	size_t i;

	(void)lb_look_vips(from, number_add, ret);
	(void)lb_look_vips(to, number_add, &there);
	if (there.n)
		qsort(there.rows, there.n, sizeof(*there.rows), by_key);
	if (ret->n)
		qsort(ret->rows, ret->n, sizeof(*ret->rows), by_number);
	for (i = 0; i < ret->n; i++) {
		const struct numbered *found =
			there.n ? bsearch(&ret->rows[i], there.rows, there.n, sizeof(*there.rows), by_key) : NULL;

		ret->rows[i].there = found ? found->number : 0;
	}
	free(there.rows);
}

static uint32_t number_there(const struct numbers *numbers, uint32_t number)
{
	struct numbered wanted = { .number = number };
	const struct numbered *found =
		numbers->n ? bsearch(&wanted, numbers->rows, numbers->n, sizeof(wanted), by_number) : NULL;

	return found ? found->there : 0;
}

/* ---- from one chain to another ---- */

uint64_t lb_nats_carry(const struct chain *from, const struct chain *to)
{
	CLEANUP_FREE struct packet_flow *flows = calloc(BATCH, sizeof(*flows));
	CLEANUP_FREE struct lb_nat *values = calloc(BATCH, sizeof(*values));
	struct bpf_map_info old, new;
	struct numbers numbers = { 0 };
	uint32_t at = 0, n, i;
	uint64_t carried = 0;
	bool first = true, more = flows && values && nats_info(from, &old) && nats_info(to, &new) &&
				  old.key_size == sizeof(*flows) && old.value_size == sizeof(*values) &&
				  new.value_size == sizeof(*values);

	if (more)
		numbers_made(from, to, &numbers);
	while (more) {
		uint32_t next = 0;

		n = BATCH;
		more = !bpf_map_lookup_batch(chain_map(from, NATS), first ? NULL : &at, &next, flows, values, &n, NULL);
		if (!more && errno != ENOENT)
			break;
		for (i = 0; i < n; i++) {
			values[i].number = number_there(&numbers, values[i].number);
			carried += !bpf_map_update_elem(chain_map(to, NATS), &flows[i], &values[i], BPF_NOEXIST);
		}
		at = next;
		first = false;
	}
	free(numbers.rows);
	return carried;
}
