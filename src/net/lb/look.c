/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lb/look.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "net/chain.h"
#include "net/lb/conns.h"

#define BATCH 512

int lb_table_open(const struct chain *c, const char *name, uint32_t side)
{
	uint32_t id;

	if (bpf_map_lookup_elem(chain_map(c, name), &side, &id))
		return -1;
	return bpf_map_get_fd_by_id(id);
}

static uint32_t seen_side(const struct chain *c)
{
	return !chain_hidden(c);
}

static int look_exact(const struct chain *c, lb_vip_fn each, void *arg)
{
	CLEANUP_CLOSE int vips = lb_table_open(c, "lb_vips", seen_side(c));
	struct lb_vip_key key, *before = NULL;
	struct lb_vip vip;
	int r = 0;

	while (vips >= 0 && !r && !bpf_map_get_next_key(vips, before, &key)) {
		struct lb_prefix_key full = { .bits = 32U + (key.family == 4 ? 32 : 128),
					      .port = key.port,
					      .proto = key.proto,
					      .family = key.family };

		memcpy(full.addr, key.addr, sizeof(full.addr));
		before = &key;
		/* proto 0: the address alone */
		if (key.proto && !bpf_map_lookup_elem(vips, &key, &vip))
			r = each(arg, &full, &vip);
	}
	return r;
}

int lb_look_vips(const struct chain *c, lb_vip_fn each, void *arg)
{
	CLEANUP_CLOSE int vips = lb_table_open(c, "lb_prefixes", seen_side(c));
	struct lb_prefix_key key, *before = NULL;
	struct lb_vip vip;
	int r = look_exact(c, each, arg);

	while (vips >= 0 && !r && !bpf_map_get_next_key(vips, before, &key)) {
		before = &key;
		if (key.proto && !bpf_map_lookup_elem(vips, &key, &vip))
			r = each(arg, &key, &vip);
	}
	return r;
}

int lb_look_reals(const struct chain *c, lb_real_fn each, void *arg)
{
	CLEANUP_CLOSE int reals = lb_table_open(c, "lb_reals", seen_side(c));
	struct lb_real real;
	uint32_t i;
	int r = 0;

	for (i = 1; i < LB_REALS && reals >= 0 && !r; i++) {
		if (!bpf_map_lookup_elem(reals, &i, &real) && real.family)
			r = each(arg, i, &real);
	}
	return r;
}

int lb_look_real(const struct chain *c, uint32_t number, struct lb_real *ret)
{
	CLEANUP_CLOSE int reals = lb_table_open(c, "lb_reals", seen_side(c));
	struct lb_real real;

	if (reals < 0 || bpf_map_lookup_elem(reals, &number, &real) || !real.family)
		return -ENOENT;
	*ret = real;
	return 0;
}

static int look_table(int fd, int cpu, lb_conn_fn each, void *arg)
{
	CLEANUP_FREE struct packet_flow *flows = calloc(BATCH, sizeof(*flows));
	CLEANUP_FREE struct lb_conn *conns = calloc(BATCH, sizeof(*conns));
	uint32_t at = 0, next = 0, n, i;
	bool first = true;
	int r = 0, e = 0;

	if (!flows || !conns)
		return -ENOMEM;
	while (!r && !e) {
		n = BATCH;
		if (bpf_map_lookup_batch(fd, first ? NULL : &at, &next, flows, conns, &n, NULL))
			e = errno;
		if (e && e != ENOENT)
			return -e;
		for (i = 0; i < n && !r; i++)
			r = each(arg, cpu, &flows[i], &conns[i]);
		at = next;
		first = false;
	}
	return r;
}

int lb_look_conns(const struct chain *c, lb_conn_fn each, void *arg)
{
	int cpus = libbpf_num_possible_cpus(), i, r = 0;
	struct lb_conns t;

	for (i = 0; i < cpus && !r; i++) {
		if (lb_conns_open(c, (uint32_t)i, &t) < 0)
			continue;
		r = lb_conns_each(&t, i, each, arg);
		lb_conns_close(&t);
	}
	return r ? r : look_table(chain_map(c, "lb_conns_spare"), -1, each, arg);
}

int lb_look_conn(const struct chain *c, const struct packet_flow *flow, lb_conn_fn each, void *arg)
{
	int cpus = libbpf_num_possible_cpus(), i, r = 0;
	CLEANUP_CLOSE int global = lb_table_open(c, "lb_conns_global", 0);
	const struct lb_conn *found;
	struct lb_conn conn;
	struct lb_conns t;

	for (i = 0; i < cpus && !r; i++) {
		if (lb_conns_open(c, (uint32_t)i, &t) < 0)
			continue;
		found = lb_conns_find(&t, flow);
		if (found) {
			conn = *found;
			r = each(arg, i, flow, &conn);
		}
		lb_conns_close(&t);
	}
	if (!r && !bpf_map_lookup_elem(chain_map(c, "lb_conns_spare"), flow, &conn))
		r = each(arg, -1, flow, &conn);
	if (!r && global >= 0 && !bpf_map_lookup_elem(global, flow, &conn))
		r = each(arg, -1, flow, &conn);
	return r;
}

/* Of all CPUs; key: of any map of counters. */
static int count_look(int fd, const void *key, struct chain_count *ret)
{
	int cpus = libbpf_num_possible_cpus(), i;
	CLEANUP_FREE struct chain_count *counts = calloc((size_t)MAX(cpus, 1), sizeof(*counts));
	struct chain_count sum = { 0 };

	if (!counts || cpus < 0)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, key, counts))
		return -errno;
	for (i = 0; i < cpus; i++) {
		sum.packets += counts[i].packets;
		sum.bytes += counts[i].bytes;
	}
	*ret = sum;
	return 0;
}

int lb_look_count(const struct chain *c, const char *map, uint32_t number, struct chain_count *ret)
{
	return count_look(chain_map(c, map), &number, ret);
}

int lb_look_decaps(const struct chain *c, lb_decap_fn each, void *arg)
{
	int fd = chain_map(c, "lb_decap_counts"), r = 0, n;
	struct lb_addr key, *before = NULL;
	struct chain_count count;

	/* where the key before was replaced meanwhile the kernel begins anew */
	for (n = 0; n < LB_DECAPS && !r && !bpf_map_get_next_key(fd, before, &key); n++) {
		before = &key;
		if (!count_look(fd, &key, &count))
			r = each(arg, &key, &count);
	}
	return r;
}

const uint64_t *lb_look_again(const struct chain *c)
{
	void *at = mmap(NULL, LB_REALS * sizeof(uint64_t), PROT_READ, MAP_SHARED, chain_map(c, "lb_syns_again"), 0);

	return at == MAP_FAILED ? NULL : at;
}

void lb_look_again_end(const uint64_t *again)
{
	if (again)
		(void)munmap((void *)(uintptr_t)again, LB_REALS * sizeof(*again));
}

int lb_look_config(const struct chain *c, struct lb_config *ret)
{
	uint32_t side = seen_side(c);

	return bpf_map_lookup_elem(chain_map(c, "lb_config"), &side, ret) ? -errno : 0;
}

uint32_t lb_look_room(const struct chain *c)
{
	struct lb_shape shape = { 0 };
	uint32_t zero = 0;

	(void)bpf_map_lookup_elem(chain_map(c, "lb_conn_shape"), &zero, &shape);
	return shape.buckets * LB_WAYS / 2; /* twice as many places as connections */
}
