/* SPDX-License-Identifier: Apache-2.0 */
/*
 * takeover - numbers and rings of a balancer that runs, read back from its maps by the next process.
 *
 * Connection tables and counters speak of numbers, so these must not change with the process.  Backends: lb_names holds the
 * address of every number that was ever given, also of backends that are gone.  VIPs: the tables of the visible side.
 * Rings: lb_made holds a hash of what each was made of, so that VIPs whose backends stay keep their rings.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/internal.h"
#include "net/lb/look.h"

/* key: a backend's number; value: struct lb_addr.  Owner: lb.c; written when a number is given or taken back. */
#define NAMES "lb_names"
/* key: index of lb_rings; value: what it was made of, 0: nobody knows. */
#define MADE "lb_made"

static int array_make(struct lb *lb, const char *name, uint32_t value, uint32_t entries, struct err *err)
{
	int fd;

	if (chain_map(lb->chain, name) >= 0)
		return 0;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), value, entries, NULL);
	if (fd < 0)
		return err_errno(err, errno, "cannot make the table '%s'", name);
	return chain_keep(lb->chain, name, fd) ? err_set(err, ENOMEM, "out of memory") : 0;
}

int lb_names_make(struct lb *lb, struct err *err)
{
	int r = array_make(lb, NAMES, sizeof(struct lb_addr), LB_REALS, err);

	return r < 0 ? r : array_make(lb, MADE, sizeof(uint64_t), lb->nrings, err);
}

void lb_name_write(struct lb *lb, uint32_t number)
{
	(void)bpf_map_update_elem(chain_map(lb->chain, NAMES), &number, &lb->addrs[number], BPF_ANY);
}

void lb_made_write(struct lb *lb, uint32_t ring, uint64_t made_of)
{
	(void)bpf_map_update_elem(chain_map(lb->chain, MADE), &ring, &made_of, BPF_ANY);
}

/* ---- backends ---- */

#define NAMES_AT_ONCE 1024

static int take_names(struct lb *lb, const uint32_t *numbers, const struct lb_addr *addrs, uint32_t n, struct err *err)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (!numbers[i] || numbers[i] >= LB_REALS || !addrs[i].family)
			continue; /* never given, or taken back */
		if (lb_backend_place(lb, numbers[i], &addrs[i]))
			return err_set(err, ENOMEM, "out of memory");
		lb->nreals = MAX(lb->nreals, numbers[i] + 1);
	}
	return 0;
}

/* Many at once: a system call for each number would take most of the time of a change, the more so under load. */
static int take_backends(struct lb *lb, struct err *err)
{
	CLEANUP_FREE struct lb_addr *addrs = calloc(NAMES_AT_ONCE, sizeof(*addrs));
	uint32_t numbers[NAMES_AT_ONCE], at = 0, n;
	int names = chain_map(lb->chain, NAMES), r = 0, done = 0;
	bool first = true;

	if (!addrs)
		return err_set(err, ENOMEM, "out of memory");
	while (!done && r >= 0) {
		n = NAMES_AT_ONCE;
		done = bpf_map_lookup_batch(names, first ? NULL : &at, &at, numbers, addrs, &n, NULL);
		if (done && done != -ENOENT) /* which is the end */
			return err_errno(err, -done, "cannot read the numbers of backends");
		r = take_names(lb, numbers, addrs, n, err);
		first = false;
	}
	return r;
}

/* ---- VIPs ---- */

static int take_vip(void *arg, const struct lb_prefix_key *key, const struct lb_vip *vip)
{
	struct lb *lb = arg;
	struct lb_vip_state *state;
	struct lb_vip_side *side;

	if (!vip->number || vip->number > lb->nvips)
		return -EINVAL;
	state = &lb->vips[vip->number - 1];
	side = &state->sides[!chain_hidden(lb->chain)];
	state->key = *key;
	side->wished = true;
	side->moved = vip->flags & LB_VIP_MOVED;
	side->ring = vip->ring;
	lb->carried = false; /* it is this chain's own */
	if (vip->ring < lb->nrings)
		(void)bpf_map_lookup_elem(chain_map(lb->chain, MADE), &vip->ring, &side->made_of);
	return 0;
}

int lb_take_over(struct lb *lb, struct err *err)
{
	uint32_t side = !chain_hidden(lb->chain);
	struct lb_config config;
	int r = take_backends(lb, err);

	if (r < 0)
		return r;
	lb->carried = lb->nreals > 1;
	r = lb_look_vips(lb->chain, take_vip, lb);
	if (r < 0)
		return err_set(err, -r, "the balancer that runs has VIPs of numbers that it cannot have");
	if (!bpf_map_lookup_elem(chain_map(lb->chain, "lb_config"), &side, &config))
		lb->ring_places = config.ring;
	return lb_vips_index(lb) ? err_set(err, ENOMEM, "out of memory") : 0;
}
