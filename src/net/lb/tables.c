/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables - the kernel's tables of one generation, filled from the wish on the chain's hidden side.
 *
 * A table is a map of its own, which the map of maps of its name holds.  To put another one there costs a grace period of RCU
 * (20 to 50 ms, and there are eight tables): so the one that is there is emptied and filled again, unless it is too small, or
 * so large that emptying it would take longer.  No packet looks at it: it is of the side before the one that runs.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "net/lb/internal.h"
#include "net/lb/look.h"
#include "packet/wire.h"

#define NAT_IDLE_S 3600
#define NAT_SHORT_S 60

struct table {
	const char *name;
	enum bpf_map_type type;
	uint32_t key, value; /* bytes */
	uint32_t flags;
};

#define TABLE_AGAIN 16384 /* entries of a table that is emptied rather than made anew */

static const struct table table_vips = { "lb_vips", BPF_MAP_TYPE_HASH, sizeof(struct lb_vip_key), sizeof(struct lb_vip),
					 0 };
static const struct table table_prefixes = { "lb_prefixes", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct lb_prefix_key),
					     sizeof(struct lb_vip), BPF_F_NO_PREALLOC };
static const struct table table_reals = { "lb_reals", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct lb_real),
					  BPF_F_MMAPABLE };
static const struct table table_routes = { "lb_routes", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct lb_route_key),
					   sizeof(uint32_t), BPF_F_NO_PREALLOC };
static const struct table table_ids = { "lb_ids", BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(uint32_t), 0 };
static const struct table table_downs = { "lb_downs", BPF_MAP_TYPE_HASH, sizeof(struct lb_down_key), sizeof(uint32_t),
					  0 };
static const struct table table_decaps = { "lb_decaps", BPF_MAP_TYPE_HASH, sizeof(struct lb_addr), sizeof(uint32_t),
					   0 };
static const struct table table_marks = { "lb_marks", BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(struct lb_real), 0 };

static int table_empty(int fd)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(fd, NULL, key)) {
		if (bpf_map_delete_elem(fd, key))
			return -errno;
	}
	return 0;
}

/* The hidden side's table, if it will do; else -1. */
static int table_again(const struct lb *lb, const struct table *t, size_t entries)
{
	int fd = lb_table_open(lb->chain, t->name, chain_hidden(lb->chain));
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.max_entries >= entries &&
	    info.max_entries <= TABLE_AGAIN && info.key_size == t->key && info.value_size == t->value &&
	    (t->type == BPF_MAP_TYPE_ARRAY || !table_empty(fd)))
		return fd;
	(void)close(fd);
	return -1;
}

/* An empty table for so many entries; table_put() makes it the hidden side's. */
static int table_make(const struct lb *lb, const struct table *t, size_t entries, bool *fresh, struct err *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = t->flags);
	uint32_t room = (uint32_t)(t->type == BPF_MAP_TYPE_ARRAY ? entries : entries + entries / 2 + 16);
	int fd = table_again(lb, t, entries);

	*fresh = fd < 0;
	if (fd >= 0)
		return fd;
	fd = bpf_map_create(t->type, t->name, t->key, t->value, room, &opts);
	return fd < 0 ? err_errno(err, errno, "cannot make a table '%s' of %u entries", t->name, room) : fd;
}

static int table_put(const struct lb *lb, const struct table *t, int fd, bool fresh, struct err *err)
{
	return fresh ? chain_table(lb->chain, t->name, fd, err) : 0;
}

static int table_set(const struct table *t, int fd, const void *key, const void *value, uint64_t flags, struct err *err)
{
	if (bpf_map_update_elem(fd, key, value, flags))
		return err_errno(err, errno, "cannot fill the table '%s'", t->name);
	return 0;
}

static int vip_set(const struct lb *lb, const struct lb_wish_vip *wish, int vips, int prefixes, struct err *err)
{
	uint32_t number = lb_vip_number(lb, wish);
	const struct lb_vip_side *side = &lb->vips[number - 1].sides[chain_hidden(lb->chain)];
	struct lb_vip vip = { .number = number,
			      .ring = side->ring,
			      .flags = wish->flags | (side->moved ? LB_VIP_MOVED : 0),
			      .nat_port = WIRE16(wish->nat_port) };
	struct lb_prefix_key key;
	struct lb_vip_key exact;
	int r;

	lb_vip_key_fill(wish, &key);
	if (lb_is_network(wish)) {
		r = table_set(&table_prefixes, prefixes, &key, &vip, BPF_ANY, err);
		key.port = key.proto = 0;
		return r < 0 ? r : table_set(&table_prefixes, prefixes, &key, &vip, BPF_ANY, err);
	}
	exact = (struct lb_vip_key) { .port = key.port, .proto = key.proto, .family = key.family };
	memcpy(exact.addr, key.addr, sizeof(exact.addr));
	r = table_set(&table_vips, vips, &exact, &vip, BPF_ANY, err);
	exact.port = exact.proto = 0;
	return r < 0 ? r : table_set(&table_vips, vips, &exact, &vip, BPF_ANY, err);
}

static int write_vips(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	bool fresh, fresh_prefixes;
	CLEANUP_CLOSE int vips = table_make(lb, &table_vips, 2 * wish->nvips, &fresh, err);
	CLEANUP_CLOSE int prefixes = table_make(lb, &table_prefixes, 2 * wish->nvips, &fresh_prefixes, err);
	size_t i;
	int r = 0;

	if (vips < 0 || prefixes < 0)
		return vips < 0 ? vips : prefixes;
	for (i = 0; i < wish->nvips && !r; i++)
		r = vip_set(lb, &wish->vips[i], vips, prefixes, err);
	if (!r)
		r = table_put(lb, &table_vips, vips, fresh, err);
	return r < 0 ? r : table_put(lb, &table_prefixes, prefixes, fresh_prefixes, err);
}

static int write_downs(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	size_t i, k, count = 0;
	uint32_t one = 1;
	bool fresh;
	int r = 0;

	for (i = 0; i < wish->nvips; i++) {
		for (k = 0; k < wish->vips[i].nbackends; k++)
			count += wish->vips[i].backends[k].down;
	}
	CLEANUP_CLOSE int fd = table_make(lb, &table_downs, count, &fresh, err);
	if (fd < 0)
		return fd;
	for (i = 0; i < wish->nvips; i++) {
		for (k = 0; k < wish->vips[i].nbackends && !r; k++) {
			struct lb_down_key key = { lb_vip_number(lb, &wish->vips[i]),
						   lb_backend_number(lb, &wish->vips[i].backends[k].addr) };

			if (wish->vips[i].backends[k].down)
				r = table_set(&table_downs, fd, &key, &one, BPF_ANY, err);
		}
	}
	return r < 0 ? r : table_put(lb, &table_downs, fd, fresh, err);
}

static int write_routes(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	bool fresh;
	CLEANUP_CLOSE int fd = table_make(lb, &table_routes, wish->nroutes, &fresh, err);
	size_t i;
	int r = fd < 0 ? fd : 0;

	for (i = 0; i < wish->nroutes && !r; i++) {
		const struct lb_wish_route *route = &wish->routes[i];
		struct lb_route_key key = { .bits = 32U + route->bits, .family = route->net.family };
		uint32_t number = lb_number_backend(lb, &route->to, err);

		if (!number)
			return -EINVAL;
		memcpy(key.addr, route->net.addr, sizeof(key.addr));
		r = table_set(&table_routes, fd, &key, &number, BPF_ANY, err);
	}
	return r < 0 ? r : table_put(lb, &table_routes, fd, fresh, err);
}

static int write_ids(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	bool fresh;
	CLEANUP_CLOSE int fd = table_make(lb, &table_ids, wish->nids, &fresh, err);
	size_t i;
	int r = fd < 0 ? fd : 0;

	for (i = 0; i < wish->nids && !r; i++) {
		uint32_t number = lb_number_backend(lb, &wish->ids[i].to, err);

		if (!number)
			return -EINVAL;
		r = table_set(&table_ids, fd, &wish->ids[i].id, &number, BPF_NOEXIST, err);
	}
	return r < 0 ? r : table_put(lb, &table_ids, fd, fresh, err);
}

static int write_marks(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	bool fresh;
	CLEANUP_CLOSE int fd = table_make(lb, &table_marks, wish->nmarks, &fresh, err);
	size_t i;
	int r = fd < 0 ? fd : 0;

	for (i = 0; i < wish->nmarks && !r; i++) {
		const struct lb_wish_backend *to = &wish->marks[i].to;
		struct lb_real real = { .family = to->addr.family, .flags = to->flags, .ifindex = to->ifindex };

		memcpy(real.addr, to->addr.addr, sizeof(real.addr));
		r = table_set(&table_marks, fd, &wish->marks[i].id, &real, BPF_NOEXIST, err);
	}
	return r < 0 ? r : table_put(lb, &table_marks, fd, fresh, err);
}

static int write_decaps(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	bool fresh;
	CLEANUP_CLOSE int fd = table_make(lb, &table_decaps, wish->ndecaps, &fresh, err);
	size_t i;
	int r = fd < 0 ? fd : 0;

	for (i = 0; i < wish->ndecaps && !r; i++)
		r = table_set(&table_decaps, fd, &wish->decaps[i].addr, &wish->decaps[i].what, BPF_ANY, err);
	return r < 0 ? r : table_put(lb, &table_decaps, fd, fresh, err);
}

/* After all others: they gave numbers. */
static int write_reals(struct lb *lb, struct err *err)
{
	size_t bytes = LB_REALS * sizeof(*lb->reals);
	bool fresh;
	CLEANUP_CLOSE int fd = table_make(lb, &table_reals, LB_REALS, &fresh, err);
	void *at;

	if (fd < 0)
		return fd;
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_errno(err, errno, "cannot map the table of backends");
	memcpy(at, lb->reals, bytes);
	(void)munmap(at, bytes);
	return table_put(lb, &table_reals, fd, fresh, err);
}

static int write_config(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	struct lb_config config = wish->config;
	uint32_t side = chain_hidden(lb->chain);
	size_t i;

	config.ring = lb->ring_places;
	config.flags &= ~(uint32_t)(LB_PREFIXES | LB_NAT | LB_ANY_PORT);
	config.nat_idle_s = config.nat_idle_s ? config.nat_idle_s : NAT_IDLE_S;
	config.nat_short_s = config.nat_short_s ? config.nat_short_s : NAT_SHORT_S;
	config.nat_udp_idle_s = config.nat_udp_idle_s ? config.nat_udp_idle_s : config.udp_idle_s;
	for (i = 0; i < wish->nvips; i++) {
		if (wish->vips[i].flags & LB_VIP_NAT)
			config.flags |= LB_NAT;
		if (!lb_is_network(&wish->vips[i]) && !wish->vips[i].port)
			config.flags |= LB_ANY_PORT;
		if (lb_is_network(&wish->vips[i]))
			config.flags |= LB_PREFIXES;
	}
	if (bpf_map_update_elem(chain_map(lb->chain, "lb_config"), &side, &config, BPF_ANY))
		return err_errno(err, errno, "cannot write the balancer's configuration");
	return 0;
}

int lb_tables_write(struct lb *lb, const struct lb_wish *wish, struct err *err)
{
	static int (*const writers[])(struct lb *, const struct lb_wish *, struct err *) = {
		write_vips, write_downs, write_routes, write_ids, write_marks, write_decaps, write_config,
	};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(writers); i++) {
		r = writers[i](lb, wish, err);
		if (r < 0)
			return r;
	}
	return write_reals(lb, err);
}

/* What a table that may be emptied and filled again has room for; 0: there is none. */
static uint32_t table_room(const struct lb *lb, const struct table *t, uint32_t side)
{
	CLEANUP_CLOSE int fd = lb_table_open(lb->chain, t->name, side);
	struct bpf_map_info info = { 0 };
	uint32_t bytes = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &bytes) ? info.max_entries : 0;
}

int lb_ready(struct lb *lb, struct err *err)
{
	static const struct table *const tables[] = { &table_vips, &table_prefixes, &table_reals,  &table_routes,
						      &table_ids,  &table_downs,    &table_decaps, &table_marks };
	uint32_t hidden = chain_hidden(lb->chain);
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_LEN(tables) && !r; i++) {
		LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = tables[i]->flags);
		uint32_t room = table_room(lb, tables[i], !hidden);

		if (room > TABLE_AGAIN || room <= table_room(lb, tables[i], hidden))
			continue;
		CLEANUP_CLOSE int fd =
			bpf_map_create(tables[i]->type, tables[i]->name, tables[i]->key, tables[i]->value, room, &opts);
		r = fd < 0 ? err_errno(err, errno, "cannot make a table '%s' of %u entries", tables[i]->name, room)
			   : chain_table(lb->chain, tables[i]->name, fd, err);
	}
	return r;
}
